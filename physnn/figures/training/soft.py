"""Figure of symmetries that weights were drawn to: their strengths, and deviations from them, during training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from physnn.figures.style import look, new_figure

LEAST_SHOWN = 1e-8
"""Deviations below are drawn there: they are rounding."""
MOST_NAMED = 12
"""Layers that a legend names at most."""
_Arrays = Mapping[str, np.ndarray]


def soft_figure(found: Mapping[str, tuple[Sequence[str], Sequence[str], _Arrays]]) -> Figure:
    """Figure of strengths above and deviations below, a column for every symmetry of every ensemble.

    Parameters
    ----------
    found : mapping
        By ensemble the words of symmetries, names of layers, and arrays ``soft_strength`` and ``soft_deviation`` of
        shape (networks, epochs, symmetries, layers).

    Lines are geometric means over networks, bands their standard errors; layers that cannot deviate are left out.
    """
    columns = [(name, s) for name, (words, _, _) in found.items() for s in range(len(words))]
    figure = new_figure(3.6 * len(columns) + 1.4, 6)
    panels = figure.subplots(2, len(columns), sharex=True, sharey="row", squeeze=False)
    for (above, below), (name, s) in zip(panels.T, columns, strict=True):
        words, layers, arrays = found[name]
        moved = [k for k in range(len(layers)) if arrays["soft_deviation"][:, :, s, k].any()]
        for axes, key in ((above, "soft_strength"), (below, "soft_deviation")):
            for k in moved:
                _course(axes, k, arrays[key][:, :, s, k], layers[k])
            axes.set_yscale("log")
        if not moved:
            below.text(0.5, 0.5, "built in", ha="center", va="center", transform=below.transAxes)
        above.set_title(words[s] if len(found) == 1 else f"{name}: {words[s]}")
        below.set_xlabel("epoch")
        below.xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[0, 0].set_ylabel("strength (dimensionless)")
    panels[1, 0].set_ylabel("deviation (1: as at random)")
    told = [axes.get_legend_handles_labels() for axes in panels[1]]
    handles = {label: handle for pair in told for handle, label in zip(*pair, strict=True)}
    names = [
        layer for layer in dict.fromkeys(name for _, layers, _ in found.values() for name in layers) if layer in handles
    ]
    if 0 < len(names) <= MOST_NAMED:
        figure.legend([handles[name] for name in names], names, loc="outside right upper", frameon=False, fontsize=9)
    return figure


def _course(axes: Axes, k: int, values: np.ndarray, label: str) -> None:
    """Geometric mean of values ``(networks, epochs)`` with a band of its standard error."""
    logs = np.log10(np.maximum(values, LEAST_SHOWN))
    epochs, mean = 1 + np.arange(values.shape[1]), logs.mean(0)
    error = logs.std(0, ddof=1) / np.sqrt(len(logs)) if len(logs) > 1 else 0 * mean
    colour, marker = look(k)
    axes.plot(epochs, 10**mean, color=colour, marker=marker, ms=3, lw=1.2, label=label)
    axes.fill_between(epochs, 10 ** (mean - error), 10 ** (mean + error), color=colour, alpha=0.2, lw=0)
