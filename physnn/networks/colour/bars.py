"""What colourings are measured by, and what they have to beat: grey, the mean chroma, and a ridge regression.

Errors are mean absolute differences of pixels from 0 to 1.  Of all single answers the conditional median has the
smallest, so that no sample can beat it; a sample that is drawn as the truth is has about twice the error of the truth
from it.  The continuous ranked probability score, error - diversity / 2, is smallest for the true distribution
(T. Gneiting and A. E. Raftery, J. Am. Stat. Assoc. 102, 359 (2007)).
"""

from __future__ import annotations

import numpy as np

from physnn.networks.colour.pictures import ColourPictures, grey_of

PATCH = 5
"""Rows and columns of grey pixels from which the ridge regression tells the colour of the middle one."""
RIDGE_PENALTY = 1e-3
"""Square of the weights that counts as much as the mean squared error."""
PATCHED_IMAGES = 256
"""Images whose patches are held at a time."""


def sample_errors(samples: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Errors by name, averages over images.

    ``error`` is that of one sample, ``mean_error`` that of the mean of all samples of an image, and ``diversity`` the
    mean absolute difference of two samples.

    Parameters
    ----------
    samples : ndarray, shape (..., n, k, 3, side, side)
        Some samples of every image, at least two.
    truth : ndarray, shape (n, 3, side, side)
        Images.
    """
    samples, within = samples.astype(float), tuple(range(-4, 0))
    count = samples.shape[-4]
    error = np.abs(samples - truth[:, None]).mean(within)
    mean_error = np.abs(samples.mean(-4) - truth).mean(within[1:])
    # Of sorted numbers x_0 <= x_1 <= ... the differences of all pairs add up to sum_i (2 i - k + 1) x_i.
    ranks = (2 * np.arange(count) - count + 1).reshape(-1, 1, 1, 1)
    diversity = (ranks * np.sort(samples, -4)).sum(-4).mean(within[1:]) * 2 / (count * (count - 1))
    return {name: e.mean(-1) for name, e in (("error", error), ("mean_error", mean_error), ("diversity", diversity))}


def patches(grey: np.ndarray) -> np.ndarray:
    """Grey pixels around every pixel, and a constant: ``(n, side, side, PATCH^2 + 1)``; edges are reflected."""
    half = PATCH // 2
    padded = np.pad(grey[:, 0].astype(float), ((0, 0), (half, half), (half, half)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (PATCH, PATCH), axis=(1, 2))
    flat = windows.reshape(*windows.shape[:3], -1)
    return np.concatenate([flat, np.ones((*flat.shape[:3], 1))], axis=-1)


def ridge_of(images: np.ndarray) -> np.ndarray:
    """Weights ``(PATCH^2 + 1, 3)`` that tell a pixel's colour minus its grey from `patches` with the least squares."""
    size = PATCH**2 + 1
    square, product, count = np.zeros((size, size)), np.zeros((size, 3)), 0
    for begin in range(0, len(images), PATCHED_IMAGES):
        some = images[begin : begin + PATCHED_IMAGES]
        grey = grey_of(some)
        x, y = patches(grey).reshape(-1, size), (some - grey).transpose(0, 2, 3, 1).reshape(-1, 3)
        square, product, count = square + x.T @ x, product + x.T @ y, count + len(x)
    penalty = np.diag([RIDGE_PENALTY * count] * (size - 1) + [0.0])
    return np.linalg.solve(square + penalty, product)


def bars(pictures: ColourPictures) -> dict[str, float]:
    """Mean absolute errors on the test images of the grey image, with the mean chroma of training, and of the ridge."""
    grey = grey_of(pictures.test)
    chroma = (pictures.train - grey_of(pictures.train)).mean((0, 2, 3), dtype=float)
    ridge = ridge_of(pictures.train)
    told = np.concatenate([patches(grey[k : k + PATCHED_IMAGES]) @ ridge for k in range(0, len(grey), PATCHED_IMAGES)])
    answers = {"grey": grey, "chroma": grey + chroma[:, None, None], "ridge": grey + told.transpose(0, 3, 1, 2)}
    return {name: float(np.abs(answer - pictures.test).mean()) for name, answer in answers.items()}
