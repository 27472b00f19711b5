"""Data files that ship with the package, found from a wheel, an editable install or the source tree."""

from __future__ import annotations

from pathlib import Path

from physnn.errors import InputError


def data_folder() -> Path:
    """Folder of bundled data: ``physnn/data`` when installed, else ``data`` beside ``physnn``."""
    package = Path(__file__).resolve().parent
    installed = package / "data"
    return installed if installed.is_dir() else package.parent / "data"


def bundled(pattern: str = "*.h5") -> list[Path]:
    """Bundled files that match a pattern, sorted by name."""
    return sorted(data_folder().glob(pattern))


def resolve(name: str) -> Path:
    """File meant by ``name``: a path, or the name of a bundled file without its ending.

    Raises
    ------
    InputError
        If it is neither.
    """
    path = Path(name)
    if path.exists():
        return path
    inside = data_folder() / f"{name}.h5"
    if path.name == name and inside.is_file():
        return inside
    known = ", ".join(file.stem for file in bundled()) or "none"
    raise InputError(f"there is no file {name}; give a path or the name of a bundled ensemble ({known})")
