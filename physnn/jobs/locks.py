"""Who writes a file: a lock held by the operating system, with host, process and time inside for people to read."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from physnn.errors import InputError
from physnn.jobs.stopping import raise_pending
from physnn.machine import check_folder
from physnn.store.commit import CAREFULLY, not_written, open_own

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}
"""What a file system says that cannot lock."""
KEPT_OUT = {errno.EACCES, errno.EPERM, errno.EROFS}
"""What a folder says in which this process can write nothing."""
LOCK_BYTES = 10_000
"""Bytes that are read of a lock; ours are far shorter."""
PATIENCE = 600.0
"""Seconds to wait for another shard that starts or puts the file together."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    ``since`` is in seconds since 1970; ``born`` is the start of the process in ticks since the machine started, so
    that a number that was given to another process later is not taken for it.
    """

    host: str
    pid: int
    since: float
    born: int | None
    what: str

    def alive(self) -> bool | None:
        """Whether the process runs; None if it belongs to another machine and only that one knows."""
        if self.host != socket.gethostname():
            return None
        return _runs(self.pid) and (self.born is None or _born(self.pid) in (self.born, None))

    @property
    def here(self) -> bool:
        """Whether it is this process."""
        return self.host == socket.gethostname() and self.pid == os.getpid()

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"process {self.pid} on {self.host}, since {since}"


class Locked(RuntimeError):
    """A live process holds a lock."""

    def __init__(self, holder: Holder | None) -> None:
        super().__init__(str(holder) if holder else "it just started")
        self.holder = holder


def _runs(pid: int) -> bool:
    """Whether a process of this machine runs."""
    if sys.platform == "win32":  # os.kill would end it
        import ctypes

        handle, code = ctypes.windll.kernel32.OpenProcess(0x1000, False, pid), ctypes.c_ulong()
        if not handle:
            return bool(ctypes.windll.kernel32.GetLastError() == 5)  # it is there, and another user's
        ctypes.windll.kernel32.GetExitCodeProcess(handle, ctypes.byref(code))
        ctypes.windll.kernel32.CloseHandle(handle)
        return code.value == 259
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def _born(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def read_holder(path: Path) -> Holder | None:
    """Return who a lock file names, alive or not; None if there is no such file, or nothing in it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | CAREFULLY)
        with os.fdopen(descriptor, "rb") as stream:
            found = json.loads(stream.read(LOCK_BYTES))
        born = found["born"]
        return Holder(
            str(found["host"]),
            int(found["pid"]),
            float(found["since"]),
            None if born is None else int(born),
            str(found["what"]),
        )
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _try_lock(path: Path) -> int | None:
    """Return the descriptor of a lock that is ours now, or None if another process holds it."""
    while fcntl is not None:
        descriptor = open_own(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it before may have removed the file after we opened it: then it locks nothing any more.
            if os.path.samestat(os.fstat(descriptor), path.lstat()):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except FileNotFoundError:
            pass
        except OSError as error:
            holder = read_holder(path)
            if error.errno in NO_LOCKS and (holder is None or holder.alive() is False):
                return descriptor
            os.close(descriptor)
            if error.errno in NO_LOCKS:
                return None
            raise
        os.close(descriptor)
    return _try_to_make(path)


def _try_to_make(path: Path) -> int | None:
    """Like `_try_lock` without locks of the system: whoever makes the file has it, until it is removed.

    What a dead process left is removed first.  Windows itself refuses that while a process has the file open.
    """
    holder = read_holder(path)
    if holder is not None and holder.alive() is not False:
        return None
    try:
        if path.exists():
            os.close(open_own(path))  # or it is no file of ours
            path.unlink()
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | CAREFULLY, 0o644)
    except (FileExistsError, FileNotFoundError, PermissionError):
        if os.access(path.parent, os.W_OK):
            return None
        raise


