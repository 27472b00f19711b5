"""What do commands leave on disks that fail?  Full, over quota, broken, read-only, gone, at each kind of call.

Each of twelve commands is run again and again (`tests.faults.disks`), and of each kind of call on each kind of file the
first and the last one fails, or is met by Ctrl-C.  Old data must be whole, new data whole or absent, there must be one
line that names the error, the status must be that of the documentation, and the same command must then complete.
A run that is stopped goes on where it was, and a command that went wrong begins anew.

Run: python -m sims.disks [--commands NAME ...] [--every] [--out disks.json]; a command takes half a minute to ten
minutes, at every call five to thirty.
It prints the table of docs/reliability.md.  It ends with status 1 if anything was not as promised.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from tests.faults.commands import commands
from tests.faults.disks import JOBS, Record, Trial, table


def main() -> int:
    """Run what is left of the commands and print the table of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [job.name for job in JOBS]
    parser.add_argument("--commands", nargs="+", choices=names, default=names)
    parser.add_argument("--every", action="store_true", help="at every call, not the first and last of each kind")
    parser.add_argument("--out", type=Path, default=Path("disks.json"))
    words = parser.parse_args()
    found = {r["name"]: Record(**r) for r in (json.loads(words.out.read_text()) if words.out.exists() else [])}

    def save() -> None:
        words.out.write_text(json.dumps([asdict(record) for record in found.values()], indent=1))

    with tempfile.TemporaryDirectory() as place, commands() as process:
        for job in JOBS:
            if job.name not in words.commands:
                continue
            began = time.monotonic()
            if job.name not in found or found[job.name].failed:
                found[job.name] = Record(job.name)
            Trial(job, process, Path(place) / job.name.replace(" ", "-"), found[job.name]).fail_everywhere(
                save, words.every
            )
            told = found[job.name].failed
            print(job.name, f"{time.monotonic() - began:.0f} s", *told, sep="\n", file=sys.stderr, flush=True)
    records = [found[name] for name in names if name in found]
    print(table(records))
    return int(any(record.failed for record in records))


if __name__ == "__main__":
    sys.exit(main())
