"""Critical point and exponent of the 2D Potts model with 3 colours.

Exact: T_c = 1/ln(1 + sqrt q) (R. B. Potts, 1952); 1/nu = 6/5 for q = 3 (F. Y. Wu, Rev. Mod.
Phys. 54 (1982) 235).
"""

import math
import time
from pathlib import Path

import physnn
from physnn.figures.fit import fit_figure
from physnn.figures.style import save

SIZES = (16, 32, 64, 128)
EXACT = {3: 6 / 5}
FIGURE = Path("docs/figures/potts.png")


def main() -> None:
    """Sweep with the command's defaults, fit, and draw the fit of 3 colours."""
    for q, inverse_nu in EXACT.items():
        start = time.perf_counter()
        out = Path(f"potts{q}.h5")
        physnn.sweep_temperature(SIZES, out=out, jobs=2, model="potts", q=q)
        fit = physnn.fit(out)
        print(f"q = {q}: {fit.verdict}; {time.perf_counter() - start:.0f} s")
        if fit.collapse:
            point, slope = fit.collapse.critical_point, fit.collapse.inverse_nu
            T_c = 1 / math.log1p(math.sqrt(q))
            off = (point.value - T_c) / point.error
            print(f"  T_c = {point} (exact {T_c:.6f}, {off:+.1f} errors of {point.error:.1g})")
            off = (slope.value - inverse_nu) / slope.error
            print(f"  1/nu = {slope} (exact {inverse_nu}, {off:+.1f} errors of {slope.error:.1g})")
            for remark in (*fit.remarks, *fit.collapse.remarks):
                print(f"  {remark}")
        if q == 3:
            print(save(fit_figure(fit), FIGURE))


if __name__ == "__main__":
    main()
