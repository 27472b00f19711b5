"""Chains that share a GPU: many lattices of one size in one task.

A lattice of some hundred sites across fills a small part of a GPU, and all lattices of a size together fill it.  Every
chain moves as it would alone and leaves a part of its own, so that the data do not depend on how chains were batched.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from physnn.jobs.progress import Note
from physnn.jobs.run import Runnable, Work
from physnn.jobs.stopping import Checkpoints
from physnn.samplers import GPU_SAMPLERS
from physnn.samplers.multispin import advance_together
from physnn.samples.temperature.recipe import ChainTask, TemperatureSweep
from physnn.samples.temperature.work import BLOCK, Chain, begin, next_block, resumed
from physnn.store.parts import Parts

SITES = 2**29
"""Sites of all lattices in a batch at most: two of 16384 x 16384; configurations pass through a byte a site."""
BLOCK_SECONDS = 0.5
"""How long a block should take; between blocks configurations travel to the GPU and back."""


@dataclass(frozen=True)
class ChainBatch:
    """Chains of one size that run together; what a worker gets."""

    tasks: tuple[ChainTask, ...]

    @property
    def key(self) -> str:
        """Stable name: a hash of the chains' names; no part has it."""
        return hashlib.sha256("".join(task.key for task in self.tasks).encode()).hexdigest()[:24]

    @property
    def cost(self) -> float:
        """Work, in updates of sites."""
        return sum(task.cost for task in self.tasks)


def batched(recipe: Any, tasks: Sequence[Runnable], work: Work, parts: Parts) -> tuple[Sequence[Runnable], Work]:
    """Return tasks and what does them; where chains run on a GPU, batches of those that are left."""
    if not isinstance(recipe, TemperatureSweep) or not recipe.on_gpu:
        return tasks, work
    left = [task for task in tasks if isinstance(task, ChainTask) and not parts.finished(task.key)]
    found: list[Runnable] = []
    for L, same in itertools.groupby(sorted(left, key=lambda task: -task.L), key=lambda task: task.L):
        chains, count = tuple(same), max(1, SITES // L**2)
        found += [ChainBatch(chains[k : k + count]) for k in range(0, len(chains), count)]
    return found, work_together


def work_together(batch: ChainBatch, path: Path, context: Mapping[str, Any]) -> None:
    """Run the chains of a batch, or continue them from their parts, in the folder of ``path``."""
    recipe = batch.tasks[0].recipe
    sampler, model = GPU_SAMPLERS[recipe.algorithm], recipe.lattice()
    found = [(task, p := path.with_name(f"{task.key}.h5"), resumed(task, p)) for task in batch.tasks]
    new = [Chain(task, p, begin(task), sampler.interval) for task, p, chain in found if chain is None]
    if new and recipe.thermalisation:
        advance_together(sampler, model, [c.task.T for c in new], [c.state for c in new], 1, recipe.thermalisation)
    chains = new + [chain for _, _, chain in found if chain is not None and not chain.finished]
    block, checkpoints, notes = BLOCK, Checkpoints(), {chain.task.key: Note(chain.path) for chain in chains}
    while chains:
        group, count, every = _next_group(chains, block)
        began = time.monotonic()
        states, temperatures = [c.state for c in group], [c.task.T for c in group]
        rows = advance_together(sampler, model, temperatures, states, count, sampler.interval, every)
        for chain, measured in zip(group, rows, strict=True):
            chain.add(measured)
            notes[chain.task.key](chain.done / chain.task.measurements)
            if chain.done == chain.task.measurements:
                chain.leave()
        chains = [chain for chain in chains if chain.done < chain.task.measurements]
        block = max(1, int(block * min(4.0, BLOCK_SECONDS / max(time.monotonic() - began, 1e-3))))
        if chains and checkpoints.due():
            for chain in chains:
                chain.leave()


def _next_group(chains: Sequence[Chain], block: int) -> tuple[list[Chain], int, int]:
    """Return the chains that are farthest behind, how many measurements they make next, and snapshots among them.

    A kill between two checkpoints leaves chains at different places; the others wait until these have caught up.
    """
    least = min(chain.done for chain in chains)
    group = [chain for chain in chains if chain.done == least]
    ahead = [chain.done for chain in chains if chain.done > least]
    count, every = next_block(block, least, group[0].task)
    return group, min([count, *(done - least for done in ahead)]), every
