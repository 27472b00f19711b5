"""When does a deep network forget?  Memory against noise and size, the task and its prediction, the plane of classes.

Source: N. Iqbal and M. Welling, "Topological defects propagate information in deep neural networks", section 3: noise
is said to destroy the network's domain walls at a continuous phase transition, where RMSE curves of all sizes meet.
Three panels, over the five networks of the family `flow`:

1. how long a domain of half the system lasts, by noise and L, with broken networks as the control;
2. RMSE by noise and L, with the curves that the null model predicts from the largest L without a parameter;
3. U4 against xi/L of the networks in equilibrium, the Ising and XY models (from `network_equilibrium.py`, run first).

    python sims/when_does_it_forget.py            16 minutes on two cores

Sweeps are kept in ``sims/output``, so that it continues.
"""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import physnn
from physnn.analysis.memory.forgetting import in_words
from physnn.answers import decide
from physnn.answers.equilibrium import fitted_together, order_record
from physnn.answers.fit import curves, equilibrium_checks
from physnn.answers.memory import forgetting, memory_of
from physnn.api import sweep_memory
from physnn.errors import InputError
from physnn.figures.fit import draw_curves
from physnn.figures.memory import draw_lifetimes
from physnn.figures.style import COLOURS, look, new_figure, save
from physnn.samples.diagnosis import diagnose
from physnn.shipped import resolve
from physnn.store.network_file import read_networks
from physnn.store.sweep_file import SweepFile, read_sweep

NETWORKS, CONTROL = "kuramoto_flow", "kuramoto_flow_broken"
SIZES, TASK_SIZES, IMAGES = (16, 32, 64, 128), (32, 64, 128), 32
MEMORY_ETA = tuple(np.linspace(0.1, 0.8, 8).round(3).tolist())
TASK_ETA = tuple(np.linspace(0, 0.3, 13).round(4).tolist())
TIMES = 25
"""Length of a chain in autocorrelation times without which its points are not drawn."""
MEMORY = {"replicas": 8, "longest": 2048, "jobs": 2}
FOLDER = Path("sims/output")
EQUILIBRIUM = FOLDER / "network_equilibrium"
FIGURE = Path("docs/figures/when_does_it_forget.png")


def memories(name: str) -> Path:
    """Follow domains in an ensemble, print their lifetimes, and return the file."""
    begun, out = time.perf_counter(), FOLDER / f"forget_memory_{name}.h5"
    sweep_memory(SIZES, out=out, networks=[name], eta=MEMORY_ETA, **MEMORY)
    answer = memory_of(read_sweep(out))
    print(f"{name}: {time.perf_counter() - begun:.0f} s. {answer.verdict}")
    for row in answer.rows:
        cells = [
            f"> {c.tau:.3g}" if c.bound else f"{c.tau:.3g} ({100 * c.log_tau.error:.0f} %)"
            for c in row.lifetimes.values()
        ]
        own = ", ".join(one.verdict for one in row.own)
        print(f"  eta = {row.eta:.2f}: {'; '.join(cells)}; z = {row.growth.z}, {row.growth.verdict} (each: {own})")
    for network, said in zip(answer.networks, answer.controls, strict=True):
        print(f"  {network} without noise: {said}")
    return out


def task(name: str) -> Path:
    """Sweep the noise of an ensemble's task, print the answers, and return the file."""
    begun, out = time.perf_counter(), FOLDER / f"forget_task_{name}.h5"
    physnn.sweep_noise(TASK_SIZES, out=out, networks=[name], eta=TASK_ETA, images=IMAGES, jobs=2)
    print(f"{name}: {time.perf_counter() - begun:.0f} s")
    for observable in ("rmse", "rmse_per_image"):
        fit = physnn.fit(out, observable)
        print(f"  {observable}: {fit.verdict}; {fit.reason}\n  {fit.null.sentence()}")
    return out


