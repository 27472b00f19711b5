"""Distances between replicas: trained copies of one architecture that differ in their seeds only.

From weights ``{"conv1.weight": (R, units, ...), ...}`` to a symmetric matrix (R, R) of distances, in units of a weight:

    Wasserstein   W1 of the lists of all weights, blind to which weight stands where
    sliced        W1 of the units of a layer as points, averaged over directions
    Euclid        root mean square difference, place by place
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy.spatial.distance import pdist, squareform

from physnn import rng
from physnn.analysis.replicas.embedding import NO_REDUCTION, Reduction, reduced
from physnn.analysis.replicas.gauge import aligned, canonical
from physnn.analysis.replicas.layers import Layer, Weights, replica_count, trained_arrays
from physnn.errors import InputError

DIRECTIONS = 500
"""Number of random directions of sliced distances; they move a mean by 0.5 %, which errors do not include."""
HEADLINE = "wasserstein"
"""Distance that ensembles are ordered by."""
DISTANCE_KINDS = (HEADLINE, "sliced", "euclid")
"""Distances by name."""
GAUGES = ("raw", "canonical", "aligned")
"""Gauges of weights by name: as they are, in canonical form, matched to the first replica."""


def flatten(weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """Trained weights of each replica in one row, in the order of the mapping, shape (replicas, P)."""
    arrays = trained_arrays(weights)
    replicas = replica_count(arrays)
    return np.concatenate([a.reshape(replicas, -1) for a in arrays.values()], axis=1)


def scale_normalised(weights: Mapping[str, np.ndarray]) -> Weights:
    """Weights in units of each replica's root mean square weight (dimensionless); running statistics left out.

    Distances of lists of weights follow the scale of weights, which this takes out.
    """
    arrays = trained_arrays(weights)
    replicas = replica_count(arrays)
    squares = [sum(float(np.sum(np.square(a[r], dtype=float))) for a in arrays.values()) for r in range(replicas)]
    rms = np.sqrt(np.array(squares) / sum(a[0].size for a in arrays.values()))
    if (rms == 0).any():
        raise InputError(f"all weights of replica {int(np.argmin(rms))} are zero, so it has no scale; leave it out")
    scale = {name: rms.reshape(-1, *(1,) * (a.ndim - 1)) for name, a in arrays.items()}
    return {name: a / scale[name].astype(np.result_type(a, np.float32)) for name, a in arrays.items()}


def wasserstein(points: np.ndarray) -> np.ndarray:
    """Wasserstein distance W1 of the lists ``(replicas, P)`` of each two replicas, shape (replicas, replicas).

    Lists of one length P are matched by rank, W1(x, y) = sum_k |x_(k) - y_(k)| / P, exactly; each is sorted once.
    """
    ordered = np.sort(_as_points(points), axis=1)
    return np.asarray(squareform(pdist(ordered, "cityblock")) / ordered.shape[1])


def euclid(points: np.ndarray) -> np.ndarray:
    """Euclidean distance sqrt(sum_k (x_k - y_k)^2 / P) for each two replicas, shape (replicas, replicas)."""
    points = _as_points(points)
    return np.asarray(squareform(pdist(points, "euclidean")) / np.sqrt(points.shape[1]))


def unit_points(weights: Mapping[str, np.ndarray]) -> Iterator[np.ndarray]:
    """Units of each layer as points: incoming weights and bias, shape (replicas, units, coordinates)."""
    replicas = replica_count(weights)
    layers = [name for name, array in weights.items() if name.endswith(".weight") and np.ndim(array) > 2]
    if not layers:
        raise InputError("sliced distances need the weights of layers, (replicas, units, inputs), named *.weight")
    for name in layers:
        parts = [weights[name], weights.get(name.removesuffix("weight") + "bias")]
        units = np.shape(weights[name])[1]
        yield np.concatenate([np.reshape(p, (replicas, units, -1)) for p in parts if p is not None], axis=2)


def unit_directions(count: int, dimensions: int, generator: np.random.Generator) -> np.ndarray:
    """Random unit vectors, even over the sphere, shape (dimensions, count)."""
    drawn = generator.normal(size=(dimensions, count))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=0))


def sliced_wasserstein(weights: Mapping[str, np.ndarray], directions: int = DIRECTIONS, seed: int = 0) -> np.ndarray:
    """Sliced W1 between each two replicas (N. Bonneel et al., J. Math. Imaging Vis. 51, 22 (2015)).

    Shape (replicas, replicas).  Units of a layer are points w_u; SW = mean over random directions e, |e| = 1, the same
    for all pairs, of W1({w_u . e}, {w'_u . e}).  Layers count by their numbers of weights.  Invariant under
    permutations of the units of the last layer only, since those of hidden layers permute the coordinates of the next
    layer's points: fix the gauge for the others.
    """
    if directions < 1:
        raise InputError(f"a sliced distance needs at least one direction, not {directions}")
    total, size = np.zeros(1), 0
    for k, points in enumerate(unit_points(weights)):
        units, dimensions = points.shape[1:]
        along = unit_directions(directions, dimensions, rng.stream(seed, "projection", "sliced", k))
        ordered = np.sort(points @ along.astype(np.result_type(points, np.float32)), axis=1).reshape(len(points), -1)
        # The mean over units and directions, times the number of weights.
        total = total + pdist(ordered, "cityblock") / directions * dimensions
        size += units * dimensions
    return np.asarray(squareform(total / size))


def replica_distances(
    weights: Mapping[str, np.ndarray],
    layers: Sequence[Layer] = (),
    kind: str = "wasserstein",
    gauge: str = "raw",
    normalise: bool = False,
    reduction: Reduction = NO_REDUCTION,
    seed: int = 0,
) -> np.ndarray:
    """Distances between all pairs of replicas, shape (replicas, replicas), with zeros on the diagonal.

    Parameters
    ----------
    weights : mapping of arrays, each of shape (replicas, ...)
    layers : sequence of Layer
        The chain of layers; needed to fix a gauge.
    kind : {"wasserstein", "sliced", "euclid"}
    gauge : {"raw", "canonical", "aligned"}
        Weights as they are, in their canonical form, or matched to the first replica.
    normalise : bool
        True to divide the weights of each replica by their root mean square, after the gauge is fixed.
    reduction : Reduction
        Reduction of the flattened weights to coordinates; of all replicas together, so that errors from resampled
        replicas do not include how it would come out with others.
    seed : int
        Root seed of the directions of sliced distances.

    Raises
    ------
    InputError
        If a name is not known, or the parts do not go together.
    """
    for value, known, name in ((kind, DISTANCE_KINDS, "distance"), (gauge, GAUGES, "gauge")):
        if value not in known:
            raise InputError(f"unknown {name} {value!r}; known: {', '.join(known)}")
    if kind == "sliced" and reduction.method != "none":
        raise InputError("sliced distances are of the units of layers, which no reduction keeps; use reduction none")
    if gauge != "raw":
        weights = canonical(weights, layers) if gauge == "canonical" else aligned(weights, layers)
    if normalise:
        weights = scale_normalised(weights)
    if kind == "sliced":
        return sliced_wasserstein(weights, seed=seed)
    points = reduced(flatten(weights), reduction)
    return wasserstein(points) if kind == "wasserstein" else euclid(points)


def _as_points(points: np.ndarray) -> np.ndarray:
    array = np.asarray(points)
    if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise InputError(f"replicas are rows of finite numbers, (replicas, P), not an array of shape {array.shape}")
    return array
