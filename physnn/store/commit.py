"""Atomic writing: a file is either absent or whole, and a failure to write says how to continue."""

from __future__ import annotations

import errno
import os
import secrets
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from physnn.errors import InputError, Unfinished
from physnn.machine import check_no_link

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

OF_THE_NAME = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}
"""Numbers of errors of which the name is the cause, not the machine."""
ADVICE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some of your quota",
    errno.EFBIG: "allow larger files (ulimit -f)",
    errno.EROFS: "make its folder writable",
    errno.EACCES: "make its folder writable",
    errno.EPERM: "make its folder writable",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENFILE: "allow more open files",
}
"""Remedies by error number."""

FOLLOWS_NOTHING = hasattr(os, "O_NOFOLLOW")
"""Whether this system can open a file without following a link; Windows looks first."""
CAREFULLY = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC"))
"""Flags for opening what may be no file of ours, as far as this system has them."""


Publish = Callable[[Path, Path], None]
"""Gives a finished temporary file (first argument) its name (second)."""


def previous(path: Path) -> Path:
    """Path of the state before the one at ``path``."""
    return path.with_name(path.name + ".prev")


def temporaries(path: Path) -> list[Path]:
    """Temporary files that killed writers of ``path`` left behind."""
    try:
        return [f for f in path.parent.iterdir() if f.name.startswith(_prefix(path)) and f.name.endswith(".tmp")]
    except OSError:
        return []


def _prefix(path: Path) -> str:
    # A name may have 255 bytes; the temporary one is longer than the final one, but not by what is cut off here.
    return f".{os.fsdecode(os.fsencode(path.name)[:200])}."


def open_own(path: Path) -> int:
    """Descriptor, to read and write, of a small file of ours, made if it is not there: a lock, or a note.

    Raises
    ------
    InputError
        If the name leads elsewhere: a link of either kind, or no plain file.
    OSError
        If the file cannot be opened.
    """
    if not FOLLOWS_NOTHING:
        check_no_link(path)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | CAREFULLY, 0o644)
    except OSError as error:
        if error.errno == errno.ELOOP:
            check_no_link(path)
        raise
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_nlink <= 1:
        return descriptor
    os.close(descriptor)
    raise InputError(f"{path} is no file of physnn but stands where one goes; look at it and remove it")


def commit(
    path: Path, write: Callable[[Path], object], keep_previous: bool = False, publish: Publish | None = None
) -> None:
    """Let ``write`` make a file under a temporary name, sync it, and give it its name.

    An existing file is replaced, and whoever has it open keeps the old one; ``publish`` gives the name in another way.

    Parameters
    ----------
    write : callable
        Called with the temporary name, of an empty file in the same folder that no other writer of ``path`` has.
    keep_previous : bool
        Keep the file that is replaced under the name `previous`; otherwise what lies there is removed.

    Raises
    ------
    Unfinished
        If there is no space, the folder cannot be written, or another limit is met; what was there is intact.
    InputError
        If there can be no such file, or there is a symbolic link.
    """
    check_no_link(path)
    # Not the process number: another machine may have the same one.
    temporary = path.with_name(f"{_prefix(path)}{secrets.token_hex(6)}.tmp")
    if publish is None:
        _remove_stale(path)  # a folder of parts is not looked through for each of them
    held: int | None = None
    try:
        try:
            held = _make(temporary)
            write(temporary)
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
            if publish:
                publish(temporary, path)
            else:
                give_name(temporary, path, keep_previous)
        except BaseException:
            _remove(temporary)
            raise
        finally:
            with suppress(OSError):
                if held is not None:
                    os.close(held)
        if not keep_previous:
            _remove(previous(path))
        _sync_folder(path.parent)
    except OSError as error:
        raise not_written(path, error) from None


