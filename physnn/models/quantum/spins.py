"""Quantum spin models as terms in the basis of sigma^z: diagonal bonds, exchanges of bonds, flips of sites.

With Pauli matrices sigma and spins S = sigma/2, in units of J (or of J1):

    tfim        H = -sum_<ij> sigma^z_i sigma^z_j - h sum_i sigma^x_i
    heisenberg  H = sum_<ij> S_i . S_j
    xxz         H = sum_<ij> (S^x_i S^x_j + S^y_i S^y_j + delta S^z_i S^z_j)
    j1j2        H = sum_<ij> S_i . S_j + J2 sum_<<ij>> S_i . S_j

<<ij>> are sites two apart on a chain, and diagonal neighbours on a square lattice.  Periodic lattices have one bond per
site and direction, so that a side of 2 has two bonds between the same two sites.  Other packages write the last three
with Pauli matrices, hence energies four times as large, or the Ising bond with the other sign.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physnn.errors import InputError

QUANTUM_MODELS = {"tfim": "h", "heisenberg": "", "xxz": "delta", "j1j2": "J2"}
"""Names of the models, and the parameter that each one has besides the lattice ("" for none)."""


class SpinTerms(NamedTuple):
    """Matrix elements of a Hamiltonian in the basis of sigma^z.

    Attributes
    ----------
    bonds : ndarray of int, shape (bonds, 2)
        Sites i, j of every bond.
    diagonal : ndarray, shape (bonds,)
        Energy of a bond over ``s_i s_j``, with s = +-1.
    exchange : ndarray, shape (bonds,)
        Matrix element between the two states of a bond with ``s_i = -s_j``; exactly 0 where there is none.
    flip : float
        Matrix element between the two states of one site.
    """

    bonds: NDArray[np.int64]
    diagonal: NDArray[np.float64]
    exchange: NDArray[np.float64]
    flip: float


@dataclass(frozen=True)
class QuantumModel:
    """Quantum spin model on a periodic or open lattice.

    Parameters
    ----------
    name : str
        One of `QUANTUM_MODELS`.
    sides : tuple of int
        ``(L,)`` for a chain, ``(H, W)`` for a square lattice; at least 2.  Site ``y W + x`` lies at (y, x).
    h, delta, J2 : float
        Transverse field, anisotropy, and coupling of next-nearest neighbours, in units of J.  Models without the
        parameter must have its default.
    periodic : bool
        Whether bonds return on the other side.
    marshall : bool
        Whether spins of one sublattice are turned by pi about z.  That changes the sign of exchanges between
        sublattices and no energy; without J2 the ground state is positive then.

    Raises
    ------
    InputError
        If the model is unknown, a side is too small, a parameter is not finite or not one of the model's, or
        ``marshall`` asks for sublattices of a lattice that has none (a periodic one with an odd side).
    """

    name: str
    sides: tuple[int, ...]
    h: float = 0.0
    delta: float = 1.0
    J2: float = 0.0
    periodic: bool = True
    marshall: bool = False

    def __post_init__(self) -> None:
        if self.name not in QUANTUM_MODELS:
            raise InputError(f"There is no quantum model {self.name!r}; choose one of {', '.join(QUANTUM_MODELS)}.")
        if len(self.sides) not in (1, 2) or min(self.sides) < 2:
            raise InputError(
                f"Sides {self.sides} are not those of a chain or square lattice; give one or two, from 2 on."
            )
        for parameter, default in {"h": 0.0, "delta": 1.0, "J2": 0.0}.items():
            value = getattr(self, parameter)
            if not math.isfinite(value):
                raise InputError(f"{parameter} is {value}; give a finite one.")
            if value != default and QUANTUM_MODELS[self.name] != parameter:
                raise InputError(f"The model {self.name} has no {parameter}; leave it out.")
        if self.marshall and self.periodic and any(side % 2 for side in self.sides):
            raise InputError(f"A periodic lattice with sides {self.sides} has no two sublattices; choose even sides.")

    @property
    def N(self) -> int:
        """Number of sites."""
        return math.prod(self.sides)

    @property
    def conserves(self) -> bool:
        """Whether the sum of all s is conserved."""
        return self.name != "tfim"

    @property
    def positive(self) -> bool:
        """Whether no matrix element off the diagonal is above 0, so that a ground state is real and positive."""
        return bool(np.all(self.terms.exchange <= 0) and self.terms.flip <= 0)

    @cached_property
    def terms(self) -> SpinTerms:
        """Matrix elements of the Hamiltonian."""
        near = self._pairs([tuple(int(d == axis) for d in range(len(self.sides))) for axis in range(len(self.sides))])
        if self.name == "tfim":
            return SpinTerms(near, np.full(len(near), -1.0), np.zeros(len(near)), -self.h)
        far = self._pairs([(2,)] if len(self.sides) == 1 else [(1, 1), (1, -1)]) if self.name == "j1j2" else near[:0]
        J = np.concatenate([np.ones(len(near)), np.full(len(far), self.J2)])
        anisotropy = np.concatenate([np.full(len(near), self.delta), np.ones(len(far))])
        # A turned sublattice changes the sign between sublattices alone: of nearest neighbours.
        turned = np.concatenate([np.full(len(near), -1.0 if self.marshall else 1.0), np.ones(len(far))])
        return SpinTerms(np.concatenate([near, far]), J * anisotropy / 4, J * turned / 2, 0.0)

    def _pairs(self, offsets: list[tuple[int, ...]]) -> NDArray[np.int64]:
        """Bonds from every site to those at these offsets, a row (i, j) each."""
        found = []
        for offset, place in itertools.product(offsets, np.ndindex(*self.sides)):
            other = tuple(x + d for x, d in zip(place, offset, strict=True))
            inside = all(0 <= x < side for x, side in zip(other, self.sides, strict=True))
            if self.periodic or inside:
                found.append([np.ravel_multi_index(at, self.sides, mode="wrap") for at in (place, other)])
        return np.array(found, np.int64).reshape(-1, 2)

    def diagonal(self, spins: np.ndarray) -> NDArray[np.float64]:
        """Diagonal matrix element of every configuration of +-1, shape (..., N): an array of shape (...)."""
        i, j = self.terms.bonds.T
        wide = np.asarray(spins, np.float64)
        return np.asarray((wide[..., i] * wide[..., j]) @ self.terms.diagonal)

    def connected(self, spins: np.ndarray) -> tuple[np.ndarray, NDArray[np.float64]]:
        """Configurations that the Hamiltonian leads to from one, besides itself.

        Parameters
        ----------
        spins : ndarray of +-1, shape (N,)
            A configuration.

        Returns
        -------
        configurations : ndarray, shape (n, N)
            Those with a matrix element other than 0; one may occur several times, and matrix elements add up.
        elements : ndarray, shape (n,)
            Matrix elements, in units of J.
        """
        bonds, _, exchange, flip = self.terms
        i, j = bonds.T
        open_bonds = np.flatnonzero((spins[i] != spins[j]) & (exchange != 0))
        sites = np.arange(self.N if flip != 0 else 0)
        found = np.repeat(np.asarray(spins)[None], len(open_bonds) + len(sites), axis=0)
        rows = np.arange(len(open_bonds))
        found[rows, i[open_bonds]] *= -1
        found[rows, j[open_bonds]] *= -1
        found[len(rows) + sites, sites] *= -1
        return found, np.concatenate([exchange[open_bonds], np.full(len(sites), flip)])
