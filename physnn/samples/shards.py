"""Shards: one run of a job array does its share of a sweep, with no word to the others but through the folder.

Every shard deals out the same tasks in the same way, so that they need not agree on anything.  The last one to finish
puts the file together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from physnn.errors import InputError
from physnn.jobs.executors import PROCESS, Engine, job_numbers
from physnn.jobs.locks import briefly, sharing
from physnn.jobs.progress import manifest
from physnn.jobs.run import Progress, Runnable, run_tasks, silent
from physnn.jobs.stopping import stop_signals
from physnn.samples.files import assemble, begin_longer, recipe_to_run, stored
from physnn.samples.kinds import KINDS
from physnn.samples.temperature.batch import batched
from physnn.store.parts import Parts

GROUPS_ENOUGH = 8
"""Groups per shard from which on tasks that share their preparation stay together."""


@dataclass(frozen=True)
class Shard:
    """Number ``index`` (from 0) of ``count`` shares of a sweep."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def share(self, tasks: Sequence[Runnable]) -> list[Runnable]:
        """Return this shard's tasks in their order; all shards together have each task once, and about equal costs."""
        groups: dict[str, list[Runnable]] = {}
        for task in tasks:
            groups.setdefault(str(getattr(task, "group", task.key)), []).append(task)
        if len(groups) < GROUPS_ENOUGH * self.count:
            groups = {task.key: [task] for task in tasks}
        costs = {name: sum(task.cost for task in group) for name, group in groups.items()}
        loads = [0.0] * self.count
        mine: set[str] = set()
        # The largest first, each to whom has least; equal ones by name, which is a hash.
        for name in sorted(groups, key=lambda name: (-costs[name], name)):
            poorest = loads.index(min(loads))
            loads[poorest] += costs[name]
            if poorest == self.index:
                mine.update(task.key for task in groups[name])
        return [task for task in tasks if task.key in mine]


def parse_shard(text: str) -> Shard:
    """Return the shard that ``i/n`` names, i from 0 to n - 1; raises InputError if there is none."""
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if not found or not int(found[1]) < int(found[2]):
        raise InputError(f"--shard is i/n with i from 0 to n - 1, as in 0/4, not {text[:30]!r}")
    return Shard(int(found[1]), int(found[2]))


def run_shard(
    recipe: Any,
    out: Path,
    shard: Shard,
    *,
    jobs: int | None = None,
    extend: bool = False,
    restart: bool = False,
    max_time: float | None = None,
    progress: Progress = silent,
    engine: Engine = PROCESS,
) -> tuple[int, int]:
    """Run a shard's share of a resolved recipe, or the rest of it.

    Returns
    -------
    tuple of int
        How many tasks were run, and how many of other shards are missing; with none missing ``out`` is complete.

    Raises
    ------
    InputError
        If ``out`` or its parts hold another recipe, a whole run or the same shard is at work, memory is short, or
        the recipe cannot be run in shards.
    TasksFailed, Unfinished
        If tasks failed, or the run was stopped.
    """
    if restart:
        raise InputError("--restart would remove what other shards have done: remove the files, or leave --shard out")
    if recipe.undecided:
        raise InputError("a sweep with a target error cannot run in shards, for all tasks wait for its pilot")
    at_once, here = job_numbers(jobs, engine)
    kind, parts = KINDS[recipe.kind], Parts(out)
    kind.need(recipe, here)
    with sharing(out, str(shard)), stop_signals(max_time):
        with briefly(out):
            recipe, mine = _start(recipe, out, shard, here, extend)
        context, name = kind.context(recipe), f"attempts-{shard.index}-of-{shard.count}"
        some, work = batched(recipe, mine, kind.work, parts)
        count = run_tasks(some, work, context, parts, at_once, progress, None, engine, name) if some else 0
        missing = _missing(recipe, out)
        if not missing:
            with briefly(out):
                missing = _missing(recipe, out, carefully=True)
                if not missing and parts.recipe() is not None:
                    assemble(recipe, out, stored(out))
                    parts.remove()
    return count, missing


def _start(recipe: Any, out: Path, shard: Shard, jobs: int, extend: bool) -> tuple[Any, list[Runnable]]:
    """Return the recipe to run and the tasks of this shard that are left, after making the parts folder."""
    kind, parts = KINDS[recipe.kind], Parts(out)
    begun = parts.recipe()
    recipe, old = recipe_to_run(recipe, out, extend)
    if begun is not None and recipe.canonical() != begun:
        raise InputError(f"{parts.folder} belongs to another recipe: give all shards the same, or choose another --out")
    done = stored(out)
    new = [task for task in kind.tasks_of(recipe) if task.key not in done]
    mine = shard.share(new)
    if all(parts.finished(task.key) for task in mine):
        return recipe, []
    kind.need(recipe, jobs)
    if begun is None:
        parts.begin(recipe.canonical())
        parts.manifest(manifest(new))
    if old is not None:
        begin_longer(kind, old, recipe, done, parts, {task.key for task in mine})
    return recipe, mine


def _missing(recipe: Any, out: Path, carefully: bool = False) -> int:
    """Return how many tasks have no result yet; carefully, opening every part."""
    parts = Parts(out)
    there = parts.listing()[0]
    keys = [task.key for task in KINDS[recipe.kind].tasks_of(recipe)]
    lacking = [key for key in keys if key not in there or (carefully and not parts.finished(key))]
    if lacking:
        # After the parts: another shard may have put the file together meanwhile.
        done = stored(out)
        lacking = [key for key in lacking if key not in done]
    return len(lacking)
