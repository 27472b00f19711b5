"""Parts of an unfinished file: a folder with its recipe and one sealed file for every finished task."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from physnn.errors import Contested, InputError
from physnn.machine import check_no_link
from physnn.store.commit import Publish, give_name, open_own, previous, temporaries, undisturbed
from physnn.store.datasets import native, read_arrays
from physnn.store.guard import is_sealed
from physnn.store.hdf5 import (
    VERSION,
    numbered,
    open_sealed,
    read_attrs,
    write_bytes,
    write_sealed,
)

PARTS = "physnn-part"
"""Kind of a part."""
TASK = "task"
"""Attribute with the key of the task, which is the name of its part as well; those of before have none."""
NOTE = ".progress"
"""Ending of the note beside a part that is a checkpoint."""
MISMATCH = ".mismatch"
"""Ending of a second result of a task that differs from the first."""
ANEW = "anew"
"""Name of the mark of parts that will replace a finished file."""
_written: dict[Path, tuple[int, int]] = {}
"""Inodes and times of checkpoints that this process wrote, so that it need not read them to replace them."""


def write_state(
    path: Path, arrays: Mapping[str, np.ndarray], keep_previous: bool = False, publish: Publish | None = None
) -> None:
    """Write named arrays to ``path``, atomically, over whatever is there: the state of something long.

    With ``keep_previous`` the state that is replaced stays beside it, for `read_checkpoint`.
    """
    group = {name: numbered(name, values) for name, values in arrays.items()}
    attrs = {"format": PARTS, "format_version": VERSION, TASK: _named(path)}
    write_sealed(path, {"/": group}, attrs, scales=False, keep_previous=keep_previous, publish=publish)


def write_part(path: Path, arrays: Mapping[str, np.ndarray], keep_previous: bool = False) -> None:
    """Write the arrays of a finished task, or the checkpoint of a long one, to ``path``, atomically.

    With ``keep_previous`` the state that is replaced stays beside it, for `read_checkpoint`.

    A task may be done twice: the engine lost sight of a worker, or two machines share a folder without knowing.  The
    first finished result stays; a checkpoint never replaces it.

    Raises
    ------
    Contested
        If a finished result is there and this one differs; it is kept beside it.
    """
    note = path.with_suffix(NOTE)
    if _unfinished(arrays):
        # Only a mark for those who count parts by their names: a name too long for it is no reason to stop.
        with suppress(OSError):
            note_down(note)

    def publish(temporary: Path, target: Path) -> None:
        try:
            os.link(temporary, target)  # unlike a rename, it fails where something is
            temporary.unlink()
        except OSError:
            # Something is there, or this file system has no links.
            if target.exists() and _written.get(target) != _stamp(target) and _settled(temporary, target, arrays):
                temporary.unlink()
            else:
                give_name(temporary, target, keep_previous)

    write_state(path, arrays, keep_previous, publish)
    if _unfinished(arrays):
        _written[path] = _stamp(path)
    else:
        _written.pop(path, None)
        with suppress(OSError):
            note.unlink(missing_ok=True)


def note_down(note: Path, text: str | None = None) -> None:
    """Write a few words beside a part, for whoever looks from outside, or leave what is there; errors: `open_own`."""
    with os.fdopen(open_own(note), "w") as stream:
        if text is not None:
            stream.truncate()
            stream.write(text)


def _unfinished(arrays: Mapping[str, np.ndarray]) -> bool:
    return bool(int(arrays.get("unfinished", np.array(0))))


def _final(path: Path) -> bool:
    """Whether a part is no checkpoint, without reading its arrays; raises InputError if it is damaged."""
    with _opened(path) as file:
        return "unfinished" not in file or not int(file["unfinished"][()])


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def _settled(temporary: Path, path: Path, arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether the part at ``path`` stays where ``arrays`` are to be written; raises Contested, see `write_part`."""
    try:
        final = _final(path)
        if not final or _unfinished(arrays):
            return final
        there = read_part(path)
    except InputError:
        return False
    if same_arrays(there, arrays):
        return True
    temporary.replace(path.with_suffix(MISMATCH))
    raise Contested(
        f"task {path.stem} was done twice with different results ({path.name} and {path.stem}{MISMATCH} in "
        f"{path.parent}): something in it is not determined by its recipe"
    )


def same_arrays(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> bool:
    """Whether two results are equal to the last bit."""

    def plain(values: np.ndarray) -> tuple[str, tuple[int, ...], bytes]:
        values = np.ascontiguousarray(native(np.asarray(values))[()])  # as it is read: a single text has no padding
        return values.dtype.str, values.shape, values.tobytes()

    return set(first) == set(second) and all(plain(first[name]) == plain(second[name]) for name in first)


class PartArrays(dict[str, np.ndarray]):
    """Arrays of a part by name: one that its task needs and that is not there is an error of the file."""

    def __init__(self, path: Path, arrays: Mapping[str, np.ndarray]) -> None:
        super().__init__(arrays)
        self._path = path

    def __missing__(self, name: str) -> np.ndarray:
        raise InputError(
            f"{self._path} holds no {name}, which its task needs: remove it, and the same command makes it again"
        )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Part whose arrays have not been read; errors as for `read_part`."""
    with open_sealed(path, PARTS) as file:
        task = read_attrs(file).get(TASK, _named(path))
        if task != _named(path):
            raise InputError(f"{path} is the part of task {str(task)[:80]!r}: give it its name back, or remove it")
        yield file


def read_part(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a part by name; raises InputError if it is damaged, or that of another task than its name says."""
    with _opened(path) as file:
        return PartArrays(path, read_arrays(file))


def _named(path: Path) -> str:
    """Key of the task that a part, or the state before it, is named after."""
    return os.fsencode(path.name.partition(".")[0]).decode(errors="backslashreplace")


def read_checkpoint(path: Path) -> dict[str, np.ndarray] | None:
    """Newest state of a long task, or the one before if the newest is damaged; None if there is none.

    Raises
    ------
    InputError
        If every state that is there is damaged, or was written by a newer physnn.
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
    """Arrays of a part, or None if there is none or it is damaged."""
    return read_part(path) if path.exists() and is_sealed(path) else None


class Parts:
    """Parts of a file: those of ``sweep.h5``, into which they are assembled, lie in ``sweep.h5.parts/``."""

    def __init__(self, target: Path) -> None:
        self.folder = target.with_name(target.name + ".parts")

    def path(self, key: str) -> Path:
        """Path of the result of the task ``key``."""
        return self.folder / f"{key}.h5"

    def check(self) -> None:
        """Raise InputError if the folder is a link, or holds anything but files: writing there would lead elsewhere."""
        check_no_link(self.folder)
        if self.folder.is_file():
            raise InputError(f"{self.folder} is a file where a folder of parts goes: look at it and remove it")
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.is_symlink() or entry.is_dir():
                    raise InputError(
                        f"{self.folder} holds {entry.name!r}, a link or folder that physnn did not make: remove it"
                    )

    def recipe(self) -> dict[str, Any] | None:
        """Recipe that the parts belong to, or None if there are none; errors as for `check`, or if it is damaged."""
        self.check()
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
        """Make the folder and record the recipe; errors as for `check`."""
        self.check()
        self.folder.mkdir(exist_ok=True)
        if not self._described():
            (self.folder / ANEW).unlink(missing_ok=True)  # a restart ended before it had a recipe
        write_bytes(self.folder / "recipe.json", json.dumps(dict(recipe), indent=1, sort_keys=True).encode())

    def begin_anew(self, recipe: Mapping[str, Any]) -> None:
        """Begin with nothing but a recipe, and the mark that the finished file does not count; errors as for `check`.

        The recipe comes last: a mark without it means nothing, so that no other recipe replaces the file.
        """
        self.check()
        self.remove()
        self.folder.mkdir(exist_ok=True)
        note_down(self.folder / ANEW)
        write_bytes(self.folder / "recipe.json", json.dumps(dict(recipe), indent=1, sort_keys=True).encode())

    def _described(self) -> bool:
        return (self.folder / "recipe.json").exists()

    @property
    def anew(self) -> bool:
        """Whether these parts will replace the finished file rather than add to it."""
        return self._described() and (self.folder / ANEW).exists()

    def size(self) -> float:
        """Bytes on the disk, about."""
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.folder) as entries:
            return float(sum(entry.stat(follow_symlinks=False).st_size for entry in entries))
        return 0.0

    def manifest(self, entries: Iterable[tuple[str, float, str]]) -> None:
        """Record (key, cost, label) of all tasks, for whoever looks from outside."""
        write_bytes(self.folder / "tasks.json", json.dumps(list(entries)).encode())

    def record(self, name: str, facts: Mapping[str, Any]) -> None:
        """Record plain facts under a name that begins with ``attempts``."""
        write_bytes(self.folder / f"{name}.json", json.dumps(dict(facts)).encode())

    def forget(self, name: str) -> None:
        """Remove what was recorded under a name."""
        (self.folder / f"{name}.json").unlink(missing_ok=True)

    def facts(self, pattern: str) -> list[Any]:
        """Facts recorded under names of a pattern; what cannot be read is left out."""
        found = []
        for file in sorted(self.folder.glob(f"{pattern}.json")):
            try:
                found.append(json.loads(file.read_text()))
            except (OSError, ValueError, RecursionError):
                continue
        return found

    def contested(self) -> set[str]:
        """Keys of tasks that were done twice with different results."""
        return {file.stem for file in self.folder.glob(f"*{MISMATCH}")}

    def listing(self) -> tuple[dict[str, float], dict[str, str]]:
        """Times at which finished parts were written, and notes of unfinished ones, by key; opens no part."""
        times: dict[str, float] = {}
        notes: dict[str, str] = {}
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    stem, dot, ending = entry.name.rpartition(".")
                    try:
                        if ending == "h5" and not entry.name.startswith("."):
                            times[stem] = entry.stat().st_mtime
                        elif dot + ending == NOTE:
                            notes[stem] = Path(entry.path).read_text()
                    except OSError:
                        continue  # gone meanwhile
        except OSError:
            return {}, {}
        return {key: when for key, when in times.items() if key not in notes}, notes

    def finished(self, key: str) -> bool:
        """Whether the task's part is whole and final; a damaged one is removed, so that it is made again.

        A part that carries an array ``unfinished`` other than 0 is the checkpoint of a long task.
        """
        path = self.path(key)
        if not path.exists():
            return False
        try:
            return _final(path)
        except InputError:
            if is_sealed(path):
                raise  # by a newer physnn, or of another task: not ours to remove
            path.unlink()
            return False

    def remove(self) -> None:
        """Remove the folder with all parts, and what killed writers of the file left beside it."""
        with suppress(OSError):  # first of all, or what is left of parts would replace the new file
            (self.folder / ANEW).unlink(missing_ok=True)
        # What comes as it closes a folder is lost for an error of its own, and one of closing it is not ignored.
        with suppress(OSError), undisturbed():
            shutil.rmtree(self.folder, ignore_errors=True)
        for file in temporaries(self.folder.with_name(self.folder.name.removesuffix(".parts"))):
            file.unlink(missing_ok=True)
