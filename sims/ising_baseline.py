"""Critical point and exponents of the 2D Ising model from scratch: the yardstick of every other transition.

Exact: T_c = 2/ln(1 + sqrt 2) = 2.269185 (L. Onsager, Phys. Rev. 65 (1944) 117), nu = 1, beta = 1/8, gamma = 7/4;
U4 and xi/L at T_c, L = infinity: 0.61069 (G. Kamieniarz and H. W. J. Bloete, J. Phys. A 26 (1993) 201) and 0.90505
(J. Salas and A. D. Sokal, J. Stat. Phys. 98 (2000) 551).
"""

import time
from pathlib import Path

import physnn
from physnn.answers import comparisons
from physnn.answers import fit as report
from physnn.figures.fit import fit_figure
from physnn.figures.style import save

SIZES = (16, 32, 64, 128)
OBSERVABLES = ("binder", "xi_over_L", "m_abs", "chi")
OUT, FIGURE = Path("ising_baseline.h5"), Path("docs/figures/ising_baseline.png")


def main() -> None:
    """Sweep with the command's defaults, fit several observables, draw the cumulant's fit."""
    start = time.perf_counter()
    physnn.sweep_temperature(SIZES, out=OUT, jobs=2)
    print(f"sweep: {time.perf_counter() - start:.0f} s")
    for observable in OBSERVABLES:
        fit = physnn.fit(OUT, observable)
        best = fit.collapse
        print(f"{observable}: {fit.verdict}", "" if best else fit.reason)
        if best:
            print(
                f"  T_c = {best.critical_point}  1/nu = {best.inverse_nu}  zeta/nu = {best.zeta_over_nu}  "
                f"chi2/dof = {best.chi2_per_dof:.2f}  p = {best.p_value:.2f}"
            )
        if fit.drift:
            print(f"  height of the crossing at L = infinity: {fit.drift.height}, drift {fit.drift.height_drift_error}")
        if observable == "binder":
            print(save(fit_figure(fit), FIGURE))
            print(comparisons.compare(OUT).verdict)
    joint = physnn.fit_joint(OUT, ["xi_over_L"])
    print(f"binder and xi_over_L together: T_c = {joint.critical_point}  1/nu = {joint.inverse_nu}")
    print(f"all: {time.perf_counter() - start:.0f} s")
    for row in report.curve_rows(report.curves(OUT)):
        print("   ", *(f"{cell:>12}" for cell in row))


if __name__ == "__main__":
    main()
