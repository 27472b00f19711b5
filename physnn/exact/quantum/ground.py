"""Exact ground state of a quantum spin model: energy, distances to the next levels, order, correlations."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from physnn.errors import InputError
from physnn.exact.ising.torus import Floats
from physnn.exact.quantum.diagonal import Eigenstate, eigenstates, full_vector, moment_of, two_point_of
from physnn.exact.quantum.free_fermions import FreeFermions
from physnn.exact.quantum.sectors import Sector, spins_of, whole_symmetry
from physnn.models.quantum import QuantumModel

SAME_LEVEL = 1e-8
"""Difference of energies, relative where they are large, below which two sectors have the same level."""
FREE_FROM = 14
"""Spins of a transverse-field chain from which on free fermions are used."""


@dataclass(frozen=True)
class ExactGround:
    """What is exactly known of a ground state.

    Attributes
    ----------
    model : QuantumModel
        The Hamiltonian.
    method : str
        "free fermions" or "diagonalisation".
    E0 : float
        Energy, in units of J; of models that conserve the sum of s, in the sector of the sum 0 (1 of odd N).
    gap : float or None
        Distance to the next level, of any symmetry (of the same sum); None where it has too many states.
    gap_symmetric : float or None
        Distance to the next level with the symmetries of the ground state, the flip of all spins among them; None
        where no symmetry of the lattice with a character of +-1 is that of the ground state.
    m2 : float
        <m^2> of ``m = sum s / N``.
    staggered2 : float or None
        The same with opposite signs on both sublattices; None where there are none.
    two_point : ndarray, shape (N, N)
        <s_i s_j>.
    sigma_x : float or None
        Mean of <sigma^x>, of models with a transverse field other than 0.
    """

    model: QuantumModel
    method: str
    E0: float
    gap: float | None
    gap_symmetric: float | None
    m2: float
    staggered2: float | None
    two_point: Floats
    sigma_x: float | None
    _state: Eigenstate | None = None

    @cached_property
    def m4(self) -> float:
        """<m^4>; of free fermions seconds at 100 spins, minutes at 200, and more on open chains."""
        if self._state is None:
            return FreeFermions(self.model.N, self.model.h, self.model.periodic).m4
        return moment_of(self.model, self._state, np.ones(self.model.N), 4)

    @cached_property
    def staggered4(self) -> float | None:
        """<m^4> with opposite signs on both sublattices; None where there are none, and of free fermions."""
        signs = _stagger(self.model)
        return None if signs is None or self._state is None else moment_of(self.model, self._state, signs, 4)

    def vector(self) -> Floats:
        """Amplitudes of all 2^N configurations in the basis of the model, first site slowest, +1 before -1.

        Raises
        ------
        InputError
            Above 20 sites.
        """
        if self.model.N > 20:
            raise InputError(f"A state of {self.model.N} sites has 2^{self.model.N} amplitudes; 20 sites at most.")
        state = self._state or _solve(self.model, gap=False)._state
        assert state is not None
        return full_vector(state) * _turn(self.model)


def exact_ground(model: QuantumModel, gap: bool = True) -> ExactGround:
    """Exact ground state, by free fermions for transverse-field chains and by diagonalisation for all others.

    Parameters
    ----------
    model : QuantumModel
        The Hamiltonian.
    gap : bool
        Whether the level of any symmetry next to the ground state is looked for; without symmetries that is most of
        the work.

    Raises
    ------
    InputError
        If the model has too many states for diagonalisation; free fermions reach thousands of spins.
    """
    if model.name == "tfim" and len(model.sides) == 1 and model.N >= FREE_FROM:
        return _by_free_fermions(model)
    return _solve(model, gap)


def _by_free_fermions(model: QuantumModel) -> ExactGround:
    """Exact ground state of a transverse-field chain."""
    chain = FreeFermions(model.N, model.h, model.periodic)
    sigma_x = float(chain.sigma_x.mean()) if model.h else None
    order = chain.m2, _staggered2(model, chain.two_point)
    return ExactGround(
        model, "free fermions", chain.E0, chain.gap, chain.gap_even, *order, chain.two_point, sigma_x
    )  # fmt: skip


def _solve(model: QuantumModel, gap: bool) -> ExactGround:
    """Exact ground state by diagonalisation."""
    twin = _positive_twin(model)
    sector = whole_symmetry(twin) if twin.positive else Sector(model.N % 2 if model.conserves else None)
    states = eigenstates(twin, sector, 2 if gap or twin.positive else 1)
    state = states[0]
    above = [found.energy for found in states[1:]]
    two_point = two_point_of(twin, sector, state)
    bonds, diagonal, _, _ = twin.terms
    fields = float(two_point[bonds[:, 0], bonds[:, 1]] @ diagonal) - state.energy
    return ExactGround(
        model,
        "diagonalisation",
        state.energy,
        _next(twin, sector, state.energy, above) if gap else None,
        (above[0] - state.energy if above else None) if twin.positive else _next_alike(twin, sector, state.energy),
        float(two_point.mean()),
        _staggered2(model, two_point),
        two_point,
        fields / (model.h * model.N) if model.h else None,
        state,
    )


def _next(model: QuantumModel, sector: Sector, E0: float, above: list[float]) -> float | None:
    """Distance to the next level of any symmetry, given those above in the sector of the ground state."""
    if not model.positive:
        return above[0] - E0 if above else None
    if not model.conserves:
        # The lowest odd state has no sign in the basis of sigma^x, hence all other symmetries.
        return min([*above, eigenstates(model, replace(sector, flip=-1))[0].energy]) - E0
    try:
        energies = [state.energy for state in eigenstates(model, Sector(sector.total), 2)]
    except InputError:
        return None
    return energies[1] - energies[0] if len(energies) > 1 else None


def _next_alike(model: QuantumModel, sector: Sector, E0: float) -> float | None:
    """Distance to the next level with the symmetries of the ground state, which are looked for: all characters +-1.

    None where the ground state has a wave vector other than 0 and pi, or no level is above it.
    """
    whole = whole_symmetry(model)
    flips, swaps = ((1, -1) if there else (None,) for there in (whole.flip, whole.swap))
    shifts, mirrors = (
        list(itertools.product((1, -1), repeat=len(axes))) if axes else [None] for axes in (whole.shift, whole.mirror)
    )
    for flip, shift, mirror, swap in itertools.product(flips, shifts, mirrors, swaps):
        own = Sector(sector.total, flip, shift, mirror, swap)
        try:
            levels = [state.energy for state in eigenstates(model, own, 2)]
        except InputError:
            continue  # no state has these characters
        if abs(levels[0] - E0) < SAME_LEVEL * max(1.0, abs(E0)):
            return levels[1] - levels[0] if len(levels) > 1 else None
    return None


def _positive_twin(model: QuantumModel) -> QuantumModel:
    """Model with the same levels and probabilities, and no positive matrix element where a turn of axes does that."""
    if not model.conserves:
        return replace(model, h=abs(model.h))
    if model.marshall or (model.periodic and any(side % 2 for side in model.sides)):
        return model
    turned = replace(model, marshall=True)
    return turned if turned.positive else model


def _turn(model: QuantumModel) -> Floats:
    """Signs of the amplitudes of a model over those of its positive twin, shape (2^N,)."""
    twin, places = _positive_twin(model), np.indices(model.sides).sum(axis=0).ravel()
    turned = np.zeros(model.N, bool)
    if twin.marshall != model.marshall:
        turned = places % 2 == 1
    elif twin.h != model.h:
        turned[:] = True
    spins = spins_of(np.arange(1 << model.N, dtype=np.int32), model.N)
    return np.asarray(np.prod(spins[:, turned], axis=1, dtype=np.float64))


def _stagger(model: QuantumModel) -> Floats | None:
    """Sign +-1 of every site's sublattice, where the lattice has two."""
    if model.periodic and any(side % 2 for side in model.sides):
        return None
    return np.asarray(1.0 - 2.0 * (np.indices(model.sides).sum(axis=0).ravel() % 2))


def _staggered2(model: QuantumModel, two_point: Floats) -> float | None:
    """Square of the magnetisation with opposite signs on both sublattices."""
    signs = _stagger(model)
    return None if signs is None else float(signs @ two_point @ signs) / model.N**2
