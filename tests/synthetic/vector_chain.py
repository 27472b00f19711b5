"""O(N) vectors coupled along rows only, whose averages are known in closed form."""

from __future__ import annotations

import numpy as np

from physnn.models.vectors import Boundary, VectorModel


def on_chain(components: int, K: float = 1.0, boundary: Boundary = "periodic") -> VectorModel:
    """O(N) chains: on a lattice of one row a ring, or an open chain (``zero``)."""
    J = np.zeros((components, components, 3, 3))
    J[:, :, 1, 0] = J[:, :, 1, 2] = K * np.eye(components)
    return VectorModel(J, boundary=boundary, name=f"o{components}-chain")
