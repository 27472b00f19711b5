"""Moments and harmonics of energy maps E(x, y), one map for every image."""

from __future__ import annotations

import functools

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


@functools.lru_cache(maxsize=64)
def linear_moments(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """What all moments are made of but centroids: products of maps with these columns, and the waves of a flat map.

    Returns
    -------
    ndarray, shape (rows * columns, 4 + 2 * orders)
        Weights of the cells in the mean energy, in that of the centre, of the border and of the inscribed disc, and
        real and imaginary parts of exp(-i l theta) over the disc, with theta = 0 to the right and pi/2 upwards.
    ndarray of complex, shape (orders,)
        Mean of exp(-i l theta) over the disc.  The middle does not belong to it, as it has no angle.
    """
    y = -(np.arange(rows) - (rows - 1) / 2)[:, None] / max(rows, 1)
    x = (np.arange(columns) - (columns - 1) / 2)[None, :] / max(columns, 1)
    r = np.hypot(x, y)
    disc = (r > 0) & (r <= 0.5)
    waves = disc[..., None] * np.exp(-1j * np.array(WAVE_ORDERS) * np.arctan2(y + 0 * x, x + 0 * y)[..., None])
    shares = [np.ones((rows, columns)), np.outer(central(rows), central(columns)), bordering(rows, columns), disc]
    found = [share / max(share.sum(), 1) for share in shares]
    parts = [part for wave in np.moveaxis(waves, -1, 0) / max(disc.sum(), 1) for part in (wave.real, wave.imag)]
    kept = np.stack([each.ravel() for each in (*found, *parts)], -1)
    kept.flags.writeable = False
    return kept, waves.sum((0, 1)) / max(disc.sum(), 1)


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


def gradient_centroids(images: np.ndarray) -> np.ndarray:
    """Centres of the squared gradients of images ``(n, channels, side, side)``, pixels right and down of the middle.

    What a picture's composition alone says about where something is to be seen; colours are averaged.
    """
    grey = images.mean(1, dtype=float)
    down, across = np.diff(grey, axis=1)[:, :, :-1], np.diff(grey, axis=2)[:, :-1]
    y, x = (np.arange(n) - (n - 1) / 2 for n in down.shape[1:])
    return np.stack(centroid(down**2 + across**2, y, x)[:2], -1)


def map_moments(maps: np.ndarray, y: np.ndarray, x: np.ndarray) -> dict[str, np.ndarray]:
    """All moments that are kept of every map ``(images, rows, columns)`` by name, float64 ``(images,)``.

    ``energy`` is the mean over cells, ``centre`` and ``border`` are those of the cells in the middle and at the border,
    see `central` and `bordering`; ``x``, ``y`` and ``spread`` those of `centroid`; ``harmonics``, ``(images, orders,
    2)``, are real and imaginary part of

    c_l = sum E exp(-i l theta) / sum E - sum exp(-i l theta) / n

    over the n cells of the inscribed disc but the middle, about the middle of the grid, with theta = 0 to the right and
    pi/2 upwards.  Their phase over l is the direction; they are 0 where there is no energy.
    """
    weights, flat = linear_moments(*maps.shape[-2:])
    found = maps.reshape(len(maps), -1).astype(float) @ weights
    total, waves = found[:, 3:4], found[:, 4::2] + 1j * found[:, 5::2]
    share = np.divide(waves, total, out=np.broadcast_to(flat, waves.shape).copy(), where=total > 0) - flat
    mx, my, spread = centroid(maps, y, x)
    named = {"energy": found[:, 0], "centre": found[:, 1], "border": found[:, 2], "x": mx, "y": my, "spread": spread}
    return named | {"harmonics": np.stack([share.real, share.imag], -1)}


def coarser(maps: np.ndarray, cells: tuple[int, int]) -> np.ndarray:
    """Maps ``(..., rows, columns)`` with so many cells of each side averaged to one."""
    rows, columns = maps.shape[-2] // cells[0], maps.shape[-1] // cells[1]
    shape = (*maps.shape[:-2], rows, cells[0], columns, cells[1])
    return np.asarray(maps.reshape(shape).mean((-3, -1)))
