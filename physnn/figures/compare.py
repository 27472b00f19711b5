"""Fits side by side: their collapses in one panel, their exponents beside known classes; curves of several files."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from physnn.analysis.curves.curves import Curves
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.verdict.fit import Fit
from physnn.analysis.verdict.universality import CLASSES, Comparison, exponents, scores
from physnn.errors import InputError
from physnn.figures.fit import axis_label, draw_collapse, draw_curves
from physnn.figures.style import COLOURS, MARKERS, errorbar, new_figure
from physnn.machine import Shared

FILE_LINES = ("-", "--", ":", "-.")
"""Lines of files that are drawn over each other."""
FONT = 13
"""Size of letters in points, for a slide."""
LABEL = 10.5
"""Size of the names of classes in points."""
NAME_GAP = 0.052
"""Least distance of two names, as a share of the panel's height."""
TREND = 0.5
"""Correlation of y with the scaled control from which a curve rises or falls."""
_large = Shared(lambda: rc_context({"font.size": FONT}))
"""Context in which words are as large as a slide asks for."""


@dataclass(frozen=True)
class _Curve:
    """A collapse with the scaled control over the width of the transition, y L^(-zeta/nu) as it is."""

    L: np.ndarray
    u: np.ndarray
    y: np.ndarray
    error: np.ndarray
    fitted: np.ndarray

    def between(self, low: float, high: float) -> np.ndarray:
        """Fitted curve on a range of the scaled control, from means over neighbouring points."""
        from scipy.interpolate import PchipInterpolator  # a tenth of a second that few figures use

        bins = np.unique(np.round((self.u - self.u.min()) / np.ptp(self.u) * 60), return_inverse=True)[1]
        count = np.bincount(bins)
        smooth = PchipInterpolator(np.bincount(bins, self.u) / count, np.bincount(bins, self.fitted) / count)
        return np.asarray(smooth(np.linspace(low, high, 400)))

    def trend(self) -> float:
        """Sign of a curve that rises or falls, 0 for a peak."""
        r = float(np.corrcoef(self.u, self.fitted)[0, 1])
        return float(np.sign(r)) if abs(r) > TREND else 0.0


def compare_figure(comparison: Comparison) -> Figure:
    """Slide: the collapses overlaid, and 1/nu, and zeta/nu where fitted, beside the classes.

    Where a fit has no collapse, or there is one fit only, the left panel shows each by itself.
    """
    fits = list(comparison.fits.values())
    known = [exponents(fit) for fit in fits]
    with _large():
        ladders = 2 if any(zeta for _, zeta in known) else 1
        figure = new_figure(13.5 + 3.5 * (ladders - 1), 6.2)
        grid = figure.add_gridspec(1, 1 + ladders, width_ratios=[1.7] + [0.62] * ladders)
        _draw_left(figure, grid[0, 0], comparison, fits)
        _draw_ladder(figure.add_subplot(grid[0, 1]), comparison, [nu for nu, _ in known], 0)
        if ladders == 2:
            _draw_ladder(figure.add_subplot(grid[0, 2]), comparison, [zeta for _, zeta in known], 1)
        first = comparison.verdict.split("; excluded")[0]
        text = _plain(first).replace("zeta/nu", r"$\zeta/\nu$").replace("1/nu", r"$1/\nu$")
        width = 105 + 25 * (ladders - 1)
        figure.suptitle(textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False), fontsize=FONT)
    return figure


def _plain(name: str) -> str:
    """Name that is not read as a formula."""
    return name.replace("$", r"\$")


def _short(name: str) -> str:
    return _plain(name if len(name) <= 16 else f"{name[:15]}\u2026")


def _draw_left(figure: Figure, place: SubplotSpec, comparison: Comparison, fits: list[Fit]) -> None:
    if len(fits) == 2 and all(fit.collapse for fit in fits):
        draw_overlay(figure.add_subplot(place), comparison)
        return
    rows = place.subgridspec(len(fits), 1)
    for k, (fit, name) in enumerate(zip(fits, comparison.names, strict=False)):
        axes = figure.add_subplot(rows[k])
        if fit.collapse:
            draw_collapse(axes, fit)
        else:
            draw_curves(axes, fit)
            note = f"no collapse: {fit.verdict}"
            axes.text(0.5, 0.97, note, transform=axes.transAxes, ha="center", va="top", fontsize=LABEL)
        axes.set_title(f"{_plain(name)}: {fit.curves.observable} against {fit.curves.control}", fontsize=FONT)


