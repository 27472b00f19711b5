"""Integration of coupled oscillators with fixed steps, and what is measured of them.

| method | without noise | with noise D |
|---|---|---|
| `euler` | order 1 | Euler and Maruyama, weak order 1 |
| `heun` | order 2 | weak order 2 of phases, whose noise is additive; of unit vectors, weak order 1 |
| `rk4` | order 4 | refused |
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from physnn.errors import InputError
from physnn.kernels.oscillators.phases import (
    ALL_TO_ALL,
    FULL_TURN,
    GRAPH,
    SQUARE,
    advance_phases,
    circles,
    local_sums,
)
from physnn.kernels.oscillators.spheres import advance_spheres
from physnn.models.oscillators import Method, Network

TABLEAUS: Mapping[str, np.ndarray] = {
    "euler": np.array([[0.0, 1.0]]),
    "heun": np.array([[1.0, 0.5], [0.0, 0.5]]),
    "rk4": np.array([[0.5, 1 / 6], [0.5, 1 / 3], [1.0, 1 / 3], [0.0, 1 / 6]]),
}
"""Where the next stage lies, and the weight of each stage, as shares of a step."""
_COUPLINGS = {"all": ALL_TO_ALL, "square": SQUARE, "graph": GRAPH}


@dataclass(frozen=True, eq=False)
class Oscillators:
    """Oscillators, their coupling, and how they are integrated.

    Parameters
    ----------
    omega : ndarray of float64
        Natural frequencies in rad/s, shape ``(n,)``; of unit vectors with N > 2 components the entries above the
        diagonal of the antisymmetric Omega, row by row, ``(N (N - 1) / 2, n)``.
    strength : float
        K in rad/s.
    noise : float
        D in rad/s: phases alone would spread by 2 D t.
    network : Network
        Who is coupled to whom.
    step : float
        Step h in s.
    method : {"euler", "heun", "rk4"}
        Scheme.

    Raises
    ------
    InputError
        If the numbers make no sense together.
    """

    omega: np.ndarray
    strength: float
    noise: float = 0.0
    network: Network = field(default_factory=Network)
    step: float = 0.05
    method: Method = "heun"

    def __post_init__(self) -> None:
        if self.omega.ndim not in (1, 2) or not np.isfinite(self.omega).all():
            raise InputError("natural frequencies are finite numbers, one for each oscillator")
        if not (math.isfinite(self.strength) and 0 <= self.noise < math.inf and 0 < self.step < math.inf):
            raise InputError("K must be finite, the noise not negative, and the step positive")
        if self.method not in TABLEAUS:
            raise InputError(f"there is no method {self.method!r}; choose one of {', '.join(TABLEAUS)}")
        if self.noise and self.method == "rk4":
            raise InputError("rk4 is for oscillators without noise; take heun")
        self.network.check(self.omega.shape[-1])

    @property
    def components(self) -> int:
        """N: 2 for phases."""
        return 2 if self.omega.ndim == 1 else (1 + math.isqrt(1 + 8 * len(self.omega))) // 2

    @property
    def stages(self) -> int:
        """Stages of a step."""
        return len(TABLEAUS[self.method])


def random_phases(n: int, generator: np.random.Generator) -> np.ndarray:
    """Phases in turns, uniform, shape ``(n,)``."""
    return generator.random(n)


def random_directions(components: int, n: int, generator: np.random.Generator) -> np.ndarray:
    """Unit vectors in all directions, shape ``(components, n)``."""
    x = generator.standard_normal((components, n))
    return np.asarray(x / np.linalg.norm(x, axis=0))


def integrate(
    system: Oscillators, state: np.ndarray, key: np.ndarray, first: int, every: int, measurements: int
) -> np.ndarray:
    """Order parameter after every ``every`` steps; the state moves in place.

    Parameters
    ----------
    system : Oscillators
        What is integrated.
    state : ndarray of float64
        Phases in turns, ``(n,)``, which count whole turns, or unit vectors ``(N, n)``.
    key : ndarray of uint32, shape (2,)
        Key of the noise, of which oscillator i has a number of its own at every step.
    first, every, measurements : int
        Number of the first step, steps between measurements, and their number.

    Returns
    -------
    ndarray of float64, shape (measurements, N)
        Mean of the oscillators as unit vectors: r (cos psi, sin psi) for phases; dimensionless.
    """
    n, h, tableau = system.omega.shape[-1], system.step, TABLEAUS[system.method]
    if state.shape != ((n,) if system.components == 2 else (system.components, n)) or state.dtype != np.float64:
        raise InputError(f"the state of {n} oscillators with {system.components} components has another shape")
    rows = np.zeros((measurements, system.components))
    kick, coupling = math.sqrt(2 * system.noise * h), _coupling(system.network, n)
    how = tableau, key, first, every, rows
    if system.components > 2:
        advance_spheres(state, h * system.omega, *coupling, h * system.strength, kick, *how)
        return rows
    turn = h / FULL_TURN
    advance_phases(state, turn * system.omega, *coupling, turn * system.strength, kick / FULL_TURN, *how)
    return np.asarray(rows / n)


def _coupling(network: Network, n: int) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Coupling of n oscillators as kernels take it."""
    starts = np.array([math.isqrt(n)]) if network.kind == "square" else network.starts
    return _COUPLINGS[network.kind], starts, network.ends, network.weights


def neighbour_order(network: Network, state: np.ndarray) -> float:
    """Sum over i of |sum_j A_ij x_j| over the sum of all |A_ij| (dimensionless), of phases in turns or unit vectors.

    It is 1 where neighbours are alike, and r if all are coupled.
    """
    x = state
    if state.ndim == 1:
        x = np.empty((2, len(state)))
        circles(state, x[0], x[1])
    if network.kind == "all":
        return float(np.linalg.norm(x.mean(1)))
    fields = np.empty_like(x)
    for component, out in zip(x, fields, strict=True):
        local_sums(component, *_coupling(network, x.shape[1]), 0, out)
    bonds = 4.0 * x.shape[1] if network.kind == "square" else float(np.abs(network.weights).sum())
    return float(np.linalg.norm(fields, axis=0).sum()) / bonds


def vortex_share(phases: np.ndarray) -> float:
    """Share of the plaquettes of a square lattice around which the phase turns once (dimensionless)."""
    side = math.isqrt(len(phases))
    theta = phases.reshape(side, side)
    right, down = (np.roll(theta, -1, axis) - theta for axis in (1, 0))
    right, down = right - np.rint(right), down - np.rint(down)
    winding = right + np.roll(down, -1, 1) - np.roll(right, -1, 0) - down
    return float(np.count_nonzero(np.rint(winding))) / theta.size


def effective_frequencies(before: np.ndarray, after: np.ndarray, time: float) -> np.ndarray:
    """Mean angular velocities in rad/s between phases in turns, some time in s apart."""
    return np.asarray(FULL_TURN * (after - before) / time)


def locked_share(before: np.ndarray, after: np.ndarray) -> float:
    """Share of the oscillators that are entrained (dimensionless): the most whose phases advanced alike, within a turn.

    Those that drift slower than a turn in this time are counted with them.
    """
    turned = np.sort(after - before)
    upper = np.searchsorted(turned, turned + 1.0, side="left")
    return float((upper - np.arange(len(turned))).max()) / len(turned)
