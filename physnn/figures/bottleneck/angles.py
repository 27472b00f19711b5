"""Class angles: deviations of classes in the image, directions on a circle, and what is left under controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from physnn.figures.style import COLOURS, errorbar, new_figure

TOLD, UNTOLD = COLOURS[0], "0.55"
"""Colours of classes that have an angle, and of the others."""
ARCS = 0.8, 1.2
"""Radii between which the ends of errors are spread, so that arcs of classes at one angle do not hide each other."""


def angle_figure(
    names: Sequence[str], directions: Sequence[Any], shares: Sequence[tuple[str, Any, float]],
    agreements: Sequence[tuple[str, Any]], title: str,
) -> Figure:  # fmt: skip
    """Four panels about the angles of classes.

    Parameters
    ----------
    names, directions
        Of the classes, see `physnn.analysis.bottleneck.class_angle.ClassDirection`.
    shares : sequence of (name, Estimate, float)
        Share of the variance between classes by condition, and what chance gives.
    agreements : sequence of (name, Estimate)
        Cosines between deviations of classes.
    title : str
        Network and layer.
    """
    figure = new_figure(11, 9.4)
    figure.suptitle(title, fontsize=10)
    plane, circle, below, last = figure.subplots(2, 2).ravel()
    _draw_plane(plane, names, directions)
    _draw_circle(circle, names, directions)
    at = np.arange(len(shares))
    errorbar(below, 0, *_points(at, [each for _, each, _ in shares]), label="measured, error over classes")
    below.plot(at, [chance for *_, chance in shares], "_", color="black", ms=14, label="labels permuted")
    below.set_xticks(at, [name for name, *_ in shares], rotation=30, ha="right", fontsize=8)
    below.set(ylabel=r"share of the variance between classes, $\eta^2$")
    below.set_ylim(bottom=min(0.0, below.get_ylim()[0]))
    below.legend(fontsize=8)
    at = np.arange(len(agreements))
    errorbar(last, 1, *_points(at, [each for _, each in agreements]))
    for level in (-1, 0, 1):
        last.axhline(level, color="grey", lw=0.6)
    last.set_xticks(at, [name for name, _ in agreements], rotation=30, ha="right", fontsize=8)
    last.set(ylabel="cosine between deviations of classes", ylim=(-1.15, 1.15))
    return figure


def _points(at: np.ndarray, found: Sequence[Any]) -> tuple[np.ndarray, list[float], list[float]]:
    """Places, values and errors; unknown errors are not drawn."""
    return at, [e.value for e in found], [e.error if np.isfinite(e.error) else 0.0 for e in found]


def _draw_plane(axes: Axes, names: Sequence[str], directions: Sequence[Any]) -> None:
    """Deviations of classes, with ellipses of one standard error over images."""
    axes.axhline(0, color="grey", lw=0.6)
    axes.axvline(0, color="grey", lw=0.6)
    for name, each in zip(names, directions, strict=True):
        colour = TOLD if each.told else UNTOLD
        values, vectors = np.linalg.eigh(each.covariance)
        tilt = float(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])))
        small, large = 2 * np.sqrt(np.maximum(values, 0))
        axes.add_patch(Ellipse((each.right, each.up), large, small, angle=tilt, fc="none", ec=colour, lw=0.8))
        axes.plot([0, each.right], [0, each.up], color=colour, lw=0.5, alpha=0.6)
        axes.annotate(name, (each.right, each.up), fontsize=7, xytext=(3, 3), textcoords="offset points")
    axes.autoscale_view()
    axes.set_aspect("equal", adjustable="datalim")
    axes.set(xlabel="right of the other classes (pixels)", ylabel="above the other classes (pixels)")
    axes.set_title("centres of energy, ellipses: one standard error over images", fontsize=9)


def _draw_circle(axes: Axes, names: Sequence[str], directions: Sequence[Any]) -> None:
    """Angles on a circle, with arcs of one error over classes."""
    turn = np.linspace(0, 2 * np.pi, 200)
    axes.plot(np.cos(turn), np.sin(turn), color="grey", lw=0.6)
    order = np.argsort([each.angle.value for each in directions])
    radii = np.linspace(*ARCS, 5)
    for k, place in enumerate(order):
        each, r = directions[place], radii[k % len(radii)]
        angle = np.radians(each.angle.value)
        half = np.radians(min(each.angle.error, 180.0)) if np.isfinite(each.angle.error) else np.pi
        arc = np.linspace(angle - half, angle + half, 60)
        colour = TOLD if each.told else UNTOLD
        axes.plot(r * np.cos(arc), r * np.sin(arc), color=colour, lw=1.0)
        axes.plot(r * np.cos(angle), r * np.sin(angle), "o" if each.told else "s", color=colour, ms=5,
                  mfc=colour if each.told else "white")  # fmt: skip
    for side in (-1, 1):
        mine = sorted((d.angle.value, name) for name, d in zip(names, directions, strict=True)
                      if (np.cos(np.radians(d.angle.value)) >= 0) == (side > 0))  # fmt: skip
        mine = sorted(mine, key=lambda each: np.sin(np.radians(each[0])))
        heights = _spread(np.array([1.3 * np.sin(np.radians(angle)) for angle, _ in mine]))
        for (angle, name), y in zip(mine, heights, strict=True):
            edge = 1.22 * np.cos(np.radians(angle)), 1.22 * np.sin(np.radians(angle))
            axes.plot([edge[0], 1.45 * side], [edge[1], y], color="0.8", lw=0.5)
            axes.text(1.5 * side, y, name, fontsize=7, ha="left" if side > 0 else "right", va="center")
    axes.set(xlim=(-2.1, 2.1), ylim=(-1.6, 1.6), aspect="equal")
    axes.set_axis_off()
    axes.set_title("class angles, arcs: 68 % over classes; squares: no angle told", fontsize=9)


NAMES_APART = 0.12
"""Heights between names beside a circle of radius 1, at least, as long as there is room."""


def _spread(heights: np.ndarray) -> np.ndarray:
    """Sorted heights, moved apart until names there can be read."""
    n = len(heights)
    apart = min(NAMES_APART, 3.0 / max(n - 1, 1))
    found = heights - apart * np.arange(n)
    for k in range(1, n):  # the nearest rising sequence, by joining neighbours that fall
        found[k] = max(found[k], found[k - 1])
    found = found + apart * np.arange(n)
    return np.asarray(found - max(0.0, float(found[-1:].sum()) - 1.5) if n else found)
