"""Figure of networks trained on a differential equation: errors during training, and differences to raw networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physnn.analysis.statistics.claims import MATTERS, Claim
from physnn.figures.style import error_curves, errorbar, new_figure


def pde_figure(
    problem: str, arrays: Mapping[int, Mapping[str, np.ndarray]], arms: Sequence[str], claims: Sequence[Claim]
) -> Figure:
    """Figure of errors by arm, of the largest width, and of the last errors by width where there are several.

    Parameters
    ----------
    problem : str
        Name of the differential equation.
    arrays : mapping
        By width: ``mark``, and ``error``, ``(arms, seeds, marks)``.
    arms : sequence of str
        Names along the first axis.
    claims : sequence of Claim
        Judgements of the largest width.
    """
    several = len(arrays) > 1
    figure = new_figure(15 if several else 10, 4.2)
    axes = figure.subplots(1, 3 if several else 2)
    width, last = max(arrays.items())
    sound = np.isfinite(last["error"]).all(-1)
    error_curves(axes[0], last["mark"], {arm: last["error"][k, sound[k]] for k, arm in enumerate(arms)})
    axes[0].set(xscale="log", xlabel="steps", ylabel=r"$\log_{10}$ of the relative $L_2$ error")
    axes[0].set_title(f"{problem}, width {width}, {last['error'].shape[1]} seeds", fontsize=10)
    judged = list(dict.fromkeys(claim.form for claim in claims))
    axes[1].axhspan(-MATTERS, MATTERS, color="#999999", alpha=0.25, lw=0, label="does not matter")
    axes[1].axhline(0, color="#000000", lw=0.6)
    for row, arm in enumerate(judged):
        own = [claim for claim in claims if claim.form == arm]
        at = np.array([claim.mark for claim in own]) * 1.04 ** (row - (len(judged) - 1) / 2)
        values, spreads = ([getattr(claim.difference, name) for claim in own] for name in ("value", "error"))
        errorbar(axes[1], arms.index(arm), at, values, spreads, ms=4, ls="-", lw=0.8, label=arm)
    axes[1].set(xscale="log", xlabel="steps", ylabel=r"$\log_{10}$(error / error of raw), paired")
    for place in axes[:2]:
        _name_ticks(place, last["mark"])
        place.legend(frameon=False, fontsize=8, ncols=1, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    if several:
        ends = [np.log10(arrays[w]["error"][:, :, -1]) for w in arrays]
        for k, arm in enumerate(arms):
            rows = [end[k][np.isfinite(end[k])] for end in ends]
            means = [row.mean() if len(row) else np.nan for row in rows]
            spreads = [row.std(ddof=1) / np.sqrt(len(row)) if len(row) > 1 else 0.0 for row in rows]
            at = np.array(list(arrays)) * 1.01 ** (k - (len(arms) - 1) / 2)
            errorbar(axes[2], k, at, means, spreads, ms=4, ls="-", lw=0.8, label=arm)
        axes[2].set(xscale="log", xlabel="width", ylabel=r"$\log_{10}$ of the last relative $L_2$ error")
        _name_ticks(axes[2], np.array(list(arrays)))
    return figure


def _name_ticks(axes: Axes, values: np.ndarray) -> None:
    """Ticks at these values of a logarithmic axis, and nowhere else."""
    axes.set_xticks(values, [f"{value:,}" for value in values], rotation=45)
    axes.minorticks_off()


def study_figure(claims: Mapping[str, Sequence[Claim]]) -> Figure:
    """Figure of the last differences to raw networks, a column for each problem and a panel for kinds of arms.

    Parameters
    ----------
    claims : mapping
        By problem: judgements of all arms, the last mark of each is drawn.
    """
    figure = new_figure(11, 7.5)
    axes = figure.subplots(2, 1, sharex=True)
    arms = list(dict.fromkeys(claim.form for each in claims.values() for claim in each))
    steps = [arm for arm in arms if arm == "step" or arm.startswith("bias")]
    for place, shown in zip(axes, ([arm for arm in arms if arm not in steps], steps), strict=True):
        place.axhspan(-MATTERS, MATTERS, color="#999999", alpha=0.25, lw=0, label="does not matter")
        place.axhline(0, color="#000000", lw=0.6)
        for row, arm in enumerate(shown):
            own = [[c.difference for c in each if c.form == arm] for each in claims.values()]
            last = [(k, each[-1]) for k, each in enumerate(own) if each]
            at = np.array([k for k, _ in last]) + 0.12 * (row - (len(shown) - 1) / 2)
            values, spreads = [d.value for _, d in last], [d.error for _, d in last]
            errorbar(place, arms.index(arm), at, values, spreads, ms=4, label=arm)
        place.set(ylabel=r"$\log_{10}$(error / error of raw), paired")
        place.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes[0].set_title("constants and what they are said to be", fontsize=10)
    axes[1].set_title("a step of its own for the first bias", fontsize=10)
    axes[1].set_xticks(np.arange(len(claims)), [name.replace("-", "-\n") for name in claims], fontsize=9)
    return figure
