"""Memory sweeps: what a task does, and how a file is put together.

A domain takes the state A of a network inside and B outside, in every other replica the other way round; what is
measured on the way are the contrast of inside and outside and, of a half-plane, the roughness of its wall.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from physnn import rng
from physnn.analysis.memory.contrast import LOST, at_time, domain, domain_contrast, losses, sample_times, wall_width
from physnn.kernels.vectors import langevin
from physnn.machine import FOR_MEMORY
from physnn.samplers.vectors import VectorState
from physnn.samples.memory.recipe import Medium, MemorySweep
from physnn.samples.sample import Sample
from physnn.samples.tasks import Arrays, Axis, Checkpoint, Measured, Resources, Task
from physnn.store.hdf5 import Group, Variable

BLOCK_SITES = 4e6
"""Steps of single sites between two looks at the clock: a quarter of a second."""
AFTER = 10
"""Runs end at this many times the time at which the last replica lost its memory: what decays has decayed then."""
SEPARATE = 1e-3
"""A and B are told apart by their difference where |A - B| is larger, else by what they are lifted from."""
ALIKE_COLUMNS = 8
"""Columns that stand for all of a half-plane without noise: no fewer than any kernel reaches from a site."""
LEAST_CONTRAST = 0.05
"""A domain of less contrast at the start is measured against this one."""
NOISELESS = ("noiseless_a", "noiseless_b")
CURVE, OF_NETWORK = ("eta", "network", "replica", "time"), ("network",)
"""Axes of what is followed under noise, and of what is known of a network without it."""
CURVES = {
    "memory_curve": Measured("", "dimensionless", "m; NaN after all replicas have lost it for long", CURVE),
    "roughness_curve": Measured("", "sites^2", "mean square deviation of the wall from its mean", CURVE),
}
WITHOUT_NOISE = {
    "noiseless_a": Measured("", "dimensionless", "m without noise, state A inside", (*OF_NETWORK, "time")),
    "noiseless_b": Measured("", "dimensionless", "m without noise, state B inside", (*OF_NETWORK, "time")),
    "written": Measured(
        "", "dimensionless", "contrast of inside and outside at the start, 1 for opposite states", OF_NETWORK
    ),
    "preference": Measured(
        "", "dimensionless", "mean of x . d without noise at the end, over both ways to write the domain", OF_NETWORK
    ),
}
DERIVED = {
    "memory": ("m, contrast of inside and outside over that at the start, at the time steps (L / side)^scaling", ""),
    "lifetime": ("steps after which m fell below 1/2 first, or the end of the run", "steps"),
    "lost": ("1 where m fell below 1/2, 0 where the run ended before", "1"),
    "roughness": ("mean square deviation of the wall from its mean, at the time of memory", "sites^2"),
}
"""Meaning and unit of what follows from the curves."""


class Domain:
    """A domain in a medium: its first states and how they are measured.

    A half-plane on a torus looks the same from every column, and so does all that becomes of it without noise: few
    columns stand for all of them.
    """

    def __init__(self, recipe: MemorySweep, task: Task) -> None:
        medium, L = recipe.medium(task["network"]), task.size
        assert recipe.steps is not None
        self.half = recipe.pattern == "half"
        alike = self.half and medium.model.boundary == "periodic"
        columns = min(L, ALIKE_COLUMNS) if alike else L
        self.inside = domain(recipe.pattern, L)[:, :columns]
        lifts = np.broadcast_to(medium.lifts[:, None, None], (2, L, columns, len(medium.lifts[0])))
        A, B = _relaxed(medium, lifts, recipe.steps)
        apart = A.astype(np.float64) - B
        length = np.linalg.norm(apart, axis=-1, keepdims=True)
        lift = (medium.lifts[0] - medium.lifts[1]) / np.linalg.norm(medium.lifts[0] - medium.lifts[1])
        self.d = np.where(length > SEPARATE, apart / np.maximum(length, SEPARATE), lift).astype(np.float32)
        mask = self.inside[..., None]
        self.x = _relaxed(medium, np.stack([np.where(mask, A, B), np.where(mask, B, A)]), recipe.steps)
        self.sign = np.array([1.0, -1.0])
        self.written = float((self.sign * domain_contrast(self.projected(self.x), self.inside)).mean())

    def whole(self) -> np.ndarray:
        """First states on all columns, shape (2, L, L, N)."""
        L = self.x.shape[1]
        return self.x if self.x.shape[2] == L else np.repeat(self.x[:, :, :1], L, axis=2)

    def projected(self, x: np.ndarray) -> np.ndarray:
        """Overlap x . d at every site."""
        d = self.d if x.shape[2] == self.d.shape[1] else np.broadcast_to(self.d[:, :1], x.shape[1:])
        return np.asarray(np.einsum("rijn,ijn->rij", x, d))

    def measured(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Memory m and roughness of the wall of every replica, each of shape (replicas,)."""
        p = self.projected(x) * self.sign[np.arange(len(x)) % 2, None, None]
        inside = np.broadcast_to(self.inside[:, :1], p.shape[1:]) if self.half else self.inside
        m = domain_contrast(p, inside) / max(self.written, LEAST_CONTRAST)
        return m, wall_width(p) if self.half else np.zeros(len(x))


