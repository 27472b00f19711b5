"""Figure of an order: structure factors over all wave vectors, and energies of sites, at three temperatures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from physnn.analysis.order.equilibrium import whole_zone
from physnn.analysis.order.structure import WaveVector
from physnn.figures.style import draw_zone, new_figure


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
        S, waves = np.fft.fftshift(whole_zone(structure[t].mean(0))), [(2 * k[0], 2 * k[1]) for k in wave_vectors]
        draw_zone(axes[0, column], S, waves, "k", r"tr $S(k)$", norm=LogNorm())
        axes[0, column].set_title(f"L = {L}, T = {T[t]:.6g}", fontsize=10)
        image = axes[1, column].imshow(energy[t, 0], cmap="cividis")
        axes[1, column].set(xlabel="column (sites)", ylabel="row (sites)")
        figure.colorbar(image, ax=axes[1, column], label="energy of a site", shrink=0.8)
    return figure
