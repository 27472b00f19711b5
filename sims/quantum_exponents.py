"""Critical points, 1/nu and z of quantum Ising models from long runs of world lines with derivatives by the field.

Values and derivatives of the cumulant and of correlation lengths, averaged over imaginary time, are collapsed together.
Chains have h_c = 1, nu = 1, z = 1; the square lattice h_c = 3.04438(2) (H. W. J. Bloete and Y. Deng, Phys. Rev. E 66,
066110 (2002)) and 1/nu = 1.58737.  Corrections to scaling fall as L^-7/4 where nothing orders but a background, in the
class of the 2D Ising model, and as L^-0.83 in that of the 3D one.

The same fit is checked where everything is exact: cumulants of 4 to 9 sites by dense matrices with their derivatives,
gaps of 8 to 512 sites by free fermions, both with noise of known size, and a planted 1/nu = 1.2 as negative control.

Where space and time are alike the leading corrections to slopes at h_c vanish: with the velocity v = 2J at h_c, beta =
L / 2J makes a square, and quantities that treat both sides alike do not change with its shape to first order, which a
velocity that depends on h otherwise turns into a correction 1/L.  So a long run has that shape, at h = 1.
Exact slopes of 4 to 10 sites say what that is worth.

z: at fixed beta / L the ratio of the correlation lengths in time and space depends on L through beta / L^z, at one
(h - h_c) L, with h_c = 1 taken as known.  With rho = (xi_t / beta) / (xi_x / L) and beta = a L,

    z = 1 - (d ln rho / d ln L) / (d ln rho / d ln a).

    python sims/quantum_exponents.py [FOLDER]        115 minutes of one idle core; continues where it stopped
    python sims/quantum_exponents.py FOLDER 1600     so many measurements a chain: the errors fall as their root
    python sims/quantum_exponents.py FOLDER draw     the figure and the numbers alone

Files are kept in FOLDER, ``sims/output/exponents`` by default; the figure goes to ``docs/figures``.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg import block_diag

import physnn
from physnn import api, rng
from physnn.analysis.curves.tables import fit_arrays
from physnn.analysis.statistics.estimate import Estimate
from physnn.answers.fit import curves
from physnn.exact.quantum.free_fermions import FreeFermions
from physnn.figures.style import errorbar, new_figure, save
from physnn.models.quantum import QuantumModel
from physnn.samples import files
from physnn.store.sweep_file import read_sweep

OBSERVABLES = ("binder_time", "xi_time", "xi_space")
LONG: dict[str, Any] = {"slopes": True, "chains": 4, "seed": 5}
RUNS: dict[str, dict[str, Any]] = {
    "chain": LONG
    | {"L": (8, 12, 16, 24, 32), "points": 6, "window": 2.0, "shift": 1.0, "beta_per_L": 1.0, "volume": 5e4},
    "chain-half": LONG | {"L": (8, 16), "points": 3, "window": 0.2, "beta_per_L": 0.5, "volume": 1e4},
    "chain-isotropic": LONG | {"L": (4, 6, 8, 12, 16), "h": (1.0,), "beta_per_L": 0.5, "volume": 5e4},
    "chain-isotropic-again": LONG | {"L": (6,), "h": (1.0,), "beta_per_L": 0.5, "volume": 5e4, "seed": 11},
    "square": LONG
    | {"dimension": 2, "L": (4, 6, 8, 12, 16), "points": 5, "window": 0.8, "beta_per_L": 0.5, "volume": 1e4},
}
SWEEPS = {"chain": 400, "chain-half": 100, "chain-isotropic": 16000, "chain-isotropic-again": 16000, "square": 1000}
KNOWN = {"chain": (1.0, 0.0, 1.0), "square": (3.04438, 2e-5, 1.58737)}
"""h_c, its error, and 1/nu."""
OMEGA = {"chain": 1.75, "square": 0.83}
PLANTED = 1.2
SETS = 10


def measure(folder: Path, chain_sweeps: int, jobs: int = 1) -> None:
    """Make the files, or lengthen them; what is there stays."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, settings in RUNS.items():
        sweeps, out = SWEEPS[name] * chain_sweeps // SWEEPS["chain"], folder / f"{name}.h5"
        recipe = api.recipe("path-integral", out, True, sweeps=sweeps, **settings)
        print(f"{out}: {files.run(recipe, out, extend=True, jobs=jobs)} tasks", flush=True)


