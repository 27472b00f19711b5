"""In which universality class is the loss of order of trained networks?  Equilibrium of the `flow` family.

Source of the question: N. Iqbal and M. Welling, "Topological defects propagate information in deep neural networks",
section 3 and A.3: a transition that is "definitely not 2d Ising", networks that differ in alpha, repeating unit cells.
Networks of the family `flow` go down an energy, so their noisy dynamics has an equilibrium; those of the family `paper`
do not, and are left out.

For each network: where S(k) peaks first on cooling (k*, T*), sizes that hold k*, long runs about T* from ordered and
from random starts, and the rules of `physnn decide`, which were written before.  Where no two sizes hold k*, the order
is measured at quarters of a turn nearby, which they hold; S(k) tells whether it peaks there.  One network is run again
by Langevin dynamics at two steps, and two models whose answers are known go through the same: one coupled component,
in the Ising class, and an XY model of as many neighbours and components as the networks have.

    python sims/network_equilibrium.py            an hour and a quarter on two cores

Sweeps are kept in ``sims/output``, so that it continues.
"""

import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from physnn.analysis.anomalous_dimension import anomalous_dimension
from physnn.analysis.equilibrium import whole_zone
from physnn.analysis.estimate import Estimate
from physnn.analysis.structure import Order, contrast, fitting_sizes, peak, written
from physnn.api import equilibrium_recipe, sweep_equilibrium
from physnn.bundled import resolve
from physnn.decisions import study
from physnn.errors import InputError
from physnn.figures.style import COLOURS, look, new_figure, save
from physnn.report import curves, equilibrium_checks, fit
from physnn.store.network_file import read_networks
from physnn.store.sweep_file import SweepFile, read_sweep
from physnn.sweeps.equilibrium_recipe import OrderRecord, record
from physnn.sweeps.order import find_order
from physnn.sweeps.vector_models import identity, load_model

NETWORKS = "kuramoto_flow"
RANGE = (8, 18)
"""Sizes that are tried."""
QUARTERS = 1 / 32
"""Distance, in turns, up to which multiples of a quarter turn stand for a k* that no two sizes hold."""
AROUND = np.linspace(0.85, 1.4, 7)
"""Temperatures, in units of T*."""
CLOSE = np.array([0.97, 1.0, 1.03])
"""Further ones, in units of the crossing of xi/L."""
BELOW = np.linspace(0.3, 0.8, 7)
"""Temperatures where no peak is resolved, in units of the mean-field transition."""
LENGTHS = {"sampler": "metropolis", "chains": 4, "jobs": 2}
LONG, FROZEN = ({"sweeps": 2000, "thermalisation": 400}, {"sweeps": 500, "thermalisation": 150})
"""Measurements where all starts meet at the lowest temperature, and where they do not, nor would in longer runs."""
SHORT = {"sampler": "metropolis", "start": "ordered", "chains": 4, "sweeps": 300, "interval": 4, "thermalisation": 0}
"""Short runs from order at a larger size."""
LARGE, TUNED, WINDOWS = 28, 1000, ((0, 75), (200, 300))
"""That size, the sweeps before in which moves are tuned, and measurements between which a power of time is taken."""
CONTROL = (("diagonal", "1", "0"), (8, 12, 16, 24), np.linspace(1.2, 1.36, 7))
WIDE = (16, 5), (8, 16), np.array([0.8, 0.9, 1.0, 1.1, 1.25])
"""Components and side of a coupling that is the same for two of them and all neighbours; sizes; temperatures in units
of the mean-field transition.  By symmetry it is the XY model."""
FOLDER = Path("sims/output/network_equilibrium")
FIGURE = Path("docs/figures/network_equilibrium.png")


def held(order: Order) -> Order:
    """Return an order, or that at the nearest quarters of a turn where no two sizes hold it."""
    if len(fitting_sizes(order.wave_vectors, *RANGE)) > 1:
        return order
    near = tuple(tuple(Fraction(round(4 * turns), 4) for turns in k) for k in order.wave_vectors)
    off = max(abs(a - b) for k, q in zip(order.wave_vectors, near, strict=True) for a, b in zip(k, q, strict=True))
    return replace(order, wave_vectors=tuple((a % 1, b % 1) for a, b in near)) if off <= QUARTERS else order


