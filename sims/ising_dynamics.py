"""How slow are the samplers at the critical point?  tau_int of m^2 against L, and the dynamic exponent z.

Metropolis and heat bath: z = 2.1667(5) (M. P. Nightingale and H. W. J. Bloete, Phys. Rev. B 62 (2000) 1089).  Cluster
updates are counted in sweeps: steps times mean cluster over sites.  Effective exponents of Swendsen and Wang and of
Wolff are 0.2 to 0.3, perhaps logarithms (C. F. Baillie and P. D. Coddington, Phys. Rev. B 43 (1991) 10617).
"""

import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from physnn import rng
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.series import estimate_time
from physnn.figures.style import COLOURS, MARKERS, new_figure, save
from physnn.models import Ising
from physnn.samplers import SAMPLERS, advance, start, thermalise

LOCAL = {8: (200_000, 1), 16: (200_000, 2), 32: (120_000, 8), 64: (160_000, 32)}
CLUSTER = {8: (200_000, 0), 16: (200_000, 0), 32: (100_000, 0), 64: (50_000, 0), 128: (20_000, 0)}
RUNS = {
    "metropolis": LOCAL,
    "metropolis-random": LOCAL,
    "heat-bath": LOCAL,
    "multispin": {128: (60_000, 100), 256: (25_000, 400)},
    "wolff": CLUSTER,
    "swendsen-wang": CLUSTER,
}
"""Measurements, and updates between them (0: about a sweep), by sampler and size."""
FIGURE = Path("docs/figures/ising_dynamics.png")


def tau(name: str, L: int, count: int, interval: int) -> tuple[float, float]:
    """Return tau_int of m^2 in sweeps with its error."""
    model, sampler = Ising(), SAMPLERS[name]
    T = model.critical_temperature
    state = start(sampler, model, (L, L), T, rng.seed_sequence(0, "synthetic", "dynamics", name, L))
    usual = thermalise(sampler, model, T, state, 200 + count * max(1, interval) // 20)
    rows = advance(sampler, model, T, state, count, interval or usual)
    found, sweeps = estimate_time(rows["m2"]).tau, float(rows["work"].mean())
    return found.value * sweeps, found.error * sweeps


def exponent(x: np.ndarray, y: np.ndarray, error: np.ndarray) -> tuple[float, float]:
    """Return the slope of ln y against ln x and its error."""
    weight = (y / error) ** 2
    middle = (weight * np.log(x)).sum() / weight.sum()
    scale = (weight * (np.log(x) - middle) ** 2).sum()
    return float((weight * (np.log(x) - middle) * np.log(y)).sum() / scale), float(scale**-0.5)


def main() -> None:
    """Run all, print tau and z, and draw them."""
    begun = time.perf_counter()
    jobs = [(name, L, *run) for name, sizes in RUNS.items() for L, run in sizes.items()]
    jobs.sort(key=lambda job: -(job[1] ** 2) * job[2] * max(1, job[3]))
    with ProcessPoolExecutor(2) as pool:
        found = dict(zip([job[:2] for job in jobs], pool.map(tau, *zip(*jobs, strict=True)), strict=True))
    figure = new_figure(7, 4.6)
    axes = figure.subplots()
    for k, (name, sizes) in enumerate(RUNS.items()):
        L = np.array(sorted(sizes), float)
        y, error = np.array([found[name, int(size)] for size in L]).T
        z, dz = exponent(L, y, error)
        print(f"{name}: z = {Estimate(z, dz)}")
        for size, value, e in zip(L, y, error, strict=True):
            print(f"  L = {size:4.0f}: tau = {value:.4g} +- {e:.2g} sweeps")
        for a, b in zip(range(len(L) - 1), range(1, len(L)), strict=True):
            local = exponent(L[[a, b]], y[[a, b]], error[[a, b]])
            print(f"  L = {L[a]:.0f} to {L[b]:.0f}: {local[0]:.2f} +- {local[1]:.2f}")
        axes.errorbar(
            L, y, error, color=COLOURS[k], marker=MARKERS[k], capsize=3, label=f"{name}: z = {Estimate(z, dz)}"
        )
    guide = np.array([8.0, 256.0])
    axes.plot(guide, 0.03 * guide**2.1667, color="0.6", ls="--", lw=1, label=r"$L^{2.1667}$")
    axes.set(xscale="log", yscale="log", xlabel="L", ylabel=r"$\tau_\mathrm{int}$ of $m^2$ at $T_c$ (sweeps)")
    axes.legend(frameon=False, fontsize=8)
    print(save(figure, FIGURE))
    print(f"{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
