"""In which universality class is the loss of order of trained networks?  Equilibrium of the `flow` family.

Source of the question: N. Iqbal and M. Welling, "Topological defects propagate information in deep neural networks",
section 3 and A.3: a transition that is "definitely not 2d Ising", networks that differ in alpha, repeating unit cells.
Networks of the family `flow` go down an energy, so their noisy dynamics has an equilibrium; those of the family `paper`
do not, and are left out.

For each network: where S(k) peaks first on cooling (k*), short runs that tell where the curves of xi/L of two sizes
cross, long runs about that place from ordered and from random starts, of three sizes that hold k*, and the rules of
`physnn decide`, which were written before.  Where no two sizes hold k*, the order is measured at quarters of a turn
nearby, which they hold; S(k) tells whether it peaks there.  Networks whose chains forget slowly are run at smaller
sizes.  All are Metropolis with over-relaxation, which has no step.  One network is run again by Langevin dynamics at
two steps; all are followed from order at a larger size by Langevin dynamics, which is the network's own.  Two models
whose answers are known go through the same: one coupled component, in the Ising class, and an XY model of as many
neighbours and components as the networks have.

    python sims/network_equilibrium.py            an hour and a quarter on two cores
    python sims/network_equilibrium.py 2 3        these networks alone

Sweeps are kept in ``sims/output``, so that it continues.
"""

import sys
import time
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from physnn.analysis.order.decision import anomalous_dimension
from physnn.analysis.order.equilibrium import whole_zone
from physnn.analysis.order.structure import Order, fitting_sizes, peak, peak_contrast, placed, written
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.pooled import pooled
from physnn.analysis.statistics.series import estimate_time
from physnn.answers.decide import Decided, study
from physnn.answers.fit import curves, equilibrium_checks, fit
from physnn.api import recipe, sweep_equilibrium
from physnn.errors import InputError
from physnn.figures.style import COLOURS, look, new_figure, save
from physnn.samples.equilibrium.order import find_order
from physnn.samples.equilibrium.recipe import OrderRecord, record
from physnn.samples.named import identity, load_model
from physnn.shipped import resolve
from physnn.store.network_file import read_networks
from physnn.store.sweep_file import SweepFile, read_sweep

NETWORKS = "kuramoto_flow"
RANGE = (8, 32), (8, 20)
"""Sizes that are tried, and those where chains forget slowly."""
QUARTERS = 1 / 32
"""Distance, in turns, up to which multiples of a quarter turn stand for a k* that no two sizes hold."""
PAIR, AROUND = (8, 16), np.linspace(0.8, 1.25, 7)
"""Sizes and temperatures of the short runs; these in units of that at which S(k) peaks first."""
DISORDERED = 0.3
"""xi/L of the larger size below which temperatures need not go up further."""
NEAR = np.linspace(0.955, 1.045, 6)
"""Temperatures of the long runs, in units of that at which short ones lose order or equilibrium."""
METROPOLIS = {"sampler": "metropolis", "chains": 4, "jobs": 2, "interval": 8}
FIRST = METROPOLIS | {"sweeps": 400, "thermalisation": 200}
LONG, SLOWER = (METROPOLIS | {"sweeps": n, "thermalisation": dropped} for n, dropped in ((3000, 200), (2000, 400)))
"""The latter where chains forget slowly, so that neither would be long enough."""
APART = 5
"""Standard errors from which starts disagree."""
SLOW = 40
"""Measurements of the short runs that an autocorrelation time is then longer than, somewhere about the crossing."""
FROM_ORDER = {"start": "ordered", "chains": 4, "jobs": 2, "sweeps": 300, "interval": 100, "thermalisation": 0}
"""Langevin runs from order at a larger size."""
LARGE, WINDOWS = 64, ((20, 40), (200, 300))
"""That size, and measurements between which a power of time is taken."""
CONTROL = ("diagonal", "1", "0"), (8, 16, 32), np.linspace(1.2, 1.36, 7)
WIDE = (16, 5), (8, 16, 32), np.array([0.8, 0.9, 0.95, 1.0, 1.05, 1.1])
"""Components and side of a coupling that is the same for two of them and all neighbours; sizes; temperatures in units
of the mean-field transition.  By symmetry it is the XY model."""
FOLDER = Path("sims/output/network_equilibrium")
FIGURE = Path("docs/figures/network_equilibrium.png")


