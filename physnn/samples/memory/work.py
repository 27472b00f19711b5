"""Memory sweeps: what a task does, and how a file is put together.

A domain takes the state A of a network inside and B outside, in every other replica the other way round; what is
measured on the way are the contrast of inside and outside and, of a half-plane, the roughness of its wall.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from physnn import rng
from physnn.analysis.memory.contrast import LOST, at_time, domain, domain_contrast, losses, sample_times, wall_width
from physnn.kernels.vectors import langevin
from physnn.samplers.vectors import VectorState
from physnn.samples.memory.recipe import Medium, MemorySweep
from physnn.samples.sample import Sample
from physnn.samples.tasks import Arrays, Axis, Checkpoint, Measured, Resources, Task
from physnn.store.hdf5 import Group, Variable

BLOCK_SITES = 1e6
"""Steps of single sites between two looks at the clock."""
AFTER = 10
"""Runs end at this many times the time at which the last replica lost its memory: what decays has decayed then."""
SEPARATE = 1e-3
"""A and B are told apart by their difference where |A - B| is larger, else by what they are lifted from."""
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
    """A domain in a medium: its first states and how they are measured."""

    def __init__(self, recipe: MemorySweep, task: Task) -> None:
        medium, L = recipe.medium(task["network"]), task.size
        assert recipe.steps is not None
        self.inside, self.half = domain(recipe.pattern, L), recipe.pattern == "half"
        A, B = _relaxed(
            medium,
            np.broadcast_to(medium.lifts[:, None, None], (2, L, L, len(medium.lifts[0]))),
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
    state = VectorState(np.array(x, np.float32), np.zeros((len(x), 2), np.uint32))
    _step(medium, state, steps, 0.0)
    return state.x


def _step(medium: Medium, state: VectorState, steps: int, eta: float) -> None:
    """Take steps of the networks' rule, in place; nothing is measured on the way."""
    model = medium.model
    arrays = model.coupling, model.near, np.empty((0, 0)), model.bias, state.generator
    rule = medium.gamma, eta, False, model.boundary == "periodic"
    langevin.advance(state.x, *arrays, state.step, steps, *rule)
    state.step += steps


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
        while len(run.rows) < len(times) and not _over(times, run.rows):
            if run.state.step == times[len(run.rows)]:
                run.rows.append(domain.measured(run.state.x))
                continue
            self._advance(run, task, int(times[len(run.rows)]))
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
        return Run(VectorState(domain.x[np.arange(replicas) % 2], np.stack(keys)), [])

    def _advance(self, run: Run, task: Task, until: int) -> None:
        """Take steps, no more than fit between two looks at the clock."""
        medium, eta = self.recipe.medium(task["network"]), task.at.get("eta", 0.0)
        count = max(1, min(until - run.state.step, int(BLOCK_SITES / (len(run.state.x) * task.size**2))))
        _step(medium, run.state, count, eta)

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
        self._advance(run, task, 1)
        began, before = time.perf_counter(), run.state.step
        self._advance(run, task, 10**6)
        steps = float(task.size**2 * self.recipe.replicas * (run.state.step - before))
        return (time.perf_counter() - began) / steps
