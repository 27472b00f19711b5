"""Shape and step size of a Kuramoto network."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from physnn.errors import InputError
from physnn.models.groups.kernels import moved_offsets
from physnn.models.groups.representations import PointGroup

Boundary = Literal["periodic", "zero"]
Symmetry = Literal["Z2", "U1"]
VARIANTS: dict[str, Any] = {"symmetry": "Z2", "layers": 0, "point_group": "c1"}
"""What is left out of a written architecture where it has this value, as before there were variants."""


@dataclass(frozen=True)
class Architecture:
    """Shape and time step of a Kuramoto network; everything about it that is not trained.

    Parameters
    ----------
    components : int
        N, the number of components of each unit vector.
    kernel : int
        k, the odd side of the coupling kernel.
    gamma : float
        Step size (dimensionless).
    broken : bool
        Whether a trained constant c breaks the symmetry x -> -x explicitly.
    boundary : {"periodic", "zero"}
        Torus, or neighbours beyond the border counted as zero.
    symmetry : {"Z2", "U1"}
        x -> -x, or rotations of every pair of components by one angle.
    layers : int
        Steps with a coupling of their own; 0 if all steps share one.
    point_group : str
        Turns and reflections of offsets that leave the coupling as it is, one of `POINT_GROUPS`; ``"c1"`` for none.

    Raises
    ------
    InputError
        If a parameter is out of range.
    """

    components: int = 16
    kernel: int = 5
    gamma: float = 0.25
    broken: bool = False
    boundary: Boundary = "periodic"
    symmetry: Symmetry = "Z2"
    layers: int = 0
    point_group: str = "c1"

    def __post_init__(self) -> None:
        if self.components < 2:
            raise InputError(f"components must be at least 2, not {self.components}")
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise InputError(f"the kernel's side must be odd and positive, not {self.kernel}")
        if not (math.isfinite(self.gamma) and self.gamma > 0):
            raise InputError(f"gamma must be positive and finite, not {self.gamma}")
        if self.symmetry == "U1" and (self.broken or self.components % 2):
            raise InputError("the symmetry U1 needs an even number of components and no constant c that breaks it")
        if self.symmetry not in ("Z2", "U1") or self.layers < 0:
            raise InputError(f"the symmetry is Z2 or U1 and layers 0 or more, not {self.symmetry} and {self.layers}")
        PointGroup(self.point_group)

    def plain(self) -> dict[str, Any]:
        """Return what a file keeps of it: keyword arguments, variants only where they are used."""
        return {name: v for name, v in asdict(self).items() if name not in VARIANTS or v != VARIANTS[name]}

    @cached_property
    def orbits(self) -> tuple[np.ndarray, np.ndarray]:
        """Offsets that the point group takes into each other, of the kernel's k^2.

        The first array, shape (elements, orbits), has what becomes of the first offset of every orbit; the second one,
        shape (k^2,), has the number of every offset's orbit.
        """
        moved = moved_offsets(PointGroup(self.point_group), self.kernel)
        first, number = np.unique(moved.min(axis=0), return_inverse=True)
        return moved[:, first], number

    def averaged(self, coupling: Any) -> Any:
        """Coupling ``(..., k, k)``, an array or a tensor, with one number for all offsets of an orbit: their mean.

        The symmetry is exact, and the sums are the same in numpy and in torch.
        """
        if self.point_group == "c1":
            return coupling
        (images, number), places = self.orbits, coupling.reshape(*coupling.shape[:-2], -1)
        total = places[..., images[0]]
        for image in images[1:]:
            total = total + places[..., image]
        return (total / len(images))[..., number].reshape(coupling.shape)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the weights, by name."""
        n, k, own = self.components, self.kernel, (self.layers,) if self.layers else ()
        found = {"lift": (n,), "coupling": (*own, n, n, k, k), "readout": (n,), "readout_bias": (1,)}
        return found | ({"bias": (*own, n)} if self.broken else {})
