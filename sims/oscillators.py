"""Kuramoto oscillators against what is known: r of a million of them, finite-size scaling, and unit vectors.

Known: r = sqrt(1 - K_c/K) with K_c = 2 gamma for Lorentzian frequencies (Y. Kuramoto, Lect. Notes Phys. 39 (1975) 420);
with noise D, r = I_(1+g)(x) / I_g(x), x = K r / D, g = gamma/D, so that K_c = 2 (D + gamma); beta = 1/2; 1/nu = 2/5 of
random frequencies (H. Hong, H. Chate, H. Park and L.-H. Tang, Phys. Rev. Lett. 99 (2007) 184101), 1/2 of equal ones
with noise (the mean-field XY model); r = 1/2 for K to 0 of three
components, and none of two and four (H. Chandra, M. Girvan and E. Ott, Phys. Rev. X 9 (2019) 011002).

Run as: python sims/oscillators.py [FOLDER], 15 minutes of one core.  What is in the folder is not run again.

    --exponents    random Gaussian frequencies up to N = 51,200 instead: why 1/nu comes out above 2/5; 25 minutes
    --long         10^6 oscillators for 10^4 steps instead, from the command line and from Python
"""

import argparse
import contextlib
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import brentq, newton
from scipy.special import ive

import physnn
from physnn import rng
from physnn.figures.style import COLOURS, errorbar, new_figure, save
from physnn.models.oscillators import Frequencies
from physnn.store.hdf5 import content_digest

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

GAUSSIAN = Frequencies("gaussian", 1.0)
DRAWS = {200: 1024, 800: 1024, 3200: 512, 12800: 128, 51200: 16}
"""Draws of Gaussian frequencies by size."""
FROZEN = {200: 1024, 800: 1024, 3200: 1024, 12800: 512, 51200: 256}
"""Draws whose frozen order parameter is found: those, and more where an integration takes long."""
LONG = {"thermalisation": 300.0, "duration": 200.0, "step": 0.05, "series": 1, "realisations": 1}
"""Times of 10^4 steps of a million oscillators, K = 1.5."""


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
        errorbar(axes, k, K, mean, error, ms=5, label=f"$D = {noise:g}$, $K_c = {2 * (noise + GAMMA):g}$")
    axes.set(
        xlabel="coupling $K$ (rad/s)", ylabel="order parameter $r$", title="$10^6$ Lorentzian phases; lines are exact"
    )
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.1))


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


def frozen(omega: np.ndarray, strengths: np.ndarray) -> np.ndarray:
    """Order parameter of some frequencies whose field does not fluctuate: the largest solution at every K; else 0.

    The field K r exp(i Omega t) makes |omega_i - Omega| < K r rotate with it and the others drift, which have a mean
    across it too.  Omega and r follow from both parts of r = <exp(i (theta - Omega t))>.
    """
    s, ratio, shift = np.geomspace(0.05 * len(omega) ** -0.2, 4 * len(omega) ** -0.2, 48), np.empty(48), 0.0

    def across(centre: float, field: float) -> float:
        y = (omega - centre) / field
        return float((y - np.sign(y) * np.sqrt(np.maximum(y * y - 1, 0))).mean())

    for i in range(len(s) - 1, -1, -1):
        # Where no root is found, that of a stronger field stays, which is near.
        with contextlib.suppress(RuntimeError):
            shift = float(newton(across, shift, args=(s[i],), tol=1e-4 * s[i], maxiter=30))
        y = (omega - shift) / s[i]
        ratio[i] = np.sqrt(np.maximum(1 - y * y, 0)).mean() / s[i]
    found = np.zeros(len(strengths))
    for k, K in enumerate(strengths):
        above = np.flatnonzero(ratio > 1 / K)
        if len(above) and above[-1] + 1 < len(s):
            i = above[-1]
            t = (ratio[i] - 1 / K) / (ratio[i] - ratio[i + 1])
            found[k] = s[i] * (s[i + 1] / s[i]) ** t / K
    return found


