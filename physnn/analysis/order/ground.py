"""States of least energy of unit vectors on a torus with or without a seam, and the cost of the seam at T = 0.

Energies are minimised from many starts by L-BFGS on unnormalised vectors y with x = y / |y|.  The least of all is an
upper bound of the ground state's energy: no method here proves that there is nothing below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize

from physnn.errors import InputError
from physnn.models.seam import ANTIPERIODIC, PERIODIC, Seam
from physnn.models.vectors import Shape, VectorModel, normalised

WAVE_RANGE = 0.25
"""Largest distance of a wave's eigenvalue from the top, relative to it, at which the wave is a start."""
MOST_WAVES = 16
"""Most waves among the starts."""
RANDOM_STARTS = 2
"""Number of random starts."""
SHIFTS = 4
"""Number of places at which a seam cuts a periodic ground state."""
ENERGY_ACCURACY = 1e-9
"""Relative difference from which one energy counts as lower than another: the accuracy of the minimisation."""
Starts = Callable[[Seam, Shape], Mapping[str, np.ndarray]]
"""Further starts by name, such as cooled states, from a seam and a shape."""
PLANAR = 1e-3
"""Least ratio of the second to the first eigenvalue of <x x^T> of an order that spans a plane."""
TWISTS = 12
"""Number of twists, evenly spaced, of which the best is refined."""


@dataclass(frozen=True)
class Ground:
    """Lowest state ``(H, W, N)`` that was found, its energy in units of the coupling, and where it came from."""

    energy: float
    x: np.ndarray
    start: str
    by_start: Mapping[str, float]


@dataclass(frozen=True)
class GroundCost:
    """Cost of a seam at T = 0 between two rows (axis 0) or columns (axis 1), in units of the coupling.

    ``sharp`` and ``spread`` are the costs of the lowest states that came from the periodic one cut at the seam, and
    from it turned by pi along the lattice in the plane of the order (where the order lies on a line, in some plane with
    it).  Both states have the boundary twist phi (radians) of least energy where one was looked for.
    """

    axis: int
    periodic: Ground
    antiperiodic: Ground
    sharp: float
    spread: float
    twist: float

    @property
    def cost(self) -> float:
        """E_anti - E_per of the lowest states."""
        return self.antiperiodic.energy - self.periodic.energy


def relaxed(seam: Seam, x: np.ndarray, steps: int = 2000) -> tuple[float, np.ndarray]:
    """Energy and state of the minimum that a state ``(H, W, N)`` flows to."""

    def energy_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        y = flat.reshape(x.shape)
        length = np.linalg.norm(y, axis=-1, keepdims=True)
        unit = y / length
        f = seam.field(unit)
        energy = -0.5 * float((unit * (f + seam.model.bias)).sum())
        return energy, (-(f - (unit * f).sum(-1, keepdims=True) * unit) / length).ravel()

    options = {"maxiter": steps, "ftol": ENERGY_ACCURACY * 1e-3, "gtol": 1e-7, "maxcor": 20}
    found = optimize.minimize(energy_and_gradient, normalised(x).ravel(), jac=True, method="L-BFGS-B", options=options)
    return float(found.fun), normalised(found.x.reshape(x.shape))


def leading_waves(model: VectorModel, shape: Shape, shift: tuple[float, float] = (0.0, 0.0)) -> dict[str, np.ndarray]:
    """Waves of largest J(k), real parts normalised at each site, by name.

    The shift is added to the wave numbers 2 pi m / L, in units of 2 pi / L: 1/2 along the axis of a seam.
    """
    (H, W), half = shape, model.kernel // 2
    rows = 2 * np.pi * (np.fft.fftfreq(H) + shift[0] / H)
    columns = 2 * np.pi * (np.fft.fftfreq(W) + shift[1] / W)
    r = np.arange(model.kernel) - half
    phases = np.exp(1j * np.outer(rows, r)), np.exp(1j * np.outer(columns, r))
    values, vectors = np.linalg.eigh(np.einsum("uy,vx,abyx->uvab", *phases, model.coupling, optimize=True))
    found: dict[str, np.ndarray] = {}
    seen: list[tuple[int, np.ndarray]] = []
    top = values.max()
    for flat in np.argsort(-values, axis=None, kind="stable"):
        u, v, band = (int(i) for i in np.unravel_index(flat, values.shape))
        if len(found) == MOST_WAVES or values[u, v, band] < top - WAVE_RANGE * abs(top):
            break
        k = np.array([rows[u], columns[v]])
        # A wave and its conjugate are one real state.
        if any(b == band and np.allclose(np.cos(k + other), 1) for b, other in seen):
            continue
        seen.append((band, k))
        phase = np.exp(1j * (k[0] * np.arange(H)[:, None] + k[1] * np.arange(W)))
        state = (phase[..., None] * vectors[u, v, :, band]).real
        # Nodes get the imaginary part's direction, far below the amplitude.
        state = state + 1e-3 * (phase[..., None] * vectors[u, v, :, band]).imag + 1e-6
        found[f"wave ({k[0] / np.pi:.3g}, {k[1] / np.pi:.3g}) pi, band {band}"] = normalised(state)
    return found


def plane_of(x: np.ndarray, least: float = PLANAR) -> np.ndarray:
    """Plane that vectors ``(..., N)`` lie in most, orthonormal ``(2, N)``; empty if they lie on a line."""
    flat = x.reshape(-1, x.shape[-1])
    values, vectors = np.linalg.eigh(flat.T @ flat / len(flat))
    return vectors[:, [-1, -2]].T if values[-2] > least * values[-1] else np.empty((0, 0))


