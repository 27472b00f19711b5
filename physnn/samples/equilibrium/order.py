"""Where a model orders: the wave vector and the vector that all sizes and temperatures of a sweep are measured on.

The largest eigenvalue of J alone does not tell.  So a lattice is cooled from the mean-field temperature until the peak
of S(k) is resolved at one place at two temperatures in a row, while it is still disordered: the order parameter is what
fluctuates most there.  At the lowest temperature of the sweep, lattices that start from every leading mode of J, from
k = 0 and at random must come to the same peak; those that do not are reported as metastable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from physnn import rng
from physnn.analysis.order.structure import (
    RESOLVED_CONTRAST,
    Order,
    at_order,
    order_of,
    peak,
    peak_contrast,
    structure_factor,
    top,
    transform,
    written,
)
from physnn.models.vectors import VectorModel, normalised, standing_waves
from physnn.samplers.langevin import Langevin
from physnn.samplers.reflections import Planes
from physnn.samplers.vectors import VectorState

CHAINS = 8
"""Lattices that are cooled side by side."""
COOLING = 0.9
"""Ratio of neighbouring temperatures."""
HOT = 1.0
"""First temperature, in units of the mean-field transition lambda_max / N."""
STEP = 0.16
"""Step of the search, which need not be exact, in units of 1 / |J|, |J| the largest eigenvalue."""
MEASUREMENTS = 80
"""Measurements at each temperature, after as many intervals to settle."""
WITHIN = 0.05
"""Modes of J this near the top (relative) are starts."""
MOST_STARTS = 10
"""Modes that are tried at most, the highest first."""
SIDE = 16
"""Largest side of a lattice that is cooled."""


@dataclass(frozen=True)
class Found:
    """An order parameter and what it rests on.

    Attributes
    ----------
    order : Order
        Modes.
    T : float
        Temperature at which they were measured.
    L : int
        Side of the lattice.
    resolved : bool
        Whether a peak was resolved; if not, the order is that of the lowest temperature for want of a better one.
    metastable : tuple of str
        Starts that ended with a peak elsewhere, in words.
    """

    order: Order
    T: float
    L: int
    resolved: bool
    metastable: tuple[str, ...]


def side_for(sizes: Sequence[int]) -> int:
    """Return the side of the lattice to cool: the largest size up to `SIDE`, else the smallest of all."""
    return max((L for L in sizes if L <= SIDE), default=min(sizes))


def planes(order: Order) -> Planes:
    """Return the planes that reflect an order parameter into others of the same energy."""
    return Planes(np.array(order.wave_vectors, np.float64), order.vectors)


def find_order(model: VectorModel, sizes: Sequence[int], T: float, seed: int, identity: str) -> Found:
    """Return the order parameter of a model.

    Parameters
    ----------
    model : VectorModel
        On a torus.
    sizes : sequence of int
        Sizes of the sweep.
    T : float
        Its lowest temperature; the lattice is not cooled further.
    seed, identity : int, str
        Root seed, and content identity of the model for the random streams.
    """
    L = side_for(sizes)
    sequence = rng.seed_sequence(seed, "chain", "order", identity, L, T)
    values = np.linalg.eigvalsh(model.spectrum((L, L)))
    scale = float(np.abs(values).max()) or 1.0
    sampler, generator, interval = Langevin(STEP / scale), rng.generator(rng.child(sequence)), round(4 / STEP)
    x = np.stack([model.initial("random", (L, L), generator) for _ in range(CHAINS)]).astype(np.float32)
    state = VectorState(x, sampler.generators(sequence, CHAINS))
    temperature, found = max(T, HOT * float(values.max()) / model.components), None
    before, coldest = None, False
    while found is None:
        S, _ = _measured(sampler, model, temperature, state, interval)
        largest, here = top(S), order_of(S, model.coupling)
        resolved = peak_contrast(largest) >= RESOLVED_CONTRAST
        # Twice in a row at one place, or at one that symmetry gives: one high peak of hundreds may be chance.
        again = resolved and before is not None and at_order(peak(largest), before, L)
        if again or (temperature <= T and (coldest or not resolved)):
            found = Found(here, temperature, L, again, ())
        else:
            coldest = temperature <= T
            temperature, before = max(T, COOLING * temperature), here if resolved else None
    lost = _lost(model, found.order, T, L, sampler, state, interval, sequence)
    return Found(found.order, found.T, L, found.resolved, lost)


def _measured(
    sampler: Langevin, model: VectorModel, T: float, state: VectorState, interval: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return S(k) over all lattices, and the mean energy of each, after settling at a temperature."""
    sampler.advance(model, T, state, 1, MEASUREMENTS * interval)
    total, energy = np.zeros(0), np.zeros(len(state.x))
    for _ in range(MEASUREMENTS):
        x_k = transform(state.x)
        S = structure_factor(x_k)
        total = S if not total.size else total + S
        energy += sampler.advance(model, T, state, 1, interval)["energy"][:, 0]
    return total / MEASUREMENTS, energy / MEASUREMENTS


