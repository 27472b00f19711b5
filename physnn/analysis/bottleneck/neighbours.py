"""Nearest vectors of a memory, exactly: products of matrices find those that can be, double precision decides."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from physnn.errors import InputError

Metric = Literal["cosine", "euclidean"]
"""Distance between vectors of length 1 (a zero vector stays one), or between vectors as they are."""
QUERIES_TOGETHER, VECTORS_TOGETHER = 1024, 8192
"""Rows and columns of a block of products, 32 MB in single precision."""
NUMBERS_TOGETHER = 2**24
"""Numbers of vectors in a block at most, 64 MB."""
PAIRS_TOGETHER = 128
"""Pairs whose distances are calculated together in double precision."""
GROUPS = 8
"""Groups of vectors for every neighbour asked for: their nearest ones say what the farthest neighbour can be."""
SAFETY = 8.0
"""Rounding that is allowed for, over that of a random walk through the terms of a product."""


@dataclass(frozen=True)
class Nearest:
    """Nearest vectors of every query, the nearest first; of vectors at one distance the one of the lower number.

    Attributes
    ----------
    indices : ndarray of int64, shape (queries, K)
        Numbers in the memory; -1 where fewer than K vectors may be matched.
    distances : ndarray of float64, shape (queries, K)
        Distances |q - m|; infinite there.
    """

    indices: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True)
class _Block:
    """Vectors in single precision, of length 1 for the cosine, with the squares of their lengths."""

    vectors: np.ndarray
    squares: np.ndarray
    owners: np.ndarray | None

    @classmethod
    def of(cls, vectors: np.ndarray, metric: Metric, owners: np.ndarray | None, at: slice) -> _Block:
        part: np.ndarray = np.ascontiguousarray(vectors[at], np.float32)
        squares = np.einsum("ij,ij->i", part, part)
        if not np.isfinite(squares).all():
            raise InputError("vectors to be compared have to be finite, and their squares too")
        if metric == "cosine":
            part = part * _inverse(np.sqrt(squares))[:, None]
            squares = np.einsum("ij,ij->i", part, part)
        return cls(part, squares, None if owners is None else owners[at])


def nearest_vectors(
    queries: np.ndarray,
    memory: np.ndarray,
    count: int,
    metric: Metric = "cosine",
    owners: tuple[np.ndarray, np.ndarray] | None = None,
) -> Nearest:
    """Nearest vectors of a memory, exactly.

    Products in single precision leave out what is farther than the farthest neighbour by more than their rounding
    (`SAFETY`).  The distances of the few vectors that remain are differences in double precision, which also order
    them: a vector is at distance 0 from itself.  Memory is bounded by blocks, whatever the numbers of vectors.  Compute
    threads are those of the linear algebra.

    Parameters
    ----------
    queries, memory : ndarray, shape (queries, channels) and (vectors, channels)
        Vectors in half, single or double precision; the latter are rounded to single.  May lie in a file (memmap).
    count : int
        Neighbours K of every query.
    metric : {"cosine", "euclidean"}
        Distance between vectors of length 1, sqrt(2 - 2 cos), or between vectors as they are.
    owners : tuple of ndarray of int, optional
        Numbers of the images that queries and memory belong to: a vector is never matched with one of its own image.

    Raises
    ------
    InputError
        If shapes do not fit, nothing is asked for, or vectors are not finite.
    """
    if queries.ndim != 2 or memory.ndim != 2 or queries.shape[1] != memory.shape[1] or not queries.shape[1]:
        raise InputError(f"queries {queries.shape} and memory {memory.shape} have to be rows of as many channels")
    if count < 1:
        raise InputError(f"{count} neighbours cannot be searched for; take one or more")
    if owners is not None and (len(owners[0]), len(owners[1])) != (len(queries), len(memory)):
        raise InputError("every vector needs an owner")
    own, others = (None, None) if owners is None else (np.asarray(owners[0]), np.asarray(owners[1]))
    indices = np.full((len(queries), count), -1)
    distances = np.full((len(queries), count), math.inf)
    most = max(1, NUMBERS_TOGETHER // queries.shape[1])
    high, wide = min(QUERIES_TOGETHER, most), min(VECTORS_TOGETHER, most)
    for a in range(0, len(queries), high):
        rows = slice(a, a + high)
        block = _Block.of(queries, metric, own, rows)
        pairs = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
        for b in range(0, len(memory), wide):
            part = _Block.of(memory, metric, others, slice(b, b + wide))
            row, column, score, margin = _candidates(block, part, count)
            found = np.concatenate([pairs[0], row]), np.concatenate([pairs[1], column + b])
            pairs = _thinned(*found, np.concatenate([pairs[2], score]), count, margin)
        exact = _distances(queries[rows], memory, pairs[0], pairs[1], metric)
        _fill(indices[rows], distances[rows], pairs[0], pairs[1], exact)
    return Nearest(indices, distances)


def _inverse(lengths: np.ndarray) -> np.ndarray:
    """1 over lengths, 0 where they are 0."""
    return np.asarray(np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0))


def _candidates(block: _Block, part: _Block, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and scores |m|^2 / 2 - q m of pairs that can be among the nearest, and what rounding takes a row.

    A score is half of a squared distance but for a number that its row has in common.
    """
    score = block.vectors @ part.vectors.T
    np.subtract(part.squares / 2, score, out=score)
    if block.owners is not None and part.owners is not None:
        score[block.owners[:, None] == part.owners] = math.inf
    longest = math.sqrt(float(part.squares.max(initial=0)))
    rounding = SAFETY * math.sqrt(block.vectors.shape[1]) * float(np.finfo(np.float32).eps)
    margin = rounding * longest * (np.sqrt(block.squares) + longest)
    limit = _limits(score, count) + margin
    row, column = np.nonzero(score <= limit[:, None])
    taken = score[row, column]
    kept = np.isfinite(taken)
    return row[kept], column[kept], taken[kept], margin


