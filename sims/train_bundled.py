"""The ensembles that ship with the package, from nothing: `data/kuramoto_*.h5`.

Source: N. Iqbal and M. Welling, "Topological defects propagate information in deep neural networks", A.1.  What
differs from there: 32 x 32 images and T = 15 instead of 64 x 64 and T = 30 (four times fewer sites, half the depth),
shapes at the matched density, fresh images in every batch instead of 28,000 fixed pairs, one cycle of the learning
rate, and gradients clipped.  The family `flow` is kept a stable gradient flow: T = 30 steps of half the size, the
coupling rescaled so that the stability number stays below 0.9, the loss at a depth drawn from 27 to 33.
"""

import time
from pathlib import Path

import physnn

ENSEMBLES = {
    "kuramoto_symmetric": ((0, 1, 2), {}),
    "kuramoto_broken": ((0, 1, 2), {"broken": True}),
    "kuramoto_flow": ((0, 1, 2, 3, 4), {"family": "flow"}),
    "kuramoto_flow_broken": ((0, 1), {"family": "flow", "broken": True}),
}
"""Seeds of every file, and what its recipe changes."""
DATA = Path("data")


def main() -> None:
    """Train what is not there yet; interrupted, a rerun continues."""
    for name, (seeds, settings) in ENSEMBLES.items():
        start = time.perf_counter()
        path = physnn.train_kuramoto(seeds, out=DATA / f"{name}.h5", jobs=2, **settings)
        rmse = ", ".join(f"{value:.4f}" for value in physnn.read_networks(path).validation_rmse)
        print(f"{path}: validation RMSE {rmse} ({time.perf_counter() - start:.0f} s)")


if __name__ == "__main__":
    main()
