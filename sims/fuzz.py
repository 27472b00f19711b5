"""Does a file that says what is not so get through?  Mutants of every kind of sealed file, half of them lies.

Of a small file of each kind (``tests/store/fixtures``) come mutants: bytes changed under the old seal, bytes changed
and sealed anew, and changes of meaning that are sealed anew (`tests.faults.lies`): shapes, names, ranges, counts,
recipe against data, attributes, types.  A process with 1 GiB of address space and 20 s for each reads them.  A mutant
must be refused in one line that names the file, or give the same numbers.  A killed run goes on where it was.

Changed bytes that are sealed anew meet HDF5's checksums, to which words of 16 bits that are 0 and 65535 are one: such
a change is counted as unseen.

Run: python -m sims.fuzz [--mutants 3000] [--kinds NAME ...] [--out fuzz.json]; 3,000 mutants of a kind take two to
five minutes on one core.  It prints the table of docs/reliability.md.  It ends with status 1 if one got through.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.faults.fuzz import campaign
from tests.faults.test_fuzz import ORIGINALS

GOOD = {"refused", "same", "unseen"}
AT_A_TIME = 100


def run(kind: str, mutants: int, record: dict[str, Any], save: Any) -> None:
    """Read the mutants of a kind that are left."""
    with tempfile.TemporaryDirectory() as folder:
        while record["done"] < mutants:
            began, last = time.monotonic(), min(mutants, record["done"] + AT_A_TIME)
            for k, change, word, said in campaign(ORIGINALS[kind], record["done"], last, Path(folder)):
                group = change if change.startswith("bytes") else "lies"
                counts = record["outcomes"].setdefault(group, {})
                counts[word] = counts.get(word, 0) + 1
                if word not in GOOD or (word != "refused" and change == "bytes"):
                    record["bad"].append([k, change, word, said])
            record["done"] = last
            record["seconds"] += time.monotonic() - began
            save()


def table(found: dict[str, Any]) -> str:
    """Outcomes by kind."""
    lines = ["| kind | mutants | old seal, refused | sealed anew: refused, same, unseen | lies: refused, same | bad |"]
    lines.append("|" + "---|" * 6)
    for kind, record in found.items():
        by = {group: Counter(counts) for group, counts in record["outcomes"].items()}
        old, anew, lies = (by.get(group, Counter()) for group in ("bytes", "bytes, sealed anew", "lies"))
        lines.append(
            f"| {kind} | {record['done']:,} | {old['refused']:,} | {anew['refused']:,}, {anew['same']}, "
            f"{anew['unseen']} | {lies['refused']:,}, {lies['same']} | {len(record['bad'])} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Run what is left of the campaign and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=3000)
    parser.add_argument("--kinds", nargs="+", choices=sorted(ORIGINALS), default=sorted(ORIGINALS))
    parser.add_argument("--out", type=Path, default=Path("fuzz.json"))
    words = parser.parse_args()
    found = json.loads(words.out.read_text()) if words.out.exists() else {}
    for kind in words.kinds:
        record = found.setdefault(kind, {"done": 0, "outcomes": {}, "bad": [], "seconds": 0.0})
        run(kind, words.mutants, record, lambda: words.out.write_text(json.dumps(found, indent=1)))
        for bad in record["bad"]:
            print(kind, *bad, file=sys.stderr)
        print(kind, f"{record['done']} in {record['seconds']:.0f} s", file=sys.stderr, flush=True)
    print(table(found))
    return int(any(record["bad"] for record in found.values()))


if __name__ == "__main__":
    sys.exit(main())