def sizes_for(waves) -> tuple[int, ...]:
    """Return up to three sizes that hold an order, over as wide a factor as there is."""
    fitting = fitting_sizes(waves, *RANGE)
    low, high = fitting[0], fitting[-1]
    middle = min(fitting, key=lambda L: abs(np.log(L**2 / (low * high))))
    return tuple(sorted({low, middle, high}))


def place(words: tuple[str, ...]) -> tuple[list[float], tuple[int, ...], OrderRecord]:
    """Return temperatures about T*, sizes and order of a model, and print them."""
    model = load_model(words)
    mean_field = float(np.linalg.eigvalsh(model.spectrum((16, 16))).max()) / model.components
    first = find_order(model, (16,), 0.3 * mean_field, 0, identity(model))
    T = (first.T * AROUND).round(5).tolist()
    found = find_order(model, (16,), min(T), 0, identity(model))
    if not found.resolved:
        T, found = (mean_field * BELOW).round(5).tolist(), first
    order = held(found.order)
    told = [" and ".join(written(k) for k in each.wave_vectors) for each in (found.order, order)]
    resolved = "resolved" if found.resolved else "not resolved"
    print(f"{' '.join(words)}: k* / 2 pi = {told[0]}, {resolved} at T = {found.T:.4f} of mean-field {mean_field:.4f}")
    print(f"  measured at {told[1]}, n = {order.components}")
    print(f"  at T = {min(T):.4f} {len(found.metastable)} starts stay elsewhere")
    return T, sizes_for(order.wave_vectors), record(replace(found, order=order))


def closer(path: Path, sizes: tuple[int, ...], T: list[float], settings: dict[str, Any]) -> None:
    """Add temperatures where the curves of xi/L cross, if they do, once."""
    if len(read_sweep(path).recipe["T"]) > len(T):
        return
    try:
        collapse = fit(path, "xi_over_L").collapse
    except InputError:
        return
    if collapse:
        more = (collapse.critical_point.value * CLOSE).round(5).tolist()
        sweep_equilibrium(sizes, sorted({*T, *more}), **settings)


def mean(values: np.ndarray) -> Estimate:
    """Return the mean of independent values with Student's error."""
    n = len(values)
    return Estimate.student(float(values.mean()), float(values.std(ddof=1)) / n**0.5, n - 1)


