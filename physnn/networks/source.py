"""Where a network or model that users bring comes from: a class that they name, weights from a file, its identity."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from physnn.errors import InputError, naming_extras
from physnn.shipped import resolve
from physnn.store.weights_file import read_weights, weights_digest

FORM = "my_net.py:MyNet or package.module:MyNet"


@dataclass(frozen=True)
class Source:
    """One network that was brought.

    Attributes
    ----------
    module, digest : str
        The class, as `located` returns it, and `module_digest` of it.
    file, name : str
        Weight file, and which of its networks; empty without weights.
    """

    module: str
    digest: str
    file: str = ""
    name: str = ""


def located(module: str) -> str:
    """Return the name of a class in a form that means the same in any folder: a file's path becomes absolute.

    Raises
    ------
    InputError
        If it is not of the form ``FILE.py:CLASS`` or ``PACKAGE.MODULE:CLASS``, or there is no such file.
    """
    place, colon, name = module.rpartition(":")
    if not (colon and place and name.isidentifier()):
        raise InputError(f"a module is named as {FORM}, not {module!r}")
    if not place.endswith(".py"):
        return module
    if not Path(place).is_file():
        raise InputError(f"there is no file {place} with the class {name}; check the name")
    return f"{Path(place).resolve()}:{name}"


def module_digest(module: str) -> str:
    """Return the SHA-256 of the file that defines a class and of the class's name, as 64 hexadecimal digits."""
    place, _, name = module.rpartition(":")
    return hashlib.sha256(_file_of(place).read_bytes() + f":{name}".encode()).hexdigest()


def imported_class(module: str, digest: str) -> Any:
    """Class that a module names, imported from the very text with this digest.

    Raises
    ------
    InputError
        If the file has changed, cannot be imported, or lacks the class.

    Notes
    -----
    A file may import modules of its own folder; the digest does not cover these.
    """
    if module_digest(module) != digest:
        raise InputError(f"{module} has changed since this began; use --restart to begin anew, or another --out")
    place, _, name = module.rpartition(":")
    try:
        with naming_extras():
            found = getattr(_imported(place, digest), name, None)
    except (InputError, KeyboardInterrupt):
        raise
    except BaseException as error:  # also SystemExit: a file that ends the process is no success
        told = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"{place} cannot be imported: {told}") from error
    if not callable(found):
        raise InputError(f"{place} has no class {name}")
    return found


@contextlib.contextmanager
def code_of_users(module: str) -> Iterator[None]:
    """Run what a user wrote of a model of colours; whatever it raises becomes an `InputError` that names ``module``."""
    try:
        yield
    except (InputError, KeyboardInterrupt):
        raise
    except BaseException as error:  # also SystemExit: a model that ends the process is no success
        told = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"{module} is no model of colours: {told}; it needs q and bond_energy(a, b)") from error


def _imported(place: str, digest: str) -> types.ModuleType:
    if not place.endswith(".py"):
        return importlib.import_module(place)
    # Not by importlib: its cache of compiled files tells two texts of one second and length not apart.
    found = types.ModuleType(f"brought_{digest[:16]}")
    found.__file__ = place
    sys.modules[found.__name__] = found
    if (folder := str(Path(place).parent)) not in sys.path:
        sys.path.append(folder)  # last: what lies there hides no installed module
    exec(compile(Path(place).read_bytes(), place, "exec"), found.__dict__)  # noqa: S102 - the user named this file
    return found


def _file_of(place: str) -> Path:
    if place.endswith(".py"):
        return Path(place)
    try:
        found = importlib.util.find_spec(place)
    except (ImportError, ValueError) as error:
        raise InputError(f"there is no module {place} ({error}); name one as {FORM}") from None
    if found is None or not found.origin or not Path(found.origin).is_file():
        raise InputError(f"there is no module {place}; name one as {FORM}")
    return Path(found.origin)


def sources(module: str, digest: str, files: tuple[str, ...]) -> dict[str, Source]:
    """Return the networks that a class makes of weight files, by identity; one without weights if there are no files.

    The identity is 16 hexadecimal digits of a SHA-256 over the class's digest and the weights.
    """
    found = {}
    for file in [str(resolve(file)) for file in files] or [""]:
        for name, weights in (read_weights(Path(file)) if file else {"": {}}).items():
            sha = hashlib.sha256(f"{digest}{weights_digest(weights)}".encode())
            found[sha.hexdigest()[:16]] = Source(module, digest, file, name)
    return found
