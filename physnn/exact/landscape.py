"""Levels and how many configurations lie on each: an exact loss landscape, or an exact density of states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas

EXACT_JSON = 2**53
"""Largest count written as a JSON number: beyond it readers that use float64 would round."""


@dataclass(frozen=True, eq=False)
class Landscape:
    """Exact landscape: every level of a system of two-valued variables with its number of configurations.

    Parameters
    ----------
    weights : int
        Number of two-valued variables (weights of a network, spins of a lattice).
    levels : ndarray of float64, shape (distinct,)
        Losses or energies, ascending.
    counts : ndarray of object, shape (distinct,)
        Python integers: configurations on each level; they sum to ``2^weights``.
    method : str
        How they were counted.

    Raises
    ------
    ValueError
        If the levels do not ascend, or the counts are not positive or do not sum to ``2^weights``: a bug in what
        counted them.
    """

    weights: int
    levels: np.ndarray
    counts: np.ndarray
    method: str

    def __post_init__(self) -> None:
        if self.levels.shape != self.counts.shape or self.levels.ndim != 1 or not np.isfinite(self.levels).all():
            raise ValueError("a landscape needs one count for each finite level")
        if not (np.diff(self.levels) >= 0).all():
            raise ValueError("the levels of a landscape must ascend")
        if min(self.counts) <= 0 or self.configurations != 2**self.weights:
            raise ValueError(f"the counts sum to {self.configurations}, not to 2^{self.weights}")

    @classmethod
    def build(cls, weights: int, levels: np.ndarray, counts: Sequence[int] | np.ndarray, method: str) -> Landscape:
        """Landscape from levels in any order, each given once."""
        order = np.argsort(levels, kind="stable")
        exact = np.empty(len(levels), object)
        exact[:] = counts if isinstance(counts, np.ndarray) and counts.dtype == object else [int(c) for c in counts]
        return cls(weights, np.asarray(levels, float)[order], exact[order], method)

    @cached_property
    def configurations(self) -> int:
        """Number of configurations in all."""
        return int(self.counts.sum())

    def to_dataframe(self) -> pandas.DataFrame:
        """Levels with their configurations, and with those up to there, as Python integers."""
        import pandas

        return pandas.DataFrame({"level": self.levels, "configurations": self.counts, "up to here": self.cumulative})

    @property
    def distinct(self) -> int:
        """Number of distinct levels."""
        return len(self.levels)

    @cached_property
    def max_degeneracy(self) -> int:
        """Configurations on the most degenerate level."""
        return int(self.counts.max())

    @property
    def mean_degeneracy(self) -> float:
        """Configurations per level: ``2^weights / distinct``."""
        return self.configurations / self.distinct

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Fraction of all configurations on each level."""
        return (self.counts / self.configurations).astype(float)

    @cached_property
    def entropy(self) -> float:
        """``-sum p ln p`` over the levels, in nats; at most ``ln distinct``."""
        p = self.probabilities[self.probabilities > 0]
        return max(0.0, float(-(p * np.log(p)).sum()))

    @property
    def minimum_fraction(self) -> float:
        """Fraction of all configurations on the lowest level."""
        return float(self.probabilities[0])

    @property
    def cumulative(self) -> np.ndarray:
        """Configurations on each level and below: Python integers, shape ``(distinct,)``."""
        return np.cumsum(self.counts)

    @cached_property
    def closest(self) -> float:
        """Smallest gap of two neighbouring levels over the larger of their moduli; infinite for one level.

        Levels are counted apart by exact rules and written as float64 (spacing 2e-16): a gap near that says that
        numbers alone could not tell two of them apart.
        """
        if self.distinct < 2:
            return float("inf")
        size = np.maximum(np.abs(self.levels[1:]), np.abs(self.levels[:-1]))
        return float((np.diff(self.levels) / np.where(size > 0, size, 1)).min())

    def summary(self) -> dict[str, Any]:
        """Numbers that describe the levels without listing them, ready for JSON."""
        return {
            "weights": self.weights,
            "configurations": exact_json(self.configurations),
            "distinct": self.distinct,
            "max_degeneracy": exact_json(self.max_degeneracy),
            "mean_degeneracy": self.mean_degeneracy,
            "entropy": self.entropy,
            "minimum_fraction": self.minimum_fraction,
            "closest": self.closest if self.distinct > 1 else None,
            "method": self.method,
        }

    def as_json(self, name: str = "loss") -> dict[str, Any]:
        """`summary` and ``levels``: ``[{name: level, "count": count}]``; counts above 2^53 as strings."""
        pairs = zip(self.levels.tolist(), self.counts, strict=True)
        return self.summary() | {"levels": [{name: level, "count": exact_json(count)} for level, count in pairs]}


def exact_json(count: int) -> int | str:
    """Count for JSON: as a string beyond `EXACT_JSON`."""
    return int(count) if count <= EXACT_JSON else str(count)
