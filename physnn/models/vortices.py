"""Vortices: plaquettes around which the angle of a planar field turns by a multiple of 2 pi.

Source: J. M. Kosterlitz and D. J. Thouless, J. Phys. C 6 (1973) 1181; on a lattice, differences of neighbouring angles
are taken in [-pi, pi) and summed around each plaquette.
"""

from __future__ import annotations

import numpy as np


def winding_numbers(angles: np.ndarray, periodic: bool = True) -> np.ndarray:
    """Return the winding number of every plaquette, shape ``(..., H, W)``, or ``(..., H - 1, W - 1)`` with a border.

    Parameters
    ----------
    angles : ndarray, shape (..., H, W)
        Radians.
    periodic : bool
        Whether the lattice is a torus, where all of them add up to 0.
    """
    theta = np.asarray(angles, np.float64)
    down, right = (np.roll(theta, -1, axis) - theta for axis in (-2, -1))
    down, right = ((step + np.pi) % (2 * np.pi) - np.pi for step in (down, right))
    around = right + np.roll(down, -1, -1) - np.roll(right, -1, -2) - down
    found: np.ndarray = np.rint(around / (2 * np.pi)).astype(np.int64)
    return found if periodic else found[..., :-1, :-1]