def held(order: Order) -> Order:
    """Return an order, or that at the nearest quarters of a turn where no two sizes hold it."""
    if len(fitting_sizes(order.wave_vectors, *RANGE[1])) > 1:
        return order
    near = tuple(tuple(Fraction(round(4 * turns), 4) for turns in k) for k in order.wave_vectors)
    off = max(abs(a - b) for k, q in zip(order.wave_vectors, near, strict=True) for a, b in zip(k, q, strict=True))
    return replace(order, wave_vectors=tuple((a % 1, b % 1) for a, b in near)) if off <= QUARTERS else order


def sizes_for(waves, between: tuple[int, int]) -> tuple[int, ...]:
    """Return up to three sizes that hold an order, over as wide a factor as there is."""
    fitting = fitting_sizes(waves, *between)
    low, high = fitting[0], fitting[-1]
    middle = min(fitting, key=lambda L: abs(np.log(L**2 / (low * high))))
    return tuple(sorted({low, middle, high}))


def look_for(words: tuple[str, ...], T: float) -> tuple[OrderRecord, float]:
    """Return the order of a model by cooling to T, with where S(k) peaks first, and print it."""
    model = load_model(words)
    found = find_order(model, (16,), T, 0, identity(model))
    order = held(found.order)
    told = [" and ".join(written(k) for k in each.wave_vectors) for each in (found.order, order)]
    resolved = "resolved" if found.resolved else "not resolved"
    print(f"{' '.join(words)}: k* / 2 pi = {told[0]}, {resolved} at T = {found.T:.4f}, measured at {told[1]},"
          f" n = {order.components}; {len(found.metastable)} starts stay elsewhere at {T:.4f}")  # fmt: skip
    return record(replace(found, order=order)), found.T


def plane(group, T: int, L: int) -> tuple[float, float]:
    """Return U4 and xi/L at the temperature of a position, without errors."""
    m2, beside = (group[name].values[T] for name in ("m2", "s_kmin"))
    n = int(group["m2"].attrs["components"])
    xi = max(1e-6, m2.mean() / beside.mean() - 1) ** 0.5 / (2 * np.sin(np.pi / L) * L)
    return float(1 - n / (n + 2) * np.mean(m2**2) / np.mean(m2) ** 2), float(xi)


def loss_of_order(path: Path) -> tuple[float, str]:
    """Return where short runs lose order or equilibrium, and which.

    That is the highest temperature below which xi/L of the larger size is larger, above all at which starts disagree;
    or the end of the latter.
    """
    sweep = read_sweep(path)
    T = sweep.sizes[PAIR[0]]["T"].values
    small, large = (np.log([plane(sweep.sizes[L], t, L)[1] for t in range(len(T))]) for L in PAIR)
    apart = [int(np.argmin(np.abs(T - c.T))) for c in equilibrium_checks(sweep) if abs(c.hot_cold) > APART]
    first, difference = max(apart, default=-1), large - small
    for k in range(len(T) - 2, first, -1):
        if difference[k] > 0 >= difference[k + 1]:
            return float(T[k] + (T[k + 1] - T[k]) * difference[k] / (difference[k] - difference[k + 1])), "xi/L crosses"
    if first < 0:
        raise InputError(f"{path}: the curves of xi/L do not cross between T = {T[0]:g} and {T[-1]:g}")
    return float(T[first] + T[first + 1]) / 2, "starts begin to agree"


