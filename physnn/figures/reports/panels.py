"""Panels of a fit that stand alone, with their legends below them: what a narrow page shows."""

from __future__ import annotations

from physnn.analysis.verdict.fit import Fit
from physnn.figures.fit import FIT_PANELS
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
"""What every panel of `physnn.figures.fit.FIT_PANELS` shows."""


def drawn_panel(answer: Fit, name: str) -> str:
    """One of `PANEL_CAPTIONS` as an SVG element; all but curves and differences are of a collapse."""
    figure = new_figure(6, 4.2)
    axes = figure.subplots()
    FIT_PANELS[name](axes, answer)
    if legend := axes.get_legend():
        # Below the panel it covers nothing, whatever the data are.
        legend.remove()
        handles, labels = axes.get_legend_handles_labels()
        columns = min(len(labels), 4 if max(map(len, labels)) < 16 else 2)
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
    return as_svg(figure)