def _walk(medium: Medium, x: np.ndarray) -> langevin.Walk:
    """States of a network, ready for steps of its rule; nothing is measured on the way."""
    model = medium.model
    rule = np.empty((0, 0)), model.bias, model.boundary == "periodic"
    return langevin.Walk(np.asarray(x, np.float32), model.coupling, model.near, *rule)


def _relaxed(medium: Medium, x: np.ndarray, steps: int) -> np.ndarray:
    walk = _walk(medium, x)
    walk.advance(np.zeros((len(x), 2), np.uint32), 0, steps, medium.gamma, 0.0, False)
    return walk.x.copy()


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


def _continued(kept: Arrays) -> Run:
    state = VectorState.from_arrays({name: kept[f"state_{name}"] for name in ("x", "generator", "step")})
    return Run(state, list(zip(kept["memory_curve"].T, kept["roughness_curve"].T, strict=True)))


def _times(recipe: MemorySweep) -> np.ndarray:
    assert recipe.period is not None
    return sample_times(recipe.longest, recipe.period)


def _over(times: np.ndarray, rows: Sequence[tuple[np.ndarray, np.ndarray]]) -> bool:
    """Return whether all replicas have lost their memory, and that long ago."""
    if len(rows) < 2 or not (rows[-1][0] < LOST).all():
        return False
    when, lost = losses(times[: len(rows)], np.transpose([m for m, _ in rows]))
    return bool(lost.all()) and float(times[len(rows) - 1]) >= AFTER * float(when.max())


