"""Structure factors of unit vectors, the order parameter on measured wave vectors, and which sizes can hold them.

With ``x_k = V^(-1/2) sum_r x_r exp(-i k . r)`` on a torus of V sites the structure factor is S(k) = <x_k x_k^+>, an
N x N matrix.  Order shows as an eigenvalue of S(k*) that grows with V; its eigenvector v gives the order parameter
psi = V^(-1/2) v^+ . x_k*, taken sqrt(2) times where -k* is another wave vector, so that perfect order has |psi| = 1 for
a spiral as for uniform vectors.  Wave vectors are written as turns per site, k / 2 pi, along rows and columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy import fft

from physnn.models.fourier import fourier_kernel

WaveVector = tuple[Fraction, Fraction]
"""Wave vector k / 2 pi along rows and columns, in turns per site."""
FIT_TOLERANCE = 0.05
"""Distance of k* L / 2 pi from a whole number up to which a lattice of side L holds the order: a strain below a
twentieth of a wave length."""
ALIKE = 1e-5
"""Relative difference of eigenvalues of J that count as equal: 100 times the rounding of single precision weights."""
LIES = 0.9
"""Least share of a measured vector's square within the eigenspace of J(k) that it is taken to lie in; a convention."""
ARM = 0.4
"""Least ratio of S(k) at a wave vector that symmetry gives to S(k) at the peak, if the symmetry holds; a convention."""
RESOLVED_CONTRAST = 2.0
"""Least ratio of S(k) at its peak to S(k) beside it of a resolved peak: there xi exceeds L / 2 pi."""
FINENESS = 0.1
"""Accuracy to which a peak between wave vectors of a lattice is placed, in units of their distance."""
MOST_FITTING = 8
"""Most fitting sizes that a sentence names."""


@dataclass(frozen=True, eq=False)
class Order:
    """Order parameter: modes that fluctuate alike, each with k / 2 pi of one of k and -k.

    The unit vectors v of the modes are complex, ``(modes, N)``, real where k and -k are the same.
    """

    wave_vectors: tuple[WaveVector, ...]
    vectors: np.ndarray

    @property
    def components(self) -> int:
        """Number n of real components: one for a mode with k = -k, two for any other."""
        return sum(1 if is_own_opposite(k) else 2 for k in self.wave_vectors)

    def indices(self, L: int) -> list[tuple[int, int]]:
        """Nearest wave vectors of a lattice of side L, as positions in a transform, one for each mode."""
        return [(round(row * L) % L, round(column * L) % L) for row, column in self.wave_vectors]


def is_own_opposite(k: WaveVector) -> bool:
    """True if k and -k are the same wave vector."""
    return all((2 * turns).denominator == 1 for turns in k)


def transform(x: np.ndarray) -> np.ndarray:
    """Fourier transform x_k of states, complex of shape ``(..., H, W, N)``; wave vectors as in `numpy.fft.fftfreq`."""
    return np.asarray(fft.fft2(x, axes=(-3, -2), norm="ortho"))


def structure_factor(x_k: np.ndarray) -> np.ndarray:
    """Structure factor S(k), averaged over states: complex of shape (H, W, N, N), from ``(states, H, W, N)``."""
    columns = np.moveaxis(x_k, 0, -1)
    return np.asarray(columns @ columns.conj().swapaxes(-1, -2)) / len(x_k)


def moments(x_k: np.ndarray, order: Order) -> tuple[np.ndarray, np.ndarray]:
    """Order parameter |psi|^2 at k* and beside it, each ``(states,)``, from transforms ``(states, L, L, N)``.

    The second is the same at the four wave vectors nearest to k*, averaged, and summed over modes: with it the second-
    moment correlation length about k* is ``sqrt(<|psi|^2> / <beside> - 1) / (2 sin(pi / L))``.
    """
    L = x_k.shape[1]
    at, beside = np.zeros(len(x_k)), np.zeros(len(x_k))
    for (m, n), k, v in zip(order.indices(L), order.wave_vectors, order.vectors.conj(), strict=True):
        count = 1 if is_own_opposite(k) else 2
        at += count * np.abs(x_k[:, m, n] @ v) ** 2
        for row, column in ((m - 1, n), (m + 1, n), (m, n - 1), (m, n + 1)):
            beside += count * np.abs(x_k[:, row % L, column % L] @ v) ** 2 / 4
    return at / L**2, beside / L**2


