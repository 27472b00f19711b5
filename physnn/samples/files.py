"""Files of samples: run a recipe into one, continue it, extend it, put its parts together; the same for every kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from physnn.errors import InputError, check_installed
from physnn.jobs.executors import PROCESS, Engine, job_numbers
from physnn.jobs.locks import briefly, exclusive, sharing
from physnn.jobs.progress import live_notes, manifest
from physnn.jobs.run import Progress, Runnable, run_tasks, silent
from physnn.jobs.stopping import stop_signals
from physnn.machine import check_disk, check_no_link
from physnn.samples.assembly import assemble
from physnn.samples.base import Recipe
from physnn.samples.cost import cost_of, first_stage
from physnn.samples.kinds import class_of, recipe_from, sample_of
from physnn.samples.sample import Sample, work
from physnn.samples.tasks import Results, Shard, Task
from physnn.store.parts import Parts, read_part, write_part
from physnn.store.sweep_file import kind_of

Announce = Callable[[Any, dict[str, Any]], None]
"""Called before each stage of a sample with a target error, with the cost of what is left of it."""


def recipe_on_disk(out: Path) -> Any:
    """Recipe of the parts beside ``out``, or of the file itself; None if there is neither, or it is to be replaced.

    Raises
    ------
    InputError
        If they do not belong to a sample.
    """
    parts = Parts(out)
    plain = parts.recipe() or (_recorded(out) if out.exists() and not parts.anew else None)
    return None if plain is None else recipe_from(plain, out)


def _recorded(out: Path) -> dict[str, Any]:
    found = json.loads(str(kind_of(out)[1].get("recipe", "{}")))
    return found if isinstance(found, dict) else {}


def check_replaced(out: Path, kind: str) -> None:
    """Raise InputError if what a restart would replace is a file of another format: it is not ours to remove."""
    if out.exists() and kind_of(out)[0] != kind:
        raise InputError(f"{out} is not a {kind} file, so --restart does not replace it; choose another --out")


@dataclass(frozen=True)
class _Place:
    """Where a sample runs, and who hears of it."""

    out: Path
    jobs: int | None
    engine: Engine
    progress: Progress
    announce: Announce | None = None
    accounts: str = "attempts"

    @property
    def here(self) -> int:
        """Number of tasks on this machine at a time."""
        return job_numbers(self.jobs, self.engine)[1]

    def begin(self, sample: Sample) -> None:
        """Make the folder of the parts; raises InputError if memory or space on the disk are short."""
        self.check(sample)
        Parts(self.out).begin(sample.recipe.canonical())

    def check(self, sample: Sample, freed: float = 0.0) -> None:
        """Raise InputError if an extra is missing, memory is short, or space on the disk after bytes are freed."""
        check_installed(*sample.modules())
        sample.need(self.here)
        check_disk(self.out, sample.disk_bytes() - freed, "less to measure")

    def begin_anew(self, sample: Sample) -> None:
        """Remove parts that are there, after all checks; a finished file stays until the new one is whole."""
        parts = Parts(self.out)
        check_replaced(self.out, sample.format)
        self.check(sample, parts.size())
        parts.begin_anew(sample.recipe.canonical())

    def run(self, sample: Sample, tasks: Sequence[Task]) -> int:
        """Run the tasks without a part and return how many there were."""
        parts, at_once = Parts(self.out), job_numbers(self.jobs, self.engine)[0]
        some: Sequence[Runnable] = tasks
        batches = sample.batched(())
        if batches is not None:
            # Only here: to ask whether a task is finished is to read its part.
            batches = sample.batched([task for task in tasks if not parts.finished(task.key)]) or []
            some, at_once = batches, at_once if self.jobs or self.engine.address else 1  # a batch fills the GPU here
        # Where nobody looks, one job needs no process of its own.
        live = live_notes(parts, tasks) if sample.watched and self.progress is not silent else None
        context = {"sample": sample}
        return run_tasks(some, work, context, parts, at_once, self.progress, live, self.engine, self.accounts)


def run(
    recipe: Recipe,
    out: Path,
    *,
    jobs: int | None = None,
    extend: bool = False,
    restart: bool = False,
    max_time: float | None = None,
    progress: Progress = silent,
    announce: Announce | None = None,
    engine: Engine = PROCESS,
    shard: Shard | None = None,
) -> int:
    """Run a resolved recipe of any kind into ``out``, or the rest of it, and return how many tasks were run.

    Parameters
    ----------
    recipe, out : Recipe, Path
        Resolved recipe, and the file that all tasks together make.
    jobs : int, optional
        Tasks at a time; by default one for each core.  The numbers do not depend on it.
    extend, restart : bool
        Add to a file that holds less; begin anew, and replace the file once the new one is whole.
    max_time : float, optional
        Seconds after which the run stops; the same call continues.
    progress, announce : callable, optional
        Called with (cost done, cost in all, text), and before each stage of a recipe with a target error.
    engine : Engine
        What runs tasks.
    shard : Shard, optional
        Run its share only; the last shard puts the file together.  What others lack, `missing` knows.

    Raises
    ------
    InputError
        If ``out`` is a link, read by the recipe, holds another recipe, is locked or cannot be written, memory or space
        on the disk are short, or the recipe cannot be run in shards.
    TasksFailed, Unfinished
        If tasks failed, or the run was stopped.
    """
    check_no_link(out)
    recipe.check_apart(out)
    place = _Place(out, jobs, engine, progress, announce)
    sample_of(recipe).need(place.here)  # before a restart removes anything
    if shard is not None:
        return _run_shard(recipe, place, shard, extend, restart, max_time)
    with exclusive(out), stop_signals(max_time):
        if restart:
            place.begin_anew(sample_of(recipe))
        sample, old = _to_run(recipe, out, extend)
        done = stored(out)
        shorter = [] if old is None else [(old, done)]
        count = 0
        while sample.recipe.undecided:
            place.begin(sample)
            first, stage = first_stage(sample)
            count += _run_stage(place, first, stage, done)
            results = _results(first, Parts(out), done)
            shorter.append((first, results))
            sample = sample_of(sample.decided(results))
            place = replace(place, progress=_after(progress, sum(task.cost for task in first.tasks())))
        if any(task.key not in done for task in sample.tasks()):
            sample.check_grown(done)
            place.begin(sample)
            for begun, results in shorter:
                begin_longer(begun, sample, results, Parts(out))
            stages = getattr(sample.recipe, "stages", ())
            count += _run_stage(place, sample, stages[-1] if stages else None, done)
            assemble(sample, out, done)
        Parts(out).remove()
    return count


def _to_run(recipe: Recipe, out: Path, extend: bool) -> tuple[Sample, Sample | None]:
    """Sample to run where ``recipe`` is asked for, and the one that is on the disk, or None."""
    wanted = class_of(recipe.kind, out).format
    if out.exists() and (there := kind_of(out)[0]) != wanted:
        raise InputError(f"{out} is a file of kind {there[:40]!r}, not {wanted!r}; choose another --out")
    old = recipe_on_disk(out)
    if old is None:
        return sample_of(recipe), None
    if old.kind != recipe.kind:
        raise InputError(f"{out} holds a {old.kind} sweep: use --restart to begin anew, or another --out")
    return sample_of(old.merged(recipe, extend)), sample_of(old)


def begin_longer(old: Sample, sample: Sample, done: Results, parts: Parts, only: Container[str] | None = None) -> None:
    """Leave the states of tasks that become longer as checkpoints, of some tasks ``only``."""
    for key, arrays in sample.continued(old, done):
        if (only is None or key in only) and not parts.path(key).exists():
            write_part(parts.path(key), arrays)


def _after(progress: Progress, cost: float) -> Progress:
    return lambda done, total, text: progress(cost + done, cost + total, text)


def _run_stage(place: _Place, sample: Sample, stage: Any, done: Mapping[str, Any]) -> int:
    """Run the tasks of a sample without a result, after saying what they cost if they are a stage."""
    parts = Parts(place.out)
    tasks = [task for task in sample.tasks() if task.key not in done]
    if place.announce and stage and (left := [task for task in tasks if not parts.finished(task.key)]):
        place.announce(stage, cost_of(sample, left, place.here))
    parts.manifest(manifest(tasks))
    return place.run(sample, tasks)


def _run_shard(recipe: Recipe, place: _Place, shard: Shard, extend: bool, restart: bool, max_time: float | None) -> int:
    """Run a shard's share of a resolved recipe, or the rest of it, and return how many tasks were run."""
    if restart:
        raise InputError("--restart would remove what other shards have done: remove the files, or leave --shard out")
    if recipe.undecided:
        raise InputError("a sweep that a pilot decides on cannot run in shards, for all tasks wait for it")
    out, count = place.out, 0
    with sharing(out, str(shard)), stop_signals(max_time):
        with briefly(out):
            sample, mine = _begin_shard(recipe, place, shard, extend)
        if mine:
            count = replace(place, accounts=f"attempts-{shard.index}-of-{shard.count}").run(sample, mine)
        if not _lacking(sample, out):
            with briefly(out):
                if Parts(out).recipe() is not None and not _lacking(sample, out, carefully=True):
                    assemble(sample, out, stored(out))
                    Parts(out).remove()
    return count


