"""Figures of networks: images they make, and their training curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from physnn.figures.style import look, new_figure

Titled = tuple[str, np.ndarray]
"""A title and an image."""


def image_figure(*rows: Sequence[Titled]) -> Figure:
    """Figure of rows of images with their titles; values from -0.5 (black) to +0.5 (white), dimensionless."""
    columns = max(len(row) for row in rows)
    figure = new_figure(2.3 * columns + 0.6, 2.5 * len(rows) + 0.2)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        for place, (title, image) in zip(line, row, strict=True):
            drawn = place.imshow(image, cmap="gray", vmin=-0.5, vmax=0.5, interpolation="nearest")
            place.set_title(title, fontsize=10)
            place.set(xticks=[], yticks=[])
    figure.colorbar(drawn, ax=axes.ravel().tolist(), label="pixel value (dimensionless)", shrink=0.8)
    return figure


def training_figure(losses: Mapping[str, np.ndarray], pairs_per_epoch: int) -> Figure:
    """Figure of training curves, from mean squared errors ``(networks, epochs)`` by class of networks.

    The median RMSE of each class, and every network as a thin line.
    """
    figure = new_figure(5.6, 4)
    axes = figure.subplots()
    for k, (name, loss) in enumerate(losses.items()):
        rmse = np.sqrt(loss)
        seen = (1 + np.arange(rmse.shape[1])) * pairs_per_epoch / 1000
        colour, marker = look(k)
        label = f"{name}: median of {len(rmse)} and each"
        axes.plot(seen, np.median(rmse, 0), color=colour, marker=marker, ms=5, lw=2, label=label)
        axes.plot(seen, rmse.T, color=colour, lw=0.8, alpha=0.7)
    axes.set(
        xlabel="image pairs seen (thousands)", ylabel="training RMSE (pixels 0 and 1, dimensionless)", yscale="log"
    )
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure
