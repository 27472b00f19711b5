"""What is left of the input in an untrained network?

Source: N. Iqbal and M. Welling, "Topological defects propagate information in deep neural networks", figure 1: the
symmetric network keeps its input at every depth, the broken one washes it out.  The paper does not give the size of
c at initialisation; here it is a parameter, and the claim is shown to depend on it.
"""

import time
from pathlib import Path

import numpy as np
import torch

from physnn import rng
from physnn.figures.networks import image_figure
from physnn.figures.style import save
from physnn.networks.kuramoto.architecture import Architecture
from physnn.networks.kuramoto.evaluate import contrast
from physnn.networks.kuramoto.network import KuramotoNetwork, initial_weights
from physnn.networks.tasks.transmogrifier import Transmogrifier

L, DEPTHS, SEEDS = 64, (5, 7, 15, 20), range(12)
BIAS_SD = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Standard deviations of c ~ N(0, sd^2); 0.3 is the recipe's."""
FIGURE = Path("docs/figures/propagation_at_initialisation.png")


def states(seed: int, broken: bool, bias_sd: float, image: np.ndarray) -> list[torch.Tensor]:
    """Return the states of one untrained network at all depths."""
    shape = Architecture(broken=broken)
    network = KuramotoNetwork(shape, initial_weights(shape, rng.stream(seed, "weights"), bias_sd))
    with torch.no_grad():
        return [network.evolve(torch.from_numpy(image)[None], steps)[0] for steps in DEPTHS]


def along_contrast(x: torch.Tensor, image: np.ndarray) -> np.ndarray:
    """Return the state along m_fg - m_bg, about its mean: +-0.5 for perfect domains."""
    state = x.numpy()
    foreground, background = state[:, image > 0].mean(1), state[:, image < 0].mean(1)
    direction = foreground - background
    direction /= np.linalg.norm(direction)
    return np.einsum("nhw,n->hw", state, direction) / 2 - direction @ (foreground + background) / 4


def main() -> None:
    """Draw the figure and print the table."""
    start = time.perf_counter()
    image = Transmogrifier(L).pair(rng.stream(0, "figure", "propagation"))[0]
    rows = []
    for name, broken in (("broken", True), ("symmetric", False)):
        found = states(0, broken, 0.3, image)
        drawn = zip(DEPTHS, found, strict=True)
        rows.append([("input", image), *((f"{name}, T = {t}", along_contrast(x, image)) for t, x in drawn)])
    print(save(image_figure(*rows), FIGURE))
    print(f"median contrast |m_fg - m_bg|/2 over {len(SEEDS)} seeds at T = {DEPTHS}")
    for broken, bias_sd in ((False, 0.0), *((True, sd) for sd in BIAS_SD)):
        values = [[contrast(x, image) for x in states(seed, broken, bias_sd, image)] for seed in SEEDS]
        name = f"broken, sd of c = {bias_sd:g}" if broken else "symmetric"
        print(f"{name:24}", *(f"{v:.3f}" for v in np.median(values, axis=0)))
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