def gaussian(folder: Path, N: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean r, its variance in time, and frozen r of draws at K_c (1 - N^-0.4), K_c and K_c (1 + N^-0.4)."""
    out, reach = folder / f"oscillators-gaussian-{N}.h5", 10 * round(N**0.4, 1)
    how: dict[str, Any] = {"frequencies": "gaussian", "width": 1.0, "points": 3, "window": 1.0, "start": "ordered"}
    # Times grow as the slowest one, so that what is left of the start is the same at all sizes.
    how |= {"thermalisation": reach, "duration": reach, "step": 0.2, "series": DRAWS[N] // 16, "realisations": 16}
    data = physnn.sweep_coupling((N,), out=out, jobs=1, **how)[f"L{N}"]
    r, r2 = (data[name].values.reshape(3, -1) for name in ("r", "r2"))
    strengths, still, kept = data["K"].values, [], folder / f"oscillators-frozen-{N}.npy"
    if not kept.exists():
        for draw in range(FROZEN[N]):
            series, b = divmod(draw, 16)
            omega = GAUSSIAN.draw(N, rng.stream(0, "oscillators", "realisation", N, series, b))
            still.append(frozen(omega, strengths))
        np.save(kept, np.array(still).T)
    return r, r2 - r**2, np.load(kept)


def exponents(folder: Path) -> None:
    """What r is made of at K_c of random frequencies: draws, N^-1/5, and fluctuations in time, N^-3/10."""
    generator, before = np.random.default_rng(0), None
    print("| N | correlation | N^1/5 r | frozen | N^3/10 (r - frozen) | N^3/5 var r | 1/nu of r | frozen |")
    for N in DRAWS:
        r, variance, still = gaussian(folder, N)
        n, m, found = r.shape[1], still.shape[1], []
        for sample in range(401):
            own = np.arange(n) if sample == 0 else generator.integers(n, size=n)
            more = np.arange(m) if sample == 0 else generator.integers(m, size=m)
            alone, extra = still[:, more].mean(1), (r - still[:, :n])[:, own].mean(1)
            rate = [math.log(math.log(y[2] / y[0])) for y in (alone + extra, alone)]
            here = [N**0.2 * (alone + extra)[1], N**0.2 * alone[1], N**0.3 * extra[1]]
            found.append([*here, N**0.6 * variance[1, own].mean(), *rate])
        rates = np.array(found)[:, 4:]
        columns = list(np.array(found)[:, :4].T)
        columns += [] if before is None else list((0.4 + (rates - before) / math.log(4)).T)
        alike = np.corrcoef(r[1], still[1, :n])[0, 1]
        print(
            f"| {N} | {alike:.3f} | " + " | ".join(physnn_estimate(c[0], c[1:].std()) for c in columns) + " |",
            flush=True,
        )
        before = rates


def long(folder: Path) -> None:
    """A million oscillators for 10^4 steps: seconds of a processor, and r beside sqrt(1 - K_c/K)."""
    words = [f"--{name}={value:g}" for name, value in LONG.items()]
    outs = {name: folder / f"oscillators-long-{name}.h5" for name in ("command", "python")}
    for name, out in outs.items():
        began = os.times()
        if name == "command":
            command = [sys.executable, "-m", "physnn", "sweep-coupling", f"--N={MILLION}", "--K=1.5", *words]
            subprocess.run([*command, f"--out={out}", "--jobs=1"], check=True)
        else:
            physnn.sweep_coupling((MILLION,), K=(1.5,), out=out, jobs=1, **LONG)
        spent = sum(os.times()[:4]) - sum(began[:4])
        r = float(physnn.read_sweep(out).sizes[MILLION]["r"].values.mean())
        print(f"{name}: r = {r:.5f}, exact {exact(1.5, 0.0):.5f}, {spent:.0f} s of a core", flush=True)
    print("same bits:", content_digest(outs["command"]) == content_digest(outs["python"]))


def main() -> None:
    """Run what is missing, print all numbers and draw the figure."""
    began = time.time()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path())
    parser.add_argument("--exponents", action="store_true")
    parser.add_argument("--long", action="store_true")
    words = parser.parse_args()
    folder = words.folder
    if words.exponents or words.long:
        return exponents(folder) if words.exponents else long(folder)
    figure = new_figure(13, 4)
    axes = figure.subplots(1, 3)
    many(folder, axes[0])
    scaling(folder, axes[1])
    vectors(folder, axes[2])
    print(save(figure, Path("docs/figures/oscillators.png")), f"{time.time() - began:.0f} s")


if __name__ == "__main__":
    main()