def place(words: tuple[str, ...], path: Path) -> tuple[list[float], tuple[int, ...], dict[str, Any], OrderRecord]:
    """Return temperatures, sizes, lengths and order of the long runs of a model, from short ones, and print them."""
    model = load_model(words)
    mean_field = float(np.linalg.eigvalsh(model.spectrum((16, 16))).max()) / model.components
    order, peaked = look_for(words, 0.3 * mean_field)
    T, step = (peaked * AROUND).round(5).tolist(), peaked * (AROUND[1] - AROUND[0])
    while True:
        sweep_equilibrium(PAIR, T, out=path, model=words, order=order, extend=True, **FIRST)
        if plane(read_sweep(path).sizes[PAIR[1]], -1, PAIR[1])[1] < DISORDERED:
            break
        T += [round(T[-1] + step, 5), round(T[-1] + 2 * step, 5)]
    tell(path)
    middle, what = loss_of_order(path)
    tau = max(c.tau for c in equilibrium_checks(read_sweep(path)) if abs(c.T - middle) < step)
    slow = tau > SLOW
    print(f"  mean-field T = {mean_field:.4f}; {what} at about {middle:.4f}; tau up to {tau:.0f} measurements")
    T = (middle * NEAR).round(5).tolist()
    order, _ = look_for(words, T[0])
    return T, sizes_for(order.order().wave_vectors, RANGE[slow]), SLOWER if slow else LONG, order


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
    for L, group in sweep.sizes.items():
        for t, T in enumerate(group["T"].values):
            c = known[L, float(T)]
            S = whole_zone(group["structure"].values[t].mean(0))
            e, f, m, r = starts(sweep, L, t)
            binder, xi = plane(group, t, L)
            where = f"({peak(S)[0]}, {peak(S)[1]})/{L}, {peak_contrast(S):.1f}; {binder:.3f}, {xi:.2f}"
            print(f"  {L:3d} {T:7.4f} {c.thermometer.t_conf.value / T:8.4f} {c.tau:6.0f} {c.effective_samples:8.0f}"
                  f" {c.hot_cold:10.1f}  {e!s:>14} {f!s:>14} {m.value:9.4f} {r.value:9.4f}  {where}")  # fmt: skip


def peaks(path: Path) -> None:
    """Print where S(k) of the largest size peaks, between its wave vectors: 1/S is a parabola there, above T_c.

    Below, where one mode orders and its neighbours only fluctuate, it says nothing.
    """
    L, group = list(read_sweep(path).sizes.items())[-1]
    print(f"  L = {L}: k / 2 pi at which S(k) peaks")
    for t, T in enumerate(group["T"].values):
        S = np.array([whole_zone(chain) for chain in group["structure"].values[t]])
        found = np.array([placed(chain, *peak(S.mean(0))) for chain in S])
        print(f"    T = {T:.4f}: {mean(found[:, 0])}, {mean(found[:, 1])}")


def other_steps(words: tuple[str, ...], L: int, T: list[float], reference: Path) -> None:
    """Print energies by Langevin dynamics at the default step and half of it, beside those of Metropolis."""
    base = recipe("equilibrium", L=(L,), T=T, model=words, order=read_sweep(reference).recipe["order"])
    assert base.gamma is not None
    known = read_sweep(reference).sizes[L]["T"].values
    for factor in (1.0, 0.5):
        path = FOLDER / f"langevin_{factor:g}.h5"
        settings = {"order": base.order, "gamma": base.gamma * factor, "interval": round(100 / factor), "chains": 4}
        sweep_equilibrium((L,), T, out=path, jobs=2, model=words, sweeps=400, thermalisation=100, **settings)
        for t, value in enumerate(T):
            series = read_sweep(path).sizes[L]["energy"].values[t]
            other = read_sweep(reference).sizes[L]["energy"].values[int(np.argmin(np.abs(known - value)))]
            one, two = (estimate_time(s).mean for s in (series, other))
            apart = (one.value - two.value) / np.hypot(one.error, two.error)
            said = f"gamma = {base.gamma * factor:.4g}, L = {L}, T = {value:.4f}"
            print(f"  Langevin, {said}: E = {one}; Metropolis {two}; {apart:.1f} errors")


def times(path: Path) -> np.ndarray:
    """Return the times, in units of 1/J, at which a run from order was measured."""
    recipe = read_sweep(path).recipe
    return recipe["gamma"] * recipe["interval"] * np.arange(recipe["sweeps"])


def power(m2: np.ndarray, time_: np.ndarray) -> Estimate:
    """Return the power of time with which |psi|^2 of shape (chains, measurements) decays, by chains."""
    ends = [slice(first, last) for first, last in WINDOWS]
    logs = [np.log(m2[:, end].mean(1)) for end in ends]
    return mean((logs[0] - logs[1]) / np.log(time_[ends[1]].mean() / time_[ends[0]].mean()))


def relax(words: tuple[str, ...], T: list[float], order: OrderRecord, path: Path) -> None:
    """Print how order decays in time at a larger size.

    At a critical point |psi|^2 falls as t^(-eta / z), below it stays, above it falls at last exponentially.
    """
    sweep_equilibrium((LARGE,), T, out=path, model=words, order=order, **FROM_ORDER)
    time_ = times(path)
    print(f"  L = {LARGE}, from order, Langevin: power of time with which |psi|^2 falls")
    for t, m2 in zip(T, read_sweep(path).sizes[LARGE]["m2"].values, strict=True):
        print(f"    T = {t:.4f}: {power(m2, time_)}")


def draw(paths: dict[str, Path]) -> None:
    """Draw |psi|^2 from both starts, xi/L, and the decay from order, one column a network."""
    figure = new_figure(3.2 * len(paths), 9.2)
    rows = figure.subplots(3, len(paths), squeeze=False)
    for k, (top, middle, bottom, (name, path)) in enumerate(zip(*rows, paths.items(), strict=True)):
        sweep, decay = read_sweep(path), path.with_name(f"{path.stem}_relax.h5")
        found = None
        with suppress(InputError):
            found = curves(sweep, "xi_over_L")
        for j, (L, group) in enumerate(sweep.sizes.items()):
            colour, marker = look(j)
            T, style = group["T"].values, {"color": colour, "marker": marker, "ms": 4, "lw": 1, "capsize": 2}
            both = [starts(sweep, L, t)[2:] for t in range(len(T))]
            for begun, fill in ((0, colour), (1, "none")):
                y, error = [b[begun].value for b in both], [b[begun].error for b in both]
                top.errorbar(T, y, error, label=f"L = {L}" if begun == 0 else None, mfc=fill, **style)
            if found:
                middle.errorbar(T, found.y[L], found.errors[L], label=f"L = {L}", **style)
            else:
                xi = [plane(group, t, L)[1] for t in range(len(T))]
                middle.plot(T, xi, marker, color=colour, mfc="none", ms=4, label=f"L = {L}, error unknown")
        for t, (T_, m2) in enumerate(
            zip(*(read_sweep(decay).sizes[LARGE][n].values for n in ("T", "m2")), strict=True)
        ):
            bottom.loglog(times(decay)[1:], m2.mean(0)[1:], color=COLOURS[t], lw=1.2, label=f"T = {T_:.4f}")
        top.set(title=name, xlabel="temperature $T$")
        middle.set(xlabel="temperature $T$", yscale="log")
        middle.set_yticks([0.2, 0.5, 1, 2], minor=False)
        middle.yaxis.set_major_formatter("{x:g}")
        middle.minorticks_off()
        bottom.set(xlabel="time $t$ ($1/J$)", title=f"from order, L = {LARGE}", ylim=(3e-3, 1.1))
        for axes in (top, middle):
            axes.xaxis.set_major_locator(MaxNLocator(4))
        for axes in (top, middle, bottom):
            axes.legend(frameon=False, fontsize=7)
        if not k:
            top.set_ylabel(r"$|\psi|^2$ (open: random start)")
            middle.set_ylabel(r"$\xi / L$")
            bottom.set_ylabel(r"$|\psi|^2$")
    print(save(figure, FIGURE))


