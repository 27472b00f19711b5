"""Figure of estimates with errors against temperature, or against size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from physnn.analysis.curves.observables import OBSERVABLES
from physnn.figures.style import AXIS_LABELS, errorbar, new_figure


def estimates_figure(
    control: str, x: np.ndarray, sizes: Sequence[int] | np.ndarray, curves: Mapping[str, Sequence[np.ndarray]]
) -> Figure:
    """Figure with a panel for each observable: values with errors, ``(sizes, points)`` each, by name.

    They are drawn against the control parameter, or against the size where there is one control value.
    """
    columns = min(2, len(curves))
    rows = math.ceil(len(curves) / columns)
    figure = new_figure(5 * columns, 3.6 * rows)
    against_size = len(x) == 1 < len(sizes)
    for k, (name, (value, error)) in enumerate(curves.items()):
        axes = figure.add_subplot(rows, columns, k + 1)
        shown = error if np.isfinite(error).any() else None
        if against_size:
            errorbar(axes, 0, sizes, value[:, 0], None if shown is None else shown[:, 0], ls="-", lw=0.8)
            axes.set(xlabel="L", xscale="log")
        else:
            for j, L in enumerate(sizes):
                errorbar(axes, j, x, value[j], None if shown is None else shown[j], ls="-", lw=0.8, label=f"L = {L}")
            axes.set_xlabel(AXIS_LABELS.get(control, control))
        axes.set_ylabel(OBSERVABLES[name].symbol)
    if not against_size:
        figure.axes[0].legend()
    return figure