def _curve(fit: Fit) -> _Curve:
    best = fit.collapse
    assert best
    chosen = best.scan.best.mask
    points = best.points.chosen(chosen)
    x_c, inverse_nu, zeta = (float(v) for v in best.best.parameters[:3])
    u, shrink = (points.x - x_c) * points.L**inverse_nu, points.L**-zeta
    fitted = best.best.fitted * shrink
    # The width is the range of all data of the largest size over the steepest slope of its fitted curve.
    top = points.sizes[-1]
    every = np.equal(best.points.L, top)
    span = float(np.ptp(best.points.y[every] * best.points.L[every] ** -zeta))
    largest = np.flatnonzero(np.equal(points.L, top))
    largest = largest[np.argsort(u[largest])]
    slope = float(np.abs(np.diff(fitted[largest]) / np.diff(u[largest])).max())
    width = span / slope if slope > 0 and span > 0 else 1.0
    return _Curve(points.L, u / width, points.y * shrink, points.error * shrink, fitted)


def draw_overlay(axes: Axes, comparison: Comparison) -> None:
    """Panel of both collapses: x over the width of each transition, y linearly from 0 to 1 over the range they share.

    Where one curve rises and the other falls, y of the second is turned over, and its label says so.
    """
    curves = [_curve(fit) for fit in comparison.fits.values()]
    low, high = max(c.u.min() for c in curves), min(c.u.max() for c in curves)
    turned = curves[0].trend() * curves[1].trend() < 0
    for k, (curve, name) in enumerate(zip(curves, comparison.names, strict=True)):
        line = curve.between(low, high)
        bottom, span = float(line.min()), float(np.ptp(line)) or 1.0
        flip = turned and k == 1
        value, shown = (curve.y - bottom) / span, (line - bottom) / span
        if flip:
            value, shown = 1 - value, 1 - shown
        sizes = (comparison.a if k == 0 else comparison.b or comparison.a).curves.sizes
        for j, L in enumerate(sizes):
            mine = (curve.L == L) & (curve.u >= low - 0.02 * (high - low)) & (curve.u <= high + 0.02 * (high - low))
            if mine.any():
                axes.errorbar(
                    curve.u[mine], value[mine], curve.error[mine] / span, color=COLOURS[k], mew=1.4, lw=1, alpha=0.85,
                    fmt=MARKERS[j % len(MARKERS)], ms=7 if k else 6, mfc="none" if k else COLOURS[k],
                    label=f"{_plain(name)}, L = {L}{', y turned over' if flip else ''}",
                )  # fmt: skip
        axes.plot(np.linspace(low, high, 400), shown, color=COLOURS[k], lw=1.2, ls="--" if k else "-", zorder=1)
    axes.axvline(0, color="0.6", lw=0.8, zorder=0)
    axes.set_xlim(low - 0.03 * (high - low), high + 0.03 * (high - low))
    axes.set_xlabel(r"$(x - x_c)\,L^{1/\nu}$ over the width of each transition")
    axes.set_ylabel(r"$y\,L^{-\zeta/\nu}$, each scaled to $[0, 1]$")
    axes.legend(frameon=False, fontsize=LABEL, ncols=1 if len(axes.get_lines()) < 12 else 2)


