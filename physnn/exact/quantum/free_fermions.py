"""Transverse-field Ising chain by free fermions: energies, gaps, correlations and entropies of its ground state.

With Majorana operators ``a_j = (prod_{k<j} sigma^x_k) sigma^z_j`` and ``b_j = (prod_{k<j} sigma^x_k) sigma^y_j``,

    sigma^x_j = -i b_j a_j,   sigma^z_j sigma^z_{j+1} = i b_j a_{j+1},   H = i sum_{jk} b_j M_jk a_k,

M has h on its diagonal and -1 above it.  A periodic chain's last bond is ``-P i b_L a_1`` with the parity ``P = prod
sigma^x``, so that each parity has a matrix of its own: waves of P = 1 change their sign around the chain, those of -1
do not.  With ``M = U diag(lambda) V^T`` the lowest energy is ``-sum lambda``, excitations cost ``2 lambda``, and
``G_jk = <i b_j a_k> = -(U V^T)_jk`` has all correlations: products of an even number of sigma^z are determinants of it.

Sources: E. Lieb, T. Schultz and D. Mattis, Annals of Physics 16, 407 (1961); P. Pfeuty, Annals of Physics 57, 79
(1970); for entropies G. Vidal, J. I. Latorre, E. Rico and A. Kitaev, Physical Review Letters 90, 227902 (2003).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from physnn.errors import InputError
from physnn.exact.ising.torus import Floats

SMALL_PIVOT = 1e-6
"""Minors of a matrix come from one elimination without exchanges of rows unless a pivot is smaller than this."""


@dataclass(frozen=True)
class FreeFermions:
    """Ground state of ``H = -sum sigma^z_i sigma^z_{i+1} - h sum sigma^x_i`` on a chain (energies in units of J).

    Parameters
    ----------
    L : int
        Number of spins, at least 2.  A periodic chain of two spins has two bonds.
    h : float
        Transverse field; its sign changes that of <sigma^x> and nothing else.
    periodic : bool
        Whether the last spin is bound to the first.

    Raises
    ------
    InputError
        If L is below 2 or h is not finite.
    """

    L: int
    h: float
    periodic: bool = True

    def __post_init__(self) -> None:
        if self.L < 2:
            raise InputError(f"A chain of {self.L} spins has no bond; give at least 2.")
        if not math.isfinite(self.h):
            raise InputError(f"h is {self.h}; give a finite one.")

    def _momenta(self, parity: int) -> Floats:
        """Momenta of one parity on a periodic chain."""
        return np.asarray((2 * np.arange(self.L) + (parity > 0)) * math.pi / self.L)

    def _costs(self, parity: int) -> Floats:
        """Energies lambda of the modes of one parity, ascending; of P = -1 the lowest has a sign, ``|h| - 1``.

        With that sign, the lowest energy of P = -1 is ``-sum lambda + 2 lambda_0``: the mode of momentum 0 is full.
        """
        h, k = abs(self.h), self._momenta(parity)
        costs = np.hypot(h - np.cos(k), np.sin(k))
        if parity < 0:
            costs[0] = h - 1
        return np.asarray(np.sort(costs))

    @cached_property
    def _open_modes(self) -> tuple[Floats, Floats, Floats]:
        """Singular values and vectors of the matrix M of an open chain."""
        return np.linalg.svd(abs(self.h) * np.eye(self.L) - np.eye(self.L, k=1))

    @property
    def E0(self) -> float:
        """Energy of the ground state; of the state with P = 1 where the two are degenerate."""
        return -math.fsum(self._costs(1) if self.periodic else self._open_modes[1])

    @property
    def gap(self) -> float:
        """Distance to the next level, which has the other parity; exponentially small in L for |h| < 1."""
        if not self.periodic:
            return float(2 * self._open_modes[1][-1])
        odd = self._costs(-1)
        odd[0] *= -1
        return max(-math.fsum(odd) - self.E0, 0.0)

    @property
    def gap_even(self) -> float:
        """Distance to the next level with the parity of the ground state: two modes more."""
        low = self._costs(1)[:2] if self.periodic else self._open_modes[1][-2:]
        return float(2 * low.sum())

    @cached_property
    def contractions(self) -> Floats:
        """Matrix G of <i b_j a_k> in the ground state (of P = 1), shape (L, L), orthogonal."""
        if not self.periodic:
            U, _, V = self._open_modes
            return -U @ V
        k, distance = self._momenta(1), np.arange(self.L)
        symbol = (abs(self.h) - np.exp(1j * k)) / np.hypot(abs(self.h) - np.cos(k), np.sin(k))
        # Angles are reduced as whole numbers, which keeps their digits.
        angles = np.outer(distance, 2 * distance + 1) % (2 * self.L) * (math.pi / self.L)
        row = -(np.exp(1j * angles) @ symbol).real / self.L
        apart = distance[:, None] - distance[None, :]
        return np.asarray(np.where(apart >= 0, row[apart % self.L], -row[apart % self.L]))

    @property
    def sigma_x(self) -> Floats:
        """<sigma^x> of every spin, shape (L,)."""
        return np.asarray(-np.diagonal(self.contractions) * (math.copysign(1.0, self.h) if self.h else 1.0))

    @cached_property
    def two_point(self) -> Floats:
        """<sigma^z_i sigma^z_j> of all pairs, shape (L, L): determinants of G with rows i..j-1 and columns i+1..j."""
        found = np.eye(self.L)
        if self.periodic:
            half = self.L // 2
            # Signs at a wave's seam do not enter: distances are at most half the chain.
            by_distance = np.ones(self.L)
            by_distance[1 : half + 1] = _leading_minors(self.contractions[:half, 1 : half + 1])
            by_distance[half + 1 :] = by_distance[1 : self.L - half][::-1]
            apart = np.arange(self.L)[:, None] - np.arange(self.L)[None, :]
            return np.asarray(by_distance[apart % self.L])
        for i in range(self.L - 1):
            found[i, i + 1 :] = found[i + 1 :, i] = _leading_minors(self.contractions[i:-1, i + 1 :])
        return found

    @property
    def m2(self) -> float:
        """<m^2> of the magnetisation ``m = sum sigma^z / L``."""
        return float(self.two_point.mean())

    @property
    def m4(self) -> float:
        """<m^4>, over products of four sigma^z; the work grows as L^5 and takes a second at L = 64.

        Of ordered sites i < j < k < l the product is a determinant with the rows and columns of both stretches; what
        the first one leaves of the second is a Schur complement, whose leading minors belong to all l.
        """
        total = 0.0
        for i in range(1 if self.periodic else self.L):
            total += sum(_fours(self.contractions, i, j) for j in range(i + 1, self.L - 2))
        # A quadruple on a periodic chain holds site 0 in four of its L positions.
        distinct = total * self.L / 4 if self.periodic else total
        pairs = (self.two_point.sum() - self.L) / 2
        # Orders of four sites: 24 of distinct ones, 12 of i i j k, 6 of i i j j, 4 of i i i j and of i j j j.
        fours = 24 * distinct + (12 * (self.L - 2) + 8) * pairs + 3 * self.L * (self.L - 1) + self.L
        return float(fours / self.L**4)

    def entropies(self, cuts: NDArray[np.int64] | None = None) -> tuple[Floats, Floats]:
        """Entropies of the first l spins with the rest, in nats.

        Parameters
        ----------
        cuts : ndarray of int, optional
            Numbers l of spins; 1 to L - 1 unless given.

        Returns
        -------
        von_neumann, renyi2 : ndarray
            ``-tr rho ln rho`` and ``-ln tr rho^2``, from singular values nu of the block of G: each is a spin with
            probabilities ``(1 +- nu)/2``.
        """
        sizes = np.arange(1, self.L) if cuts is None else np.asarray(cuts)
        pairs = np.array([self._pair_of_entropies(int(min(size, self.L - size)), int(size)) for size in sizes])
        return pairs[:, 0], pairs[:, 1]

    def _pair_of_entropies(self, shorter: int, size: int) -> tuple[float, float]:
        """Both entropies of a cut, from the smaller side where both are the same by symmetry."""
        length = shorter if self.periodic else size
        nu = np.linalg.svd(self.contractions[:length, :length], compute_uv=False).clip(0, 1)
        p = np.stack([(1 + nu) / 2, (1 - nu) / 2])
        logs = np.log(np.where(p > 0, p, 1.0))
        return float(-(p * logs).sum()), float(-np.log((p**2).sum(axis=0)).sum())


def _leading_minors(matrix: Floats) -> Floats:
    """Determinants of the upper left 1 x 1, 2 x 2, ... blocks of a square matrix."""
    left, minors, running = np.array(matrix), np.empty(len(matrix)), 1.0
    for n in range(len(left)):
        pivot = left[n, n]
        if abs(pivot) < SMALL_PIVOT:
            rest = [np.linalg.det(matrix[: m + 1, : m + 1]) for m in range(n, len(left))]
            minors[n:] = rest
            return minors
        running *= pivot
        minors[n] = running
        left[n + 1 :, n + 1 :] -= np.outer(left[n + 1 :, n] / pivot, left[n, n + 1 :])
    return minors


def _fours(G: Floats, i: int, j: int) -> float:
    """Sum over j < k < l of <s_i s_j s_k s_l>."""
    rows, columns = slice(i, j), slice(i + 1, j + 1)
    first = G[rows, columns]
    determinant = float(np.linalg.det(first))
    if abs(determinant) < SMALL_PIVOT**2:
        return _fours_directly(G, i, j)
    left = G[j + 1 : -1, j + 2 :] - G[j + 1 : -1, columns] @ np.linalg.solve(first, G[rows, j + 2 :])
    return determinant * sum(float(_leading_minors(left[k:, k:]).sum()) for k in range(len(left)))


def _fours_directly(G: Floats, i: int, j: int) -> float:
    """The same, one determinant each, where the first stretch has a determinant near 0."""
    total, sites = 0.0, np.arange(len(G))
    for k in range(j + 1, len(G) - 1):
        for end in range(k + 1, len(G)):
            rows = np.concatenate([sites[i:j], sites[k:end]])
            total += float(np.linalg.det(G[np.ix_(rows, rows + 1)]))
    return total