def wide(path: Path) -> None:
    """Run the XY model with many neighbours and idle components: where are U4 and xi/L at these sizes?"""
    (components, side), sizes, T = WIDE
    J = np.zeros((components, components, side, side))
    J[0, 0] = J[1, 1] = 1 / (side**2 - 1)
    J[:, :, side // 2, side // 2] = 0
    file = path.with_suffix(".npy")
    np.save(file, J)
    settings = LONG | {"interval": 4, "sweeps": 2000}
    sweep_equilibrium(
        sizes, (T / components).tolist(), out=path, model=("coupling", str(file)), extend=True, **settings
    )


def scaled(name: str, path: Path, one: Decided) -> tuple[Estimate, Estimate] | None:
    """Print the decision of a file and what else there is; return 1/nu, and eta at T_c, if U4 and xi/L cross there."""
    evidence = one.evidence
    print(f"{name}: k* / 2 pi = {one.order}, n = {evidence.components}")
    print(f"  {one.decision.kind}. {one.decision.reason}")
    for observable, reason in evidence.reasons.items():
        print(f"    {observable}: {evidence.verdicts[observable]}; {reason}")
    for where, met in (evidence.planes or {}).items():
        print(f"    plane of {where}: {met.as_json()}")
    try:
        etas = anomalous_dimension(curves(path, "m_abs"))
        alone = {name: fit(path, name).collapse for name in ("binder", "xi_over_L")}
    except InputError as error:
        print(f"    {error}")
        return None
    print("    eta of <|psi|> ~ L^(-eta/2):", ", ".join(f"{e} at T = {T:g}" for T, e in etas.items()))
    for observable, found in alone.items():
        if found:
            said = f"T_c = {found.critical_point}, 1/nu = {found.inverse_nu}, p = {found.p_value:.2g}"
            print(f"    {observable} alone: {said}")
    if not (evidence.critical_point and evidence.inverse_nu):
        return None
    T = list(etas)
    at = [
        np.interp(evidence.critical_point.value, T, [getattr(e, x) for e in etas.values()]) for x in ("value", "error")
    ]
    eta = Estimate(*map(float, at))
    print(f"    both: T_c = {evidence.critical_point}, 1/nu = {evidence.inverse_nu}; eta at T_c: {eta}")
    return evidence.inverse_nu, eta


def run(seed: int) -> Path:
    """Run what of a network has no file yet, print what is found, and return its file."""
    begun, words, path = time.perf_counter(), ("network", f"{NETWORKS}/{seed}"), FOLDER / f"seed{seed}.h5"
    T, sizes, lengths, order = place(words, FOLDER / f"seed{seed}_short.h5")
    sweep_equilibrium(sizes, T, out=path, model=words, order=order, extend=True, **lengths)
    tell(path)
    peaks(path)
    relax(words, T[::2], order, FOLDER / f"seed{seed}_relax.h5")
    if seed == 0:
        other_steps(words, sizes[0], T[-3:], path)
    print(f"  {time.perf_counter() - begun:.0f} s")
    return path


def main() -> None:
    """Run everything, or the networks that are named alone."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    named = [int(word) for word in sys.argv[1:]]
    paths = {f"seed {seed}": run(seed) for seed in named or read_networks(resolve(NETWORKS)).seeds}
    if named:
        return
    control, two = FOLDER / "control.h5", FOLDER / "wide.h5"
    sweep_equilibrium(CONTROL[1], CONTROL[2].tolist(), out=control, model=CONTROL[0], **LONG | {"sweeps": 5000})
    wide(two)
    together, known = study(list(paths.values())), study([control, two])
    every = {**paths, "control": control, "two of 16 components, 5 x 5": two}
    found = [scaled(*pair, one) for pair, one in zip(every.items(), (*together.files, *known.files), strict=True)]
    print(f"T_c of all that are decided: {together.critical_point}; 1/nu: {together.inverse_nu}; eta: {together.eta}")
    networks = [each for each in found[: len(paths)] if each]
    for name, values in zip(("1/nu", "eta"), zip(*networks, strict=True), strict=False):
        print(f"{name} of all whose U4 and xi/L cross, decided or not: {pooled(values)}")
    draw(paths)


if __name__ == "__main__":
    main()