def top(S: np.ndarray) -> np.ndarray:
    """Largest eigenvalue of S(k), shape (H, W)."""
    return np.asarray(np.linalg.eigvalsh(S)[..., -1])


def peak(largest: np.ndarray) -> tuple[int, int]:
    """Position where an array over wave vectors is largest; of k and -k the one earlier in the array."""
    m, n = np.unravel_index(int(np.argmax(largest)), largest.shape)
    opposite = (-int(m) % largest.shape[0], -int(n) % largest.shape[1])
    return min((int(m), int(n)), opposite)


def peak_contrast(largest: np.ndarray) -> float:
    """Ratio of S at its peak to the largest S beside it: two and more where xi exceeds L / 2 pi."""
    m, n = peak(largest)
    H, W = largest.shape
    beside = [largest[(m + a) % H, (n + b) % W] for a, b in ((1, 0), (-1, 0), (0, 1), (0, -1))]
    return float(largest[m, n] / max(beside))


def at_order(place: tuple[int, int], order: Order, L: int) -> bool:
    """True if a position, or its opposite, is a wave vector of an order, or beside one that does not fit."""
    reach = 0 if fits(order.wave_vectors, L) else 1
    return any(
        all(min((sign * a - b) % L, (b - sign * a) % L) <= reach for a, b in zip(place, own, strict=True))
        for own in order.indices(L)
        for sign in (1, -1)
    )


def order_of(S: np.ndarray, coupling: np.ndarray) -> Order:
    """Order parameter from fluctuations: the peak of S(k), and all modes that must fluctuate alike.

    The peak k* of S and its eigenvector v are measured.  Their statistical noise is then taken out as far as J allows:
    k* is the maximum of the largest eigenvalue of J(k) within half a step of the peak if there is one, and v spans the
    eigenspace of J(k*) that it lies in, if it lies in one.  Without a maximum, a parabola through 1/S at the peak and
    beside it (Ornstein and Zernike) places k* to `FINENESS` of a step, and within that the simplest fraction of a turn
    is taken.  Wave vectors that the symmetry of the lattice gives belong to the order if J is alike there.

    Parameters
    ----------
    S : ndarray, shape (L, L, N, N)
        Structure factor in the disordered phase, where the peak is resolved.
    coupling : ndarray, shape (N, N, k, k)
        J.
    """
    L, (m, n) = len(S), peak(top(S))
    k = _maximum(coupling, (m / L, n / L), L)
    if k is None:
        row, column = (_fraction(turns, FINENESS / L) for turns in placed(top(S), m, n))
        k = row, column
    here = coupling_at(coupling, k)
    measured = np.linalg.eigh(S[m, n])[1][:, -1]
    basis = _eigenspace(here, measured)
    wave_vectors, found = [k] * basis.shape[1], list(basis.T)
    arms = {(a * x % 1, b * y % 1) for x, y in (k, (k[1], k[0])) for a in (1, -1) for b in (1, -1)}
    taken = {k, opposite(k)}
    for arm in sorted(arms):
        there = coupling_at(coupling, arm)
        place = round(arm[0] * L) % L, round(arm[1] * L) % L
        if arm in taken or not _alike(here, there) or top(S[place]) < ARM * top(S[m, n]):
            continue
        taken |= {arm, opposite(arm)}
        own = _eigenspace(there, np.linalg.eigh(S[place])[1][:, -1])
        wave_vectors += [arm] * own.shape[1]
        found += list(own.T)
    directions = [_rephased(v, is_own_opposite(q)) for q, v in zip(wave_vectors, found, strict=True)]
    return Order(tuple(wave_vectors), np.array(directions))


def coupling_at(coupling: np.ndarray, k: Sequence[Fraction | float]) -> np.ndarray:
    """Coupling J(k), Hermitian, shape (N, N), at k / 2 pi in turns."""
    row, column = (np.array([2 * np.pi * float(turns)]) for turns in k)
    return np.asarray(fourier_kernel(coupling, row, column)[0, 0])


