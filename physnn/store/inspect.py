"""Reading everything in a file to see whether it can be read; a file from a stranger in a process of its own.

libhdf5 has had memory errors that a malformed file triggers, so a stranger's file is read by a child process with
limits of address space, processor time and output, and a time after which it is ended.  Whatever becomes of the child,
its parent gets an answer.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import physnn
from physnn.errors import InputError

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

SPACE = 2**31
"""Address space for the libraries in bytes, a convention; the file's own size comes on top, several times."""
COPIES = 8
"""Number of copies of a file that may be held in memory."""
SECONDS = 30.0
"""Processor time in seconds to start and to read a small file; a convention, tenfold of what is needed."""
BYTES_PER_SECOND = 2e7
"""Slowest reading that is waited for, in bytes per second; a convention."""
LONGEST_ANSWER = 2**16
"""Largest answer of a child in bytes."""


@dataclass(frozen=True)
class Finding:
    """Result of checking a file: whether everything in it can be read and belongs together, or the reason why not.

    Format, version and the SHA-256 of its data are empty or 0 if it is not whole or was not read.
    """

    file: str
    whole: bool
    reason: str = ""
    format: str = ""
    version: int = 0
    digest: str = ""

    def as_json(self) -> dict[str, Any]:
        """Fields for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Limits:
    """Limits of a child process: bytes of address space, seconds of processor time, and seconds in all."""

    space: int
    processor: float
    seconds: float

    @classmethod
    def of(cls, path: Path) -> Limits:
        """Limits that a file of this length cannot meet unless something is wrong with it."""
        try:
            size = path.stat().st_size
        except OSError:
            size = 0
        processor = SECONDS + size / BYTES_PER_SECOND
        return cls(SPACE + COPIES * size, processor, 4 * processor)


def check_file(path: Path) -> Finding:
    """Check that a file is whole by its seal; nothing in it is read."""
    from physnn.store.guard import check_seal

    try:
        check_seal(path)
    except InputError as error:
        return Finding(str(path), False, str(error))
    return Finding(str(path), True)


def read_everything(path: Path) -> Finding:
    """Read all that a file holds through the reader of its kind, in this process."""
    from physnn.store import ensemble_file, network_file, parts, sweep_file
    from physnn.store.hdf5 import content_digest

    readers: dict[str, Callable[[Path], object]] = {
        sweep_file.FORMAT: sweep_file.read_sweep,
        network_file.NETWORKS: network_file.read_networks,
        ensemble_file.ENSEMBLES: ensemble_file.read_ensembles,
        ensemble_file.DISTANCES: ensemble_file.read_distances,
        parts.PARTS: parts.read_part,
    }
    try:
        kind, attrs = sweep_file.kind_of(path)
        if kind not in readers:
            raise InputError(f"{path} is of kind {kind[:40]!r}, which this physnn does not know; upgrade physnn")
        readers[kind](path)
        return Finding(str(path), True, "", kind, int(attrs["format_version"]), content_digest(path))
    except InputError as error:
        return Finding(str(path), False, str(error))
    except MemoryError:
        return Finding(str(path), False, f"{path} takes more memory than a file of its length should")


def read_untrusted(path: Path, limits: Limits | None = None, child: str | None = None) -> Finding:
    """Read all that a file from anyone holds in a child process with limits, by default from the file's length.

    A finding is returned whatever the child does: it may crash, hang, or fill memory.  ``child`` is Python code that
    it runs in place of reading; for tests.
    """
    if resource is None:
        raise InputError("this system cannot limit what a process takes: verify --untrusted needs Linux or macOS")
    first = check_file(path)
    if not first.whole:
        return first
    limits = limits or Limits.of(path)
    code = child or "from physnn.store.inspect import _answer; _answer()"
    words = [sys.executable, "-P", "-c", code, str(path.absolute()), json.dumps(asdict(limits))]
    above = str(Path(physnn.__file__).parent.parent)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(p for p in (above, os.environ.get("PYTHONPATH")) if p),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    with tempfile.TemporaryFile() as answer:
        process = subprocess.Popen(  # noqa: S603
            words,
            stdin=subprocess.DEVNULL,
            stdout=answer,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        try:
            process.wait(limits.seconds)
        except subprocess.TimeoutExpired:
            return Finding(str(path), False, f"{path} could not be read within {limits.seconds:.0f} s; do not use it")
        finally:
            _end(process)
        return _understood(path, process.returncode, answer)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a child and all that it may have started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()


def _understood(path: Path, status: int, answer: IO[bytes]) -> Finding:
    """Finding that a child reported, or one that says how it failed."""
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        return Finding(str(path), False, f"{path} takes more time than a file of its length should; do not use it")
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else str(-status)
        return Finding(str(path), False, f"reading {path} crashes ({name}); do not use it")
    answer.seek(0)
    try:
        found = json.loads(answer.read(LONGEST_ANSWER))
        kinds = {"whole": bool, "reason": str, "format": str, "version": int, "digest": str}
        if status or any(type(found[name]) is not kind for name, kind in kinds.items()):
            raise ValueError
    except (ValueError, LookupError, TypeError, RecursionError):
        return Finding(str(path), False, f"reading {path} fails (status {status}); do not use it")
    return Finding(str(path), **{name: found[name] for name in kinds})


def _answer() -> None:
    """Read the file named in the arguments under the limits given there; the work of the child process."""
    path, limits = Path(sys.argv[1]), Limits(**json.loads(sys.argv[2]))
    seconds = max(1, int(limits.processor))
    wanted = {
        resource.RLIMIT_AS: (limits.space, limits.space),
        resource.RLIMIT_CPU: (seconds, seconds + 1),
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_FSIZE: (LONGEST_ANSWER, LONGEST_ANSWER),
    }
    for kind, limit in wanted.items():
        _, top = resource.getrlimit(kind)
        allowed = limit if top == resource.RLIM_INFINITY else tuple(min(n, top) for n in limit)
        resource.setrlimit(kind, (allowed[0], allowed[1]))
    found = read_everything(path).as_json()
    sys.stdout.write(json.dumps(found | {"reason": found["reason"][:1000], "format": found["format"][:100]}))