def _begin_shard(recipe: Recipe, place: _Place, shard: Shard, extend: bool) -> tuple[Sample, list[Task]]:
    """Sample to run and the tasks of this shard that are left, after making the parts folder."""
    parts = Parts(place.out)
    begun = parts.recipe()
    sample, old = _to_run(recipe, place.out, extend)
    if begun is not None and sample.recipe.canonical() != begun:
        raise InputError(f"{parts.folder} belongs to another recipe: give all shards the same, or choose another --out")
    done = stored(place.out)
    new = [task for task in sample.tasks() if task.key not in done]
    mine = shard.share(new)
    if all(parts.finished(task.key) for task in mine):
        return sample, []
    sample.check_grown(done)
    place.check(sample)
    if begun is None:
        parts.begin(sample.recipe.canonical())
        parts.manifest(manifest(new))
    if old is not None:
        begin_longer(old, sample, done, parts, {task.key for task in mine})
    return sample, mine


def missing(out: Path) -> int:
    """Number of tasks without a result of the sample that shards make at ``out``; 0 once the file is put together."""
    plain = Parts(out).recipe()
    return 0 if plain is None else len(_lacking(sample_of(recipe_from(plain, out)), out))


def _lacking(sample: Sample, out: Path, carefully: bool = False) -> list[str]:
    """Keys of the tasks that have no result yet; carefully, opening every part."""
    parts = Parts(out)
    there = parts.listing()[0]
    keys = [task.key for task in sample.tasks()]
    lacking = [key for key in keys if key not in there or (carefully and not parts.finished(key))]
    if not lacking:
        return []
    # After the parts: another shard may have put the file together meanwhile.
    done = stored(out)
    return [key for key in lacking if key not in done]


