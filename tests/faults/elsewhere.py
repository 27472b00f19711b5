# ruff: noqa: PTH112, PTH116
"""What Windows and macOS lack or refuse, taken away from every Python whose path begins with a folder of this name.

It is put there as ``sitecustomize.py``, so that workers have it too.  It is a simulation on Linux: modules that cannot
be imported, functions and signals that are gone, and Windows' refusal to open a folder, and to rename or remove a file
that the process itself has open.
"""

from __future__ import annotations

import os
import signal
import stat
import sys

MODULES = ("fcntl", "resource", "pwd", "grp", "termios", "syslog", "spwd")
OF_OS = (
    "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "fork", "forkpty", "getuid", "geteuid", "getgid", "getpgid",
    "killpg", "mkfifo", "nice", "sched_getaffinity", "sched_setaffinity", "setsid",
    "getloadavg", "posix_fallocate", "sync",
)  # fmt: skip
OF_SIGNAL = ("SIGUSR1", "SIGUSR2", "SIGALRM", "SIGHUP", "SIGXCPU", "setitimer", "getitimer", "ITIMER_REAL",
             "pthread_sigmask", "alarm", "pause")  # fmt: skip

import multiprocessing.popen_spawn_posix  # noqa: E402  (this Python's own way to spawn needs what goes below)
import multiprocessing.resource_tracker  # noqa: E402
import random  # noqa: E402, F401
import shutil  # noqa: E402
import subprocess  # noqa: E402, F401

multiprocessing.resource_tracker._HAVE_SIGMASK = False
shutil._use_fd_functions = False  # folders are opened in other ways
for _name in MODULES:
    sys.modules[_name] = None  # type: ignore[assignment]
for _module, _names in ((os, OF_OS), (signal, OF_SIGNAL)):
    for _name in _names:
        if hasattr(_module, _name):
            delattr(_module, _name)


def _open_here(path: object) -> bool:
    """Whether this process has a file open."""
    try:
        found = os.stat(path, follow_symlinks=False)  # type: ignore[arg-type]
    except (OSError, TypeError, ValueError):
        return False
    for descriptor in range(3, 64):
        try:
            if os.path.samestat(os.fstat(descriptor), found):
                return stat.S_ISREG(found.st_mode)
        except OSError:
            continue
    return False


def _refuse(event: str, arguments: tuple) -> None:  # type: ignore[type-arg]
    if event == "open" and isinstance(arguments[0], str):
        path = arguments[0]
        if path.startswith(("/proc", "/sys", "/dev/shm")):
            raise FileNotFoundError(2, "No such file or directory", path)
        if arguments[1] is None and not arguments[2] & os.O_TMPFILE and os.path.isdir(path):
            raise PermissionError(13, "Permission denied", path)
    elif event in ("os.rename", "os.remove") and any(map(_open_here, arguments[:2])):
        raise PermissionError(13, "The process cannot access the file because it is being used by another process")


sys.addaudithook(_refuse)
