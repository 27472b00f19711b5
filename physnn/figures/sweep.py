"""Figures of a sweep: curves of all sizes with the crossing, and the collapse."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physnn.analysis.curves import OBSERVABLES, Curves
from physnn.analysis.fit import Fit
from physnn.figures.style import AXIS_LABELS, COLOURS, MARKERS, new_figure


def sweep_figure(fit: Fit) -> Figure:
    """Return curves with error bands beside the collapse, or beside the differences where there is no crossing."""
    figure = new_figure(10, 4.2)
    left, right = figure.subplots(1, 2)
    draw_curves(left, fit)
    if fit.collapse:
        draw_collapse(right, fit)
    else:
        draw_differences(right, fit)
    return figure


def _axis(curves: Curves) -> str:
    return AXIS_LABELS.get(curves.control, curves.control)


def draw_curves(axes: Axes, fit: Fit) -> None:
    """Draw y(x) of every size with bands of one standard error, and the crossing where there is one."""
    curves = fit.curves
    for k, L in enumerate(curves.sizes):
        colour, error = COLOURS[k % len(COLOURS)], curves.error(L)
        axes.fill_between(curves.x[L], curves.y[L] - error, curves.y[L] + error, color=colour, alpha=0.25, lw=0)
        # Smaller markers on larger ones, so that coinciding curves are all seen.
        (line,) = axes.plot(curves.x[L], curves.y[L], color=colour, lw=1.2, label=f"L = {L}")
        line.set(marker=MARKERS[k % len(MARKERS)], markersize=max(3, 9 - 2.5 * k), fillstyle="full" if k else "none")
    if fit.collapse:
        point = fit.collapse.critical_point
        axes.axvspan(point.value - point.error, point.value + point.error, color="0.7", lw=0)
        axes.axvline(point.value, color="0.3", ls="--", lw=1, label=f"crossing at {point}")
    axes.set(xlabel=_axis(curves), ylabel=OBSERVABLES[curves.observable].symbol)
    axes.set_title(f"verdict: {fit.verdict}", fontsize=10)
    axes.legend(frameon=False, fontsize=9)


def draw_collapse(axes: Axes, fit: Fit) -> None:
    """Draw the data in scaled variables, with error bars."""
    best, curves = fit.collapse, fit.curves
    if best is None:
        raise ValueError("there is no collapse to draw")
    for k, L in enumerate(curves.sizes):
        chosen = (curves.x[L] >= best.window[0]) & (curves.x[L] <= best.window[1])
        factor = L**-best.zeta_over_nu.value
        axes.errorbar(
            (curves.x[L][chosen] - best.critical_point.value) * L**best.inverse_nu.value,
            curves.y[L][chosen] * factor,
            curves.error(L)[chosen] * factor,
            color=COLOURS[k % len(COLOURS)],
            fmt=MARKERS[k % len(MARKERS)],
            ms=4,
            lw=1,
            label=f"L = {L}",
        )
    scaled_y = OBSERVABLES[curves.observable].symbol
    if best.zeta_over_nu.value:
        scaled_y += r" $\times\,L^{-\zeta/\nu}$"
    control = {"eta": r"\eta"}.get(curves.control, curves.control)
    axes.set(xlabel=rf"$({control} - {control}_c)\,L^{{1/\nu}}$", ylabel=scaled_y)
    axes.set_title(rf"$1/\nu$ = {best.inverse_nu}, $\chi^2$/dof = {best.chi2_per_dof:.2f}", fontsize=10)
    axes.legend(frameon=False, fontsize=9)


def draw_differences(axes: Axes, fit: Fit) -> None:
    """Draw the differences to the smallest size with error bars: what a crossing would have to show in."""
    curves, first = fit.curves, fit.curves.sizes[0]
    for k, L in enumerate(curves.sizes[1:], 1):
        x = np.intersect1d(curves.x[first], curves.x[L])
        i, j = np.isin(curves.x[first], x), np.isin(curves.x[L], x)
        samples = curves.samples[L][:, j] - curves.samples[first][:, i]
        axes.errorbar(
            x,
            curves.y[L][j] - curves.y[first][i],
            samples.std(0, ddof=1),
            color=COLOURS[k % len(COLOURS)],
            fmt=MARKERS[k % len(MARKERS)],
            ms=4,
            lw=1,
            label=f"L = {L}",
        )
    axes.axhline(0, color="0.3", lw=1)
    axes.set(xlabel=_axis(curves), ylabel=f"{OBSERVABLES[curves.observable].symbol}\nminus that of L = {first}")
    axes.set_title("differences between sizes, errors of one sigma", fontsize=10)
    axes.legend(frameon=False, fontsize=9)
