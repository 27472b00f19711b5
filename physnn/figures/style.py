"""One look for all figures: colours that colour-blind readers can tell apart, and one way to save."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from physnn.machine import check_figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette (2008), dark ones first."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""Markers, one for each colour."""
DPI = 160
"""Pixels per inch of figures."""
AXIS_LABELS = {
    "eta": r"noise strength $\eta$ (Langevin, dimensionless)",
    "T": r"temperature $T$ ($J = k_B = 1$)",
}
"""Labels of axes by control parameter."""


def look(k: int) -> tuple[str, str]:
    """Colour and the marker of curve k, a pair of its own for each of the first 49."""
    return COLOURS[k % len(COLOURS)], MARKERS[(k + k // len(COLOURS)) % len(MARKERS)]


def new_figure(width: float, height: float) -> Figure:
    """Empty figure (inches) that needs no display."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Path of a figure that is written as PNG, or by its ending."""
    check_figure(path)
    figure.savefig(path, dpi=DPI)
    return path
