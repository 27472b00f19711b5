"""Controls: what of a map comes from padding, from what images show, from training, or from nothing at all.

An image that is rolled by a random shift on the torus has no place that it prefers, so what is left of a mean map is
made by the paddings; a network whose paddings are circular has no border, so what is left is made by the images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from physnn import rng

TILES_ACROSS = 7
"""Tiles along a side of an image whose tiles are shuffled."""
CROPPED = 0.7
"""Side of the window that is cropped, over that of the image."""
GRAIN = 0.25
"""Standard deviation of the noise that is added to pixels from 0 to 1."""
BLURRED = 1 / 56
"""Standard deviation of a blur, over the side of the image."""

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""Function of an image ``(channels, side, side)`` from 0 to 1 and a generator."""


@dataclass(frozen=True)
class Control:
    """What is done to images, paddings and weights, in a few words."""

    words: str
    change: Change | None = None
    wraps: bool = False
    trained: bool = True


def rolled(image: np.ndarray, g: np.random.Generator) -> np.ndarray:
    """Image shifted on the torus by any number of pixels down and to the right."""
    side = image.shape[1]
    return np.roll(image, tuple(g.integers(0, side, 2)), axis=(1, 2))


def white_noise(image: np.ndarray, g: np.random.Generator) -> np.ndarray:
    """Independent pixels with the image's mean and standard deviation of every colour."""
    mean, sd = image.mean((1, 2), keepdims=True), image.std((1, 2), keepdims=True)
    return np.asarray(mean + sd * g.standard_normal(image.shape), np.float32)


def mean_colour(image: np.ndarray, g: np.random.Generator) -> np.ndarray:
    """The image's mean colour everywhere."""
    return np.broadcast_to(image.mean((1, 2), keepdims=True), image.shape).astype(np.float32)


def tiles_moved(image: np.ndarray, g: np.random.Generator) -> np.ndarray:
    """Image whose tiles have changed places at random; what a side leaves over stays where it is."""
    found, side = image.copy(), image.shape[1] // min(TILES_ACROSS, image.shape[1])
    count = image.shape[1] // side
    order = g.permutation(count**2)
    for to, source in enumerate(order):
        (a, b), (c, d) = divmod(to, count), divmod(int(source), count)
        tile = image[:, c * side : (c + 1) * side, d * side : (d + 1) * side]
        found[:, a * side : (a + 1) * side, b * side : (b + 1) * side] = tile
    return found


def mirrored(image: np.ndarray, g: np.random.Generator) -> np.ndarray:
    """Image with left and right exchanged."""
    return np.ascontiguousarray(image[:, :, ::-1])


def cropped(image: np.ndarray, g: np.random.Generator) -> np.ndarray:
    """A window of the image at a random place, enlarged to its side by the nearest pixels."""
    side = image.shape[1]
    window, (above, left) = _window(side, g)
    at = (np.arange(side) * window) // side
    return np.ascontiguousarray(image[:, above + at][:, :, left + at])


def grainy(image: np.ndarray, g: np.random.Generator) -> np.ndarray:
    """Image with independent normal noise at every pixel and colour, cut off at 0 and 1."""
    return np.asarray(np.clip(image + GRAIN * g.standard_normal(image.shape), 0, 1), np.float32)


def blurred(image: np.ndarray, g: np.random.Generator) -> np.ndarray:
    """Image under a normal blur; what lies beyond its border is the nearest pixel."""
    from scipy import ndimage  # recipes that name controls do without

    width = BLURRED * image.shape[1]
    return np.asarray(ndimage.gaussian_filter(image, (0, width, width), mode="nearest"), np.float32)


def _window(side: int, g: np.random.Generator) -> tuple[int, np.ndarray]:
    """Side of the window that is cropped, and the row and column where it begins."""
    window = max(1, round(CROPPED * side))
    return window, g.integers(0, side - window + 1, 2)


def moved_by_crop(numbers: Sequence[int], side: int, seed: int) -> np.ndarray:
    """How far the control ``crop`` moves what is in the middle of each image, ``(images, 2)`` pixels right and down."""
    found = np.empty((len(numbers), 2))
    for k, number in enumerate(numbers):
        window, (above, left) = _window(side, rng.stream(seed, "control", cropped.__name__, number))
        found[k] = ((side - window) / 2 - np.array([left, above])) * side / window
    return found


SHOWN_AS = {
    "none": Control("images as they are"),
    "zero-roll": Control("images rolled at random: padding alone", rolled),
    "circular": Control("circular paddings: content alone", wraps=True),
    "circular-roll": Control("rolled images, circular paddings: neither", rolled, True),
    "untrained": Control("weights drawn anew", trained=False),
    "untrained-circular": Control("weights drawn anew, circular paddings", wraps=True, trained=False),
    "noise": Control("white noise in place of images", white_noise),
    "noise-circular": Control("white noise, circular paddings", white_noise, True),
    "constant": Control("every image's mean colour", mean_colour),
    "shuffled": Control(f"images whose {TILES_ACROSS} x {TILES_ACROSS} tiles changed places", tiles_moved),
    "mirror": Control("left and right exchanged", mirrored),
    "crop": Control(f"a window of {CROPPED:g} of the side at a random place, enlarged", cropped),
    "grain": Control(f"noise of {GRAIN:g} of the range of pixels added", grainy),
    "blur": Control(f"a blur of {BLURRED:.3f} of the side", blurred),
}
"""Controls by name."""


def shown_as(control: str, images: np.ndarray, numbers: list[int], seed: int) -> np.ndarray:
    """Images of these numbers as a control shows them; each has a stream of its own."""
    change = SHOWN_AS[control].change
    if change is None:
        return images
    name = getattr(change, "__name__", control)  # rolled images are the same with both paddings
    each = zip(images, numbers, strict=True)
    return np.stack([change(one, rng.stream(seed, "control", name, number)) for one, number in each])
