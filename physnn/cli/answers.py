"""Printed plans and answers of the files that commands make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from physnn.cli.output import print_json, print_parts, print_table, print_told

if TYPE_CHECKING:
    from physnn.analysis.memory.contrast import MemoryAnswer
    from physnn.analysis.verdict.fit import Fit
    from physnn.samples.noise.recipe import Stage
    from physnn.samples.temperature.recipe import TemperatureStage
    from physnn.store.sweep_file import SweepFile


@dataclass(frozen=True)
class Answer:
    """An answer as plain data, and what prints it in words."""

    plain: dict[str, Any]
    show: Callable[[], None]

    def print(self, as_json: bool = False) -> None:
        """Print it in words, or as one JSON object."""
        if as_json:
            print_json(self.plain)
        else:
            self.show()


def print_plans(plans: dict[str, dict[str, Any]], as_json: bool) -> None:
    """Print what sweeps will take; in JSON the first stands at the top, others under their names."""
    if as_json:
        first, *others = plans
        print_json(plans[first] | {name: plans[name] for name in others})
        return
    for name, plan in plans.items():
        if len(plans) > 1:
            click.echo(name)
        _print_plan(plan)


def _print_plan(plan: dict[str, Any]) -> None:
    rows = [
        [str(r["L"]), str(r["tasks"]), f"{r['seconds_per_task']:.2g}", f"{r['megabytes_per_task']:.0f}"]
        for r in plan["rows"]
    ]
    for pilot in plan.get("pilots", ()):
        click.echo(f"{_stage(pilot['stage'])}\n  {_cost(pilot)}")
    print_table("tasks to run", ["L", "tasks", "seconds a task", "MB a task"], rows)
    if "stage" not in plan:
        click.echo(_cost(plan) + (", pilots included" if "pilots" in plan else ""))
        return
    most = plan["second_stage_at_most"]
    click.echo(
        f"{_stage(plan['stage'])}\n  {_cost(plan)}\nsecond stage: decided from the pilot; at most "
        f"{most['times_pilot']:g} times its cost: {_seconds(most['seconds'])}, a file of "
        f"{most['file_megabytes']:.2g} MB"
    )


def _cost(plan: dict[str, Any]) -> str:
    return (
        f"about {_seconds(plan['seconds'])} with {plan['jobs']} jobs, {plan['seconds'] * plan['jobs'] / 3600:.2g} "
        f"core-hours, {plan['megabytes']:.0f} MB of memory, "
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
    """Print on stderr the record of a stage and the cost of what is left of it."""
    click.echo(f"{_stage(stage.model_dump())}\n  {_cost(plan)}", err=True)


def print_missing(shard: str, sweeps: dict[str, tuple[Path, int, int]], as_json: bool) -> None:
    """Print the tasks of other shards that are missing: by sweep its file, tasks run and tasks missing.

    In JSON the first of them stands at the top, others under their names.
    """
    if as_json:
        first, *others = (
            {"file": str(out), "tasks_run": count, "missing": lack} for out, count, lack in sweeps.values()
        )
        print_json({"shard": shard, **first, **dict(zip(list(sweeps)[1:], others, strict=True))})
        return
    for out, count, missing in sweeps.values():
        lack = f"; {missing} tasks of other shards are missing for {out}" if missing else ""
        click.echo(f"shard {shard}: {count} tasks run{lack}")


def sweep_answer(out: Path, observable: str, count: int, at: Mapping[str, float] | None = None) -> Answer:
    """Answer of a finished sweep, drawn beside it; of several control parameters that of the line ``at``."""
    from physnn.answers import fit as report
    from physnn.answers import plots
    from physnn.answers.equilibrium import start_remarks
    from physnn.answers.exchange import exchanges_of
    from physnn.answers.lines import on_line
    from physnn.errors import InputError
    from physnn.store.hdf5 import content_digest
    from physnn.store.sweep_file import read_sweep

    sweep = on_line(read_sweep(out, states=False), at=at)
    figure, fit, remark = None, None, ""
    try:
        fit = report.fit(sweep, observable)
        figure = str(plots.plot_sweep(out, observable, answer=fit, at=at))
    except InputError as error:
        # The data are complete and saved: too few sizes or noise values to compare is no failure of the sweep.
        remark = "; ".join((f"nothing to compare: {error}", *start_remarks(sweep, observable)))
    found = report.equilibrium_checks(sweep)
    plain = {
        "file": str(out),
        "figure": figure,
        "sizes": list(sweep.sizes),
        "controls": {f"L{L}": x.tolist() for L, (x, _) in report.sampled_arrays(sweep)[1].items()},
        "tasks_run": count,
        "digest": content_digest(out),
        "fit": fit.as_json() if fit else None,
        "remark": remark,
        **_target(sweep.recipe, fit),
    }
    if found:
        plain |= {"equilibrium": [check.as_json() for check in found], "order": sweep.recipe["order"]}
    if swaps := exchanges_of(sweep):
        plain |= {"exchange": [each.as_json() for each in swaps]}
    return Answer(plain, lambda: _print_sweep(plain, sweep, observable, fit))


def _print_sweep(plain: dict[str, Any], sweep: SweepFile, observable: str, fit: Fit | None) -> None:
    from physnn.answers import fit as report
    from physnn.errors import InputError
    from physnn.reports.curves import tell_sampled

    _print_count(plain["tasks_run"])
    first, *rest = str(fit).splitlines() if fit else [plain["remark"]]
    click.echo(first)
    with suppress(InputError):  # what curves lack is in the remark
        print_parts(tell_sampled(sweep, observable, fit.curves if fit else report.curves(sweep, observable)))
    if rest:
        click.echo("\n".join(rest))
    for number, stage in enumerate(plain.get("stages", []), 1):
        click.echo(f"stage {number}: {_stage(stage)}")
    if (lack := plain.get("target_missing")) is not None:
        click.echo(f"target error {plain['target_error']:g}: {f'not reached, {lack}' if lack else 'reached'}")
    click.echo(f"data    {plain['file']}" + (f"\nfigure  {plain['figure']}" if plain["figure"] else ""))


def _print_count(count: int) -> None:
    click.echo(f"{count} tasks run" if count else "all is done: nothing was left to run")


def _target(recipe: dict[str, Any], fit: Fit | None) -> dict[str, Any]:
    """Stages of a sweep with a target error, and what its answer lacks to the target ("" for nothing)."""
    from physnn.analysis.verdict.planning import missing

    if not recipe.get("stages"):
        return {}
    found: dict[str, Any] = {name: recipe[name] for name in ("target_error", "stages")}
    if fit and fit.curves.observable == recipe["target_observable"]:
        found["target_missing"] = missing(fit, recipe["target_error"], "images" if "images" in recipe else "sweeps")
    return found


def memory_sweep_answer(
    out: Path, count: int, exponents: tuple[float, ...], c: float | None = None, table: Path | None = None
) -> Answer:
    """Answer of a finished memory sweep, drawn beside it, with scans at t = c L^z of some exponents z."""
    from physnn.answers.memory import memory_curve_rows
    from physnn.store.hdf5 import write_bytes
    from physnn.store.sweep_file import read_sweep

    answer, plain = _memory(out)
    sweep = read_sweep(out)
    scans = [_scan(sweep, z, c) for z in exponents]
    if table:
        rows = [" ".join(f"{value:.10g}" for value in row) for row in memory_curve_rows(sweep)]
        write_bytes(table, ("\n".join(["L eta t memory error", *rows]) + "\n").encode())
    plain |= {"table": str(table) if table else None, "tasks_run": count, "scans": scans}
    return Answer(plain, lambda: _print_memory(answer, plain))


def _memory(out: Path) -> tuple[MemoryAnswer, dict[str, Any]]:
    """Lifetimes and growth of a memory sweep, and as plain data, drawn."""
    from physnn.answers import plots
    from physnn.answers.memory import memory_of
    from physnn.store.hdf5 import content_digest
    from physnn.store.sweep_file import read_sweep

    answer = memory_of(read_sweep(out))
    assert answer is not None
    figure = str(plots.plot_memory(out, answer=answer))
    return answer, {"file": str(out), "figure": figure, "digest": content_digest(out), **answer.as_json()}


def _scan(sweep: SweepFile, z: float, c: float | None) -> dict[str, Any]:
    """Crossing of the curves m(t = c L^z) of all sizes, if there is one."""
    from physnn.answers import fit as report
    from physnn.answers.memory import after
    from physnn.errors import InputError

    try:
        fit = report.fit(after(sweep, z, c), "memory")
    except InputError as error:
        return {"z": z, "verdict": None, "reason": str(error), "critical_point": None}
    point = fit.collapse.critical_point.as_json() if fit.collapse else None
    return {"z": z, "verdict": fit.verdict, "reason": fit.reason, "critical_point": point}


def _print_memory(answer: MemoryAnswer, plain: dict[str, Any]) -> None:
    from physnn.reports.physics import told_memory

    _print_count(plain["tasks_run"])
    print_told(told_memory(answer))
    for scan in plain["scans"]:
        click.echo(f"m at t = c L^{scan['z']:g} against eta: {scan['verdict'] or 'no curves'}. {scan['reason']}")
    table = f"\ntable   {plain['table']}" if plain["table"] else ""
    click.echo(f"data    {plain['file']}\nfigure  {plain['figure']}{table}")


def no_memory(lack: str) -> Answer:
    """Answer where there is no memory sweep beside a noise sweep: why."""
    return Answer({"memory": None, "memory_remark": lack}, lambda: click.echo(lack))


def both_answer(out: Path, place: Path) -> Answer:
    """Answer of the memory sweep beside a noise sweep, drawn, and of both: where the task and the domain are lost."""
    from physnn.analysis.memory.forgetting import common_ratio, in_words
    from physnn.answers.memory import forgetting
    from physnn.errors import InputError
    from physnn.reports.physics import lifetime_rows
    from physnn.store.sweep_file import read_sweep

    answer, memory = _memory(place)
    both, rows = None, []
    try:
        L, found = forgetting(read_sweep(out), read_sweep(place))
        ratio = common_ratio(found)
        both = {"L": L, "networks": [f.as_json() for f in found], "ratio": ratio.as_json() if ratio else None}
        rows = [[f.network, str(f.task), str(f.order), str(f.ratio or "-")] for f in found]
        sentence = in_words(found, L)
    except InputError as error:
        sentence = f"task and memory are not compared: {error}"

    def show() -> None:
        click.echo(answer.verdict)
        print_table("memory: lifetimes of a domain in steps", *lifetime_rows(answer))
        if rows:
            print_table("noise at which it is lost", ["network", "task", "order", "task / order"], rows)
        click.echo(f"{sentence}\ndata    {place}\nfigure  {memory['figure']}")

    return Answer({"memory": memory, "forgetting": both}, show)