def told(name: str, h: Estimate, nu: Estimate) -> str:
    """Estimates beside what is known, differences in errors."""
    h_c, error, inverse_nu = KNOWN[name]
    off = (h.value - h_c) / np.hypot(h.error, error), (nu.value - inverse_nu) / nu.error
    return f"h_c {h} ({off[0]:+.1f}); 1/nu {nu} ({off[1]:+.1f})"


def fits(folder: Path, name: str) -> None:
    """Print fits of every observable, with omega fitted and held, and of all together."""
    path = folder / f"{name}.h5"
    for observable in OBSERVABLES:
        for omega in (None, OMEGA[name]):
            fit = physnn.fit(path, observable, omega=omega)
            best = fit.collapse
            said = told(name, best.critical_point, best.inverse_nu) if best else fit.reason
            print(f"{name}, {observable}, omega {omega or 'fitted'}: {fit.verdict}; {said}", flush=True)
            if best:
                print(f"    omega {best.omega}, chi2/dof {best.chi2_per_dof:.2f}, p {best.p_value:.2g}, {fit.remarks}")
    for omega in (None, OMEGA[name]):
        both = physnn.fit_joint(path, OBSERVABLES[1:], OBSERVABLES[0], omega=omega)
        print(
            f"{name}, all three, omega {omega or 'fitted'}: {told(name, both.critical_point, both.inverse_nu)}; "
            f"p {both.p_value:.2g}, agreement {both.agreement:.2g}",
            flush=True,
        )


def thermal_cumulant(L: int, h: float, beta: float) -> float:
    """Exact U4 of the mean over sites and imaginary time: Z in a longitudinal field is even, and gives its moments."""
    model = QuantumModel("tfim", (L,), h=h)
    spins, matrix = 1 - 2 * ((np.arange(2**L)[:, None] >> np.arange(L)) & 1), np.zeros((2**L, 2**L))
    i, j = model.terms.bonds.T
    matrix[np.arange(2**L), np.arange(2**L)] = -(spins[:, i] * spins[:, j]).sum(1)
    for site in range(L):
        matrix[np.arange(2**L), np.arange(2**L) ^ (1 << site)] -= h
    x = 0.35 * np.arange(6)
    levels = [np.linalg.eigvalsh(matrix - np.diag(spins.mean(1)) * v / beta) for v in x]
    ratio = [np.exp(-beta * (E - levels[0][0])).sum() for E in levels]
    terms = np.linalg.solve(x[:, None] ** (2 * np.arange(6)), np.array(ratio) / ratio[0])
    return float(1 - 24 * terms[2] / (3 * (2 * terms[1]) ** 2))


def dense_values(sizes: tuple[int, ...] = (4, 5, 6, 7, 8, 9)) -> dict[tuple[int, float], tuple[float, float]]:
    """Exact U4 and its derivative by h on the grid of the long run, by L and h; beta = L."""
    found = {}
    for L in sizes:
        for u in np.linspace(-1, 3, 6) + 0.4 * ((0.618 * L) % 1 - 0.5):
            h, d = 1 + float(u) / L, 1e-3
            low, middle, high = (thermal_cumulant(L, h + s * d, float(L)) for s in (-1, 0, 1))
            found[L, h] = middle, (high - low) / (2 * d)
    return found


def coverage(values: dict[tuple[int, float], tuple[float, float]], noise: float, inverse_nu: float = 1.0) -> None:
    """Print how often fits of exact values and derivatives with noise hold h_c = 1 and 1/nu.

    With another exponent fields are moved to where L^(1/nu) puts them, so that a fit must not answer 1.
    """
    pulls, errors = [], []
    for k in range(SETS):
        generator, rows, blocks = rng.stream(k, "synthetic", "exact cumulants", noise, inverse_nu), [], []
        for (L, h), (value, slope) in values.items():
            shrink = float(L) ** (1 - inverse_nu)
            place, steep = 1 + (h - 1) * shrink, slope / shrink
            y = value + noise * generator.standard_normal()
            rate = steep + 2 * noise * L * generator.standard_normal()
            d = 0.003 / L * np.array([-1.0, 1.0])
            rows += [(L, place + step, y + rate * step) for step in d]
            blocks.append(noise**2 * np.ones((2, 2)) + (2 * noise * L) ** 2 * np.outer(d, d))
        columns = np.array(rows).T
        fit = fit_arrays(*columns, covariance=block_diag(*blocks), control="h", observable="binder_time", seed=k)
        if fit.collapse is None:
            continue
        h_c, nu = fit.collapse.critical_point, fit.collapse.inverse_nu
        pulls.append([(h_c.value - 1) / h_c.error, (nu.value - inverse_nu) / nu.error, (nu.value - 1) / nu.error])
        errors.append([h_c.error, nu.error])
    found, median = np.array(pulls), np.median(errors, axis=0)
    within = (abs(found) < 1).mean(0)
    print(
        f"exact cumulants, L = 4 to 9, noise {noise:g}, 1/nu = {inverse_nu:g}: {len(found)} answers of {SETS}; errors "
        f"{median[0]:.1e}, {median[1]:.1e}; 68 % intervals hold h_c in {within[0]:.0%}, 1/nu in {within[1]:.0%}, "
        f"1/nu = 1 in {within[2]:.0%}; means of pulls {found.mean(0).round(2)}",
        flush=True,
    )


