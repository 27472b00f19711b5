"""Reductions of the weights of replicas to few coordinates: none, principal components, or UMAP."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

import numpy as np

from physnn import rng
from physnn.errors import InputError, naming_extras

REDUCTION_METHODS = ("none", "pca", "umap")
"""Reductions by name."""


@dataclass(frozen=True)
class Reduction:
    """Settings of the reduction of weights to coordinates.

    Attributes
    ----------
    method : {"none", "pca", "umap"}
        "umap" needs the extra ``embed``; its coordinates have no unit and no scale that means anything.
    components : int
        Number of coordinates.
    neighbours : int
        UMAP's ``n_neighbors``: replicas that each is kept close to; all others where there are fewer.
    least_distance : float
        UMAP's ``min_dist``, at most 1.
    seed : int
        Root seed of UMAP.

    Raises
    ------
    InputError
        If the method is not known or a number is out of range.
    """

    method: str = "none"
    components: int = 100
    neighbours: int = 15
    least_distance: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        """Check of the settings."""
        if self.method not in REDUCTION_METHODS:
            raise InputError(f"unknown reduction {self.method!r}; known: {', '.join(REDUCTION_METHODS)}")
        if self.components < 1:
            raise InputError(f"a reduction needs at least one component, not {self.components}")
        if self.neighbours < 2 or not 0 <= self.least_distance <= 1:
            raise InputError("UMAP needs at least 2 neighbours and a least distance from 0 to 1")


NO_REDUCTION = Reduction()
"""Weights as they are."""


def reduced(points: np.ndarray, reduction: Reduction) -> np.ndarray:
    """Coordinates of each replica, shape (replicas, components), or the points (replicas, P) themselves for "none".

    It raises an `InputError` if UMAP is not installed, there are no more replicas than components, or fewer weights.
    """
    if reduction.method == "none":
        return points
    replicas, components = len(points), reduction.components
    # Centred replicas span replicas - 1 dimensions; UMAP's spectral start needs one more.
    least = components + (1 if reduction.method == "pca" else 2)
    if replicas < least:
        raise InputError(
            f"{components} components of {reduction.method} need at least {least} replicas, and there are {replicas}; "
            f"train more replicas, or ask for at most {replicas - least + components} components"
        )
    if points.shape[1] < components:
        raise InputError(f"{points.shape[1]} weights do not reduce to {components} components; ask for fewer")
    return principal_components(points, components) if reduction.method == "pca" else _umap(points, reduction)


def principal_components(points: np.ndarray, components: int) -> np.ndarray:
    """Leading principal components u_i s_i of centred points, shape (replicas, components).

    The sign of a component, which is free, makes its coordinate of largest absolute value positive.
    """
    centred = points - points.mean(axis=0, dtype=float)
    # centred = L Q with orthonormal rows of Q, so the small L has the same u and s.
    upper = np.asarray(np.linalg.qr(centred.T, mode="r"))
    u, s, _ = np.linalg.svd(upper.T, full_matrices=False)
    scores = (u * s)[:, :components]
    largest = scores[np.abs(scores).argmax(axis=0), np.arange(scores.shape[1])]
    return np.asarray(scores * np.where(largest < 0, -1.0, 1.0))


def _umap(points: np.ndarray, reduction: Reduction) -> np.ndarray:
    """Coordinates by UMAP (L. McInnes, J. Healy and J. Melville, arXiv:1802.03426), one thread, seeded."""
    with naming_extras():
        umap = import_module("umap")
    from threadpoolctl import threadpool_limits

    # It sets the number of threads of OpenMP, which tensor operations share, and leaves it changed.
    with threadpool_limits(1, "openmp"):
        fitted = umap.UMAP(
            n_components=reduction.components,
            n_neighbors=min(reduction.neighbours, len(points) - 1),
            min_dist=reduction.least_distance,
            random_state=int(rng.seed_sequence(reduction.seed, "projection", "umap").generate_state(1)[0]),
            n_jobs=1,
        ).fit_transform(points)
    return np.asarray(fitted, dtype=float)
