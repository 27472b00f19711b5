"""Which numbers stay the same to the last bit, and what changes them: the smallest sample of every kind, run again.

Run as ``python -m sims.digests [KIND...]``.  Each way is a process of its own in which all kinds are run: with tasks in
reverse order, on two workers, with several threads wherever a library starts some, and with the instructions of
other processors: those of OpenBLAS by its kernels, those of compiled kernels by numba's target, those of torch by its
capability.  The rows printed are those of docs/reliability.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from physnn.samples.kinds import KINDS

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
ONE, FOUR = dict.fromkeys(THREADS, "1"), dict.fromkeys(THREADS, "4")
AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
HASWELL = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+avx,+avx2,+fma,+bmi,+bmi2,+popcnt,+lzcnt,+f16c,+cx16",
}
"""The name alone takes no instructions away."""
COLUMNS = ("jobs", "threads", "BLAS", "compiled", "torch")
"""Columns of the table, each the answer of some ways."""
WAYS: dict[str, tuple[str, dict[str, str], tuple[str, ...]]] = {
    "alone": ("", ONE, ()),
    "in reverse order": ("jobs", ONE, ("reversed",)),
    "threads": ("threads", FOUR, ()),
    "OpenBLAS for Haswell": ("BLAS", ONE | {"OPENBLAS_CORETYPE": "Haswell"}, ()),
    "OpenBLAS for Zen": ("BLAS", ONE | {"OPENBLAS_CORETYPE": "Zen"}, ()),
    "OpenBLAS for Prescott": ("BLAS", ONE | {"OPENBLAS_CORETYPE": "Prescott"}, ()),
    "torch with AVX2": ("torch", ONE | AVX2, ()),
    "two workers": ("jobs", ONE, ("2",)),
    "numba for Haswell": ("compiled", ONE | HASWELL, ()),
}
"""Column, variables and words of each way to run all kinds."""
PROMISED = ("jobs", "threads")
"""Columns in which every kind is the same; the others say on what processor it is."""


def run_all(folder: Path, places: dict[str, str], kinds: list[str], order: int, jobs: int) -> None:
    """Run the smallest sample of some kinds and print a line with the digest of each."""
    from physnn import api
    from physnn.samples import files
    from physnn.samples.training.classifiers import train_ensembles
    from physnn.store.hdf5 import content_digest
    from tests.samples.smallest import SETTINGS
    from tests.samples.training.test_ensembles import MEMBERS

    inner = files.run_tasks
    files.run_tasks = lambda tasks, *words, **more: inner(list(tasks)[::order], *words, **more)
    for kind in kinds:
        out = folder / f"{kind}.h5"
        if kind == "train-classify":
            train_ensembles(MEMBERS, (0, 1, 2), out=out, jobs=jobs)
        else:
            given = {n: v.format(**places) if isinstance(v, str) else v for n, v in SETTINGS[kind].items()}
            api.run(api.recipe(kind, **given), out, jobs=jobs)
        print(json.dumps([kind, content_digest(out)]), flush=True)


def digests(way: str, places: dict[str, str], kinds: list[str]) -> dict[str, str]:
    """Digests by kind, of one way to run them."""
    _, variables, words = WAYS[way]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sims.digests", json.dumps([folder, places, kinds]), *words]
        done = subprocess.run(command, env=os.environ | variables, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))


def main(kinds: list[str]) -> None:
    """Run kinds in every way and print the rows of the table."""
    from tests.samples.smallest import make_places

    begin, found = time.time(), {}
    with tempfile.TemporaryDirectory() as folder:
        places = make_places(Path(folder))
        for way in WAYS:
            found[way] = digests(way, places, kinds)
            changed = [kind for kind in kinds if found[way][kind] != found["alone"][kind]]
            print(f"{way}: {len(kinds) - len(changed)} the same; others: {', '.join(changed) or 'none'}", flush=True)
    print("\n| kind |", " | ".join(COLUMNS), "|\n|---|" + "---|" * len(COLUMNS))
    for kind in kinds:
        by_column = {
            column: all(found[way][kind] == found["alone"][kind] for way, said in WAYS.items() if said[0] == column)
            for column in COLUMNS
        }
        print(f"| `{kind}` |", " | ".join("same" if by_column[column] else "rounding" for column in COLUMNS), "|")
    print(f"\n{time.time() - begin:.0f} s")


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1].startswith("["):
        _folder, _places, _kinds = json.loads(sys.argv[1])
        run_all(Path(_folder), _places, _kinds, -1 if "reversed" in sys.argv else 1, 2 if "2" in sys.argv else 1)
    else:
        main(sys.argv[1:] or list(KINDS))
