"""``physnn run``: a recipe of any kind from a file of settings, also of a kind that is brought."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from physnn.cli import options as opt
from physnn.cli.call import Call, finished, read_config
from physnn.errors import InputError


@click.command("run")
@click.argument("settings", type=click.Path(path_type=Path, dir_okay=False))
@opt.kind_option
@click.option("--observable", help="What to fit at the end [default: what the file allows first].")
@opt.extend_option("what its kind allows")
@opt.shard_option
@opt.dry_run_option
@opt.out_option("run.h5")
@opt.json_option
@opt.run_options
def run_command(settings: Path, module: Path | None, **options: Any) -> None:
    """Run a recipe of any kind: SETTINGS is a file of them, TOML or JSON, or a file that physnn wrote.

    \b
    physnn run percolation.toml --module percolation.py --jobs 2 --out percolation.h5

    A rerun continues where an interrupted one stopped.
    """
    from physnn.answers.fit import default_observable
    from physnn.cli.answers import sweep_answer
    from physnn.samples.kinds import class_of, load_kinds, recipe_from
    from physnn.store.sweep_file import FORMAT, read_sweep

    call = Call.of(options, "run.h5")
    found = read_config(settings)
    if module:
        load_kinds(module)
    if "kind" not in found:
        raise InputError(f'{settings} does not say its kind, as in: kind = "temperature"')
    recipe = recipe_from(found, settings).resolved()
    count = finished("run", recipe, call)
    if count is None:
        return
    if class_of(recipe.kind, call.out).format != FORMAT:
        click.echo(f"{count} tasks run\nfile    {call.out}")
    else:
        name = call.observable or default_observable(read_sweep(call.out))
        sweep_answer(call.out, name, count).print(call.as_json)
