"""Figure of an order: structure factors over all wave vectors, and energies of sites, at three temperatures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from physnn.analysis.order.equilibrium import whole_zone
from physnn.analysis.order.structure import WaveVector
from physnn.figures.style import COLOURS, new_figure


def structure_figure(
    L: int, T: np.ndarray, structure: np.ndarray, energy: np.ndarray, wave_vectors: Sequence[WaveVector]
) -> Figure:
    """Figure of S(k) above and the energy map of the first chain below, at lowest, middle and highest temperature.

    The trace of S(k) is ``(temperatures, chains, L, L // 2 + 1)``, the energy of sites ``(temperatures, chains, L,
    L)``.
    """
    chosen = sorted({0, len(T) // 2, len(T) - 1})
    figure = new_figure(4 * len(chosen), 7)
    axes = figure.subplots(2, len(chosen), squeeze=False)
    for column, t in enumerate(chosen):
        draw_structure(axes[0, column], structure[t].mean(0), wave_vectors)
        axes[0, column].set_title(f"L = {L}, T = {T[t]:.6g}", fontsize=10)
        image = axes[1, column].imshow(energy[t, 0], cmap="cividis")
        axes[1, column].set(xlabel="column (sites)", ylabel="row (sites)")
        figure.colorbar(image, ax=axes[1, column], label="energy of a site", shrink=0.8)
    return figure


def draw_structure(axes: Axes, half: np.ndarray, wave_vectors: Sequence[WaveVector]) -> None:
    """Panel of the trace of S(k) from its columns 0 to L // 2; circles mark k* and -k*."""
    full = np.fft.fftshift(whole_zone(half))
    L = len(full)
    edges = (-(L // 2) - 0.5) * 2 / L, (L - L // 2 - 0.5) * 2 / L
    image = axes.imshow(full, origin="lower", extent=(*edges, *edges), cmap="cividis", norm=LogNorm())
    axes.figure.colorbar(image, ax=axes, label=r"tr $S(k)$", shrink=0.8)
    waves = 2 * np.array([[float(row), float(column)] for row, column in wave_vectors])
    waves = (np.concatenate([waves, -waves]) + 1) % 2 - 1
    axes.plot(waves[:, 1], waves[:, 0], "o", mfc="none", color=COLOURS[1], ms=8)
    axes.set(xlim=edges, ylim=edges, xlabel=r"$k_\mathrm{column}/\pi$", ylabel=r"$k_\mathrm{row}/\pi$")
