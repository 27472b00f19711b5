"""Entropies of random machines at the cut through their middle, in nats, with errors over machines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physnn import rng
from physnn.analysis.quantum.entropy import rank_bound, state_entropies
from physnn.analysis.statistics.estimate import Estimate, mean_over
from physnn.analysis.statistics.frames import Tabled
from physnn.answers.quantum.entanglement import SVD_SITES
from physnn.errors import InputError
from physnn.jobs.run import Progress, silent

RANDOM_WEIGHTS = {
    "gaussian": "real and imaginary parts of all weights are normal",
    "quarter": "every weight is 0, i pi/4 or -i pi/4, with the same probability",
}
"""Random machines, and what their weights are."""
NOTHING = -30.0
"""Logarithm of the largest amplitude below which a state is nothing but rounding: factors cosh(i pi/2) are 0."""


@dataclass(frozen=True)
class RandomRow:
    """Entropies of random machines of one size, at the cut through the middle, in nats.

    Attributes
    ----------
    N : int
        Sites.
    spread : float
        Standard deviation of real and imaginary parts of weights; pi/4 is the modulus of those of ``quarter``.
    von_neumann, renyi2 : Estimate
        Means over machines.
    most : float
        What weights allow, in the mean over machines: N/2 ln 2 at most.
    vanished : int
        Machines without any amplitude, which were drawn again.
    """

    N: int
    spread: float
    von_neumann: Estimate
    renyi2: Estimate
    most: float
    vanished: int


@dataclass(frozen=True)
class RandomTable(Tabled):
    """Entropies of random machines by size.

    ``slopes`` are, by spread, what a spin more on each side adds to the mean entropy, in units of ln 2; None where
    there is one size.
    """

    kind: str
    alpha: int
    reach: int | None
    draws: int
    rows: tuple[RandomRow, ...]
    slopes: dict[float, Estimate | None]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        rows = [
            {"N": r.N, "spread": r.spread, "most": r.most, "vanished": r.vanished}
            | {"von_neumann": r.von_neumann.as_json(), "renyi2": r.renyi2.as_json()}
            for r in self.rows
        ]
        slopes = {f"{spread:g}": found.as_json() if found else None for spread, found in self.slopes.items()}
        plain = {"random": self.kind, "alpha": self.alpha, "reach": self.reach, "draws": self.draws}
        return plain | {"logarithm": "natural", "rows": rows, "slopes_over_ln2": slopes}


def random_weights(
    kind: str, N: int, alpha: int, spread: float, reach: int | None, generator: np.random.Generator
) -> np.ndarray:
    """Weights of a random machine ``psi = prod_j cosh(sum_i W_ji s_i)``, complex, shape (alpha N, N).

    Parameters
    ----------
    kind : str
        One of `RANDOM_WEIGHTS`.
    N, alpha : int
        Sites, and hidden units over sites.
    spread : float
        Standard deviation of real and imaginary parts of Gaussian weights.
    reach : int, optional
        Farthest site from a hidden unit's own that it has a weight to, on an open chain; all sites unless given.
    generator : numpy.random.Generator
        Source of the weights.
    """
    shape = (alpha * N, N)
    weights: np.ndarray
    if kind == "gaussian":
        weights = spread * (generator.standard_normal(shape) + 1j * generator.standard_normal(shape))
    else:
        weights = 1j * math.pi / 4 * generator.integers(-1, 2, shape)
    if reach is None:
        return weights
    apart = np.abs(np.arange(alpha * N)[:, None] % N - np.arange(N))
    return np.where(apart <= reach, weights, 0)


def machine_state(weights: np.ndarray) -> np.ndarray | None:
    """Amplitudes of all 2^N configurations over the largest, first site slowest; None where all are rounding alone."""
    N = weights.shape[1]
    spins = 1.0 - 2 * ((np.arange(1 << N)[:, None] >> np.arange(N - 1, -1, -1)) & 1)
    logs = np.zeros(len(spins), complex)
    for row in weights:
        theta = spins @ row
        theta = np.where(theta.real < 0, -theta, theta)
        logs += theta + np.log((1 + np.exp(-2 * theta)) / 2)
    largest = float(logs.real.max())
    return None if largest < NOTHING else np.exp(logs - largest)


def random_entropies(
    kind: str,
    sizes: Sequence[int],
    *,
    alpha: int = 1,
    spreads: Sequence[float] = (1.0,),
    reach: int | None = None,
    draws: int = 100,
    seed: int = 0,
    progress: Progress = silent,
) -> RandomTable:
    """Entropies of random machines at the cut through the middle, with errors over the machines.

    Raises
    ------
    InputError
        If a size is odd, below 2 or above `SVD_SITES`, or there are fewer than two machines.
    """
    if kind not in RANDOM_WEIGHTS:
        raise InputError(f"There are no random machines {kind!r}; choose one of {', '.join(RANDOM_WEIGHTS)}.")
    if bad := [N for N in sizes if N % 2 or not 2 <= N <= SVD_SITES]:
        raise InputError(f"Sizes {bad} have no middle, or too many states: give even ones from 2 to {SVD_SITES}.")
    if draws < 2:
        raise InputError("One machine has no error; draw at least two.")
    spreads = spreads if kind == "gaussian" else (math.pi / 4,)
    rows, done = [], 0
    for spread in spreads:
        for N in sizes:
            found: list[tuple[float, float]] = []
            bounds: list[float] = []
            vanished = k = 0
            while len(found) < draws:
                generator = rng.stream(seed, "weights", "entropy", kind, N, alpha, float(spread), reach or 0, k)
                weights, k = random_weights(kind, N, alpha, spread, reach, generator), k + 1
                state = machine_state(weights)
                if state is None:
                    vanished += 1
                    continue
                entropies = state_entropies(state, [N // 2])
                bounds.append(min(rank_bound(weights)[N // 2 - 1], N / 2 * math.log(2)))
                found.append((entropies.von_neumann[0], entropies.renyi2[0]))
                done += 1
                progress(done, draws * len(sizes) * len(spreads), f"N = {N}")
            means = [mean_over(np.array(values)) for values in zip(*found, strict=True)]
            rows.append(RandomRow(N, float(spread), means[0], means[1], float(np.mean(bounds)), vanished))
    slopes = {float(s): _slope([row for row in rows if row.spread == float(s)]) for s in spreads}
    return RandomTable(kind, alpha, reach, draws, tuple(rows), slopes)


def _slope(rows: Sequence[RandomRow]) -> Estimate | None:
    """Entropy that a spin more on each side adds, over ln 2, by weighted least squares."""
    if len(rows) < 2:
        return None
    x = np.array([row.N / 2 for row in rows])
    y, error = np.array([[row.von_neumann.value, row.von_neumann.error] for row in rows]).T
    weight = 1 / np.maximum(error, 1e-12) ** 2
    u = x - np.average(x, weights=weight)
    square = float((weight * u**2).sum())
    return Estimate(float((weight * u * y).sum()) / square / math.log(2), square**-0.5 / math.log(2))


def draw_random(table: RandomTable, out: Path) -> Path:
    """Figure of random machines by size."""
    from physnn.figures.quantum.entropy import random_figure
    from physnn.figures.style import save

    groups = []
    for spread in table.slopes:
        rows = [row for row in table.rows if row.spread == spread]
        values = np.array([[row.N, row.von_neumann.value, row.von_neumann.error] for row in rows])
        label = f"Gaussian, spread {spread:g}" if table.kind == "gaussian" else r"weights $0, \pm i\pi/4$"
        groups.append((label, *values.T))
    return save(random_figure(groups), out)
