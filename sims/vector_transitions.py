"""Transitions of unit vectors with known answers: does the whole path from sampler to verdict find them?

One coupled component, J = diag(1, 0): the 2D Ising class, 1/nu = 1; diag(-1, 0): the same T_c at k* = (pi, pi).  XY:
curves that merge, T_KT = 0.8929 (Y. Komura and Y. Okabe, J. Phys. Soc. Jpn. 81 (2012) 113001).  XY whose
neighbours are turned by an eighth of a turn along rows: exactly XY at k* = (pi / 4, 0).  `--pilot` takes small sizes.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import physnn
import physnn.errors
from physnn.api import sweep_equilibrium

ISING_T = (1.20, 1.225, 1.25, 1.275, 1.30, 1.325, 1.35)
XY_T = (0.80, 0.85, 0.90, 0.95, 1.00, 1.05, 1.10)
PILOT = {"L": (8, 16, 24), "sweeps": 1500, "thermalisation": 300, "chains": 4}
FULL = {"L": (8, 16, 32, 48), "sweeps": 20000, "thermalisation": 2000, "chains": 4}
FOLDER = Path("vector-transitions")


@dataclass(frozen=True)
class Case:
    """A model, how it moves, and where."""

    model: tuple[str, ...]
    sampler: str
    T: tuple[float, ...]
    expected: str


CASES = {
    "ising": Case(("diagonal", "1", "0"), "langevin", ISING_T, "crossing, 1/nu = 1"),
    "ising by Metropolis": Case(
        ("diagonal", "1", "0"), "metropolis", ISING_T, "crossing, 1/nu = 1, T_c as by Langevin"
    ),
    "antiferromagnet": Case(("diagonal", "-1", "0"), "metropolis", ISING_T, "the same T_c, k* = (1/2, 1/2)"),
    "xy": Case(("xy",), "metropolis", XY_T, "merging near T = 0.893"),
    "rotated xy": Case(("rotated", "1/8", "0"), "metropolis", XY_T, "as xy, k* = (1/8, 0)"),
}
"""Cases; one whole turn of the rotated one fits sizes divisible by 8."""


def main() -> None:
    """Run each case that has no file yet, and print what its fit says."""
    lengths, folder = (PILOT, FOLDER / "pilot") if "--pilot" in sys.argv else (FULL, FOLDER / "full")
    folder.mkdir(parents=True, exist_ok=True)
    for name, case in CASES.items():
        begun = time.process_time()
        path = folder / f"{name.replace(' ', '-')}.h5"
        sweep_equilibrium(T=case.T, model=case.model, sampler=case.sampler, out=path, **lengths)
        print(f"{name}: expected {case.expected}")
        for observable in ("binder", "xi_over_L"):
            try:
                answer = physnn.fit(path, observable)
            except physnn.errors.InputError as error:
                print(f"  {observable}: {error}")
                continue
            print(f"  {observable}: {answer.verdict}; {answer.reason}")
            if answer.collapse is not None:
                print(f"    T_c = {answer.collapse.critical_point}, 1/nu = {answer.collapse.inverse_nu}")
        print(f"  {time.process_time() - begun:.0f} s of CPU", flush=True)


if __name__ == "__main__":
    main()
