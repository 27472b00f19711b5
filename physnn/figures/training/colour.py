"""Figures of diffusion models that colour images: losses and errors during training, and a sheet of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physnn.analysis.statistics.claims import MATTERS, Claim
from physnn.figures.style import error_curves, errorbar, new_figure

BAR_STYLES = {"grey": "-", "chroma": "--", "ridge": ":"}
"""Lines of answers that need no network."""
COLOUR_PANELS = {
    "loss": "loss at original pixels",
    "error": "error of a sample",
    "crps": "score, error - diversity / 2",
}
"""What is drawn during training, and its name."""


def colour_figure(
    title: str,
    arrays: Mapping[str, np.ndarray],
    arms: Sequence[str],
    bars: Mapping[str, float],
    claims: Mapping[str, Sequence[Claim]],
) -> Figure:
    """Figure of the loss and of errors during training, of the loss by noise level, and of differences to raw images.

    Parameters
    ----------
    title : str
        Of the first panel.
    arrays : mapping
        ``mark``, ``level``; ``loss``, ``(arms, seeds, marks, levels)``; ``error``, ``crps`` and ``diversity``, ``(arms,
        seeds, marks)``.
    arms : sequence of str
        Names along the first axis.
    bars : mapping
        Mean absolute errors of answers that need no network.
    claims : mapping
        Judgements by what they are of.
    """
    figure = new_figure(14, 8)
    axes = figure.subplots(2, 3)
    marks, levels, whole = arrays["mark"], arrays["level"], arrays["loss"].mean(-1)
    sound = np.isfinite(whole).all(-1) & np.isfinite(arrays["error"]).all(-1)
    drawn = [k for k in range(len(arms)) if sound[k].any()]
    for place, (name, label) in zip(axes[0], COLOUR_PANELS.items(), strict=True):
        values = whole if name == "loss" else arrays[name]
        error_curves(place, marks, {arms[k]: values[k, sound[k]] for k in drawn})
        if name != "loss":
            for bar, error in bars.items():
                place.axhline(np.log10(error), color="#000000", lw=0.9, ls=BAR_STYLES.get(bar, "-."), label=bar)
        place.set(xscale="log", xlabel="steps of raw", ylabel=rf"$\log_{{10}}$ of the {label}")
        place.set_xticks(marks, [f"{mark:,}" for mark in marks], rotation=45)
        place.minorticks_off()
    axes[0, 0].set_title(title, fontsize=10)
    axes[0, 2].legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    for k in drawn:
        means, spreads = _means(np.log10(arrays["loss"][k, sound[k], -1]))
        at = levels + 0.008 * (k - (len(arms) - 1) / 2)
        errorbar(axes[1, 0], k, at, means, spreads, ms=4, ls="-", lw=0.8)
        (x, dx), (y, dy) = (_means(arrays[name][k, sound[k], -1]) for name in ("diversity", "error"))
        errorbar(axes[1, 1], k, [x], [y], [dy], [dx], ms=5)
    for bar, error in bars.items():
        axes[1, 1].axhline(error, color="#000000", lw=0.9, ls=BAR_STYLES.get(bar, "-."))
    axes[1, 1].locator_params(axis="x", nbins=5)
    axes[1, 0].set(xlabel="noise level $t/T$", ylabel=r"$\log_{10}$ of the last loss")
    axes[1, 1].set(xlabel="diversity: mean difference of two samples", ylabel="error of a sample")
    _differences(axes[1, 2], arms, claims)
    return figure


def _means(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over seeds, the first axis, with standard errors; these are 0 for one seed."""
    spread = values.std(0, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.zeros(values.shape[1:])
    return values.mean(0), spread


def _differences(place: Axes, arms: Sequence[str], claims: Mapping[str, Sequence[Claim]]) -> None:
    """Panel of the last differences to raw images, a column for everything that is judged."""
    place.axhspan(-MATTERS, MATTERS, color="#999999", alpha=0.25, lw=0, label="does not matter")
    place.axhline(0, color="#000000", lw=0.6)
    judged = list(dict.fromkeys(claim.form for own in claims.values() for claim in own))
    for row, arm in enumerate(judged):
        for column, own in enumerate(claims.values()):
            if mine := [claim.difference for claim in own if claim.form == arm]:
                at = column + 0.12 * (row - (len(judged) - 1) / 2)
                errorbar(place, arms.index(arm), [at], [mine[-1].value], [mine[-1].error], ms=4)
    place.set_xticks(np.arange(len(claims)), ["score" if name == "crps" else name for name in claims])
    place.set(ylabel=r"$\log_{10}$(arm / raw) in the end, paired")
    place.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def picture_sheet(arrays: Mapping[str, np.ndarray], arms: Sequence[str]) -> Figure:
    """Figure of grey inputs, samples of the first seed of every arm, and the truth, a row for each.

    Parameters
    ----------
    arrays : mapping
        ``grey`` and ``truth``, ``(pictures, 3, side, side)``; ``samples``, ``(arms, seeds, pictures, samples, 3, side,
        side)``: bytes.
    arms : sequence of str
        Names along the first axis of the samples.
    """
    shown = arrays["samples"][:, 0]
    rows = [("grey", arrays["grey"])]
    rows += [
        (f"{arm}, {n + 1}" if shown.shape[2] > 1 else arm, shown[k, :, n])
        for k, arm in enumerate(arms)
        for n in range(shown.shape[2])
    ]
    rows.append(("truth", arrays["truth"]))
    count = len(arrays["truth"])
    figure = new_figure(1.1 * count + 1.2, 1.12 * len(rows))
    axes = figure.subplots(len(rows), count, squeeze=False)
    for line, (name, images) in zip(axes, rows, strict=True):
        for place, image in zip(line, images, strict=True):
            place.imshow(image.transpose(1, 2, 0), interpolation="nearest")
            place.set(xticks=[], yticks=[])
            for side in place.spines.values():
                side.set_visible(False)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    return figure
