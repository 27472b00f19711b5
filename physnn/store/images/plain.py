"""Images without labels: one array of an npy or npz file, or a folder of image files."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from physnn.errors import InputError
from physnn.store.images.arrays import read_npy, read_npz
from physnn.store.images.folder import ENDINGS, read_files, visible
from physnn.store.images.layouts import shaped_images


def plain_images(path: Path, side: int | None = None) -> np.ndarray | None:
    """Images without labels ``(n, channels, H, W)``, uint8 or float32; None if something else is there.

    Those of a folder of image files are resized to squares of a side (pixels).

    Raises
    ------
    InputError
        If a file is damaged, unsafe or too large, or images of a folder differ in size and no side is given.
    """
    try:
        if path.is_dir():
            files = visible(path)
            mine = any(f.suffix.lower() in ENDINGS for f in files) and not any(f.is_dir() for f in files)
            return read_files(path, files, side) if mine else None
        if path.is_file() and path.suffix == ".npy":
            return shaped_images(path, read_npy(path, "uif"))
        if path.is_file() and zipfile.is_zipfile(path):
            name = _only_array(path)
            return None if name is None else shaped_images(path, read_npz(path, {name: "uif"})[name])
    except OSError:
        raise InputError(f"{path} cannot be read; check that it is yours to read") from None
    return None


def _only_array(path: Path) -> str | None:
    """Name of the array of images in an npz file that has no labels."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
    except zipfile.BadZipFile:
        return None
    found = names & {"images", "x"}
    return found.pop() if len(found) == 1 and not names & {"labels", "y"} else None
