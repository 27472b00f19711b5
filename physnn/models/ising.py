"""The Ising model on the square lattice."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from physnn.errors import InputError
from physnn.models.lattice import initial_colours


@dataclass(frozen=True)
class Ising:
    """``H = -J sum_<ij> s_i s_j - h sum_i s_i`` with s = +-1 on an H x W torus; k_B = 1.

    A state is an int8 array of colours, 0 for spin up and 1 for spin down: ``s = 1 - 2 * colour``.  Since
    ``s_i s_j = 2 delta_ij - 1``, this is the Potts model of two colours with the bond ``2 J``.

    Parameters
    ----------
    J : float
        Coupling; negative for an antiferromagnet.
    h : float
        Field, in the units of J.

    Raises
    ------
    InputError
        If J or h is not finite, or J is 0.
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

    def initial(self, shape: tuple[int, int], rng: np.random.Generator, T: float) -> np.ndarray:
        """Return colours of the given shape: ordered below `critical_temperature`, random elsewhere.

        An antiferromagnet starts staggered where both sides are even, else random.
        """
        return initial_colours(self, shape, rng, T)