def starts(sweep: SweepFile, L: int, T: int) -> tuple[Estimate, Estimate, Estimate, Estimate]:
    """Return energy and |psi|^2 of chains that began ordered, and at random, over the second half of the run."""
    group, found = sweep.sizes[L], []
    for name in ("energy", "m2"):
        series = group[name].values[T]
        for begun in (0, 1):
            found.append(mean(series[begun::2, series.shape[1] // 2 :].mean(1)))
    return tuple(found)


def tell(path: Path) -> None:
    """Print what is known of equilibrium, of both starts, and where S(k) peaks."""
    sweep = read_sweep(path)
    known = {(c.L, c.T): c for c in equilibrium_checks(sweep)}
    print("  L, T, t_conf/T, tau, independent draws, hot - cold; E and m2, ordered and random starts; peak; U4, xi/L")
    n = max(int(g["m2"].attrs.get("components", 1)) for g in sweep.sizes.values())
    for L, group in sweep.sizes.items():
        for t, T in enumerate(group["T"].values):
            c = known[L, float(T)]
            S = whole_zone(group["structure"].values[t].mean(0))
            e, f, m, r = starts(sweep, L, t)
            m2, beside = group["m2"].values[t], group["s_kmin"].values[t]
            binder = 1 - n / (n + 2) * np.mean(m2**2) / np.mean(m2) ** 2
            xi = max(0, m2.mean() / beside.mean() - 1) ** 0.5 / (2 * np.sin(np.pi / L) * L)
            where = f"({peak(S)[0]}, {peak(S)[1]})/{L}, {contrast(S):.1f}; {binder:.3f}, {xi:.2f}"
            print(f"  {L:3d} {T:7.4f} {c.thermometer.t_conf.value / T:8.4f} {c.tau:6.0f} {c.effective_samples:8.0f}"
                  f" {c.hot_cold:10.1f}  {e!s:>14} {f!s:>14} {m.value:9.4f} {r.value:9.4f}  {where}")  # fmt: skip


def other_steps(words: tuple[str, ...], L: int, T: list[float], reference: Path) -> None:
    """Print energies by Langevin dynamics at the default step and half of it, beside those of Metropolis."""
    base = equilibrium_recipe(L=(L,), T=T, model=words, order=read_sweep(reference).recipe["order"])
    assert base.gamma is not None
    known = read_sweep(reference).sizes[L]["T"].values
    for factor in (1.0, 0.5):
        path = FOLDER / f"langevin_{factor:g}.h5"
        settings = {"order": base.order, "gamma": base.gamma * factor, "interval": round(100 / factor), "chains": 4}
        sweep_equilibrium((L,), T, out=path, jobs=2, model=words, sweeps=400, thermalisation=100, **settings)
        for t, value in enumerate(T):
            e, f = starts(read_sweep(path), L, t)[:2]
            at = int(np.argmin(np.abs(known - value)))
            g, h = starts(read_sweep(reference), L, at)[:2]
            said = f"gamma = {base.gamma * factor:.4g}, L = {L}, T = {value:.4f}"
            print(f"  Langevin, {said}: E = {e}, {f}; Metropolis {g}, {h}")


def short_times() -> np.ndarray:
    """Return sweeps since the start at which short runs were measured."""
    return TUNED + SHORT["interval"] * np.arange(1, SHORT["sweeps"] + 1)


def power(m2: np.ndarray) -> Estimate:
    """Return the power of time with which |psi|^2 of shape (chains, measurements) decays, by chains."""
    time_ = short_times()
    ends = [slice(first, last) for first, last in WINDOWS]
    logs = [np.log(m2[:, end].mean(1)) for end in ends]
    slopes = (logs[0] - logs[1]) / np.log(time_[ends[1]].mean() / time_[ends[0]].mean())
    return mean(slopes)


def relax(words: tuple[str, ...], T: list[float], order: OrderRecord, path: Path) -> None:
    """Print how order decays in time at a size that does not come to equilibrium.

    At a critical point |psi|^2 falls as t^(-eta / z), below it stays, above it falls at last exponentially.
    """
    sweep_equilibrium((LARGE,), T, out=path, model=words, order=order, jobs=2, **SHORT)
    print(f"  L = {LARGE}, from order: power of time with which |psi|^2 falls")
    for t, m2 in zip(T, read_sweep(path).sizes[LARGE]["m2"].values, strict=True):
        print(f"    T = {t:.4f}: {power(m2)}")


def draw_relaxation(axes, path: Path) -> None:
    """Draw |psi|^2 against time, one line a temperature."""
    group = read_sweep(path).sizes[LARGE]
    time_ = short_times()
    for k, (T, m2) in enumerate(zip(group["T"].values, group["m2"].values, strict=True)):
        axes.semilogy(time_, m2.mean(0), color=COLOURS[k], lw=1.2, label=f"T = {T:.3f}")
    axes.set(xlabel="time (sweeps)", title=f"from order, L = {LARGE}", ylim=(1e-3, 1.1), xlim=(TUNED, 1.45 * time_[-1]))
    axes.legend(frameon=False, fontsize=6, loc="upper right")


def draw(paths: dict[str, Path]) -> None:
    """Draw |psi|^2 against temperature from both starts, and its decay from order, one column a network."""
    figure = new_figure(3.2 * len(paths), 6.6)
    rows = figure.subplots(2, len(paths), squeeze=False)
    for k, (axes, below, (name, path)) in enumerate(zip(*rows, paths.items(), strict=True)):
        sweep = read_sweep(path)
        draw_relaxation(below, path.with_name(f"{path.stem}_relax.h5"))
        for j, (L, group) in enumerate(sweep.sizes.items()):
            colour, marker = look(j)
            T = group["T"].values
            both = [starts(sweep, L, t)[2:] for t in range(len(T))]
            for begun, fill in ((0, colour), (1, "none")):
                y, error = [b[begun].value for b in both], [b[begun].error for b in both]
                label = f"L = {L}" if begun == 0 else None
                style = {"color": colour, "marker": marker, "mfc": fill, "ms": 4, "lw": 1, "capsize": 2}
                axes.errorbar(T, y, error, label=label, **style)
        axes.set(xlabel="temperature $T$", title=name)
        axes.legend(frameon=False, fontsize=8)
        if not k:
            axes.set_ylabel(r"$|\psi|^2$; filled: ordered start, open: random")
            below.set_ylabel(r"$|\psi|^2$")
    print(save(figure, FIGURE))


def wide(path: Path) -> None:
    """Run the XY model with many neighbours and idle components: where are U4 and xi/L at these sizes?"""
    (components, side), sizes, T = WIDE
    J = np.zeros((components, components, side, side))
    J[0, 0] = J[1, 1] = 1 / (side**2 - 1)
    J[:, :, side // 2, side // 2] = 0
    file = path.with_suffix(".npy")
    np.save(file, J)
    sweep_equilibrium(
        sizes, (T / components).tolist(), out=path, model=("coupling", str(file)), **LENGTHS | LONG | {"interval": 4}
    )


def main() -> None:
    """Run every network that has no file yet, and print what is found."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    paths = {}
    for seed in read_networks(resolve(NETWORKS)).seeds:
        begun, words = time.perf_counter(), ("network", f"{NETWORKS}/{seed}")
        T, sizes, order = place(words)
        paths[f"seed {seed}"] = path = FOLDER / f"seed{seed}.h5"
        lengths = LENGTHS | (FROZEN if order.metastable else LONG)
        settings = {"out": path, "model": words, "order": order, "extend": True, **lengths}
        sweep_equilibrium(sizes, T, **settings)
        closer(path, sizes, T, settings)
        print(f"  {time.perf_counter() - begun:.0f} s")
        tell(path)
        relax(words, T, order, path.with_name(f"{path.stem}_relax.h5"))
        if seed == 0:
            other_steps(words, sizes[0], T[-3:], path)
    control = FOLDER / "control.h5"
    sweep_equilibrium(
        CONTROL[1], CONTROL[2].tolist(), out=control, model=CONTROL[0], **LENGTHS | LONG | {"sweeps": 8000}
    )
    two = FOLDER / "wide.h5"
    wide(two)
    together, known = study(list(paths.values())), study([control, two])
    every = {**paths, "control": control, "two of 16 components, 5 x 5": two}
    for (name, path), one in zip(every.items(), (*together.files, *known.files), strict=True):
        print(f"{name}: k* / 2 pi = {one.order}, n = {one.evidence.components}")
        print(f"  {one.decision.kind}. {one.decision.reason}")
        for observable, reason in one.evidence.reasons.items():
            print(f"    {observable}: {one.evidence.verdicts[observable]}; {reason}")
        for plane, met in (one.evidence.planes or {}).items():
            print(f"    plane of {plane}: {met.as_json()}")
        try:
            etas = anomalous_dimension(curves(path, "m_abs"))
            print("    eta of <|psi|> ~ L^(-eta/2):", ", ".join(f"{e} at T = {T:g}" for T, e in etas.items()))
        except InputError as error:
            print(f"    eta: {error}")
    print(f"T_c of all: {together.critical_point}; 1/nu: {together.inverse_nu}; eta: {together.eta}")
    draw(paths)


if __name__ == "__main__":
    main()
