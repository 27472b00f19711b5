"""RMSE against noise in trained networks of three sizes: do the curves cross?

Source: N. Iqbal and M. Welling, "Topological defects propagate information in deep neural networks", figures 7, 8
and 11, which reports curves that intersect at eta_c = 0.0046 (convention unknown) with alpha = 0.3 for a symmetric
network, and no sharp crossing for a broken one.  At fixed depth and matched density no local average can depend on L
beyond the light cone, L > T (k - 1) = 60, so no crossing is expected here.
"""

import time
from pathlib import Path

import physnn
from physnn.answers import fit as report
from physnn.answers import plots
from physnn.figures.fit import sweep_figure
from physnn.figures.networks import image_figure
from physnn.figures.style import save

SIZES, IMAGES = (32, 64, 128), 32
EXAMPLES_AT = (0.02, 0.05, 0.1)
FIGURES = {
    "symmetric": Path("docs/figures/noise_sweep_symmetric.png"),
    "broken": Path("docs/figures/noise_sweep_broken.png"),
    "examples": Path("docs/figures/noise_examples.png"),
}


def main() -> None:
    """Sweep both ensembles, print the answers and draw the figures."""
    for name in ("symmetric", "broken"):
        start = time.perf_counter()
        out = Path(f"noise_sweep_{name}.h5")
        physnn.sweep_noise(SIZES, out=out, networks=[f"kuramoto_{name}"], images=IMAGES, jobs=2)
        seconds = time.perf_counter() - start
        print(f"{name}: {seconds:.0f} s")
        for observable in ("rmse", "rmse_per_image", "overlap"):
            fit = physnn.fit(out, observable)
            print(f"  {observable}: {fit.verdict}; {fit.reason}")
            if observable == "rmse":
                print(save(sweep_figure(fit), FIGURES[name]))
                for row in report.curve_rows(fit.curves):
                    print("   ", *(f"{cell:>12}" for cell in row))
    print(save(image_figure(_examples()), FIGURES["examples"]))


def _examples() -> list:
    """Return input, clean output and outputs at growing noise of one bundled network."""
    images = plots.example_set("kuramoto_symmetric", 0.0)
    chosen = [images[0], images[2]]
    return chosen + [plots.example_set("kuramoto_symmetric", eta)[3] for eta in EXAMPLES_AT]


if __name__ == "__main__":
    main()
