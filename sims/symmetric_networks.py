"""What may couplings not do that know no left from right?  Networks with the symmetry of the square, beside others.

Source of the question: in networks of the family `flow` order with a unit cell of 4 x 2 sites melts into waves of
another length (`network_equilibrium.py`).  Here couplings are those of a network that was trained by
`physnn train kuramoto --family flow --point-group d4`, and those of bundled networks, as they are and averaged over the
group.

1. J is the same at offsets that the group takes into each other, to the last bit.
2. What that forbids: about k = 0 and k = 1/2 along either axis the largest eigenvalue of J(k) is even, so that waves
   lean to neither side.  Along another axis nothing is forbidden: -k is another wave.
3. Whether the pattern moves: the phase of the largest wave under the network's own noisy steps.  It must not where J
   has an inversion, whatever the step; a coupling that is not reciprocal is the control that must.
4. With ``equilibrium``: short runs of L = 8, 12 and 16 through the loss of order, and the rules of `physnn decide`.

    python sims/symmetric_networks.py train          trains; five minutes of one core
    python sims/symmetric_networks.py                1 to 3; a minute of one core
    python sims/symmetric_networks.py equilibrium    4, too

Networks and sweeps are kept in ``sims/output``, so that it continues.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

import physnn
from physnn import rng
from physnn.analysis.order.equilibrium import whole_zone
from physnn.analysis.order.structure import Order, peak, written
from physnn.analysis.statistics.estimate import Estimate
from physnn.answers.decide import study
from physnn.answers.fit import equilibrium_checks
from physnn.api import sweep_equilibrium
from physnn.figures.landscapes import LINES
from physnn.figures.style import COLOURS, errorbar, new_figure, save
from physnn.models.groups.kernels import moved_offsets
from physnn.models.groups.representations import PointGroup
from physnn.models.vectors import VectorModel
from physnn.networks.kuramoto.architecture import Architecture
from physnn.samples.equilibrium.order import find_order
from physnn.samples.equilibrium.recipe import record
from physnn.samples.named import identity, load_model
from physnn.store.network_file import read_networks
from physnn.store.sweep_file import read_sweep

FOLDER = Path("sims/output/symmetric_networks")
FIGURE = Path("docs/figures/symmetric_networks.png")
RECIPE = {"family": "flow", "point_group": "d4", "L": 20, "batch": 8, "pairs_per_epoch": 2816, "epochs": 5}
"""As the bundled family, but for smaller images in smaller batches: a twenty-fourth of the work."""
SEEDS, BUNDLED = (0,), (2, 3, 4)
"""Networks that are trained with the symmetry, and those of `kuramoto_flow` whose order melts into other waves."""
FINE, SIDE, CHAINS, STEPS, DROPPED = 256, 16, 16, 800, 200
"""Side of the fine grid of wave vectors; of the lattices whose pattern is followed; their number; steps; dropped."""
GAMMA = 0.125
"""Step of the networks."""
MELTS = 0.2
"""Temperature at which `kuramoto_flow/2` loses its order."""
COLD, LAG = 0.8, 4
"""Temperature of the moving pattern in units of that at which S(k) peaks first; steps between two looks."""
SIZES, AROUND = (8, 12, 16), np.linspace(0.8, 1.25, 6)
"""Sizes of the short runs, and temperatures in units of that at which S(k) peaks first."""
RUNS = {"sampler": "metropolis", "chains": 4, "jobs": 1, "interval": 8, "sweeps": 240, "thermalisation": 60}
PUSH = 0.5
"""Part of the coupling to the next row that is not reciprocal, in units of the largest entry of J, in the control."""


def networks() -> dict[str, tuple[str, ...]]:
    """Return the words of the networks that are trained, by name."""
    found = {f"d4/{s}": ("network", f"{FOLDER / f'd4_{s}.h5'}/{s}") for s in SEEDS if (FOLDER / f"d4_{s}.h5").exists()}
    return found


def averaged() -> dict[str, tuple[str, ...]]:
    """Return the words of the bundled networks' couplings, averaged over the group, by name."""
    found = {}
    for seed in BUNDLED:
        path = FOLDER / f"averaged_{seed}.npy"
        J = np.asarray(load_model(("network", f"kuramoto_flow/{seed}")).coupling)
        np.save(path, Architecture(*J.shape[1:3], point_group="d4").averaged(J))
        found[f"averaged/{seed}"] = ("coupling", str(path))
    return found


