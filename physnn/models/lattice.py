"""Ising and Potts models: colours on a torus, and an energy that counts bonds between like colours; the clock model.

The first two have the energy ``E = offset * N - bond * (number of like bonds) - field * sum_i s_i`` on H x W sites with
four neighbours each, where a state is an array of colours ``0 .. q-1`` and ``s = 1 - 2 * colour`` where there are two.
So one set of kernels serves both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from physnn.errors import InputError

MAX_SIDE = 32768
"""Longest side, in sites: kernels count sites with 32 bits."""


@dataclass(frozen=True)
class Quantity:
    """Symbol, unit and meaning of a column of measurements."""

    symbol: str
    unit: str
    meaning: str


QUANTITIES = {
    "energy": Quantity("e", "J", "energy per site"),
    "m": Quantity("m", "1", "magnetisation per site: signed for Ising, the positive root of m2 for Potts"),
    "m2": Quantity("m^2", "1", "square of the order parameter per site"),
    "m4": Quantity("m^4", "1", "fourth power of the order parameter per site"),
    "structure_x": Quantity("S(k_x)", "1", "structure factor at the smallest wave number along a row, 2 pi / W"),
    "structure_y": Quantity("S(k_y)", "1", "structure factor at the smallest wave number along a column, 2 pi / H"),
    "work": Quantity("n", "sweeps", "site updates per site since the measurement before"),
}
"""Raw observables of a lattice model, in the order of the columns of a block of measurements.

