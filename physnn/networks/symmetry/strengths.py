"""Weights drawn to symmetries while they train, each as strongly as unseen data ask for.

To the loss every symmetry adds its strength times the squared length of what it would not allow (the deviation, see
`physnn.models.groups.soft`).  As with decoupled weight decay, that pull is taken beside the optimiser's step: at the
learning rate a, a deviation shrinks by the factor exp(-2 a strength).  So it does not disturb averages of gradients,
and strong pulls end in exact symmetry.

A strength that is tuned follows the derivative of the loss on data that the network has not learned.  A step that
shrinks a deviation d by a small share changes that loss by -share * (slope . d); so where slope . d > 0 the strength
should grow, and where it is negative, fall.  Its logarithm moves by t / sqrt(1 + t^2), with t = slope . d in units of
its error.  In equilibrium the unseen loss does not depend on the size of any deviation.  Evidence would need the
curvature of the loss, which vanishes for classifiers that learned all their images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physnn.models.groups.soft import SoftSymmetry, WeightOrbits

Numbers = NDArray[np.float64]
FIRST_PULL = 0.05
"""Product of learning rate and strength that tuning begins with: a deviation falls by a tenth in one step."""
STRONGEST = 4.0
"""The largest one: a deviation falls to e^-8 in one step."""
WEAKEST = 0.05
"""Product of learning rate, steps and strength that is the least: over a whole training deviations fall by a tenth."""
TRAVEL = 1 / 3
"""Share of a training in which a strength may cross all of its range."""


class StrengthRange(NamedTuple):
    """Strengths that tuning begins with and keeps between, and the largest step of their logarithm."""

    first: float
    least: float
    most: float
    step: float

    @classmethod
    def of(cls, lr: float, steps: int, updates: int) -> StrengthRange:
        """Range for a training of some steps at a learning rate."""
        least, most = WEAKEST / (lr * max(steps, 1)), STRONGEST / lr
        return cls(FIRST_PULL / lr, least, most, math.log(most / least) / max(TRAVEL * updates, 1))


def starting_strengths(symmetries: Sequence[SoftSymmetry], layers: int, range_: StrengthRange) -> Numbers:
    """Strengths before training, shape (symmetries, layers)."""
    first = [range_.first if one.strength is None else one.strength for one in symmetries]
    return np.repeat(np.array(first)[:, None], layers, axis=1)


def tuned_strengths(
    strength: Numbers, slopes: Numbers, symmetries: Sequence[SoftSymmetry], range_: StrengthRange
) -> Numbers:
    """Strengths ``(symmetries, layers)`` after one update.

    Parameters
    ----------
    strength : ndarray, shape (symmetries, layers)
        Strengths before; those that are not tuned stay.
    slopes : ndarray, shape (parts, symmetries, layers)
        Products of slope and deviation on several disjoint parts of the unseen data.
    symmetries, range_
        What is tuned, and how far.
    """
    n = len(slopes)
    error = slopes.std(axis=0, ddof=1) / math.sqrt(n)
    t = np.divide(slopes.mean(axis=0), error, out=np.zeros_like(strength), where=error > 0)
    moved = np.clip(strength * np.exp(range_.step * t / np.sqrt(1 + t**2)), range_.least, range_.most)
    tuned = np.array([one.strength is None for one in symmetries])[:, None]
    return np.asarray(np.where(tuned, moved, strength))


def shrinkage(strength: Numbers, lr: float) -> Numbers:
    """Share of a deviation that goes in one step at a learning rate."""
    return np.asarray(-np.expm1(-2 * lr * strength))


class Pull:
    """What draws weights of several replicas, as torch has them, to symmetries.

    Parameters
    ----------
    orbits : WeightOrbits
        Orbits of all weights in one vector.
    device : str
        Where the weights are.
    """

    def __init__(self, orbits: WeightOrbits, device: str = "cpu") -> None:
        self.layer = torch.from_numpy(orbits.layer).to(device)
        self.number = [torch.from_numpy(number).to(device) for number in orbits.number]
        self.counts = [torch.from_numpy(counts).to(device) for counts in orbits.counts]

    @torch.no_grad()
    def apply(self, arrays: Sequence[Tensor], shrink: Tensor) -> None:
        """Shrink deviations of arrays ``(replicas, ...)``, in place, by shares ``(replicas, symmetries, layers)``."""
        flat = torch.cat([w.reshape(len(w), -1) for w in arrays], dim=1)
        for s, (number, counts) in enumerate(zip(self.number, self.counts, strict=True)):
            sums = torch.zeros(len(flat), len(counts), dtype=torch.float64, device=flat.device)
            means = sums.index_add_(1, number, flat.double()) / counts
            flat -= shrink[:, s][:, self.layer] * (flat - means[:, number].float())
        for w, part in zip(arrays, flat.split([w[0].numel() for w in arrays], dim=1), strict=True):
            w.copy_(part.reshape(w.shape))
