"""Settings from a file: TOML, JSON, or the recipe inside a sweep file."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from physnn.errors import InputError


def read_config(path: Path | None) -> dict[str, Any]:
    """Return the settings of a file, or none without a file; their validity is checked with the recipe.

    Raises
    ------
    InputError
        If the file is missing or cannot be parsed.
    """
    if path is None:
        return {}
    try:
        data = path.read_bytes()
        if data.startswith(b"\x89HDF"):
            from physnn.store.sweep_file import read_sweep

            return read_sweep(path).recipe
        found = json.loads(data) if path.suffix == ".json" else tomllib.loads(data.decode())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check the name") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid {'JSON' if path.suffix == '.json' else 'TOML'}: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path} must hold a table of settings")
    return found
