"""Colour images to train and to test on: a set that is made here, or one that a user names; and their grey versions.

The set ``shapes`` needs no files.  A disc is one of two colours that are the same grey, so that nothing but chance
tells them apart; a square and a triangle have colours of their own, which their form tells.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from physnn import rng
from physnn.errors import InputError
from physnn.networks.tasks.images import ImageSet, split_images, train_and_test, unit_range
from physnn.store.images.plain import plain_images

SHAPES = "shapes"
"""Name of the set that is made here."""
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in a grey image (Recommendation ITU-R BT.601)."""
DISC_COLOURS = ((0.9, 0.2668, 0.15), (0.1, 0.5535, 0.772))
"""Two colours of one grey, 0.443: orange and blue."""
SHARE_OF_FIRST = 0.7
"""Probability of the first of them."""
SQUARE_COLOUR, TRIANGLE_COLOUR = (0.25, 0.65, 0.2), (0.75, 0.25, 0.7)
GROUND = (0.1, 0.9)
"""Smallest and largest grey of what lies behind a shape."""
FORM_FACTORS = {"expanded": 2, "enlarged": 2}
"""Factors by which forms make images larger; 1 for others."""
MADE = 1024
"""Training images that are made where no number is given."""


@dataclass(frozen=True)
class ColourPictures:
    """Colour images from 0 to 1, float32 ``(n, 3, side, side)``, and a digest of them."""

    train: np.ndarray
    test: np.ndarray
    digest: str


def grey_of(images: np.ndarray) -> np.ndarray:
    """Grey images ``(n, 1, H, W)`` of colour images ``(n, 3, H, W)``, see `LUMA`."""
    return np.asarray(np.einsum("c,nchw->nhw", np.asarray(LUMA, images.dtype), images)[:, None])


def coloured_shapes(count: int, side: int, word: str) -> np.ndarray:
    """Images ``(count, 3, side, side)`` of `SHAPES`, float32; the first ones do not depend on how many follow."""
    y, x = np.indices((side, side)) + 0.5
    images = np.empty((count, 3, side, side), np.float32)
    for k in range(count):
        draw = rng.stream(0, "synthetic", "coloured shapes", word, k)
        kind, first = draw.integers(3), draw.random() < SHARE_OF_FIRST
        low, high = np.sort(draw.uniform(*GROUND, 2))
        radius = side * draw.uniform(0.2, 0.35)
        row, column = draw.uniform(radius, side - radius, 2)
        images[k] = low + (high - low) * x / side
        if kind == 0:
            inside = (y - row) ** 2 + (x - column) ** 2 <= radius**2
        elif kind == 1:
            inside = np.maximum(abs(y - row), abs(x - column)) <= 0.85 * radius
        else:
            inside = (y - row <= 0.8 * radius) & (2 * abs(x - column) <= y - row + radius)
        colour = (DISC_COLOURS[not first], SQUARE_COLOUR, TRIANGLE_COLOUR)[kind]
        images[k][:, inside] = np.array(colour, np.float32)[:, None]
    return images


@functools.lru_cache(maxsize=2)
def load_pictures(data: str, side: int, count: int | None, test: int) -> ColourPictures:
    """Images to train and to test on; those of the latest calls are kept in memory.

    Parameters
    ----------
    data : str
        ``shapes``, or the path of an npy or npz file, a folder of image files, or a labelled set in a layout of
        `physnn.store.images.layouts`.  Larger images become smaller by means over squares of pixels, folders by Pillow.
    side : int
        Rows and columns.
    count : int or None
        Training images; None for all that there are.
    test : int
        Test images; where the set has no part for them they are drawn from it.

    Raises
    ------
    InputError
        If there is no such set, or its images are grey, not square, of another size, out of range or too few.
    """
    if data == SHAPES:
        return _pictures(coloured_shapes(count or MADE, side, "train"), coloured_shapes(test, side, "test"))
    plain = plain_images(Path(data), side)
    if plain is None:
        parts = train_and_test(data, count, test, 0, side)
    else:
        unlabelled = ImageSet(plain, np.zeros(len(plain), np.int64), ("image",), data)
        parts = split_images(unlabelled, len(plain) - test if count is None else count, test, 0)
    return _pictures(*(_fitted(part.images, data, side) for part in parts))


def _pictures(train: np.ndarray, test: np.ndarray) -> ColourPictures:
    sha = hashlib.sha256()
    for images in (train, test):
        sha.update(f"{images.shape}".encode() + np.ascontiguousarray(images).tobytes())
    return ColourPictures(train, test, sha.hexdigest()[:16])


def _fitted(images: np.ndarray, data: str, side: int) -> np.ndarray:
    """Images of a side from 0 to 1, float32."""
    n, channels, height, width = images.shape
    if channels != 3:
        raise InputError(f"the images in {data} are grey; give images with three channels, red, green and blue")
    if height != width or height % side:
        raise InputError(
            f"the images in {data} have {height} x {width} pixels, which do not become {side} x {side}; give square "
            f"ones, and a --side that divides {height}"
        )
    found = unit_range(images)
    if found.min() < 0 or found.max() > 1:
        raise InputError(
            f"pixels in {data} reach from {found.min():.3g} to {found.max():.3g}; save uint8, or numbers from 0 to 1"
        )
    block = height // side
    return found if block == 1 else found.reshape(n, 3, side, block, side, block).mean((3, 5), dtype=np.float32)
