"""Memory sweeps: what a task does, and how a file is put together.

A domain takes the state A of a network inside and B outside, in every other replica the other way round; what is
measured on the way are the contrast of inside and outside and, of a half-plane, the roughness of its wall.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from physnn import rng
from physnn.analysis.memory.contrast import LOST, at_time, domain, domain_contrast, losses, sample_times, wall_width
from physnn.jobs.progress import Note
from physnn.jobs.stopping import Checkpoints
from physnn.machine import PER_TASK, check_bytes
from physnn.samplers.langevin import Langevin
from physnn.samplers.vectors import VectorState
from physnn.samples.memory.recipe import Medium, MemorySweep, MemoryTask, merged, tasks_of
from physnn.store.hdf5 import Variable
from physnn.store.parts import read_checkpoint, write_part

__all__ = ["MemorySweep", "MemoryTask", "merged", "tasks_of"]
Recipe = MemorySweep
BLOCK_SITES = 1e6
"""Steps of single sites between two looks at the clock."""
AFTER = 10
"""Runs end at this many times the time at which the last replica lost its memory: what decays has decayed then."""
SEPARATE = 1e-3
"""A and B are told apart by their difference where |A - B| is larger, else by what they are lifted from."""
LEAST_CONTRAST = 0.05
"""A domain of less contrast at the start is measured against this one."""
NOISELESS = ("noiseless_a", "noiseless_b")
Arrays = Mapping[str, np.ndarray]
ATTRIBUTES = {
    "memory": "m, contrast of inside and outside over that at the start, at the time steps (L / side)^scaling",
    "lifetime": "steps after which m fell below 1/2 first, or the end of the run",
    "lost": "1 where m fell below 1/2, 0 where the run ended before",
    "roughness": "mean square deviation of the wall from its mean, at the time of memory",
    "memory_curve": "m; NaN after all replicas have lost it for long",
    "roughness_curve": "mean square deviation of the wall from its mean",
    "noiseless_a": "m without noise, state A inside",
    "noiseless_b": "m without noise, state B inside",
    "written": "contrast of inside and outside at the start, 1 for opposite states",
    "preference": "mean of x . d without noise at the end, over both ways to write the domain",
}


class Domain:
    """A domain in a medium: its first states and how they are measured."""

    def __init__(self, task: MemoryTask) -> None:
        recipe, medium = task.recipe, task.recipe.medium(task.network_id)
        assert recipe.steps is not None
        self.inside, self.half = domain(recipe.pattern, task.L), recipe.pattern == "half"
        A, B = _relaxed(
            medium,
            np.broadcast_to(medium.lifts[:, None, None], (2, task.L, task.L, len(medium.lifts[0]))),
            recipe.steps,
        )
        apart = A.astype(np.float64) - B
        length = np.linalg.norm(apart, axis=-1, keepdims=True)
        lifts = (medium.lifts[0] - medium.lifts[1]) / np.linalg.norm(medium.lifts[0] - medium.lifts[1])
        self.d = np.where(length > SEPARATE, apart / np.maximum(length, SEPARATE), lifts).astype(np.float32)
        mask = self.inside[..., None]
        self.x = _relaxed(medium, np.stack([np.where(mask, A, B), np.where(mask, B, A)]), recipe.steps)
        self.sign = np.array([1.0, -1.0])
        self.written = float((self.sign * domain_contrast(self.projected(self.x), self.inside)).mean())

    def projected(self, x: np.ndarray) -> np.ndarray:
        """Return x . d at every site."""
        return np.asarray(np.einsum("rijn,ijn->rij", x, self.d))

    def measured(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return m and the roughness of the wall of every replica, shape (replicas,)."""
        p = self.projected(x) * self.sign[np.arange(len(x)) % 2, None, None]
        m = domain_contrast(p, self.inside) / max(self.written, LEAST_CONTRAST)
        return m, wall_width(p) if self.half else np.zeros(len(x))


def _relaxed(medium: Medium, x: np.ndarray, steps: int) -> np.ndarray:
    state = VectorState(np.ascontiguousarray(x, np.float32), np.zeros((len(x), 2), np.uint32))
    Langevin(medium.gamma, "retract").advance(medium.model, 0.0, state, 1, steps)
    return state.x


class Run:
    """Where the replicas of a task are, and what was measured of them: one list entry for every time."""

    def __init__(self, state: VectorState, rows: list[tuple[np.ndarray, np.ndarray]]) -> None:
        self.state, self.rows = state, rows

    def arrays(self, count: int = 0) -> dict[str, np.ndarray]:
        """Return what was measured by name, NaN up to ``count`` times."""
        found = {}
        for k, name in enumerate(("memory_curve", "roughness_curve")):
            values = np.full((len(self.state.x), max(count, len(self.rows))), np.nan)
            values[:, : len(self.rows)] = np.transpose([row[k] for row in self.rows]) if self.rows else 0
            found[name] = values
        return found


