"""Ground states of transverse-field Ising chains by Boltzmann machines: what a small error of the energy says of order.

At L = 32, h = 0.95, where two recipes of one stage and of two small ones give relative errors of the energy near 1e-4,
the squared order is off by errors of its own; `physnn ground-state` must refuse it.  A longer training of larger
samples, and chains of 8 and 16 spins around h_c = 1, are judged by the same rule, which was fixed before.  Three sizes
with the settings that converge at L = 32 are fitted together, beside exact cumulants at the same fields.  At L = 8, 24
machines a field are taken four by four: how often do the errors of such a group hold the exact order?

    python sims/quantum_machines.py [FOLDER]       10 minutes of one core; continues where it stopped
    python sims/quantum_machines.py FOLDER draw    the figure and the numbers alone

Files are kept in FOLDER, ``sims/output/machines`` by default; the figure goes to ``docs/figures``.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special
from scipy.optimize import brentq

import physnn
from physnn import api
from physnn.analysis.curves.tables import fit_arrays
from physnn.answers.fit import curves
from physnn.answers.quantum.ground_states import convergences
from physnn.answers.quantum.stored_waves import stored_entropies
from physnn.errors import InputError
from physnn.exact.quantum.free_fermions import FreeFermions
from physnn.figures.style import errorbar, new_figure, save
from physnn.samples import files
from physnn.store.sweep_file import read_sweep

ONE: dict[str, Any] = {"L": (32,), "h": (0.95,), "seeds": (0, 1, 2, 3)}
RUNS: dict[str, dict[str, Any]] = {
    "one stage": ONE | {"samples": 512, "doublings": 0, "steps": 400},
    "two stages": ONE | {"samples": 256, "doublings": 1, "steps": 300},
    "more samples": ONE | {"samples": 1024, "doublings": 2, "steps": 200},
    "chains": {"L": (8, 16), "h": (0.9, 0.95, 1.0, 1.05, 1.1)},
    "three sizes": {"L": (8, 16, 32), "h": (0.9, 0.95, 1.0, 1.05), "samples": 1024, "seeds": (0, 1, 2, 3)},
    "coverage": {"L": (8,), "h": (0.95, 1.0, 1.05), "seeds": tuple(range(24))},
}


def measure(folder: Path, jobs: int = 1) -> None:
    """Make the files; what is there stays."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, settings in RUNS.items():
        out = folder / f"{name.replace(' ', '-')}.h5"
        count = files.run(api.recipe("ground-state", out, True, **settings), out, extend=True, jobs=jobs)
        print(f"{out}: {count} trainings", flush=True)


def table(folder: Path, name: str) -> None:
    """Print energies and order beside exact values, and the judgement."""
    sweep = read_sweep(folder / f"{name.replace(' ', '-')}.h5")
    print(f"\n{name}: L, h, relative error of E, <m^2>, bias in % and in errors, pull, change, verdict")
    for one in convergences(sweep):
        exact = FreeFermions(one.L, one.value)
        group = sweep.sizes[one.L]
        k = group["h"].values.tolist().index(one.value)
        energy = one.L * float(group["stage_energy"].values[k, :, -1].mean())
        bias = one.order2.value - exact.m2
        print(
            f"  {one.L:3d} {one.value:5g}  {(energy - exact.E0) / abs(exact.E0):+.1e}  {one.order2}"
            f"  {100 * bias / exact.m2:+.2f} % {bias / one.order2.error:+.1f}"
            f"  {one.pull}  {one.drift}  {one.verdict}: {'; '.join(one.reasons)}"
        )


def exact_cumulant(L: int, h: float) -> float:
    """Exact U4 of a chain at one time."""
    exact = FreeFermions(L, h)
    return float(1 - exact.m4 / (3 * exact.m2**2))


def coverage(folder: Path, together: int = 4) -> None:
    """Print how often means of four machines, with errors from their scatter, hold exact order and cumulant."""
    found: dict[str, list[float]] = {"<m^2>": [], "U4": []}
    group = read_sweep(folder / "coverage.h5").sizes[8]
    for k, h in enumerate(group["h"].values.tolist()):
        m2, m4 = (group[f"stage_order{n}"].values[k, :, -1].reshape(-1, together) for n in (2, 4))
        # U4 of every machine: what is quadratic in the deviations is far below their scatter.
        for name, each, known in (
            ("<m^2>", m2, FreeFermions(8, h).m2),
            ("U4", 1 - m4 / (3 * m2**2), exact_cumulant(8, h)),
        ):
            found[name] += list((each.mean(1) - known) / (each.std(1, ddof=1) / np.sqrt(together)))
    print(f"\nL = 8: groups of {together} machines, 68 % and 95 % intervals by Student's law that hold the exact value")
    for name, pulls in found.items():
        p = 2 * special.stdtr(together - 1, -np.abs(pulls))
        print(
            f"  {name}: {(p > 0.317).mean():.0%} and {(p > 0.046).mean():.0%} of {len(p)} groups; "
            f"median of pulls {np.median(pulls):+.2f}"
        )


