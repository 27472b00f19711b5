"""From curves to an answer: which verdict, and where there is a crossing, the critical point and exponents."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from physnn.analysis.collapse.exponents import Collapse, Settings, collapse, outside
from physnn.analysis.curves.crossing import CROSSING_LEVEL, Pair, crossings
from physnn.analysis.curves.curves import Curves
from physnn.analysis.curves.drift import Drift, drift
from physnn.analysis.curves.points import Points
from physnn.analysis.statistics.frames import Tabled
from physnn.analysis.statistics.plain import fields_json, to_json
from physnn.analysis.verdict.first_order import dip
from physnn.analysis.verdict.merging import JOINED, Merging, merging
from physnn.analysis.verdict.null_model import NullModel
from physnn.analysis.verdict.sentences import fit_lines
from physnn.machine import on_one_blas_thread

Verdict = Literal["crossing", "merging", "first-order", "no-crossing", "non-equilibrium", "undecided"]
Omega = float | Literal["free", "log", "none"] | None
"""Correction exponent that is held, fitted, replaced by 1/ln L, or there only where demanded; None is the default."""
SLIGHT = 0.03
"""Differences on one side of a crossing, over those on the other, that corrections to scaling may make (convention)."""
DECIDED = ("crossing", "merging", "first-order", "no-crossing")
"""Verdicts that answer the question."""
TWO_SIZES = "two sizes cannot show corrections to scaling: x_c and exponents hold only as far as there are none"
"""Remark on fits of two sizes."""
CLEAR = 1.5
"""Significance, over the threshold, from which a difference of one sign is asked where it comes from (convention)."""


@dataclass(frozen=True, repr=False)
class Fit(Tabled):
    """The answer to "is this a phase transition, and where?".

    Attributes
    ----------
    curves : Curves
        What was fitted.
    pairs : list of Pair
        All pairs of sizes; of y L^(-zeta/nu) where zeta is not 0.
    verdict, reason : str
        The answer and its evidence in one sentence.
    verdict_p_value : float
        Probability of pairs that look so much like crossing without crossing.
    collapse : Collapse or None
        Where the verdict is ``crossing`` (or ``first-order`` with curves that cross).
    drift : Drift or None
        Crossings extrapolated, where there are enough.
    merging : Merging or None
        Power law against Kosterlitz-Thouless form, where the verdict is ``merging``.
    remarks : tuple of str
        What a reader must know.
    null : NullModel or None
        For a task's error: whether curves of all sizes follow from one of them.
    """

    curves: Curves
    pairs: list[Pair]
    verdict: Verdict
    reason: str
    verdict_p_value: float
    collapse: Collapse | None = None
    drift: Drift | None = None
    merging: Merging | None = None
    remarks: tuple[str, ...] = ()
    null: NullModel | None = None

    def table_rows(self) -> list[dict[str, object]]:
        """Row of the answer, so that those of many files can be put together; None where the verdict allows none."""
        best, control = self.collapse, self.curves.control
        point = best.critical_point if best else self.merging.best.critical_point if self.merging else None
        numbers = {"1/nu": "inverse_nu", "zeta/nu": "zeta_over_nu", "chi2/dof": "chi2_per_dof", "p": "p_value"}
        row = {"observable": self.curves.observable, "control": control, "verdict": self.verdict}
        return [{**row, f"{control}_c": point} | {name: getattr(best, own, None) for name, own in numbers.items()}]

    def __repr__(self) -> str:
        """Answer in words, as ``physnn fit`` prints it."""
        return "\n".join(fit_lines(self))

    def as_json(self) -> dict[str, Any]:
        """Answer as plain data; estimates are null where the verdict does not allow them."""
        best = self.collapse
        point = best.critical_point if best else self.merging.best.critical_point if self.merging else None
        return {
            "observable": self.curves.observable,
            "control": self.curves.control,
            "method": "crossings; collapse by variable projection averaged over windows and sizes; bootstrap",
            "verdict": self.verdict,
            "reason": self.reason,
            "verdict_p_value": self.verdict_p_value,
            "critical_point": to_json(point),
            **{name: to_json(getattr(best, name, None)) for name in ("inverse_nu", "zeta_over_nu")},
            **{name: getattr(best, name, None) for name in ("chi2_per_dof", "p_value")},
            "sizes": list(self.curves.sizes),
            "window": list(best.window) if best else None,
            "n_bootstrap": len(best.samples) if best else len(next(iter(self.curves.samples.values()))),
            "n_networks": self.curves.networks,
            "n_images": self.curves.images,
            "crossings": [
                {"L": list(p.sizes), "value": p.x.value, "error": p.x.error, "height": p.height.value}
                | {"height_error": p.height.error}
                for p in self.pairs
                if p.x and p.height
            ],
            "drift": fields_json(self.drift, "pairs") if self.drift else None,
            "merging": to_json(self.merging),
            "null_model": to_json(self.null),
            "evidence": to_json(best),
            "warnings": list(self.remarks),
        }


def widest(pairs: list[Pair]) -> Pair:
    """Pair of the smallest and the largest size."""
    return max(pairs, key=lambda p: p.sizes[1] / p.sizes[0])


def verdict_of(pairs: list[Pair]) -> tuple[Verdict, str]:
    """Verdict and reason from the pairs of sizes.

    ``crossing`` if the smallest and the largest size cross, or another pair does beyond doubt when all pairs are
    counted, unless the differences on one side are slight; ``undecided`` if they cross many times or are unresolved, or
    if others cross within doubt; else ``no-crossing``.
    """
    pair = widest(pairs)
    name = f"L = {pair.sizes[0]} and {pair.sizes[1]}"
    if pair.verdict == "crossing":
        return _crossing(pair, name)
    if pair.verdict == "many-crossings":
        return "undecided", f"{name} differ significantly with both signs, changing more than once"
    others = [p for p in pairs if p.verdict == "crossing"]
    sure = [p for p in others if p.p_value * len(pairs) < CROSSING_LEVEL]
    if sure and all(p.verdict != "many-crossings" for p in pairs):
        return "crossing", f"L = {sure[0].sizes[0]} and {sure[0].sizes[1]} differ significantly with both signs"
    if pair.verdict == "unresolved":
        known = f"differences between {name} are known to {pair.resolution:.0%} of the curves' range only"
        return "undecided", f"{known}: add measurements"
    if others:
        return "undecided", f"L = {others[0].sizes[0]} and {others[0].sizes[1]} cross, but {name} do not"
    return "no-crossing", f"between {name} {_seen(pair)}"


def _seen(pair: Pair) -> str:
    """What is seen of differences of one sign or none, and what would be."""
    sign = "positive" if pair.positive > 1 else "negative" if pair.negative > 1 else ""
    if not sign and pair.largest > pair.resolution:
        return (
            f"no difference is significant: the largest, {pair.largest:.1%} of the curves' range, is where errors are "
            f"large; at half of the control values {pair.resolution:.1%} would show"
        )
    seen = f"a significant difference has one sign only ({sign})" if sign else "no difference is significant"
    return (
        f"{seen}; the largest is {pair.largest:.1%} of the curves' range, differences above {pair.resolution:.1%} "
        "would show"
    )


def _crossing(pair: Pair, name: str) -> tuple[Verdict, str]:
    if pair.weaker < SLIGHT and pair.joined >= JOINED:
        return "no-crossing", (
            f"{name} differ on one side by {pair.weaker:.1%} at most of what they differ by on the other, as curves "
            "that join do if there are corrections to scaling"
        )
    return "crossing", f"{name} differ significantly with both signs, changing once"


def against(answer: Fit, null: NullModel) -> Fit:
    """Answer beside the null model: curves that it explains do not show a transition, crossing or not."""
    if null.rejected or answer.verdict not in ("crossing", "merging", "first-order"):
        return replace(answer, null=null)
    reason, known = f"{answer.reason}; but {null.sentence()}", answer.verdict_p_value
    return Fit(answer.curves, answer.pairs, "no-crossing", reason, known, remarks=answer.remarks, null=null)


def omega_of(found: Curves, asked: Omega) -> float | Literal["free", "log"] | None:
    """Omega of a fit: what is asked for, else whether corrections to scaling are fitted; None where only if demanded.

    Unless ``none`` is asked for they are fitted to dimensionless observables at three sizes or more: they are there at
    every size of a lattice model, and move a critical point before chi2 shows them.  Where a network is the draw there
    is no such reason, and with a free zeta/nu as well they would leave little that is known.
    """
    if asked is not None:
        return None if asked == "none" else asked
    return "free" if not found.networks and found.dimensionless and len(found.sizes) > 2 else None


@on_one_blas_thread
def fit_curves(
    curves: Curves, settings: Settings, generator: np.random.Generator, peaks: str = "", sharper: Curves | None = None
) -> Fit:
    """Verdict on curves and, where they cross, critical point and exponents.

    Parameters
    ----------
    curves : Curves
        The data with bootstrap samples.
    settings : Settings
        What is held and what is fitted.
    generator : numpy.random.Generator
        Source of the resampling.
    peaks : str
        Evidence of distributions with two peaks, see `physnn.analysis.verdict.first_order.two_peaks`.
    sharper : Curves, optional
        What is collapsed in place of the curves, from which the verdict comes: they may have points that no crossing
        can be read from, see `physnn.analysis.quantum.slopes.sharpened`.

    Raises
    ------
    InputError
        If there are fewer than two sizes, or the sizes have no range of control values in common.
    """
    zeta, found = settings.fixed(curves.dimensionless)[2], None
    fitted = sharper or curves
    pairs = crossings(curves)
    if zeta is None:
        found = collapse(fitted, settings, generator)
        if found is None:
            return Fit(curves, pairs, "undecided", "no collapse with a free zeta/nu was found", 1.0)
        pairs = crossings(curves.scaled(found.zeta_over_nu.value))
    elif zeta:
        pairs = crossings(curves.scaled(zeta))
    verdict, reason = verdict_of(pairs)
    p_value = widest(pairs).p_value
    if found is not None and verdict != "crossing":
        verdict, reason = _scaled(pairs, found, verdict, reason)
    if curves.equilibrium:
        return Fit(curves, pairs, "non-equilibrium", curves.equilibrium, p_value)
    signs = "; ".join(part for part in (dip(curves) if zeta == 0 else "", peaks) if part)
    if signs:
        return _first_order(curves, pairs, signs, found or collapse(fitted, settings, generator), p_value)
    if verdict == "no-crossing":
        return _without_crossing(curves, pairs, reason, p_value, settings)
    if verdict == "undecided":
        return Fit(curves, pairs, verdict, reason, p_value)
    return _with_crossing(curves, pairs, reason, p_value, found or collapse(fitted, settings, generator))


def _scaled(pairs: list[Pair], found: Collapse, verdict: Verdict, reason: str) -> tuple[Verdict, str]:
    """Verdict where zeta/nu was fitted: scaled peaks need not change sign, they narrow instead.

    So a collapse that is good and knows its exponent is a crossing if there is any difference that it explains.
    """
    differ = any(max(p.positive, p.negative) > 1 for p in pairs)
    known = found.inverse_nu.error == 0 or found.inverse_nu.value > 3 * found.inverse_nu.error
    if differ and known and found.scan.acceptable:
        return "crossing", "curves of y L^(-zeta/nu) differ significantly and collapse"
    if differ:
        return "undecided", f"{reason}; with a free zeta/nu no acceptable collapse with a known 1/nu was found"
    return verdict, reason


def _first_order(curves: Curves, pairs: list[Pair], signs: str, found: Collapse | None, p_value: float) -> Fit:
    if found and found.inverse_nu.error < 0.3 * found.inverse_nu.value:
        signs += f"; 1/nu = {found.inverse_nu}, to be compared with the dimension d"
    return Fit(curves, pairs, "first-order", signs, p_value, found, remarks=found.remarks if found else ())


def _without_crossing(curves: Curves, pairs: list[Pair], reason: str, p_value: float, settings: Settings) -> Fit:
    pair = widest(pairs)
    if max(pair.positive, pair.negative) > CLEAR:
        points = curves.points()
        beyond = outside(points, settings.fixed(curves.dimensionless))
        if beyond is not None:
            text = f"{reason}; but they collapse with a critical point near {beyond:.4g}, so extend the range"
            return Fit(curves, pairs, "undecided", text, p_value)
        joined, least = _joined(curves, points, pairs)
        if joined:
            best = joined.best
            of = f" of L >= {least}" if least > curves.sizes[0] else ""
            text = (
                f"the curves{of} differ on one side of about {best.critical_point} and are joined on the other; "
                f"chi2/dof is {joined.power.chi2 / joined.power.dof:.2f} for a power law, "
                f"{joined.kosterlitz_thouless.chi2 / joined.kosterlitz_thouless.dof:.2f} for exp(b/sqrt t)"
                + (f": {joined.favoured} is favoured" if joined.favoured else ": neither is favoured")
            )
            return Fit(curves, pairs, "merging", text, p_value, merging=joined)
    # What crosses, if slightly, and does not join is neither.
    return Fit(curves, pairs, "undecided" if pair.verdict == "crossing" else "no-crossing", reason, p_value)


def _joined(curves: Curves, points: Points, pairs: list[Pair]) -> tuple[Merging | None, int]:
    """Forms that join all curves, or those of three sizes at least, and the smallest size taken."""
    largest = curves.sizes[-1]
    for least in curves.sizes[:-2] or curves.sizes[:1]:
        pair = next(p for p in pairs if p.sizes == (least, largest))
        if found := merging(points.chosen(np.greater_equal(points.L, least)), pair):
            return found, least
    return None, largest


def _with_crossing(curves: Curves, pairs: list[Pair], reason: str, p_value: float, found: Collapse | None) -> Fit:
    if found is None:
        return Fit(curves, pairs, "undecided", f"{reason}; but no stable collapse was found around it", p_value)
    x_c = found.critical_point.value
    beside = x_c + found.critical_point.error * np.array([-1, 1])  # an edge of the data is no critical point
    covered = [L for L in curves.sizes if curves.x[L].min() < beside[0] and beside[1] < curves.x[L].max()]
    if len(covered) < 2:
        inside = [L for L in curves.sizes if curves.x[L].min() <= beside[1] and beside[0] <= curves.x[L].max()]
        where = "the edge of" if len(inside) > 1 else "beyond"
        text = f"{reason}; but the collapse puts the critical point at {x_c:.4g}, {where} the data: extend the range"
        return Fit(curves, pairs, "undecided", text, p_value, remarks=found.remarks)
    moved = drift(pairs, curves.sizes, found.inverse_nu.value)
    remarks = found.remarks if len(curves.sizes) > 2 else (*found.remarks, TWO_SIZES)
    return Fit(curves, pairs, "crossing", reason, p_value, found, moved, remarks=remarks)