def without() -> dict[str, tuple[str, ...]]:
    """Return the words of the bundled networks as they are, by name."""
    return {f"flow/{seed}": ("network", f"kuramoto_flow/{seed}") for seed in BUNDLED}


def train() -> None:
    """Train what is not there yet."""
    for seed in SEEDS:
        path = physnn.train_kuramoto((seed,), out=FOLDER / f"d4_{seed}.h5", jobs=1, **RECIPE)
        print(f"seed {seed}: validation RMSE {read_networks(path).validation_rmse[0]:.4f}")


def asymmetry(J: np.ndarray) -> tuple[float, float]:
    """Return the largest change of J ``(N, N, k, k)`` under d4 and under r -> -r, in units of its largest entry."""
    flat, scale = J.reshape(*J.shape[:2], -1), np.abs(J).max()
    changes = [np.abs(flat[..., moved] - flat).max() for moved in moved_offsets(PointGroup("d4"), J.shape[-1])]
    return float(max(changes) / scale), float(np.abs(J[..., ::-1, ::-1] - J).max() / scale)


def highest(J: np.ndarray, k: np.ndarray) -> float:
    """Return the largest eigenvalue of J(k) at k / 2 pi."""
    half = J.shape[-1] // 2
    offsets = np.arange(-half, half + 1)
    phase = np.exp(2j * np.pi * (k[0] * offsets[:, None] + k[1] * offsets))
    return float(np.linalg.eigvalsh((J * phase).sum((2, 3)))[-1])


def slopes(J: np.ndarray, k: np.ndarray, step: float = 1e-4) -> np.ndarray:
    """Return the slope of the largest eigenvalue of J(k) by k / 2 pi along both axes, in units of the eigenvalue."""
    up, down = ([highest(J, k + sign * step * e) for e in np.eye(2)] for sign in (1, -1))
    return np.subtract(up, down) / (2 * step) / highest(J, k)


def transformed(J: np.ndarray, L: int) -> np.ndarray:
    """Return J(k), Hermitian where J is reciprocal, shape (L, L, N, N)."""
    half = J.shape[-1] // 2
    placed = np.zeros((L, L, *J.shape[:2]))
    for y in range(J.shape[-1]):
        for x in range(J.shape[-1]):
            placed[(y - half) % L, (x - half) % L] += J[:, :, y, x]
    return np.fft.fft2(placed, axes=(0, 1)).conj()


def velocity(J: np.ndarray, T: float, k: tuple[int, int], name: str) -> Estimate:
    """Return the rate at which the phase of a wave turns, in radians per unit of time, over independent lattices.

    The steps are the network's own: x <- normalise(x + Pi_x(gamma J x + eta sqrt(gamma) xi)), T = eta^2 / 2.
    """
    generator, N = rng.stream(0, "figure", "velocity", name), len(J)
    x = generator.normal(size=(CHAINS, SIDE, SIDE, N))
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    Jk, kick = transformed(J, SIDE), np.sqrt(2 * T * GAMMA)
    before, turned = [], np.zeros(CHAINS, complex)
    for t in range(STEPS):
        xk = np.fft.fft2(x, axes=(1, 2))
        psi = xk[:, k[0], k[1]]
        before.append(psi)
        if t >= DROPPED + LAG:
            turned += (before[-1 - LAG].conj() * psi).sum(-1)
        field = np.fft.ifft2(np.einsum("yxab,cyxb->cyxa", Jk, xk), axes=(1, 2)).real
        move = GAMMA * field + kick * generator.normal(size=x.shape)
        x = x + move - (x * move).sum(-1, keepdims=True) * x
        x /= np.linalg.norm(x, axis=-1, keepdims=True)
    rates = np.angle(turned) / (GAMMA * LAG)
    return mean(rates)


