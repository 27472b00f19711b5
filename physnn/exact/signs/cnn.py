"""Exact loss levels of the small convolutional networks of `physnn.models.sign_cnn`, by brute force.

Losses are grouped by what they are made of, never by rounded numbers.  A margin (logit of the label minus the other
one) is 2 s m with a whole number m and the square s^2 of the scale a fraction.  With n_k the (mask-weighted) number of
images with ``|m| = k``, and S the sum of k over those with m = -k < 0,

    12 W loss = sum_k n_k ln(1 + exp(-2 s k)) + 2 s S,      W the sum of the mask weights.

Two configurations have equal losses if and only if their n_k (k > 0) and S, as functions of s k, are equal:

* exp(12 W loss) is a sum of whole multiples of exponentials of algebraic numbers, and by the theorem of Lindemann and
  Weierstrass two such sums are equal only if they are so term by term, that is as polynomials in t = exp(-2 s) and
  1/t, t^-S prod_k (1 + t^k)^n_k.  With different square-free parts of s^2 the variables are independent, so both sides
  would be constant, all m = 0.
* Where k is the largest number at which n_k differ, the polynomials have zeros of different order at
  t = exp(i pi/k): there only 1 + t^j with j an odd multiple of k vanishes.  So the n_k agree, and with them S.

The losses themselves are evaluated in float64 afterwards, once for each level, to a few 1e-16; `Landscape.closest`
gives the smallest relative gap between neighbours: 5e-13 for the baseline, 1e-12 for dropout averaged over its masks,
5e-8 for batch-norm, 1e-5 for the tied filters.  At one dropout mask margins reach 91, and a few per cent of the
levels differ by less than float64 shows (exp(-91) = 3e-40): they remain levels with their exact counts, next to each
other.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from physnn.errors import InputError
from physnn.exact.landscape import Landscape
from physnn.models.groups.representations import PointGroup
from physnn.models.sign_cnn import Margins, SignCNN, filter_margins

_Integers = NDArray[np.int64]
Key = tuple[int, tuple[tuple[Fraction, int], ...], Fraction]

LARGEST_HALF = 32
"""Largest half margin: 4 pixels, 4 features and 2 units; times the elements of a group that is averaged over."""


def cnn_landscape(network: SignCNN) -> Landscape:
    """Landscape of a convolutional network: all weight configurations by their loss.

    Cross-entropies in nats, each the mean over the images, and for dropout over the masks; weights is the number of
    free weights.  Takes a second (dropout averaged over its masks: ten) on one core.
    """
    found: Counter[tuple[bytes, tuple[int, int]]] = Counter()
    for filter_number in range(2**network.filter_weights):
        margins = filter_margins(network, filter_number)
        rows = _histograms(margins, network)
        # Rows as bytes: much faster than ``np.unique`` along an axis.
        whole = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
        for row, count in zip(*np.unique(whole, return_counts=True), strict=True):
            found[row.tobytes(), margins.scale_squared] += int(count)
    merged: Counter[Key] = Counter()
    for (row, scale), count in found.items():
        merged[_canonical(np.frombuffer(row, np.int64), scale)] += count
    images = len(network.shown) * int(network.masks()[1].sum())
    losses = np.array([_loss(key) / images for key in merged])
    return Landscape.build(network.free_weights, losses, list(merged.values()), "brute force")


@functools.lru_cache(maxsize=16)
def cnn_answers(network: SignCNN) -> tuple[NDArray[np.int8], _Integers]:
    """Answers of a network to all twelve images, and how many weight configurations give each, exact.

    Rows, shape (answers, 12), are 1 where the label has the larger logit, 0 where logits are equal, else -1.

    Raises
    ------
    InputError
        For dropout and batch normalisation, whose answers depend on masks or on other images.
    """
    if network.variant in ("dropout", "batch-norm"):
        raise InputError(f"the answers of {network.variant} are not those of one network; take another variant")
    found: Counter[bytes] = Counter()
    for filter_number in range(2**network.filter_weights):
        right = np.sign(filter_margins(network, filter_number).halves[:, 0]).astype(np.int8)
        whole = np.ascontiguousarray(right).view(np.dtype((np.void, right.shape[1]))).ravel()
        for row, count in zip(*np.unique(whole, return_counts=True), strict=True):
            found[row.tobytes()] += int(count)
    rows = np.array([np.frombuffer(row, np.int8) for row in found])
    return rows, np.array(list(found.values()))


def solutions(network: SignCNN) -> tuple[int, int]:
    """Numbers of configurations that are right on all images of the loss, and on all twelve."""
    rows, counts = cnn_answers(network)
    right = rows > 0
    return int(counts[right[:, network.shown].all(1)].sum()), int(counts[right.all(1)].sum())


def _histograms(margins: Margins, network: SignCNN) -> _Integers:
    """Histograms n_k for k = 0 .. the largest, and S, of every configuration on the images that are shown."""
    halves = margins.halves[..., network.shown]
    n, largest = len(halves), LARGEST_HALF * len(PointGroup(network.average).matrices)
    weight = np.broadcast_to(margins.mask_weights[:, None], halves.shape).ravel()
    place = np.abs(halves).astype(np.int64) + (largest + 1) * np.arange(n)[:, None, None]
    # Sums of whole numbers below 2**53 are exact in float64.
    counts = np.bincount(place.ravel(), weight, n * (largest + 1)).astype(np.int64)
    wrong = np.maximum(-halves, 0).sum(axis=2, dtype=np.int64) @ margins.mask_weights
    return np.concatenate([counts.reshape(n, -1), wrong[:, None]], axis=1)


def _canonical(row: _Integers, scale_squared: tuple[int, int]) -> Key:
    """Square-free part r of the scale, pairs (f, n_k) with s k = f sqrt(r), and the f of S."""
    counts, wrong = row[:-1].tolist(), int(row[-1])
    numerator, denominator = scale_squared
    # s = sqrt(n/d) = sqrt(n d)/d, and n d = root^2 r with no square in r.
    product = numerator * denominator
    root = max(k for k in range(1, math.isqrt(product) + 1) if product % (k * k) == 0)
    rest, factor = product // root**2, Fraction(root, denominator)
    pairs = tuple((factor * k, n) for k, n in enumerate(counts) if n)
    only_zero = len(pairs) == 1 and counts[0]
    return 1 if only_zero else rest, pairs, factor * wrong


def _loss(key: Key) -> float:
    """Sum of the losses over images and masks."""
    rest, pairs, wrong = key
    scale = 2 * math.sqrt(rest)
    return math.fsum([n * math.log1p(math.exp(-scale * float(f))) for f, n in pairs] + [scale * float(wrong)])
