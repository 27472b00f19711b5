"""Kuramoto oscillators against what is known: r of a million of them, finite-size scaling, and unit vectors.

Known: r = sqrt(1 - K_c/K) with K_c = 2 gamma for Lorentzian frequencies (Y. Kuramoto, Lect. Notes Phys. 39 (1975) 420);
with noise D, r = I_(1+g)(x) / I_g(x), x = K r / D, g = gamma/D, so that K_c = 2 (D + gamma); beta = 1/2; 1/nu = 2/5 of
random frequencies (H. Hong, H. Chate, H. Park and L.-H. Tang, Phys. Rev. Lett. 99 (2007) 184101), 1/2 of equal ones
with noise (the mean-field XY model); r = 1/2 for K to 0 of three
components, and none of two and four (H. Chandra, M. Girvan and E. Ott, Phys. Rev. X 9 (2019) 011002).

Run as: python sims/oscillators.py [FOLDER], 15 minutes of one core.  What is in the folder is not run again.
"""

import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import ive

import physnn
from physnn.figures.style import COLOURS, errorbar, new_figure, save

MILLION, GAMMA, D = 10**6, 0.5, 0.25
STRENGTHS = {"Lorentzian": (0.8, 1.1, 1.25, 1.5, 2.0, 3.0), "Lorentzian, noise": (1.2, 1.6, 1.75, 2.0, 2.5, 3.0)}
"""Couplings of a million oscillators, around K_c = 1 and 1.5."""
SCALING: dict[str, tuple[dict[str, Any], tuple[int, ...], float]] = {
    "random": ({"frequencies": "lorentzian", "realisations": 12, "points": 7}, (50, 200, 800, 3200), 2 / 5),
    "noise": (
        {"frequencies": "equal", "noise": 0.5, "thermalisation": 100.0, "window": 3.0},
        (100, 400, 1600, 6400),
        1 / 2,
    ),
}
"""Settings, sizes and 1/nu; K_c = 1 of both."""
COMPONENTS, WEAK = (2, 3, 4), (0.1, 0.5, 1.0, 1.5, 2.0, 3.0)
"""Components of unit vectors with Gaussian rotations of width 1, and their couplings."""


def exact(K: float, noise: float) -> float:
    """Order parameter of infinitely many oscillators with Lorentzian frequencies."""
    if 2 * (noise + GAMMA) >= K:
        return 0.0
    if not noise:
        return math.sqrt(1 - 2 * GAMMA / K)
    g = GAMMA / noise
    return float(brentq(lambda r: ive(1 + g, K * r / noise) / ive(g, K * r / noise) - r, 1e-6, 1))


def many(folder: Path, axes: Any) -> None:
    """Order parameter of a million oscillators, beside the exact curve."""
    for k, (name, K) in enumerate(STRENGTHS.items()):
        noise = D * k
        how: dict[str, Any] = {
            "thermalisation": 60.0,
            "duration": 20.0,
            "step": 0.1,
            "start": "ordered",
            "noise": noise,
        }
        out = folder / f"oscillators-million-{k}.h5"
        data = physnn.sweep_coupling((MILLION,), K=K, series=1, realisations=4, out=out, **how)[f"L{MILLION}"]
        r = data["r"].values[:, 0]
        mean, error = r.mean(1), r.std(1, ddof=1) / math.sqrt(r.shape[1])
        for value, m, e in zip(K, mean, error, strict=True):
            known = exact(value, noise)
            off = f"{(m - known) / e:+.1f}" if known else "below K_c"
            print(f"| {name} | {value} | {physnn_estimate(m, e)} | {known:.5f} | {off} |", flush=True)
        x = np.linspace(0.5, 3.2, 271)
        axes.plot(x, [exact(value, noise) for value in x], color=COLOURS[k], lw=1)
        errorbar(axes, k, K, mean, error, ms=5, label=f"{name}, $K_c = {2 * (noise + GAMMA):g}$")
    axes.set(xlabel="coupling $K$ (rad/s)", ylabel="order parameter $r$", title="$10^6$ phases; lines are exact")
    axes.legend()