def _begun(task: MemoryTask, domain: Domain) -> Run:
    words: list[rng.Word] = ["memory", task.network_id, task.recipe.pattern, task.L, task.eta]
    # Noise of its own for every size and noise value: errors of points that are compared are independent.
    keys = [rng.counter_key(task.recipe.seed, "noise", *words, k) for k in range(task.replicas)]
    return Run(VectorState(domain.x[np.arange(task.replicas) % 2], np.stack(keys)), [])


def _continued(kept: Arrays) -> Run:
    state = VectorState.from_arrays({name: kept[f"state_{name}"] for name in ("x", "generator", "step")})
    return Run(state, list(zip(kept["memory_curve"].T, kept["roughness_curve"].T, strict=True)))


def work(task: MemoryTask, path: Path, context: Mapping[str, Any]) -> None:
    """Follow the replicas of a task, or continue from the checkpoint at ``path``, and leave their part there."""
    kept = read_checkpoint(path)
    if kept is not None and not int(kept.get("unfinished", 0)):
        return
    domain, times = Domain(task), _times(task.recipe)
    run = _continued(kept) if kept is not None else _begun(task, domain)
    checkpoints, note = Checkpoints(), Note(path)
    while len(run.rows) < len(times) and not _over(times, run.rows):
        if run.state.step == times[len(run.rows)]:
            run.rows.append(domain.measured(run.state.x))
            continue
        _advance(run, task, int(times[len(run.rows)]))
        note(run.state.step / times[-1])
        if checkpoints.due():
            state = {f"state_{name}": array for name, array in run.state.arrays().items()}
            write_part(path, run.arrays() | state | {"unfinished": np.array(1)}, keep_previous=True)
    last = {"unfinished": np.array(0)}
    if not task.eta:
        last |= {
            "written": np.array(domain.written),
            "preference": np.array(domain.projected(run.state.x).mean(dtype=np.float64)),
        }
    write_part(path, run.arrays(len(times)) | last)


def _times(recipe: MemorySweep) -> np.ndarray:
    assert recipe.period is not None
    return sample_times(recipe.longest, recipe.period)


def _over(times: np.ndarray, rows: Sequence[tuple[np.ndarray, np.ndarray]]) -> bool:
    """Return whether all replicas have lost their memory, and that long ago."""
    if len(rows) < 2 or not (rows[-1][0] < LOST).all():
        return False
    when, lost = losses(times[: len(rows)], np.transpose([m for m, _ in rows]))
    return bool(lost.all()) and float(times[len(rows) - 1]) >= AFTER * float(when.max())


def _advance(run: Run, task: MemoryTask, until: int) -> None:
    """Take steps, no more than fit between two looks at the clock."""
    medium = task.recipe.medium(task.network_id)
    count = max(1, min(until - run.state.step, int(BLOCK_SITES / (len(run.state.x) * task.L**2))))
    Langevin(medium.gamma, "retract").advance(medium.model, task.eta**2 / 2, run.state, 1, count)


def context(recipe: MemorySweep) -> dict[str, Any]:
    """Return what `work` needs besides the task: nothing."""
    return {}


def assemble(recipe: MemorySweep, results: Mapping[str, Arrays]) -> dict[int, dict[str, Variable]]:
    """Return the groups of the sweep file from the arrays of all its tasks.

    Raises
    ------
    KeyError
        If a task has no result.
    """
    return {L: _group(recipe, results, L) for L in recipe.L}


def _group(recipe: MemorySweep, results: Mapping[str, Arrays], L: int) -> dict[str, Variable]:
    def of(eta: float, name: str) -> np.ndarray:
        keys = [MemoryTask(recipe=recipe, network_id=i, L=L, eta=eta).key for i in recipe.network_ids]
        return np.stack([results[key][name] for key in keys])

    times, four = _times(recipe), ("eta", "network", "replica", "time")
    curves = {name: np.stack([of(e, name) for e in recipe.eta]) for name in ("memory_curve", "roughness_curve")}
    when, lost = losses(times, curves["memory_curve"])
    ids = np.array([i.encode() for i in recipe.network_ids])
    gammas = np.array([recipe.medium(i).gamma for i in recipe.network_ids])
    group = {
        "eta": Variable(("eta",), np.array(recipe.eta), {"symbol": "eta", "units": "dimensionless"}),
        "network": Variable(("network",), ids, {"long_name": "content identity of the network"}),
        "replica": Variable(("replica",), np.arange(recipe.replicas), {"long_name": "number of the replica"}),
        "time": Variable(("time",), times, {"units": "steps", "long_name": "steps of noise"}),
        "gamma": Variable(("network",), gammas, {"long_name": "step size: t = gamma steps"}),
    }
    three: dict[str, np.ndarray] = {"lifetime": when, "lost": lost.astype(np.int8)}
    three |= {name: at_time(times, curves[f"{name}_curve"], recipe.time(L)) for name in _curves(recipe)}
    values: dict[str, tuple[tuple[str, ...], np.ndarray]] = {name: (four[:3], array) for name, array in three.items()}
    values |= {f"{name}_curve": (four, curves[f"{name}_curve"]) for name in _curves(recipe)}
    noiseless = of(0.0, "memory_curve")
    values |= {name: (("network", "time"), noiseless[:, k]) for k, name in enumerate(NOISELESS)}
    values |= {name: (("network",), of(0.0, name)) for name in ("written", "preference")}
    for name, (dims, array) in values.items():
        units = {"lifetime": "steps", "lost": "1"}.get(name, "sites^2" if "roughness" in name else "dimensionless")
        group[name] = Variable(dims, array, {"units": units, "long_name": ATTRIBUTES[name]})
    return group


