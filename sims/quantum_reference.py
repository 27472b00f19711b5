"""Critical points of the Ising model in a transverse field, from world lines alone.

What `physnn fit` says of chains (exact: h_c = 1, nu = 1, z = 1) and of square lattices (H. W. J. Bloete and Y. Deng,
Phys. Rev. E 66, 066110 (2002): h_c = 3.04438(2), and nu = 0.62997 of the 3D Ising class), by four observables each.
Temperatures follow the size, beta = a L.  Then the dynamic exponent z at h_c: were it not 1, what depends on beta / L^z
would drift with L at fixed a.  At two values of a the drift becomes an exponent: with R = xi_t / beta at h_c,

    z = 1 - (d ln R / d ln L) / (d ln R / d ln a).

    python sims/quantum_reference.py [FOLDER]       ten minutes of one core; continues where it stopped
    python sims/quantum_reference.py FOLDER draw    the figure and the numbers alone

Files are kept in FOLDER, ``sims/output/quantum`` by default; the figure goes to ``docs/figures``.
"""

import sys
from pathlib import Path

import numpy as np

import physnn
from physnn import api
from physnn.analysis.verdict.fit import Fit
from physnn.answers.fit import curves
from physnn.figures.style import errorbar, new_figure, save
from physnn.samples import files
from physnn.store.sweep_file import read_sweep

OBSERVABLES = ("binder", "binder_time", "xi_time", "xi_space")
EXACT = {"chain": (1.0, 0.0, 1.0), "square": (3.04438, 2e-5, 1.58737)}
"""h_c, its error, and 1/nu."""
RUNS = {
    "chain": {"L": (8, 16, 32, 64), "points": 7, "beta_per_L": 1.0, "sweeps": 5000},
    "square": {"dimension": 2, "L": (4, 6, 8, 12, 16), "points": 7, "beta_per_L": 0.5, "sweeps": 2000},
    "again": {"dimension": 2, "L": (12,), "h": (3.02435594762, 3.044), "beta_per_L": 0.5, "sweeps": 4000, "seed": 11},
    "chain-1": {"L": (8, 16, 32, 64), "h": (1.0,), "beta_per_L": 1.0, "sweeps": 5000, "seed": 1},
    "chain-2": {"L": (8, 16, 32, 64), "h": (1.0,), "beta_per_L": 2.0, "sweeps": 5000, "seed": 1},
    "square-1": {"dimension": 2, "L": (4, 6, 8, 12), "h": (3.04438,), "beta_per_L": 0.5, "sweeps": 2000, "seed": 1},
    "square-2": {"dimension": 2, "L": (4, 6, 8, 12), "h": (3.04438,), "beta_per_L": 1.0, "sweeps": 2000, "seed": 1},
}


def measure(folder: Path, jobs: int = 1) -> None:
    """Make the files; what is there stays."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, settings in RUNS.items():
        out = folder / f"{name}.h5"
        count = files.run(api.recipe("path-integral", out, True, **settings), out, extend=True, jobs=jobs)
        print(f"{out}: {count} tasks", flush=True)


def fits(folder: Path, name: str) -> dict[str, Fit]:
    """Fits of every observable; prints them beside what is known."""
    h_c, error, inverse_nu = EXACT[name]
    found = {}
    for observable in OBSERVABLES:
        found[observable] = fit = physnn.fit(folder / f"{name}.h5", observable)
        print(f"\n{name}, {observable}\n{fit}")
        if name == "chain":
            held = physnn.fit(folder / "chain.h5", observable, omega=2.0).collapse
            print(f"  omega = 2 held: h_c {held and held.critical_point}, 1/nu {held and held.inverse_nu}")
        if fit.collapse is not None and fit.verdict == "crossing":
            h, nu = fit.collapse.critical_point, fit.collapse.inverse_nu
            off = (h.value - h_c) / np.hypot(h.error, error), (nu.value - inverse_nu) / nu.error
            print(f"  h_c {h}, {off[0]:+.1f} errors off; 1/nu {nu}, {off[1]:+.1f} errors off")
    return found


def again(folder: Path) -> None:
    """Print two fields at L = 12 beside the same from other seeds, for they lie off the curves of other sizes."""
    first, second = (curves(read_sweep(folder / f"{name}.h5"), "binder_time") for name in ("square", "again"))
    print("\nL = 12, binder_time, and again")
    for k, h in enumerate(second.x[12]):
        at = int(np.argmin(abs(first.x[12] - h)))
        pair = [f"{c.y[12][j]:.4f} +- {c.errors[12][j]:.4f}" for c, j in ((first, at), (second, k))]
        print(f"  h = {h:.5f}  {pair[0]}  {pair[1]}")


def ratio(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes, ln R and its error at the only field of a file."""
    found = curves(read_sweep(folder / f"{name}.h5"), "xi_time")
    L = np.array(found.sizes, float)
    y, e = (np.array([float(values[size][0]) for size in found.sizes]) for values in (found.y, found.errors))
    return L, np.log(y), e / y


