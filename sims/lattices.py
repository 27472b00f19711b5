"""Critical points of Ising models on other lattices, stripes of J1 and J2, and dynamics of two orders of update.

Known: triangular 4/ln 3 and honeycomb 1.518651 (R. M. F. Houtappel, Physica 16, 425 (1950)), kagome 2.143319 (K. Kano
and S. Naya, Prog. Theor. Phys. 10, 158 (1953)); cubic 4.511523 (A. M. Ferrenberg, J. Xu and D. P. Landau, Phys. Rev. E
97, 043301 (2018)).
"""

import itertools
import math
import tempfile
import time
from pathlib import Path

import numpy as np

import physnn
from physnn import rng
from physnn.analysis.statistics.series import estimate_time
from physnn.answers.fit import curves
from physnn.models import Ising, Lattice
from physnn.models.tabulated import critical_temperature
from physnn.samplers import SAMPLERS, advance, start, thermalise

PLANE = (8, 16, 32)
CUBIC = (8, 12, 16, 24, 32)
STRIPES = {"L": (8, 16, 32), "J2": -1.0, "coupling": -1.0, "T": (1.9, 2.0, 2.05, 2.1, 2.15, 2.2, 2.3)}
DYNAMICS = (8, 16, 32)


def critical_points(folder: Path) -> None:
    """Sweep with default temperatures and fit U4."""
    for kind in ("triangular", "honeycomb", "kagome", "cubic"):
        begun, cubic = time.perf_counter(), kind == "cubic"
        out = folder / f"{kind}.h5"
        sizes, sweeps = (CUBIC, 4000) if cubic else (PLANE, 8000)
        physnn.sweep_temperature(
            sizes, out=out, jobs=1, lattice=kind, sweeps=sweeps, algorithm="swendsen-wang", points=9
        )
        fit = physnn.fit(out, "binder")
        known = critical_temperature(Ising(), Lattice(kind, (2,) * (3 if cubic else 2)))
        print(f"{kind}: {fit.verdict}; {time.perf_counter() - begun:.0f} s")
        if fit.collapse:
            point = fit.collapse.critical_point
            print(f"  T_c = {point} (known {known:.6f}, {(point.value - known) / point.error:+.1f} errors)")
            print(f"  1/nu = {fit.collapse.inverse_nu}")


def stripes(folder: Path) -> None:
    """Order of stripes where J2 = J1 < 0, by its cumulant and its size above and below the transition."""
    begun, out = time.perf_counter(), folder / "stripes.h5"
    settings = {name: value for name, value in STRIPES.items() if name != "L"}
    physnn.sweep_temperature(STRIPES["L"], out=out, jobs=1, algorithm="metropolis", sweeps=12000, **settings)
    fit = physnn.fit(out, "binder_stripe")
    print(f"stripes: {fit.verdict}; {time.perf_counter() - begun:.0f} s")
    if fit.collapse:
        print(f"  T_c = {fit.collapse.critical_point}")
    found = curves(out, "m_stripe")
    print(f"  <m> of L = 32 at T = 1.9: {found.y[32][0]:.3f}, at 2.3: {found.y[32][-1]:.3f}")


def dynamics() -> None:
    """Autocorrelation times of m^2 at T_c, in sweeps, and z between sizes."""
    model = Ising()
    T = model.critical_temperature
    for name in ("metropolis", "metropolis-random", "heat-bath", "heat-bath-random"):
        times = []
        for L in DYNAMICS:
            state = start(SAMPLERS[name], model, (L, L), T, rng.seed_sequence(0, "synthetic", "dynamics", name, L))
            thermalise(SAMPLERS[name], model, T, state, 20 * L * L)
            every = max(1, L // 4)
            rows = advance(SAMPLERS[name], model, T, state, 200_000, every)
            found = estimate_time(rows["m2"][None]).tau
            times.append((every * found.value, every * found.error))
        z = [math.log(b[0] / a[0]) / math.log(2) for a, b in itertools.pairwise(times)]
        error = [np.hypot(a[1] / a[0], b[1] / b[0]) / math.log(2) for a, b in itertools.pairwise(times)]
        shown = ", ".join(f"L = {L}: {t:.1f}({e:.1f})" for L, (t, e) in zip(DYNAMICS, times, strict=True))
        print(f"{name}: {shown}; z = {', '.join(f'{v:.2f}({e:.2f})' for v, e in zip(z, error, strict=True))}")


def main() -> None:
    """Everything, in a folder of its own."""
    dynamics()
    with tempfile.TemporaryDirectory() as folder:
        critical_points(Path(folder))
        stripes(Path(folder))


if __name__ == "__main__":
    main()
