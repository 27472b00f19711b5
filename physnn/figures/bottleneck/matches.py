"""Matches of vectors: clouds of where they are found, and how those of each class drift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physnn.figures.style import COLOURS, errorbar, new_figure

CLOUD_NUMBERS = {
    "square": "square distance",
    "radial": "variance to the middle",
    "tangential": "variance around it",
    "radius": "closest from the middle",
}
"""Numbers that are drawn over those by chance, and what a label calls them."""


def match_figure(found: Any) -> Figure:
    """Clouds p(x_nn | x_i) at five places for both memories, numbers over those by chance, drifts of classes.

    Parameters
    ----------
    found
        `physnn.answers.bottleneck.matches.MatchAnswer`.
    """
    figure = new_figure(11, 8.2)
    figure.suptitle(f"matches in {found.layer} of {found.network}", fontsize=10)
    halves: Any = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    _draw_clouds(halves[0], found)
    left, right, last = halves[1].subplots(1, 3, width_ratios=(0.8, 1, 1))
    at = np.arange(len(CLOUD_NUMBERS))
    for k, which in enumerate(("same", "other")):
        numbers = [(getattr(found.numbers[n], which), found.numbers[n].chance) for n in CLOUD_NUMBERS]
        values, errors = ([getattr(e, part) / chance for e, chance in numbers] for part in ("value", "error"))
        label = {"same": "same class", "other": "another class"}[which]
        errorbar(left, k, at + 0.12 * (2 * k - 1), values, errors, label=label)
    left.axhline(1, color="grey", lw=0.6)
    left.set_xticks(at, list(CLOUD_NUMBERS.values()), rotation=20, ha="right", fontsize=8)
    left.set(ylabel="over that by chance, error over classes")
    left.set_ylim(bottom=0)
    left.legend(fontsize=8)
    _draw_drifts(right, found.names, found.directions, "how matches in a class are displaced")
    _draw_drifts(last, found.names, found.closest, "where the closest matches in a class are")
    return figure


def _draw_drifts(axes: Axes, names: Sequence[str], directions: Sequence[Any], title: str) -> None:
    """Means of classes relative to the others, with standard errors over images; empty squares are not told."""
    axes.axhline(0, color="grey", lw=0.6)
    axes.axvline(0, color="grey", lw=0.6)
    for name, each in zip(names, directions, strict=True):
        colour = COLOURS[0] if each.told else "0.55"
        across, up = np.sqrt(np.maximum(np.diag(each.covariance), 0))
        axes.errorbar(each.right, each.up, up, across, color=colour, fmt="o" if each.told else "s", ms=4, lw=0.7,
                      mfc=colour if each.told else "white")  # fmt: skip
        axes.annotate(name, (each.right, each.up), fontsize=5, xytext=(3, 3), textcoords="offset points")
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("right of the other classes (pixels)", fontsize=8)
    axes.set_ylabel("above the other classes (pixels)", fontsize=8)
    axes.set_title(title, fontsize=8)


def _draw_clouds(figure: Any, found: Any) -> None:
    x, y = np.unique(found.places[:, 0]), np.unique(found.places[:, 1])
    shape = len(y), len(x)
    chosen = _five(shape)
    axes = figure.subplots(2, len(chosen), sharex=True, sharey=True)
    step = (x[1] - x[0]) / 2 if len(x) > 1 else 1.0, (y[1] - y[0]) / 2 if len(y) > 1 else 1.0
    extent = (x[0] - step[0], x[-1] + step[0], y[-1] + step[1], y[0] - step[1])
    floor = 0.1 / len(found.places)
    limit = float(np.log10(max(found.same[chosen].max(), found.other[chosen].max(), 10 * floor)))
    for row, (label, table) in enumerate((("same class", found.same), ("another class", found.other))):
        for column, cell in enumerate(chosen):
            cloud = np.log10(np.maximum(table[cell].reshape(shape), floor))
            image = axes[row, column].imshow(cloud, cmap="cividis", vmin=np.log10(floor), vmax=limit, extent=extent)
            axes[row, column].plot(*found.places[cell], "x", color=COLOURS[1], ms=7, mew=1.5)
            axes[row, column].tick_params(labelsize=6)
        axes[row, 0].set_ylabel(f"{label}\ny (pixels, down)", fontsize=7)
    axes[1, len(chosen) // 2].set_xlabel("x (pixels from the middle of the image); crosses: x_i", fontsize=7)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, fraction=0.03)
    bar.set_label(r"$\log_{10}\, p(x_{nn} \mid x_i)$", fontsize=8)
    bar.ax.tick_params(labelsize=7)


def _five(shape: Sequence[int]) -> list[int]:
    """Numbers of five cells of a grid: two opposite corners, the middle, and between middle and rim."""
    rows, columns = (n - 1 for n in shape)
    at = [(0, 0), (rows // 2, columns // 4), (rows // 2, columns // 2), (rows // 4, columns // 2), (rows, columns)]
    return [row * shape[1] + column for row, column in at]
