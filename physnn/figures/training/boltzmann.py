"""Figure of restricted Boltzmann machines: likelihood during training, and what they generate beside the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physnn.figures.style import COLOURS, errorbar, new_figure

SHOWN = 4
"""Configurations shown, of machine and data each."""


def machines_figure(
    arrays: Mapping[str, np.ndarray], title: str, data: np.ndarray, rows: Sequence[tuple[str, float, float]]
) -> Figure:
    """Figure of the machines of one size and temperature.

    Parameters
    ----------
    arrays : mapping
        ``mark``; ``mark_log_likelihood`` with ``_error``, (seed, mark), perhaps not there; ``correlation`` and
        ``data_correlation`` with ``_error``, (seed, distance); ``distance``; ``snapshots`` (seed, n, rows, columns).
    title : str
        What was trained.
    data : ndarray of int8, shape (n, rows, columns)
        Snapshots of the data.
    rows : sequence of tuple
        Name, relative deviation and its error of every observable.
    """
    figure = new_figure(13, 6.4)
    grid = figure.add_gridspec(2, 3, width_ratios=(1.2, 1.2, 1))
    if "mark_log_likelihood" in arrays:
        _curves(figure.add_subplot(grid[0, 0]), arrays)
    _function(figure.add_subplot(grid[0, 1]), arrays)
    _deviations(figure.add_subplot(grid[1, 0]), rows)
    _histogram(figure.add_subplot(grid[1, 1]), arrays["snapshots"][0], data)
    shown = grid[:, 2].subgridspec(SHOWN, 2)
    for column, (name, images) in enumerate((("machine", arrays["snapshots"][0]), ("data", data))):
        for row in range(min(SHOWN, len(images))):
            axes = figure.add_subplot(shown[row, column])
            axes.imshow(images[row * (len(images) // SHOWN)], cmap="cividis", interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            if row == 0:
                axes.set_title(name, fontsize=10)
    figure.suptitle(title, fontsize=11)
    return figure


def _curves(axes: Axes, arrays: Mapping[str, np.ndarray]) -> None:
    """Likelihood of other snapshots by step, a curve for every seed with a band of its error."""
    for k, (y, error) in enumerate(
        zip(arrays["mark_log_likelihood"], arrays["mark_log_likelihood_error"], strict=True)
    ):
        colour = COLOURS[k % len(COLOURS)]
        axes.plot(arrays["mark"], y, color=colour, lw=1, label=f"seed {k}")
        axes.fill_between(arrays["mark"], y - error, y + error, color=colour, alpha=0.25, lw=0)
    axes.set(xscale="log", xlabel="steps", ylabel=r"$\ln p$ of a snapshot (nats)")
    axes.legend(frameon=False, fontsize=8, loc="lower right")


def _function(axes: Axes, arrays: Mapping[str, np.ndarray]) -> None:
    """Two-point functions by distance."""
    r = arrays["distance"]
    errorbar(axes, 0, r, arrays["data_correlation"][0], arrays["data_correlation_error"][0], ms=4, label="data")
    for k, (y, error) in enumerate(zip(arrays["correlation"], arrays["correlation_error"], strict=True), 1):
        errorbar(axes, k, r * (1 + 0.01 * k), y, error, ms=3, label=f"machine {k - 1}")
    axes.set(xlabel=r"distance $r$ (lattice constants)", ylabel=r"two-point function $G(r)$")
    axes.legend(frameon=False, fontsize=8, loc="upper right")


def _deviations(axes: Axes, rows: Sequence[tuple[str, float, float]]) -> None:
    """Relative deviations of observables."""
    at = np.arange(len(rows))
    errorbar(axes, 1, at, [100 * row[1] for row in rows], [100 * row[2] for row in rows], ms=5)
    axes.axhline(0, color="#000000", lw=0.6)
    axes.set_xticks(at, [row[0] for row in rows])
    axes.set_ylabel("machine / data - 1 (%)")
    axes.margins(x=0.15)


def _histogram(axes: Axes, machine: np.ndarray, data: np.ndarray) -> None:
    """Histograms of the share of the first colour."""
    sites = data[0].size
    edges = (np.arange(sites + 2) - 0.5) / sites
    for k, (name, images) in enumerate((("data", data), ("machine", machine))):
        share = (images == 0).reshape(len(images), -1).mean(axis=1)
        wide = edges[:: max(1, sites // 32)]
        height, _ = np.histogram(share, wide, density=True)
        axes.stairs(height, wide, color=COLOURS[k], label=name, lw=1.5)
    axes.set(xlabel="share of the first colour", ylabel="density")
    axes.legend(frameon=False, fontsize=8, loc="upper center")
