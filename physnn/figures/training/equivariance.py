"""Figure of how equivariant the layers of trained networks are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from matplotlib.figure import Figure

from physnn.analysis.statistics.estimate import Estimate
from physnn.figures.style import errorbar, new_figure

LEAST_DRAWN = 1e-14
"""Deviations below are drawn there: they are rounding."""


class NamedLayer(Protocol):
    """Deviations of one layer."""

    @property
    def ensemble(self) -> str:
        """Name of the ensemble."""

    @property
    def layer(self) -> str:
        """Name of the layer."""

    @property
    def interpolated(self) -> Estimate:
        """Deviation by interpolation between pixels alone; 0 where there is none."""


def equivariance_figure(group: str, rows: Sequence[NamedLayer]) -> Figure:
    """Figure of deviations by layer, a panel for each ensemble.

    Parameters
    ----------
    group : str
        Point group that acted on images.
    rows : sequence
        Deviations of every layer.
    """
    names = list(dict.fromkeys(row.ensemble for row in rows))
    figure = new_figure(4.6 * len(names) + 2.2, 4.8)
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    drawn = {
        "still": "channels as they are",
        "mixed": "channels rotated to fit",
        "untrained": "the same, untrained",
        "unrelated": "unrelated images",
        "interpolated": "interpolation alone",
    }
    if not any(row.interpolated.value for row in rows):
        del drawn["interpolated"]
    for axes, name in zip(panels, names, strict=True):
        mine = [row for row in rows if row.ensemble == name]
        for k, (field, label) in enumerate(drawn.items()):
            estimates: list[Estimate] = [getattr(row, field) for row in mine]
            places = [n + 0.12 * (k - (len(drawn) - 1) / 2) for n in range(len(mine))]
            heights = [max(e.value, LEAST_DRAWN) for e in estimates]
            errorbar(axes, k, places, heights, [e.error for e in estimates], ms=5, label=label)
        axes.set_yscale("log")
        axes.set_title(name)
        axes.set_xticks(range(len(mine)), [row.layer for row in mine], rotation=60, ha="right", fontsize=8)
    panels[0].set_ylabel(f"deviation under {group} (dimensionless)")
    panels[-1].legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure
