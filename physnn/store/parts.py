"""The folder beside an unfinished file: its recipe and one sealed file for every finished task."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from physnn.errors import InputError
from physnn.store.commit import previous, temporaries
from physnn.store.hdf5 import Variable, is_sealed, open_sealed, read_group, write_bytes, write_sealed

FORMAT, VERSION = "physnn-part", 1


def write_part(path: Path, arrays: Mapping[str, np.ndarray], keep_previous: bool = False) -> None:
    """Write named arrays to ``path``, atomically: what a finished task leaves, or a long one needs to continue.

    With ``keep_previous`` the state that is replaced stays beside it, for `read_checkpoint`.
    """
    group = {
        name: Variable(tuple(f"{name}_{k}" for k in range(np.ndim(values))), np.asarray(values))
        for name, values in arrays.items()
    }
    attrs = {"format": FORMAT, "format_version": VERSION}
    write_sealed(path, {"/": group}, attrs, scales=False, keep_previous=keep_previous)


def read_part(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a part; raises InputError if it is damaged."""
    with open_sealed(path, FORMAT, VERSION) as file:
        return {name: v.values for name, v in read_group(file).items() if v.dims != (name,)}


def read_checkpoint(path: Path) -> dict[str, np.ndarray] | None:
    """Return the newest state of a long task, or the one before if the newest is damaged; None if there is none.

    Raises
    ------
    InputError
        If all there is is damaged, or was written by a newer physnn.
    """
    spare = previous(path)
    if not path.exists():
        return _readable(spare)
    try:
        return read_part(path)
    except InputError:
        found = _readable(spare)
        if found is None:
            raise
    # So that the next state does not take the place of the good one while this one is kept.
    path.unlink(missing_ok=True)
    return found


def _readable(path: Path) -> dict[str, np.ndarray] | None:
    """Return the arrays of a part, or None if there is none or it is damaged."""
    return read_part(path) if path.exists() and is_sealed(path) else None


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
        except OSError as error:
            raise InputError(f"cannot read {self.folder}/recipe.json ({error.strerror})") from None
        except (ValueError, RecursionError):
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
            if is_sealed(path):
                raise  # by a newer physnn, for example: not ours to remove
            path.unlink()
            return False

    def remove(self) -> None:
        """Remove the folder with all parts, and what killed writers of the file left beside it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for file in temporaries(self.folder.with_name(self.folder.name.removesuffix(".parts"))):
            file.unlink(missing_ok=True)
