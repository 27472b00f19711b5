"""Figure of a renormalization flow: exponents by number of operators and block step, couplings by block step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physnn.analysis.renormalization.couplings import Couplings
from physnn.analysis.renormalization.judgement import Step
from physnn.analysis.statistics.estimate import Estimate
from physnn.figures.style import COLOURS, errorbar, new_figure


def flow_figure(
    title: str,
    steps: Sequence[Step],
    couplings: Sequence[Couplings | None],
    operators: Mapping[str, Sequence[str]],
    exact: Mapping[str, float],
    others: Mapping[str, Sequence[Couplings | None]],
) -> Figure:
    """Figure of four panels.

    Parameters
    ----------
    title : str
        What was measured.
    steps : sequence of Step
        Exponents of every block step.
    couplings : sequence of Couplings or None
        Couplings before the first step and after each.
    operators : mapping
        Names of ``even`` and ``odd`` operators.
    exact : mapping
        y_t and y_h of the class, drawn as lines; may be empty.
    others : mapping
        Couplings by level of further runs, by label; of these the first one is drawn.
    """
    figure = new_figure(10.5, 7.6)
    panels = figure.subplots(2, 2)
    for axes, name, kind in ((panels[0, 0], "y_t", "even"), (panels[0, 1], "y_h", "odd")):
        _exponents(axes, name, kind, steps, exact.get(name))
        axes.set_xticks(range(1, len(operators[kind]) + 1), ["+ " * (k > 0) + o for k, o in enumerate(operators[kind])])
        axes.tick_params(axis="x", rotation=20)
        axes.set_xlabel(f"{kind} operators")
    axes = panels[1, 0]
    for k, operator in enumerate(operators["even"]):
        rows = [(n, c.estimates[k]) for n, c in enumerate(couplings) if c and k < len(c.estimates)]
        _by_level(axes, k, rows, operator)
    axes.axhline(0, color="0.7", lw=0.8, zorder=0)
    axes.set(xlabel="block steps", ylabel=r"coupling $K_a$ (units of $T$)", title=title)
    axes.title.set_fontsize(9)
    _legend_outside(axes)
    axes = panels[1, 1]
    for k, (label, levels) in enumerate(others.items()):
        _by_level(axes, k, [(n, c.estimates[0]) for n, c in enumerate(levels) if c], label)
    axes.set(xlabel="block steps", ylabel=r"$K_\mathrm{nearest}$ (units of $T$)", title="nearest neighbours, every run")
    axes.title.set_fontsize(9)
    _legend_outside(axes)
    for axes in panels[1]:
        axes.xaxis.get_major_locator().set_params(integer=True)
    return figure


def _exponents(axes: Axes, name: str, kind: str, steps: Sequence[Step], exact: float | None) -> None:
    """Largest exponent against the number of operators, a curve for each step, beside the exact one."""
    for k, step in enumerate(steps):
        rows = [each.estimates[0] for each in (step.even if kind == "even" else step.odd)]
        # Side by side: equal ones would hide each other.
        at = 1 + np.arange(len(rows)) + 0.06 * (k - (len(steps) - 1) / 2)
        label = f"step {step.level + 1}, to {step.side} x {step.side}"
        errorbar(axes, k, at, [e.value for e in rows], [_error(e) for e in rows], ms=4, ls="-", lw=0.8, label=label)
    if exact is not None:
        axes.axhline(exact, color=COLOURS[-1], lw=1, ls="--", label=f"exact {exact:.4g}", zorder=0)
    axes.set_ylabel(f"${name}$ (dimensionless)")
    _legend_outside(axes)


def _error(estimate: Estimate) -> float:
    return estimate.error if np.isfinite(estimate.error) else 0.0


def _by_level(axes: Axes, k: int, rows: Sequence[tuple[int, Estimate]], label: str) -> None:
    """Values with errors against the number of block steps."""
    if rows:
        n, values = zip(*rows, strict=True)
        errors = [_error(e) for e in values]
        errorbar(axes, k, n, [e.value for e in values], errors, ms=4, ls="-", lw=0.8, label=label)


def _legend_outside(axes: Axes) -> None:
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=7, frameon=False)
