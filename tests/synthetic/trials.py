"""Trials of the whole fit on synthetic data: do intervals hold the truth as often as they say?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from physnn.analysis.collapse.exponents import Settings
from physnn.analysis.curves.curves import curves_of
from physnn.analysis.curves.tables import Columns, curves_of_table
from physnn.analysis.statistics.estimate import ONE_SIGMA, Estimate
from physnn.analysis.verdict.fit import Fit, fit_curves
from tests.synthetic.planted import Planted, Recipe, planted, planted_networks

KINDS = ("plain", "zeta", "corrected", "omega", "uncorrected", "networks 5", "networks 10", "flat", "edges")
"""What is planted.

``plain``: zeta = 0; ``zeta``: zeta/nu is fitted; ``corrected``, ``omega``: corrections to scaling that are modelled,
omega held or fitted; ``uncorrected``: the same and not modelled; ``networks n``: n networks with critical points of
their own; ``flat``: curves that do not depend on L; ``edges``: two sizes that differ by 5 errors at the window's edges.
"""
AMPLITUDE, OMEGA = 0.3, 1.0
"""Corrections to scaling that are planted."""


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes
    ----------
    verdict : str
        The fit's.
    z : tuple of float
        (estimate - truth)/error of x_c, 1/nu and, where it is fitted, zeta/nu; empty without estimates.
    inside : tuple of (bool, bool)
        Whether the 68.3 % and the 95 % interval hold the truth, for each of them.
    warned : bool
        Whether the fit says that scaling is not perfect: a poor chi2, a narrower window, fewer sizes or corrections.
    """

    verdict: str
    z: tuple[float, ...]
    inside: tuple[tuple[bool, bool], ...]
    warned: bool


def trial(kind: str, generator: np.random.Generator, resamples: int = 60) -> Trial:
    """Plant data of a kind, fit them, and compare with the truth."""
    settings = Settings(resamples=resamples)
    if kind.startswith("networks"):
        sizes, made = planted_networks(generator, int(kind.split()[1]))
        curves = curves_of(sizes, "overlap", "eta", resamples, generator)
        return judged(fit_curves(curves, settings, generator), made, False)
    zeta = kind == "zeta"
    correction = AMPLITUDE if kind in ("corrected", "omega", "uncorrected") else 0.0
    data = planted(generator, zeta, correction, OMEGA, crosses=kind != "flat")
    if kind == "edges":
        data = _edges(data, generator)
    if zeta:
        settings = replace(settings, zeta="free")
    if kind in ("corrected", "omega"):
        settings = replace(settings, omega=OMEGA if kind == "corrected" else "free")
    curves = curves_of_table(Columns(data.L, data.x, data.y, data.error), None, 1000, generator)[0]
    return judged(fit_curves(curves, settings, generator), data, zeta)


def _edges(data: Planted, generator: np.random.Generator) -> Planted:
    """Return straight curves of two sizes that cross in the middle, 5 errors of their difference apart at the edges."""
    x = np.unique(data.x)
    middle, half = (x[0] + x[-1]) / 2, (x[-1] - x[0]) / 2
    error = float(data.error.mean())
    L = np.repeat([16.0, 64.0], len(x))
    slope = np.where(L == 64, 5 * np.sqrt(2) * error / half, 0.0)
    y = 0.5 + 0.2 * (np.tile(x, 2) - middle) / half + slope * (np.tile(x, 2) - middle)
    y = y + error * generator.standard_normal(len(L))
    return replace(data, L=L, x=np.tile(x, 2), y=y, error=np.full(len(L), error))


def judged(answer: Fit, truth: Planted | Recipe, zeta: bool) -> Trial:
    best = answer.collapse
    if best is None:
        return Trial(answer.verdict, (), (), False)
    pairs: list[tuple[Estimate, float]] = [
        (best.critical_point, truth.critical_point),
        (best.inverse_nu, truth.inverse_nu),
    ]
    if zeta:
        pairs.append((best.zeta_over_nu, truth.zeta_over_nu))
    inside = tuple((_holds(e, t, ONE_SIGMA), _holds(e, t, 0.95)) for e, t in pairs)
    whole = best.scan.candidates[0].solution
    smallest = min(answer.curves.sizes)
    cut = sum(c.weight for c in best.scan.candidates if c.smallest > smallest or not c.mask.all() or c.form.analytic)
    warned = bool(best.remarks) or whole.p_value < 0.05 or cut > 0.5 or best.scan.best.form.corrected
    return Trial(answer.verdict, tuple((e.value - t) / e.error for e, t in pairs), inside, warned)


def _holds(estimate: Estimate, truth: float, level: float) -> bool:
    low, high = estimate.interval(level)
    return low <= truth <= high
