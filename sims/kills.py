"""Do kills lose, repeat or change anything?  Commands of every kind of sample, at named points and at random moments.

Each case is a command that makes a small file (`tests.faults.campaign`): every kind, and sweeps that are extended,
begun anew, run in stages or with two workers.  It is killed at each point that it comes to, such as inside a part,
between two renames or inside the figure, and looked at; then the same command goes on.  Random kills come up to four in
a row, half at a random call that changes the folder, half at a random moment; with workers the whole group goes.
No finished task may be lost or run again, and digest, answer and files must be those of an uninterrupted run.
A run that is stopped goes on where it was, and a case that went wrong begins anew.

Run: python -m sims.kills [--cases NAME ...] [--kills 8] [--out kills.json]; a case takes half a minute to three minutes
on one core.  It prints the table of docs/reliability.md.  It ends with status 1 if anything was lost, run again or came
out otherwise.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from tests.faults.campaign import Bench, Tally, aim, cases, kill_at_random, table
from tests.faults.commands import commands


def main() -> int:
    """Run what is left of the cases and print the table of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", help="names of the table; by default all")
    parser.add_argument("--kills", type=int, default=8, help="random kills of each case")
    parser.add_argument("--out", type=Path, default=Path("kills.json"))
    words = parser.parse_args()
    found = {t["name"]: Tally(**t) for t in (json.loads(words.out.read_text()) if words.out.exists() else [])}

    def save() -> None:
        words.out.write_text(json.dumps([asdict(tally) for tally in found.values()], indent=1))

    with tempfile.TemporaryDirectory() as place, commands(torch=True) as process:
        makers = cases(Path(place))
        for k, name in enumerate(words.cases or makers):
            began = time.monotonic()
            if name not in found or found[name].bad:
                found[name] = Tally(name)
            with found[name].noting():
                bench = Bench(makers[name](), process, Path(place) / f"{k}", found[name])
                aim(bench, save)
                kill_at_random(bench, words.kills, save)
            save()
            print(name, f"{time.monotonic() - began:.0f} s", *found[name].failed, sep="\n", file=sys.stderr, flush=True)
    tallies = [found[name] for name in makers if name in found]
    print(table(tallies))
    return int(any(tally.bad for tally in tallies))


if __name__ == "__main__":
    sys.exit(main())