def _limits(score: np.ndarray, count: int) -> np.ndarray:
    """Number for every row that as many of its scores as are asked for do not exceed."""
    columns = score.shape[1]
    if columns <= count:
        return np.full(len(score), np.inf, np.float32)
    together = columns // (GROUPS * count)
    if together > 1:  # the smallest scores of groups: fewer numbers to look through, and the limit is hardly larger
        groups = columns // together
        score = score[:, : groups * together].reshape(len(score), together, groups).min(1)
    return np.asarray(np.partition(score, count - 1, axis=1)[:, count - 1])


def _thinned(
    row: np.ndarray, column: np.ndarray, score: np.ndarray, count: int, margin: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of several blocks without those that are too far; ordered by row."""
    order = np.lexsort((score, row))
    row, column, score = row[order], column[order], score[order]
    starts = np.searchsorted(row, np.arange(len(margin)))
    last = np.minimum(starts + count, np.append(starts[1:], len(row))) - 1
    limit = np.where(last >= starts, score[np.maximum(last, 0)], np.inf) if len(row) else np.zeros(len(margin))
    kept = score <= (limit + 2 * margin)[row]
    return row[kept], column[kept], score[kept]


def _distances(
    queries: np.ndarray, memory: np.ndarray, row: np.ndarray, column: np.ndarray, metric: Metric
) -> np.ndarray:
    """Distances of pairs in double precision."""
    found = np.empty(len(row))
    for k in range(0, len(row), PAIRS_TOGETHER):
        some = slice(k, k + PAIRS_TOGETHER)
        a, b = (_double(v, at[some], metric) for v, at in ((queries, row), (memory, column)))
        a -= b
        found[some] = np.sqrt(np.einsum("ij,ij->i", a, a))
    return found


def _double(vectors: np.ndarray, at: np.ndarray, metric: Metric) -> np.ndarray:
    """Some vectors in double precision, of length 1 for the cosine."""
    found = np.asarray(vectors[at], np.float32).astype(float)
    if metric == "cosine":
        found *= _inverse(np.sqrt(np.einsum("ij,ij->i", found, found)))[:, None]
    return found


def _fill(indices: np.ndarray, distances: np.ndarray, row: np.ndarray, column: np.ndarray, exact: np.ndarray) -> None:
    """Write the nearest pairs of every row into tables."""
    order = np.lexsort((column, exact, row))
    row, column, exact = row[order], column[order], exact[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    kept = rank < indices.shape[1]
    indices[row[kept], rank[kept]] = column[kept]
    distances[row[kept], rank[kept]] = exact[kept]
