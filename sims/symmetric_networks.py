"""What may couplings not do that know no left from right?  Networks with the symmetry of the square, beside others.

Source of the question: in networks of the family `flow` order with a unit cell of 4 x 2 sites melts into waves of
another length (`network_equilibrium.py`).  Here three networks are trained by
`physnn train kuramoto --family flow --point-group d4` and three without a group, all alike otherwise.  Beside them are
bundled networks, as they are and averaged over the group.

1. J is the same at offsets that the group takes into each other, to the last bit.
2. What that forbids: about k = 0 and k = 1/2 along either axis the largest eigenvalue of J(k) is even, so that waves
   lean to neither side.  Along another axis nothing is forbidden: -k is another wave.
3. Noise: where the task is lost, and where a domain is.
4. Equilibrium: short runs of three sizes through the loss of order, and the rules of `physnn decide`.
5. Whether the pattern moves: the phase of the largest wave under the network's own noisy steps.  It must not where J
   has an inversion, whatever the step; a coupling that is not reciprocal is the control that must.

    python sims/symmetric_networks.py [FOLDER] [PART...]

Parts: ``train``, ``couplings`` (1 and 2), ``noise`` (3), ``equilibrium`` (4) and ``figure`` (5), by default all of
them, 26 minutes of one core.  Networks and sweeps are kept in FOLDER, so that it continues.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

import physnn
from physnn import rng
from physnn.analysis.memory.forgetting import Forgetting
from physnn.analysis.order.equilibrium import whole_zone
from physnn.analysis.order.structure import Order, fitting_sizes, is_own_opposite, peak, written
from physnn.analysis.statistics.estimate import Estimate
from physnn.answers.decide import study
from physnn.answers.equilibrium import order_record
from physnn.answers.fit import equilibrium_checks
from physnn.answers.memory import forgetting
from physnn.api import sweep_equilibrium, sweep_memory
from physnn.figures.landscapes import LINES
from physnn.figures.style import COLOURS, MARKERS, errorbar, new_figure, save
from physnn.models.groups.kernels import moved_offsets
from physnn.models.groups.representations import PointGroup
from physnn.models.vectors import VectorModel
from physnn.networks.kuramoto.architecture import Architecture
from physnn.samples.equilibrium.order import find_order
from physnn.samples.equilibrium.recipe import record
from physnn.samples.named import identity, load_model
from physnn.store.network_file import read_networks
from physnn.store.sweep_file import read_sweep

FIGURE = Path("docs/figures/symmetric_networks.png")
RECIPE = {"family": "flow", "L": 20, "batch": 8, "pairs_per_epoch": 2816, "epochs": 8}
"""As the bundled family, but for smaller images in smaller batches: a fifteenth of the work."""
ARMS: dict[str, dict[str, str]] = {"d4": {"point_group": "d4"}, "small": {}}
"""Networks that are trained here, with the symmetry and without."""
SEEDS, BUNDLED = (0, 1, 2), (2, 3, 4)
"""Of the networks of each arm, and of those of `kuramoto_flow` whose order melts into other waves."""
FINE, COARSE = 256, 64
"""Sides of grids of wave vectors."""
SIDE, CHAINS, STEPS, DROPPED = 16, 16, 500, 100
"""Side of the lattices whose pattern is followed; their number; steps; dropped."""
GAMMA = 0.125
"""Step of the networks."""
MELTS = 0.2
"""Temperature at which `kuramoto_flow/2` loses its order."""
COLD, LAG = 0.8, 4
"""Temperature of the moving pattern over that at which order is lost, or S(k) peaks first; steps between looks."""
NOISE_SIZES, IMAGES = (20, 40), 24
TASK_ETA, MEMORY_ETA = np.linspace(0, 0.3, 13).round(4).tolist(), np.linspace(0.1, 0.8, 8).round(3).tolist()
MEMORY = {"replicas": 4, "longest": 256, "jobs": 1}
RANGE, QUARTERS = (8, 16), 1 / 32
"""Sizes that are tried; distance, in turns, up to which quarters of a turn stand for a k* that no two sizes hold."""
AROUND = np.linspace(0.8, 1.2, 5)
"""Temperatures of the short runs in units of that at which S(k) peaks first."""
RUNS = {"sampler": "metropolis", "chains": 4, "jobs": 1, "interval": 8, "sweeps": 200, "thermalisation": 50}
NEAR, LONG = np.linspace(0.955, 1.045, 6), RUNS | {"sweeps": 700, "thermalisation": 100}
"""Temperatures of long runs over that at which short ones lose order, where nothing can lean; their lengths."""
PUSH = 0.5
"""Part of the coupling to the next row that is not reciprocal, in units of the largest entry of J, in the control."""


def networks(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the words of the networks that are trained, by name."""
    every = [f"{arm}/{seed}" for arm in ARMS for seed in SEEDS]
    places = {name: network_file(folder, name) for name in every}
    return {name: ("network", f"{path}/{name[-1]}") for name, path in places.items() if path.exists()}


