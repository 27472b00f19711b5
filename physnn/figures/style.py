"""One look for all figures: colours that colour-blind readers can tell apart, and one way to save."""

from __future__ import annotations

import io
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
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
    "h": r"transverse field $h$ ($J$)",
}
"""Labels of axes by control parameter."""


def look(k: int) -> tuple[str, str]:
    """Colour and the marker of curve k, a pair of its own for each of the first 49."""
    return COLOURS[k % len(COLOURS)], MARKERS[(k + k // len(COLOURS)) % len(MARKERS)]


def errorbar(axes: Axes, k: int, x: Any, y: Any, yerr: Any = None, xerr: Any = None, **style: Any) -> None:
    """Points of curve k with errors, unconnected unless a style says so."""
    colour, marker = look(k)
    axes.errorbar(x, y, yerr, xerr, **{"color": colour, "marker": marker, "ls": "none"} | style)


def error_curves(axes: Axes, marks: np.ndarray, errors: Mapping[str, np.ndarray]) -> None:
    """Mean log10 of errors ``(seeds, marks)`` by name during training, with standard errors over seeds.

    The look of curve k is that of name k; one without seeds is left out.
    """
    for k, (name, each) in enumerate(errors.items()):
        if not len(each):
            continue
        logs = np.log10(each)
        error = logs.std(0, ddof=1) / np.sqrt(len(logs)) if len(logs) > 1 else None
        # Side by side: equal ones would hide each other.
        at = marks * 1.04 ** (k - (len(errors) - 1) / 2)
        errorbar(axes, k, at, logs.mean(0), error, ms=4, ls="-", lw=0.8, label=name)


def draw_zone(
    axes: Axes, values: np.ndarray, waves: Iterable[tuple[Any, Any]], symbol: str, label: str, **style: Any
) -> None:
    """Panel of values over all wave vectors from -pi on, ``(L, L)``; circles mark waves (in pi) and their opposites."""
    L = len(values)
    # Wave number -pi + 2 pi n / L (n from 0, even L) sits in the middle of its pixel.
    edges = (-(L // 2) - 0.5) * 2 / L, (L - L // 2 - 0.5) * 2 / L
    image = axes.imshow(values, origin="lower", extent=(*edges, *edges), cmap="cividis", **style)
    axes.figure.colorbar(image, ax=axes, label=label, shrink=0.8)
    at = np.array([(float(row), float(column)) for row, column in waves])
    at = (np.concatenate([at, -at]) + 1) % 2 - 1
    axes.plot(at[:, 1], at[:, 0], "o", mfc="none", color=COLOURS[1], ms=6)
    axes.set(
        xlim=edges, ylim=edges, xlabel=rf"${symbol}_\mathrm{{column}}/\pi$", ylabel=rf"${symbol}_\mathrm{{row}}/\pi$"
    )


def new_figure(width: float, height: float) -> Figure:
    """Empty figure (inches) that needs no display."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Path of a figure that is written as PNG, or by its ending."""
    check_figure(path)
    # Under a name of its own first: what else has this file's data under another name keeps it.
    temporary = path.with_name(f".{secrets.token_hex(6)}.tmp")
    try:
        figure.savefig(temporary, format=path.suffix[1:], dpi=DPI)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def as_svg(figure: Figure) -> str:
    """Figure as an SVG element for a page, without the head of a file."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    text = buffer.getvalue()
    return text[text.index("<svg") :]