def _release(path: Path, descriptor: int) -> None:
    """Remove a lock of ours; one that stays, on a disk that fails, is nobody's, and what failed first is said."""
    if fcntl is None:  # an open file cannot be removed on Windows, and nobody else removes that of a living process
        os.close(descriptor)
        with suppress(OSError):
            path.unlink(missing_ok=True)
        return
    # Removed while still held: removed afterwards, it might be another process's lock.
    with suppress(OSError):
        path.unlink(missing_ok=True)
    with suppress(OSError):
        os.close(descriptor)


@contextmanager
def hold(path: Path, what: str, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock at ``path``, after waiting for it for ``wait`` seconds at most if what its holder does is brief.

    The lock of a process that died is no obstacle: the operating system released it.

    Raises
    ------
    Locked
        If another process holds it.
    InputError, OSError
        If the file leads elsewhere; if it cannot be made.
    """
    end = time.monotonic() + wait
    while (descriptor := _try_lock(path)) is None:
        holder = read_holder(path)
        if time.monotonic() > end or (holder and holder.what == "run"):
            raise Locked(holder)
        raise_pending()
        time.sleep(0.05)
    try:
        holder = Holder(socket.gethostname(), os.getpid(), time.time(), _born(os.getpid()), what)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(asdict(holder)).encode())
        yield
    finally:
        _release(path, descriptor)


def _busy(path: Path) -> Locked | None:
    """Return who holds a lock, after removing it if nobody does."""
    descriptor = _try_lock(path)
    if descriptor is None:
        return Locked(read_holder(path))
    _release(path, descriptor)
    return None


def _main_lock(target: Path) -> Path:
    return target.with_name(f".{target.name}.lock")


def _shard_locks(target: Path) -> list[Path]:
    start, end = f".{target.name}.", ".shard.lock"
    with suppress(OSError):
        return sorted(p for p in target.parent.iterdir() if p.name.startswith(start) and p.name.endswith(end))
    return []


def holders(target: Path) -> list[Holder]:
    """Return who writes a file now, as far as this machine can know: a whole run, or shards."""
    found = [read_holder(path) for path in (_main_lock(target), *_shard_locks(target))]
    return [holder for holder in found if holder and holder.alive() is not False]


@contextmanager
def _checked(target: Path) -> Iterator[None]:
    """Turn what stands in the way of a lock into one sentence."""
    if not target.name or target.is_dir():
        raise InputError(f"'{target}' is not the name of a file; choose another --out")
    check_folder(target)
    try:
        yield
    except Locked as locked:
        other = "thread of this program" if locked.holder and locked.holder.here else "process"
        raise InputError(
            f"another {other} is writing {target} ({locked}); wait for it or choose another --out"
        ) from None


@contextmanager
def _lock_of(target: Path, path: Path, what: str, wait: float = 0.0) -> Iterator[None]:
    with _checked(target):
        lock = hold(path, what, wait)
        try:
            lock.__enter__()
        except OSError as error:
            if error.errno in KEPT_OUT:
                raise InputError(f"cannot write in {target.parent} ({error.strerror}); choose another --out") from None
            raise not_written(path, error) from None
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


@contextmanager
def exclusive(target: Path) -> Iterator[None]:
    """Hold the lock of a file under construction, alone.

    Raises
    ------
    InputError
        If its folder is missing or cannot be written, or another process writes the file, alone or as a shard.
    Unfinished
        If the disk is full, or fails.
    """
    with _lock_of(target, _main_lock(target), "run"):
        with _checked(target):
            for path in _shard_locks(target):
                if (locked := _busy(path)) is not None:
                    raise locked
        yield


@contextmanager
def sharing(target: Path, shard: str) -> Iterator[None]:
    """Hold the lock of one shard of a file; others of other shards may be held at the same time."""
    name = f".{target.name}.{shard.replace('/', '-of-')}.shard.lock"
    with _lock_of(target, target.with_name(name), f"shard {shard}"):
        yield


@contextmanager
def briefly(target: Path) -> Iterator[None]:
    """Hold the lock of a file for a moment, as a shard does to start and to put the file together; others wait."""
    with _lock_of(target, _main_lock(target), "brief", PATIENCE):
        yield
