"""Seals as someone with bad intent would write them."""

from __future__ import annotations

import hashlib

from physnn.store import hdf5


def sealed(body: bytes) -> bytes:
    """Bytes with a valid trailer."""
    return body + hdf5._trailer(hashlib.sha256(body).hexdigest(), len(body))
