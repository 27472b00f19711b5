"""How exactly do layers commute with rotations: of the plane, between pixels, and of the sphere?

    python sims/rotations.py

Smooth patterns whose rotated copies are known exactly are shown to untrained layers at several L and angles.  What a
layer makes of the rotated pattern is held against what it makes of the pattern, rotated; interpolation of the pattern
itself is the null, and a plain convolution is what must fail.  Then signals on the sphere: coefficients by scipy's
values at rotated points, layers with functions of the values at points by grid.  Takes half a minute of one core.
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import torch

from physnn import rng
from physnn.analysis.statistics.estimate import Estimate
from physnn.cli.output import print_table
from physnn.figures.style import errorbar, new_figure, save
from physnn.models.groups.circular import disc, rotation_matrix
from physnn.models.groups.spherical import angles_of, harmonics, rotation_of, wigner_matrix
from physnn.networks.classifiers.zoo import initialise
from physnn.networks.symmetry.layers import FieldConv, FieldCopies
from physnn.networks.symmetry.sphere import SphereNet, SpherePointwise, turn_signals
from physnn.networks.symmetry.steerable import CircularSpace, NormReLU, SteerableCNN

SIDES, ANGLES, PATTERNS = (16, 32, 64), (15, 30, 45, 90), 24
DEGREES, GRIDS, SIGNALS = (4, 8, 16, 32), (2, 3, 4, 6, 8, 12), 8
TURN = (0.7, 1.9, -2.3)
FIGURE = Path("docs/figures/rotations.png")


def patterns(side: int, angle: float) -> torch.Tensor:
    """Sums of six blobs in a disc, the same on every grid, rotated by an angle in radians: exact values at pixels."""
    generator, found = rng.stream(0, "synthetic", "rotations"), []
    y, x = (np.indices((side, side)) - (side - 1) / 2) * 32 / side
    c, s = math.cos(angle), math.sin(angle)
    y, x = c * y + s * x, c * x - s * y
    for _ in range(PATTERNS):
        radii, phases, heights = (
            generator.uniform(0, 7, 6),
            generator.uniform(0, 2 * np.pi, 6),
            generator.normal(size=6),
        )
        blobs = [
            h * np.exp(-((y - r * math.cos(p)) ** 2 + (x - r * math.sin(p)) ** 2) / 10)
            for r, p, h in zip(radii, phases, heights, strict=True)
        ]
        found.append(sum(blobs))
    return torch.from_numpy(np.stack(found)[:, None])


def apart(one: torch.Tensor, other: torch.Tensor) -> Estimate:
    """Length of the difference over that of the other, mean over patterns with its error."""
    each = ((one - other).flatten(1).norm(dim=1) / other.flatten(1).norm(dim=1)).numpy()
    return Estimate(float(each.mean()), float(each.std(ddof=1) / math.sqrt(len(each))))


def told(one: Estimate) -> str:
    """Estimate in few letters."""
    return f"{one.value:.2g} +- {one.error:.0e}" if one.value > 1e-9 else "rounding"


def plane(side: int, angle: float) -> dict[str, Estimate]:
    """Deviations under a rotation by an angle in radians, by name."""
    here, moved = patterns(side, 0.0), patterns(side, angle)
    seen = torch.from_numpy(disc(side, side / 8))
    found = {}
    for order, name in ((1, "image, linear"), (3, "image, cubic")):
        matrix = torch.from_numpy(rotation_matrix(side, angle, order)).double()
        found[name] = apart((here.flatten(-2) @ matrix.T).view(here.shape) * seen, moved * seen)
    numbers = CircularSpace("so2", (FieldCopies("0", 1),))
    space = CircularSpace("so2", tuple(FieldCopies(str(k), 4) for k in range(3)))
    ways = {
        "a layer": torch.nn.Sequential(FieldConv(numbers, space, 5)),
        "two layers": torch.nn.Sequential(FieldConv(numbers, space, 5), NormReLU(space), FieldConv(space, space, 5)),
        "plain layer": torch.nn.Conv2d(1, space.channels, 5, padding=2),
    }
    with torch.no_grad():
        for name, through in ways.items():
            initialise(through.double(), rng.stream(0, "weights"))
            found[name] = apart(space.turn(angle, through(here)) * seen, through(moved) * seen)
        network = SteerableCNN(1, side, 10).double().eval()
        initialise(network, rng.stream(0, "weights"))
        answers, others = network(here), network(moved)
        scale = answers - answers.mean(0)
        found["logits"] = apart(others - answers + scale, scale)
    return found


def sphere_values() -> list[list[str]]:
    """Largest difference of turned coefficients from scipy's values at rotated points, by degree."""
    x = rng.stream(1, "synthetic", "rotations").normal(size=(200, 3))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    rows = []
    for degree in (*DEGREES, 64):
        a = rng.stream(2, "synthetic", "rotations").normal(size=(degree + 1) ** 2)
        turned = [wigner_matrix(k, TURN) @ a[k * k : (k + 1) ** 2] for k in range(degree + 1)]
        there = harmonics(degree, *angles_of(x)) @ np.concatenate(turned)
        exact = harmonics(degree, *angles_of(x @ rotation_of(TURN))) @ a
        rows.append([str(degree), f"{np.abs(there - exact).max() / exact.std():.0e}"])
    return rows


