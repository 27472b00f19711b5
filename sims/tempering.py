"""Does replica exchange bring chains to equilibrium that do not come there by themselves?

Two cases.  First a frustrated lattice: the Ising model of ferromagnetic neighbours and antiferromagnetic next-nearest
ones (J2 = -0.7), whose four kinds of stripes local moves hardly turn into each other.  Then networks 0 and 1 of
`kuramoto_flow`, in which several waves compete.  Each time ladders are compared with plain chains of as many sweeps at
the lowest temperature, from ordered and from random starts.  Beside it: correlations between neighbouring temperatures
of a ladder, and what an exchange costs.

    python sims/tempering.py            the lattice and the costs, 2 minutes
    python sims/tempering.py 0 1        networks, some ten minutes each

Sweeps are kept in ``sims/output``, so that it continues.
"""

import sys
import time
from pathlib import Path

import numpy as np

from physnn import api, rng
from physnn.analysis.statistics.exchange import round_trips, swap_rates
from physnn.analysis.statistics.series import estimate_time
from physnn.answers.exchange import exchanges_of
from physnn.answers.fit import curves
from physnn.models import Ising, Lattice, LatticeModel, on_lattice
from physnn.models.tabulated import tabulated
from physnn.samplers import SAMPLERS, advance, start
from physnn.samplers.tempering import advance_ladder, start_ladder
from physnn.samples import files
from physnn.samples.equilibrium.order import find_order
from physnn.samples.equilibrium.recipe import record
from physnn.samples.named import identity, load_model
from physnn.store.sweep_file import read_sweep

L, J2, T = 12, -0.7, np.geomspace(0.8, 2.4, 12)
MEASUREMENTS, EVERY = 20_000, 20
"""Sweeps after a quarter as many, and sweeps between configurations."""
NETWORK_L, REACH, COUNT = 8, (0.6, 1.3), 14
"""Size, temperatures in units of that at which S(k) peaks first, and how many."""
RUN = {"sampler": "metropolis", "sweeps": 400, "thermalisation": 200, "interval": 8, "chains": 4, "start": "both"}
FOLDER = Path("sims/output/tempering")


def direction(configurations: np.ndarray) -> np.ndarray:
    """Difference of the squared stripe orders of columns and of rows, by configuration: 0 on average by symmetry."""
    s = 1.0 - 2.0 * configurations
    sign = (-1.0) ** np.arange(L)
    across, along = ((s * wave).mean((1, 2)) ** 2 for wave in (sign, sign[:, None]))
    return np.asarray(across - along)