def first_steps() -> None:
    """Print in which steps noise does its damage to the answer, by `physnn diagnose`."""
    for name in (NETWORKS, "kuramoto_symmetric"):
        for d in diagnose(resolve(name)):
            shares = zip(d.measured["windows"].tolist(), d.damage_shares, strict=True)
            text = ", ".join(f"{a}:{b} {100 * share:.0f} %" for (a, b), share in shares)
            print(f"  {d.name}: noise of eta = {float(d.measured['eta']):.3g} in steps {text}")


def long_enough(sweep: SweepFile) -> SweepFile | None:
    """Return a sweep without the temperatures at which chains are too short to have errors; None if those are all."""
    sizes, checks = {}, equilibrium_checks(sweep)
    for L, group in sweep.sizes.items():
        keep = [k for k, c in enumerate(c for c in checks if c.L == L) if c.tau * TIMES <= group["m2"].values.shape[2]]
        if keep:
            points = len(group["T"].values)
            sizes[L] = {
                name: replace(v, values=v.values[keep]) if v.values.shape[:1] == (points,) else v
                for name, v in group.items()
            }
    return replace(sweep, sizes=sizes) if sizes else None


def draw_plane(axes) -> None:
    """Draw U4 over its largest value against xi/L: known classes as lines, networks as points."""
    for k, plane in enumerate(decide.class_planes()):
        most = 2 / (plane.components + 2)
        axes.plot(plane.xi, plane.binder / most, color=COLOURS[k], lw=1.8, label=plane.name)
        axes.fill_between(
            plane.xi, *((plane.binder + s * plane.error) / most for s in (-1, 1)), color=COLOURS[k], alpha=0.3
        )
    every = {f"{NETWORKS}/{k}": EQUILIBRIUM / f"seed{k}.h5" for k in read_networks(resolve(NETWORKS)).seeds}
    for k, (name, path) in enumerate({**every, "XY, 5 x 5, N = 16": EQUILIBRIUM / "wide.h5"}.items()):
        sweep = long_enough(fitted_together(read_sweep(path))[0])
        if sweep is None:
            print(f"  {name} is not drawn: no chain is long enough for its autocorrelation time")
            continue
        n = order_record(sweep).order().components
        try:
            most, xi, binder = 2 / (n + 2), curves(sweep, "xi_over_L"), curves(sweep, "binder")
        except InputError as error:
            print(f"  {name} is not drawn: {error}")
            continue
        colour, marker = look(k)
        for j, L in enumerate(xi.sizes):
            print(f"  {name}, L = {L}: {len(xi.x[L])} temperatures from {min(xi.x[L]):.3f} to {max(xi.x[L]):.3f}")
            label = f"{name}, n = {n}" if not j else None
            style = {"color": colour, "marker": marker, "ms": 3 + j, "ls": "none", "lw": 0.8, "label": label}
            axes.errorbar(xi.y[L], binder.y[L] / most, binder.errors[L] / most, xi.errors[L], **style)
    axes.set(xlabel=r"$\xi / L$", ylabel=r"$U_4$ over its largest value", xlim=(0, 1.2), ylim=(-0.3, 1.05))
    axes.legend(frameon=False, fontsize=8)


def main() -> None:
    """Run what has no file yet, print the numbers, and draw the three panels."""
    FOLDER.mkdir(exist_ok=True)
    kept, control = memories(NETWORKS), memories(CONTROL)
    swept = task(NETWORKS)
    for memory, noise in ((kept, swept), (control, task(CONTROL))):
        L, found = forgetting(read_sweep(noise), read_sweep(memory))
        for f in found:
            print(f"  {f.network}: eta_task = {f.task}, eta_order = {f.order}, ratio {f.ratio}")
        print(in_words(found, L))
    first_steps()
    figure = new_figure(17, 4.8)
    left, middle, right = figure.subplots(1, 3)
    draw_lifetimes(left, memory_of(read_sweep(kept)))
    draw_curves(middle, physnn.fit(swept, "rmse"))
    draw_plane(right)
    for axes, title in (
        (left, "memory"),
        (middle, "task, and its prediction from one size"),
        (right, "equilibrium (larger marks: larger L)"),
    ):
        axes.set_title(title, fontsize=11)
    print(save(figure, FIGURE))


if __name__ == "__main__":
    main()
