"""Couplings with known physics, and those of trained networks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from physnn.errors import InputError
from physnn.models.vectors import Boundary, VectorModel, nearest


def diagonal(strengths: np.ndarray, boundary: Boundary = "periodic", name: str = "") -> VectorModel:
    """Four nearest neighbours coupled by components: H = -sum_<ij> sum_a K_a x_ia x_ja.

    Parameters
    ----------
    strengths : array of shape (N,)
        K_a; ``(1, 0)`` orders like the Ising model, ``(-1, 0)`` like its antiferromagnet.
    boundary, name
        See `VectorModel`.
    """
    K = np.array(strengths, np.float64)
    if K.ndim != 1:
        raise InputError("a diagonal coupling needs one number per component")
    return VectorModel(nearest(K), boundary=boundary, name=name or f"diagonal {K.tolist()}")


def on(components: int, K: float = 1.0, boundary: Boundary = "periodic") -> VectorModel:
    """O(N) model H = -K sum_<ij> x_i . x_j on the square lattice (N = 2: XY, N = 3: Heisenberg)."""
    return diagonal(np.full(components, K), boundary, name="xy" if components == 2 else f"o{components}")


def gauge_rotated_xy(theta: tuple[float, float], K: float = 1.0) -> VectorModel:
    """XY model whose neighbours prefer to be turned by theta . r against each other.

    With ``x_i = R(theta . r_i) y_i`` the y are plain XY vectors: thermodynamics are those of XY on every torus on which
    ``theta L / 2 pi`` is an integer along both axes, and the order has the wave vector theta (radians per row and per
    column).
    """
    J = np.zeros((2, 2, 3, 3))
    for y, x in ((-1, 0), (0, -1), (0, 1), (1, 0)):
        # The field of site i is K sum_j R(theta . (r_i - r_j)) x_j.
        angle = -(theta[0] * y + theta[1] * x)
        c, s = np.cos(angle), np.sin(angle)
        J[:, :, y + 1, x + 1] = K * np.array([[c, -s], [s, c]])
    return VectorModel(J, name="gauge-rotated-xy")


def from_weights(weights: Mapping[str, np.ndarray], boundary: Boundary, name: str = "network") -> VectorModel:
    """Model of a trained network's weights, ``coupling (N, N, k, k)`` and perhaps ``bias (N,)``.

    The symmetric part of the coupling is taken, as the network does.  Not for networks whose layers have couplings of
    their own, nor under U(1), where the network takes a smaller part.  `InputError` if it has other dimensions.
    """
    raw = np.asarray(weights["coupling"], np.float32)
    if raw.ndim != 4:
        raise InputError(f"one coupling has the shape (N, N, k, k), not {raw.shape}; take that of a single layer")
    J = (raw + raw[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)) / np.float32(2)
    return VectorModel(J, np.asarray(weights.get("bias", np.empty(0))), boundary, name)
