"""Figure of the flow of Boltzmann machines: courses, fixed points by training, eigenvalues of the update."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from physnn.figures.style import COLOURS, errorbar, new_figure


def reconstruction_figure(
    steps: Sequence[int],
    courses: tuple[Sequence[float], Sequence[float]],
    points: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    eigenvalues: np.ndarray | None,
    critical: float,
) -> Figure:
    """Figure of temperatures by number of updates, of fixed points, and of a spectrum.

    Parameters
    ----------
    steps : sequence of int
        Updates.
    courses : tuple
        Temperatures by energy after them, from a cold and from a hot start, in J / k_B.
    points : sequence of tuple
        Label, and value and error of T* by energy and by two-point function, of every machine.
    eigenvalues : ndarray or None
        Largest eigenvalues of the update.
    critical : float
        Critical temperature.
    """
    figure = new_figure(14 if eigenvalues is not None else 10, 4.2)
    axes = figure.subplots(1, 3 if eigenvalues is not None else 2)
    for k, (name, course) in enumerate(zip(("cold", "hot"), courses, strict=True)):
        errorbar(axes[0], k, np.array(steps) + 0.5, course, ls="-", lw=0.8, ms=4, label=f"from {name}")
    axes[0].axhline(critical, color="#000000", lw=0.8, ls="--", label="$T_c$")
    axes[0].set(xscale="log", xlabel="updates + 1/2", ylabel=r"temperature by energy ($J/k_B$)")
    axes[0].legend(frameon=False, fontsize=9, loc="upper right")
    at = np.arange(len(points))
    for k, name in enumerate(("energy", "two-point function")):
        values, errors = ([each[part][k] for each in points] for part in (1, 2))
        errorbar(axes[1], k, values, at + 0.12 * (2 * k - 1), None, errors, ms=5, label=f"by {name}")
    axes[1].axvline(critical, color="#000000", lw=0.8, ls="--", label="$T_c$")
    axes[1].set_yticks(at, [each[0] for each in points], fontsize=9)
    axes[1].set(xlabel=r"fixed point $T^*$ ($J/k_B$)")
    axes[1].invert_yaxis()
    axes[1].margins(y=0.1)
    axes[1].legend(frameon=False, fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    if eigenvalues is not None:
        axes[2].stem(np.arange(1, len(eigenvalues) + 1), eigenvalues, linefmt=COLOURS[0], basefmt=" ")
        axes[2].axhline(1, color="#000000", lw=0.8, ls="--")
        axes[2].set(xlabel="mode", ylabel="eigenvalue of the update", ylim=(0, 1.08))
    return figure
