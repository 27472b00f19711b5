"""Shards: one run of a job array does its share of a sample, with no word to the others but through the folder.

Every shard deals out the same tasks in the same way, so that they need not agree on anything.  The last one to finish
puts the file together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from physnn.errors import InputError
from physnn.samples.tasks import Task

GROUPS_ENOUGH = 8
"""Groups per shard from which on tasks that share their preparation stay together."""


@dataclass(frozen=True)
class Shard:
    """Number ``index`` (from 0) of ``count`` shares of a sample."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def share(self, tasks: Sequence[Task]) -> list[Task]:
        """Tasks of this shard in their order; all shards together have each task once, and about equal costs."""
        groups: dict[str, list[Task]] = {}
        for task in tasks:
            groups.setdefault(task.group or task.key, []).append(task)
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
    """Shard that ``i/n`` names, i from 0 to n - 1; raises InputError if there is none."""
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if not found or not int(found[1]) < int(found[2]):
        raise InputError(f"--shard is i/n with i from 0 to n - 1, as in 0/4, not {text[:30]!r}")
    return Shard(int(found[1]), int(found[2]))
