"""Figure of the memory of domains: decay of the contrast, lifetimes against L, and their growth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physnn.analysis.memory.contrast import LOST, Memories, MemoryAnswer, held
from physnn.analysis.statistics.estimate import Estimate
from physnn.figures.style import AXIS_LABELS, COLOURS, look, new_figure

SHOWN_NOISES = 3
"""Number of noise values whose decay is drawn."""
VAGUE = 3.0
"""Largest error of an exponent that is drawn."""


def memory_figure(answer: MemoryAnswer, sizes: Mapping[int, Memories]) -> Figure:
    """Figure of m(t) at a few noise values, lifetimes against L at all of them, and the exponent of their growth."""
    figure = new_figure(13, 7.4)
    grid = figure.add_gridspec(2, SHOWN_NOISES * 2)
    chosen = sorted({0, len(answer.rows) // 2, len(answer.rows) - 1})
    for k, e in enumerate(chosen):
        draw_decay(figure.add_subplot(grid[0, 2 * k : 2 * k + 2]), answer, sizes, e)
    draw_lifetimes(figure.add_subplot(grid[1, :3]), answer)
    draw_growth(figure.add_subplot(grid[1, 3:]), answer)
    figure.suptitle(answer.verdict, fontsize=10)
    return figure


def draw_decay(axes: Axes, answer: MemoryAnswer, sizes: Mapping[int, Memories], e: int) -> None:
    """Panel of m(t) of every size at one noise value, averaged, with a band over networks or over replicas of one."""
    for k, (L, one) in enumerate(sizes.items()):
        m = held(one.curve[e])
        draws = m.mean(1) if len(m) > 1 else m[0]
        mean, band = draws.mean(0), draws.std(0, ddof=1) / math.sqrt(len(draws))
        t, (colour, _) = one.times[1:], look(k)
        axes.plot(t, mean[1:], color=colour, lw=1.4, label=f"L = {L}")
        axes.fill_between(t, (mean - band)[1:], (mean + band)[1:], color=colour, alpha=0.25, lw=0)
    axes.axhline(LOST, color="0.5", ls=":", lw=1)
    axes.set(xscale="log", xlabel=r"$t/\gamma$ (steps)", ylabel="$m(t)$", ylim=(min(-0.1, axes.get_ylim()[0]), 1.1))
    axes.set_title(rf"$\eta$ = {answer.rows[e].eta:.4g}: {answer.rows[e].growth.verdict}", fontsize=10)
    axes.legend(frameon=False, fontsize=8)


def draw_lifetimes(axes: Axes, answer: MemoryAnswer) -> None:
    """Panel of lifetimes against L, one line for each noise value; lower limits are arrows."""
    for k, row in enumerate(answer.rows):
        colour, marker = look(k)
        L = np.array(list(row.lifetimes), float)
        cells = list(row.lifetimes.values())
        tau = np.array([cell.tau for cell in cells])
        error = np.array([min(cell.log_tau.error, 5.0) for cell in cells])
        seen = np.array([not cell.bound for cell in cells])
        ends = np.stack([tau * (1 - np.exp(-error)), tau * (np.exp(error) - 1)])
        label = rf"$\eta$ = {row.eta:.4g}, {row.growth.verdict}"
        axes.errorbar(L[seen], tau[seen], ends[:, seen], color=colour, fmt=f"{marker}-", ms=4, lw=1, label=label)
        axes.errorbar(L[~seen], tau[~seen], 0.3 * tau[~seen], color=colour, fmt="none", lolims=True, lw=1)
    axes.set(xscale="log", yscale="log", xlabel="L (sites)", ylabel=r"lifetime $\tau/\gamma$ (steps)")
    axes.set_xticks(answer.sizes, [str(L) for L in answer.sizes])
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))


def draw_growth(axes: Axes, answer: MemoryAnswer) -> None:
    """Panel of the exponent of tau ~ L^z against noise, of all networks and of each."""
    for n in range(len(answer.networks) if len(answer.networks) > 1 else 0):
        own = [(row.eta, row.own[n].z) for row in answer.rows]
        axes.plot(*_known(own)[:2], color="0.75", lw=0.8, marker=".", zorder=1)
    eta, z, error = _known([(row.eta, row.growth.z) for row in answer.rows])
    axes.errorbar(eta, z, error, color=COLOURS[0], fmt="o", ms=4)
    kept = [row.eta for row in answer.rows if row.growth.verdict == "kept"]
    for k, value in enumerate(kept):
        axes.axvline(value, color="0.6", ls=":", lw=1, label=None if k else "nothing was lost")
    if kept:
        axes.legend(frameon=False, fontsize=8)
    axes.axhline(0, color="0.5", lw=0.8)
    axes.set(xlabel=AXIS_LABELS["eta"], ylabel=r"$z$ of $\tau \sim L^z$")


def _known(found: Sequence[tuple[float, Estimate | None]]) -> tuple[list[float], list[float], list[float]]:
    """Noise values, exponents and errors of the exponents that are known to better than `VAGUE`."""
    good = [(eta, z.value, z.error) for eta, z in found if z is not None and z.error < VAGUE]
    return [g[0] for g in good], [g[1] for g in good], [g[2] for g in good]
