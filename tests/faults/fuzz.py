"""Damaging files, and reading what came of it in a process that may die."""

from __future__ import annotations

import hashlib
import pickle
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from physnn.errors import InputError
from physnn.store import hdf5
from physnn.store.ensemble_file import ENSEMBLES, read_ensembles
from physnn.store.hdf5 import TRAILER_LENGTH, content_digest
from physnn.store.images.layouts import read_images
from physnn.store.network_file import NETWORKS, read_networks
from physnn.store.sweep_file import kind_of, read_sweep
from physnn.store.weights_file import ENDING, read_weights

SECONDS = 30
"""After which reading one small file counts as a hang."""
MEMORY = 2**32
"""Bytes of address space that reading one small file may take."""
EXTREMES = (0, 1, 0x7F, 0xFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)


def sealed(body: bytes) -> bytes:
    """Bytes with a valid trailer, as someone with bad intent would write it."""
    return body + hdf5._trailer(hashlib.sha256(body).hexdigest(), len(body))


def mutant(whole: bytes, generator: np.random.Generator, reseal: bool) -> bytes:
    """A sealed file after one to three random changes, with the old trailer or a new one that is valid."""
    body = changed(whole[:-TRAILER_LENGTH], generator)
    if len(body) < 2 * TRAILER_LENGTH:
        body += bytes(2 * TRAILER_LENGTH)
    return sealed(body) if reseal else body + whole[-TRAILER_LENGTH:]


def changed(whole: bytes, generator: np.random.Generator) -> bytes:
    """Bytes after one to three random changes."""
    body = bytearray(whole)
    while body == whole:
        _change(body, generator)
    return bytes(body)


def _change(body: bytearray, generator: np.random.Generator) -> None:
    for _ in range(generator.integers(1, 4)):
        if not body:
            return
        at = int(generator.integers(len(body)))
        length = int(min(2 ** generator.integers(0, 10), len(body) - at))
        match int(generator.integers(7)):
            case 0:
                body[at] ^= 1 << int(generator.integers(8))
            case 1:
                body[at : at + length] = generator.bytes(length)
            case 2:
                body[at : at + length] = bytes(length)
            case 3:
                width = int(generator.choice([1, 2, 4, 8]))
                value = int(EXTREMES[generator.integers(len(EXTREMES))]) % 256**width
                body[at : at + width] = value.to_bytes(width, "little")
            case 4:
                del body[at : at + length]
            case 5:
                body[at:at] = generator.bytes(length)
            case 6:
                source = int(generator.integers(len(body) - length + 1))
                body[at : at + length] = body[source : source + length]


def numbers(path: Path) -> str:
    """A hash of all that our readers make of a file, what is read of attributes included."""
    if path.suffix != ".h5":
        return _numbers_of_strangers(path)
    kind, _ = kind_of(path)
    if kind == NETWORKS:
        found = read_networks(path)
        content = (found.architecture, found.recipe, found.seeds, found.ids, found.loss.tobytes())
        content += tuple((name, w.shape, w.tobytes()) for name, w in found.weights.items())
        content += (found.validation_rmse.tobytes(),)
    elif kind == ENSEMBLES:
        file = read_ensembles(path)
        content = (file.recipe, *(
            (name, e.seeds.tobytes(), *((k, v.shape, v.tobytes()) for k, v in (e.weights | e.measured).items()))
            for name, e in file.ensembles.items()
        ))  # fmt: skip
    else:
        sweep = read_sweep(path)
        content = (sweep.recipe, *(
            (L, name, v.dims, v.values.dtype.str, v.values.shape, v.values.tobytes())
            for L, group in sweep.sizes.items() for name, v in group.items()
        ))  # fmt: skip
    return hashlib.sha256(pickle.dumps(content) + content_digest(path).encode()).hexdigest()


def _numbers_of_strangers(path: Path) -> str:
    """The same for weights and images in formats of others, which carry no seal: sound numbers, if not the original."""
    content: list[tuple[str, str, tuple[int, ...], bytes]] = []
    if path.suffix == ENDING:
        (found,) = read_weights(path).values()
        assert all(np.isfinite(w).all() for w in found.values() if w.dtype.kind == "f")
        content += [(name, w.dtype.str, w.shape, w.tobytes()) for name, w in sorted(found.items())]
    else:
        images, labels, classes = read_images(path)
        assert images.dtype in (np.uint8, np.float32) and np.isfinite(images).all() and images.ndim == 4
        assert labels.shape == images.shape[:1] and 0 <= labels.min() <= labels.max() < len(classes)
        content += [(repr(classes), a.dtype.str, a.shape, a.tobytes()) for a in (images, labels)]
    return hashlib.sha256(pickle.dumps(content)).hexdigest()


def outcomes(files: list[Path], original: Path) -> list[str]:
    """For every file ``refused``, ``same``, ``other``, or what became of the process: ``hung`` or ``crashed``.

    One process reads them one after the other; where it dies, the next one goes on behind the culprit.
    """
    found: list[str] = []
    while len(found) < len(files):
        words = [sys.executable, __file__, str(original), *map(str, files[len(found) :])]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            found += [line.strip() for line in process.stdout]
        if len(found) < len(files):
            assert process.returncode < 0, "the reading script itself failed"
            found.append("hung" if process.returncode == -signal.SIGALRM else "crashed")
    return found


def main(original: str, *files: str) -> None:
    """Print one word for each file."""
    wanted = numbers(Path(original))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for file in files:
        signal.alarm(SECONDS)
        try:
            word = "same" if numbers(Path(file)) == wanted else "other"
        except InputError:
            word = "refused"
        print(word, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