def _curves(recipe: MemorySweep) -> tuple[str, ...]:
    return ("memory", "roughness") if recipe.pattern == "half" else ("memory",)


def disassemble(
    recipe: MemorySweep, sizes: Mapping[int, Mapping[str, Variable]]
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yield (task key, arrays) of every task of a finished file: the inverse of `assemble`."""
    for L, group in sizes.items():
        for n, i in enumerate(recipe.network_ids):
            m = np.stack([group[name].values[n] for name in NOISELESS])
            arrays = {"memory_curve": m} | {name: group[name].values[n] for name in ("written", "preference")}
            yield MemoryTask(recipe=recipe, network_id=i, L=L, eta=0.0).key, arrays
            for e, eta in enumerate(recipe.eta):
                m = group["memory_curve"].values[e, n]
                # A box has no straight wall: zeros stand for it in parts.
                flat = np.where(np.isnan(m), m, 0.0)
                rough = group["roughness_curve"].values[e, n] if "roughness_curve" in group else flat
                arrays = {"memory_curve": m, "roughness_curve": rough}
                yield MemoryTask(recipe=recipe, network_id=i, L=L, eta=eta).key, arrays


def continued(
    old: MemorySweep, recipe: MemorySweep, done: Mapping[str, Arrays]
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yield (task key, part) of every task that was over before the end of a shorter recipe: more adds nothing."""
    count = len(_times(recipe))
    for task in tasks_of(recipe) if old.longest < recipe.longest else ():
        found = done.get(task.model_copy(update={"recipe": old}).key)
        if found is None or not np.isnan(found["memory_curve"][:, -1]).all():
            continue
        arrays: dict[str, np.ndarray] = {"unfinished": np.array(0)}
        for name, values in found.items():
            more = ((0, 0), (0, count - values.shape[1])) if values.ndim == 2 else ()
            arrays[name] = np.pad(values, more, constant_values=np.nan) if more else np.asarray(values)
        yield task.key, arrays


def pilot(recipe: MemorySweep) -> tuple[MemorySweep, Any]:
    """Return the first stage of an undecided recipe: there is none."""
    raise NotImplementedError


def decided(recipe: MemorySweep, results: Mapping[str, Arrays]) -> MemorySweep:
    """Return the second stage of an undecided recipe: there is none."""
    raise NotImplementedError


def need(recipe: MemorySweep, jobs: int) -> float:
    """Return the bytes a recipe needs at most; raises InputError if this machine does not have them."""
    states = jobs * (2e8 + 1e6 * task_megabytes(recipe, max(recipe.L)))
    total = states + 3e6 * file_megabytes(recipe) + PER_TASK * task_count(recipe)
    return check_bytes(total, "fewer or smaller --L, fewer --replicas or noise values, or fewer --jobs")


def task_count(recipe: MemorySweep) -> int:
    """Return the number of tasks of a resolved recipe."""
    return len(recipe.L) * (1 + len(recipe.eta)) * len(recipe.network_ids)


def seconds_per_cost(recipe: MemorySweep, tasks: Sequence[MemoryTask]) -> float:
    """Return the seconds that one unit of a task's cost takes here, from a short run of the largest size."""
    task = max(tasks, key=lambda t: (t.L, t.eta))
    run = _begun(task, Domain(task))
    _advance(run, task, 1)
    began, before = time.perf_counter(), run.state.step
    _advance(run, task, 10**6)
    return (time.perf_counter() - began) / (task.L**2 * task.replicas * (run.state.step - before))


def task_megabytes(recipe: MemorySweep, L: int) -> float:
    """Return the memory one task of a size takes."""
    components = max(recipe.medium(i).model.components for i in recipe.network_ids)
    return 5 * 4.0 * recipe.replicas * L**2 * components / 1e6


def file_megabytes(recipe: MemorySweep) -> float:
    """Return the size of the file before compression."""
    cells = len(recipe.L) * (1 + len(recipe.eta)) * len(recipe.network_ids) * recipe.replicas
    return 16e-6 * cells * len(_times(recipe))
