"""What ``sweep-noise`` prints of networks besides the task: how long they keep what is written, and both together."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from physnn.analysis.memory.contrast import MemoryAnswer
    from physnn.samples.memory.recipe import MemorySweep
    from physnn.samples.noise.recipe import NoiseSweep

Answer = tuple[dict[str, Any], Callable[[], None]]
"""What is said: as plain data, and what prints it."""


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

    ``run`` as in `physnn.cli.answers.run_sweep_or_shard`.  What goes wrong with the second leaves the answer of
    the first as it is.
    """
    from physnn.answers.memory import companion_path
    from physnn.cli.answers import print_missing, print_plan, print_sweep, run_sweep_or_shard
    from physnn.errors import InputError
    from physnn.samples.files import plan

    place = companion_path(out)
    other, lack = _companion(recipe, out, extend, run["restart"]) if memory else (None, "")
    if dry_run:
        plans = {"task": plan(recipe, run["jobs"])} | ({"memory": plan(other, run["jobs"])} if other else {})
        _print_plans(plans, as_json, print_plan)
        return
    begun, counts = time.monotonic(), {}
    counts["task"] = run_sweep_or_shard("sweep-noise", recipe, out, extend, quiet, **run)
    if other:
        if run["max_time"] is not None:
            run["max_time"] = max(1e-3, run["max_time"] - (time.monotonic() - begun))
        try:
            counts["memory"] = run_sweep_or_shard("memory", other, place, True, quiet, **run)
        except InputError as error:
            other, lack = None, f"memory is not measured: {error}"
    if not (out.exists() and (other is None or place.exists())):
        said = {name: (path, *counts[name]) for name, path in (("task", out), ("memory", place)) if name in counts}
        print_missing(run["shard"], said, as_json)
        return
    plain, show = _answer(out, place) if other else _none(lack)
    name = observable or recipe.target_observable
    print_sweep(out, name, counts["task"][0], as_json, plain if memory else None)
    if memory and not as_json:
        show()


def _companion(recipe: NoiseSweep, out: Path, extend: bool, restart: bool) -> tuple[MemorySweep | None, str]:
    """Return the recipe of the memory sweep that goes with a noise sweep, or why there is none.

    Its runs are as long as those of an older one beside the file, which it extends, unless all begins anew.
    """
    from physnn import api
    from physnn.answers.memory import companion_path, companion_settings
    from physnn.errors import InputError
    from physnn.samples.files import recipe_on_disk
    from physnn.samples.memory.recipe import MemorySweep

    if recipe.device == "cuda":
        return None, "memory is measured on the CPU: physnn memory"
    old = recipe_on_disk(out) if extend else None
    settings = companion_settings(recipe.model_copy(update={"L": tuple(sorted({*recipe.L, *(old.L if old else ())}))}))
    if settings is None:
        return None, "memory is measured in networks of our own kinds, on lattices of 4 x 4 or more"
    try:
        before = None if restart else recipe_on_disk(companion_path(out))
        if isinstance(before, MemorySweep):
            settings["longest"] = max(settings["longest"], before.longest)
        return api.memory_recipe(**settings), ""
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


def _none(lack: str) -> Answer:
    return {"memory": None, "memory_remark": lack}, lambda: click.echo(lack)


def _answer(out: Path, place: Path) -> Answer:
    """Return what both sweeps say, drawn: as plain data, and what prints it."""
    from physnn import plots
    from physnn.analysis.memory.forgetting import common_ratio, in_words
    from physnn.answers.memory import forgetting, memory_of
    from physnn.errors import InputError
    from physnn.store.hdf5 import content_digest
    from physnn.store.sweep_file import read_sweep

    sweep = read_sweep(place)
    answer = memory_of(sweep)
    assert answer is not None
    figure = str(plots.plot_memory(place, answer=answer))
    memory = {"file": str(place), "figure": figure, "digest": content_digest(place), **answer.as_json()}
    try:
        L, found = forgetting(read_sweep(out), sweep)
    except InputError as error:
        remark = f"task and memory are not compared: {error}"
        return {"memory": memory, "forgetting": None}, partial(_print, answer, [], remark, place, figure)
    ratio = common_ratio(found)
    both = {"L": L, "networks": [f.as_json() for f in found], "ratio": ratio.as_json() if ratio else None}
    rows = [[f.network, str(f.task), str(f.order), str(f.ratio or "-")] for f in found]
    return {"memory": memory, "forgetting": both}, partial(_print, answer, rows, in_words(found, L), place, figure)


def _print(answer: MemoryAnswer, rows: list[list[str]], sentence: str, place: Path, figure: str) -> None:
    from physnn.cli.memory import lifetime_rows
    from physnn.cli.output import print_table

    print_table("memory: lifetimes of a domain in steps", *lifetime_rows(answer))
    click.echo(answer.verdict)
    if rows:
        print_table("noise at which it is lost", ["network", "task", "order", "task / order"], rows)
    click.echo(sentence)
    click.echo(f"data    {place}\nfigure  {figure}")
