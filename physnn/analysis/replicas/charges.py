"""Charges of learning of replicas: measured beside predicted, the difference in its errors, and a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from physnn.analysis.statistics.estimate import Estimate, mean_over
from physnn.errors import InputError

ROUNDED_WITHIN = 5.0
"""Standard deviations of rounding that components may be off, root mean square, if a symmetry holds."""
NEARLY = 1e-3
"""Share of what the steps could have changed up to which a symmetry nearly holds."""
ROUNDED_SHARE = 1e-6
"""Such a share that rounding of gradients makes up in single precision; unlike that of weights it may be biased."""
TESTABLE = 1e-3
"""Largest rounding, as such a share, with which a symmetry can be tested."""


@dataclass(frozen=True)
class ChargeCourse:
    """One charge of replicas along their training.

    Attributes
    ----------
    name : str
        Kind and place, such as ``scale first``.
    units : tuple of str
        What each component is: a unit, or two.
    steps : ndarray, shape (marks,)
        Steps of the optimiser at each mark.
    measured, predicted : ndarray, shape (replicas, marks, components)
        The charge, and what its first value and the lengths of the steps give.
    reach, rounding : ndarray, shape (replicas, components)
        Most that the steps could have changed it, to first order; variance by rounding of the weights.
    decay : float
        Rate of decay in gradient flow, for one step.
    """

    name: str
    units: tuple[str, ...]
    steps: np.ndarray
    measured: np.ndarray
    predicted: np.ndarray
    reach: np.ndarray
    rounding: np.ndarray
    decay: float

    @property
    def single(self) -> list[int]:
        """Places of components of a single unit: all but products of two different ones."""
        return [k for k, unit in enumerate(self.units) if len(set(unit.split())) == 1]

    def total(self, values: np.ndarray) -> np.ndarray:
        """Sums over units, of the last axis."""
        return np.asarray(values[..., self.single].sum(-1))

    @property
    def flow(self) -> np.ndarray:
        """Sums over units in gradient flow, shape (replicas, marks)."""
        return self.total(self.measured[:, :1]) * np.exp(-self.decay * self.steps)


@dataclass(frozen=True)
class ChargeRow:
    """Motion of one charge in all replicas of an ensemble; sums over its units, with errors over replicas.

    Attributes
    ----------
    first, measured, predicted, flow : Estimate
        Before training; after it; from the first value and the lengths of the steps; in gradient flow.
    drift : Estimate
        Measured less predicted; its error is over replicas, and never below that of rounding.
    roundings : float
        Root mean square of the same of all components, in standard deviations of rounding.
    share : float
        The same as a share of what the steps could have changed, 0 to 1.
    rounded : float
        Standard deviation of rounding as such a share.
    """

    ensemble: str
    charge: str
    components: int
    first: Estimate
    measured: Estimate
    predicted: Estimate
    flow: Estimate
    drift: Estimate
    roundings: float
    share: float
    rounded: float

    @property
    def in_errors(self) -> float:
        """Drift in units of its error."""
        return self.drift.value / self.drift.error if self.drift.error > 0 else math.nan

    @property
    def verdict(self) -> str:
        """``holds`` to rounding, ``nearly``, ``broken``, or ``undecided`` where rounding hides it."""
        if not self.rounded < TESTABLE:
            return "undecided (steps too small for this precision)"
        if self.roundings <= ROUNDED_WITHIN or self.share < ROUNDED_SHARE:
            return "holds"
        return "nearly" if self.share < NEARLY else "broken"


def charge_row(ensemble: str, course: ChargeCourse) -> ChargeRow:
    """Motion of one charge, see `ChargeRow`.

    Raises
    ------
    InputError
        If no step was taken.
    """
    if course.steps[-1] == 0:
        raise InputError(f"{ensemble} took no step; train it for an epoch or more")
    apart, last = course.measured[:, -1] - course.predicted[:, -1], -1
    scatter = np.sqrt(course.rounding[:, course.single].sum(-1))
    reach = float(np.linalg.norm(course.reach))
    return ChargeRow(
        ensemble,
        course.name,
        len(course.units),
        mean_over(course.total(course.measured[:, 0])),
        mean_over(course.total(course.measured[:, last])),
        mean_over(course.total(course.predicted[:, last])),
        mean_over(course.flow[:, last]),
        mean_over(course.total(apart), scatter.tolist()),
        float(np.sqrt(np.mean(apart**2 / course.rounding))),
        float(np.linalg.norm(apart)) / reach if reach else math.nan,
        float(np.sqrt(course.rounding.sum())) / reach if reach else math.nan,
    )
