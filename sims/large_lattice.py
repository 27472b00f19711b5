"""What does a sweep of 32768 x 32768 spins take from the command line, and does it survive a kill?

The same recipe is run twice by ``physnn sweep-temperature``: at once, and killed (SIGKILL) after its second checkpoint
and run again.  Peak memory and time of the processor are those that the system counts for the process.

    python sims/large_lattice.py        5 minutes on an idle core, 0.7 GB on the disk
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from physnn.store.hdf5 import content_digest
from physnn.store.parts import Parts

WORDS = "sweep-temperature --L 32768 --T 2.3 --algorithm multispin --sweeps 6 --chains 1 --thermalisation 2 --jobs 1"
"""Six measurements, twenty sweeps apart."""


def command(out: Path) -> list[str]:
    """Words of the command that makes a file."""
    return [sys.executable, "-m", "physnn", *WORDS.split(), "--quiet", "--out", str(out)]


def finished(out: Path) -> str:
    """Digest of the file that the command makes or finishes, with its peak memory and time of the processor."""
    process = subprocess.Popen(command(out), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0
    said = f"{used.ru_maxrss / 1024:.0f} MiB at its peak, {used.ru_utime + used.ru_stime:.0f} s of the processor"
    return f"{content_digest(out)[:16]}, {said}"


def killed(out: Path) -> str:
    """Share that was done when the command was killed, after its second checkpoint."""
    process = subprocess.Popen(command(out), stdout=subprocess.DEVNULL)
    while not list(Parts(out).folder.glob("*.prev")):
        time.sleep(0.2)
        assert process.poll() is None, "it must not end before"
    process.send_signal(signal.SIGKILL)
    process.wait()
    return next(Parts(out).folder.glob("*.progress")).read_text()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir="sims/output") as folder:
        print("at once:", finished(Path(folder, "whole.h5")), flush=True)
        print("killed at:", killed(Path(folder, "killed.h5")), flush=True)
        print("continued:", finished(Path(folder, "killed.h5")))
