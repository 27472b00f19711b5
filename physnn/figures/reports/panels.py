"""Panels of a fit that stand alone, with their legends below them: what a narrow page shows."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.axes import Axes

from physnn.analysis.verdict.fit import Fit
from physnn.figures import fit as panels
from physnn.figures.style import as_svg, new_figure

PANEL_CAPTIONS = {
    "curves": "Curves of every size with bands of one standard error",
    "differences": "Differences to the smallest size with errors of one sigma",
    "collapse": "Points in scaled variables on the master curve, with errors of one sigma",
    "residuals": "Residuals of the best fit over their errors; the band is one error wide to either side",
    "windows": "1/nu against the window of the fit; filled where a fit carries weight",
    "smallest": "1/nu against the smallest size in the fit",
    "cloud": "Bootstrap samples with the ellipses of 68 % and 95 %",
    "drift": "Crossings of pairs of sizes against the inverse of the larger one",
}
"""Panels, and what they show."""


def drawn_panel(answer: Fit, name: str) -> str:
    """One of `PANEL_CAPTIONS` as an SVG element; all but curves and differences are of a collapse."""
    figure = new_figure(6, 4.2)
    axes = figure.subplots()
    draws: dict[str, Callable[[Axes, Fit], None]] = {
        "curves": panels.draw_curves,
        "differences": panels.draw_differences,
        "collapse": panels.draw_collapse,
        "residuals": _residuals,
        "cloud": panels.draw_cloud,
        "drift": panels.draw_drift,
    }
    if best := answer.collapse:
        draws["windows"] = lambda panel, _: panels.draw_windows(panel, best)
        draws["smallest"] = lambda panel, _: panels.draw_smallest(panel, best)
    draws[name](axes, answer)
    if legend := axes.get_legend():
        # Below the panel it covers nothing, whatever the data are.
        legend.remove()
        handles, labels = axes.get_legend_handles_labels()
        columns = min(len(labels), 4 if max(map(len, labels)) < 16 else 2)
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
    return as_svg(figure)


def _residuals(axes: Axes, answer: Fit) -> None:
    """Panel of residuals with an axis and a legend of its own, which that under a collapse does without."""
    panels.draw_residuals(axes, answer)
    for line, L in zip(axes.lines, answer.curves.sizes, strict=False):
        line.set_label(f"L = {L}")
    symbol = panels.control_symbol(answer.curves.control)
    axes.set_xlabel(rf"$({symbol} - {symbol}_c)\,L^{{1/\nu}}$")
    axes.set_ylabel("residual/error")
    axes.legend()
