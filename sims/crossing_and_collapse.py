"""The crossing of RMSE curves and its collapse, done as the paper did it, and what the null model says of it.

Source: N. Iqbal and M. Welling, "Topological defects propagate information in deep neural networks", figures 7
(curves meet at eta_c = 0.0046, best collapse with alpha = 0.3), 10 (alpha = 1 is worse) and 11 (no crossing with
broken symmetry).
As there: the number of shapes grows with the area of the image, inside its border, and RMSE is the mean over images.
The paper does not say what its eta multiplies; numbers are given in every convention.

A collapse is fitted whether or not curves cross: alpha free, and alpha = 1.  Nothing is tuned towards 0.3.

    python sims/crossing_and_collapse.py            seven minutes on two cores

Sweeps are kept in ``sims/output``, so that it continues.
"""

import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import physnn
from physnn.analysis.collapse.exponents import Collapse, Settings, collapse
from physnn.analysis.curves.curves import Curves
from physnn.errors import InputError
from physnn.figures.fit import draw_collapse, draw_curves
from physnn.figures.style import new_figure, save
from physnn.shipped import resolve
from physnn.store.network_file import read_networks

SIZES, IMAGES = (32, 64, 128), 32
ETA = np.linspace(0, 0.12, 13).round(4).tolist()
OBSERVABLES = ("rmse_per_image", "rmse")
KINDS = ("kuramoto_symmetric", "kuramoto_flow", "kuramoto_broken", "kuramoto_flow_broken")
FOLDER = Path("sims/output")
FIGURE = Path("docs/figures/crossing_and_collapse.png")


def collapsed(curves: Curves, alpha: float | None) -> Collapse | None:
    """Return the best collapse with this alpha, or with a free one, whether or not the curves cross."""
    try:
        return collapse(curves, Settings(inverse_nu=alpha), np.random.default_rng(1))
    except InputError:
        return None


def conventions(eta: float, gamma: float) -> str:
    """Return a noise strength in every convention."""
    found = {
        "langevin": eta,
        "per-step": eta / math.sqrt(gamma),
        "increment-std": eta * math.sqrt(gamma),
        "increment-variance": eta**2 * gamma,
        "temperature": eta**2 / 2,
    }
    return ", ".join(f"{name} {value:.3g}" for name, value in found.items())


def main() -> None:
    """Sweep all ensembles, print every answer, and draw curves and collapses of the paper's observable."""
    FOLDER.mkdir(exist_ok=True)
    figure = new_figure(12, 3.4 * len(KINDS))
    rows = figure.subplots(len(KINDS), 3, squeeze=False)
    for line, name in zip(rows, KINDS, strict=True):
        begun, out = time.perf_counter(), FOLDER / f"crossing_{name}.h5"
        physnn.sweep_noise(SIZES, out=out, networks=[name], eta=ETA, images=IMAGES, density="paper", jobs=2)
        gamma = float(read_networks(resolve(name)).architecture["gamma"])
        print(f"{name}: {time.perf_counter() - begun:.0f} s")
        for observable in OBSERVABLES:
            fit = physnn.fit(out, observable)
            free, one = (collapsed(fit.curves, alpha) for alpha in (None, 1.0))
            print(f"  {observable}: {fit.verdict}; {fit.reason}")
            if fit.null:
                print(f"    {fit.null.sentence()}")
            for pair in fit.pairs:
                if pair.x:
                    small, large = pair.sizes
                    print(f"    L = {small} and {large} at eta = {pair.x}: {conventions(pair.x.value, gamma)}")
            for label, found in (("free", free), ("1", one)):
                if found is None:
                    print(f"    alpha {label}: no stable collapse")
                    continue
                print(f"    alpha {label}: alpha = {found.inverse_nu}, eta_c = {found.critical_point}, "
                      f"chi2/dof = {found.chi2_per_dof:.2f}, p = {found.p_value:.1g}")  # fmt: skip
            if observable == OBSERVABLES[0]:
                draw_curves(line[0], fit)
                line[0].set_title(f"{name}: {fit.verdict}", fontsize=10)
                for axes, found, how in zip(line[1:], (free, one), ("alpha free", "alpha = 1"), strict=True):
                    if found:
                        draw_collapse(axes, replace(fit, collapse=found))
                    else:
                        axes.axis("off")
                        axes.text(0.5, 0.5, f"{how}: no stable collapse", ha="center", transform=axes.transAxes)
    print(save(figure, FIGURE))


if __name__ == "__main__":
    main()
