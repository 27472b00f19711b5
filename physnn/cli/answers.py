"""What the sweep commands print: plans before, answers after."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from physnn.analysis.curves.curves import Curves
    from physnn.analysis.verdict.fit import Fit
    from physnn.samples.noise.recipe import Stage
    from physnn.samples.temperature.recipe import TemperatureStage


def print_plan(plan: dict[str, Any], as_json: bool) -> None:
    """Print what a sweep will take."""
    from physnn.cli.output import print_json, print_table

    if as_json:
        print_json(plan)
        return
    rows = [
        [str(r["L"]), str(r["tasks"]), f"{r['seconds_per_task']:.2g}", f"{r['megabytes_per_task']:.0f}"]
        for r in plan["rows"]
    ]
    print_table("tasks to run", ["L", "tasks", "seconds a task", "MB a task"], rows)
    if "stage" not in plan:
        click.echo(_cost(plan))
        return
    most = plan["second_stage_at_most"]
    click.echo(
        f"{_stage(plan['stage'])}\n  {_cost(plan)}\nsecond stage: decided from the pilot; at most "
        f"{most['times_pilot']:g} times its cost: {_seconds(most['seconds'])}, a file of "
        f"{most['file_megabytes']:.2g} MB"
    )


def _cost(plan: dict[str, Any]) -> str:
    return (
        f"about {_seconds(plan['seconds'])} with {plan['jobs']} jobs, {plan['megabytes']:.0f} MB of memory, "
        f"a file of {plan['file_megabytes']:.2g} MB"
    )


def _seconds(number: float) -> str:
    return f"{number:.0f} s" if number < 3600 else f"{number / 3600:.1f} h"


def _stage(stage: dict[str, Any]) -> str:
    if "eta" in stage:
        return f"{len(stage['eta'])} noise values, {stage['images']} images: {stage['why']}"
    values = f"{len(stage['T'])} temperatures" if stage["T"] else "temperatures that scale with L"
    return f"{values}, {stage['sweeps']} sweeps: {stage['why']}"


def announce(stage: Stage | TemperatureStage, plan: dict[str, Any]) -> None:
    """Say on stderr what a stage is and what is left of it to do."""
    click.echo(f"{_stage(stage.model_dump())}\n  {_cost(plan)}", err=True)


def run_and_print(
    title: str, recipe: Any, out: Path, observable: str | None, extend: bool, quiet: bool, as_json: bool, **run: Any
) -> None:
    """Run a sweep, or one shard of it, and print what it says; ``run`` as in `run_sweep_or_shard`."""
    count, missing = run_sweep_or_shard(title, recipe, out, extend, quiet, **run)
    if missing:
        print_missing(run["shard"], {"task": (out, count, missing)}, as_json)
    else:
        print_sweep(out, observable or recipe.target_observable, count, as_json)


def run_sweep_or_shard(
    title: str,
    recipe: Any,
    out: Path,
    extend: bool,
    quiet: bool,
    *,
    executor: str,
    insecure: bool,
    shard: str | None,
    **run: Any,
) -> tuple[int, int]:
    """Run a sweep, or one shard of it; return how many tasks were run, and how many of other shards are missing."""
    from physnn.cli.output import progress_bar
    from physnn.jobs.executors import parse_engine
    from physnn.samples.files import run_sweep
    from physnn.samples.shards import parse_shard, run_shard

    engine = parse_engine(executor, insecure)
    with progress_bar(title, quiet) as progress:
        if shard is None:
            run |= {"progress": progress, "extend": extend, "engine": engine}
            return run_sweep(recipe, out, announce=None if quiet else announce, **run), 0
        return run_shard(recipe, out, parse_shard(shard), progress=progress, extend=extend, engine=engine, **run)


def print_missing(shard: str, sweeps: dict[str, tuple[Path, int, int]], as_json: bool) -> None:
    """Say that tasks of other shards are missing: by sweep its file, tasks run and tasks that are missing.

    In JSON the first of them stands at the top, others under their names.
    """
    from physnn.cli.output import print_json

    if as_json:
        first, *others = (
            {"file": str(out), "tasks_run": count, "missing": lack} for out, count, lack in sweeps.values()
        )
        print_json({"shard": shard, **first, **dict(zip(list(sweeps)[1:], others, strict=True))})
        return
    for out, count, missing in sweeps.values():
        lack = f"; {missing} tasks of other shards are missing for {out}" if missing else ""
        click.echo(f"shard {shard}: {count} tasks run{lack}")


def print_sweep(out: Path, observable: str, count: int, as_json: bool, more: dict[str, Any] | None = None) -> None:
    """Print and draw what a finished sweep says; ``more`` is added to its JSON."""
    from physnn import plots
    from physnn.analysis.order.equilibrium import rows
    from physnn.answers import fit as report
    from physnn.cli.fit import answer_text
    from physnn.cli.output import print_json, print_table
    from physnn.errors import InputError
    from physnn.store.hdf5 import content_digest
    from physnn.store.sweep_file import read_sweep

    sweep = read_sweep(out)
    figure, fit, remark = None, None, ""
    try:
        fit = report.fit(sweep, observable)
        figure = str(plots.plot_sweep(out, observable, answer=fit))
    except InputError as error:
        # The data are complete and saved: too few sizes or noise values to compare is no failure of the sweep.
        remark = f"nothing to compare: {error}"
    control, arrays = report.sampled_arrays(sweep)
    controls = {f"L{L}": x.tolist() for L, (x, _) in arrays.items()}
    target = _target(sweep.recipe, fit)
    found = report.equilibrium_checks(sweep)
    if as_json:
        if found:
            target |= {"equilibrium": [check.as_json() for check in found], "order": sweep.recipe["order"]}
        print_json(
            {
                "file": str(out),
                "figure": figure,
                "sizes": list(sweep.sizes),
                "controls": controls,
                "tasks_run": count,
                "digest": content_digest(out),
                "fit": fit.as_json() if fit else None,
                "remark": remark,
                **target,
                **(more or {}),
            }
        )
        return
    click.echo(f"{count} tasks run" if count else "all is done: nothing was left to run")
    with suppress(InputError):  # what curves lack is in the remark
        curves = fit.curves if fit else report.curves(sweep, observable)
        header = [control, *(f"L = {L}" for L in curves.sizes)]
        print_table(f"{observable} of {_draws(curves)}", header, report.curve_rows(curves))
    if found:
        print_table("equilibrium", *rows(found))
    click.echo(answer_text(fit) if fit else remark)
    for number, stage in enumerate(target.get("stages", []), 1):
        click.echo(f"stage {number}: {_stage(stage)}")
    if (lack := target.get("target_missing")) is not None:
        click.echo(f"target error {target['target_error']:g}: {f'not reached, {lack}' if lack else 'reached'}")
    click.echo(f"data    {out}" + (f"\nfigure  {figure}" if figure else ""))


def _draws(curves: Curves) -> str:
    if curves.chains:
        return f"{curves.chains} chains, {curves.bins} bins or more"
    return f"{curves.networks} networks, {curves.images} images each"


def _target(recipe: dict[str, Any], fit: Fit | None) -> dict[str, Any]:
    """Return the stages of a sweep with a target error, and what its answer lacks to the target ("" for nothing)."""
    from physnn.analysis.verdict.planning import missing

    if not recipe.get("stages"):
        return {}
    found: dict[str, Any] = {name: recipe[name] for name in ("target_error", "stages")}
    if fit and fit.curves.observable == recipe["target_observable"]:
        found["target_missing"] = missing(fit, recipe["target_error"], "images" if "images" in recipe else "sweeps")
    return found
