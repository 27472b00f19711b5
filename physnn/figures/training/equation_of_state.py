"""Figure of the equation of state: masses, pressure, energy, entropy and speed of sound, and errors during training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physnn.figures.style import error_curves, look, new_figure

PANELS = (("p", r"$p/T^4$"), ("e", r"$\varepsilon/T^4$"), ("s", r"$s/T^3$"), ("cs2", r"$c_s^2$"))
"""Quantities beside lattice data, all dimensionless."""


def state_figure(
    arrays: Mapping[str, np.ndarray], arms: Sequence[str], species: Sequence[str], data: Mapping[str, np.ndarray]
) -> Figure:
    """Figure of trained networks beside lattice data.

    Parameters
    ----------
    arrays : mapping
        ``temperature`` in MeV, ``(T,)``; ``mass`` in GeV, ``(arms, seeds, species, T)``; ``p``, ``e``, ``s``, ``cs2``,
        ``(arms, seeds, T)``; ``loss``, ``(arms, seeds, marks)``, and ``mark``.
    arms, species : sequence of str
        Names along these axes; bands of the first arm and, if there, of ``expanded`` are drawn.
    data : mapping
        Lattice data: ``T`` in MeV, and values ``NAME`` with errors ``NAME_low`` and ``NAME_high``.
    """
    figure = new_figure(12.5, 7)
    axes = figure.subplots(2, 3)
    shown = [k for k, arm in enumerate(arms) if k == 0 or arm == "expanded"]
    for place, (name, label) in zip(axes.flat[:4], PANELS, strict=True):
        low_high = [data[f"{name}_low"], data[f"{name}_high"]]
        place.errorbar(data["T"], data[name], low_high, color="#000000", marker="o", ms=3, ls="none", label="lattice")
        for row, k in enumerate(shown):
            _band(place, row, arrays["temperature"], arrays[name][k], arms[k])
        place.set(xlabel="temperature $T$ (MeV)", ylabel=f"{label} (dimensionless)")
    axes.flat[0].legend(frameon=False, fontsize=9, loc="upper left")
    for k, name in enumerate(species):
        _band(axes[1, 1], k, arrays["temperature"], arrays["mass"][shown[0], :, k], name)
    axes[1, 1].set(xlabel="temperature $T$ (MeV)", ylabel=f"mass, {arms[shown[0]]} (GeV)")
    axes[1, 1].legend(frameon=False, fontsize=9)
    error_curves(axes[1, 2], arrays["mark"], dict(zip(arms, arrays["loss"], strict=True)))
    axes[1, 2].set(xscale="log", xlabel="steps", ylabel=r"$\log_{10}$ of the mean squared deviation")
    axes[1, 2].legend(frameon=False, fontsize=8, loc="lower left", ncols=2)
    return figure


def _band(axes: Axes, k: int, x: np.ndarray, rows: np.ndarray, label: str) -> None:
    """Median over seeds, and a band from the least to the largest."""
    colour, _ = look(k)
    axes.plot(x, np.median(rows, axis=0), color=colour, lw=1.5, label=f"{label}: median and range of {len(rows)}")
    axes.fill_between(x, rows.min(0), rows.max(0), color=colour, alpha=0.25, lw=0)
