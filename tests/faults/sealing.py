"""Seals as someone with bad intent would write them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from physnn.store.guard import seal


def sealed(body: bytes) -> bytes:
    """Bytes with a valid trailer."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "body"
        path.write_bytes(body)
        seal(path)
        return path.read_bytes()
