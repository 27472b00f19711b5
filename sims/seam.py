"""What does a seam, a line of bonds turned from J to -J, cost?  Walls, a twist, and the trained networks.

T = 0: 2 K L where one component is coupled; K L^2 (1 - cos(pi / L)) for XY.  The ratio P_anti / P_per of the 2D Ising
class on a square torus at T_c is theta_3 / (theta_2 + theta_3 + theta_4) at q = exp(-pi): partition functions of free
fermions (A. E. Ferdinand and M. E. Fisher, Phys. Rev. 185 (1969) 832).
"""

import math
import time
from pathlib import Path

import numpy as np

from physnn.analysis.curves.tables import fit_arrays
from physnn.analysis.order.seam import stiffness
from physnn.analysis.statistics.estimate import Estimate
from physnn.figures.style import COLOURS, MARKERS, new_figure, save
from physnn.models import couplings
from physnn.models.vectors import VectorModel
from physnn.samples.seam import SeamResult, measure_seam, models_of
from physnn.shipped import bundled

ISING, XY = couplings.diagonal(np.array([1.0, 0.0])), couplings.on(2)
GROWTH = ((ISING, (0.6, 1.6)), (XY, (0.5, 1.4)))
"""Models and temperatures below and above their transitions."""
SIZES, CROSSING_SIZES = (4, 8, 16), (4, 6, 8, 12, 16)
T_CROSSING = (1.20, 1.235, 1.27, 1.305, 1.34)
MEASUREMENTS, MANY = 4000, 12000
NETWORK_SIZES = (8, 16)
FIGURE = Path("docs/figures/seam.png")


def ising_ratio() -> float:
    """Return P_anti / P_per of the Ising class at T_c, from sums over q^(n^2) and q^((n + 1/2)^2)."""
    n, q = np.arange(-20, 21), math.exp(-math.pi)
    two, three, four = (q ** ((n + 0.5) ** 2)).sum(), (q ** (n**2.0)).sum(), ((-1.0) ** n * q ** (n**2.0)).sum()
    return float(three / (two + three + four))


def growth(model: VectorModel, temperatures: tuple[float, ...]) -> dict[float, list[Estimate]]:
    """Print and return the costs of a model at T = 0 and elsewhere, by temperature and size."""
    found = [measure_seam(model, L, 0, temperatures, measurements=MEASUREMENTS) for L in SIZES]
    costs = {0.0: [Estimate(r.ground.cost, 0.0) for r in found]}
    costs |= {T: [r.thermal[T].cost for r in found] for T in temperatures}
    for T, values in costs.items():
        F, error = np.array([v.value for v in values]), np.array([v.error for v in values])
        theta = stiffness(np.array(SIZES), F, error if T else None)
        print(f"{model.name}, T = {T:g}: {', '.join(map(str, values))} at L = {SIZES}; theta = {theta}")
    return costs


def crossing() -> dict[int, list[Estimate]]:
    """Print where the ratio of one coupled component crosses, and return it by size."""
    found: dict[int, list[SeamResult]] = {}
    for L in CROSSING_SIZES:
        found[L] = [measure_seam(ISING, L, 0, (T,), measurements=MANY) for T in T_CROSSING]
    ratios = {L: [next(iter(r.thermal.values())).ratio for r in results] for L, results in found.items()}
    rows = [(L, T, v.value, v.error) for L, vs in ratios.items() for T, v in zip(T_CROSSING, vs, strict=True)]
    for L, values in ratios.items():
        print(f"ratio at L = {L}: {', '.join(map(str, values))}")
    answer = fit_arrays(*np.array(rows).T, control="T", observable="ratio", zeta=0.0)
    print(f"verdict {answer.verdict}: {answer.reason}")
    if answer.collapse is not None:
        print(f"T_c = {answer.collapse.critical_point}, 1/nu = {answer.collapse.inverse_nu}")
    return ratios


def networks() -> None:
    """Print what a seam costs in the bundled networks at T = 0."""
    for name in [path.stem for path in bundled("kuramoto*.h5")]:
        for model in models_of(name).values():
            for axis in (0, 1):
                found = [measure_seam(model, L, axis).ground for L in NETWORK_SIZES]
                costs = ", ".join(f"{g.cost:.4g} (sharp {g.sharp:.4g}, spread {g.spread:.4g})" for g in found)
                energies = ", ".join(
                    f"{g.periodic.energy / L**2:.5g}" for g, L in zip(found, NETWORK_SIZES, strict=True)
                )
                print(
                    f"{model.name}, axis {axis}: {costs} at L = {NETWORK_SIZES}; energy per site {energies}", flush=True
                )


def main() -> None:
    """Run all and draw the growth and the ratio."""
    begun = time.perf_counter()
    print(f"Ising ratio at T_c: {ising_ratio():.6f}")
    figure = new_figure(9, 4)
    left, right = figure.subplots(1, 2)
    k = 0
    for model, temperatures in GROWTH:
        for T, costs in growth(model, temperatures).items():
            F, error = np.array([c.value for c in costs]), np.array([c.error for c in costs])
            shown = error < F
            name = "one component" if model is ISING else "XY"
            style = {"color": COLOURS[k], "marker": MARKERS[k], "capsize": 3, "label": f"{name}, T = {T:g}"}
            left.errorbar(np.array(SIZES)[shown], F[shown], error[shown], **style)
            k += 1
    left.set(xscale="log", yscale="log", xlabel="L", ylabel=r"$\Delta F$")
    left.legend(frameon=False, fontsize=8)
    for k, (L, values) in enumerate(crossing().items()):
        y, error = [v.value for v in values], [v.error for v in values]
        right.errorbar(T_CROSSING, y, error, color=COLOURS[k], marker=MARKERS[k], capsize=3, label=f"L = {L}")
    right.axhline(ising_ratio(), color="0.6", ls="--", lw=1)
    right.set(xlabel="T", ylabel=r"$P_\mathrm{anti} / P_\mathrm{per}$")
    right.legend(frameon=False, fontsize=8)
    print(save(figure, FIGURE))
    networks()
    print(f"{time.perf_counter() - begun:.0f} s, {time.process_time():.0f} s of CPU")


if __name__ == "__main__":
    main()
