"""Does the symmetric network learn sooner than the broken one?

Source: N. Iqbal and M. Welling, "Topological defects propagate information in deep neural networks", figure 6, which
finds an advantage of the symmetric network in the first epochs (T = 30, 64 x 64).  Here: the bundled ensembles.
"""

from pathlib import Path

import numpy as np

import physnn
from physnn.figures.networks import training_figure
from physnn.figures.style import save
from physnn.shipped import resolve

FILES = {
    "symmetric": "kuramoto_symmetric",
    "broken": "kuramoto_broken",
    "flow, symmetric": "kuramoto_flow",
    "flow, broken": "kuramoto_flow_broken",
}
FIGURE = Path("docs/figures/training_curves.png")


def main() -> None:
    """Draw the curves and print them."""
    files = {label: physnn.read_networks(resolve(name)) for label, name in FILES.items()}
    pairs = files["symmetric"].recipe["pairs_per_epoch"]
    print(save(training_figure({name: file.loss for name, file in files.items()}, pairs), FIGURE))
    for name, file in files.items():
        for seed, loss, rmse in zip(file.seeds, file.loss, file.validation_rmse, strict=True):
            curve = " ".join(f"{value:.3f}" for value in np.sqrt(loss))
            print(f"{name} seed {seed}: training RMSE by epoch {curve}; validation {rmse:.4f}")


if __name__ == "__main__":
    main()