def network_file(folder: Path, name: str) -> Path:
    """Return the file of a network that is trained here."""
    return folder / f"{name.replace('/', '_')}.h5"


def averaged(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the words of the bundled networks' couplings, averaged over the group, by name."""
    found = {}
    for seed in BUNDLED:
        path = folder / f"averaged_{seed}.npy"
        J = np.asarray(load_model(("network", f"kuramoto_flow/{seed}")).coupling)
        np.save(path, Architecture(*J.shape[1:3], point_group="d4").averaged(J))
        found[f"averaged/{seed}"] = ("coupling", str(path))
    return found


def without() -> dict[str, tuple[str, ...]]:
    """Return the words of the bundled networks as they are, by name."""
    return {f"flow/{seed}": ("network", f"kuramoto_flow/{seed}") for seed in BUNDLED}


def train(folder: Path) -> None:
    """Train what is not there yet."""
    for seed in SEEDS:
        for arm, group in ARMS.items():
            out = network_file(folder, f"{arm}/{seed}")
            path = physnn.train_kuramoto((seed,), out=out, jobs=1, **RECIPE, **group)
            print(f"{arm}/{seed}: validation RMSE {read_networks(path).validation_rmse[0]:.4f}", flush=True)


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


def velocity(J: np.ndarray, T: float, k: tuple[int, int], name: str) -> np.ndarray:
    """Return the rates at which the phase of a wave turns, in radians per unit of time, in independent lattices.

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
    return np.angle(turned) / (GAMMA * LAG)


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
    """Return an order, or that at the nearest quarters of a turn where no two sizes hold it."""
    if len(fitting_sizes(order.wave_vectors, *RANGE)) > 1:
        return order
    near = tuple(tuple(Fraction(round(4 * turns), 4) for turns in k) for k in order.wave_vectors)
    off = max(abs(a - b) for k, q in zip(order.wave_vectors, near, strict=True) for a, b in zip(k, q, strict=True))
    return replace(order, wave_vectors=tuple((a % 1, b % 1) for a, b in near)) if off <= QUARTERS else order


def sizes_for(order: Order) -> tuple[int, ...]:
    """Return up to three sizes that hold an order, over as wide a factor as there is."""
    fitting = fitting_sizes(order.wave_vectors, *RANGE)
    middle = min(fitting, key=lambda L: abs(np.log(L**2 / (fitting[0] * fitting[-1]))))
    return tuple(sorted({fitting[0], middle, fitting[-1]}))


def short_run(folder: Path, name: str) -> Path:
    """Return the file of the short runs of a network."""
    return folder / f"{name.replace('/', '_')}_short.h5"


def run(folder: Path, name: str, words: tuple[str, ...]) -> None:
    """Run what of a network has no file yet, and print peaks, leans and the verdict."""
    path, model = short_run(folder, name), load_model(words)
    if not path.exists():
        mean_field = float(np.linalg.eigvalsh(model.spectrum((SIDE, SIDE))).max()) / model.components
        found = find_order(model, (SIDE,), 0.3 * mean_field, 0, identity(model))
        order, T = held(found.order), (found.T * AROUND).round(5).tolist()
        print(f"{name}: mean-field T = {mean_field:.4f}; S(k) peaks first at T = {found.T:.4f}, "
              f"{written_order(found.order)}, {'' if found.resolved else 'not '}resolved; measured at "
              f"{written_order(order)}; {len(found.metastable)} starts stay elsewhere")  # fmt: skip
        if len(fitting_sizes(order.wave_vectors, *RANGE)) < 2:
            print(f"  undecided: no two sizes from {RANGE[0]} to {RANGE[1]} hold that", flush=True)
            return
        sweep_equilibrium(sizes_for(order), T, out=path, model=words, order=record(replace(found, order=order)), **RUNS)
    verdict(name, path)
    sweep = read_sweep(path)
    if all(is_own_opposite(k) for k in order_record(sweep).order().wave_vectors):
        T, longer = (crossing(path) * NEAR).round(5).tolist(), path.with_stem(f"{path.stem}_long")
        sweep_equilibrium(tuple(sweep.sizes), T, out=longer, model=words, order=sweep.recipe["order"], **LONG)
        verdict(f"{name}, long", longer)


def verdict(name: str, path: Path) -> None:
    """Print whether runs are in equilibrium, where S(k) peaks and leans, and the verdict."""
    sweep = read_sweep(path)
    for c in equilibrium_checks(sweep):
        print(f"    L = {c.L}, T = {c.T:.4f}: t_conf/T = {c.thermometer.t_conf.value / c.T:.3f}, tau = {c.tau:.0f}, "
              f"{c.effective_samples:.0f} draws, starts differ by {c.hot_cold:.1f} errors")  # fmt: skip
    for T_, at, row, column in leans(path):
        print(f"    T = {T_:.4f}: S peaks at {at}/{max(sweep.sizes)}, leans {row} along rows, {column} along columns")
    one = study([path]).files[0]
    print(f"{name}: k* / 2 pi = {one.order}, n = {one.evidence.components}, L = {', '.join(map(str, sweep.sizes))}")
    print(f"  {one.decision.kind}. {one.decision.reason}")
    print(f"  T_c = {one.evidence.critical_point}, 1/nu = {one.evidence.inverse_nu}", flush=True)


def ratio(m2: np.ndarray, beside: np.ndarray, L: int) -> float:
    """Return xi/L without an error."""
    return max(1e-6, m2.mean() / beside.mean() - 1) ** 0.5 / (2 * np.sin(np.pi / L) * L)


def crossing(path: Path) -> float:
    """Return the highest temperature below which xi/L of the largest size is above that of the smallest."""
    sizes = read_sweep(path).sizes
    both = [sizes[min(sizes)], sizes[max(sizes)]]
    T = both[0]["T"].values
    small, large = (
        np.log([ratio(m2, s, L) for m2, s in zip(g["m2"].values, g["s_kmin"].values, strict=True)])
        for L, g in zip((min(sizes), max(sizes)), both, strict=True)
    )
    k = int(np.flatnonzero(large > small)[-1])
    gap = (large - small)[k : k + 2]
    return float(T[k] + (T[k + 1] - T[k]) * gap[0] / (gap[0] - gap[1])) if k + 1 < len(T) else float(T[-1])


def written_order(order: Order) -> str:
    """Return the wave vectors of an order in turns."""
    return " and ".join(written(k) for k in order.wave_vectors)


def noise(folder: Path) -> dict[str, Forgetting]:
    """Print where each network loses its task and a domain, and return it by name."""
    every = {}
    for name in networks(folder):
        path, (arm, seed) = network_file(folder, name), name.split("/")
        task, memory = (folder / f"{arm}_{seed}_{kind}.h5" for kind in ("task", "memory"))
        physnn.sweep_noise(NOISE_SIZES, out=task, networks=[str(path)], eta=TASK_ETA, images=IMAGES, jobs=1)
        sweep_memory(NOISE_SIZES, out=memory, networks=[str(path)], eta=MEMORY_ETA, **MEMORY)
        fit, (L, found) = physnn.fit(task, "rmse"), forgetting(read_sweep(task), read_sweep(memory))
        every[name] = found[0]
        print(f"{name}: L = {L}, eta_task = {found[0].task}, eta_order = {found[0].order}, ratio {found[0].ratio}")
        print(f"  {fit.verdict}; {fit.reason}", flush=True)
    return every


def drift(folder: Path, name: str, words: tuple[str, ...], T: float, control: bool) -> dict[str, Estimate]:
    """Print how fast the largest wave turns, and in the control."""
    J, found = np.asarray(load_model(words).coupling), {}
    height = np.linalg.eigvalsh(transformed(J, SIDE))[..., -1]
    k = tuple(int(i) for i in np.unravel_index(np.argmax(height), height.shape))
    kinds = {name: J} | ({f"{name}, pushed": pushed(J, int(not k[0]))} if control else {})
    for kind, coupling in kinds.items():
        path = folder / f"{kind.replace('/', '_').replace(', ', '_')}_turns.npy"
        if not path.exists():
            np.save(path, velocity(coupling, COLD * T, k, name))
        found[kind] = mean(np.load(path))
        print(f"  {kind}: wave {k}/{SIDE} turns by {found[kind]} a unit of time"
              f" ({found[kind].value / found[kind].error:+.1f} errors), T = {COLD * T:.3f}", flush=True)  # fmt: skip
    return found


def peaks_first(folder: Path, name: str) -> float:
    """Return the temperature at which S(k) of a network peaks first, from its short runs."""
    sweep = read_sweep(short_run(folder, name))
    return float(next(iter(sweep.sizes.values()))["T"].values[0] / AROUND[0])


def draw_leans(axes: Axes, models: dict[str, tuple[str, ...]]) -> None:
    """Draw the largest eigenvalue of J(k) along the axis on which its highest place is near 0 or 1/2."""
    offsets = np.linspace(-0.1, 0.1, 41)
    for k, (name, words) in enumerate(models.items()):
        J = np.asarray(load_model(words).coupling)
        height = np.linalg.eigvalsh(transformed(J, COARSE))[..., -1]
        at = np.array(np.unravel_index(np.argmax(height), height.shape)) / COARSE
        apart = np.abs(at - np.round(2 * at) / 2)
        axis = int(np.argmin(apart))
        at[axis] = np.round(2 * at[axis]) / 2
        y = np.array([highest(J, at + step * np.eye(2)[axis]) for step in offsets])
        axes.plot(offsets, y / highest(J, at), color=COLOURS[k], ls=LINES[k % len(LINES)], lw=1.8, label=name)
    axes.axvline(0, color="0.6", lw=0.8, zorder=0)
    axes.set(
        xlabel=r"$k / 2\pi$ less 0 or 1/2",
        ylabel="largest eigenvalue of J(k), over that at 0",
        title="(a) does J lean?",
    )
    axes.set_xticks([-0.1, -0.05, 0, 0.05, 0.1])
    axes.legend(frameon=False, fontsize=8)


def draw_order(axes: Axes, folder: Path, name: str, k: int) -> None:
    """Draw the order parameter of a network at its largest and smallest size, errors over chains."""
    sizes = read_sweep(short_run(folder, name)).sizes
    for L, line in ((max(sizes), "-"), (min(sizes), "--")):
        found = [mean(chains.mean(1)) for chains in sizes[L]["m2"].values]
        T = sizes[L]["T"].values / peaks_first(folder, name)
        style = {"color": COLOURS[k], "ls": line, "lw": 1.2, "capsize": 2, "marker": MARKERS[k], "ms": 4}
        axes.errorbar(T, [e.value for e in found], [e.error for e in found], label=f"{name}, L = {L}", **style)


def draw(folder: Path) -> None:
    """Draw whether J leans, whether patterns move, where noise destroys what, and how order goes."""
    trained = networks(folder)
    models, rates = {"flow/2": without()["flow/2"]} | trained, {}
    for name, words in models.items():
        T = MELTS if name == "flow/2" or not short_run(folder, name).exists() else peaks_first(folder, name)
        rates |= drift(folder, name, words, T, name in ("flow/2", "d4/0"))
    figure = new_figure(11, 8.4)
    (heights, moving), (lost, ordered) = figure.subplots(2, 2)
    draw_leans(heights, models)
    for k, rate in enumerate(rates.values()):
        errorbar(moving, list(models).index(list(rates)[k].split(",")[0]), k, rate.value, rate.error, capsize=3)
    moving.axhline(0, color="0.6", lw=0.8, zorder=0)
    moving.set_xticks(range(len(rates)), [name.replace(", ", ",\n") for name in rates], rotation=60, fontsize=8)
    moving.set(ylabel="phase of the wave, radians per unit of time", title="(b) does the pattern move?")
    for k, (name, f) in enumerate(noise(folder).items()):
        for shift, threshold, fill in ((0, f.task, "full"), (0.15, f.order, "none")):
            eta, error = threshold.eta.value, np.nan_to_num(threshold.eta.error)
            marker = {"above": "^", "below": "v"}.get(threshold.bound, "o")
            if threshold.bound != "never there":
                lost.errorbar(
                    k + shift, eta, error, marker=marker, fillstyle=fill, color=COLOURS[list(models).index(name)]
                )
    lost.set_xticks(range(len(trained)), list(trained), fontsize=9)
    lost.set(ylabel=r"noise $\eta$", title="(c) task (full) and domain (open) are lost", ylim=(0, None))
    for name in trained:
        if short_run(folder, name).exists():
            draw_order(ordered, folder, name, list(models).index(name))
    ordered.set(
        xlabel="temperature over that at which S(k) peaks first",
        ylabel=r"$|\psi|^2$ at the wave vectors of the order",
        title="(d) how order goes",
        yscale="log",
    )
    ordered.legend(frameon=False, fontsize=8)
    print(save(figure, FIGURE))


def couplings(folder: Path) -> None:
    """Print what J forbids and where it is largest, of all networks."""
    for name, words in (without() | averaged(folder) | networks(folder)).items():
        told(name, words)


def equilibrium(folder: Path) -> None:
    """Run all networks through the loss of order, and print the verdicts."""
    for name, words in networks(folder).items():
        run(folder, name, words)


PARTS: dict[str, Callable[[Path], Any]] = {
    "train": train,
    "couplings": couplings,
    "noise": noise,
    "equilibrium": equilibrium,
    "figure": draw,
}


def main() -> None:
    """Do the parts that are named, or all."""
    words = [word for word in sys.argv[1:] if word not in PARTS]
    folder = Path(words[0] if words else "sims/output/symmetric_networks")
    folder.mkdir(parents=True, exist_ok=True)
    for name in [word for word in sys.argv[1:] if word in PARTS] or list(PARTS):
        begun = time.process_time()
        PARTS[name](folder)
        print(f"{name}: {time.process_time() - begun:.0f} s of one core", flush=True)


if __name__ == "__main__":
    main()
