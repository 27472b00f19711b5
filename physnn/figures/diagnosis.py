"""Figure of a diagnosis: order, motion along the depth, and damage by noise of one network."""

from __future__ import annotations

import textwrap
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physnn.analysis.order.diagnosis import Diagnosis
from physnn.figures.style import COLOURS, draw_zone, new_figure

PATH = (("M", (1.0, 1.0)), ("0", (0.0, 0.0)), ("X", (0.0, 1.0)), ("M", (1.0, 1.0)))
"""Corners of the way through the wave vectors, in units of pi along (rows, columns)."""


def diagnosis_figure(diagnosis: Diagnosis) -> Figure:
    """Figure of eight panels: J(q), its bands, errors, energy, overlaps, walls, damage by noise, and the verdict."""
    figure = new_figure(16, 7.6)
    gamma = "" if diagnosis.gamma is None else f", gamma = {diagnosis.gamma:g}"
    figure.suptitle(f"{diagnosis.name} ({diagnosis.family}{gamma}, T = {diagnosis.steps})")
    axes = figure.subplots(2, 4)
    if _known(axes[0, 0], diagnosis.spectrum) and diagnosis.spectrum:
        waves = np.array([mode.wave_vector for mode in diagnosis.spectrum.leading]) / np.pi
        draw_zone(axes[0, 0], diagnosis.spectrum.bands[..., -1], waves, "q", r"largest eigenvalue of $J(q)$")
        axes[0, 0].set_title("modes within 5 % of the top: circles", fontsize=10)
    draw_bands(axes[0, 1], diagnosis)
    draw_errors(axes[0, 2], diagnosis)
    draw_energy(axes[0, 3], diagnosis)
    draw_overlaps(axes[1, 0], diagnosis)
    draw_walls(axes[1, 1], diagnosis)
    draw_damage(axes[1, 2], diagnosis)
    draw_words(axes[1, 3], diagnosis)
    return figure


def _known(axes: Axes, *what: object) -> bool:
    """True if all arrays are there; else the panel says which quantity is missing."""
    if all(item is not None for item in what):
        return True
    axes.axis("off")
    axes.text(0.5, 0.5, "not known", ha="center", va="center", transform=axes.transAxes)
    return False


