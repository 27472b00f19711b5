"""Answers of fits in words: what is printed of them, line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physnn.analysis.statistics.estimate import Estimate

if TYPE_CHECKING:
    from physnn.analysis.collapse.exponents import Collapse
    from physnn.analysis.verdict.fit import Fit

FEW_NETWORKS = 5
"""Networks below which an error over networks says little of others."""


def fit_sentence(fit: Fit) -> str:  # noqa: PLR0911  (one return for each verdict)
    """Answer of a fit in one plain sentence: is there a transition, and where?"""
    curves, control = fit.curves, fit.curves.control
    what = f"curves of {curves.observable} against {control}"
    if fit.verdict == "crossing":
        nu = f", with 1/nu = {fit.collapse.inverse_nu}" if fit.collapse else ""
        at = f" at {control}_c = {fit.collapse.critical_point}" if fit.collapse else ""
        return f"There is a transition{at}{nu}: {what} cross."
    if fit.verdict == "first-order":
        at = f" at {control}_c = {fit.collapse.critical_point}" if fit.collapse else ""
        return f"There is a transition of first order{at}."
    if fit.verdict == "merging":
        at = f" at {control}_c = {fit.merging.best.critical_point}" if fit.merging else ""
        return f"There is a transition{at}: on one side of it {what} are joined."
    if fit.verdict == "no-crossing":
        if fit.null and not fit.null.rejected and any(pair.x for pair in fit.pairs):
            return f"No transition is seen: {what} follow from what holds at every L."
        return f"No transition is seen: {what} do not cross."
    if fit.verdict == "non-equilibrium":
        return "Nothing can be said of a transition: the data are not in equilibrium."
    return f"It is undecided whether {what} cross."


def fit_lines(fit: Fit) -> list[str]:
    """Lines of a fit: one plain sentence, the verdict and its reason, then crossings, exponents and remarks."""
    curves = fit.curves
    lines = [f"{curves.observable} against {curves.control}: {fit.verdict}", fit.reason]
    for pair in fit.pairs:
        if pair.x and pair.height:
            lines.append(f"L = {pair.sizes[0]} and {pair.sizes[1]} cross at {pair.x}, height {pair.height}")
    if fit.drift:
        lines.append(
            f"crossings extrapolate to {fit.drift.critical_point} (drift {fit.drift.drift_error:.1g}), "
            f"height {fit.drift.height} (drift {fit.drift.height_drift_error:.1g})"
        )
    if fit.collapse:
        lines += _collapse_lines(fit.collapse, curves.control)
    if fit.null and fit.null.sentence() not in fit.reason:
        lines.append(fit.null.sentence())
    lines += [f"note: {remark}" for remark in fit.remarks]
    if 0 < curves.networks < FEW_NETWORKS:
        lines.append(f"errors rest on {curves.networks} networks: they hold for these, hardly for all such networks")
    return [fit_sentence(fit), *(f"  {line}" for line in lines)]


def _collapse_lines(best: Collapse, control: str) -> list[str]:
    answer = f"collapse: {control}_c = {best.critical_point}, 1/nu = {best.inverse_nu}"
    if best.zeta_over_nu.error or best.zeta_over_nu.value:
        answer += f", zeta/nu = {best.zeta_over_nu}"
    if best.scan.best.form.logarithmic:
        answer += ", corrections as 1/ln L"
    if best.omega.value == best.omega.value:
        answer += f", omega = {best.omega}"
    window = best.window
    quality = "" if best.points.carry_derivatives else f"S = {best.quality:.2f}, "
    lines = [
        answer,
        f"best fit: chi2/dof = {best.chi2_per_dof:.2f}, p = {best.p_value:.2g}, {quality}on "
        f"{window[0]:.6g} to {window[1]:.6g} from L = {best.scan.best.smallest}; "
        f"{sum(c.weight > 0.01 for c in best.scan.candidates)} of {len(best.scan.candidates)} fits carry weight",
    ]
    second = best.gaussian_process
    if second:
        point, slope = (Estimate(float(second.parameters[k]), float(second.covariance[k, k]) ** 0.5) for k in (0, 1))
        bare = ", without the correction" if best.omega.value == best.omega.value else ""
        lines.append(f"Gaussian process on the same points{bare}: {control}_c = {point}, 1/nu = {slope}")
    if best.networks:
        own = best.networks
        lines.append(
            f"networks one by one: {control}_c = {own.critical_point.mean}, spread {own.critical_point.spread:.2g} "
            f"(p = {own.critical_point.p_value:.2g} for none); 1/nu = {own.inverse_nu.mean}, "
            f"spread {own.inverse_nu.spread:.2g} (p = {own.inverse_nu.p_value:.2g})"
        )
    return lines