For q colours of densities rho_a, ``m2 = q/(q-1) sum_a (rho_a - 1/q)^2`` and, with rho_a(k) the Fourier coefficient
``1/N sum_i exp(-i k.r_i) [colour of i is a]``, ``S(k) = N q/(q-1) sum_a |rho_a(k)|^2``; so S(0) would be N m2.  For
two colours these are the square of the magnetisation and ``N |m_k|^2``.
"""


IMPROVED_QUANTITIES = {
    "m2_improved": Quantity("m^2", "1", "m2, averaged over the colours of all clusters"),
    "m4_improved": Quantity("m^4", "1", "m4, averaged over the colours of all clusters"),
    "structure_x_improved": Quantity("S(k_x)", "1", "structure_x, averaged over the colours of all clusters"),
    "structure_y_improved": Quantity("S(k_y)", "1", "structure_y, averaged over the colours of all clusters"),
}
"""Further columns of the Swendsen-Wang sampler on a square torus: the means of `QUANTITIES`, and smaller errors."""


def check_torus(shape: tuple[int, int]) -> None:
    """Raise `InputError` unless a lattice has two sides of 2 to `MAX_SIDE`."""
    if len(shape) != 2 or not all(2 <= side <= MAX_SIDE for side in shape):
        raise InputError(f"a lattice needs two sides of 2 to {MAX_SIDE}, not {' x '.join(map(str, shape))}")


def check_temperature(T: float) -> None:
    """Raise `InputError` unless T is above 0; infinity is allowed."""
    if not T > 0:
        raise InputError(f"a temperature must be above 0, not {T:g}; give it in units of J / k_B")


@dataclass(frozen=True)
class Ising:
    """``H = -J sum_<ij> s_i s_j - h sum_i s_i`` with s = +-1 on an H x W torus; k_B = 1.

    A state is an int8 array of colours, 0 for spin up and 1 for spin down: ``s = 1 - 2 * colour``.  Since
    ``s_i s_j = 2 delta_ij - 1``, this is the Potts model of two colours with the bond ``2 J``.

    Parameters
    ----------
    J : float
        Coupling, finite and not 0; negative for an antiferromagnet.
    h : float
        Field, finite, in the units of J.
    """

    J: float = 1.0
    h: float = 0.0

    name: ClassVar[str] = "ising"
    q: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if not (math.isfinite(self.J) and math.isfinite(self.h)) or self.J == 0:
            raise InputError(
                f"the Ising model needs a finite J other than 0 and a finite h, not J={self.J}, h={self.h}"
            )

    @property
    def bond(self) -> float:
        """Energy gained by a like bond: 2 J."""
        return 2 * self.J

    @property
    def offset(self) -> float:
        """Energy per site with no like bond: 2 J, one for each of the two bonds per site."""
        return 2 * self.J

    @property
    def field(self) -> float:
        """Energy gained by an up spin: h."""
        return self.h

    @property
    def critical_temperature(self) -> float:
        """``2 |J| / ln(1 + sqrt 2)``, the critical temperature at h = 0 (L. Onsager, Phys. Rev. 65, 117 (1944))."""
        return 2 * abs(self.J) / math.log1p(math.sqrt(2))

    def bond_energy(self, a: int, b: int) -> float:
        """Energy of a bond between two colours: -J s_a s_b."""
        return -self.J * (1 - 2 * a) * (1 - 2 * b)

    def site_energy(self, a: int) -> float:
        """Energy of a site by colour: -h s_a."""
        return -self.h * (1 - 2 * a)

    def order(self, a: int) -> float:
        """Spin s_a = 1 - 2 a of a colour."""
        return 1.0 - 2.0 * a

    def initial(self, shape: tuple[int, int], rng: np.random.Generator, T: float) -> np.ndarray:
        """Colours of the given shape, int8: ordered below `critical_temperature`, random elsewhere.

        An antiferromagnet starts staggered where both sides are even, else random.
        """
        return _initial(self, shape, rng, T)


@dataclass(frozen=True)
class Potts:
    """``H = -J sum_<ij> delta(s_i, s_j)`` with colours s = 0 .. q-1 on an H x W torus; k_B = 1.

    Parameters
    ----------
    q : int
        Number of colours: 2, 3 or 4, where the transition is continuous; `InputError` for others.
    J : float
        Coupling, finite and not 0.
    """

    q: int = 3
    J: float = 1.0

    name: ClassVar[str] = "potts"
    offset: ClassVar[float] = 0.0
    field: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        if self.q not in (2, 3, 4):
            raise InputError(f"the Potts model has 2, 3 or 4 colours here, not {self.q}; above 4 it is first order")
        if not math.isfinite(self.J) or self.J == 0:
            raise InputError(f"the Potts model needs a finite J other than 0, not {self.J}")

    @property
    def bond(self) -> float:
        """Energy gained by a like bond: J."""
        return self.J

    @property
    def critical_temperature(self) -> float:
        """``J / ln(1 + sqrt q)`` (R. B. Potts, Proc. Camb. Phil. Soc. 48, 106 (1952)).

        For J < 0 it is the same with ``|J|`` at q = 2; the antiferromagnet of three colours is critical at T = 0 only
        and that of four is always disordered, so 0 is returned.
        """
        if self.J < 0 and self.q > 2:
            return 0.0
        return abs(self.J) / math.log1p(math.sqrt(self.q))

    def bond_energy(self, a: int, b: int) -> float:
        """Energy of a bond between two colours: -J where they are alike."""
        return -self.J * (a == b)

    def initial(self, shape: tuple[int, int], rng: np.random.Generator, T: float) -> np.ndarray:
        """Colours of the given shape, int8: ordered below `critical_temperature`, random elsewhere."""
        return _initial(self, shape, rng, T)


@dataclass(frozen=True)
class Clock:
    """``H = -J sum_<ij> cos(2 pi (s_i - s_j) / q)`` with s = 0 .. q-1: vectors in a plane that have q directions.

    `physnn.models.tabulated.on_lattice` puts it on a lattice.

    Parameters
    ----------
    q : int
        Number of directions, 2 to 64; `InputError` for others.
    J : float
        Coupling, finite and not 0.
    """

    q: int = 6
    J: float = 1.0

    name: ClassVar[str] = "clock"

    def __post_init__(self) -> None:
        if not 2 <= self.q <= 64:
            raise InputError(f"the clock model has 2 to 64 directions here, not {self.q}")
        if not math.isfinite(self.J) or self.J == 0:
            raise InputError(f"the clock model needs a finite J other than 0, not {self.J}")

    def bond_energy(self, a: int, b: int) -> float:
        """Energy of a bond: -J cos(2 pi (a - b) / q)."""
        return -self.J * math.cos(2 * math.pi * abs(a - b) / self.q)

    def order(self, a: int) -> tuple[float, ...]:
        """Direction of a colour; of two colours the sign."""
        angle = 2 * math.pi * a / self.q
        return (1.0 - 2.0 * a,) if self.q == 2 else (math.cos(angle), math.sin(angle))


def _initial(model: Ising | Potts, shape: tuple[int, int], rng: np.random.Generator, T: float) -> np.ndarray:
    """Ground state of a model below its critical temperature, independent random colours elsewhere.

    Two antiferromagnetic colours alternate where both sides are even; an odd side frustrates them, so the start is
    then random.  A field chooses the colour of the ferromagnetic ground state.
    """
    check_torus(shape)
    check_temperature(T)
    even = all(side % 2 == 0 for side in shape)
    if model.critical_temperature > T and model.bond > 0:
        return np.full(shape, 1 if model.field < 0 else 0, np.int8)
    if model.critical_temperature > T and even:
        return np.asarray(np.indices(shape).sum(axis=0) % 2, np.int8)
    return rng.integers(0, model.q, shape, np.int8)