def pushed(J: np.ndarray, axis: int) -> np.ndarray:
    """Return J with a part that pushes the pattern along an axis: not reciprocal, J(r) and J(-r) of opposite sign."""
    found = np.moveaxis(J.copy(), 2 + axis, 2)
    own, half = np.eye(len(J)) * PUSH * np.abs(J).max(), J.shape[-1] // 2
    found[:, :, half - 1, half] += own
    found[:, :, half + 1, half] -= own
    return np.moveaxis(found, 2, 2 + axis)


def lean(zone: np.ndarray, at: tuple[int, int]) -> tuple[float, float]:
    """Return by how much S(k) is larger on one side of a wave than on the other, over their sum, along both axes."""
    found = []
    for axis in (0, 1):
        step = np.eye(2, dtype=int)[axis]
        one, other = (zone[tuple((np.array(at) + sign * step) % len(zone))] for sign in (1, -1))
        found.append(float((one - other) / (one + other)))
    return found[0], found[1]


def leans(path: Path) -> list[tuple[float, tuple[int, int], Estimate, Estimate]]:
    """Return temperature, place of the peak of S(k) and leans beside it, at the largest size."""
    sweep = read_sweep(path)
    L = max(sweep.sizes)
    group, found = sweep.sizes[L], []
    for t, T in enumerate(group["T"].values):
        zones = np.array([whole_zone(chain) for chain in group["structure"].values[t]])
        at = peak(zones.mean(0))
        both = np.array([lean(zone, at) for zone in zones])
        found.append((float(T), at, mean(both[:, 0]), mean(both[:, 1])))
    return found


def told(name: str, words: tuple[str, ...]) -> None:
    """Print what J forbids, and where it is largest."""
    model: VectorModel = load_model(words)
    J = np.asarray(model.coupling)
    height = np.linalg.eigvalsh(transformed(J, FINE))[..., -1]
    at = np.array(np.unravel_index(np.argmax(height), height.shape)) / FINE
    near = np.round(at * 2) / 2
    fixed = np.abs(at - near) < 0.1
    beside = np.where(fixed, near, at)
    slope = slopes(J, beside)
    group, inversion = asymmetry(J)
    place, where = ("({:.4f}, {:.4f})".format(*k) for k in (at, beside))
    print(f"{name}: J changes by {group:.2g} under d4, by {inversion:.2g} under r -> -r")
    print(f"  largest, {height.max():.3f}, at k / 2 pi = {place}; slopes at {where}: {slope[0]:+.1e}, {slope[1]:+.1e}")


def mean(values: np.ndarray) -> Estimate:
    """Return the mean of independent values with Student's error."""
    n = len(values)
    return Estimate.student(float(values.mean()), float(values.std(ddof=1)) / n**0.5, n - 1)


def held(order: Order) -> Order:
    """Return an order at the nearest wave vectors that the smallest size has."""
    near = tuple(
        tuple(Fraction(round(SIZES[0] * turns) % SIZES[0], SIZES[0]) for turns in k) for k in order.wave_vectors
    )
    return replace(order, wave_vectors=tuple(dict.fromkeys(near)))


def run(name: str, words: tuple[str, ...]) -> None:
    """Run what of a network has no file yet, and print peaks, leans and the verdict."""
    path, model = FOLDER / f"{name.replace('/', '_')}_short.h5", load_model(words)
    if not path.exists():
        mean_field = float(np.linalg.eigvalsh(model.spectrum((SIDE, SIDE))).max()) / model.components
        found = find_order(model, (SIDE,), 0.3 * mean_field, 0, identity(model))
        print(f"  mean-field T = {mean_field:.4f}; S(k) peaks first at T = {found.T:.4f}: {written_order(found.order)}")
        order, T = record(replace(found, order=held(found.order))), (found.T * AROUND).round(5).tolist()
        sweep_equilibrium(SIZES, T, out=path, model=words, order=order, **RUNS)
    sweep = read_sweep(path)
    T = sweep.sizes[SIZES[0]]["T"].values
    for c in equilibrium_checks(sweep):
        print(f"    L = {c.L}, T = {c.T:.4f}: t_conf/T = {c.thermometer.t_conf.value / c.T:.3f}, tau = {c.tau:.0f}, "
              f"{c.effective_samples:.0f} draws, starts differ by {c.hot_cold:.1f} errors")  # fmt: skip
    for T_, at, row, column in leans(path):
        print(f"    T = {T_:.4f}: S peaks at {at}/{SIZES[-1]}, leans {row} along rows, {column} along columns")
    one = study([path]).files[0]
    print(f"  {one.decision.kind}. {one.decision.reason}")


