"""Models of unit vectors by the words that name them: known couplings, one from a file, or a trained network's."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from physnn.errors import InputError
from physnn.models import couplings
from physnn.models.vectors import VectorModel
from physnn.shipped import resolve
from physnn.store.images.arrays import npz_names, read_npy, read_npz
from physnn.store.network_file import NetworkFile, read_networks

SYNTAX = {
    "xy": "xy",
    "on": "on N",
    "diagonal": "diagonal K1 K2 ...",
    "rotated": "rotated P/Q P/Q",
    "coupling": "coupling FILE",
    "network": "network FILE[/SEED]",
}
"""Models and what follows their names."""
LARGEST_COUPLING_FILE = 2**26
"""Bytes of a coupling from a file."""
Words = tuple[str, ...]


def canonical_words(words: Sequence[str]) -> Words:
    """Return the words of a model with files as absolute paths, so that they mean the same from any folder.

    Raises
    ------
    InputError
        If there is no such model or a file is missing.
    """
    if not words or words[0] not in SYNTAX:
        raise InputError(f"there is no model {' '.join(words)!r}; choose one of: {', '.join(SYNTAX.values())}")
    name, *rest = words
    if name == "coupling" and len(rest) == 1:
        return name, str(Path(rest[0]).absolute())
    if name == "network" and len(rest) == 1:
        file, seed = split(rest[0])
        known = str(Path(file).absolute()) if Path(file).exists() else file
        return name, known if seed is None else f"{known}/{seed}"
    return tuple(words)


def load_model(words: Words) -> VectorModel:
    """Return the model that words name.

    Parameters
    ----------
    words : tuple of str
        ``("xy",)``; ``("on", N)``; ``("diagonal", K1, K2, ...)``: H = -sum_<ij> sum_a K_a x_ia x_ja;
        ``("rotated", p, q)``: XY whose neighbours are turned by p and q of a full turn along rows and columns;
        ``("coupling", FILE)``: a .npy file with J of shape (N, N, k, k), or .npz with ``coupling`` and perhaps
        ``bias``; ``("network", FILE)`` or ``("network", FILE/SEED)``: the coupling of a trained network.

    Raises
    ------
    InputError
        If there is no such model, a file is not usable, or a coupling is not symmetric.
    """
    makers: dict[str, tuple[Callable[..., VectorModel], int, int]] = {
        "xy": (lambda: couplings.on(2), 0, 0),
        "on": (_on, 1, 1),
        "diagonal": (_diagonal, 2, 64),
        "rotated": (_rotated, 2, 2),
        "coupling": (_from_file, 1, 1),
        "network": (_from_network, 1, 1),
    }
    name, *rest = words if words else ("",)
    if name not in makers:
        raise InputError(f"there is no model {' '.join(words)!r}; choose one of: {', '.join(SYNTAX.values())}")
    make, least, most = makers[name]
    if not least <= len(rest) <= most:
        raise InputError(f"write the model {name} as: --model {SYNTAX[name]}")
    return make(*rest)


def identity(model: VectorModel) -> str:
    """Return the content identity of a model: 16 hexadecimal digits of a SHA-256 over coupling, bias and boundary."""
    sha = hashlib.sha256(f"{model.coupling.shape}{model.boundary}".encode())
    sha.update(np.ascontiguousarray(model.coupling, "<f8").tobytes())
    sha.update(np.ascontiguousarray(model.bias, "<f8").tobytes())
    return sha.hexdigest()[:16]


@functools.lru_cache(maxsize=4)
def checked_model(words: Words, model_id: str) -> VectorModel:
    """Return the model that words name if it is still the one with this identity; kept for the next task."""
    model = load_model(words)
    if identity(model) != model_id:
        raise InputError(f"{' '.join(words)} is not the model of the recipe any more; restore it, or use another --out")
    return model


def lift(words: Words) -> np.ndarray:
    """Return the vector that a network lifts images to, shape (N,)."""
    _, seed, file = _network(words[1])
    return np.asarray(file.weights["lift"][_place(file, seed, words[1])], np.float64)


def _number(text: str) -> float:
    try:
        value = float(Fraction(text))
    except (ValueError, ZeroDivisionError):
        raise InputError(f"{text!r} is not a number; write 0.125 or 1/8") from None
    return value


def _on(text: str) -> VectorModel:
    if not text.isdigit() or not 2 <= int(text) <= 64:
        raise InputError(f"--model on N needs a number of components from 2 to 64, not {text!r}")
    return couplings.on(int(text))


def _diagonal(*texts: str) -> VectorModel:
    return couplings.diagonal(np.array([_number(text) for text in texts]))


def _rotated(row: str, column: str) -> VectorModel:
    return couplings.gauge_rotated_xy((2 * np.pi * _number(row), 2 * np.pi * _number(column)))


def _from_file(name: str) -> VectorModel:
    try:
        names = npz_names(Path(name))
        if names is not None and not {"coupling"} <= names <= {"coupling", "bias"}:
            raise InputError(f"{name} must hold an array 'coupling', and may hold 'bias'")
        kinds = dict.fromkeys(names or (), "uif")
        arrays = (
            read_npz(Path(name), kinds, LARGEST_COUPLING_FILE)
            if kinds
            else {"coupling": read_npy(Path(name), "uif", LARGEST_COUPLING_FILE)}
        )
    except OSError as error:
        raise InputError(f"cannot read the coupling {name}: {error.strerror or error}; check the name") from None
    return VectorModel(arrays["coupling"], arrays.get("bias", np.empty(0)), name=Path(name).stem)


def _from_network(name: str) -> VectorModel:
    path, seed, file = _network(name)
    if file.architecture["boundary"] != "periodic":
        raise InputError(f"{name} has a boundary of zeros; equilibrium sweeps need networks on a torus")
    from physnn.networks.kuramoto.architecture import Architecture
    from physnn.networks.kuramoto.lattice import symmetric_coupling

    k = _place(file, seed, name)
    weights = {key: values[k] for key, values in file.weights.items()}
    if weights["coupling"].ndim == 4:
        # U(1) and point groups take a part of what is trained.
        raw = np.asarray(weights["coupling"], np.float32)
        weights["coupling"] = symmetric_coupling(raw, Architecture(**file.architecture))
    return couplings.from_weights(weights, "periodic", f"{path.stem}/{file.seeds[k]}")


def _network(name: str) -> tuple[Path, int | None, NetworkFile]:
    file, seed = split(name)
    path = resolve(file)
    return path, seed, read_networks(path)


def split(name: str) -> tuple[str, int | None]:
    """File and seed of FILE or FILE/SEED."""
    head, _, tail = name.rpartition("/")
    return (head, int(tail)) if tail.isdigit() and head and not Path(name).exists() else (name, None)


def _place(file: NetworkFile, seed: int | None, name: str) -> int:
    seeds = ", ".join(str(s) for s in file.seeds)
    if seed is None and len(file.seeds) > 1:
        raise InputError(f"{name} holds networks of the seeds {seeds}; choose one, as in {name}/{file.seeds[0]}")
    if seed is not None and seed not in file.seeds:
        raise InputError(f"{name}: the seeds in this file are {seeds}")
    return file.seeds.index(seed) if seed is not None else 0
