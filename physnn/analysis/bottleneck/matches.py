"""Where vectors of one place in an image find their nearest ones: p(x_nn | x_i), in the same class and in others.

Every cell x_i of an image is matched with the nearest vector in a memory of as many other images, of the same class or
of another one.  The nearest few are kept, so that halves of the images can be matched within themselves afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from physnn import rng
from physnn.analysis.bottleneck.agreement import Agreement, agreement
from physnn.analysis.bottleneck.class_angle import ClassDirection, directions_of, discovery_levels
from physnn.analysis.bottleneck.neighbours import nearest_vectors
from physnn.analysis.statistics.estimate import Estimate, mean_over

NEIGHBOURS_KEPT = 10
"""Neighbours of every cell that are kept: a half of the memory lacks all of them once in a thousand times."""
HALF_SPLITS = 20
"""Ways to halve the images of every class."""


@dataclass(frozen=True)
class CellMatches:
    """Nearest vectors of all cells of images, the nearest first.

    Attributes
    ----------
    owners, cells : ndarray of int, shape (images, cells, NEIGHBOURS_KEPT)
        Number of the image and of the cell that was found; -1 where there is none.
    distances : ndarray, shape (images, cells, NEIGHBOURS_KEPT)
        Distance between both vectors of length 1.
    """

    owners: np.ndarray
    cells: np.ndarray
    distances: np.ndarray

    def nearest(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cells ``(n, cells)`` that queries of some images (bool) find in a memory of these images, and distances."""
        owners = self.owners[images]
        there = (owners >= 0) & images[np.maximum(owners, 0)]
        first = there.argmax(-1)[..., None]
        cells, distances = (np.take_along_axis(a[images], first, -1)[..., 0] for a in (self.cells, self.distances))
        none = ~there.any(-1)
        return np.where(none, -1, cells), np.where(none, np.inf, distances)


