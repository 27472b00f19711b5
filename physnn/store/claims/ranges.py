"""Limits between which quantities lie, by name: what no measurement gives was not measured."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

SLACK = 1e-5
"""Part of a limit by which rounding in single precision may pass it."""


@dataclass(frozen=True)
class Range:
    """Least and largest value of a quantity.

    Numbers may be ``whole``, ``absent`` (NaN or infinite where there is none), or ``narrow`` (less than double
    precision); or they are ``text``.
    """

    low: float = -np.inf
    high: float = np.inf
    whole: bool = False
    absent: bool = False
    narrow: bool = False
    text: bool = False

    def __str__(self) -> str:
        numbers = "whole numbers" if self.whole else "numbers"
        if np.isfinite(self.low) and np.isfinite(self.high):
            return f"{numbers} from {self.low:g} to {self.high:g}"
        return f"{numbers} of {self.low:g} or more" if np.isfinite(self.low) else f"finite {numbers}"

    def offence(self, values: np.ndarray) -> str:
        """What is wrong with an array, or nothing; it is gone through twice."""
        if self.text:
            return "" if values.dtype.kind == "S" else f"has the type {values.dtype}, not text"
        if values.dtype.kind not in ("iub" if self.whole else "f"):
            return f"has the type {values.dtype}, not {'that of whole numbers' if self.whole else 'float64'}"
        if values.dtype.kind == "f" and values.dtype.itemsize < 8 and not self.narrow:
            return f"has the type {values.dtype}, not float64"
        if not values.size:
            return ""
        # NaN passes through the least and the largest, and is left out by those for absent numbers.
        least, most = (np.fmin, np.fmax) if self.absent else (np.minimum, np.maximum)
        low, high = float(least.reduce(values, axis=None)), float(most.reduce(values, axis=None))
        slack = 0.0 if self.whole else SLACK
        if self.absent:
            bad = low < self.low - slack or high > self.high + slack
        else:
            bad = not (self.low - slack <= low and high <= self.high + slack and np.isfinite([low, high]).all())
        return f"has {low if not low >= self.low - slack else high:g}, but holds {self}" if bad else ""


_SHARE, _SIGNED, _POSITIVE = Range(0, 1), Range(-1, 1), Range(0)
_COUNT, _FLAG, _BYTE = Range(0, whole=True), Range(0, 1, whole=True), Range(0, 255, whole=True)

_CHAINS = {
    "structure_*": _POSITIVE,
    "updates replica state_replica state_exchanges": _COUNT,
    "interval": Range(1, whole=True),
    "state_colours snapshots state_generator state_swaps": Range(whole=True),
}
"""Of chains of lattice models, also of those that were brought, whose order parameters have any length."""

RANGES: Mapping[str, Mapping[str, Range]] = {
    "*": {"swap_rate flow": Range(0, 1, absent=True), "round_trips": _COUNT},
    "noise": {"rmse se_near se_far target_sq m_abs m2 m4": _POSITIVE, "n_near n_shapes n_order": _COUNT},
    "temperature": {"m": _SIGNED, "m2_improved m4_improved": _SHARE, "staggered stripe": _POSITIVE} | _CHAINS,
    "own": _CHAINS,
    "percolation": {"wrap_either wrap_both largest largest_sq": _SHARE, "cluster_size": _POSITIVE},
    "coupling": {"*": _SHARE},
    "path-integral": {
        "m m_time correlation": _SIGNED,
        "m2_improved m4_improved m_time2 m_time4": _SHARE,
        "s_time s_space sigma_x structure_*": _POSITIVE,
        "state_spins": Range(-1, 1, whole=True),
        "state_offsets": _COUNT,
        "state_generator": Range(whole=True),
        "state_kinks": _POSITIVE,
    },
    "equilibrium": {
        "walls vortices accepted": _SHARE,
        "m2 s_kmin structure current_sq eta": _POSITIVE,
        "replica state_replica state_exchanges state_step": _COUNT,
        "state_generator state_swaps mode_place": Range(whole=True),
        "state_x state_clean": Range(narrow=True),
        "state_size t_conf": Range(absent=True),
    },
    "memory": {
        "roughness roughness_curve lifetime": Range(0, absent=True),
        "gamma": _POSITIVE,
        "lost": _FLAG,
        "*": Range(absent=True),
    },
    "seam": {
        "from_periodic from_antiperiodic": Range(text=True),
        "c tau": Range(0, absent=True),
        "*": Range(absent=True),
    },
    "ground-state": {
        "m staggered correlation": _SIGNED,
        "stage_variance exact_gap": Range(0, absent=True),
        "stage_order2 stage_order4 exact_order2": Range(0, 1, absent=True),
        "energy": Range(),
        "weights bias field": Range(narrow=True),
        "*": Range(absent=True),
    },
    "landscape": {"count": Range(1, whole=True)},
    "landscape-sampling": {
        "loss": Range(absent=True),
        "fraction": Range(0, 1, absent=True),
        "visits": _COUNT,
        "inverse_time": _FLAG,
    },
    "train-eos train-pde": {
        "loss chi2 error mean_error max_error": Range(0, absent=True),
        "*": Range(absent=True, narrow=True),
    },
    "train-rbm": {
        "structure_*": _POSITIVE,
        "energy m": Range(),
        "*_error": Range(0, absent=True),
        "snapshots": Range(whole=True),
        "*": Range(absent=True, narrow=True),
    },
    "train-colour": {
        "loss error mean_error diversity": Range(0, absent=True),
        "bar_error": _POSITIVE,
        "samples truth grey": _BYTE,
        "weights": Range(absent=True, narrow=True),
    },
    "train-sentiment": {
        "*_accuracy": _SHARE,
        "*_loss *_loss_error identity": Range(0, absent=True),
        "right bar_right": _FLAG,
    },
    "train-labels": {"*_accuracy": Range(0, 1, absent=True), "*_loss": Range(0, absent=True), "best_rate": _POSITIVE},
    "energy-map": {
        "energy map_*": Range(0, absent=True, narrow=True),
        "label": _COUNT,
        "*": Range(absent=True, narrow=True),
    },
    "recall": {"right right_many": Range(0, 1, absent=True)},
    "physnn-networks": {
        "validation_rmse loss soft_strength soft_deviation": _POSITIVE,
        "seed": _COUNT,
        "lift coupling readout readout_bias bias": Range(narrow=True),
    },
    "physnn-ensembles": {
        "train_accuracy test_accuracy": _SHARE,
        "loss test_loss soft_strength soft_deviation soft_cost_error charge_rounding": _POSITIVE,
        "predictions seed": _COUNT,
        "*.running_var": Range(0, narrow=True),
        "soft_* charge_*": Range(),
        "*": Range(narrow=True),
    },
    "physnn-distances": {"*": _POSITIVE},
}
"""Ranges by kinds and names of quantities, in which ``*`` stands for any letters; the first that fits holds.

``own`` are temperature sweeps of models that were brought.

Other quantities hold finite numbers in double precision.
"""


@functools.lru_cache(maxsize=1024)
def range_of(kind: str, name: str) -> Range:
    """Range of a quantity in files of a kind."""
    for kinds, ranges in RANGES.items():
        if any(fnmatchcase(kind, one) for one in kinds.split()):
            for names, found in ranges.items():
                if any(fnmatchcase(name, one) for one in names.split()):
                    return found
    return Range()
