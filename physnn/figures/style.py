"""One look for all figures: colours that colour-blind readers can tell apart, and one way to save."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from physnn.errors import InputError
from physnn.machine import check_figure
from physnn.store.commit import commit

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


@contextmanager
def styled(name: str | None) -> Iterator[None]:
    """Figures made inside have a style of matplotlib or of a file in its format; a matplotlibrc holds anyway.

    Raises
    ------
    InputError
        If there is no such style, or its file cannot be read.
    """
    import matplotlib.style

    with ExitStack() as inside:
        try:
            if name is not None:
                inside.enter_context(matplotlib.style.context(name))
        except OSError:
            known = ", ".join(style for style in matplotlib.style.available if not style.startswith("_"))
            told = f"{name!r} is neither a style of matplotlib nor a file of one"
            raise InputError(f"{told}; styles are {known}") from None
        yield


def new_figure(width: float, height: float) -> Figure:
    """Empty figure (inches) that needs no display."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


CORNERS = ((1.0, 1.0), (0.0, 1.0), (0.0, 0.0), (1.0, 0.0))
"""Places of a legend in its axes that are tried: matplotlib numbers them 1 to 4."""


def covers(axes: Axes, box: Bbox) -> bool:
    """Whether a box of the drawn figure, in pixels, lies on data, words or smaller axes of these axes."""
    data, inside = axes.transData, Bbox.intersection(box, axes.get_window_extent())
    if inside is None:
        return False
    box = inside

    def is_data(artist: Artist) -> bool:
        return artist.get_visible() and all(artist.get_transform().contains_branch_seperately(data))

    for line in filter(is_data, axes.lines):
        path = line.get_transform().transform_path(line.get_path())
        joined = line.get_linestyle() != "None" and np.size(line.get_xdata()) > 1
        if box.count_contains(path.vertices) or (joined and path.intersects_bbox(box, filled=False)):
            return True
    for found in axes.collections:
        offsets = found.get_offset_transform().transform(found.get_offsets())
        shapes = [found.get_transform().transform_path(path) for path in found.get_paths()] if is_data(found) else []
        if found.get_offset_transform() is data and box.count_contains(offsets):
            return True
        if any(path.intersects_bbox(box) for path in shapes):
            return True
    outlines = [(each, each.get_transform().transform_path(each.get_path())) for each in filter(is_data, axes.patches)]
    others = (*axes.child_axes, *(text for text in axes.texts if text.get_text()))
    return any(path.intersects_bbox(box, filled=patch.get_fill()) for patch, path in outlines) or any(
        other.get_window_extent().overlaps(box) for other in others
    )


def clear_legends(figure: Figure) -> None:
    """Move legends that lie on data to a corner without, or beside their axes where all corners have some."""
    figure.draw_without_rendering()
    for axes in figure.axes:
        legend, inside = axes.get_legend(), axes.get_window_extent()
        if legend is None or not covers(axes, legend.get_window_extent()):
            continue
        box = legend.get_window_extent()
        pad = legend.borderaxespad * legend.prop.get_size_in_points() * figure.dpi / 72
        for number, (x, y) in enumerate(CORNERS, 1):
            left = inside.x0 + pad + x * (inside.width - box.width - 2 * pad)
            low = inside.y0 + pad + y * (inside.height - box.height - 2 * pad)
            if not covers(axes, Bbox.from_bounds(left, low, box.width, box.height)):
                legend.set_loc(number)
                break
        else:
            legend.set_loc("upper left")
            legend.set_bbox_to_anchor((1.01, 1.0), transform=axes.transAxes)


def save(figure: Figure, path: Path) -> Path:
    """Path of a figure that is written as PNG, or by its ending."""
    check_figure(path)
    clear_legends(figure)
    commit(path, lambda temporary: figure.savefig(temporary, format=path.suffix[1:], dpi=DPI))
    return path


def as_svg(figure: Figure) -> str:
    """Figure as an SVG element for a page, without the head of a file."""
    buffer = io.StringIO()
    clear_legends(figure)
    figure.savefig(buffer, format="svg")
    text = buffer.getvalue()
    return text[text.index("<svg") :]