def stored(out: Path) -> dict[str, Any]:
    """Results of all tasks that a finished file holds, by key; none without a file, or if it is to be replaced."""
    if not out.exists() or Parts(out).anew:
        return {}
    sample = sample_of(recipe_from(_recorded(out), out))
    return dict(sample.disassemble(sample.read(out)))


def _results(sample: Sample, parts: Parts, done: Mapping[str, Any]) -> dict[str, Any]:
    return dict(done) | {t.key: read_part(parts.path(t.key)) for t in sample.tasks() if t.key not in done}


def merge(out: Path) -> int:
    """Assemble the parts of an unfinished file that lie beside ``out``; return the number of tasks in the file.

    Raises
    ------
    InputError
        If ``out`` is a link, there are no parts, or tasks are missing.
    """
    check_no_link(out)
    with exclusive(out):
        parts = Parts(out)
        found = parts.recipe()
        if found is None:
            raise InputError(f"there are no parts beside {out} to merge; run a sweep with --out {out} first")
        sample = sample_of(recipe_from(found, out))
        if sample.recipe.undecided:
            raise InputError("the pilot has not decided yet what to measure; run the same command again")
        # Damage, and checkpoints whose notes are lost, show when parts are read for good.
        lacking, count = _lacking(sample, out), len(sample.tasks())
        if lacking:
            raise InputError(f"{len(lacking)} of {count} tasks are not done yet; run the same command again")
        assemble(sample, out, stored(out))
        parts.remove()
    return count
