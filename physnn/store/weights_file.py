"""Weights that users bring, as named arrays: safetensors files, or our own network files.  Neither can run code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from physnn.errors import InputError
from physnn.store.network_file import read_networks

ENDING = ".safetensors"
WeightArrays = dict[str, np.ndarray]
"""Named arrays of one network."""


def read_weights(path: Path) -> dict[str, WeightArrays]:
    """Weights of every network of a file, by a name that begins with that of the file.

    It is a safetensors file (one network) or one of our network files (one network per seed); `InputError` if there is
    none, it is damaged, or weights are not finite.
    """
    if path.suffix != ENDING:
        file = read_networks(path)
        return {
            f"{path.stem}/{seed}": {name: w[k] for name, w in file.weights.items()} for k, seed in enumerate(file.seeds)
        }
    found = _read_safetensors(path)
    for name, values in found.items():
        if values.dtype.kind in "fc" and not np.isfinite(values).all():
            raise InputError(f"{path} holds weights that are not finite, in {name[:60]}; save it again")
    return {path.stem: found}


def _read_safetensors(path: Path) -> WeightArrays:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check the name") from None
    try:
        return dict(load(data))
    except (SafetensorError, ValueError, MemoryError) as error:
        raise InputError(f"{path} is not a whole safetensors file ({str(error)[:80]}); save it again") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} holds numbers of a kind that numpy lacks ({error}); save them as float32") from None


def weights_digest(weights: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over names, types, shapes and numbers, as hexadecimal digits."""
    sha = hashlib.sha256()
    for name in sorted(weights):
        values = np.ascontiguousarray(weights[name])
        sha.update(json.dumps([name, values.dtype.str, list(values.shape)]).encode() + values.tobytes())
    return sha.hexdigest()