def _draw_ladder(axes: Axes, comparison: Comparison, found: Sequence[Estimate | None], which: int) -> None:
    """Panel of an exponent of the fits beside horizontal lines of the classes, 1/nu or zeta/nu."""
    standing = [{score.name: score.standing for score in scores(fit)} for fit in comparison.fits.values()]
    values = [e.value for e in found if e]
    rungs = []
    for c in CLASSES:
        if c.inverse_nu and c.beta_over_nu and c.gamma_over_nu:
            if which == 0:
                rungs.append((c.name, c.inverse_nu.value))
            else:
                rungs += [(c.name, -c.beta_over_nu.value)] if min(values) < 0 else []
                rungs += [(c.name, c.gamma_over_nu.value)] if max(values) > 0 else []
    heights = [y for _, y in rungs]
    low, high = min(heights + values), max(heights + values)
    pad = 0.06 * (high - low)
    axes.set_ylim(low - pad, high + pad)
    places = _spread([(y - low + pad) / (high - low + 2 * pad) for y in heights])
    for (name, y), place in zip(rungs, places, strict=True):
        agreeing = [k for k, s in enumerate(standing) if s and s[name] != "excluded"]
        colour = "0.55" if not agreeing else COLOURS[agreeing[0]] if len(agreeing) < len(standing) else "black"
        axes.axhline(y, color=colour, lw=1.6 if agreeing else 0.8, zorder=0.5 if agreeing else 0)
        axes.annotate(
            re.sub(r"L\^\d", lambda found: f"${found[0]}$", name), (1, y), (1.1, place),
            xycoords=("axes fraction", "data"), textcoords="axes fraction", va="center", fontsize=LABEL, color=colour,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.7, "shrinkA": 1, "shrinkB": 0, "relpos": (0, 0.5)},
        )  # fmt: skip
    for k, estimate in enumerate(found):
        if estimate:
            axes.errorbar(
                k, estimate.value, estimate.error, color=COLOURS[k], fmt=MARKERS[k], ms=7, capsize=6, lw=2,
                mfc="none" if k else COLOURS[k], mew=1.8,
            )  # fmt: skip
        elif which == 0:
            note = f"{list(comparison.fits.values())[k].verdict}, no exponent"
            axes.text(
                k, (low + high) / 2, note, rotation=90, ha="center", va="center", color=COLOURS[k], fontsize=LABEL,
                bbox={"color": "white", "pad": 3},
            )  # fmt: skip
    axes.set_xlim(-0.6, len(found) - 0.4)
    labels = [f"{_short(n)}\n{e}" if e else _short(n) for n, e in zip(comparison.names, found, strict=False)]
    axes.set_xticks(range(len(found)), labels)
    axes.set_title((r"$1/\nu$", r"$\zeta/\nu$")[which], fontsize=FONT + 1)


def _spread(places: list[float]) -> list[float]:
    """Places moved apart to `NAME_GAP` at least, as little as can be, in the same order."""
    order = np.argsort(places, kind="stable")
    wanted = np.array(places)[order] - NAME_GAP * np.arange(len(places))
    # Isotonic regression by pooling neighbours that are out of order.
    pools: list[list[float]] = []
    for value in wanted:
        pools.append([float(value), 1.0])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, count = pools.pop()
            before, number = pools.pop()
            pools.append([(mean * count + before * number) / (count + number), count + number])
    moved = np.concatenate([np.full(int(count), mean) for mean, count in pools]) + NAME_GAP * np.arange(len(places))
    result = np.empty(len(places))
    result[order] = moved
    return [float(value) for value in result]


def overlay_figure(found: Mapping[str, Curves]) -> Figure:
    """Figure of the curves of several files in one panel: colours and markers by size, lines by file.

    Raises
    ------
    InputError
        If the files differ in their control parameter.
    """
    controls = sorted({curves.control for curves in found.values()})
    if len(controls) > 1:
        raise InputError(f"one panel has one axis, and the files have {' and '.join(controls)}; draw them one by one")
    figure = new_figure(7.5, 4.6)
    axes, sizes = figure.subplots(), sorted({L for curves in found.values() for L in curves.sizes})
    for style, (name, curves) in zip(cycle(FILE_LINES), found.items()):
        for L in curves.sizes:
            errorbar(axes, sizes.index(L), curves.x[L], curves.y[L], curves.errors[L], ls=style, ms=4, lw=1.2)
        axes.plot([], [], color="0.3", ls=style, label=name)
    for k, L in enumerate(sizes):
        errorbar(axes, k, [], [], label=f"L = {L}")
    first = next(iter(found.values()))
    axes.set(xlabel=axis_label(first), ylabel=" or ".join(dict.fromkeys(curves.symbol for curves in found.values())))
    axes.legend(frameon=False, fontsize=8)
    return figure
