"""U4 against xi/L of the 2D Ising and XY models: the curves that `physnn decide` compares networks with.

Near a critical point both are functions of one variable, so their relation needs neither T_c nor an exponent.  Ising:
Wolff's clusters; XY: Metropolis with reflected clusters.  The table holds the larger of two sizes; its error is that of
the data and half the difference from the smaller size, whichever is larger.

    python sims/planes.py            six minutes on two cores; writes data/planes.csv

Sweeps are kept in ``sims/output``, so that it continues.
"""

import csv
from pathlib import Path

import numpy as np
from scipy.interpolate import PchipInterpolator

from physnn.answers.fit import curves
from physnn.api import sweep_equilibrium, sweep_temperature

FOLDER = Path("sims/output")
TABLE = Path("data/planes.csv")
ISING_T = np.round(np.concatenate([np.linspace(2.0, 2.22, 5), np.linspace(2.24, 2.36, 9), np.linspace(2.4, 2.8, 6)]), 4)
XY_T = (0.5, 0.6, 0.7, 0.8, 0.86, 0.9, 0.94, 0.97, 1.0, 1.03, 1.06, 1.1, 1.15, 1.2, 1.3)
SIZES = (32, 64)


def plane(path: Path) -> list[tuple[float, float, float]]:
    """Return rows (xi/L, U4, error) of the larger size, xi/L increasing."""
    xi, binder = curves(path, "xi_over_L"), curves(path, "binder")
    small, large = xi.sizes
    order = np.argsort(xi.y[small])
    other = PchipInterpolator(xi.y[small][order], binder.y[small][order])
    rows = []
    for x, dx, y, dy in zip(xi.y[large], xi.errors[large], binder.y[large], binder.errors[large], strict=True):
        inside = xi.y[small].min() < x < xi.y[small].max()
        slope = float(other.derivative()(x)) if inside else 0.0
        shift = abs(float(other(x)) - y) / 2 if inside else 0.0
        rows.append((float(x), float(y), float(max(np.hypot(dy, slope * dx), shift))))
    return sorted(rows)


def main() -> None:
    """Run both models and write the table."""
    FOLDER.mkdir(exist_ok=True)
    ising, xy = FOLDER / "plane_ising.h5", FOLDER / "plane_xy.h5"
    sweep_temperature(SIZES, out=ising, jobs=2, T=ISING_T.tolist(), algorithm="wolff", sweeps=10000)
    sweep_equilibrium(SIZES, XY_T, out=xy, jobs=2, model=("xy",), sampler="metropolis", interval=2, clusters=True,
                      chains=4, sweeps=2500, thermalisation=300)  # fmt: skip
    with TABLE.open("w", newline="") as file:
        file.write("# U4 against xi/L at L = 64; made by sims/planes.py\n")
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["class", "components", "xi_over_L", "binder", "error"])
        for name, n, path in (("Ising", 1, ising), ("XY", 2, xy)):
            for row in plane(path):
                table.writerow([name, n, *(f"{value:.6g}" for value in row)])
                print(name, *(f"{value:.5f}" for value in row))


if __name__ == "__main__":
    main()
