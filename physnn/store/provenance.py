"""Where and with what a file was made: attributes that every physnn file carries, and that no digest covers."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path

import physnn


def provenance() -> dict[str, str]:
    """Return version, git commit (of a source checkout), command, time (UTC), platform and library versions."""
    libraries = []
    for name in ("numpy", "scipy", "torch", "numba", "h5py"):
        try:
            libraries.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "physnn_version": physnn.__version__,
        "git_commit": _git_commit(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]).encode(errors="backslashreplace").decode(),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "platform": f"Python {platform.python_version()}, {platform.platform()}",
        "libraries": ", ".join(libraries),
    }


def _git_commit() -> str:
    root = Path(physnn.__file__).parent.parent
    if not (root / ".git").exists():
        return ""
    try:
        answer = subprocess.run(  # noqa: S603
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip()