def cell_matches(queries: np.ndarray, memory: np.ndarray) -> CellMatches:
    """Matches of the cells of images ``(images, cells, channels)`` in a memory of as many, by the cosine.

    Query image i is never matched with image i of the memory: itself where both are the same, and one left out
    where they are not, so that memories are equally large.  Cells whose vector is zero take no part: they would be
    nearer to every vector than those at more than 60 degrees from it.
    """
    n, cells, channels = queries.shape
    lines, rows = queries.reshape(-1, channels), memory.reshape(-1, channels)
    asked, known = np.flatnonzero(lines.any(1)), np.flatnonzero(rows.any(1))
    count = min(NEIGHBOURS_KEPT, max(1, (n - 1) * cells))
    indices, distances = np.full((n * cells, count), -1), np.full((n * cells, count), np.inf)
    if len(asked) and len(known):
        owners = asked // cells, known // cells
        found = nearest_vectors(lines[asked], rows[known], count, "cosine", owners)
        indices[asked] = np.where(found.indices < 0, -1, known[np.maximum(found.indices, 0)])
        distances[asked] = found.distances
    indices, distances = (each.reshape(n, cells, count) for each in (indices, distances))
    none = indices < 0
    return CellMatches(np.where(none, -1, indices // cells), np.where(none, -1, indices % cells), distances)


@dataclass(frozen=True)
class MatchMoments:
    """How matches of one class lie, lengths in pixels.

    Attributes
    ----------
    stays : float
        Share of cells that are matched with the same place.
    square : float
        <|x_nn - x_i|^2>.
    radial, tangential : float
        Variances of x_nn - x_i along the direction of x_i from the middle, and across it, after the mean of each place.
    radius : float
        Distance from the middle of the grid at which the closest match of an image is found.
    distance : float
        Mean distance of the matched vectors.
    """

    stays: float
    square: float
    radial: float
    tangential: float
    radius: float
    distance: float


MOMENTS = ("stays", "square", "radial", "tangential", "radius", "distance")
"""Names of the numbers of `MatchMoments`."""


def match_moments(found: np.ndarray, distances: np.ndarray, places: np.ndarray) -> MatchMoments:
    """MatchMoments of matched cells ``(images, cells)``, -1 where there is none, with their places ``(cells, 2)``."""
    there = found >= 0
    moved = np.where(there[..., None], places[np.maximum(found, 0)] - places, 0.0)
    about = places - places.mean(0)
    r = np.hypot(*about.T)
    along = about / np.maximum(r, 1e-300)[:, None]
    across = along[:, ::-1] * [-1, 1]
    means = moved.sum(0) / np.maximum(there.sum(0), 1)[:, None]
    spread, out = moved - means, there & (r > 1e-9 * max(float(r.max()), 1e-300))
    radial, tangential = (float(((spread * axis).sum(-1) ** 2)[out].mean()) for axis in (along, across))
    some = there.any(1)
    closest = found[some, distances[some].argmin(1)]
    square, stays = float((moved**2).sum(-1)[there].mean()), float((found == np.arange(len(places)))[there].mean())
    return MatchMoments(stays, square, radial, tangential, float(r[closest].mean()), float(distances[there].mean()))


def by_chance(places: np.ndarray) -> MatchMoments:
    """MatchMoments of matches that are anywhere, each place as likely as any other."""
    n = len(places)
    found = np.repeat(np.arange(n)[:, None], n, axis=1)
    return match_moments(found, np.broadcast_to(np.linspace(1, 2, n), (n, n)), places)


def match_table(found: np.ndarray) -> np.ndarray:
    """p(x_nn | x_i) of matched cells ``(images, cells)``, shape ``(cells, cells)``; rows sum to 1, or 0 without any."""
    cells = found.shape[1]
    table = np.zeros((cells, cells))
    image, cell = np.nonzero(found >= 0)
    np.add.at(table, (cell, found[image, cell]), 1.0)
    return np.asarray(table / np.maximum(table.sum(1, keepdims=True), 1))


@dataclass(frozen=True)
class Drifts:
    """Mean of x_nn - x_i of classes, or mean x_nn of the closest matches, and of halves matched within themselves.

    Halves share neither queries nor memory, which is what errors need: all queries of a class share one memory, and
    leaving out one image after the other overestimates the variance of nearest neighbours three times.

    Attributes
    ----------
    whole : ndarray, shape (classes, 2)
        To the right and down.
    halves, levels : ndarray, shape (2 `HALF_SPLITS`, classes, 2)
        Of one half and the other, split after split; and mean points of the images that a half does *not* have.
    images : ndarray of int, shape (classes,)
        Images of every class.
    """

    whole: np.ndarray
    halves: np.ndarray
    levels: np.ndarray
    images: np.ndarray

    def covariances(self) -> np.ndarray:
        """Covariances ``(classes, 2, 2)`` of the drifts of all images: a quarter of that of the halves' difference."""
        apart = self.halves[::2] - self.halves[1::2]
        return np.asarray(np.einsum("sci,scj->cij", apart, apart) / (4 * len(apart)))

    def agree(self, seed: int = 0) -> tuple[Agreement, Agreement]:
        """Agreement of both halves, and of a half's drift with the points of the other."""
        swapped = np.arange(len(self.halves)) ^ 1
        return agreement(self.halves, self.halves[swapped], seed), agreement(self.halves, self.levels, seed)

    def directions(self, labels: np.ndarray) -> list[ClassDirection]:
        """Directions of the drifts of classes (their places), with p-values by Hotelling's T^2."""
        counts = np.minimum(self.images, HALF_SPLITS)  # what covariances rest on
        found = directions_of(labels, counts, self.whole, self.covariances())
        p_values = np.array([_no_drift(each) for each in found])
        more = zip(found, self.images, p_values, discovery_levels(p_values), strict=True)
        return [
            ClassDirection(**{**vars(each), "images": int(n), "p_value": float(p), "q_value": float(q)})
            for each, n, p, q in more
        ]


def drifts(
    matches: Sequence[CellMatches],
    places: np.ndarray,
    points: Sequence[np.ndarray],
    seed: int = 0,
    closest: bool = False,
) -> Drifts:
    """Drifts of the matches of classes within themselves, with ``points`` of the images ``(images, 2)`` of each.

    With ``closest`` it is where the closest match of every image is found, in place of how all matches are displaced.
    """
    mean = _closest if closest else _drift
    whole = np.array([mean(each, np.ones(len(each.cells), bool), places) for each in matches])
    halves = np.zeros((2 * HALF_SPLITS, len(matches), 2))
    levels = np.zeros_like(halves)
    for c, each in enumerate(matches):
        n = len(each.cells)
        for k in range(HALF_SPLITS):
            half = np.zeros(n, bool)
            half[rng.stream(seed, "subset", "matches", k, c).permutation(n)[: n // 2]] = True
            for at, images in ((2 * k, half), (2 * k + 1, ~half)):
                halves[at, c] = mean(each, images, places)
                levels[at, c] = points[c][~images].mean(0)
    return Drifts(whole, halves, levels, np.array([len(each.cells) for each in matches]))


def _drift(matches: CellMatches, images: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Mean of x_nn - x_i among some images, queries and memory."""
    found = matches.nearest(images)[0]
    there = found >= 0
    moved = np.where(there[..., None], places[np.maximum(found, 0)] - places, 0.0)
    # Every place counts alike, also where some of its queries found nothing.
    return np.asarray((moved.sum(0) / np.maximum(there.sum(0), 1)[:, None]).mean(0))


def _closest(matches: CellMatches, images: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Mean x_nn of the closest match of every image among some, queries and memory."""
    found, distances = matches.nearest(images)
    some = np.isfinite(distances).any(1)
    at = distances[some].argmin(1)
    return np.asarray(places[found[some, at]].mean(0)) if some.any() else places.mean(0)


def _no_drift(found: ClassDirection) -> float:
    """P-value of no deviation, given its covariance from so many draws."""
    away, n = np.array([found.right, found.up]), found.images
    if n < 4 or np.linalg.det(found.covariance) <= 0:
        return 1.0
    square = float(away @ np.linalg.solve(found.covariance, away))
    return float(special.fdtrc(2, n - 2, square * (n - 2) / (2 * (n - 1))))


@dataclass(frozen=True)
class SameAndOther:
    """A number of matches in the same class and in another, their difference over classes, and what chance gives."""

    same: Estimate
    other: Estimate
    difference: Estimate
    chance: float


def same_and_other(
    same: Sequence[MatchMoments], other: Sequence[MatchMoments], places: np.ndarray
) -> dict[str, SameAndOther]:
    """Numbers of `MOMENTS` over classes, differences class by class; distances by chance are not known."""
    anywhere, found = by_chance(places), {}
    for name in MOMENTS:
        a, b = (np.array([getattr(each, name) for each in moments]) for moments in (same, other))
        chance = np.nan if name == "distance" else getattr(anywhere, name)
        found[name] = SameAndOther(mean_over(a), mean_over(b), mean_over(a - b), float(chance))
    return found
