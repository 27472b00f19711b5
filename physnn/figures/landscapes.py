"""Figures of energy and loss landscapes: sorted levels with their degeneracies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physnn.figures.style import COLOURS, MARKERS, new_figure

if TYPE_CHECKING:
    from physnn.exact.landscape import Landscape

LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
"""Line styles, so that curves on top of each other can be told apart."""
SHOWN_ENERGY = 18
"""Largest energy above the ground state, in units of J, at which the splitting is drawn."""


def ising_landscape_figure(
    shape: tuple[int, int],
    drawn: Mapping[float, np.ndarray],
    exact: Mapping[float, Landscape],
    exact_shape: tuple[int, int],
) -> Figure:
    """Ising model's landscape in fields: random configurations, degeneracies, and the splitting of levels.

    Fields h/J map to energies E/J of random configurations of one shape, ascending, and to the exact levels E/J of
    another with their numbers of configurations; the first field is 0.
    """
    figure = new_figure(13.5, 4.2)
    random, whole, lowest = figure.subplots(1, 3)
    for k, (h, energies) in enumerate(drawn.items()):
        rank = np.arange(1, len(energies) + 1)
        random.plot(rank, energies, color=COLOURS[k], drawstyle="steps-mid", ls=LINES[k], label=f"h/J = {h:g}")
    random.set(
        xlabel="configuration, sorted by energy",
        ylabel="energy $E/J$ (dimensionless)",
        title=f"(a) {len(energies):,} random configurations, {shape[0]} x {shape[1]}",
    )
    for k, (h, landscape) in enumerate(exact.items()):
        counts = landscape.counts.astype(float)
        style = {"color": COLOURS[k], "marker": MARKERS[k], "ls": "none", "label": f"h/J = {h:g}"}
        whole.plot(landscape.levels, counts, ms=5 if k == 0 else 2, zorder=3 - k / len(exact), **style)
    whole.set(
        yscale="log",
        xlabel="energy $E/J$ (dimensionless)",
        ylabel="number of configurations $g$",
        title=f"(b) all $2^{{{landscape.weights}}}$ configurations, {exact_shape[0]} x {exact_shape[1]}",
    )
    _draw_splitting(lowest, exact)
    for axes in (random, whole):
        axes.legend(frameon=False, fontsize=9)
        axes.margins(y=0.08)
    return figure


def _draw_splitting(axes: Axes, exact: Mapping[float, Landscape]) -> None:
    """Panel of the lowest levels as lines, one column for each field, with their numbers of configurations."""
    ground = min(float(landscape.levels[0]) for landscape in exact.values())
    top = float(next(iter(exact.values())).levels[0]) + SHOWN_ENERGY
    for column, (k, landscape) in enumerate(enumerate(exact.values())):
        shown = landscape.levels <= top
        last = -np.inf
        for level, count in zip(landscape.levels[shown], landscape.counts[shown], strict=True):
            axes.plot([column, column + 0.55], [level, level], color=COLOURS[k], lw=1.4)
            # A number needs its height; those of levels closer than that are left out.
            if level - last > (top - ground) / 26:
                axes.text(column + 0.58, level, f"{count:,}", va="center", fontsize=7, color=COLOURS[k])
                last = level
    fields = [f"{h:g}" for h in exact]
    axes.set(
        xticks=[k + 0.28 for k in range(len(fields))],
        xticklabels=fields,
        xlim=(-0.1, len(fields) + 0.1),
        ylim=(ground - 1.5, top + 1),
        xlabel="field $h/J$ (dimensionless)",
        ylabel="energy $E/J$ (dimensionless)",
        title="(c) lowest levels, with their counts",
    )


def loss_landscape_figure(landscapes: Mapping[str, Landscape], loss: str = "cross-entropy (nats)") -> Figure:
    """Figure of sorted losses of all configurations of named networks, and the degeneracies of their levels."""
    figure = new_figure(11, 4.4)
    left, right = figure.subplots(1, 2)
    for k, (name, landscape) in enumerate(landscapes.items()):
        style = {"color": COLOURS[k % len(COLOURS)], "ls": LINES[k % len(LINES)], "lw": 1.6}
        # From the highest loss to the lowest; each level is as long as its share of all configurations.
        shares = landscape.probabilities[::-1]
        edges = np.concatenate([[0.0], np.cumsum(shares)])
        left.stairs(landscape.levels[::-1], edges, baseline=None, label=name, **style)
        left.plot(1, landscape.levels[0], color=style["color"], marker=MARKERS[k % len(MARKERS)], ms=5, clip_on=False)
        ranked = np.sort(landscape.probabilities)[::-1]
        label = f"{name}: $2^{{{landscape.weights}}}$ on {landscape.distinct:,} levels"
        marks = {"marker": MARKERS[k % len(MARKERS)], "ms": 4, "markevery": 0.08}
        right.plot(np.arange(1, len(ranked) + 1), ranked, label=label, **style, **marks)
    left.set(xlabel="fraction of all configurations", ylabel=f"loss: {loss}", title="(a) losses, sorted (mark: lowest)")
    left.set(yscale="log", xlim=(0, 1))
    right.set(
        xscale="log",
        yscale="log",
        xlabel="level, sorted by its number of configurations",
        ylabel="fraction of all configurations on the level",
        title="(b) degeneracies",
    )
    left.legend(frameon=False, fontsize=9)
    right.legend(frameon=False, fontsize=9)
    return figure
