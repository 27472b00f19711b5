"""Looking at the processes of a run from outside."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """Process numbers of children and theirs."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            child = int(stat.parent.name)
            found += [child, *descendants(child)]
    return found


def workers(pid: int) -> list[int]:
    """Process numbers of the workers of a pool."""
    found = []
    for child in descendants(pid):
        try:
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(child)
        except OSError:
            continue
    return found


def peak_memory(command: list[str], folder: Path) -> tuple[int, float]:
    """Exit status of a command, and the most bytes that its processes held together.

    That is memory of their own, and pages of files, libraries above all, of the process that has most of them: others
    map the same ones.  A child with its parent's very numbers is one between fork and exec, which shares all.
    """
    process, most = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), 0.0
    while process.poll() is None:
        held = {numbers for pid in (process.pid, *descendants(process.pid)) if (numbers := _resident(pid))}
        most = max(most, sum(own for own, _ in held) + max((files for _, files in held), default=0))
        time.sleep(0.01)
    return process.returncode, 1024.0 * most


def _resident(pid: int) -> tuple[int, int] | None:
    """Kilobytes of a process: its own and shared memory, and pages of files."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    found = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith("Rss")}
    return (found["RssAnon"] + found["RssShmem"], found["RssFile"]) if found else None


def running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def survivors(pids: list[int], seconds: float = 20) -> list[int]:
    """Those of some processes that are still running after a while."""
    deadline = time.monotonic() + seconds
    while any(map(running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return [pid for pid in pids if running(pid)]
