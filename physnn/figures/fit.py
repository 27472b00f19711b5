"""Figures of a fit: curves with the crossing, collapse with residuals, and the evidence for the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from matplotlib.ticker import LogLocator, NullFormatter

from physnn.analysis.collapse.average import Candidate
from physnn.analysis.collapse.exponents import Collapse
from physnn.analysis.collapse.single import without_corrections
from physnn.analysis.curves.crossing import curve_difference
from physnn.analysis.curves.curves import Curves
from physnn.analysis.verdict.fit import Fit
from physnn.errors import InputError
from physnn.figures.style import AXIS_LABELS, COLOURS, MARKERS, errorbar, look, new_figure

SHOWN_WEIGHT = 0.002
"""Least weight of a fit that is drawn as part of the average."""
FORMS = {
    (False, False): "plain",
    (True, False): r"with $(x - x_c)\,H(u)$",
    (False, True): r"with $L^{-\omega}$",
    (True, True): "with both",
}
"""Names of scaling forms by their (analytic, corrected) terms."""
WITHOUT_COLLAPSE = ("curves", "differences", "drift")
"""Panels that need no collapse."""


def sweep_figure(fit: Fit) -> Figure:
    """Figure of curves with error bands beside the collapse, or beside the differences where there is none.

    Curves of sizes that were not compared stand alone.
    """
    if not fit.pairs:
        figure = new_figure(5, 4.2)
        draw_curves(figure.subplots(), fit)
        return figure
    figure = new_figure(10, 4.2)
    left, right = figure.subplots(1, 2)
    draw_curves(left, fit)
    if fit.collapse:
        draw_collapse(right, fit)
    else:
        draw_differences(right, fit)
    return figure


def fit_figure(fit: Fit) -> Figure:
    """Figure of six panels: curves, collapse, residuals, 1/nu against window and L_min, bootstrap cloud, drift.

    Without a collapse they are two: the curves and their differences.
    """
    if fit.collapse is None:
        return sweep_figure(fit)
    figure = new_figure(14, 8.2)
    grid = figure.add_gridspec(2, 3)
    draw_curves(figure.add_subplot(grid[0, 0]), fit, inset=True)
    inner = grid[0, 1].subgridspec(2, 1, height_ratios=(3, 1), hspace=0.05)
    top = figure.add_subplot(inner[0])
    draw_collapse(top, fit)
    bottom = figure.add_subplot(inner[1], sharex=top)
    draw_residuals(bottom, fit)
    bottom.set_xlabel(top.get_xlabel())
    top.set_xlabel("")
    top.tick_params(labelbottom=False)
    draw_windows(figure.add_subplot(grid[0, 2]), fit.collapse)
    draw_smallest(figure.add_subplot(grid[1, 0]), fit.collapse)
    draw_cloud(figure.add_subplot(grid[1, 1]), fit)
    draw_drift(figure.add_subplot(grid[1, 2]), fit)
    return figure


def panel_figure(fit: Fit, names: Sequence[str]) -> Figure:
    """Figure of a row of panels by their names in `FIT_PANELS`, as wide as a slide or a column wants it.

    Raises
    ------
    InputError
        If a panel is of a collapse, and the answer has none.
    """
    if fit.collapse is None and (missing := [name for name in names if name not in WITHOUT_COLLAPSE]):
        raise InputError(
            f"there is no collapse to draw {', '.join(missing)} of, the verdict is {fit.verdict}; "
            f"panels without: {', '.join(WITHOUT_COLLAPSE)}"
        )
    figure = new_figure(0.4 + 4.8 * len(names), 4.2)
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names, strict=True):
        FIT_PANELS[name](axes, fit)
    return figure


def control_symbol(control: str) -> str:
    """Symbol of a control parameter in formulas."""
    known = {"eta": r"\eta", "beta": r"\beta"}
    return known.get(control, control if len(control) == 1 else rf"\mathrm{{{control}}}".replace("_", r"\_"))


def axis_label(curves: Curves) -> str:
    """Label of the axis of the control parameter."""
    return AXIS_LABELS.get(curves.control, rf"${control_symbol(curves.control)}$")


def draw_curves(axes: Axes, fit: Fit, inset: bool = False) -> None:
    """Panel of y(x) of every size with bands of one standard error, and the critical point where there is one."""
    curves = fit.curves
    for k, L in enumerate(curves.sizes):
        (colour, marker), error = look(k), curves.errors[L]
        axes.fill_between(curves.x[L], curves.y[L] - error, curves.y[L] + error, color=colour, alpha=0.25, lw=0)
        # Smaller markers on larger ones, so that coinciding curves are all seen.
        (line,) = axes.plot(curves.x[L], curves.y[L], color=colour, lw=1.2, label=f"L = {L}")
        line.set(marker=marker, markersize=max(3, 9 - 2.5 * k), fillstyle="full" if k else "none")
        if fit.null and L in fit.null.predicted:
            axes.plot(fit.null.eta, fit.null.predicted[L], color=colour, lw=2.5, ls=":", zorder=3)
    if unknown := sorted({x for at in curves.frozen.values() for x in at}):
        foot = axes.get_xaxis_transform()
        axes.plot(
            unknown, [0.03] * len(unknown), "x", color="0.3", ms=6, transform=foot, label="unknown: no chain moved"
        )
    if fit.null:
        axes.plot([], [], color="0.3", lw=2.5, ls=":", label=f"predicted from L = {fit.null.reference}")
    axes.set(xlabel=axis_label(curves), ylabel=curves.symbol)
    axes.set_title(f"verdict: {fit.verdict}", fontsize=10)
    if fit.collapse:
        point = fit.collapse.critical_point
        axes.axvspan(point.value - point.error, point.value + point.error, color="0.7", lw=0)
        name = control_symbol(curves.control)
        axes.axvline(point.value, color="0.3", ls="--", lw=1, label=rf"${name}_c$ = {point}")
    axes.legend(frameon=False, fontsize=8)
    if inset and fit.collapse:
        _draw_inset(axes, fit, fit.collapse)


def _draw_inset(axes: Axes, fit: Fit, best: Collapse) -> None:
    """Panel of the neighbourhood of the critical point of y L^(-zeta/nu), where the curves meet."""
    curves = fit.curves.scaled(best.zeta_over_nu.value) if best.zeta_over_nu.value else fit.curves
    largest = curves.sizes[-1]
    x_c = best.critical_point.value
    reach = max(12 * best.critical_point.error, float(np.sort(np.abs(curves.x[largest] - x_c))[:5].max()))
    place = axes.inset_axes(_emptiest(axes, curves))
    low, high = np.inf, -np.inf
    for k, L in enumerate(curves.sizes):
        near = np.abs(curves.x[L] - x_c) <= reach
        errorbar(place, k, curves.x[L][near], curves.y[L][near], curves.errors[L][near], ls="-", ms=3, lw=0.8)
        low, high = min(low, curves.y[L][near].min(initial=low)), max(high, curves.y[L][near].max(initial=high))
    place.axvspan(x_c - best.critical_point.error, x_c + best.critical_point.error, color="0.8", lw=0)
    place.axvline(x_c, color="0.3", ls="--", lw=0.8)
    place.set_xlim(x_c - reach, x_c + reach)
    if high > low:
        place.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
    place.tick_params(labelsize=6)
    place.locator_params(nbins=3)


def _emptiest(axes: Axes, curves: Curves) -> tuple[float, float, float, float]:
    """Corner of the axes, in their own units, that covers the fewest points; the legend takes another."""
    points = np.concatenate([np.stack([curves.x[L], curves.y[L]], axis=1) for L in curves.sizes])
    inside = axes.transAxes.inverted().transform(axes.transData.transform(points))
    corners = [(x, y, 0.36, 0.36) for x in (0.1, 0.6) for y in (0.1, 0.6)]

    def covered(corner: tuple[float, float, float, float]) -> int:
        low, width = np.array(corner[:2]) - 0.06, np.array(corner[2:]) + 0.1
        return int(((inside > low) & (inside < low + width)).all(1).sum())

    counts = [covered(corner) for corner in corners]
    best = int(np.argmin(counts))
    rest = min((k for k in range(4) if k != best), key=lambda k: counts[k])
    axes.legend(frameon=False, fontsize=8, loc=("lower left", "upper left", "lower right", "upper right")[rest])
    return corners[best]


def draw_collapse(axes: Axes, fit: Fit) -> None:
    """Panel of the points of the best fit in scaled variables, less their corrections, on the master curve."""
    best = fit.collapse
    assert best is not None
    chosen = best.scan.best
    points, parameters = best.points.chosen(chosen.mask), best.best.parameters
    x_c, inverse_nu, zeta = (float(v) for v in parameters[:3])
    values, grid, curve = without_corrections(points, chosen.form, chosen.solution)
    axes.plot(grid, curve, color="0.5", lw=1, zorder=0, label="F(u)")
    for k, L in enumerate(fit.curves.sizes):
        mine = points.L == L
        u = (points.x[mine] - x_c) * L**inverse_nu
        errorbar(axes, k, u, values[mine], points.error[mine] * L**-zeta, ms=4, lw=1, label=f"L = {L}")
    name, y, title = control_symbol(fit.curves.control), fit.curves.symbol, rf"$1/\nu$ = {best.inverse_nu}"
    if best.zeta_over_nu.value:
        y, title = y + r" $\times\,L^{-\zeta/\nu}$", title + rf", $\zeta/\nu$ = {best.zeta_over_nu}"
    if chosen.form.corrected or chosen.form.analytic:
        y += ", less corrections"
    axes.set(xlabel=rf"$({name} - {name}_c)\,L^{{1/\nu}}$", ylabel=y)
    window = rf"L $\geq$ {chosen.smallest}, $|u| \leq$ {chosen.window:.3g}"
    axes.set_title(title + rf", $\chi^2$/dof = {best.chi2_per_dof:.2f}, {window}", fontsize=9)
    axes.legend(frameon=False, fontsize=8)


def draw_residuals(axes: Axes, fit: Fit) -> None:
    """Panel of residuals of the best fit over their errors."""
    best = fit.collapse
    assert best is not None
    points = best.points.chosen(best.scan.best.mask)
    x_c, inverse_nu = (float(v) for v in best.best.parameters[:2])
    for k, L in enumerate(fit.curves.sizes):
        mine = points.L == L
        colour, marker = look(k)
        u = (points.x[mine] - x_c) * L**inverse_nu
        axes.plot(u, best.best.residuals[mine], color=colour, marker=marker, ms=3, ls="none")
    axes.axhline(0, color="0.3", lw=0.8)
    axes.axhspan(-1, 1, color="0.9", lw=0)
    axes.set_ylabel("residual/error", fontsize=8)


def draw_residuals_alone(axes: Axes, fit: Fit) -> None:
    """Panel of residuals with an axis and a legend of its own, which that under a collapse does without."""
    draw_residuals(axes, fit)
    for line, L in zip(axes.lines, fit.curves.sizes, strict=False):
        line.set_label(f"L = {L}")
    symbol = control_symbol(fit.curves.control)
    axes.set(xlabel=rf"$({symbol} - {symbol}_c)\,L^{{1/\nu}}$", ylabel="residual/error")
    axes.legend(frameon=False, fontsize=8)


def draw_windows(axes: Axes, best: Collapse) -> None:
    """Panel of 1/nu against the window in the scaled control; filled where a fit carries weight."""
    _draw_scan(axes, best, lambda c: c.window)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(r"largest $|x - x_c|\,L^{1/\nu}$ in the fit")


def draw_smallest(axes: Axes, best: Collapse) -> None:
    """Panel of 1/nu against the smallest size in the fit; filled where a fit carries weight."""
    sizes = sorted({c.smallest for c in best.scan.candidates})
    _draw_scan(axes, best, lambda c: 1.0 + sizes.index(c.smallest))
    axes.set_xticks([1.03 + k for k in range(len(sizes))], [str(L) for L in sizes])
    axes.set_xlim(0.5, len(sizes) + 0.6)
    axes.set_xlabel(r"smallest size $L_\mathrm{min}$ in the fit")


def _draw_scan(axes: Axes, best: Collapse, place: Callable[[Candidate], float]) -> None:
    sizes = sorted({c.smallest for c in best.scan.candidates})
    lanes = sorted({(c.form.analytic, c.form.corrected) for c in best.scan.candidates})
    value, error = best.inverse_nu.value, best.inverse_nu.error
    axes.axhspan(value - error, value + error, color="0.85", lw=0)
    axes.axhline(value, color="0.3", lw=1, label=rf"answer {best.inverse_nu}")
    for c in best.scan.candidates:
        y, dy = float(c.solution.parameters[1]), float(np.sqrt(c.solution.covariance[1, 1]))
        counts = c.weight > SHOWN_WEIGHT
        if dy > 8 * max(error, 1e-12) and not counts:
            continue
        lane = lanes.index((c.form.analytic, c.form.corrected))
        # A little apart, so that fits at the same place are all seen.
        shift = 1 + 0.02 * (lane + 0.3 * sizes.index(c.smallest))
        axes.errorbar(
            place(c) * shift, y, dy, color=COLOURS[sizes.index(c.smallest) % len(COLOURS)], fmt=MARKERS[lane], ms=5,
            lw=0.8, alpha=1.0 if counts else 0.35, fillstyle="full" if counts else "none",
        )  # fmt: skip
    for k, terms in enumerate(lanes):
        axes.plot([], [], color="0.3", marker=MARKERS[k], ls="none", label=FORMS[terms])
    for k, L in enumerate(sizes):
        axes.plot([], [], color=COLOURS[k % len(COLOURS)], lw=3, label=rf"$L \geq {L}$")
    axes.set_ylabel(r"$1/\nu$")
    axes.legend(frameon=False, fontsize=7)


def draw_cloud(axes: Axes, fit: Fit) -> None:
    """Panel of the bootstrap samples of (x_c, 1/nu) with the ellipses of 68 % and 95 %."""
    best = fit.collapse
    assert best is not None
    x, y = best.samples[:, 0], best.samples[:, 1]
    axes.plot(x, y, ".", ms=3, color=COLOURS[0], alpha=0.5)
    covariance = best.scan.covariance[:2, :2] if not fit.curves.networks else np.cov(x, y)
    values, vectors = np.linalg.eigh(covariance)
    angle = float(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])))
    for level, style in ((2.296, "-"), (5.991, "--")):
        width, height = 2 * np.sqrt(level * np.maximum(values[::-1], 0))
        centre = best.scan.parameters[0], best.scan.parameters[1]
        axes.add_patch(Ellipse(centre, width, height, angle=angle, fill=False, ls=style))
    axes.errorbar(
        best.critical_point.value, best.inverse_nu.value, best.inverse_nu.error, best.critical_point.error,
        color=COLOURS[1], fmt="o", ms=5, capsize=3, label="answer",
    )  # fmt: skip
    axes.set(xlabel=rf"${control_symbol(fit.curves.control)}_c$", ylabel=r"$1/\nu$")
    # Samples far off are counted, not shown: they would leave the rest a dot.
    middle, reach = np.median([x, y], axis=1), 8 * np.subtract(*np.quantile([x, y], [0.8413, 0.1587], axis=1)) / 2
    far = (np.abs(np.array([x, y]) - middle[:, None]) > reach[:, None]).any(0) & (reach > 0).all()
    if far.any():
        axes.set(xlim=(middle[0] - reach[0], middle[0] + reach[0]), ylim=(middle[1] - reach[1], middle[1] + reach[1]))
    beyond = f", {far.sum()} beyond" if far.any() else ""
    axes.set_title(f"{len(x)} bootstrap samples{beyond}, ellipses 68 % and 95 %", fontsize=10)
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.locator_params(axis="x", nbins=3)
    axes.legend(frameon=False, fontsize=8)


def draw_drift(axes: Axes, fit: Fit) -> None:
    """Panel of the crossings of pairs of sizes against the inverse of the larger one, and their drift."""
    pairs = [p for p in fit.pairs if p.x]
    for k, small in enumerate(sorted({p.sizes[0] for p in pairs})):
        mine = np.array([(1 / p.sizes[1], p.x.value, p.x.error) for p in pairs if p.x and p.sizes[0] == small])
        errorbar(axes, k, *mine.T, ms=5, capsize=2, label=f"L = {small} with larger")
    if fit.collapse:
        point = fit.collapse.critical_point
        axes.axhspan(point.value - point.error, point.value + point.error, color="0.85", lw=0)
        axes.axhline(point.value, color="0.3", lw=1, label=f"collapse {point}")
    if fit.drift:
        both = float(np.hypot(fit.drift.critical_point.error, fit.drift.drift_error))
        axes.errorbar(
            0, fit.drift.critical_point.value, both, color="k", fmt="*", ms=9, capsize=3,
            label=f"extrapolated {fit.drift.critical_point}, drift {fit.drift.drift_error:.1g}",
        )  # fmt: skip
    axes.set(xlabel=r"$1/L$ of the larger size", ylabel="crossing of the pair")
    axes.set_xlim(left=-0.1 / min(fit.curves.sizes[1:]))
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.set_title("" if pairs else "no pair crosses", fontsize=10)
    axes.legend(frameon=False, fontsize=7)


def draw_differences(axes: Axes, fit: Fit) -> None:
    """Panel of the differences to the smallest size with error bars, in which a crossing would be a change of sign."""
    curves, first = fit.curves, fit.curves.sizes[0]
    for k, L in enumerate(curves.sizes[1:], 1):
        found = curve_difference(curves, first, L)
        errorbar(axes, k, found.x, found.values, found.samples.std(0, ddof=1), ms=4, lw=1, label=f"L = {L}")
    axes.axhline(0, color="0.3", lw=1)
    axes.set(xlabel=axis_label(curves), ylabel=f"{curves.symbol}\nminus that of L = {first}")
    axes.set_title("differences between sizes, errors of one sigma", fontsize=10)
    axes.legend(frameon=False, fontsize=9)


FIT_PANELS: dict[str, Callable[[Axes, Fit], None]] = {
    "curves": draw_curves,
    "differences": draw_differences,
    "collapse": draw_collapse,
    "residuals": draw_residuals_alone,
    "windows": lambda axes, fit: draw_windows(axes, fit.collapse) if fit.collapse else None,
    "smallest": lambda axes, fit: draw_smallest(axes, fit.collapse) if fit.collapse else None,
    "cloud": draw_cloud,
    "drift": draw_drift,
}
"""What draws a panel of a fit, by name."""