def frustrated() -> None:
    """Direction of the stripes at the lowest temperature from four random starts, with and without exchange."""
    model, sampler = tabulated(Ising(), Lattice("square", (L, L)), J2), SAMPLERS["metropolis"]
    once, found = np.ones(len(T), np.int64), {"plain": [], "exchanged": []}
    for chain in range(4):
        seeds = rng.seed_sequence(chain, "user", "tempering")
        ladder = start_ladder(sampler, model, (L, L), T, seeds)
        advance_ladder(sampler, model, T, ladder, MEASUREMENTS // 4, once)
        rows = advance_ladder(sampler, model, T, ladder, MEASUREMENTS, once, EVERY)
        found["exchanged"].append(direction(rows.snapshots[0]))
        state = start(sampler, model, (L, L), float(T[0]), seeds)
        state.colours[:] = rng.generator(seeds).integers(0, 2, (L, L), np.int8)
        advance(sampler, model, float(T[0]), state, MEASUREMENTS // 4)
        found["plain"].append(direction(advance(sampler, model, float(T[0]), state, MEASUREMENTS, 1, EVERY).snapshots))
        print(f"  ladder {chain}: swap rates {swap_rates(rows.replicas).round(2)}, "
              f"round trips {round_trips(rows.replicas).sum()}")  # fmt: skip
    for name, series in found.items():
        values = np.array(series)
        each = " ".join(f"{mean:+.2f}" for mean in values.mean(1))
        tau = EVERY * estimate_time(values).tau.value
        print(f"J1-J2, L = {L}, T = {T[0]:.2f}, {name}: direction {each}; tau {tau:.0f} sweeps")


def correlations() -> None:
    """Correlation of neighbouring temperatures of ladders of the Ising model near T_c, by sampler."""
    for algorithm in ("metropolis", "wolff"):
        out = FOLDER / f"{algorithm}.h5"
        temperatures = np.linspace(2.0, 2.7, 13).round(4).tolist()
        settings = {"L": (16, 32), "T": temperatures, "sweeps": 4000, "tempering": "given", "algorithm": algorithm}
        files.run(api.recipe("temperature", **settings), out, jobs=1)
        for size, matrix in curves(out, "binder").correlation.items():
            beside = np.diag(matrix, 1)
            print(f"{algorithm}, L = {size}: correlation of neighbours {beside.min():.2f} to {beside.max():.2f}")


def cost() -> None:
    """Time of a ladder over that of plain chains of as many sweeps, on the square torus and on other lattices."""
    for name, size in (("metropolis", 16), ("metropolis", 64), ("heat-bath", 64), ("wolff", 32), ("wolff", 128)):
        print(f"{name}, L = {size}: {compared(name, Ising(), (size, size), 2.3, 4 if name == 'wolff' else 1)}")
    for kind, size in (("triangular", 8), ("triangular", 32), ("kagome", 8), ("cubic", 8), ("cubic", 16)):
        model = on_lattice(Ising(), Lattice(kind, (size,) * (3 if kind == "cubic" else 2)))
        for name in ("metropolis", "wolff"):
            said = compared(name, model, model.lattice.shape, model.critical_temperature)
            print(f"{name}, {kind}, L = {size}: {said}")


def compared(name: str, model: LatticeModel, shape: tuple[int, int], middle: float, interval: int = 1) -> str:
    """Time of the processor for a ladder of eight temperatures over that of plain chains, least of five by turns."""
    sampler, seeds = SAMPLERS[name], rng.seed_sequence(0, "user", "cost")
    temperatures = middle * np.linspace(0.9, 1.1, 8)
    ladder = start_ladder(sampler, model, shape, temperatures, seeds)
    states = [start(sampler, model, shape, float(t), seeds) for t in temperatures]
    intervals, count, times = np.full(8, interval), min(4000, max(20, 400_000 // np.prod(shape))), [[], []]
    for _ in range(6):
        began = time.process_time()
        for t, state in zip(temperatures, states, strict=True):
            advance(sampler, model, float(t), state, int(count), interval)
        times[0].append(time.process_time() - began)
        began = time.process_time()
        advance_ladder(sampler, model, temperatures, ladder, int(count), intervals)
        times[1].append(time.process_time() - began)
    plain, exchanged = (min(each[1:]) / count / 8 * 1e6 for each in times)
    return (
        f"ladder over plain chains {exchanged / plain:.2f}, {exchanged - plain:.1f} us more for a replica and exchange"
    )


def starts(path: Path) -> str:
    """Difference of energies and order parameters from random and ordered starts at the lowest T, in standard errors.

    Errors are of the chains' means over the second half, from the scatter between them.
    """
    group = read_sweep(path).sizes[NETWORK_L]
    said = []
    for name in ("energy", "m2"):
        means = group[name].values[0][:, RUN["sweeps"] // 2 :].mean(1)
        cold, hot = means[::2], means[1::2]
        error = np.hypot(cold.std(ddof=1) / len(cold) ** 0.5, hot.std(ddof=1) / len(hot) ** 0.5)
        each = " ".join(f"{m:.4f}" for m in means)
        said.append(f"{name} {each} (hot - cold {hot.mean() - cold.mean():+.4f} +- {error:.4f})")
    tau = estimate_time(group["m2"].values[0]).tau
    return f"{'; '.join(said)}; tau of m2 {tau}"


def network(number: int) -> None:
    """Ladders and plain chains of a network, from ordered and random starts."""
    words = ("network", f"kuramoto_flow/{number}")
    model = load_model(words)
    mean_field = float(np.linalg.eigvalsh(model.spectrum((16, 16))).max()) / model.components
    order = find_order(model, (16,), 0.3 * mean_field, 0, identity(model))
    temperatures = (order.T * np.geomspace(*REACH, COUNT)).round(5).tolist()
    print(
        f"kuramoto_flow/{number}: S(k) peaks first at T = {order.T:.4f}; ladder {temperatures[0]} to {temperatures[-1]}"
    )
    settings = RUN | {"L": (NETWORK_L,), "model": words, "order": record(order)}
    for name, more in (("exchanged", {"T": temperatures, "tempering": True}), ("plain", {"T": temperatures[:1]})):
        out = FOLDER / f"network-{number}-{name}.h5"
        files.run(api.recipe("equilibrium", **settings | more), out, jobs=1)
        print(f"  {name} at T = {temperatures[0]}: {starts(out)}")
        for each in exchanges_of(read_sweep(out)):
            print(f"  {each.sentence()}")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    if sys.argv[1:]:
        for word in sys.argv[1:]:
            network(int(word))
    else:
        frustrated()
        correlations()
        cost()
