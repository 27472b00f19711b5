"""Damaging files, and reading what came of it in a process that may die."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from physnn import rng
from physnn.errors import InputError
from physnn.store.ensemble_file import DISTANCES, ENSEMBLES, read_distances, read_ensembles
from physnn.store.guard import TRAILER_LENGTH
from physnn.store.hdf5 import content_digest
from physnn.store.images.layouts import read_images
from physnn.store.network_file import NETWORKS, read_networks
from physnn.store.parts import PARTS, read_part
from physnn.store.sweep_file import kind_of, read_sweep
from physnn.store.weights_file import ENDING, read_weights
from tests.faults.lies import lied
from tests.faults.sealing import sealed

SECONDS = 20
"""After which reading one small file counts as a hang."""
MEMORY = 2**30
"""Bytes of address space that reading one small file may take, besides what the process has."""
LONGEST = 300
"""Letters of a message at most, besides the path of the file."""
EXTREMES = (0, 1, 0x7F, 0xFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)


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
            (name, e.seeds.tobytes(), *((k, v.shape, v.tobytes()) for k, v in sorted((e.weights | e.measured).items())))
            for name, e in file.ensembles.items()
        ))  # fmt: skip
    elif kind == DISTANCES:
        recipe, found = read_distances(path)
        content = (
            recipe,
            *((name, kind, m.tobytes()) for name, each in found.items() for kind, m in sorted(each.items())),
        )
    elif kind == PARTS:
        content = tuple((name, v.dtype.str, v.shape, v.tobytes()) for name, v in sorted(read_part(path).items()))
    else:
        sweep = read_sweep(path)
        content = (sweep.recipe, *(
            (L, name, v.dims, v.values.dtype.str, v.values.shape, v.values.tobytes())
            for L, group in sweep.sizes.items() for name, v in sorted(group.items())
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
        words = [sys.executable, "-m", __spec__.name, "files", str(original), *map(str, files[len(found) :])]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            found += [line.strip() for line in process.stdout]
        if len(found) < len(files):
            assert process.returncode < 0, "the reading script itself failed"
            found.append("hung" if process.returncode == -signal.SIGALRM else "crashed")
    return found


def made(original: Path, k: int) -> tuple[str, bytes]:
    """What was done to a sealed file, and the mutant of a number: lies take turns with changed bytes."""
    generator, whole = rng.stream(0, "synthetic", "mutants", original.stem, k), original.read_bytes()
    if k % 2:
        return lied(whole, generator)
    reseal = bool(k // 2 % 2)
    return "bytes, sealed anew" if reseal else "bytes", mutant(whole, generator, reseal)


def campaign(original: Path, first: int, last: int, folder: Path) -> Iterator[tuple[int, str, str, str]]:
    """Number, change and outcome of mutants, and the message if it is bad.

    Outcomes are those of `outcomes`, ``said badly``, or ``unseen``: other numbers that are one to HDF5's checksum.

    One process makes and reads them one after the other; where it dies, the next one goes on behind the culprit.
    """
    while first < last:
        words = [sys.executable, "-m", __spec__.name, "mutants", str(original), str(first), str(last), str(folder)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                found = json.loads(line)
                first = found[0] + 1
                yield found[0], found[1], found[2], found[3]
        if first < last:
            assert process.returncode < 0, "the reading script itself failed"
            yield first, made(original, first)[0], "hung" if process.returncode == -signal.SIGALRM else "crashed", ""
            first += 1


def alike(one: bytes, other: bytes) -> bool:
    """Whether bytes differ as HDF5's checksum does not see: to Fletcher's sum of 16-bit words 0 and 65535 are one."""
    if len(one) != len(other):
        return False
    words = [
        [np.frombuffer(b"\0" * odd + b + b"\0" * 3, "<u2", (len(b) + 2) // 2) for b in (one, other)] for odd in (0, 1)
    ]
    return any(np.array_equal(a % 65535, b % 65535) for a, b in words)


def limit() -> None:
    """Limit the memory of this process from now on; what it has already does not count."""
    own = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (own + MEMORY, own + MEMORY))


def outcome(path: Path, wanted: str) -> tuple[str, str]:
    """What became of reading a file, and what was said if that is bad."""
    signal.alarm(SECONDS)
    try:
        return ("same" if numbers(path) == wanted else "other"), ""
    except InputError as error:
        text = str(error).replace(str(path), path.name)
        return ("refused", "") if well_said(text, path.name) else ("said badly", text)
    except MemoryError:
        return "took too much memory", ""
    except Exception as error:
        return "traceback", f"{type(error).__name__}: {error}"[:LONGEST]
    finally:
        signal.alarm(0)


def well_said(text: str, name: str) -> bool:
    """Whether a message is one line of reasonable length that names its file."""
    return len(text.splitlines()) == 1 and len(text) <= LONGEST and name in text and "Traceback" not in text


def main(what: str, original: str, *words: str) -> None:
    """Print a word for each file, or a line for each mutant."""
    wanted = numbers(Path(original))
    limit()
    if what == "files":
        for file in words:
            print(outcome(Path(file), wanted)[0], flush=True)
        return
    path = Path(words[2]) / f"mutant-{os.getpid()}.h5"
    for k in range(int(words[0]), int(words[1])):
        change, whole = made(Path(original), k)
        path.write_bytes(whole)
        word, said = outcome(path, wanted)
        if word == "other" and alike(*(b[:-TRAILER_LENGTH] for b in (Path(original).read_bytes(), whole))):
            word = "unseen"
        print(json.dumps([k, change, word, said]), flush=True)
    path.unlink(missing_ok=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
