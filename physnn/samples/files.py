"""Sweep files: run a recipe into one, continue it, extend it, put its parts together; the same for every kind."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from physnn.errors import InputError
from physnn.jobs.executors import PROCESS, Engine, available_cores, job_numbers
from physnn.jobs.locks import exclusive
from physnn.jobs.progress import manifest
from physnn.jobs.run import Progress, Runnable, run_tasks, silent
from physnn.jobs.stopping import stop_signals
from physnn.machine import check_disk, sweep_disk
from physnn.samples.base import validated
from physnn.samples.kinds import KINDS, Kind, Results
from physnn.samples.temperature.batch import batched
from physnn.store.hdf5 import Variable
from physnn.store.parts import Parts, read_part, write_part
from physnn.store.sweep_file import kind_of, read_sweep, write_sweep

Announce = Callable[[Any, dict[str, Any]], None]
"""Called before each stage of a sweep with a target error, with what is left of it to run, see `plan`."""


def recipe_on_disk(out: Path) -> Any:
    """Return the recipe of the file at ``out`` or of the parts beside it; None if there is neither.

    Raises
    ------
    InputError
        If they do not belong to a sweep.
    """
    recipe = Parts(out).recipe() or (read_sweep(out).recipe if out.exists() else None)
    return None if recipe is None else _checked(recipe, out)


def _checked(recipe: Mapping[str, Any], out: Path) -> Any:
    kind = KINDS.get(str(recipe.get("kind")))
    if kind is None:
        raise InputError(f"{out} does not belong to a sweep that physnn can run; choose another --out")
    return validated(kind.Recipe, recipe)


def clear(out: Path, kind: str) -> None:
    """Remove what a restart replaces; a file of another kind is not ours to remove."""
    if out.exists() and kind_of(out)[0] != kind:
        raise InputError(f"{out} is not a {kind} file, so --restart does not replace it; choose another --out")
    out.unlink(missing_ok=True)
    Parts(out).remove()


def run_sweep(
    recipe: Any,
    out: Path,
    *,
    jobs: int | None = None,
    extend: bool = False,
    restart: bool = False,
    max_time: float | None = None,
    progress: Progress = silent,
    announce: Announce | None = None,
    engine: Engine = PROCESS,
) -> int:
    """Run a resolved recipe into ``out``, or the rest of it, and return how many tasks were run.

    A recipe with a target error is run in two stages; ``announce`` hears of each.

    Raises
    ------
    InputError
        If ``out`` holds another recipe, is locked or cannot be written, or memory or space on the disk are short.
    TasksFailed, Unfinished
        If tasks failed, or the run was stopped.
    """
    here = job_numbers(jobs, engine)[1]
    kind = KINDS[recipe.kind]
    count = 0
    kind.need(recipe, here)  # before a restart removes anything
    with exclusive(out), stop_signals(max_time):
        parts = Parts(out)
        if restart:
            clear(out, "physnn-sweep")
        recipe, old = recipe_to_run(recipe, out, extend)
        done = stored(out)
        shorter = [] if old is None else [(old, done)]
        run = partial(_run_stage, done=done, parts=parts, jobs=jobs, announce=announce, engine=engine)
        if recipe.undecided:
            _check(kind, recipe, out, here)
            parts.begin(recipe.canonical())
            first, stage = kind.pilot(recipe)
            count = run(first, stage, progress=progress)
            results = _results(first, parts, done)
            recipe = kind.decided(recipe, results)
            shorter.append((first, results))
            progress = _after(progress, sum(task.cost for task in kind.tasks_of(first)))
        if any(task.key not in done for task in kind.tasks_of(recipe)):
            _check(kind, recipe, out, here)
            parts.begin(recipe.canonical())
            for begun, results in shorter:
                begin_longer(kind, begun, recipe, results, parts)
            count += run(recipe, recipe.stages[-1] if recipe.stages else None, progress=progress)
            assemble(recipe, out, done)
        parts.remove()
    return count


def _check(kind: Kind, recipe: Any, out: Path, jobs: int) -> None:
    """Raise InputError if memory or space on the disk are short."""
    kind.need(recipe, jobs)
    need = sweep_disk(1e6 * kind.file_megabytes(recipe), kind.task_count(recipe))
    check_disk(out, need, "less to measure")


def recipe_to_run(recipe: Any, out: Path, extend: bool) -> tuple[Any, Any]:
    """Return the recipe to run where ``recipe`` is asked for, and the one that is on the disk, or None."""
    old = recipe_on_disk(out)
    if old is None:
        return recipe, None
    if old.kind != recipe.kind:
        raise InputError(f"{out} holds a {old.kind} sweep: use --restart to begin anew, or another --out")
    return KINDS[recipe.kind].merged(old, recipe, extend), old


def begin_longer(
    kind: Kind, old: Any, recipe: Any, done: Results, parts: Parts, only: Container[str] | None = None
) -> None:
    """Leave the states of chains that become longer as checkpoints, of some tasks ``only``."""
    for key, arrays in kind.continued(old, recipe, done):
        if (only is None or key in only) and not parts.path(key).exists():
            write_part(parts.path(key), arrays)


def _after(progress: Progress, cost: float) -> Progress:
    return lambda done, total, text: progress(cost + done, cost + total, text)


def _run_stage(
    recipe: Any,
    stage: Any,
    done: Mapping[str, Any],
    parts: Parts,
    jobs: int | None,
    progress: Progress,
    announce: Announce | None,
    engine: Engine,
) -> int:
    """Run the tasks of a recipe without a result, after saying what they cost if they are a stage."""
    at_once, here = job_numbers(jobs, engine)
    kind = KINDS[recipe.kind]
    tasks = [task for task in kind.tasks_of(recipe) if task.key not in done]
    if announce and stage and (left := [task for task in tasks if not parts.finished(task.key)]):
        announce(stage, _cost(recipe, left, here))
    parts.manifest(manifest(tasks))
    some, work = batched(recipe, tasks, kind.work, parts)
    if some is not tasks and jobs is None and not engine.address:
        at_once = 1  # a batch fills the GPU of this machine
    return run_tasks(some, work, kind.context(recipe), parts, at_once, progress, engine=engine)


def stored(out: Path) -> dict[str, Any]:
    """Return the results of all tasks that a finished file holds, by key; none without a file."""
    if not out.exists():
        return {}
    file = read_sweep(out)
    recipe = _checked(file.recipe, out)
    return dict(KINDS[recipe.kind].disassemble(recipe, file.sizes))


def _results(recipe: Any, parts: Parts, done: Mapping[str, Any]) -> dict[str, Any]:
    tasks = KINDS[recipe.kind].tasks_of(recipe)
    return dict(done) | {task.key: read_part(parts.path(task.key)) for task in tasks if task.key not in done}


class _OnDisk(Mapping[str, Mapping[str, Any]]):
    """Results by task key, each read from its part when it is asked for, unless a finished file has it."""

    def __init__(self, parts: Parts, done: Results) -> None:
        self._parts, self._done = parts, done

    def __getitem__(self, key: str) -> Mapping[str, Any]:
        if key in self._done:
            return self._done[key]
        found = read_part(self._parts.path(key))
        if int(found.get("unfinished", 0)):
            raise InputError(f"task {key} is not done yet; run the same command again")
        return found

    def __iter__(self) -> Iterator[str]:
        return iter([*self._done, *(key for key in self._parts.listing()[0] if key not in self._done)])

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _BySize(Mapping[int, Mapping[str, Variable]]):
    """The groups of a sweep file, each put together when it is asked for: memory for the largest is enough."""

    def __init__(self, recipe: Any, results: Results) -> None:
        self._recipe, self._results = recipe, results

    def __getitem__(self, L: int) -> Mapping[str, Variable]:
        # What a task is called does not depend on the other sizes of its sweep.
        one = self._recipe.model_copy(update={"L": (L,)})
        return KINDS[self._recipe.kind].assemble(one, self._results)[L]

    def __iter__(self) -> Iterator[int]:
        return iter(self._recipe.L)

    def __len__(self) -> int:
        return len(self._recipe.L)


def assemble(recipe: Any, out: Path, done: Mapping[str, Any]) -> None:
    """Write the file ``out`` from its parts and what it holds already, one size after the other."""
    write_sweep(out, recipe.canonical(), _BySize(recipe, _OnDisk(Parts(out), done)))


def merge(out: Path) -> int:
    """Assemble the parts of an unfinished sweep that lie beside ``out``; return the number of tasks in the file.

    Raises
    ------
    InputError
        If there are no parts, or tasks are missing.
    """
    with exclusive(out):
        parts = Parts(out)
        found = parts.recipe()
        if found is None:
            raise InputError(f"there are no parts beside {out} to merge; run a sweep with --out {out} first")
        recipe = _checked(found, out)
        if recipe.undecided:
            raise InputError("the pilot has not decided yet what to measure; run the same command again")
        done = stored(out)
        tasks = KINDS[recipe.kind].tasks_of(recipe)
        # Damage, and checkpoints whose notes are lost, show when parts are read for good.
        there = done.keys() | parts.listing()[0].keys()
        missing = [task for task in tasks if task.key not in there]
        if missing:
            raise InputError(f"{len(missing)} of {len(tasks)} tasks are not done yet; run the same command again")
        assemble(recipe, out, done)
        parts.remove()
    return len(tasks)


def plan(recipe: Any, jobs: int | None = None) -> dict[str, Any]:
    """Return what a resolved recipe will take: tasks, seconds, memory and file size, from one small timed task.

    Returns
    -------
    dict
        ``rows`` (one per size: L, tasks, seconds_per_task, megabytes_per_task), ``jobs``, ``seconds``, ``megabytes``,
        ``file_megabytes``.  For a recipe with a target error that is the pilot; ``second_stage_at_most`` has the
        bounds of ``seconds`` and ``file_megabytes`` for what it will decide.

    Raises
    ------
    InputError
        If memory is short.
    """
    from physnn.analysis.verdict.planning import CAP

    jobs = jobs or available_cores()
    kind = KINDS[recipe.kind]
    if not recipe.undecided:
        return _cost(recipe, kind.tasks_of(recipe), jobs)
    first, stage = kind.pilot(recipe)
    found = _cost(first, kind.tasks_of(first), jobs)
    bounds = {name: CAP * found[name] for name in ("seconds", "file_megabytes")}
    return found | {"stage": stage.model_dump(mode="json"), "second_stage_at_most": bounds | {"times_pilot": CAP}}


def _cost(recipe: Any, tasks: Sequence[Runnable], jobs: int) -> dict[str, Any]:
    """Return what tasks of a recipe will take, see `plan`."""
    kind = KINDS[recipe.kind]
    need = kind.need(recipe, jobs)
    per_cost = kind.seconds_per_cost(recipe, tasks)
    rows = []
    for L in recipe.L:
        costs = [task.cost for task in tasks if getattr(task, "L", None) == L]
        row = {"L": L, "tasks": len(costs), "seconds_per_task": per_cost * max(costs, default=0.0)}
        rows.append(row | {"megabytes_per_task": kind.task_megabytes(recipe, L)})
    return {
        "rows": rows,
        "jobs": jobs,
        "seconds": per_cost * sum(task.cost for task in tasks) / jobs,
        "megabytes": need / 1e6,
        "file_megabytes": kind.file_megabytes(recipe),
    }