def _turned(x: np.ndarray, plane: np.ndarray, angle: float, axis: int) -> np.ndarray:
    """State turned in a plane, from 0 at the first to almost ``angle`` behind the last row or column."""
    length = x.shape[axis]
    a = angle * (np.arange(length) - (length - 1) / 2) / length
    c, s = (t.reshape((-1, 1) if axis == 0 else (1, -1)) for t in (np.cos(a), np.sin(a)))
    along, across = x @ plane[0], x @ plane[1]
    more = ((c - 1) * along - s * across)[..., None] * plane[0] + ((c - 1) * across + s * along)[..., None] * plane[1]
    return np.asarray(x + more)


def _lowest(seam: Seam, starts: Mapping[str, np.ndarray]) -> Ground:
    best: tuple[float, str, np.ndarray] | None = None
    energies = {}
    for name, x in starts.items():
        energy, state = relaxed(seam, x)
        energies[name] = energy
        if best is None or energy < best[0] - ENERGY_ACCURACY * abs(best[0]):
            best = energy, name, state
    assert best is not None
    return Ground(best[0], best[2], best[1], energies)


def ground_state(seam: Seam, shape: Shape, generator: np.random.Generator, **more: np.ndarray) -> Ground:
    """Lowest of the states that waves of largest J(k), uniform, random and given states flow to."""
    seam.check(shape)
    shift = 0.5 if seam.strength < 0 else 0.0
    starts = dict(more)
    starts |= leading_waves(seam.model, shape, (shift, 0.0) if seam.axis == 0 else (0.0, shift))
    N = seam.model.components
    if seam.model.bias.any():
        starts["bias"] = np.broadcast_to(normalised(seam.model.bias), (*shape, N)).copy()
    _, vectors = np.linalg.eigh(seam.model.coupling.sum((2, 3)))
    starts["uniform"] = np.broadcast_to(vectors[:, -1], (*shape, N)).copy()
    starts |= {f"random {k}": normalised(generator.normal(size=(*shape, N))) for k in range(RANDOM_STARTS)}
    return _lowest(seam, starts)


def best_twist(model: VectorModel, axis: int, ground: Ground) -> float:
    """Boundary twist in the plane of a periodic ground state at which the energy is least, radians."""
    plane = plane_of(ground.x)
    if not plane.size:
        raise InputError("this order lies on a line and has no plane to twist it in; leave the twist out")

    def energy(phi: float) -> float:
        phi = float(phi)
        seam = Seam(model, axis, PERIODIC, phi, plane) if phi else Seam(model, axis)
        # Both ways round, and the state as it is: the order may have an own pitch.
        starts = [_turned(ground.x, plane, a, axis) for a in (phi, phi - 2 * math.pi, 0.0)]
        return min(relaxed(seam, x)[0] for x in starts)

    tried = np.linspace(0, 2 * np.pi, TWISTS, endpoint=False)
    energies = np.array([energy(phi) for phi in tried])
    k = int(np.argmin(energies))
    step = tried[1]
    found = optimize.minimize_scalar(energy, bounds=(tried[k] - step, tried[k] + step), options={"xatol": 1e-6})
    better = found.fun < energies[k] - ENERGY_ACCURACY * abs(energies[k])
    return float(found.x % (2 * np.pi)) if better else float(tried[k])


def ground_cost(
    model: VectorModel,
    shape: Shape,
    axis: int,
    generator: np.random.Generator,
    twist: bool = False,
    further: Starts = lambda seam, shape: {},
) -> GroundCost:
    """Cost of a seam at T = 0, from the lowest states found with and without it.

    Parameters
    ----------
    model : VectorModel
        Periodic.
    shape : tuple of int
        H and W.
    axis : int
        0 or 1, see `Seam`.
    generator : numpy.random.Generator
        Draws random starts.
    twist : bool
        True to twist both boundaries by the angle of least energy first: for orders whose wave vector does not
        fit the lattice.
    further : callable
        More starts for each of the two searches.

    Raises
    ------
    InputError
        If the lattice is narrower than the coupling's reach, or a twist is wanted of an order without a plane.
    """
    periodic = Seam(model, axis)
    ground = ground_state(periodic, shape, generator, **further(periodic, shape))
    phi = 0.0
    if twist:
        phi, plane = best_twist(model, axis, ground), plane_of(ground.x)
        periodic = replace(periodic, twist=phi, plane=plane)
        turns = {f"turned {k}": _turned(ground.x, plane, phi - 2 * math.pi * k, axis) for k in (0, 1)}
        ground = ground_state(periodic, shape, generator, **turns)
    anti, length = replace(periodic, strength=ANTIPERIODIC), shape[axis]
    cuts = sorted({length * k // SHIFTS for k in range(SHIFTS)}) if np.ptp(ground.x, axis=axis).max() > 1e-6 else [0]
    sharp = {f"sharp {k}": np.roll(ground.x, k, axis) for k in cuts}
    plane = plane_of(ground.x, -math.inf)
    spread = {f"spread {s:+d}": _turned(ground.x, plane, s * math.pi, axis) for s in (1, -1)}
    lowest = ground_state(anti, shape, generator, **sharp, **spread, **further(anti, shape))
    by_sharp, by_spread = (min(lowest.by_start[name] for name in group) - ground.energy for group in (sharp, spread))
    return GroundCost(axis, ground, lowest, by_sharp, by_spread, phi)
