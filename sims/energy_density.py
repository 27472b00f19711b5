"""Where is the energy, and what is the state on both sides?  Domain walls in an untrained and in trained networks.

Source: N. Iqbal and M. Welling, "Topological defects propagate information in deep neural networks", figures 5
(untrained, T = 20) and 9 (trained): energy sits at the boundary of a filled square, is about the same inside and
outside, and the state inside is minus that outside.

    python sims/energy_density.py            five seconds
"""

import time
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import maximum_filter, minimum_filter

from physnn import rng
from physnn.figures.style import COLOURS, new_figure, save
from physnn.models.couplings import from_weights
from physnn.networks.kuramoto.architecture import Architecture
from physnn.networks.kuramoto.network import KuramotoNetwork, initial_weights
from physnn.shipped import resolve
from physnn.store.network_file import read_networks

L, SIDE, ROW = 64, 24, 32
"""Pixels of the image and of the filled square in it, and the row that is drawn."""
SEEDS = range(12)
DEPTH = 20
"""Depth of untrained networks; trained ones have their own."""
NEAR = 3
"""Pixels on either side of the boundary that count as the wall."""
FIGURE = Path("docs/figures/energy_density.png")
Case = tuple[Architecture, dict[str, np.ndarray], int]
"""Kind of network, its weights, and the number of steps."""


def square() -> np.ndarray:
    """Return the image: +0.5 in a square in the middle, -0.5 around it."""
    image = np.full((L, L), -0.5, np.float32)
    first = (L - SIDE) // 2
    image[first : first + SIDE, first : first + SIDE] = 0.5
    return image


def state(case: Case, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return x of shape (L, L, N) after some steps, and the energy of every site."""
    architecture, weights, steps = case
    with torch.no_grad():
        x = KuramotoNetwork(architecture, weights).evolve(torch.from_numpy(image)[None], steps)
    x = x[0].double().numpy().transpose(1, 2, 0)
    return x, from_weights(weights, architecture.boundary).energy_map(x)


def measured(x: np.ndarray, energy: np.ndarray, image: np.ndarray) -> dict[str, float]:
    """Return how much of the energy is at the wall, of which sign, and how x inside and outside compare."""
    size = 2 * NEAR + 1
    wall = maximum_filter(image, size) != minimum_filter(image, size)
    inside, outside = (image > 0) & ~wall, (image < 0) & ~wall
    excess = energy - energy[outside].mean()
    a, b = x[inside].mean(0), x[outside].mean(0)
    scatter = energy[~wall].std()
    return {
        "energy of a wall site less that of a site outside, in units of the latter's size": float(
            excess[wall].mean() / abs(energy[outside].mean())
        ),
        "share of the excess energy at the wall": float(excess[wall].sum() / excess.sum()),
        "energy inside less outside, in units of that at the wall": float(excess[inside].mean() / excess[wall].mean()),
        "scatter of energy away from the wall, same units": float(scatter / abs(excess[wall].mean())),
        "cosine of mean x inside and outside": float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)),
        "length of mean x outside": float(np.linalg.norm(b)),
    }


def cases() -> dict[str, list[Case]]:
    """Return networks and depths: untrained ones, and all that are bundled and symmetric."""
    plain = Architecture()
    found: dict[str, list[Case]] = {
        "untrained, symmetric": [
            (plain, initial_weights(plain, rng.stream(seed, "weights"), 0.3), DEPTH) for seed in SEEDS
        ]
    }
    for name in ("kuramoto_symmetric", "kuramoto_flow"):
        file = read_networks(resolve(name))
        architecture = Architecture(**file.architecture)
        found[f"trained, {name}"] = [
            (architecture, {key: w[k] for key, w in file.weights.items()}, int(file.recipe["steps"]))
            for k in range(len(file.seeds))
        ]
    return found


def main() -> None:
    """Print what is measured over all networks, and draw the first of each kind."""
    begun, image = time.perf_counter(), square()
    every = cases()
    figure = new_figure(11, 3.2 * len(every))
    rows = figure.subplots(len(every), 3, squeeze=False)
    for line, (name, networks) in zip(rows, every.items(), strict=True):
        found = [state(case, image) for case in networks]
        numbers = [measured(x, energy, image) for x, energy in found]
        print(f"{name}, {len(networks)} networks, median (least, most)")
        for key in numbers[0]:
            values = [n[key] for n in numbers]
            below = sum(value < 0 for value in values)
            print(f"  {key}: {np.median(values):.3f} ({min(values):.3f}, {max(values):.3f}), below 0 in {below}")
        x, energy = found[0]
        line[0].imshow(image, cmap="gray", interpolation="nearest")
        line[0].axhline(ROW, color=COLOURS[1], lw=1.5)
        line[0].set(title=f"{name}: input", xticks=[], yticks=[])
        drawn = line[1].imshow(energy, cmap="cividis", interpolation="nearest")
        line[1].set(title=f"energy of a site, T = {networks[0][2]}", xticks=[], yticks=[])
        figure.colorbar(drawn, ax=line[1], shrink=0.8)
        a, b = x[image > 0].mean(0), x[image < 0].mean(0)
        along = int(np.argmax(np.abs(a - b)))
        for component, style in ((0, {"color": COLOURS[0], "ls": "--"}), (along, {"color": COLOURS[1]})):
            line[2].plot(x[ROW, :, component], lw=1.3, label=rf"$x^{{{component}}}$", **style)
        line[2].axhline(0, color="0.7", lw=0.8)
        line[2].set(xlabel="column (pixels)", ylabel="component of x", title="along the line", ylim=(-1.05, 1.05))
        line[2].legend(frameon=False, fontsize=8)
    print(save(figure, FIGURE))
    print(f"{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