def opposite(k: WaveVector) -> WaveVector:
    """Wave vector -k, in turns from 0 to 1."""
    return (-k[0] % 1, -k[1] % 1)


def _maximum(coupling: np.ndarray, start: tuple[float, float], L: int) -> WaveVector | None:
    """Maximum of the largest eigenvalue of J(k) within half a step of a lattice; None if it is at the edge."""
    from scipy import optimize  # a tenth of a second that every command would wait for

    reach = 0.5 / L

    def height(u: np.ndarray) -> float:
        return -float(np.linalg.eigvalsh(coupling_at(coupling, (start[0] + reach * u[0], start[1] + reach * u[1])))[-1])

    found = optimize.minimize(height, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-13})
    inside = np.abs(found.x).max() < 1
    flat = abs(found.fun - height(np.full(2, 0.9))) <= ALIKE * abs(found.fun)
    if not inside or flat:
        return None
    row, column = (_fraction(turns + reach * u, 1e-4) for turns, u in zip(start, found.x, strict=True))
    return row, column


def _eigenspace(J: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Orthonormal basis of the eigenspace of J(k) that v lies in, columns; v itself if in none."""
    values, vectors = np.linalg.eigh(J)
    scale = max(float(np.abs(values).max()), 1e-300)
    for first in values:
        space = vectors[:, np.abs(values - first) <= ALIKE * scale]
        if np.linalg.norm(space.conj().T @ v) ** 2 >= LIES:
            return np.eye(len(v), dtype=complex) if space.shape[1] == len(v) else space
    return v[:, None]


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    first, second = np.linalg.eigvalsh(one), np.linalg.eigvalsh(other)
    return bool(np.abs(first - second).max() <= ALIKE * np.abs(first).max())


def _rephased(v: np.ndarray, real: bool) -> np.ndarray:
    """Vector v with its largest component real, and real altogether where k = -k."""
    v = v * np.exp(-1j * np.angle(v[np.abs(v).argmax()]))
    return np.asarray(v.real / np.linalg.norm(v.real) + 0j if real else v)


def placed(largest: np.ndarray, m: int, n: int) -> tuple[float, float]:
    """Wave vector k / 2 pi of the minimum of a parabola through 1/S at a position and beside it.

    That is where S peaks in a disordered phase (Ornstein and Zernike), between the wave vectors of the lattice.
    """
    L, places = len(largest), []
    for axis, index in enumerate((m, n)):
        line = 1 / largest[:, n] if axis == 0 else 1 / largest[m, :]
        before, here, after = line[index - 1], line[index], line[(index + 1) % L]
        curvature = before - 2 * here + after
        places.append(float(index + (0.5 * (before - after) / curvature if curvature > 0 else 0.0)) / L)
    return places[0], places[1]


def _fraction(turns: float, accuracy: float) -> Fraction:
    """Simplest fraction of a turn within some accuracy, in [0, 1)."""
    denominator = 1
    while abs(round(turns * denominator) / denominator - turns) > accuracy:
        denominator += 1
    return Fraction(round(turns * denominator), denominator) % 1


def distance(wave_vectors: Iterable[WaveVector], L: int) -> float:
    """Distance of k* L / 2 pi from whole numbers on a lattice of side L, on the worse axis."""
    return max(abs(float(turns * L - round(turns * L))) for k in wave_vectors for turns in k)


def fits(wave_vectors: Sequence[WaveVector], L: int) -> bool:
    """True if a lattice of side L holds the order without strain, to `FIT_TOLERANCE`."""
    return distance(wave_vectors, L) <= FIT_TOLERANCE


def fitting_sizes(wave_vectors: Sequence[WaveVector], low: int, high: int) -> list[int]:
    """Sizes from low to high that fit, at most `MOST_FITTING` of them, spread over the range."""
    found = [L for L in range(max(2, low), high + 1) if fits(wave_vectors, L)]
    if len(found) <= MOST_FITTING:
        return found
    return [found[k] for k in np.linspace(0, len(found) - 1, MOST_FITTING).round().astype(int)]


def written(k: WaveVector) -> str:
    """Wave vector as text, in turns per site."""
    return f"({k[0]}, {k[1]})"
