"""Files of results: sealed groups with a recipe, and with what and where they were made."""

from __future__ import annotations

import datetime
import functools
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import physnn
from physnn.errors import InputError
from physnn.store.claims.check import check_lengths
from physnn.store.hdf5 import VERSION, Attributes, Group, Variable, open_sealed, read_attrs, read_group, write_sealed

LIBRARIES = ("numpy", "scipy", "torch", "numba", "h5py")
"""Libraries whose versions a file records."""


@dataclass(frozen=True)
class ResultFile:
    """Recipe that results follow from, attributes and variables of the root, and variables of every group."""

    recipe: dict[str, Any]
    attrs: dict[str, str | int | float]
    root: dict[str, Variable]
    groups: dict[str, dict[str, Variable]]


def write_result(
    path: Path,
    kind: str,
    recipe: Mapping[str, Any],
    groups: Mapping[str, Group] | Iterator[tuple[str, Group]],
    attrs: Attributes | None = None,
) -> None:
    """Write groups of variables with their recipe and provenance as one sealed file, atomically.

    The recipe holds plain numbers, text, lists and mappings; else see `physnn.store.hdf5.write_sealed`.
    """
    head = {"format": kind, "format_version": VERSION, "recipe": json.dumps(dict(recipe), sort_keys=True)}
    write_sealed(path, groups, head | dict(attrs or {}) | provenance())


def read_result(
    path: str | os.PathLike[str], kind: str, rooted: bool = False, without: str | tuple[str, ...] | None = None
) -> ResultFile:
    """Contents of a file of results of a kind; ``rooted`` if that kind has variables outside any group.

    Variables of groups whose names begin as ``without``, or as one of several, are left out.

    Raises
    ------
    InputError
        If the file is missing, damaged, of another kind, has no recipe, has variables where its kind has none, or its
        arrays do not belong together.
    """
    with open_sealed(path, kind) as file:
        attrs, root = read_attrs(file), read_group(file)
        groups = {name: read_group(file[name], without) for name in file if name not in root}
        recipe = json.loads(str(attrs["recipe"]))
        if not isinstance(recipe, dict) or not isinstance(recipe.get("kind", ""), str):
            raise InputError(f"{path} holds no recipe; it was not written by physnn")
        if root and not rooted:
            raise InputError(f"{path} holds arrays outside its groups; it was not written by physnn")
        check_lengths(path, {"its root": root} | groups)
    return ResultFile(recipe, attrs, root, groups)


def provenance() -> dict[str, str]:
    """Version, git commit (of a source checkout), command, time (UTC), platform and versions of `LIBRARIES`."""
    return {
        "physnn_version": physnn.__version__,
        "git_commit": _git_commit(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]).encode(errors="backslashreplace").decode(),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "platform": f"Python {platform.python_version()}, {platform.platform()}",
        "libraries": _libraries(),
    }


@functools.cache
def _libraries() -> str:
    versions = []
    for name in LIBRARIES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(versions)


@functools.cache
def _git_commit() -> str:
    """Commit of the code that runs: that of the checkout when it was first asked for."""
    root = Path(physnn.__file__).parent.parent
    if not (root / ".git").exists():
        return ""
    words = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        answer = subprocess.run(words, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip()