def exact_slopes(beta_per_L: float, sizes: tuple[int, ...] = (4, 5, 6, 7, 8, 9, 10)) -> dict[int, float]:
    """Exact derivatives of U4 by h at h = 1 by L, and the exponents of L that they have from size to size."""
    d, found = 1e-3, {}
    for L in sizes:
        low, high = (thermal_cumulant(L, 1 + s * d, beta_per_L * L) for s in (-1, 1))
        found[L] = (high - low) / (2 * d)
    L, y = np.array(list(found), float), np.log(np.abs(list(found.values())))
    design = np.stack([np.ones(len(L)), np.log(L), L ** -OMEGA["chain"]], 1)
    held = float(np.linalg.lstsq(design, y, rcond=None)[0][1])
    local = np.diff(y) / np.diff(np.log(L))
    print(f"exact slopes of U4, beta = {beta_per_L:g} L, 4 to 10 sites: from size to size L^p with p {local.round(4)}")
    print(f"    all with a correction L^-7/4: 1/nu {held:.4f}", flush=True)
    return found


def isotropic(folder: Path) -> None:
    """Print 1/nu from slopes of U4 at h_c where space and time are alike, beside exact slopes and another shape."""
    name, exact = "slope_binder_time", exact_slopes(0.5)
    for run in ("chain-isotropic", "chain-isotropic-again"):
        sweep = read_sweep(folder / f"{run}.h5")
        for observable in ("binder_time", name):
            found = curves(sweep, observable)
            known = (
                exact if observable == name else {L: thermal_cumulant(L, 1.0, 0.5 * L) for L in found.sizes if L < 9}
            )
            off = {L: (found.y[L][0] - known[L]) / found.errors[L][0] for L in found.sizes if L in known}
            print(f"{run}, {observable}: errors off exact values by L { ({L: round(z, 1) for L, z in off.items()}) }")
    path = folder / "chain-isotropic.h5"
    for omega in (None, OMEGA["chain"]):
        law = physnn.fit(path, name, at_criticality=1.0, omega=omega)
        print(f"beta = L/2, omega {omega or 'fitted'}:\n{law}")
        for fit in law.fits if omega else ():
            print(
                f"    {fit.law} from L = {fit.smallest}: {fit.value:.4f}({fit.deviation:.4f}), weight {fit.weight:.2f}"
            )
    exact_slopes(1.0)


def gaps() -> None:
    """Print h_c, 1/nu and z from gaps by free fermions with noise."""
    sizes, generator = (8, 16, 32, 64, 128, 256, 512), rng.stream(0, "synthetic", "gaps")
    L, h = np.array([(L, 1 + u / L) for L in sizes for u in np.linspace(-1, 1, 9)]).T
    y = np.array([L * FreeFermions(int(L), x).gap for L, x in zip(L, h, strict=True)])
    error = np.full(len(y), 1e-4)
    best = fit_arrays(L, h, y + error * generator.standard_normal(len(y)), error, control="h").collapse
    assert best is not None
    print(f"gaps times L: h_c {best.critical_point}, 1/nu {best.inverse_nu}, omega {best.omega}")
    gap = np.array([FreeFermions(L, 1.0).gap for L in sizes])
    noisy = gap * (1 + 1e-4 * generator.standard_normal(len(gap)))
    law = fit_arrays(sizes, None, noisy, 1e-4 * gap, at_criticality=True, observable="gap")
    print(f"gaps at h_c, relative noise 1e-4: {law.verdict}, -z = {law.exponent}")


def ratios(folder: Path, name: str) -> dict[str, np.ndarray]:
    """Sizes, u, ln rho and its error of all points of a file."""
    found = curves(read_sweep(folder / f"{name}.h5"), "xi_ratio")
    L = np.concatenate([np.full(len(found.x[L]), float(L)) for L in found.sizes])
    h, y, e = (np.concatenate([part[L] for L in found.sizes]) for part in (found.x, found.y, found.errors))
    return {"L": L, "u": (h - 1) * L, "y": np.log(y), "e": e / y}