def three_sizes(folder: Path) -> None:
    """Print the fit of three sizes, and that of exact cumulants at the same fields with the same errors."""
    path = folder / "three-sizes.h5"
    for omega in (None, 0.75):
        try:
            print(f"\nthree sizes, cumulant, omega {omega or 'fitted'}\n{physnn.fit(path, 'binder', omega=omega)}")
        except InputError as error:
            print(f"\nthree sizes, cumulant: {error}")
    found = curves(read_sweep(path), "binder")
    rows = [
        (L, h, exact_cumulant(L, h), e) for L in found.sizes for h, e in zip(found.x[L], found.errors[L], strict=True)
    ]
    for (L, h, exact, e), y in zip(rows, np.concatenate([found.y[L] for L in found.sizes]), strict=True):
        print(f"  L = {L:3d}, h = {h:g}: U4 = {y:.5f} +- {e:.5f}, {(y - exact) / e:+.1f} errors from exact")
    L, h, y, error = np.array(rows).T
    print(f"exact cumulants with these errors\n{fit_arrays(L, h, y, error, control='h', observable='binder')}")


def entropies(folder: Path) -> None:
    """Print Renyi entropies of the machines that converge at L = 32, by swaps, beside exact values."""
    for found in stored_entropies(folder / "more-samples.h5", "swap"):
        assert found.exact is not None and found.error is not None
        off = (found.renyi2 - found.exact[1][: len(found.cuts)]) / found.error
        print(f"\n{found.name}: S_2 by swaps less exact, in errors, by cut: {np.round(off, 1)}")
        print(f"  c from these cuts {found.central}, exact at this size {found.exact_central:.4f}")


def exact_crossing(small: int, large: int) -> float:
    """Field at which the exact cumulants of two chains cross, in J."""

    def difference(h: float) -> float:
        return exact_cumulant(large, h) - exact_cumulant(small, h)

    return float(brentq(difference, 0.9, 1.1, xtol=1e-5))


def draw(folder: Path) -> None:
    """Draw energy and order by stage, relative to exact values, and m^2 L^(1/4) against the field."""
    figure = new_figure(12, 3.8)
    axes = figure.subplots(1, 3)
    number = 0
    for name in ("one stage", "two stages", "more samples", "chains"):
        sweep = read_sweep(folder / f"{name.replace(' ', '-')}.h5")
        for L, group in sweep.sizes.items():
            h = group["h"].values.tolist()
            exact = FreeFermions(L, 0.95)
            k = h.index(0.95)
            samples = sweep.recipe["samples"] * 2 ** np.arange(group["stage_energy"].values.shape[-1])
            energy = L * group["stage_energy"].values[k] / exact.E0
            order = 100 * (group["stage_order2"].values[k] / exact.m2 - 1)
            for ax, y in ((axes[0], 1e6 * (1 - energy)), (axes[1], order)):
                error = y.std(0, ddof=1) / np.sqrt(len(y))
                errorbar(ax, number, samples * 1.05**number, y.mean(0), error, ls="-", lw=0.8, label=f"L = {L}, {name}")
            number += 1
    for axis in axes[:2]:
        axis.axhline(0, color="0.6", lw=1, zorder=0)
        axis.set(xscale="log", xlabel="samples of a stage")
        axis.set_xticks([256, 512, 1024, 2048, 4096], ["256", "512", "1024", "2048", "4096"])
        axis.minorticks_off()
    axes[0].set(ylabel="relative error of the energy (1e-6)", title="h = 0.95 J", yscale="symlog")
    axes[1].set(ylabel=r"bias of $\langle m^2\rangle$ (%)", title="h = 0.95 J")
    sweep, fields = read_sweep(folder / "chains.h5"), np.linspace(0.88, 1.12, 25)
    for k, (L, group) in enumerate(sweep.sizes.items()):
        y = group["stage_order2"].values[:, :, -1] * L**0.25
        errorbar(axes[2], k, group["h"].values, y.mean(1), y.std(1, ddof=1) / np.sqrt(y.shape[1]), label=f"L = {L}")
        axes[2].plot(
            fields, [FreeFermions(L, h).m2 * L**0.25 for h in fields], "k-", lw=0.8, label="exact" if k else None
        )
    axes[2].set(
        xlabel="transverse field h (J)", ylabel=r"$\langle m^2\rangle\, L^{1/4}$", title="five machines a point"
    )
    axes[1].legend(fontsize=7, loc="lower right")
    axes[2].legend(fontsize=8)
    save(figure, Path("docs/figures/quantum_machines.png"))


if __name__ == "__main__":
    place = Path(sys.argv[1] if len(sys.argv) > 1 else "sims/output/machines")
    if "draw" not in sys.argv:
        measure(place)
    for name in ("one stage", "two stages", "more samples", "chains", "three sizes"):
        table(place, name)
    three_sizes(place)
    coverage(place)
    entropies(place)
    try:
        print(f"\nchains, cumulant\n{physnn.fit(place / 'chains.h5', 'binder')}")
    except InputError as error:
        print(f"\nchains, cumulant: {error}")
    print(f"the exact cumulants of 8 and 16 spins cross at {exact_crossing(8, 16):.4f} J")
    draw(place)
