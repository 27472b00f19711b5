"""The faster of two exact searches that this machine has."""

from __future__ import annotations

import numpy as np

from physnn.analysis.bottleneck.neighbours import Metric, Nearest, nearest_vectors


def fastest_search(queries: np.ndarray, memory: np.ndarray, count: int, metric: Metric = "cosine") -> Nearest:
    """Nearest vectors of a memory, exactly, as `nearest_vectors` finds them.

    By bytes where the processor multiplies these and there are so few channels that their sums fit, else by products in
    single precision.  Distances agree to rounding in double precision.
    """
    from physnn.kernels.nearest.bytes_code import multiplies_bytes
    from physnn.kernels.nearest.search import MOST_CHANNELS, ByteMemory

    if not multiplies_bytes() or queries.shape[1] > MOST_CHANNELS:
        return nearest_vectors(queries, memory, count, metric)
    return Nearest(*ByteMemory.of(memory, metric == "cosine").nearest(queries, count))