def draw_bands(axes: Axes, d: Diagnosis) -> None:
    """Panel of all eigenvalues along the way M - 0 - X - M, with the local field and the edge of stability.

    Where layers have their own couplings, draw the stability number of each.
    """
    if "layer_s" in d.measured:
        axes.plot(1 + np.arange(d.steps), d.measured["layer_s"], color=COLOURS[0], marker=".", lw=1)
        axes.axhline(1, color=COLOURS[1], ls="--", lw=1.5, label="unstable above")
        axes.set(xlabel="layer", ylabel=r"$\gamma (h - \lambda_\mathrm{min})/2$", title=f"s = {d.s:.3f}")
        axes.legend(frameon=False, fontsize=8)
        return
    if not _known(axes, d.spectrum, d.h, d.gamma):
        return
    assert d.spectrum is not None and d.h is not None and d.gamma is not None
    L, places, names = len(d.spectrum.bands), [], []
    rows: list[np.ndarray] = []
    for (name, start), (_, end) in pairwise(PATH):
        names.append(name)
        places.append(len(rows))
        for share in np.arange(L // 2) / (L // 2):
            q = np.array(start) + share * (np.array(end) - np.array(start))
            row, column = (np.rint(q * (L // 2)).astype(int) + L // 2) % L
            rows.append(d.spectrum.bands[row, column])
    axes.plot(np.array(rows), color=COLOURS[0], lw=0.8)
    axes.axhline(d.h, color=COLOURS[2], lw=1.5, label="local field h")
    axes.axhline(d.h - 2 / d.gamma, color=COLOURS[1], ls="--", lw=1.5, label=r"$h - 2/\gamma$: unstable below")
    axes.set_xticks([*places, len(rows)], [*names, PATH[-1][0]])
    axes.set(xlabel="wave vector", ylabel="eigenvalues of J(q)", title=f"s = {d.s:.3f}")
    axes.legend(frameon=False, fontsize=8, loc="upper right")


def draw_errors(axes: Axes, d: Diagnosis) -> None:
    """Panel of the error against depth."""
    errors = d.measured["rmse"]
    axes.plot(errors, color=COLOURS[0], lw=1, marker=".", ms=3)
    axes.axvline(d.steps, color=COLOURS[1], lw=1, label=f"T = {d.steps}")
    axes.axhline(float(d.measured["target_sd"]), color=COLOURS[6], ls=":", lw=1, label="best constant answer")
    axes.set(xlabel="depth (steps)", ylabel="RMSE (pixels 0 and 1, dimensionless)", yscale="log")
    axes.legend(frameon=False, fontsize=8)


def draw_energy(axes: Axes, d: Diagnosis) -> None:
    """Panel of the energy against depth; beyond the range of a gradient flow that of two successive states, too.

    The first steps, which fall far, are left out of view.
    """
    if not _known(axes, energy := d.measured.get("energy")):
        return
    assert energy is not None
    axes.plot(energy, color=COLOURS[0], lw=1.2, label=r"$E$")
    if d.s is not None and d.s >= 1 and "pair_energy" in d.measured:
        pairs = d.measured["pair_energy"]
        axes.plot(np.arange(len(pairs)) + 0.5, pairs, color=COLOURS[2], lw=1.2, label="of two successive states")
    late = energy[d.steps // 2 :]
    margin = 0.1 * (late.max() - late.min()) + 1e-3 * abs(late.min())
    axes.axvline(d.steps, color=COLOURS[1], lw=1)
    axes.set(xlabel="depth (steps)", ylabel="energy per site (dimensionless)", ylim=(None, late.max() + 5 * margin))
    axes.legend(frameon=False, fontsize=8)


def draw_overlaps(axes: Axes, d: Diagnosis) -> None:
    """Panel of 1 - overlap of states 1, 2, 3, ... steps apart."""
    if not _known(axes, d.measured.get("overlaps_far")):
        return
    for k, (name, label) in enumerate((("overlaps_at_depth", "from T"), ("overlaps_far", "far beyond T"))):
        away = np.maximum(1 - d.measured[name], 1e-8)
        axes.plot(1 + np.arange(len(away)), away, color=COLOURS[k], marker="os"[k], ms=4, lw=1, label=label)
    assert d.period is not None
    words = {0: "no period found", 1: "fixed point"}.get(d.period, f"cycle of {d.period}")
    axes.set(xlabel="lag (steps)", ylabel=r"$1 - \langle x_t \cdot x_{t+\mathrm{lag}}\rangle$", yscale="log")
    axes.set_title(words, fontsize=10)
    axes.legend(frameon=False, fontsize=8)


def draw_walls(axes: Axes, d: Diagnosis) -> None:
    """Panel of straight walls between the two states."""
    for k, direction in enumerate(("rows", "columns")):
        label = f"across {direction}"
        if "wall_energy" in d.measured:
            label += f": {d.measured['wall_energy'][k]:.3g} per length"
        axes.plot(d.measured["wall_profile"][k], color=COLOURS[k], marker="os"[k], ms=3, lw=1, label=label)
    axes.set(xlabel="place (pixels)", ylabel=r"$x \cdot x_\mathrm{background}$", ylim=(-1.1, 2.2))
    axes.legend(frameon=False, fontsize=8, title="walls at T, with their energy", title_fontsize=8, loc="upper left")


def draw_damage(axes: Axes, d: Diagnosis) -> None:
    """Panel of each window's share of the damage."""
    windows, shares = d.measured["windows"], d.damage_shares
    axes.bar(windows[:, 0], shares, np.diff(windows, axis=1)[:, 0], align="edge", color=COLOURS[5], edgecolor="white")
    axes.set(xlabel="steps with noise", ylabel="share of the damage to the output at T", xlim=(0, d.steps))
    axes.set_title(rf"$\eta$ = {float(d.measured['eta']):g}", fontsize=10)


def draw_words(axes: Axes, d: Diagnosis) -> None:
    """Panel with the verdict."""
    axes.axis("off")
    text = "\n".join("\n".join(textwrap.wrap(f"- {words}", 44)) for words in d.findings.values())
    axes.text(0, 1, text, va="top", fontsize=9, transform=axes.transAxes)
