"""Folders of images, one folder for every class, decoded by Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from physnn.errors import InputError
from physnn.machine import without_warnings

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".pgm", ".ppm", ".pbm", ".tif", ".tiff")
"""Endings of files of images."""
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM", "TIFF")
"""Pillow decoders that are tried, whatever the ending: published folders hold PNG files named .jpg."""
MAX_PIXELS = 2**24
"""Largest number of pixels in one image file (4096 x 4096); a convention."""
MAX_DECODED = 2**31
"""Largest size of all decoded images together, in bytes; a convention."""
GREY = ("1", "L", "LA")
"""Pillow modes without colour."""


def visible(folder: Path) -> list[Path]:
    """Contents of a folder, sorted by name, without names that begin with a dot."""
    return sorted(p for p in folder.iterdir() if not p.name.startswith("."))


def class_names(folder: Path) -> tuple[str, ...]:
    """Names of the folders in a folder; raises InputError if anything else is there."""
    found = visible(folder)
    for path in found:
        if not path.is_dir():
            raise InputError(f"{path} lies beside folders of images; keep only one folder for every class there")
    return tuple(path.name for path in found)


def open_image(path: Path) -> Image.Image:
    """Image whose header has been read and whose size and depth are allowed, not decoded yet."""
    if path.is_dir() or path.suffix.lower() not in ENDINGS:
        raise InputError(f"{path} is no image ({', '.join(ENDINGS)}); take it out of the folder")
    try:
        with without_warnings():
            image = Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError:
        raise InputError(f"{path} claims too many pixels; images may have {MAX_PIXELS}") from None
    except Exception:
        # Decoders raise nearly anything on damaged headers.
        raise InputError(f"{path} cannot be read as an image; take it out of the folder") from None
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise InputError(f"{path} has {image.width} x {image.height} pixels; images may have {MAX_PIXELS}")
    if image.mode[0] in "IF":
        image.close()
        raise InputError(f"{path} has more than 8 bits per channel; save it with 8 bits, or all images as npz")
    return image


def decode(path: Path, mode: str, size: tuple[int, int]) -> np.ndarray:
    """Image of a size (width, height), resized where it has another: uint8 ``(channels, H, W)``."""
    with open_image(path) as image:
        try:
            with without_warnings():
                flat = image.convert(mode)
        except Exception:
            raise InputError(f"{path} is damaged; take it out of the folder or fetch it again") from None
        if flat.size != size:
            flat = flat.resize(size, Image.Resampling.BILINEAR)
        values = np.asarray(flat, np.uint8)
    return values[None] if values.ndim == 2 else values.transpose(2, 0, 1)


def read_files(folder: Path, files: Sequence[Path], side: int | None = None) -> np.ndarray:
    """Images of files in a folder (n, channels, H, W), uint8: one channel if all are grey, else three (RGB).

    They are without transparency, and resized (bilinear) to squares of a side, or must have one size.

    Raises
    ------
    InputError
        If a file is no image, is too large, has more than 8 bits per channel, or sizes differ and no side is given.
    """
    sizes, grey = set(), True
    for path in files:
        with open_image(path) as image:
            sizes.add(image.size)
            grey &= image.mode in GREY
        if side is None and len(sizes) > 1:
            raise InputError(f"{path} has another size than images before it; give a side to resize all of them to")
    width, height = (side, side) if side is not None else sizes.pop()
    mode, channels = ("L", 1) if grey else ("RGB", 3)
    if len(files) * channels * width * height > MAX_DECODED:
        raise InputError(f"the images in {folder} need more than {MAX_DECODED} bytes; give a smaller side")
    images = np.empty((len(files), channels, height, width), np.uint8)
    for k, path in enumerate(files):
        images[k] = decode(path, mode, (width, height))
    return images


def read_folder(folder: Path, classes: tuple[str, ...], side: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of a folder of class folders, classes and files in order of their names.

    Images are those of `read_files`, which says what raises InputError.  A class may be without images; labels are
    places in ``classes``.
    """
    files = [(k, f) for k, name in enumerate(classes) if (folder / name).is_dir() for f in visible(folder / name)]
    if not files:
        raise InputError(f"there are no images in {folder}; give a folder with one folder of images for every class")
    images = read_files(folder, [file for _, file in files], side)
    return images, np.array([label for label, _ in files], np.int64)
