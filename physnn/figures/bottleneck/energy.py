"""Energy maps in image coordinates, and what becomes of them through the depth of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from physnn.figures.style import COLOURS, errorbar, new_figure

FACTOR = 4.0
"""Energies over their mean are drawn from one over this to this."""
PICTURES_APART = 1.3
"""Distance between the images on a sheet, in units of their side: maps may reach beyond their image."""
MAP_PARTS = (
    ("total", "as they are"),
    ("content", "content"),
    ("padding", "padding"),
    ("both", "both together"),
    ("neither", "neither"),
)
"""Parts of a decomposition, and what a legend calls them."""


def map_sheet(
    layers: Sequence[tuple[str, np.ndarray, np.ndarray, np.ndarray]], controls: Sequence[str], side: int
) -> Figure:
    """Mean maps of layers (columns) under controls (rows), where their cells lie in the image.

    Parameters
    ----------
    layers : sequence of (name, maps, y, x)
        Maps ``(controls, rows, columns)``, and centres of the cells in pixels from the middle of the image.
    controls : sequence of str
        Their names.
    side : int
        Side of the image (pixels), drawn as a frame; a cross marks its middle, and a dot the centre of energy.
    """
    figure = new_figure(1.25 * len(layers) + 1.5, 1.25 * len(controls) + 1.0)
    axes = figure.add_subplot()
    reach = PICTURES_APART * side  # one picture beside the other in the same axes: dozens of axes would take seconds
    for column, (_, maps, y, x) in enumerate(layers):
        for row, values in enumerate(maps):
            image = _draw(axes, values, y + row * reach, x + column * reach, side, (column * reach, row * reach))
    axes.set(xlim=(-reach / 2, (len(layers) - 0.5) * reach), ylim=((len(controls) - 0.5) * reach, -reach / 2))
    names = [f"{name}\n{len(y)} x {len(x)}" for name, _, y, x in layers]
    axes.set_xticks(reach * np.arange(len(layers)), names, fontsize=7)
    axes.set_yticks(reach * np.arange(len(controls)), controls, fontsize=7)
    axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    axes.set_xlabel(f"frames: images of {side} pixels; crosses: their middles; dots: centres of energy", size=7)
    bar = figure.colorbar(image, ax=axes, shrink=min(1.0, 2.5 / (1.25 * len(controls))), fraction=0.03)
    bar.set_label("energy over its mean", fontsize=7)
    bar.set_ticks([-2, -1, 0, 1, 2], labels=["1/4", "1/2", "1", "2", "4"])
    bar.ax.tick_params(labelsize=7)
    return figure


def _draw(
    axes: Axes, values: np.ndarray, y: np.ndarray, x: np.ndarray, side: int, middle: tuple[float, float]
) -> AxesImage:
    """Draw one map in image coordinates, of an image whose middle is there."""
    logs = np.log2(np.maximum(values, 1e-30) / max(float(values.mean()), 1e-30))
    limit, half = np.log2(FACTOR), side / 2
    (left, right), (above, below) = _ends(x), _ends(y)
    drawn = axes.imshow(logs, cmap="PuOr_r", vmin=-limit, vmax=limit, extent=(left, right, below, above))
    corners = half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]) + middle
    axes.plot(*corners.T, color="black", lw=0.6)
    axes.plot(*middle, "x", color="black", ms=4, mew=0.8)
    total = values.sum()
    if total > 0:
        axes.plot((values.sum(0) @ x) / total, (values.sum(1) @ y) / total, "o", color=COLOURS[2], ms=3)
    return drawn


def _ends(centres: np.ndarray) -> tuple[float, float]:
    """Ends of a row of cells with these centres."""
    step = centres[1] - centres[0] if len(centres) > 1 else 1.0
    return float(centres[0] - step / 2), float(centres[-1] + step / 2)


def depth_figure(layers: Sequence[str], controls: Sequence[str], rows: Sequence[Any], parts: Sequence[Any]) -> Figure:
    """Centre over border through the depth by control, what makes it, profiles of the last layer, centres of energy.

    Parameters
    ----------
    layers, controls : sequence of str
        Names, in the order of the depth and of the file.
    rows, parts
        Rows and decompositions of `physnn.answers.bottleneck.energy.EnergyAnswer`.
    """
    figure = new_figure(11, 7.2)
    top, bottom = figure.subplots(2, 2)
    by_name = {(row.layer, row.control): row for row in rows}
    depth = np.arange(len(layers))
    for k, control in enumerate(controls):
        found = [by_name[layer, control].ratio.over_classes for layer in layers]
        shift = 0.3 * ((k + 0.5) / len(controls) - 0.5)
        errorbar(top[0], k, depth + shift, *_values(found), ms=4, ls="-", lw=0.7, label=control)
    top[0].axhline(1, color="grey", lw=0.6)
    top[0].set(yscale="log", ylabel="energy, centre over border")
    top[0].legend(fontsize=6, ncols=2, loc="best")
    _draw_parts(top[1], depth, parts)
    for k, control in enumerate(controls):
        shape = by_name[layers[-1], control].shape
        errorbar(
            bottom[0],
            k,
            shape.radii,
            *_values(shape.profile),
            ms=4,
            ls="-",
            lw=0.7,
            label=f"{control}: {shape.verdict}",
        )
    bottom[0].set(
        xlabel="distance from the middle of the grid (half its side)", ylabel="energy over the mean of shells"
    )
    bottom[0].set_title(f"radial profile of {layers[-1]}", fontsize=9)
    bottom[0].legend(fontsize=6, ncols=2, loc="best")
    _draw_centres(bottom[1], layers, controls, by_name, depth)
    for axes in (*top, bottom[1]):
        axes.set_xticks(depth, layers, rotation=90, fontsize=6)
        axes.set_xlabel("layer")
    return figure


def _values(estimates: Sequence[Any]) -> tuple[list[float], list[float]]:
    """Values and errors; unknown errors are not drawn."""
    return [e.value for e in estimates], [e.error if np.isfinite(e.error) else 0.0 for e in estimates]


def _draw_parts(axes: Axes, depth: np.ndarray, parts: Sequence[Any]) -> None:
    axes.axhline(0, color="grey", lw=0.6)
    axes.set_ylabel("ln(centre / border)")
    axes.set_title("what makes it", fontsize=9)
    if not parts:
        axes.text(0.5, 0.5, "needs none, circular,\nzero-roll and circular-roll", ha="center", transform=axes.transAxes)
        return
    for k, (name, label) in enumerate(MAP_PARTS):
        found = [getattr(part, name).over_classes for part in parts]
        shift = 0.3 * ((k + 0.5) / len(MAP_PARTS) - 0.5)
        errorbar(axes, k, depth + shift, *_values(found), ms=4, ls="-", lw=0.7, label=label)
    axes.legend(fontsize=7, loc="best")


def _draw_centres(
    axes: Axes, layers: Sequence[str], controls: Sequence[str], by_name: dict[tuple[str, str], Any], depth: np.ndarray
) -> None:
    """Centres of energy and of the grid, to the right and below the middle of the image."""
    first = controls[0]
    rows = [by_name[layer, first] for layer in layers]
    errorbar(axes, 0, depth - 0.1, *_values([r.x.over_classes for r in rows]), ms=4, label=f"energy, x ({first})")
    errorbar(axes, 1, depth + 0.1, *_values([r.y.over_classes for r in rows]), ms=4, label=f"energy, y ({first})")
    for k, name in enumerate(("grid, x", "grid, y")):
        style = COLOURS[k], ("--", ":")[k]
        axes.step(depth, [r.middle[k] for r in rows], where="mid", lw=1, label=name, color=style[0], ls=style[1])
    axes.axhline(0, color="grey", lw=0.6)
    axes.set_ylabel("pixels from the middle of the image")
    axes.legend(fontsize=7, loc="best")
