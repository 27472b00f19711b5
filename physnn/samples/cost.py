"""Cost of a sample before it is run: tasks, seconds, memory and file size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from physnn.machine import available_cores
from physnn.samples.base import Recipe
from physnn.samples.kinds import sample_of
from physnn.samples.sample import Sample
from physnn.samples.tasks import Task


def first_stage(sample: Sample) -> tuple[Sample, Any]:
    """Sample of the pilot of an undecided sample, and the record of the stage."""
    recipe, stage = sample.pilot()
    return sample_of(recipe), stage


def plan(recipe: Recipe, jobs: int | None = None) -> dict[str, Any]:
    """Cost of a resolved recipe: tasks, seconds, memory and file size, from one small timed task.

    Returns
    -------
    dict
        ``rows`` (one per size: L, tasks, seconds_per_task, megabytes_per_task), ``jobs``, ``seconds``, ``megabytes``,
        ``file_megabytes``.  For a recipe with a target error that is the pilot; ``second_stage_at_most`` has the
        bounds of ``seconds`` and ``file_megabytes`` for what it will decide.  Where pilots place something before the
        tasks run, ``pilots`` has the same for each of them, and ``seconds`` is the time of all together.

    Raises
    ------
    InputError
        If memory is short.
    """
    from physnn.analysis.verdict.planning import CAP

    jobs, sample = jobs or available_cores(), sample_of(recipe)
    if pilots := sample.pilots():
        return _with_pilots(sample, pilots, jobs)
    if not recipe.undecided:
        return cost_of(sample, sample.tasks(), jobs)
    first, stage = first_stage(sample)
    found = cost_of(first, first.tasks(), jobs)
    bounds = {name: CAP * found[name] for name in ("seconds", "file_megabytes")}
    return found | {"stage": stage.model_dump(mode="json"), "second_stage_at_most": bounds | {"times_pilot": CAP}}


def _with_pilots(sample: Sample, pilots: Sequence[tuple[Recipe, Any]], jobs: int) -> dict[str, Any]:
    """Cost of a sample and of the pilots before it, all at the speed of one timed task."""
    speed = sample.seconds_per_operation()
    last, costs = cost_of(sample, sample.tasks(), jobs, speed), []
    for recipe, stage in pilots:
        first = sample_of(recipe)
        costs.append(cost_of(first, first.tasks(), jobs, speed) | {"stage": stage.model_dump(mode="json")})
    return last | {"pilots": costs, "seconds": last["seconds"] + sum(cost["seconds"] for cost in costs)}


def cost_of(sample: Sample, tasks: Sequence[Task], jobs: int, speed: float | None = None) -> dict[str, Any]:
    """Cost of tasks of a sample, see `plan`; ``speed`` is the time of an operation in seconds, by default measured."""
    need, per_operation = sample.need(jobs), sample.seconds_per_operation() if speed is None else speed
    jobs = max(1, min(jobs, len(tasks)))
    rows, costs = [], [task.cost for task in tasks]
    for size in sample.sizes():
        own = [task.cost for task in tasks if task.size == size]
        row = {"L": size, "tasks": len(own), "seconds_per_task": per_operation * max(own, default=0.0)}
        rows.append(row | {"megabytes_per_task": sample.resources(size, sample.example(size).at).bytes / 1e6})
    return {
        "rows": rows,
        "jobs": jobs,
        "seconds": per_operation * max(sum(costs) / jobs, max(costs, default=0.0)),
        "megabytes": need / 1e6,
        "file_megabytes": sample.file_bytes() / 1e6,
    }