def physnn_estimate(value: float, error: float) -> str:
    """Value with its error in parentheses."""
    from physnn.analysis.statistics.estimate import Estimate

    return str(Estimate(value, error))


def scaling(folder: Path, axes: Any) -> None:
    """Finite-size scaling of r: fits, and the collapse of random frequencies."""
    for name, (settings, sizes, inverse_nu) in SCALING.items():
        out = folder / f"oscillators-{name}.h5"
        how: dict[str, Any] = {"duration": 200.0, "step": 0.1, "series": 4, "realisations": 16, "jobs": 1}
        physnn.sweep_coupling(sizes, out=out, **how | settings)
        for observable, options in (("r", {}), ("r", {"inverse_nu": inverse_nu}), ("r_cumulant", {})):
            fit = physnn.fit(out, observable, **options)
            best = fit.collapse
            words = f"{best.critical_point} | {best.inverse_nu} | {best.zeta_over_nu}" if best else fit.verdict
            said = f"{observable}, 1/nu held" if options else observable
            print(f"| {name} | {said} | {words} | 1, {inverse_nu}, {-inverse_nu / 2} |", flush=True)
        law = physnn.fit(out, "r", at_criticality=1.0)
        print(f"| {name} | r at K_c | {law.exponent} | {-inverse_nu / 2} |", flush=True)
        if name == "random":
            sweep = physnn.read_sweep(out)
            for k, (N, group) in enumerate(sweep.sizes.items()):
                K, r = group["K"].values, group["r"].values.reshape(len(group["K"].values), -1)
                x, y = (K - 1) * N**0.4, r.mean(1) * N**0.2
                errorbar(axes, k, x, y, r.std(1, ddof=1) / math.sqrt(r.shape[1]) * N**0.2, ms=4, label=f"$N = {N}$")
    axes.set(
        xlabel=r"$(K/K_c - 1)\,N^{1/\bar\nu}$, $\bar\nu = 5/2$",
        ylabel=r"$r\,N^{\beta/\bar\nu}$, $\beta = 1/2$",
        title="random Lorentzian frequencies",
    )
    axes.legend()


def vectors(folder: Path, axes: Any) -> None:
    """Order parameter of unit vectors with two, three and four components."""
    for k, n in enumerate(COMPONENTS):
        how: dict[str, Any] = {
            "components": n,
            "frequencies": "gaussian",
            "width": 1.0,
            "step": 0.1,
            "start": "ordered",
        }
        how |= {"thermalisation": 100.0, "duration": 20.0, "series": 1, "realisations": 4}
        data = physnn.sweep_coupling((1000,), K=WEAK, out=folder / f"oscillators-{n}.h5", **how)["L1000"]
        r = data["r"].values[:, 0]
        errorbar(axes, k, WEAK, r.mean(1), r.std(1, ddof=1) / 2, ms=5, ls="-", lw=0.8, label=f"{n} components")
        print(f"| {n} components | " + " | ".join(f"{value:.3f}" for value in r.mean(1)) + " |", flush=True)
    axes.axhline(0.5, color="0.6", lw=0.8, ls=":")
    axes.set(xlabel="coupling $K$ (rad/s)", ylabel="order parameter $r$", title="unit vectors, $N = 1000$")
    axes.legend()


def main() -> None:
    """Run what is missing, print all numbers and draw the figure."""
    began = time.time()
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    figure = new_figure(13, 4)
    axes = figure.subplots(1, 3)
    many(folder, axes[0])
    scaling(folder, axes[1])
    vectors(folder, axes[2])
    print(save(figure, Path("docs/figures/oscillators.png")), f"{time.time() - began:.0f} s")


if __name__ == "__main__":
    main()
