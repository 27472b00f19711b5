"""Figures of entropies: by cut, and of random machines by size."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from physnn.analysis.quantum.entropy import chord_logarithm
from physnn.figures.style import COLOURS, errorbar, look, new_figure

CutCurve = tuple[str, int, bool, np.ndarray, np.ndarray, np.ndarray]
"""Label, sites, whether periodic, cuts, entropies in nats, errors (0 where exact)."""


def cut_figure(curves: Sequence[CutCurve], symbol: str, charge: float | None) -> Figure:
    """Figure of two panels: entropy by share of the sites, and by the logarithm of the chord.

    Parameters
    ----------
    curves : sequence of CutCurve
        Entropies of states.
    symbol : str
        Symbol of the entropy, as mathematics: S, or S_2.
    charge : float or None
        Central charge whose slope on periodic chains is drawn; none at all where there are other lattices.
    """
    figure = new_figure(10, 4.4)
    left, right = figure.subplots(1, 2, sharey=True)
    for k, (label, N, periodic, cuts, values, errors) in enumerate(curves):
        for axes, x in ((left, cuts / N), (right, chord_logarithm(cuts, N, periodic))):
            if errors.any():
                errorbar(axes, k, x, values, errors, ms=4, label=label if axes is left else None)
            else:
                colour, marker = look(k)
                order = np.argsort(x)
                axes.plot(x[order], values[order], marker, ms=3, color=colour, ls="-", lw=0.8,
                          label=label if axes is left else None)  # fmt: skip
    left.set(xlabel="share of sites $l/N$", ylabel=f"${symbol}$ (nats)")
    right.set(xlabel=r"$\ln$ chord: $\ln[(N/\pi)\,\sin(\pi l/N)]$, open chains: twice the argument")
    if charge is not None:
        low, high = right.get_xlim()
        slope = charge * ((1 / 3) if symbol == "S" else 1 / 4)
        at = np.array([max(low, high - 2.5), high])
        base = 1.06 * max(float(np.nanmax(values)) for *_, values, _ in curves)
        label = f"slope {slope:.3g}: $c = {charge:g}$, periodic"
        right.plot(at, base + slope * (at - high), color="0.4", ls="--", lw=1, label=label)
        right.legend(fontsize=8, loc="lower right", frameon=False)
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    return figure


def random_figure(
    groups: Sequence[tuple[str, np.ndarray, np.ndarray, np.ndarray]],
) -> Figure:
    """Figure of mean entropies of random machines by size.

    Parameters
    ----------
    groups : sequence of tuple
        Label, sites, mean entropies in nats and their errors.
    """
    figure = new_figure(6.4, 4.4)
    axes = figure.subplots()
    for k, (label, sites, values, errors) in enumerate(groups):
        errorbar(axes, k, sites, values, errors, ls="-", lw=0.8, ms=5, label=label)
    sites = np.unique(np.concatenate([sites for _, sites, _, _ in groups]))
    axes.plot(
        sites, sites / 2 * math.log(2), color=COLOURS[6], ls="--", lw=1, label=r"largest possible, $(N/2)\,\ln 2$"
    )
    axes.set(xlabel="sites $N$", ylabel="$S$ of half the sites (nats)", ylim=(0, None))
    axes.set_xticks(sites)
    figure.legend(loc="outside upper center", ncols=2, fontsize=8, frameon=False)
    return figure
