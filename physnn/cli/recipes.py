"""Commands made from recipes: ``run``, ``sweep-percolation`` and ``sweep-coupling``."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from physnn.cli import options as opt
from physnn.cli.call import (
    Call,
    choose_algorithm,
    finished,
    print_answer,
    read_config,
    resolve_device,
    run_and_print,
)
from physnn.cli.files import line_option
from physnn.cli.output import print_json
from physnn.errors import InputError

COUPLING_RECIPE = "physnn.samples.coupling.recipe:CouplingSweep"
PERCOLATION_RECIPE = "physnn.samples.percolation.recipe:PercolationSweep"
OF_PERCOLATION = ("wrap_either", "wrap_one", "wrap_both", "largest_ratio", "largest", "cluster_size")
"""Observables of percolation; the first one is fitted by default."""
OF_OSCILLATORS = ("r", "r_cumulant", "locked", "local_order", "vortices")
"""Observables of oscillators; the first one is fitted by default."""
PRINTED = {
    "train-eos": "training.equations:print_state",
    "train-pde": "training.equations:print_pde",
    "train-rbm": "training.machines:print_machines",
    "train-colour": "training.colour:print_colour",
    "train-sentiment": "training.sentiment:print_sentiment",
    "train-labels": "training.labels:print_labels",
    "energy-map": "bottleneck.energy:print_maps",
    "recall": "bottleneck.recall:print_recall",
}
"""What draws and prints answers that are no fits, by kind: ``module:function``."""


@click.command("run", cls=opt.ListCommand)
@click.argument("settings", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--module",
    metavar="FILE.py[:CLASS]",
    help="Where a kind is defined that physnn does not have, or a network or model of your own; its code is run.",
)
@click.option("--observable", help="What to fit at the end [default: what the file allows first].")
@line_option
@opt.extend_option("what its kind allows")
@opt.shard_option
@opt.dry_run_option
@opt.out_option("run.h5")
@opt.json_option
@opt.run_options
def run_command(settings: Path, module: str | None, **options: Any) -> None:
    """Run a recipe of any kind: SETTINGS is a file of them, TOML or JSON, or a file that physnn wrote.

    \b
    physnn run percolation.toml --module percolation.py --jobs 2 --out percolation.h5

    A rerun continues where an interrupted one stopped.
    """
    from physnn.networks.source import located
    from physnn.samples.kinds import class_of, load_kinds, recipe_from
    from physnn.samples.temperature.own_model import own_model
    from physnn.store.sweep_file import FORMAT

    call = Call.of(options, "run.h5")
    found = read_config(settings)
    if "kind" not in found:
        raise InputError(f'{settings} does not say its kind, as in: kind = "temperature"')
    if found["kind"] == "train-classify":
        _check_classes(found, module)
    elif module and module.endswith(".py"):
        load_kinds(Path(module))
    elif module:
        found |= {"module": located(module)} if found["kind"] != "temperature" else own_model(module)
    elif found.get("module") and not found.get("tables"):
        raise InputError(f"these settings run code: allow it with --module {found['module']}")
    _put_device(found, settings, call)
    recipe = recipe_from(found, settings).resolved()
    lines = call.lines(recipe)
    _check_run(recipe, settings, call)
    count = finished("run", recipe, call)
    if count is None:
        return
    if recipe.kind in PRINTED:
        module, _, function = PRINTED[recipe.kind].partition(":")
        getattr(import_module(f"physnn.cli.{module}"), function)(call)
    elif class_of(recipe.kind, call.out).format != FORMAT or not (call.observable or _has_curves(call.out, lines)):
        _print_made(call.out, count, call.as_json)
    else:
        print_answer(recipe, call, count, lines, call.observable)


def _check_classes(found: dict[str, Any], module: str | None) -> None:
    """Raise InputError where settings name classes of networks that a person has not named."""
    from physnn.networks.source import located

    named = {str(one.get("recipe", {}).get("network")) for one in (found.get("ensembles") or {}).values()}
    for network in sorted(name for name in named if ":" in name):
        if module is None or located(module) != located(network):
            raise InputError(f"these settings run code: allow it with --module {network}")


def _put_device(found: dict[str, Any], settings: Path, call: Call) -> None:
    """Put the device that is asked for into what was read; raises InputError for cuda if the kind has no use for it."""
    from physnn.samples.kinds import class_of

    if call.device == "auto":
        return
    if found["kind"] == "temperature":
        choose_algorithm(found, call.device, call.elsewhere)
    elif "device" in class_of(str(found["kind"]), settings).Recipe.model_fields:
        found["device"] = resolve_device(call.device, elsewhere=call.elsewhere)
    elif call.device == "cuda":
        raise InputError(f"the kind {found['kind']} runs on the CPU; leave --device out")


def _has_curves(out: Path, lines: list[dict[str, float]]) -> bool:
    """Whether a finished file has curves to fit and to draw."""
    from physnn.answers.fit import sampled_arrays
    from physnn.answers.lines import on_line
    from physnn.store.sweep_file import read_sweep

    try:
        sampled_arrays(on_line(read_sweep(out, states=False), at=lines[0] if lines else None))
    except InputError:
        return False
    return True


def _print_made(out: Path, count: int, as_json: bool) -> None:
    """Print which file was made, where that is all there is to say."""
    from physnn.store.hdf5 import content_digest

    if as_json:
        print_json({"file": str(out), "tasks_run": count, "digest": content_digest(out)})
    else:
        click.echo(f"{count} tasks run\nfile    {out}")


def _check_run(recipe: Any, settings: Path, call: Call) -> None:
    """Raise InputError if a recipe asks for a GPU that is not here, or something would be written through a link."""
    from physnn.machine import check_no_link

    if getattr(recipe, "device", None) == "cuda" and not call.elsewhere:
        from physnn.networks.device import has_cuda

        if not has_cuda():
            advice = "write cpu there, or run it on a machine that has one"
            raise InputError(f'{settings} says device = "cuda", and there is no CUDA device here: {advice}')
    if recipe.kind == "train-pde":
        from physnn.cli.training.equations import widths_of

        check_no_link(widths_of(call.out))


@click.command("sweep-percolation", cls=opt.RecipeCommand, recipes=(PERCOLATION_RECIPE,))
@click.option("--observable", type=click.Choice(OF_PERCOLATION), help=f"What to fit [default: {OF_PERCOLATION[0]}].")
@opt.sweep_options("sweep-percolation.h5", "sizes, probabilities or series")
def sweep_percolation_command(**options: Any) -> None:
    """Sweep the occupation probability p of site percolation on square tori; fit, draw and print the answer.

    All p share the runs of a size.

    \b
    physnn sweep-percolation --L 16 32 64 128
    physnn sweep-percolation --L 32 64 --p 0.58 0.59 0.6 0.61 --runs 50000 --out fine.h5
    physnn sweep-percolation --extend --L 256 --series 16
    physnn sweep-percolation --observable largest_ratio

    A rerun continues where an interrupted one stopped.
    """
    from physnn.samples.percolation.recipe import PercolationSweep

    _sweep_on_cpu("percolation", PercolationSweep, OF_PERCOLATION[0], "percolation runs", options)


@click.command("sweep-coupling", cls=opt.RecipeCommand, recipes=(COUPLING_RECIPE,))
@click.option("--observable", type=click.Choice(OF_OSCILLATORS), help=f"What to fit [default: {OF_OSCILLATORS[0]}].")
@opt.sweep_options("sweep-coupling.h5", "sizes, couplings or series")
def sweep_coupling_command(**options: Any) -> None:
    """Sweep the coupling K of Kuramoto oscillators at several sizes; fit, draw and print the answer.

    All K share the frequencies of a realisation.

    \b
    physnn sweep-coupling --N 200 800 3200
    physnn sweep-coupling --N 1000 4000 --K 0.8 1 1.2 1.4 --frequencies gaussian --out gaussian.h5
    physnn sweep-coupling --frequencies equal --noise 0.5 --observable r_cumulant
    physnn sweep-coupling --network square --N 256 1024 --K 1 2 3 4
    physnn sweep-coupling --network edges.txt --K 0.5 1 1.5
    physnn sweep-coupling --extend --N 12800 --series 16

    A rerun continues where an interrupted one stopped.
    """
    from physnn.samples.coupling.recipe import CouplingSweep

    _sweep_on_cpu("coupling", CouplingSweep, OF_OSCILLATORS[0], "oscillators run", options)


def _sweep_on_cpu(kind: str, recipe: type[Any], observable: str, runs: str, options: dict[str, Any]) -> None:
    """Run a sweep of a kind that has no kernel for a GPU, and print its answer."""
    from physnn import api

    command = f"sweep-{kind}"
    call = Call.of(options, f"{command}.h5")
    call = replace(call, observable=call.observable or observable)
    if call.device == "cuda":
        raise InputError(f"{runs} on the CPU; leave --device out")
    settings = call.settings(recipe, options)
    run_and_print(command, api.recipe(kind, call.out, call.extend, **settings), call)