def written_order(order: Order) -> str:
    """Return the wave vectors of an order in turns."""
    return " and ".join(written(k) for k in order.wave_vectors)


def drift(name: str, words: tuple[str, ...], T: float) -> dict[str, Estimate]:
    """Print how fast the largest wave turns, and in the control."""
    J, found = np.asarray(load_model(words).coupling), {}
    height = np.linalg.eigvalsh(transformed(J, SIDE))[..., -1]
    k = tuple(int(i) for i in np.unravel_index(np.argmax(height), height.shape))
    for kind, coupling in ((name, J), (f"{name}, pushed", pushed(J, int(not k[0])))):
        found[kind] = velocity(coupling, COLD * T, k, name)
        print(f"  {kind}: wave {k}/{SIDE} turns by {found[kind]} a unit of time"
              f" ({found[kind].value / found[kind].error:+.1f} errors), T = {COLD * T:.3f}")  # fmt: skip
    return found


def draw(models: dict[str, tuple[str, ...]], rates: dict[str, Estimate]) -> None:
    """Draw the largest eigenvalue of J(k) along the axis on which its highest place is near 0 or 1/2; velocities."""
    figure = new_figure(11, 4.2)
    heights, moving = figure.subplots(1, 2)
    offsets = np.linspace(-0.1, 0.1, 41)
    for k, (name, words) in enumerate(models.items()):
        J = np.asarray(load_model(words).coupling)
        height = np.linalg.eigvalsh(transformed(J, FINE))[..., -1]
        at = np.array(np.unravel_index(np.argmax(height), height.shape)) / FINE
        apart = np.abs(at - np.round(2 * at) / 2)
        axis = int(np.argmin(apart))
        at[axis] = np.round(2 * at[axis]) / 2
        y = np.array([highest(J, at + step * np.eye(2)[axis]) for step in offsets])
        heights.plot(offsets, y / highest(J, at), color=COLOURS[k], ls=LINES[k], lw=1.8, label=name)
    heights.axvline(0, color="0.6", lw=0.8, zorder=0)
    heights.set(
        xlabel=r"$k / 2\pi$ less 0 or 1/2",
        ylabel="largest eigenvalue of J(k), over that at 0",
        title="(a) does J lean?",
    )
    heights.legend(frameon=False, fontsize=9)
    for k, rate in enumerate(rates.values()):
        errorbar(moving, k // 2, k, rate.value, rate.error, capsize=3)
    moving.axhline(0, color="0.6", lw=0.8, zorder=0)
    moving.set_xticks(range(len(rates)), [name.replace(", ", ",\n") for name in rates])
    moving.set(ylabel="phase of the wave, radians per unit of time", title="(b) does the pattern move?")
    moving.margins(x=0.15)
    print(save(figure, FIGURE))


def main() -> None:
    """Train, or do the rest."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    if "train" in sys.argv[1:]:
        train()
        return
    trained, bundled, rates = networks(), without(), {}
    for name, words in (bundled | averaged() | trained).items():
        told(name, words)
    first = {"flow/2": bundled["flow/2"]} | trained
    for name, words in first.items():
        rates |= drift(name, words, MELTS)
    draw(first, rates)
    for name, words in trained.items() if "equilibrium" in sys.argv[1:] else ():
        run(name, words)


if __name__ == "__main__":
    main()
