"""Images told from memory: shares told right against the memory they take, and differences between descriptors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physnn.analysis.statistics.estimate import Estimate
from physnn.figures.style import errorbar, new_figure

Told = tuple[str, int, str, Estimate, float]
"""Control, images of every class in memory, descriptor, share told right, and megabytes."""


def recall_figure(
    rows: Sequence[Told], apart: Mapping[str, Mapping[str, Estimate]], chance: float, verdict: str
) -> Figure:
    """Columns are controls: shares told right against memory above, differences from pixel vectors below.

    Parameters
    ----------
    rows : sequence of (control, images, descriptor, share, megabytes)
        What was told, see `Told`.
    apart : mapping
        Differences of pixel vectors from other descriptors, by ``"control, images"`` and descriptor.
    chance : float
        Share told right by guessing, drawn as a line.
    verdict : str
        Sentence above all.
    """
    controls, names = list(dict.fromkeys(row[0] for row in rows)), list(dict.fromkeys(row[2] for row in rows))
    figure = new_figure(max(6.5, 2.6 * len(controls) + 1), 5.2 if apart else 3.2)
    grid = figure.subplots(2 if apart else 1, len(controls), squeeze=False, sharey="row")
    for column, control in enumerate(controls):
        upper = grid[0, column]
        upper.axhline(chance, color="0.6", ls=":", lw=1, label="guessing")
        for k, name in enumerate(names):
            some = [row for row in rows if row[0] == control and row[2] == name]
            values, errors = [row[3].value for row in some], [row[3].error for row in some]
            errorbar(upper, k, [row[4] for row in some], values, errors, ms=4, ls="-", lw=0.8, label=name)
        upper.set(xscale="log", xlabel="memory (MB, half precision)", title=f"shown as: {control}")
        if apart:
            _differences(grid[1, column], control, names, apart)
    grid[0, 0].set_ylabel("share told right (68 % errors)")
    grid[0, 0].legend(fontsize=6.5, loc="best")
    if apart:
        grid[1, 0].set_ylabel("other less pixel vectors (points)")
    figure.suptitle(verdict, fontsize=8)
    for axes in grid.ravel():
        axes.title.set_fontsize(8)
        axes.xaxis.label.set_fontsize(8)
        axes.yaxis.label.set_fontsize(8)
        axes.tick_params(labelsize=7)
    return figure


def _differences(axes: Axes, control: str, names: Sequence[str], apart: Mapping[str, Mapping[str, Estimate]]) -> None:
    """Differences under one control against images in memory, with 68 % errors."""
    found = {int(key.rpartition(", ")[2]): each for key, each in apart.items() if key.rpartition(", ")[0] == control}
    axes.axhline(0, color="0.6", lw=1)
    for k, name in enumerate(names):
        some = {shots: each[name] for shots, each in found.items() if name in each}
        if not some:
            continue
        at = [n + 0.12 * (k - (len(names) - 1) / 2) for n in range(len(some))]  # side by side
        points = [-100 * each.value for each in some.values()]
        errorbar(axes, k, at, points, [100 * each.error for each in some.values()], ms=4)
    axes.set_xticks(range(len(found)), [str(shots) for shots in found])
    axes.set_xlabel("images of every class in memory")