def _lost(
    model: VectorModel,
    order: Order,
    T: float,
    L: int,
    sampler: Langevin,
    cooled: VectorState,
    interval: int,
    sequence: np.random.SeedSequence,
) -> tuple[str, ...]:
    """Return which starts at the lowest temperature come to a peak elsewhere."""
    generator = rng.generator(rng.child(sequence, 3))
    names, states = _starts(model, L, generator)
    x = np.concatenate([cooled.x[:1], np.stack(states)]).astype(np.float32)
    names = ["cooling", *names]
    state = VectorState(x, sampler.generators(rng.child(sequence, 4), len(x)))
    sampler.advance(model, T, state, 1, 3 * MEASUREMENTS * interval)
    total, energy = np.zeros((len(x), L, L)), np.zeros(len(x))
    for _ in range(MEASUREMENTS):
        total += (np.abs(transform(state.x)) ** 2).sum(-1)
        energy += sampler.advance(model, T, state, 1, interval)["energy"][:, 0]
    mean, agree = energy / MEASUREMENTS, [at_order(peak(one), order, L) for one in total]
    best = min((e for e, yes in zip(mean, agree, strict=True) if yes), default=np.nan)
    lost = []
    for name, one, e, yes in zip(names, total, mean, agree, strict=True):
        if not yes and peak_contrast(one) >= RESOLVED_CONTRAST:
            m, n = peak(one)
            k = written((Fraction(m, L), Fraction(n, L)))
            lost.append(f"{name}: S(k) peaks at {k}, energy {e:.4g} against {best:.4g}")
    return tuple(lost)


def leading_modes(model: VectorModel, L: int) -> list[tuple[int, int]]:
    """Return the positions of wave vectors within 5 % of the largest eigenvalue of J(k), highest first; one of +-k."""
    largest = np.linalg.eigvalsh(model.spectrum((L, L)))[..., -1]
    leading = np.argwhere(largest >= largest.max() - WITHIN * abs(largest.max())).tolist()
    found = sorted(((m, n) for m, n in leading if (m, n) <= (-m % L, -n % L)), key=lambda place: -largest[place])
    return found[:MOST_STARTS]


def _starts(model: VectorModel, L: int, generator: np.random.Generator) -> tuple[list[str], list[np.ndarray]]:
    """Return names and states of lattices that begin in a leading mode of J, in k = 0, or at random."""
    spectrum, names, states = model.spectrum((L, L)), [], []
    for m, n in leading_modes(model, L):
        v = np.linalg.eigh(spectrum[m, n])[1][:, -1] * np.exp(2j * np.pi * generator.random())
        states.append(normalised(standing_waves((L, L), [(m, n)], [v], generator)))
        names.append(f"mode {written((Fraction(m, L), Fraction(n, L)))} of J")
    kinds = ("uniform", "random", "random")
    return [*names, *kinds], [*states, *(model.initial(kind, (L, L), generator) for kind in kinds)]


def start_state(order: Order, L: int, generator: np.random.Generator) -> np.ndarray:
    """Return a state with an order, of random direction and phase: unit vectors, float64 of shape (L, L, N)."""
    amplitudes = generator.normal(size=len(order.vectors)) + 1j * generator.normal(size=len(order.vectors))
    vectors = amplitudes[:, None] * order.vectors
    return normalised(standing_waves((L, L), order.indices(L), list(vectors), generator))