def against_ducc0(degree: int = 16) -> float:
    """Largest difference of turned coefficients from those of the package ducc0, over their scatter; NaN without it."""
    if not importlib.util.find_spec("ducc0"):
        return math.nan
    from ducc0.sht import rotate_alm

    a = rng.stream(2, "synthetic", "rotations").normal(size=(degree + 1) ** 2)
    turned = [wigner_matrix(k, TURN) @ a[k * k : (k + 1) ** 2] for k in range(degree + 1)]

    def theirs(real: np.ndarray) -> np.ndarray:
        """Complex coefficients of m >= 0, by m and then by degree."""
        one = [(real[k * k + k + m], real[k * k + k - m]) for m in range(degree + 1) for k in range(m, degree + 1)]
        m = np.repeat(np.arange(degree + 1), degree + 1 - np.arange(degree + 1))
        plus, minus = np.array(one).T
        return np.where(m == 0, plus, (-1.0) ** m * (plus - 1j * minus) / math.sqrt(2))

    apart_by = rotate_alm(theirs(a), degree, *TURN[::-1]) - theirs(np.concatenate(turned))
    return float(np.abs(apart_by).max() / a.std())


def signals(degree: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Signals of variance 1 at every point, with as much in every coefficient."""
    drawn = rng.stream(3, "synthetic", "rotations").normal(size=(SIGNALS, 2, (degree + 1) ** 2))
    return torch.from_numpy(drawn * math.sqrt(4 * np.pi) / (degree + 1)).to(dtype)


def sphere_layers() -> list[list[str]]:
    """Deviations of layers and answers of whole networks, by degree and precision."""
    rows = []
    for degree in DEGREES:
        for dtype in (torch.float64, torch.float32):
            network = SphereNet(2, 10, degree).to(dtype)
            initialise(network, rng.stream(0, "weights"))
            given = signals(degree, dtype)
            with torch.no_grad():
                maps, moved = network.maps(given), network.maps(turn_signals(given, TURN))
                layers = [apart(turn_signals(a, TURN), b).value for a, b in zip(maps, moved, strict=True)]
                answers, others = network(given), network(turn_signals(given, TURN))
            worst = float((answers - others).abs().max() / answers.std())
            rows.append([str(degree), str(dtype)[6:], *(f"{v:.0e}" for v in (*layers, worst))])
    return rows


def sphere_functions() -> dict[str, list[Estimate]]:
    """Deviations of functions of values at points, at degree 16, by what the grid is exact for."""
    given, found = signals(16), {}
    for function in ("square", "tanh", "relu"):
        found[function] = []
        for exact_for in GRIDS:
            layer = SpherePointwise(16, function, exact_for)
            found[function].append(apart(layer(turn_signals(given, TURN)), turn_signals(layer(given), TURN)))
    return found


def main() -> None:
    """Print the tables and draw the figure."""
    found = {(side, angle): plane(side, math.radians(angle)) for side in SIDES for angle in ANGLES}
    names = list(found[SIDES[0], ANGLES[0]])
    rows = [[str(side), str(angle), *(told(each[n]) for n in names)] for (side, angle), each in found.items()]
    print_table(f"deviations under rotations, {PATTERNS} patterns", ["L", "degrees", *names], rows)
    print_table("coefficients against values at rotated points", ["degree", "largest / sd"], sphere_values())
    print(f"degree 16 against ducc0: {against_ducc0():.0e}")
    header = ["degree", "precision", "first layer", "second layer", "answers, largest / sd"]
    print_table("networks on the sphere", header, sphere_layers())
    functions = sphere_functions()
    rows = [[str(g), *(f"{functions[f][k].value:.1e}" for f in functions)] for k, g in enumerate(GRIDS)]
    print_table("functions of values at points, degree 16", ["grid exact for", *functions], rows)
    figure = new_figure(11, 4.4)
    left, right = figure.subplots(1, 2)
    for k, name in enumerate(names):
        one = [found[side, 45][name] for side in SIDES]
        errorbar(left, k, SIDES, [e.value for e in one], [e.error for e in one], ms=5, ls="-", lw=0.8, label=name)
    left.set(xscale="log", yscale="log", xlabel="side L of the image (pixels)", title="plane, rotated by 45 degrees")
    left.set_xticks(SIDES, [str(side) for side in SIDES])
    left.minorticks_off()
    left.set_ylabel("relative deviation (dimensionless)")
    for k, (name, each) in enumerate(functions.items()):
        heights = [max(e.value, 1e-16) for e in each]
        errorbar(right, k, GRIDS, heights, [e.error for e in each], ms=5, ls="-", lw=0.8, label=name)
    right.set(yscale="log", xlabel="grid exact for this many times the degree", title="sphere, degree 16")
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    print(save(figure, FIGURE))


if __name__ == "__main__":
    main()
