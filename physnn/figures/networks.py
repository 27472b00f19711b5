"""Figures of networks: images they make, and how they were trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from physnn.figures.style import COLOURS, new_figure


def image_figure(images: Sequence[tuple[str, np.ndarray]]) -> Figure:
    """Return images side by side with their titles; values from -0.5 (black) to +0.5 (white), dimensionless."""
    figure = new_figure(2.5 * len(images) + 0.6, 2.9)
    axes = figure.subplots(1, len(images), squeeze=False)[0]
    for place, (title, image) in zip(axes, images, strict=True):
        drawn = place.imshow(image, cmap="gray", vmin=-0.5, vmax=0.5, interpolation="nearest")
        place.set_title(title, fontsize=10)
        place.set(xticks=[], yticks=[])
    figure.colorbar(drawn, ax=list(axes), label="pixel value", shrink=0.8)
    return figure


def training_figure(losses: Mapping[str, np.ndarray], pairs_per_epoch: int) -> Figure:
    """Return training curves: mean RMSE of each class with a band of one standard deviation over its networks.

    Parameters
    ----------
    losses : mapping
        Class name to mean squared error per epoch, shape ``(networks, epochs)``.
    pairs_per_epoch : int
        Image pairs in one epoch, for the axis.
    """
    figure = new_figure(5.6, 4)
    axes = figure.subplots()
    for k, (name, loss) in enumerate(losses.items()):
        rmse = np.sqrt(loss)
        seen = (1 + np.arange(rmse.shape[1])) * pairs_per_epoch / 1000
        mean, colour = rmse.mean(0), COLOURS[k % len(COLOURS)]
        if len(rmse) > 1:
            spread = rmse.std(0, ddof=1)
            axes.fill_between(seen, mean - spread, mean + spread, color=colour, alpha=0.25, lw=0)
        axes.plot(seen, mean, color=colour, marker="os^D"[k % 4], ms=4, label=f"{name} (n = {len(rmse)})")
    axes.set(
        xlabel="image pairs seen (thousands)", ylabel="training RMSE (pixels 0 and 1, dimensionless)", yscale="log"
    )
    axes.legend(frameon=False)
    return figure