def not_written(path: Path, error: OSError) -> InputError | Unfinished:
    """Error that says why a file cannot be written, and what to do."""
    reason = error.strerror or str(error)
    if error.errno in OF_THE_NAME:
        return InputError(f"cannot write {path} ({reason}); choose another name or folder")
    advice = ADVICE.get(error.errno or 0, "see to it")
    return Unfinished(
        f"cannot write {path} ({reason}); what was finished is saved: {advice}, then the same command continues"
    )


def _make(temporary: Path) -> int | None:
    """Descriptor of a new temporary file, which says by a lock that somebody writes it; None without such locks."""
    held = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | CAREFULLY, 0o666)
    if fcntl is None:
        os.close(held)  # Windows gives no name to a file that is open
        return None
    with suppress(OSError):  # where nothing can be locked, nothing counts as left behind
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return held


def _remove_stale(path: Path) -> None:
    """Remove temporary files that killed writers of ``path`` left: nobody holds their locks."""
    for file in temporaries(path) if fcntl is not None else ():
        with suppress(OSError):
            held = os.open(file, os.O_RDONLY | CAREFULLY)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.unlink()
            finally:
                os.close(held)


def give_name(temporary: Path, path: Path, keep_previous: bool = False) -> None:
    """Give a finished file its name, over whatever has it."""
    if keep_previous:
        _keep(path)
    temporary.replace(path)


def _keep(path: Path) -> None:
    """Give the file at ``path`` its second name, so that one of the two is there at every moment."""
    second = path.with_name(f"{_prefix(path)}{secrets.token_hex(6)}.tmp")
    try:
        os.link(path, second)
        second.replace(previous(path))
    except FileNotFoundError:
        return
    except OSError:
        # No hard links on this file system: for a moment only the second name is there, and readers look there too.
        if path.exists():
            path.replace(previous(path))
    finally:
        _remove(second)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        # The name itself is impossible, or the folder is gone: then there is nothing to remove.
        return


def _sync_folder(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return  # Windows opens no folders, and keeps names by itself
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


HELD_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGUSR1", "SIGTERM", "SIGINT", "SIGALRM") if hasattr(signal, name)
)
"""Signals whose handlers may raise, in the order in which they are let through again."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Context in which signals wait for its end: what is raised inside a callback of libhdf5 leaves it in disorder."""
    waiting: list[tuple[int, Any]] = []
    handlers: dict[int, Any] = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in HELD_SIGNALS:
                if callable(handler := signal.getsignal(number)):
                    handlers[number] = handler
                    signal.signal(number, lambda *told: waiting.append(told))
        yield
    finally:
        for held, handler in handlers.items():
            signal.signal(held, handler)
        for held, frame in waiting:
            handlers[held](held, frame)


class PatientStream:
    """File whose errors wait until libhdf5 is done.

    A library that meets a full disk while it closes a file may neither close it nor say why.  Here every call
    succeeds, the first error is kept, and `settle` raises it with its number.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.error: OSError | None = None

    def _try(self, call: Callable[[], int]) -> int | None:
        if self.error is None:
            try:
                return call()
            except OSError as error:
                self.error = error
        return None

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to an offset."""
        return self._try(lambda: self.stream.seek(offset, whence)) or 0

    def tell(self) -> int:
        """Offset."""
        return self._try(self.stream.tell) or 0

    def readinto(self, buffer: memoryview) -> int:
        """Fill a buffer; with zeros where nothing can be read."""
        found = self._try(lambda: self.stream.readinto(buffer))  # type: ignore[attr-defined]
        return len(buffer) if found is None else found

    def read(self, size: int = -1) -> bytes:
        """Read bytes; h5py takes it as the mark of a file and uses `readinto`."""
        return self.stream.read(size)

    def write(self, data: bytes) -> int:
        """Write bytes."""
        self._try(lambda: self.stream.write(data))
        return len(data)

    def truncate(self, size: int) -> int:
        """Set the length."""
        self._try(lambda: self.stream.truncate(size))
        return size

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self._try(lambda: self.stream.flush() or 0)

    def settle(self) -> None:
        """Raise the first error that occurred."""
        self.flush()
        if self.error is not None:
            raise self.error
