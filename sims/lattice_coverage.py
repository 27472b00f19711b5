"""Default fits of lattice models with exact answers, from small sizes on: how far off are they, in their errors?

Wolff's clusters of Potts models with q = 2, 3 and 4 colours, and site percolation, on tori with L = 8 to 256, each
with all sizes from L_min.  Exact: T_c = 1/ln(1 + sqrt q) (R. B. Potts, Proc. Camb. Phil. Soc. 48 (1952) 106) and
1/nu = 1, 6/5 and 3/2 (F. Y. Wu, Rev. Mod. Phys. 54 (1982) 235), with logarithms at q = 4, where ``log`` fits have
1/ln L in place of L^-omega; p_c = 0.59274605 (M. E. J. Newman and R. M. Ziff, Phys. Rev. E 64 (2001) 016706) and
1/nu = 3/4.

Run as: python sims/lattice_coverage.py [FOLDER], 17 minutes of one core.  What is in the folder is not run again.
"""

import dataclasses
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import physnn
from physnn.store.sweep_file import SweepFile

SIZES = (8, 16, 32, 64, 128, 256)
LEAST = (8, 16, 32, 64)
"""Smallest sizes of the fits; three sizes at least are left."""
POTTS = {2: 1.0, 3: 6 / 5, 4: 3 / 2}
"""1/nu by colours."""
P_C, INVERSE_NU = 0.59274605, 3 / 4
OFF = 3.0
"""Errors from which a fit is called off."""


def potts(q: int, folder: Path) -> SweepFile:
    """Sweep of a Potts model; two chains of 3000 measurements at L >= 128, 128/L times as many at smaller sizes.

    Temperatures are (1 + u/L) T_0 with |u| up to 0.8, where T_0 is T_c to two places, and to three at L = 256, for two
    would leave the transitions of 2 and 3 colours outside.
    """
    settings: dict[str, Any] = {"model": "potts", "q": q, "chains": 2, "sweeps": 3000, "longer_if_small": True}
    settings |= {"thermalisation": 500, "jobs": 1}
    *small, large = SIZES
    T = round(1 / math.log1p(math.sqrt(q)), 3) * (1 + np.linspace(-0.8, 0.8, 13) / large)
    files = folder / f"coverage-potts{q}.h5", folder / f"coverage-potts{q}-{large}.h5"
    physnn.sweep_temperature(small, out=files[0], **settings)
    physnn.sweep_temperature([large], out=files[1], T=[float(f"{value:.12g}") for value in T], **settings)
    first, second = map(physnn.read_sweep, files)
    return dataclasses.replace(first, sizes={**first.sizes, **second.sizes})


def percolation(folder: Path) -> SweepFile:
    """Sweep of site percolation: 80,000 runs at L >= 128, 128/L times as many at smaller sizes."""
    physnn.sweep_percolation(SIZES, out=folder / "coverage-percolation.h5", jobs=1)
    return physnn.read_sweep(folder / "coverage-percolation.h5")


def report(name: str, sweep: SweepFile, observable: str, exact: tuple[float, float], **settings: str) -> list[str]:
    """Print a row for every smallest size, and return those that are off."""
    off = []
    for least in LEAST:
        kept = {L: group for L, group in sweep.sizes.items() if least <= L}
        fit = physnn.fit(dataclasses.replace(sweep, sizes=kept), observable, **settings)
        row = f"| {name}, {observable}{', log' if settings else ''} | {least} |"
        if fit.collapse is None:
            off.append(f"{row} {fit.verdict}: {fit.reason}")
            print(f"{row} {fit.verdict} | | | | | |", flush=True)
            continue
        best = fit.collapse
        pairs = list(zip((best.critical_point, best.inverse_nu), exact, strict=True))
        pulls = [(estimate.value - value) / estimate.error for estimate, value in pairs]
        cells = [f"{estimate} | {pull:+.1f}" for (estimate, _), pull in zip(pairs, pulls, strict=True)]
        omega = str(best.omega) if math.isfinite(best.omega.value) else ""
        print(f"{row} {' | '.join(cells)} | {omega} | {best.chi2_per_dof:.2f} |", flush=True)
        if max(map(abs, pulls)) > OFF:
            off.append(f"{row} {' | '.join(cells)}; {'; '.join(fit.remarks)}")
    return off


def main() -> None:
    """Run what is missing, print the table and what is off."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    sweeps = {q: potts(q, folder) for q in POTTS}
    runs = percolation(folder)
    print(f"data after {time.process_time():.0f} s of one core")
    print("| data | L_min | critical point | off, errors | 1/nu | off, errors | omega | chi2/dof |")
    print("|---|---|---|---|---|---|---|---|")
    off = []
    for q, sweep in sweeps.items():
        exact = 1 / math.log1p(math.sqrt(q)), POTTS[q]
        for observable in ("binder", "xi_over_L"):
            off += report(f"q = {q}", sweep, observable, exact)
            off += report(f"q = {q}", sweep, observable, exact, omega="log") if q == 4 else []
    for observable in ("wrap_either", "wrap_one", "largest_ratio"):
        off += report("percolation", runs, observable, (P_C, INVERSE_NU))
    print(f"off by more than {OFF:g} errors, or without an answer: {len(off)}", *off, sep="\n")
    print(f"{time.process_time():.0f} s of one core")


if __name__ == "__main__":
    main()
