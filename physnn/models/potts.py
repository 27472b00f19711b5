"""The Potts model on the square lattice."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from physnn.errors import InputError
from physnn.models.lattice import initial_colours


@dataclass(frozen=True)
class Potts:
    """``H = -J sum_<ij> delta(s_i, s_j)`` with colours s = 0 .. q-1 on an H x W torus; k_B = 1.

    Parameters
    ----------
    q : int
        Number of colours: 2, 3 or 4, where the transition is continuous.
    J : float
        Coupling.

    Raises
    ------
    InputError
        If q is none of these, or J is 0 or not finite.
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

    def initial(self, shape: tuple[int, int], rng: np.random.Generator, T: float) -> np.ndarray:
        """Return colours of the given shape: ordered below `critical_temperature`, random elsewhere."""
        return initial_colours(self, shape, rng, T)