def dynamic_exponent(folder: Path) -> tuple[Estimate, dict[str, np.ndarray]]:
    """Print z of chains: drift of ln rho with L over its dependence on a, beside terms u/L and L^-7/4 or L^-2."""
    one, half = ratios(folder, "chain"), ratios(folder, "chain-half")
    near = np.abs(one["u"]) < 1.1
    slopes = []
    for L in np.unique(half["L"]):
        mine, other = half["L"] == L, (one["L"] == L) & near
        at = [np.polyfit(p["u"][m], p["y"][m], 2)[-1] for p, m in ((one, other), (half, mine))]
        slopes.append((at[0] - at[1]) / np.log(2))
    print(f"d ln rho / d ln a at L = 8 and 16: {np.round(slopes, 3)}")
    answers = []
    for least in (8, 12):
        for power in (1.75, 2.0):
            m = one["L"] >= least
            L, u, y, e = (one[k][m] for k in ("L", "u", "y", "e"))
            terms = [np.log(L), *(u**k for k in range(6)), u / L, u**2 / L, u**3 / L, L**-power, u * L**-power]
            design = np.stack(terms, 1) / e[:, None]
            covariance = np.linalg.pinv(design.T @ design)
            fit = covariance @ design.T @ (y / e)
            chi2 = float(np.sum((y / e - design @ fit) ** 2))
            z = Estimate(1 - float(fit[0]) / slopes[-1], float(np.sqrt(covariance[0, 0])) / abs(slopes[-1]))
            answers.append(z)
            print(f"  z = {z}, from L = {least} with L^-{power:g}: chi2 = {chi2:.1f} of {len(y) - len(terms)}")
    return answers[0], one


def draw(folder: Path, values: dict[tuple[int, float], tuple[float, float]], ratio: dict[str, np.ndarray]) -> None:
    """Draw U4 and its derivative against u, with exact values of small chains, and ln rho against L."""
    figure = new_figure(12, 3.8)
    axes = figure.subplots(1, 3)
    sweep = read_sweep(folder / "chain.h5")
    for ax, observable, power in ((axes[0], "binder_time", 0), (axes[1], "slope_binder_time", 1)):
        found = curves(sweep, observable)
        for k, L in enumerate(found.sizes):
            scale = float(L) ** -power
            u = (found.x[L] - 1) * L
            errorbar(ax, k, u, found.y[L] * scale, found.errors[L] * scale, ms=3, label=f"L = {L}")
        u = np.array([(h - 1) * L for L, h in values if L == 9])
        exact = [v[power] * 9.0**-power for (L, _), v in values.items() if L == 9]
        ax.plot(u, exact, "k-", lw=0.8, label="exact, L = 9")
        ax.set(xlabel="(h - 1) L (J)")
    axes[0].set(ylabel="U4 of the mean over imaginary time", title="chains, beta = L / J")
    axes[1].set(ylabel="derivative of U4 by h, over L (1/J)", title="from the number of kinks")
    axes[0].legend(fontsize=7)
    here = np.unique(ratio["u"].round(6))
    for k, u in enumerate(here):
        m = np.isclose(ratio["u"], u, atol=1e-5)
        errorbar(axes[2], k, ratio["L"][m], ratio["y"][m], ratio["e"][m], ms=3, ls="-", lw=0.8, label=f"{u:+.1f}")
    axes[2].set(xscale="log", xlabel="L", title="xi_t / beta over xi_x / L")
    axes[2].set(ylabel="logarithm of the ratio")
    axes[2].set_xticks([8, 16, 32], ["8", "16", "32"])
    axes[2].minorticks_off()
    axes[2].set_xlim(4.3, 34)
    axes[2].legend(fontsize=7, title="(h - 1) L", loc="upper left")
    save(figure, Path("docs/figures/quantum_exponents.png"))


if __name__ == "__main__":
    words = sys.argv[1:]
    sweeps = next((int(word) for word in words if word.isdigit()), SWEEPS["chain"])
    place = Path(next((word for word in words if word != "draw" and not word.isdigit()), "sims/output/exponents"))
    if "draw" not in words:
        measure(place, sweeps)
    gaps()
    exact = dense_values()
    for noise, planted in ((1e-3, 1.0), (3e-4, 1.0), (1e-4, 1.0), (3e-4, PLANTED)):
        coverage(exact, noise, planted)
    for each in KNOWN:
        fits(place, each)
    isotropic(place)
    draw(place, exact, dynamic_exponent(place)[1])