class MemorySample(Sample):
    """Domains written into networks, followed under noise at several sizes."""

    Recipe = MemorySweep
    recipe: MemorySweep
    footprint = FOR_MEMORY
    advice = "fewer or smaller --L, fewer --replicas or noise values, or fewer --jobs"

    def axes(self, size: int) -> dict[str, Axis]:
        """Axes of the arrays of a size by name."""
        recipe = self.recipe
        return {
            "eta": Axis(recipe.eta, "eta", "dimensionless", "noise strength, Langevin convention"),
            "network": Axis(recipe.network_ids, meaning="content identity of the network"),
            "replica": Axis(recipe.replicas, meaning="number of the replica"),
            "time": Axis(_times(recipe).tolist(), unit="steps", meaning="steps of noise"),
        }

    def quantities(self, size: int) -> dict[str, Measured]:
        """Quantities that tasks measure by name; a box has no straight wall."""
        curves = {name: q for name, q in CURVES.items() if name == "memory_curve" or self.recipe.pattern == "half"}
        return curves | WITHOUT_NOISE

    def owned(self, task: Task) -> tuple[str, ...]:
        """Quantities that a task measures, with noise or without."""
        return tuple(CURVES if "eta" in task.at else WITHOUT_NOISE)

    def tasks_of(self, size: int) -> list[Task]:
        """Tasks of one size, those without noise first."""
        prefix = self._prefix()
        quiet = [self._task(size, {"network": network}, prefix) for network in self.recipe.network_ids]
        return quiet + super().tasks_of(size)

    def count(self, size: int) -> int:
        """Number of tasks of one size, without making them."""
        return super().count(size) + len(self.recipe.network_ids)

    def resources(self, size: int, at: Mapping[str, Any]) -> Resources:
        """Memory of the replicas, and their steps of one site at most; without noise there are two replicas."""
        recipe = self.recipe
        states = 5 * 4.0 * recipe.replicas * size**2 * self._components
        replicas = recipe.replicas if "eta" in at else 2
        return Resources(states, float(size**2 * replicas * recipe.longest))

    @functools.cached_property
    def _components(self) -> int:
        return max(self.recipe.medium(i).model.components for i in self.recipe.network_ids)

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """What the replicas of a task show on the way, which go on from a checkpoint."""
        domain, times = Domain(self.recipe, task), _times(self.recipe)
        run = _continued(checkpoint.arrays) if checkpoint.arrays else self._begun(task, domain)
        walk = _walk(self.recipe.medium(task["network"]), run.state.x)
        while len(run.rows) < len(times) and not _over(times, run.rows):
            if run.state.step == times[len(run.rows)]:
                run.rows.append(domain.measured(run.state.x))
                continue
            self._advance(run, walk, task, int(times[len(run.rows)]))
            checkpoint.note(run.state.step / times[-1])
            if checkpoint.due():
                checkpoint.save(run.arrays() | {f"state_{name}": v for name, v in run.state.arrays().items()})
        found = run.arrays(len(times))
        if "eta" in task.at:
            return {name: found[name] for name in self.quantities(task.size) if name in found}
        last = domain.projected(run.state.x).mean(dtype=np.float64)
        known = {"written": np.array(domain.written), "preference": np.array(last)}
        return dict(zip(NOISELESS, found["memory_curve"], strict=True)) | known

    def _begun(self, task: Task, domain: Domain) -> Run:
        recipe, eta = self.recipe, task.at.get("eta", 0.0)
        replicas = recipe.replicas if eta else 2
        words: list[rng.Word] = ["memory", task["network"], recipe.pattern, task.size, eta]
        # Noise of its own for every size and noise value: errors of points that are compared are independent.
        keys = [rng.counter_key(recipe.seed, "noise", *words, k) for k in range(replicas)]
        # Every other replica has the states exchanged.
        first = domain.whole()[np.arange(replicas) % 2] if eta else domain.x
        return Run(VectorState(first, np.stack(keys)), [])

    def _advance(self, run: Run, walk: langevin.Walk, task: Task, until: int) -> None:
        """Take steps, no more than fit between two looks at the clock."""
        state, eta = run.state, task.at.get("eta", 0.0)
        count = max(1, min(until - state.step, int(BLOCK_SITES / math.prod(state.x.shape[:3]))))
        gamma = self.recipe.medium(task["network"]).gamma
        walk.advance(state.generator, state.step, count, gamma, eta, False)
        state.x, state.step = walk.x, state.step + count

    def derived(self, size: int, group: Group) -> Group:
        """Step sizes, lifetimes, and what the curves are at the time of memory."""
        recipe, times = self.recipe, _times(self.recipe)
        when, lost = losses(times, group["memory_curve"].values)
        values = {"lifetime": when, "lost": lost.astype(np.int8)}
        for name in ("memory", "roughness"):
            if (curve := group.get(f"{name}_curve")) is not None:
                values[name] = at_time(times, curve.values, recipe.time(size))
        gammas = np.array([recipe.medium(i).gamma for i in recipe.network_ids])
        found = {"gamma": Variable(("network",), gammas, {"long_name": "step size: t = gamma steps"})}
        for name, array in values.items():
            meaning, unit = DERIVED[name]
            found[name] = Variable(CURVE[:3], array, {"units": unit or "dimensionless", "long_name": meaning})
        return found

    def lengthened(self, task: Task, arrays: Arrays) -> Arrays | None:
        """Result of a task that was over before the end of a shorter recipe: more adds nothing."""
        curves = {name for name, q in self.quantities(task.size).items() if "time" in q.axes} & arrays.keys()
        if not all(np.isnan(arrays[name][..., -1]).all() for name in curves):
            return None
        longer: dict[str, np.ndarray] = {"unfinished": np.array(0)}
        for name, values in arrays.items():
            lack = len(_times(self.recipe)) - values.shape[-1] if name in curves else 0
            widths = [(0, 0)] * (values.ndim - 1) + [(0, lack)]
            longer[name] = np.pad(values, widths, constant_values=np.nan) if lack else np.asarray(values)
        return longer

    def seconds_per_operation(self) -> float:
        """Seconds that a step of one site takes here, from a short run of the largest size."""
        task = self.tasks_of(max(self.recipe.L))[-1]
        run = self._begun(task, Domain(self.recipe, task))
        walk = _walk(self.recipe.medium(task["network"]), run.state.x)
        self._advance(run, walk, task, 1)
        began, before = time.perf_counter(), run.state.step
        self._advance(run, walk, task, 10**6)
        steps = float(task.size**2 * self.recipe.replicas * (run.state.step - before))
        return (time.perf_counter() - began) / steps
