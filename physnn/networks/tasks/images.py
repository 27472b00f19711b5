"""Labelled images for classification: data sets, subsets, splits and normalisation.

The embedded set ``digits`` needs no download: 1,797 handwritten digits of 8 x 8 pixels (E. Alpaydin and C. Kaynak,
UCI "Optical Recognition of Handwritten Digits", CC BY 4.0).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from physnn import rng
from physnn.errors import InputError
from physnn.shipped import data_folder
from physnn.store.images.layouts import Part, find_layout, read_images

EMBEDDED = "digits"
"""Name of the embedded set."""
GREY_LEVELS = 16
"""Largest value of a pixel of the embedded digits; of other sets with whole numbers it is 255."""


@dataclass(frozen=True)
class ImageSet:
    """Images with the class of each; `InputError` if shapes, types or labels do not fit together.

    Parameters
    ----------
    images : ndarray of uint8 (0 to 255) or float32, shape (n, channels, H, W)
        Pixel values.
    labels : ndarray of int64, shape (n,)
        Numbers of classes, from 0.
    classes, name : tuple of str, str
        Names of the classes, and of the set in results.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    name: str

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype not in (np.uint8, np.float32):
            raise InputError(
                f"images must be uint8 or float32 of shape (n, channels, H, W), not {self.images.dtype} "
                f"of shape {self.images.shape}"
            )
        if self.labels.shape != self.images.shape[:1] or self.labels.dtype != np.int64:
            raise InputError(f"{len(self.images)} images need as many int64 labels, not shape {self.labels.shape}")
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < len(self.classes):
            raise InputError(f"labels must be 0 to {len(self.classes) - 1}, one for every class")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of every image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def take(self, chosen: np.ndarray) -> ImageSet:
        """Images with the given numbers, in that order."""
        return replace(self, images=self.images[chosen], labels=self.labels[chosen])


def load_images(source: str | Path = EMBEDDED, part: Part = "all", side: int | None = None) -> ImageSet:
    """Embedded digits or the data set at a path; see `physnn.store.images.layouts` for its layouts.

    Parameters
    ----------
    source : str or Path
        ``"digits"``, or a folder or file (one of that name as ``"./digits"``).
    part : {"all", "train", "test"}
        A published part; layouts without parts have ``"all"`` only.
    side : int, optional
        For folders of images: resize to squares of this side (pixels).

    Raises
    ------
    InputError
        If the set cannot be found, or is damaged or unsafe.
    """
    if _embedded(source):
        images, labels, classes = read_images(data_folder() / "digits.npz", part)
        return ImageSet(images.astype(np.float32) / GREY_LEVELS, labels, classes, EMBEDDED)
    path = Path(source)
    return ImageSet(*read_images(path, part, side), path.resolve().name)


def published_parts(source: str | Path) -> bool:
    """Whether a data set comes with training and test images apart."""
    return not _embedded(source) and {"train", "test"} <= set(find_layout(Path(source)).parts)


def _embedded(source: str | Path) -> bool:
    return source == EMBEDDED


def unit_range(images: np.ndarray) -> np.ndarray:
    """Float32 images: uint8 divided by 255, floating-point numbers as they are."""
    return images.astype(np.float32) / 255 if images.dtype == np.uint8 else images.astype(np.float32, copy=False)


def shuffled(labels: np.ndarray, seed: int, purpose: str) -> np.ndarray:
    """Numbers 0 to n - 1 in a random order whose every beginning has the classes' shares of the whole.

    The k-th drawn of the n_c images of class c comes at the place of (k - 1/2) / n_c, as seats are apportioned by
    Webster's method; ties go by the order of drawing.  A shorter beginning is contained in a longer one.
    """
    drawn = rng.stream(seed, "subset", purpose).permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        mine = np.flatnonzero(labels[drawn] == label)
        place[mine] = (np.arange(len(mine)) + 0.5) / len(mine)
    return np.asarray(drawn[np.argsort(place, kind="stable")])


def subset(data: ImageSet, n: int, seed: int, purpose: str = "subset") -> ImageSet:
    """N images drawn without replacement, all classes in their shares (to one image if all are alike).

    The images depend on labels, seed and purpose alone, and those of a smaller n are the first of a larger n.
    """
    if not 1 <= n <= len(data):
        raise InputError(f"{data.name} has {len(data)} images; take 1 to {len(data)}, not {n}")
    return data.take(shuffled(data.labels, seed, purpose)[:n])


def split_images(data: ImageSet, train: int, test: int, seed: int) -> tuple[ImageSet, ImageSet]:
    """Disjoint sets of ``train`` and ``test`` images; the test images do not depend on ``train``."""
    if min(train, test) < 1 or train + test > len(data):
        raise InputError(f"{data.name} has {len(data)} images, too few for {train} + {test}; take at least one of each")
    order = shuffled(data.labels, seed, "split")
    return data.take(order[test : test + train]), data.take(order[:test])


def train_and_test(
    source: str | Path = EMBEDDED,
    train: int | None = None,
    test: int | None = None,
    seed: int = 0,
    side: int | None = None,
) -> tuple[ImageSet, ImageSet]:
    """Images to train on and images to test on.

    Published parts are kept apart and subsets drawn from each; a set without them is split, a fifth for the test
    unless ``test`` says otherwise.  ``None`` takes all that there are.
    """
    if not published_parts(source):
        data = load_images(source, "all", side)
        held_out = test if test is not None else max(1, len(data) // 5)
        return split_images(data, train if train is not None else len(data) - held_out, held_out, seed)
    parts = load_images(source, "train", side), load_images(source, "test", side)
    return (
        parts[0] if train is None else subset(parts[0], train, seed, "train"),
        parts[1] if test is None else subset(parts[1], test, seed, "test"),
    )


@dataclass(frozen=True)
class Normalisation:
    """x -> (x - mean) / sd for every channel, in units of `unit_range`; of the training images, for all others too."""

    mean: tuple[float, ...]
    sd: tuple[float, ...]

    @classmethod
    def of(cls, images: np.ndarray) -> Normalisation:
        """Mean and standard deviation over images and pixels; 1 for channels without variation."""
        mean, sd = [], []
        for k in range(images.shape[1]):  # One channel after the other: numbers of double precision take memory.
            values = unit_range(images[:, k]).astype(np.float64)
            mean.append(float(values.mean()))
            sd.append(float(values.std()))
        return cls(tuple(mean), tuple(s if s > 1e-12 * abs(m) else 1.0 for m, s in zip(mean, sd, strict=True)))

    def apply(self, images: np.ndarray) -> np.ndarray:
        """Normalised float32 images ``(n, channels, H, W)``."""
        if images.shape[1] != len(self.mean):
            raise InputError(f"images with {images.shape[1]} channels cannot be normalised by {len(self.mean)}")
        mean, sd = (np.array(v, np.float32)[:, None, None] for v in (self.mean, self.sd))
        return np.asarray((unit_range(images) - mean) / sd)
