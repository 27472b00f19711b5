"""Does a constant input split the degenerate losses of networks with weights +-1, and is it more than extra weights?

Source: sections 4.1 and 6.4 and figure 6 of "Symmetry Breaking in Neural Network Optimization: Insights from Input
Dimension Expansion": tanh networks 1-3-3-2-1 on numbers in (0, 1) labelled x > 0.5.  Every configuration is counted.
What the paper did not ask: the constant's value, width, depth, and networks with as many weights but no constant.
"""

import itertools
from pathlib import Path

import numpy as np

from physnn.errors import InputError
from physnn.exact.landscape import Landscape
from physnn.exact.signs.count import count_signs
from physnn.figures.landscapes import loss_landscape_figure
from physnn.figures.style import COLOURS, MARKERS, new_figure, save
from physnn.models.signs import SignNetwork

PAPER = (1, 3, 3, 2, 1)
CONSTANTS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 2.0, 3.0)
MOST_WEIGHTS = 48
FOLDER = Path("docs/figures")


def count(layers: tuple[int, ...], constant: float | None = None, bias: str | None = None) -> Landscape:
    """Return the landscape of one tanh network on 64 random numbers."""
    return count_signs(SignNetwork(layers, constant=constant, bias=bias))


def line(name: str, g: Landscape) -> str:
    """Return what is printed of a landscape."""
    bits = np.log2(float(g.distinct))
    return (
        f"{name:24} 2^{g.weights} configurations, {g.distinct:,} levels (2^{bits:.1f}), largest {g.max_degeneracy:,}, "
        f"entropy {g.entropy / np.log(2):.2f} bits, lowest loss {g.levels[0]:.4f} ({g.minimum_fraction:.2g} of all)"
    )


def main() -> None:
    """Count, print and draw two figures."""
    four = {
        "raw": count(PAPER),
        "constant 0.5": count(PAPER, 0.5),
        "biases": count(PAPER, bias="first"),
        "constant and biases": count(PAPER, 0.5, "first"),
    }
    for name, g in four.items():
        print(line(name, g))
    print(save(loss_landscape_figure(four, "mean squared error (dimensionless)"), FOLDER / "sign_networks.png"))
    figure = new_figure(13.5, 4.2)
    value, shape, same = figure.subplots(1, 3)
    draw_constants(value)
    draw_shapes(shape)
    draw_same_weights(same)
    for axes in (value, shape, same):
        axes.legend(frameon=False, fontsize=8)
    print(save(figure, FOLDER / "sign_networks_expansion.png"))


def draw_constants(axes) -> None:
    """Draw levels and the lowest loss against the constant's value."""
    found = [count(PAPER, c) for c in CONSTANTS]
    for c, g in zip(CONSTANTS, found, strict=True):
        print(line(f"constant {c:g}", g))
    axes.plot(CONSTANTS, [g.distinct for g in found], color=COLOURS[0], marker=MARKERS[0], label="levels")
    axes.set(xlabel="value of the constant input", ylabel="distinct losses", title="(a) 1-3-3-2-1", ylim=(0, None))
    right = axes.twinx()
    lowest = [g.levels[0] for g in found]
    right.plot(CONSTANTS, lowest, color=COLOURS[1], marker=MARKERS[1], ls="--")
    right.set(ylabel="lowest loss", ylim=(0, None))
    axes.plot([], [], color=COLOURS[1], marker=MARKERS[1], ls="--", label="lowest loss (right axis)")


def draw_shapes(axes) -> None:
    """Draw by what factor the constant multiplies the levels, against width and against depth."""
    series = {
        "3 hidden layers of n": [(1, n, n, n, 1) for n in range(1, 6)],
        "n hidden layers of 3": [(1, *[3] * n, 1) for n in range(1, 7)],
    }
    for k, (name, shapes) in enumerate(series.items()):
        factors = []
        for layers in shapes:
            try:
                raw, expanded = count(layers), count(layers, 0.5)
            except InputError as error:
                print(f"{layers}: {error}")
                continue
            factors.append((layers[1] if k == 0 else len(layers) - 2, expanded.distinct / raw.distinct))
            print(line("-".join(map(str, layers)), raw))
            print(line("  with constant 0.5", expanded))
        n, factor = np.array(factors).T
        axes.plot(n, factor, color=COLOURS[k], marker=MARKERS[k], label=name)
    axes.set(yscale="log", xlabel="n", ylabel="levels with the constant / without", title="(b) width and depth")


def draw_same_weights(axes) -> None:
    """Draw levels against the number of weights: all networks with three hidden layers, raw and with a constant."""
    for k, (name, constant) in enumerate((("raw", None), ("with the constant", 0.5))):
        found = []
        for hidden in itertools.product(range(1, 6), repeat=3):
            network = SignNetwork((1, *hidden, 1), constant=constant)
            if network.weights <= MOST_WEIGHTS:
                g = count_signs(network)
                found.append((g.weights, np.log2(float(g.distinct)), g.entropy / np.log(2)))
        weights, levels, entropy = np.array(found).T
        shift = 0.3 * k
        axes.plot(weights + shift, levels, MARKERS[k], color=COLOURS[k], ms=3, alpha=0.5)
        mean = {int(w): np.median(levels[weights == w]) for w in np.unique(weights)}
        axes.plot(mean.keys(), mean.values(), color=COLOURS[k], lw=1.6, label=f"{name}: median of all shapes")
        for w in (20, 23, 26, 30, 35, 40):
            here = weights == w
            if here.any():
                print(
                    f"{name}, {w} weights: {here.sum()} shapes, log2 of levels {levels[here].min():.1f} to "
                    f"{levels[here].max():.1f}, median {np.median(levels[here]):.1f}; entropy median "
                    f"{np.median(entropy[here]):.2f} bits"
                )
    axes.set(xlabel="weights", ylabel=r"$\log_2$ of distinct losses", title="(c) as many weights: three hidden layers")


if __name__ == "__main__":
    main()
