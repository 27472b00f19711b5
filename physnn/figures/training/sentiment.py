"""Figure of transformers trained on reviews: right answers during training, and differences to plain embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from physnn.analysis.statistics.claims import Claim
from physnn.figures.style import errorbar, new_figure


def sentiment_figure(
    arrays: Mapping[str, np.ndarray],
    arms: Sequence[str],
    claims: Sequence[Claim],
    bars: Mapping[str, float],
    gain: float,
) -> Figure:
    """Figure of shares of right answers by arm, and of paired differences with the gain that is claimed.

    Parameters
    ----------
    arrays : mapping
        ``mark``, and ``test_accuracy`` and ``test_loss``, ``(arms, seeds, marks)``.
    arms : sequence of str
        Names along the first axis.
    claims : sequence of Claim
        Judgements of errors in percentage points.
    bars : mapping
        Shares of right answers of simple models, in percent, by name.
    gain : float
        Gain that is claimed, in percentage points.
    """
    figure = new_figure(15, 4.4)
    axes = figure.subplots(1, 3)
    marks = arrays["mark"]

    def beside(k: int, n: int) -> np.ndarray:
        return np.asarray(marks * 1.03 ** (k - (n - 1) / 2))

    for place, values in zip(axes, (100 * arrays["test_accuracy"], arrays["test_loss"]), strict=False):
        for k, arm in enumerate(arms):
            n = values.shape[1]
            spread = values[k].std(0, ddof=1) / np.sqrt(n) if n > 1 else None
            mean = values[k].mean(0)
            errorbar(place, k, beside(k, len(arms)), mean, spread, ms=4, ls="-", lw=0.8, label=arm)
    for style, (name, value) in zip(("--", ":", "-."), bars.items(), strict=False):
        axes[0].axhline(value, color="#000000", lw=0.8, ls=style, label=name)
    axes[0].set(ylabel="right answers of test reviews (%)", xlabel="steps")
    axes[0].set_title(f"{arrays['test_accuracy'].shape[1]} seeds, errors over seeds", fontsize=10)
    axes[1].set(ylabel="cross-entropy of test reviews (dimensionless)", xlabel="steps")
    judged = list(dict.fromkeys(claim.form for claim in claims))
    axes[2].axhline(0, color="#000000", lw=0.6)
    axes[2].axhline(gain, color="#000000", lw=0.8, ls="--", label=f"claimed, {gain:g}")
    for row, arm in enumerate(judged):
        own = [claim for claim in claims if claim.form == arm]
        gains, spreads = [-c.difference.value for c in own], [c.difference.error for c in own]
        k = arms.index(arm)
        errorbar(axes[2], k, beside(row, len(judged)), gains, spreads, ms=4, ls="-", lw=0.8, label=arm)
    axes[2].set(ylabel="right answers less those of none (points), paired", xlabel="steps")
    for place in axes:
        place.set_xscale("log")
        place.set_xticks(marks, [f"{value:,}" for value in marks], rotation=45)
        place.minorticks_off()
    for place in (axes[0], axes[2]):
        place.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure
