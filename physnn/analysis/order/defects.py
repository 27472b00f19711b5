"""Defects of an order, domain walls and vortices, and its stiffness against a twist."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from physnn.analysis.order.structure import Order, is_own_opposite

CIRCULAR = 0.5
"""Largest |v . v| of a wave exp(i k . r) v that has a phase at every site: half way from circular (0) to linear (1)."""
COMMUTES = 1e-2
"""Relative size of J A - A J up to which a rotation with generator A is a symmetry; a convention."""


def defect_kind(order: Order) -> str:
    """Kind of defects: ``walls`` (n = 1), ``vortices`` (n = 2 with a phase at every site), or ``""``."""
    if order.components == 1:
        return "walls"
    if order.components != 2:
        return ""
    if len(order.vectors) == 1:
        v = order.vectors[0]
        return "vortices" if abs(v @ v) <= CIRCULAR else ""
    return "vortices" if order.wave_vectors[0] == order.wave_vectors[1] else ""


def local_order(x: np.ndarray, order: Order) -> np.ndarray:
    """Local order parameter ``v^+ . x_r exp(-i k . r)`` at every site, complex, shape (..., L, L).

    The first two of several real modes make its real and imaginary part.
    """
    L = x.shape[-2]
    rows, columns = np.arange(L)[:, None], np.arange(L)
    fields = [
        (x @ v.conj().astype(np.complex64)) * np.exp(-2j * np.pi * (m * rows + n * columns) / L).astype(np.complex64)
        for (m, n), v in zip(order.indices(L), order.vectors, strict=True)
    ]
    return np.asarray(fields[0] if len(fields) == 1 else fields[0].real + 1j * fields[1].real)


def walls(field: np.ndarray) -> np.ndarray:
    """Share of nearest-neighbour bonds between unlike signs of the real part; shape (...)."""
    up = field.real > 0
    return np.asarray(sum((up != np.roll(up, 1, axis)).mean((-1, -2)) for axis in (-1, -2)) / 2)


def vortices(field: np.ndarray) -> np.ndarray:
    """Share of plaquettes that the phase of a field winds around, either way; shape (...).

    Differences of neighbouring phases are taken in (-pi, pi]; their sum around a plaquette is 2 pi times its winding.
    """
    angle = np.angle(field) / (2 * np.pi)
    down, right = (np.roll(angle, -1, axis) - angle for axis in (-2, -1))
    down, right = down - np.rint(down), right - np.rint(right)
    winding = right + np.roll(down, -1, -1) - np.roll(right, -1, -2) - down
    return np.asarray((np.abs(winding) > 0.5).mean((-1, -2)))


@dataclass(frozen=True, eq=False)
class Twist:
    """Change of the energy by a twist of a per site along an axis, to second order, for a model with that symmetry.

    ``H(a) = -1/2 sum_i,r x_i . J(r) exp(a r_axis A) x_(i+r)``; with H' and H'' its derivatives at a = 0, the helicity
    modulus is ``Y = (<H''> - <H'^2> / T) / V`` (M. E. Fisher, M. N. Barber and D. Jasnow, Phys. Rev. A 8, 1111 (1973)).
    Kept are displacements r (row, column), one of r and -r, with the matrices ``J(r) A`` and ``J(r) A A``.
    """

    first: tuple[tuple[int, int, np.ndarray], ...]
    second: tuple[tuple[int, int, np.ndarray], ...]

    def measure(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """H''/V and H'^2/V of states ``(states, L, L, N)``, averaged over both axes; shape (states,)."""
        V = x.shape[1] * x.shape[2]
        stiffness, square = np.zeros(len(x)), np.zeros(len(x))
        products = [
            (row, column, [_summed(x, row, column, J) for J in (one, two)])
            for (row, column, one), (_, _, two) in zip(self.first, self.second, strict=True)
        ]
        for axis in (0, 1):
            current = np.zeros(len(x))
            for row, column, (one, two) in products:
                step = (row, column)[axis]
                # The term of -r is the same as that of r, hence no factor 1/2.
                current -= step * one
                stiffness -= step**2 * two / (2 * V)
            square += current**2 / (2 * V)
        return stiffness, square


def _summed(x: np.ndarray, row: int, column: int, matrix: np.ndarray) -> np.ndarray:
    """Sum over sites of x_i . M x_(i+r)."""
    there = np.roll(x, (-row, -column), (1, 2))
    image = there @ matrix.T.astype(x.dtype)
    return np.asarray(np.einsum("syxa,syxa->s", x, image, dtype=np.float64, optimize=False))


def twist_of(coupling: np.ndarray, bias: np.ndarray, order: Order) -> Twist | None:
    """Twist in the plane of an order, or None where rotating that plane is no symmetry of J and c.

    The plane is that of its one turning wave, or of its first two modes.
    """
    generator = _generator(order)
    if generator is None:
        return None
    J = np.moveaxis(coupling, (0, 1), (2, 3))
    broken = max(np.abs(J @ generator - generator @ J).max(), np.abs(generator @ bias).max())
    if broken > COMMUTES * np.abs(J).max():
        return None
    half = coupling.shape[2] // 2
    first, second = [], []
    for y, x in np.argwhere(coupling.any(axis=(0, 1))):
        row, column = int(y) - half, int(x) - half
        if (row, column) > (0, 0):
            first.append((row, column, J[y, x] @ generator))
            second.append((row, column, J[y, x] @ generator @ generator))
    return Twist(tuple(first), tuple(second)) if first else None


def _generator(order: Order) -> np.ndarray | None:
    if len(order.vectors) == 1 and not is_own_opposite(order.wave_vectors[0]):
        p, q = order.vectors[0].real, order.vectors[0].imag
    elif len(order.vectors) > 1 and order.wave_vectors[0] == order.wave_vectors[1]:
        p, q = order.vectors[0].real, order.vectors[1].real
    else:
        return None
    if np.linalg.norm(p) == 0 or np.linalg.norm(q) == 0:
        return None
    p = p / np.linalg.norm(p)
    q = q - (p @ q) * p
    if np.linalg.norm(q) < CIRCULAR / 2:
        return None
    q = q / np.linalg.norm(q)
    return np.asarray(np.outer(q, p) - np.outer(p, q))
