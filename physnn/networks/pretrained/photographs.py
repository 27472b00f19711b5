"""Images of a folder, read when they are asked for: a million of them need no memory but for their names."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from physnn.errors import InputError
from physnn.networks.tasks.images import EMBEDDED, ImageSet, load_images, unit_range
from physnn.store.images.folder import ENDINGS, open_image, visible

Framing = Literal["squash", "crop"]
"""How an image becomes a square: both sides to the same length, or the middle of the shorter side's length."""
ONE_CLASS = "all"
"""Name of the class of images in one folder without classes."""


@dataclass(frozen=True)
class Photographs:
    """Images with their classes, in the order of names; ``digest`` says which (names and lengths of the files).

    Attributes
    ----------
    files : tuple of Path
        Images of a folder; none where they are in memory.
    labels : ndarray of int64, shape (images,)
        Places in ``classes``.
    """

    files: tuple[Path, ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    digest: str
    held: ImageSet | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, numbers: Sequence[int], side: int, channels: int, fit: Framing = "squash") -> np.ndarray:
        """Images of these numbers, float32 from 0 to 1, shape ``(n, channels, side, side)``.

        Raises
        ------
        InputError
            If one cannot be read.
        """
        if self.held is not None:
            return _sized(unit_range(self.held.images[list(numbers)]), side, channels)
        found = np.empty((len(numbers), channels, side, side), np.float32)
        for k, number in enumerate(numbers):
            values = decoded(self.files[number], side, "L" if channels == 1 else "RGB", fit)
            found[k] = values.astype(np.float32) / 255
        return found


def decoded(path: Path, side: int, mode: str, fit: Framing) -> np.ndarray:
    """Square image of a file, uint8 ``(channels, side, side)``; raises InputError if it cannot be read."""
    with open_image(path) as image:
        try:
            flat = image.convert(mode)
        except Exception:
            raise InputError(f"{path} is damaged; take it out of the folder or fetch it again") from None
        width, height = flat.size
        short = min(width, height)
        left, above = (width - short) / 2, (height - short) / 2
        box = (left, above, left + short, above + short) if fit == "crop" else None
        values = np.asarray(flat.resize((side, side), Image.Resampling.BILINEAR, box=box), np.uint8)
    return values[None] if values.ndim == 2 else values.transpose(2, 0, 1)


def _sized(images: np.ndarray, side: int, channels: int) -> np.ndarray:
    """Images of another side resized, grey ones given the colours of a network."""
    if images.shape[1] == 1 and channels > 1:
        images = np.repeat(images, channels, axis=1)
    if images.shape[1] != channels:
        raise InputError(f"the images have {images.shape[1]} channels, the network takes {channels}; take others")
    if images.shape[2:] != (side, side):
        tensor = torch.from_numpy(images)
        images = functional.interpolate(tensor, (side, side), mode="bilinear", antialias=True).numpy()
    return np.ascontiguousarray(images, np.float32)


@functools.lru_cache(maxsize=4)
def photographs(place: str, per_class: int | None = None) -> Photographs:
    """Images at a place: a folder of images or of class folders, or a data set of `load_images`.

    Parameters
    ----------
    place : str
        Path, or ``"digits"``.
    per_class : int, optional
        Images of every class, the first ones; all without it.

    Raises
    ------
    InputError
        If there is nothing, or no image.
    """
    path = Path(place)
    if place == EMBEDDED or not path.is_dir() or not _is_folder(path):
        held = load_images(place)
        chosen = _first(held.labels, per_class)
        held = held.take(chosen)
        sha = hashlib.sha256(held.images.tobytes() + held.labels.tobytes())
        return Photographs((), held.labels, held.classes, sha.hexdigest()[:16], held)
    inside = visible(path)
    folders = [entry for entry in inside if entry.is_dir()]
    if folders and len(folders) < len(inside):
        raise InputError(f"{path} holds images beside folders; keep images alone, or one folder for every class")
    classes = tuple(folder.name for folder in folders) or (ONE_CLASS,)
    found: list[Path] = []
    labels: list[int] = []
    for k, folder in enumerate(folders or [path]):
        mine = [file for file in visible(folder) if file.suffix.lower() in ENDINGS][:per_class]
        if folders and not mine:
            raise InputError(f"there are no images in {folder}; take it away, or put images of its class there")
        found += mine
        labels += [k] * len(mine)
    if not found:
        raise InputError(f"there are no images in {path}; give a folder of images, or one folder for every class")
    listed = [[str(file.relative_to(path)), _length(file)] for file in found]
    digest = hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16]
    return Photographs(tuple(found), np.array(labels, np.int64), classes, digest)


def _length(file: Path) -> int:
    """Length of a file in bytes; raises InputError if it cannot be reached."""
    try:
        return file.stat().st_size
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); take it out of the folder") from None


def _is_folder(path: Path) -> bool:
    """Whether a folder holds images, or folders that begin with one, and not the files of a published set."""
    inside = visible(path)
    images = [entry.suffix.lower() in ENDINGS for entry in inside if entry.is_file()]
    return bool(inside) and (any(images) or all(entry.is_dir() for entry in inside))


def _first(labels: np.ndarray, per_class: int | None) -> np.ndarray:
    """Numbers of the first images of every class, in order."""
    if per_class is None:
        return np.arange(len(labels))
    chosen = [np.flatnonzero(labels == label)[:per_class] for label in np.unique(labels)]
    return np.sort(np.concatenate(chosen))
