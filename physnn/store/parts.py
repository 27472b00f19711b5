"""The folder beside an unfinished file: its recipe and one sealed file for every finished task."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from physnn.errors import InputError
from physnn.store.hdf5 import Variable, open_sealed, read_group, write_bytes, write_sealed

FORMAT, VERSION = "physnn-part", 1


def write_part(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays to ``path``, atomically: what a finished task leaves, or a long one needs to continue."""
    group = {
        name: Variable(tuple(f"{name}_{k}" for k in range(np.ndim(values))), np.asarray(values))
        for name, values in arrays.items()
    }
    write_sealed(path, {"/": group}, {"format": FORMAT, "format_version": VERSION}, scales=False)


def read_part(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a part; raises InputError if it is damaged."""
    with open_sealed(path, FORMAT, VERSION) as file:
        return {name: v.values for name, v in read_group(file).items() if v.dims != (name,)}


class Parts:
    """The parts of one file: ``sweep.h5.parts/`` for ``sweep.h5``.

    Parameters
    ----------
    target : Path
        The file that the parts will be assembled into.
    """

    def __init__(self, target: Path) -> None:
        self.folder = target.with_name(target.name + ".parts")

    def path(self, key: str) -> Path:
        """Return where the task ``key`` leaves its result."""
        return self.folder / f"{key}.h5"

    def recipe(self) -> dict[str, Any] | None:
        """Return the recipe that the parts belong to, or None if there are none."""
        try:
            found = json.loads((self.folder / "recipe.json").read_text())
        except FileNotFoundError:
            return None
        except (ValueError, OSError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise InputError(f"{self.folder}/recipe.json is damaged; use --restart to begin anew")
        return found

    def begin(self, recipe: Mapping[str, Any]) -> None:
        """Make the folder and record the recipe."""
        self.folder.mkdir(exist_ok=True)
        write_bytes(self.folder / "recipe.json", json.dumps(dict(recipe), indent=1, sort_keys=True).encode())

    def finished(self, key: str) -> bool:
        """Whether the task's part is whole and final; a damaged one is removed, so that it is made again.

        A part that carries an array ``unfinished`` other than 0 is the checkpoint of a long task.
        """
        path = self.path(key)
        if not path.exists():
            return False
        try:
            return not int(read_part(path).get("unfinished", 0))
        except InputError:
            path.unlink()
            return False

    def remove(self) -> None:
        """Remove the folder and all parts."""
        shutil.rmtree(self.folder, ignore_errors=True)
