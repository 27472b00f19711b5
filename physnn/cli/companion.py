"""What ``sweep-noise`` prints of networks besides the task: how long they keep what is written, and both together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from physnn.sweeps.memory_recipe import MemorySweep
    from physnn.sweeps.noise_recipe import NoiseSweep


def run_and_print_both(
    recipe: NoiseSweep,
    out: Path,
    observable: str | None,
    *,
    memory: bool,
    dry_run: bool,
    extend: bool,
    quiet: bool,
    as_json: bool,
    **run: Any,
) -> None:
    """Run a noise sweep and, with ``memory``, the memory sweep that goes with it; print what they say.

    ``run`` as in `physnn.cli.sweep_output.run_sweep_or_shard`.
    """
    from physnn.cli.sweep_output import print_plan, print_sweep, run_sweep_or_shard
    from physnn.sweeps.companion import companion_path
    from physnn.sweeps.files import plan

    other, lack = _companion(recipe, out, extend) if memory else (None, "")
    if dry_run:
        plans = {"task": plan(recipe, run["jobs"])} | ({"memory": plan(other, run["jobs"])} if other else {})
        _print_plans(plans, as_json, print_plan)
        return
    count = run_sweep_or_shard("sweep-noise", recipe, out, extend, quiet, as_json, **run)
    place = companion_path(out)
    counted = run_sweep_or_shard("memory", other, place, extend, quiet, as_json, **run) if other else 0
    if count is None or counted is None:
        return
    more: dict[str, Any] = _answer(out, place) if other else {"memory": None, "memory_remark": lack}
    name = observable or recipe.target_observable
    print_sweep(out, name, count, as_json, {k: v for k, v in more.items() if k != "text"} if memory else None)
    if memory and not as_json:
        _print(more, place, lack)


def _companion(recipe: NoiseSweep, out: Path, extend: bool) -> tuple[MemorySweep | None, str]:
    """Return the recipe of the memory sweep that goes with a noise sweep, or why there is none."""
    from physnn import api
    from physnn.errors import InputError
    from physnn.sweeps.companion import companion_path, companion_settings
    from physnn.sweeps.files import recipe_on_disk

    if recipe.device == "cuda":
        return None, "memory is measured on the CPU: physnn memory"
    old = recipe_on_disk(out) if extend else None
    sizes = tuple(sorted({*recipe.L, *(old.L if old else ())}))
    settings = companion_settings(recipe.model_copy(update={"L": sizes}))
    if settings is None:
        return None, "memory is measured in networks of our own kinds only"
    try:
        return api.memory_recipe(companion_path(out), extend, **settings), ""
    except InputError as error:
        # What a memory sweep cannot do (layers that end, say) is no failure of the noise sweep.
        return None, f"memory is not measured: {error}"


def _print_plans(plans: dict[str, Any], as_json: bool, print_plan: Any) -> None:
    from physnn.cli.output import print_json

    if as_json:
        print_json(plans["task"] | ({"memory": plans["memory"]} if "memory" in plans else {}))
        return
    for name, found in plans.items():
        if len(plans) > 1:
            click.echo(name)
        print_plan(found, False)


def _answer(out: Path, place: Path) -> dict[str, Any]:
    """Return what both sweeps say, drawn, as plain data; ``text`` holds the rows to print."""
    from physnn import plots
    from physnn.analysis.forgetting import common_ratio, in_words
    from physnn.errors import InputError
    from physnn.store.hdf5 import content_digest
    from physnn.store.sweep_file import read_sweep
    from physnn.sweeps.companion import forgetting
    from physnn.sweeps.memory_read import memory_of

    sweep = read_sweep(place)
    answer = memory_of(sweep)
    assert answer is not None
    figure = str(plots.plot_memory(place, answer=answer))
    memory = {"file": str(place), "figure": figure, "digest": content_digest(place), **answer.as_json()}
    try:
        L, found = forgetting(read_sweep(out), sweep)
    except InputError as error:
        remark = f"task and memory are not compared: {error}"
        return {"memory": memory, "forgetting": None, "text": (answer, [], remark)}
    ratio = common_ratio(found)
    both = {"L": L, "networks": [f.as_json() for f in found], "ratio": ratio.as_json() if ratio else None}
    rows = [[f.network, str(f.task), str(f.order), str(f.ratio or "-")] for f in found]
    return {"memory": memory, "forgetting": both, "text": (answer, rows, in_words(found, L))}


def _print(more: dict[str, Any], place: Path, lack: str) -> None:
    from physnn.cli.memory import lifetime_rows
    from physnn.cli.output import print_table

    if lack:
        click.echo(lack)
        return
    answer, rows, sentence = more["text"]
    print_table("memory: lifetimes of a domain in steps", *lifetime_rows(answer))
    click.echo(answer.verdict)
    if rows:
        print_table("noise at which it is lost", ["network", "task", "order", "task / order"], rows)
    click.echo(sentence)
    click.echo(f"data    {place}\nfigure  {more['memory']['figure']}")
