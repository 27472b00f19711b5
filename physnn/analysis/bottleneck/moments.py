"""Moments and harmonics of energy maps E(x, y), one map for every image."""

from __future__ import annotations

import numpy as np

WAVE_ORDERS = (1, 2, 4)
"""Orders l of the harmonics that are kept: a direction, an axis, and the four corners of a square grid."""
SEVENTHS = 7
"""Share of a side that counts as border, and as centre, is one in so many: a cell of the 7 x 7 maps."""


def central(count: int) -> np.ndarray:
    """Which of the cells along a side belong to the centre: within half a seventh of the middle, or nearest to it."""
    distance = np.abs(np.arange(count) - (count - 1) / 2)
    return np.asarray(distance <= max(count / (2 * SEVENTHS), 0.5) + 1e-9)


def bordering(rows: int, columns: int) -> np.ndarray:
    """Which cells ``(rows, columns)`` belong to the border: a seventh of the side, one cell at least."""
    found = np.ones((rows, columns), bool)
    down, across = max(1, round(rows / SEVENTHS)), max(1, round(columns / SEVENTHS))
    found[down : rows - down, across : columns - across] = False
    return found


def centre_and_border(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean energy of the cells in the centre, and of those at the border, of maps ``(..., rows, columns)``."""
    rows, columns = maps.shape[-2:]
    middle = np.outer(central(rows), central(columns))
    return maps[..., middle].mean(-1), maps[..., bordering(rows, columns)].mean(-1)


def harmonic(maps: np.ndarray, order: int) -> np.ndarray:
    """Complex harmonic of maps ``(..., rows, columns)`` about the middle of the grid, less that of a flat map.

    c_l = sum E exp(-i l theta) / sum E - sum exp(-i l theta) / n over the n cells of the inscribed disc but the middle,
    with theta = 0 to the right and pi/2 upwards.  Its phase over l is the direction, 0 where there is no energy.
    """
    rows, columns = maps.shape[-2:]
    y = -(np.arange(rows) - (rows - 1) / 2)[:, None] / max(rows, 1)
    x = (np.arange(columns) - (columns - 1) / 2)[None, :] / max(columns, 1)
    r = np.hypot(x, y)
    disc = (r > 0) & (r <= 0.5)
    if not disc.any():
        return np.zeros(maps.shape[:-2], complex)
    waves = np.exp(-1j * order * np.arctan2(y + 0 * x, x + 0 * y))[disc]
    energies = maps[..., disc].astype(float)
    total = energies.sum(-1)
    share = np.divide(energies @ waves, total, out=np.zeros(total.shape, complex), where=total > 0)
    return np.asarray(share - np.where(total > 0, waves.mean(), 0))


def centroid(maps: np.ndarray, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre of energy and spread about it of maps ``(..., rows, columns)``.

    Parameters
    ----------
    maps : ndarray, shape (..., rows, columns)
        Energies, not negative.
    y, x : ndarray, shape (rows,) and (columns,)
        Centres of the cells, in pixels from the middle of the image, down and to the right.

    Returns
    -------
    ndarray, ndarray, ndarray
        x and y of the centre of energy and the root mean squared distance from it, in pixels; those of a flat map where
        there is no energy.
    """
    energies = maps.astype(float)
    total = energies.sum((-2, -1), keepdims=True)
    weights = np.where(total > 0, energies / np.where(total > 0, total, 1), 1 / (len(y) * len(x)))
    across, down = weights.sum(-2), weights.sum(-1)
    mx, my = across @ x, down @ y
    square = across @ x**2 + down @ y**2 - mx**2 - my**2
    return mx, my, np.sqrt(np.maximum(square, 0))


def map_moments(maps: np.ndarray, y: np.ndarray, x: np.ndarray) -> dict[str, np.ndarray]:
    """All moments that are kept of every map ``(images, rows, columns)`` by name, float64 ``(images,)``.

    ``energy`` is the mean over cells, ``centre`` and ``border`` are those of `centre_and_border`; ``x``, ``y`` and
    ``spread`` those of `centroid`; ``harmonics`` is ``(images, orders, 2)``, real and imaginary part.
    """
    centre, border = centre_and_border(maps)
    mx, my, spread = centroid(maps, y, x)
    waves = np.stack([harmonic(maps, order) for order in WAVE_ORDERS], -1)
    found = {"energy": maps.mean((-2, -1), dtype=float), "centre": centre, "border": border}
    found |= {"x": mx, "y": my, "spread": spread}
    return found | {"harmonics": np.stack([waves.real, waves.imag], -1)}


def coarser(maps: np.ndarray, cells: tuple[int, int]) -> np.ndarray:
    """Maps ``(..., rows, columns)`` with so many cells of each side averaged to one."""
    rows, columns = maps.shape[-2] // cells[0], maps.shape[-1] // cells[1]
    shape = (*maps.shape[:-2], rows, cells[0], columns, cells[1])
    return np.asarray(maps.reshape(shape).mean((-3, -1)))
