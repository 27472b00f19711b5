"""What is a renormalization: blocks of Ising and Potts configurations, their exponents and couplings, and controls.

Majority blocks of 2 x 2 sites at T_c, and away from it; decimation; and the same configurations with sites permuted.

    python sims/renormalization.py [FOLDER]     4 minutes of one core; needs 2 GB of memory

Sweeps are kept in FOLDER (``sims/output``), so that it continues.  It draws ``renormalization_away.png`` and
``renormalization_potts.png`` in ``docs/figures``.
"""

import math
import sys
from pathlib import Path

from physnn import api
from physnn.answers.flow import FlowAnswer, lattice_flow
from physnn.answers.plots import plot_flow

FIGURES = Path("docs/figures")
ISING, POTTS = 2 / math.log(1 + math.sqrt(2)), 1 / math.log(1 + math.sqrt(3))
"""Critical temperatures of the square lattice, exact, in units of J / k_B."""
RUNS = {
    "controls": {"L": (64,), "T": (ISING,), "sweeps": 5000, "snapshots": 5},
    "away": {"L": (64,), "T": (2.2, 2.25, ISING, 2.29, 2.35), "sweeps": 5000, "snapshots": 5},
    "potts": {"L": (32, 64), "T": (POTTS,), "model": "potts", "q": 3, "sweeps": 20_000, "snapshots": 10},
    "thirds": {"L": (54, 108), "T": (ISING,), "sweeps": 5000, "snapshots": 5},
    "ising": {"L": (32, 64, 128), "T": (ISING,), "sweeps": 10_000, "snapshots": 5},
    "potts-large": {"L": (128,), "T": (POTTS,), "model": "potts", "q": 3, "sweeps": 10_000, "snapshots": 10},
}
"""Sweeps by name, each with 8 chains of Wolff clusters."""


def said(title: str, found: FlowAnswer) -> None:
    """Print what an answer says, run by run."""
    for run in found.runs:
        told = run.judgement
        off = [
            f"{name} {value} ({100 * (value.value / found.exact[name] - 1):+.2f} %)"
            for name, value in (("y_t", told.y_t), ("y_h", told.y_h))
        ]
        print(f"{title}: L {run.L}, T {run.T:.6g}, {len(run.steps)} steps: {', '.join(off)}: {told.verdict}")
        print(f"    {'; '.join(told.reasons)}")
        for step in run.steps:
            both = (str(rows[-1].estimates[0]) if rows else "-" for rows in (step.even, step.odd))
            print(f"    step {step.level + 1}, to {step.side}: y_t {next(both)}, y_h {next(both)}")
        for level in run.levels:
            print(
                f"    K on {level.side}: {', '.join(map(str, level.couplings.estimates)) if level.couplings else '-'}"
            )
    for match in found.matchings:
        print(
            f"    {match.sizes} match on {match.side} x {match.side} at T_c = {match.critical_temperature}", flush=True
        )


def main() -> None:
    """Make the sweeps that are missing, and renormalize them."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "sims/output")
    folder.mkdir(parents=True, exist_ok=True)
    for name, settings in RUNS.items():
        out = folder / f"flow-{name}.h5"
        api.run(api.recipe("temperature", out, chains=8, **settings), out, jobs=1)
        if name == "controls":
            said("decimation", lattice_flow(out, "decimation"))
            said("sites permuted", lattice_flow(out, shuffled=True))
            continue
        found = lattice_flow(out, b=3 if name == "thirds" else 2)
        said(name, found)
        if name in ("away", "potts"):
            plot_flow(found, FIGURES / f"renormalization_{name}.png")


if __name__ == "__main__":
    main()
