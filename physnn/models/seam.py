"""Torus of unit vectors with a seam: a line across which all bonds are weakened, turned round or twisted.

A bond from site i to site j across the line, in the direction of growing coordinates, has the coupling

    s (R(phi) J_ij + J_ij R(phi)) / 2,

with R a rotation in a plane of components: s = 1 is the torus, s = -1 makes neighbours across the line see -x, and a
twist phi makes them see R(phi) x where R commutes with J.  This form is symmetric for any J and the same after a whole
turn.  The energy is linear in s.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from physnn.errors import InputError
from physnn.models.vectors import Shape, VectorModel

PERIODIC = 1.0
"""Strength s of the torus itself."""
ANTIPERIODIC = -1.0
"""Strength s at which neighbours across the line see -x."""


@dataclass(frozen=True, eq=False)
class Seam:
    """Model on a torus with a seam.

    Parameters
    ----------
    model : VectorModel
        Periodic.
    axis : int
        0: bonds from the last row to the first cross it; 1: from the last column to the first.
    strength : float
        s.
    twist : float
        phi, radians.
    plane : ndarray, shape (2, N) or empty
        Orthonormal vectors; R turns the first towards the second.  Needed for a twist.

    Raises
    ------
    InputError
        If the model is no torus or the plane does not fit.
    """

    model: VectorModel
    axis: int = 0
    strength: float = PERIODIC
    twist: float = 0.0
    plane: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))

    def __post_init__(self) -> None:
        if self.model.boundary != "periodic":
            raise InputError("a seam needs periodic boundaries; with a border of zeros nothing crosses the line")
        if self.axis not in (0, 1):
            raise InputError(f"the axis of a seam is 0 or 1, not {self.axis}")
        p = np.asarray(self.plane, np.float64)
        if self.twist and not (p.shape == (2, self.model.components) and np.allclose(p @ p.T, np.eye(2))):
            raise InputError(f"a twist needs a plane: two orthonormal vectors of {self.model.components} components")

    def check(self, shape: Shape) -> None:
        """Raise `InputError` where a bond would go around the torus."""
        if min(shape) <= self.model.kernel // 2:
            raise InputError(f"a seam needs a lattice wider than the coupling's reach, {self.model.kernel // 2}")

    def rotation(self, turns: float) -> np.ndarray:
        """Rotation R(turns phi), shape (N, N)."""
        R = np.eye(self.model.components)
        if self.twist:
            (u, v), a = np.asarray(self.plane, np.float64), turns * self.twist
            R += (np.cos(a) - 1) * (np.outer(u, u) + np.outer(v, v)) + np.sin(a) * (np.outer(v, u) - np.outer(u, v))
        return R

    def bonds(self) -> tuple[np.ndarray, np.ndarray]:
        """Displacements ``(n, 2)`` and matrices ``(n, 3, N, N)`` of the bonds, without J_00.

        The second axis says how often a bond crosses the line: -1, 0 or 1 times; s is left out.
        """
        half, J = self.model.kernel // 2, self.model.coupling
        places = [p for p in np.argwhere(J.any(axis=(0, 1))).tolist() if p != [half, half]]
        turned = [
            [(self.rotation(t) @ J[:, :, y, x] + J[:, :, y, x] @ self.rotation(t)) / 2 for t in (-1, 0, 1)]
            for y, x in places
        ]
        N = self.model.components
        return np.array(places, np.int64).reshape(-1, 2) - half, np.array(turned).reshape(-1, 3, N, N)

    def field(self, x: np.ndarray) -> np.ndarray:
        """Field of states ``(..., H, W, N)``, same shape, float64: minus the gradient of `energy`."""
        self.check((x.shape[-3], x.shape[-2]))
        half, length = self.model.kernel // 2, x.shape[self.axis - 3]
        border = [(0, 0)] * (x.ndim - 3) + [(half, half)] * 2 + [(0, 0)]
        wide = np.pad(np.asarray(x, np.float64), border, "wrap")
        turn = np.floor((np.arange(length + 2 * half) - half) / length).astype(int)
        turn = turn.reshape((-1, 1, 1) if self.axis == 0 else (-1, 1))
        scale = np.where(turn == 0, 1.0, self.strength)
        if not self.twist:
            return np.asarray(self._couple(wide * scale, x.shape) + self.model.bias)
        f = np.broadcast_to(self.model.bias, x.shape).copy()
        for t in (-1, 0, 1):
            R, there = self.rotation(t), wide * np.where(turn == t, scale, 0.0)
            f += (self._couple(there @ R.T, x.shape) + self._couple(there, x.shape) @ R.T) / 2
        return f

    def _couple(self, wide: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        H, W = shape[-3:-1]
        f: np.ndarray = np.zeros(shape)
        J = self.model.coupling
        for y, c in np.argwhere(J.any(axis=(0, 1))):
            f += wide[..., y : y + H, c : c + W, :] @ J[:, :, y, c].T
        return f

    def energy(self, x: np.ndarray) -> np.ndarray:
        """Energy of whole lattices ``(..., H, W, N)``, shape ``(...)``; in units of the coupling."""
        value: np.ndarray = -0.5 * (np.asarray(x, np.float64) * (self.field(x) + self.model.bias)).sum((-1, -2, -3))
        return value

    def crossing(self, x: np.ndarray) -> np.ndarray:
        """Derivative dE/ds: the energy that the bonds across the line have at s = 1."""
        return np.asarray(replace(self, strength=1.0).energy(x) - replace(self, strength=0.0).energy(x))
