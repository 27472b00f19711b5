"""Reductions of the weights of replicas to few coordinates: none, principal components, or UMAP."""

from __future__ import annotations

import numpy as np

from physnn import rng
from physnn.errors import InputError

REDUCTIONS = ("none", "pca", "umap")


def reduced(points: np.ndarray, reduction: str = "none", components: int = 100, seed: int = 0) -> np.ndarray:
    """Return coordinates of each replica, shape (replicas, components), or the points themselves for "none".

    Parameters
    ----------
    points : array, shape (replicas, P)
        Flattened weights.
    reduction : {"none", "pca", "umap"}
        "umap" needs the extra ``embed``; its coordinates have no unit and no scale that means anything.
    components : int
        Number of coordinates.
    seed : int
        Root seed of UMAP.

    Raises
    ------
    InputError
        If the reduction is not known or not installed, or there are no more replicas than components.
    """
    if reduction not in REDUCTIONS:
        raise InputError(f"unknown reduction {reduction!r}; known: {', '.join(REDUCTIONS)}")
    if reduction == "none":
        return points
    replicas = len(points)
    if components < 1:
        raise InputError(f"a reduction needs at least one component, not {components}")
    # Centred replicas span replicas - 1 dimensions; UMAP's spectral start needs one more.
    least = components + (1 if reduction == "pca" else 2)
    if replicas < least:
        raise InputError(
            f"{components} components of {reduction} need at least {least} replicas, and there are {replicas}; train "
            f"more replicas, or ask for at most {replicas - least + components} components"
        )
    return principal_components(points, components) if reduction == "pca" else _umap(points, components, seed)


def principal_components(points: np.ndarray, components: int) -> np.ndarray:
    """Return the leading principal components u_i s_i of centred points, shape (replicas, components).

    The sign of a component, which is free, makes its coordinate of largest absolute value positive.
    """
    centred = points - points.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    scores = (u * s)[:, :components]
    largest = scores[np.abs(scores).argmax(axis=0), np.arange(scores.shape[1])]
    return np.asarray(scores * np.where(largest < 0, -1.0, 1.0))


def _umap(points: np.ndarray, components: int, seed: int) -> np.ndarray:
    """Return UMAP's coordinates (L. McInnes, J. Healy and J. Melville, arXiv:1802.03426), one thread, seeded."""
    try:
        from umap import UMAP
    except ImportError:
        raise InputError("UMAP is not installed; install it with: pip install physnn[embed]") from None
    state = int(rng.seed_sequence(seed, "projection", "umap").generate_state(1)[0])
    fitted = UMAP(n_components=components, random_state=state, n_jobs=1).fit_transform(points)
    return np.asarray(fitted, dtype=float)