def dynamic_exponent(folder: Path, name: str) -> None:
    """Print z by pairs of sizes: drift of ln R with L over its dependence on a, errors by propagation."""
    (L, one, e1), (_, two, e2) = (ratio(folder, f"{name}-{k}") for k in (1, 2))
    print(f"\n{name}: R = xi_t / beta at h_c by L, beta = a L and 2 a L")
    for row in zip(L, np.exp(one), np.exp(one) * e1, np.exp(two), np.exp(two) * e2, strict=True):
        print("  L = {:3.0f}  {:.5f} +- {:.5f}  {:.5f} +- {:.5f}".format(*row))
    slope = ((two - one) / np.log(2))[1:]
    # One drift for both a and all sizes, by weighted least squares.
    x, y, e = np.log(np.tile(L, 2)), np.concatenate([one, two]), np.concatenate([e1, e2])
    terms = np.stack([x, np.repeat([1.0, 0.0], len(L)), np.repeat([0.0, 1.0], len(L))], axis=1) / e[:, None]
    covariance = np.linalg.inv(terms.T @ terms)
    fit = covariance @ terms.T @ (y / e)
    chi2, mean = float(np.sum((y / e - terms @ fit) ** 2)), float(np.mean(slope))
    print(
        f"  all sizes: z = {1 - fit[0] / mean:.4f} +- {np.sqrt(covariance[0, 0]) / abs(mean):.4f}, "
        f"chi2 = {chi2:.1f} of {len(y) - 3}"
    )
    for k in range(len(L) - 1):
        step = np.log(L[k + 1] / L[k])
        drift = (one[k + 1] - one[k] + two[k + 1] - two[k]) / (2 * step)
        error = np.sqrt(e1[k] ** 2 + e1[k + 1] ** 2 + e2[k] ** 2 + e2[k + 1] ** 2) / (2 * step)
        print(f"  L = {L[k]:.0f}, {L[k + 1]:.0f}: z = {1 - drift / slope[k]:.4f} +- {error / abs(slope[k]):.4f}")


def draw(found: dict[str, dict[str, Fit]]) -> None:
    """Draw U4 and xi_t / beta of chains and square lattices against the field."""
    figure = new_figure(9, 6.4)
    axes = figure.subplots(2, 2, sharex="col")
    for column, (name, fits_of) in enumerate(found.items()):
        for row, observable in enumerate(("binder", "xi_time")):
            ax, fit = axes[row][column], fits_of[observable]
            for k, L in enumerate(fit.curves.sizes):
                c = fit.curves
                errorbar(ax, k, c.x[L], c.y[L], c.errors[L], ms=3, ls="-", lw=0.8, label=f"L = {L}")
            ax.axvline(EXACT[name][0], color="0.6", lw=1, zorder=0)
            if fit.collapse is not None and fit.verdict == "crossing":
                h = fit.collapse.critical_point
                ax.axvspan(h.value - h.error, h.value + h.error, color="0.85", zorder=0)
            ax.set(xlabel="transverse field h (J)", ylabel=("U4 at one time", r"$\xi_t/\beta$")[row])
        axes[0][column].set_title({"chain": "chains, beta = L / J", "square": "square lattices, beta = L / 2J"}[name])
        axes[0][column].legend(fontsize=8)
    save(figure, Path("docs/figures/quantum_reference.png"))


if __name__ == "__main__":
    place = Path(sys.argv[1] if len(sys.argv) > 1 else "sims/output/quantum")
    if "draw" not in sys.argv:
        measure(place)
    found = {name: fits(place, name) for name in EXACT}
    again(place)
    for name in EXACT:
        dynamic_exponent(place, name)
    draw(found)
