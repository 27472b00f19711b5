"""Where do untrained networks remember their input: the map over the gain of J and the size of c.

Source: section 3 of N. Iqbal and M. Welling, "Topological defects propagate information in deep neural networks": a
symmetric network keeps its input at initialisation though it is deep in the ordered phase, outside the usual picture of
an edge of chaos.  Here the coupling is multiplied by a gain, c is drawn with several sizes, and two things are
measured: the contrast between shapes and background at depth T (beside its floor, the contrast of the same state with
the shapes of another image), and the Lyapunov exponent per step of a small change
of the state, which is negative where two inputs become one (order), zero at the edge, and positive in chaos.
"""

import time
from pathlib import Path

import numpy as np
import torch

from physnn import rng
from physnn.figures.style import COLOURS, MARKERS, new_figure, save
from physnn.networks.kuramoto.architecture import Architecture
from physnn.networks.kuramoto.evaluate import contrast
from physnn.networks.kuramoto.network import KuramotoNetwork, initial_weights
from physnn.networks.tasks.transmogrifier import Transmogrifier

L, SEEDS = 32, range(6)
DEPTHS = (0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 60)
GAINS = (0.25, 1, 2, 4, 8, 16, 32, 64)
BIAS_SD = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
SMALL = 1e-2
"""Norm per site of the change whose growth is followed."""
FIGURE = Path("docs/figures/edge_of_order.png")


def trajectory(
    seed: int, gain: float, bias_sd: float, image: np.ndarray, another: np.ndarray
) -> tuple[list[float], float, float]:
    """Return the contrast at all depths, its floor at the last, and the Lyapunov exponent over the second half."""
    shape = Architecture(broken=bias_sd > 0)
    weights = initial_weights(shape, rng.stream(seed, "weights"), bias_sd)
    network = KuramotoNetwork(shape, weights | {"coupling": np.float32(gain) * weights["coupling"]})
    found, growth = [], []
    with torch.no_grad():
        coupling = network.symmetric_coupling()
        x = network.lift_images(torch.from_numpy(image)[None])
        change = torch.from_numpy(rng.stream(seed, "figure", "change").normal(size=x.shape).astype(np.float32))
        for t in range(DEPTHS[-1] + 1):
            if t in DEPTHS:
                last = x[0]
                found.append(contrast(last, image))
            # One state beside the other, brought back to a small distance after every step.
            change *= SMALL / change.square().sum(1).mean().sqrt()
            other = torch.nn.functional.normalize(x + change, dim=1)
            before = (other - x).square().sum(1).mean().sqrt()
            x, other = network.step(x, coupling), network.step(other, coupling)
            change = other - x
            growth.append(float(torch.log(change.square().sum(1).mean().sqrt() / before)))
    return found, contrast(last, another), float(np.mean(growth[len(growth) // 2 :]))


def main() -> None:
    """Measure the map, print and draw it."""
    start = time.perf_counter()
    image, another = (Transmogrifier(L).pair(rng.stream(k, "figure", "propagation"))[0] for k in (0, 1))
    memory = np.empty((len(BIAS_SD), len(GAINS), len(SEEDS), len(DEPTHS)))
    exponent, floor = np.empty(memory.shape[:3]), np.empty(memory.shape[:3])
    for i, sd in enumerate(BIAS_SD):
        for j, gain in enumerate(GAINS):
            for k, seed in enumerate(SEEDS):
                found = trajectory(seed, gain, sd, image, another)
                memory[i, j, k], floor[i, j, k], exponent[i, j, k] = found
    kept, order = np.median(memory[..., -1], axis=2), np.median(exponent, axis=2)
    print(f"contrast at T = {DEPTHS[-1]}, median of {len(SEEDS)} seeds; rows: sd of c; columns: gain {GAINS}")
    for sd, row in zip(BIAS_SD, kept, strict=True):
        print(f"  {sd:4g}", *(f"{v:6.3f}" for v in row))
    print("floor: contrast of the same states with the shapes of another image")
    for sd, row in zip(BIAS_SD, np.median(floor, axis=2), strict=True):
        print(f"  {sd:4g}", *(f"{v:6.3f}" for v in row))
    print("Lyapunov exponent per step")
    for sd, row in zip(BIAS_SD, order, strict=True):
        print(f"  {sd:4g}", *(f"{v:6.3f}" for v in row))
    draw(memory, kept, order)
    print(f"{time.perf_counter() - start:.0f} s")


def draw(memory: np.ndarray, kept: np.ndarray, order: np.ndarray) -> None:
    """Draw both maps, and memory against depth along one row and one column."""
    figure = new_figure(14, 4.2)
    left, middle, right = figure.subplots(1, 3)
    limit = 0.1  # beyond, colours stay the same: the sign matters, and order is far stronger than chaos
    for axes, values, colours, low, high, title in (
        (left, kept, "cividis", 0, 1, f"(a) contrast at T = {DEPTHS[-1]}"),
        (middle, order, "PuOr_r", -limit, limit, "(b) Lyapunov exponent per step"),
    ):
        mesh = axes.pcolormesh(values, cmap=colours, vmin=low, vmax=high)
        axes.set_xticks(np.arange(len(GAINS)) + 0.5, [f"{g:g}" for g in GAINS])
        axes.set_yticks(np.arange(len(BIAS_SD)) + 0.5, [f"{s:g}" for s in BIAS_SD])
        axes.set(xlabel="gain of J (dimensionless)", ylabel="standard deviation of c", title=title)
        figure.colorbar(mesh, ax=axes)
    shown = [(0.0, 1), (0.0, 8), (0.0, 64), (0.1, 1), (0.3, 1), (0.3, 8)]
    for k, (sd, gain) in enumerate(shown):
        values = memory[BIAS_SD.index(sd), GAINS.index(gain)]
        error = values.std(0, ddof=1) / np.sqrt(len(SEEDS))
        style = {"color": COLOURS[k], "marker": MARKERS[k], "capsize": 2, "ms": 4}
        right.errorbar(DEPTHS, values.mean(0), yerr=error, label=f"sd of c {sd:g}, gain {gain:g}", **style)
    right.set(xlabel="depth T (steps)", ylabel="contrast of shapes", ylim=(0, 1.05), title="(c) memory of the input")
    right.legend(frameon=False, fontsize=8)
    print(save(figure, FIGURE))


if __name__ == "__main__":
    main()
