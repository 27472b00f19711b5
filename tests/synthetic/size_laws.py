"""Synthetic values at one control value with a known law in L: do intervals hold the truth as often as they say?"""

from __future__ import annotations

import numpy as np

from physnn.analysis.curves.points import Points
from physnn.analysis.curves.section import Section, section
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.verdict.size_law import SizeLaw, size_law

LAWS = ("power", "corrected", "logarithm", "constant", "control")
"""What is planted: L^p; L^p (1 + b L^-omega), |b L^-omega| up to 0.26 at L = 8; a + b ln L; c + L^p; and L^p F(u) on
grids of the control that miss the critical point, whose value is known to an error that moves values by some errors."""


def planted_curves(generator: np.random.Generator, carried: bool = True) -> tuple[Section, float]:
    """Values at a critical point that is known to an error, from curves of 5 sizes, and their exponent.

    Without ``carried`` the error is not told.
    """
    sizes, points = (8, 16, 24, 32, 64), 11
    truth, inverse_nu, x_c = generator.uniform(-0.3, 1.8), generator.uniform(0.7, 1.5), 0.5
    L = np.repeat(np.array(sizes, float), points)
    u = np.tile(np.linspace(-1, 1, points), 5) + 0.1 * generator.uniform(-1, 1, len(L))
    y = L**truth * (1 + 0.5 * np.tanh(u + 0.3))
    error = 0.003 * y
    values = y + error * generator.standard_normal(len(L))
    known_to = float(0.04 * 64**-inverse_nu)
    at = Estimate(x_c + known_to * generator.standard_normal(), known_to if carried else 0.0)
    found = Points(L, x_c + u * L**-inverse_nu, values, error)
    return section(found, at, ("T", "value", "value")), float(truth)


def planted_law(kind: str, generator: np.random.Generator) -> tuple[Section, float]:
    """Values of 5 to 8 sizes with errors of 0.1 to 1 %, and the exponent, or the slope against ln L, behind them."""
    if kind == "control":
        return planted_curves(generator)
    L = 8 * 2 ** np.linspace(0, generator.uniform(3, 4), int(generator.integers(5, 9)))
    L = np.round(L)
    if kind == "logarithm":
        truth = float(generator.uniform(0.2, 2))
        y = generator.uniform(-0.5, 2) + truth * np.log(L)
    else:
        truth = float(generator.uniform(0.3, 1.5) if kind == "constant" else generator.uniform(-0.6, 2))
        y = L**truth
        if kind == "corrected":
            y = y * (1 + generator.uniform(-0.4, 0.4) * (L / 4) ** -generator.uniform(0.6, 2))
        if kind == "constant":
            y = y + generator.uniform(-0.5, 1.5) * y[0]
    error = np.exp(generator.uniform(np.log(1e-3), np.log(1e-2))) * np.abs(y)
    names = {"constant": "c", "logarithm": "c"}.get(kind, "value")
    values = y + error * generator.standard_normal(len(L))
    return Section(L, values, np.diag(error**2), None, "T", names, names), truth


def law_trial(kind: str, generator: np.random.Generator) -> tuple[SizeLaw, float | None, bool, bool]:
    """Answer, (estimate - truth) / error if there is an estimate, and whether the 68.3 and 95 % intervals hold it.

    Fits are those of the command; without corrections where an error of the control is what is looked at.
    """
    found, truth = planted_law(kind, generator)
    answer = size_law(found, "none" if kind == "control" else None)
    estimate = answer.slope if kind == "logarithm" else answer.exponent
    if estimate is None:
        return answer, None, False, False
    z = (estimate.value - truth) / estimate.error
    return answer, z, abs(z) <= 1, _holds(estimate, truth)


def _holds(estimate: Estimate, truth: float) -> bool:
    low, high = estimate.interval()
    return low <= truth <= high
