"""Figure of classifiers with labels in the plane: right answers by learning rate, and what labels add to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from physnn.analysis.statistics.estimate import Estimate
from physnn.figures.style import errorbar, new_figure

ARM_SPACING = 1.03
"""Factor between the places of arms at one rate."""


def label_figure(
    rates: Sequence[float],
    validation: Mapping[str, Sequence[Estimate]],
    gains: Mapping[str, tuple[Sequence[float], Sequence[Estimate]]],
    best: Mapping[str, Estimate],
    title: str,
) -> Figure:
    """Figure of three panels: right answers, gains with both at one rate, and gains of each at its own best one.

    Parameters
    ----------
    rates : sequence of float
        Learning rates.
    validation : mapping
        Right answers of images held out, in percent, by arm and rate.
    gains : mapping
        Rates, and gains on images held out at these, in percentage points, by arm.
    best : mapping
        Gains on test images, by arm.
    title : str
        What is trained on what.
    """
    figure = new_figure(13, 4.2)
    axes = figure.subplots(1, 3, width_ratios=(1.2, 1.2, 1))
    arms, several = list(validation), len(validation)

    def beside(values: Sequence[float], k: int) -> list[float]:
        return [value * ARM_SPACING ** (k - (several - 1) / 2) for value in values]

    for k, arm in enumerate(arms):
        own = validation[arm]
        style = {"ms": 4, "ls": "-", "lw": 0.8, "label": arm}
        errorbar(axes[0], k, beside(rates, k), [e.value for e in own], [e.error for e in own], **style)
        if arm in gains and gains[arm][0]:
            at, values = gains[arm]
            errorbar(axes[1], k, beside(at, k), [e.value for e in values], [e.error for e in values], **style)
    axes[0].set(ylabel="right answers, images held out (%)", xlabel="learning rate, same for all")
    axes[1].set(ylabel="right answers less those of one-hot\n(percentage points), paired")
    axes[1].set(xlabel="learning rate, same for both")
    for row, (arm, gain) in enumerate(best.items()):
        errorbar(axes[2], arms.index(arm), [row], [gain.value], [gain.error], ms=6)
    axes[2].set_xticks(range(len(best)), list(best), rotation=45, ha="right")
    axes[2].set(ylabel="the same on test images (points)", xlabel="each at its own best rate")
    axes[2].set_xlim(-0.5, max(len(best), 1) - 0.5)
    for place in axes[:2]:
        place.set_xscale("log")
        place.set_xticks(list(rates), [f"{rate:g}" for rate in rates])
        place.minorticks_off()
    for place in axes[1:]:
        place.axhline(0, color="#000000", lw=0.6)
    axes[0].legend(frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure
