"""Compiled functions whose kept code is never older than any source that it was made from.

numba keeps compiled code between runs and asks only whether the file of the function has changed.  Functions of other
files are compiled into it, though, and its index names classes of arguments: after an upgrade, old code of a callee
would go on without a word, or a class that has gone would be looked for.  So every module has a folder of its own,
named after its source and those of all modules of the package that it imports.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba

NUMBA_SETTINGS: Any = numba.config
PACKAGE_PLACE = Path(__file__).parent.parent.parent
"""Folder that holds the package."""
IMPORT_LINE = re.compile(r"^\s*from (physnn[\w.]*) import (\([^)]*\)|.*)$", re.MULTILINE)
DIGEST_DIGITS = 16
"""Hexadecimal digits of a digest in the name of a folder."""


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorator of `numba.njit` with its options; code that is kept is found again only while no source has changed."""

    def compiled(function: Callable[..., Any]) -> Any:
        folder = code_folder(Path(inspect.getfile(function))) if options.get("cache") else None
        if folder is None:
            return numba.njit(**options | {"cache": False})(function)
        # The place of the code is chosen when a function is decorated, and numba has one setting for all.
        usual, NUMBA_SETTINGS.CACHE_DIR = NUMBA_SETTINGS.CACHE_DIR, str(folder)
        try:
            return numba.njit(**options)(function)
        finally:
            NUMBA_SETTINGS.CACHE_DIR = usual

    return compiled


@cache
def code_folder(source: Path) -> Path | None:
    """Folder of the compiled code of a module; none where there is no source, or nothing can be written.

    It lies in ``NUMBA_CACHE_DIR`` where that is set, else beside the source or in the user's cache.  Beside the source
    the code of earlier sources is removed.
    """
    if not source.is_file():
        return None
    name = f"{source.stem}-{sources_digest(source)}"
    beside = source.parent / "__pycache__"
    named = [Path(NUMBA_SETTINGS.CACHE_DIR)] if NUMBA_SETTINGS.CACHE_DIR else []
    for place in [*named, beside, *_users_cache()]:
        folder = place / name
        new = not folder.is_dir()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if not os.access(folder, os.W_OK):
            # It was made by someone else: numba would take a place of its own, which forgets nothing.
            continue
        if new and place == beside:
            _remove_others(folder, source.stem)
        return folder
    return None


def _users_cache() -> list[Path]:
    """The user's cache, where there is one: a process in a container may have no home."""
    try:
        return [Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "physnn"]
    except RuntimeError:
        return []


def sources_digest(source: Path) -> str:
    """Digest of a module's source and those of all modules of the package that it imports, directly or not."""
    found: dict[Path, bytes] = {}
    todo = [source]
    while todo:
        path = todo.pop()
        if path not in found:
            found[path], imported = _read(path)
            todo += imported
    digest = hashlib.sha256()
    for path in sorted(found):
        digest.update(os.path.relpath(path, PACKAGE_PLACE).encode() + found[path])
    return digest.hexdigest()[:DIGEST_DIGITS]


@cache
def _read(path: Path) -> tuple[bytes, list[Path]]:
    """Digest of a source, and the sources of what it imports from the package."""
    text = path.read_text(encoding="utf-8")
    imported = []
    for module, names in IMPORT_LINE.findall(text):
        place = PACKAGE_PLACE.joinpath(*module.split("."))
        modules = [place / word for word in re.findall(r"\w+", names)]
        imported += [each.with_suffix(".py") for each in (place, *modules) if each.with_suffix(".py").is_file()]
    return hashlib.sha256(text.encode()).digest(), imported


def _remove_others(folder: Path, stem: str) -> None:
    """Remove the code of a module's earlier sources, and what versions before 0.2.0 kept without a folder."""
    for other in folder.parent.iterdir():
        if re.fullmatch(rf"{re.escape(stem)}-[0-9a-f]{{{DIGEST_DIGITS}}}", other.name) and other != folder:
            shutil.rmtree(other, ignore_errors=True)
        elif re.fullmatch(rf"{re.escape(stem)}\..*\.nb[ic]", other.name):
            other.unlink(missing_ok=True)
