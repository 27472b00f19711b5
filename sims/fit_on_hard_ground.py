"""Coverage of fits on ground that hurts: sizes from 8, large corrections, errors tiny or wrong, rounded controls.

Every cell of `tests.synthetic.hard` is fitted as ``physnn fit`` does without options.  A 68.3 % interval must hold the
truth in 68 % of the sets.  Results continue: finished cells are kept in the given file.

Run: python -m sims.fit_on_hard_ground [OUT.json [SETS]], from the top of the source tree, where the tests are.
"""

import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from physnn import rng
from tests.synthetic.hard import CELLS, NOISES, Cell, hard_trial
from tests.synthetic.trials import Trial


def one(cell: Cell, seed: int) -> Trial:
    """Run one trial."""
    return hard_trial(cell, rng.stream(seed, "synthetic", "hard", str(cell)))


def summary(found: list[Trial]) -> dict[str, object]:
    """Share of answers, and for x_c and 1/nu coverage, median deviation in errors, and deviations above 4 errors."""
    answered = [t for t in found if t.z]
    z, inside = np.array([t.z for t in answered]), np.array([t.inside for t in answered]).mean(0)
    return {
        "answered": len(answered) / len(found),
        "inside_68": inside[:, 0].tolist(),
        "inside_95": inside[:, 1].tolist(),
        "bias": np.median(z, axis=0).tolist(),
        "above_4": np.mean(np.abs(z) > 4, axis=0).tolist(),
    }


def main(out: str = "fit_on_hard_ground.json", sets: str = "100") -> None:
    """Run all cells on two cores and print a table."""
    path = Path(out)
    done = json.loads(path.read_text()) if path.exists() else {}
    print("| cell | answered | x_c: 68 %, 95 %, bias | 1/nu: 68 %, 95 %, bias | above 4 errors |")
    with ProcessPoolExecutor(2) as pool:
        for cell in CELLS:
            key, start = f"{cell}, {sets} sets", time.perf_counter()
            if key not in done:
                done[key] = summary(list(pool.map(partial(one, cell), range(int(sets)), chunksize=5)))
                path.write_text(json.dumps(done, indent=1))
            row = done[key]
            each = [f"{row['inside_68'][k]:.0%}, {row['inside_95'][k]:.0%}, {row['bias'][k]:+.1f}" for k in range(2)]
            worst = " ".join(f"{share:.0%}" for share in row["above_4"])
            took = time.perf_counter() - start
            print(f"| {cell} | {row['answered']:.0%} | {each[0]} | {each[1]} | {worst} |", f"{took:.0f} s", flush=True)
    print(table(done, sets))
    for name in ("inside_68", "inside_95", "above_4"):
        print(f"{name}: {mean(done, name, 0):.2%} of x_c, {mean(done, name, 1):.2%} of 1/nu")


def mean(done: dict, name: str, k: int) -> float:
    """Mean of one number over all cells but those of shared runs."""
    return float(np.mean([row[name][k] for key, row in done.items() if "shared" not in key]))


def table(done: dict, sets: str) -> str:
    """Table of pages: coverage of 68 % intervals of x_c and 1/nu, and the share of answers where it is not all."""
    kinds = dict.fromkeys(replace(cell, noise=0.0) for cell in CELLS)
    lines = ["| data | " + " | ".join(f"{noise:g}" for noise in NOISES) + " |", "|---" * (len(NOISES) + 1) + "|"]
    for kind in kinds:
        texts = []
        for noise in NOISES:
            row = done.get(f"{replace(kind, noise=noise)}, {sets} sets")
            few = f" ({row['answered']:.0%})" if row and row["answered"] < 0.95 else ""
            texts.append("{:.0%}, {:.0%}".format(*row["inside_68"]) + few if row else "")
        name = str(kind).replace("noise 0, ", "")
        lines.append(f"| {name} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main(*sys.argv[1:])
