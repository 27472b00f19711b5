"""Fits of published data with known answers: 2D Ising on two lattices, and bond percolation.

Sources, to be fetched by whoever runs this and not part of physnn: the sample data of K. Harada's FSS-tools
(https://github.com/KenjiHarada/FSS-tools, folder with ising-square-B.dat and others; cite K. Harada, Phys. Rev. E 84,
056704 (2011)), columns L, beta, value, error; and the data of A. Sorge's pyfssa (https://github.com/andsor/pyfssa,
bond percolation on a grid, 10,000 runs for each L that all p share), as .npz with arrays L8__p,
L8__percolation_probability_mean and so on.

Run as: python sims/fss_public_data.py FOLDER [bond_percolation_grid.npz]
"""

import sys
from pathlib import Path

import numpy as np

import physnn

EXACT = {"square": np.log(1 + np.sqrt(2)) / 2, "tri": np.log(3) / 4}
ZETA = {"B": 0.0, "M": -0.125, "X": 1.75}
PERCOLATION = {"percolation_probability": 0.0, "percolation_strength": -5 / 48}


def report(name: str, fit: object, truth: tuple[float, float, float]) -> None:
    """Print estimates with their distance from the truth in errors."""
    print(f"{name}: {fit.verdict}")
    if fit.collapse is None:
        print(f"  {fit.reason}")
        return
    best = fit.collapse
    for label, estimate, exact in zip(
        ("x_c", "1/nu", "zeta/nu"), (best.critical_point, best.inverse_nu, best.zeta_over_nu), truth, strict=True
    ):
        if estimate.error:
            sigmas = (estimate.value - exact) / estimate.error
            print(f"  {label:8} {estimate!s:16} exact {exact:.7g}: {sigmas:+.1f} sigma")
    for remark in fit.remarks:
        print(f"  note: {remark}")


def main() -> None:
    """Fit all files there are."""
    folder = Path(sys.argv[1])
    for lattice, beta in EXACT.items():
        for quantity, zeta in ZETA.items():
            path = folder / f"ising-{lattice}-{quantity}.dat"
            answer = physnn.fit(path, zeta="free" if zeta else 0.0)
            report(path.stem, answer, (beta, 1.0, zeta))
    if len(sys.argv) > 2:
        data = np.load(sys.argv[2])
        for name, zeta in PERCOLATION.items():
            columns = [[], [], [], []]
            for L in data["sizes"]:
                runs = data[f"L{L}__number_of_runs"]
                for column, values in zip(
                    columns,
                    (
                        np.full(len(runs), L),
                        data[f"L{L}__p"],
                        data[f"L{L}__{name}_mean"],
                        data[f"L{L}__{name}_std"] / np.sqrt(runs),
                    ),
                    strict=True,
                ):
                    column.extend(values)
            report(name, physnn.fit_arrays(*columns, control="p", zeta="free" if zeta else 0.0), (0.5, 0.75, zeta))


if __name__ == "__main__":
    main()
