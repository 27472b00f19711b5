"""Time and room of the installation with and without networks: ``pip install .`` into new environments.

Run as ``python -m sims.light_install`` in a clone.  Prints seconds of CPU and by the clock, and megabytes of packages
without pip and setuptools, with text files compiled or not, and the five largest.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WAYS = {"light": (".", ()), "light, not compiled": (".", ("--no-compile",))}
"""What is installed, and how."""
NOT_OURS = ("pip", "setuptools", "_distutils_hack", "wheel")


def size(folder: Path) -> float:
    """Megabytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def main() -> None:
    """Install in every way and print a row of each."""
    for name, (what, options) in WAYS.items():
        with tempfile.TemporaryDirectory() as place:
            subprocess.run([sys.executable, "-m", "venv", place], check=True)
            used, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            command = [f"{place}/bin/python", "-m", "pip", "install", "-q", "-c", "constraints.txt", *options, what]
            subprocess.run(command, cwd=ROOT, check=True)
            clock, now = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
            (site,) = Path(place).glob("lib/python*/site-packages")
            sizes = {folder.name: size(folder) for folder in site.iterdir() if not folder.name.startswith(NOT_OURS)}
            largest = ", ".join(f"{n} {mb:.0f}" for n, mb in sorted(sizes.items(), key=lambda each: -each[1])[:8])
            print(f"{name}: {clock:.0f} s, {cpu:.0f} s of CPU, {sum(sizes.values()):.0f} MB ({largest})", flush=True)


if __name__ == "__main__":
    main()
