"""Plain Metropolis loop, the baseline of the faster kernels: one spin at a time, as a textbook writes it."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def plain_sweeps(spins, acceptance, n):
    """Do n checkerboard Metropolis sweeps of spins -1 or +1, int8 of shape (H, W) with even sides, in place.

    ``acceptance (5,)`` are the probabilities to flip a spin with s_i sum_j s_j = -4, -2, 0, 2, 4.
    """
    H, W = spins.shape
    for _ in range(n):
        for colour in range(2):
            for i in range(H):
                for j in range((i + colour) % 2, W, 2):
                    around = (
                        spins[(i + 1) % H, j] + spins[(i - 1) % H, j] + spins[i, (j + 1) % W] + spins[i, (j - 1) % W]
                    )
                    if np.random.random() < acceptance[(spins[i, j] * around + 4) // 2]:  # noqa: NPY002
                        spins[i, j] = -spins[i, j]
