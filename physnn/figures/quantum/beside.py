"""Figure of trained ground states: by stage of their training, and beside a reference and exact values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physnn.figures.style import errorbar, look, new_figure

if TYPE_CHECKING:
    from physnn.answers.quantum.beside import Beside, Stages

PARAMETER_LABELS = {"h": "transverse field $h$ (J)", "delta": r"anisotropy $\Delta$", "J2": "$J_2$ ($J_1$)"}
"""Labels of the axis of a model's parameter."""


def beside_figure(control: str, rows: Sequence[Beside], stages: Sequence[Stages]) -> Figure:
    """Figure of six panels: energy and order by stage, infidelity bound; U4, scaled order, and order in errors.

    Parameters
    ----------
    control : str
        Parameter of the model: h, delta or J2.
    rows : sequence of Beside
        Observables of networks, of the reference, and exact ones.
    stages : sequence of Stages
        Means over networks by stage.
    """
    figure = new_figure(12, 7.4)
    panels = figure.subplots(2, 3)
    sizes = sorted({one.L for one in stages})
    for k, L in enumerate(sizes):
        own = [one for one in stages if one.L == L]
        _by_stage(panels[0, 0], panels[0, 1], k, max(own, key=lambda one: np.nan_to_num(one.infidelity[-1], nan=-1.0)))
        bound = np.array([[one.value, abs(one.infidelity[-1])] for one in own])
        colour, marker = look(k)
        panels[0, 2].plot(*bound.T, marker, color=colour, ls="-", lw=0.8, ms=5)
        _curves(panels[1, 0], k, [row for row in rows if row.L == L and row.name == "U4"], 1.0)
        _curves(panels[1, 1], k, [row for row in rows if row.L == L and row.name == "m2"], L**0.25)
        _in_errors(panels[1, 2], k, [row for row in rows if row.L == L and row.name == "m2"])
    for axes, label in zip(panels[0], ("$|E - E_0|/|E_0|$", r"$\langle m^2\rangle$ / exact $- 1$", ""), strict=True):
        axes.set(xlabel="stage of the training", ylabel=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
    for axes, drawn in zip(
        panels[0, ::2], ([one.energy for one in stages], [one.infidelity for one in stages]), strict=True
    ):
        if any(np.isfinite(values).any() for values in drawn):
            axes.set_yscale("log")
    panels[0, 1].axhline(0, color="0.6", lw=0.8, zorder=0)
    panels[0, 2].set(xlabel=PARAMETER_LABELS[control], ylabel="infidelity bound $|E - E_0|$ / gap")
    panels[1, 0].set(xlabel=PARAMETER_LABELS[control], ylabel="$U_4$")
    panels[1, 1].set(xlabel=PARAMETER_LABELS[control], ylabel=r"$\langle m^2\rangle\, L^{1/4}$")
    panels[1, 2].axhspan(-2, 2, color="0.9", zorder=0)
    panels[1, 2].set(xlabel=PARAMETER_LABELS[control], ylabel=r"$\langle m^2\rangle$: networks off, in errors")
    for axes in (panels[0, 0], panels[1, 0]):
        handles, labels = axes.get_legend_handles_labels()
        if handles:
            figure.legend(
                handles, labels, fontsize=8, frameon=False, ncols=6,
                loc="outside upper left" if axes is panels[0, 0] else "outside lower left",
            )  # fmt: skip
    return figure


def _by_stage(energies: Axes, orders: Axes, k: int, one: Stages) -> None:
    """Energy and order of one point by stage; the point is the one with the largest bound."""
    at = np.arange(1, len(one.energy) + 1) + 0.04 * k
    label = f"L = {one.L}, at {one.value:g}"
    # An energy that is below the exact one by its noise has no logarithm; its error reaches above.
    errorbar(energies, k, at, np.abs(one.energy[:, 0]), one.energy[:, 1], ms=5, ls="-", lw=0.8, label=label)
    errorbar(orders, k, at, one.order[:, 0], one.order[:, 1], ms=5, ls="-", lw=0.8)


def _curves(axes: Axes, k: int, rows: Sequence[Beside], factor: float) -> None:
    """Networks with filled, the reference with open markers, exact values as a line."""
    colour, _ = look(k)
    if not rows:
        return
    L = rows[0].L
    x = np.array([row.value for row in rows])
    network = np.array([[row.network.value, row.network.error] for row in rows]).T * factor
    errorbar(axes, k, x, *network, ms=5, label=f"L = {L}: networks")
    exact = np.array([np.nan if row.exact is None else row.exact for row in rows]) * factor
    if np.isfinite(exact).any():
        axes.plot(x, exact, color=colour, lw=0.9, label=f"L = {L}: exact")
    known = [(row.value, row.reference.value * factor, row.reference.error * factor) for row in rows if row.reference]
    if known:
        errorbar(axes, k, *np.array(known).T, ms=9, mfc="none", label=f"L = {L}: reference")


def _in_errors(axes: Axes, k: int, rows: Sequence[Beside]) -> None:
    """How far networks are off, from exact values where they are known, else from the reference."""
    found = []
    for row in rows:
        gone = row.deviations()
        found.append((row.value, gone.get("network - exact", gone.get("network - reference", np.nan))))
    if found:
        colour, marker = look(k)
        axes.plot(*np.array(found).T, marker, color=colour, ls="-", lw=0.8, ms=5)
