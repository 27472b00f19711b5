"""Transitions of unit vectors with known answers: does the whole path from sampler to verdict find them?

One coupled component, J = diag(1, 0): the 2D Ising class, 1/nu = 1; diag(-1, 0): the same T_c at k* = (pi, pi).  XY:
curves that merge, T_KT = 0.8929 with eta = 1/4 (Y. Komura and Y. Okabe, J. Phys. Soc. Jpn. 81 (2012) 113001).  XY whose
neighbours are turned by an eighth of a turn along rows: exactly XY at k* = (pi / 4, 0).  Ising is done twice, by
Langevin dynamics and by Metropolis.  Clusters are reflected between measurements.

    python sims/vector_transitions.py            half an hour on two cores
    python sims/vector_transitions.py --pilot    a minute; says how long chains must be

Sweeps are kept in ``sims/output``, so that it continues.
"""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import physnn
from physnn.analysis.order.decision import anomalous_dimension
from physnn.analysis.statistics.estimate import Estimate
from physnn.answers.comparisons import fit_joint
from physnn.answers.fit import curves
from physnn.api import sweep_equilibrium
from physnn.figures.style import look, new_figure, save

ISING_T = (1.22, 1.24, 1.26, 1.28, 1.30, 1.32, 1.34)
XY_T = (0.80, 0.85, 0.893, 0.94, 1.00, 1.05, 1.10)
T_KT = 0.893
PILOT = {"L": (8, 16), "sweeps": 400, "thermalisation": 100}
FULL = {"L": (8, 16, 32, 48), "sweeps": 4000, "thermalisation": 200}
FOLDER = Path("sims/output")
FIGURE = Path("docs/figures/vector_transitions.png")


@dataclass(frozen=True)
class Case:
    """A model, where, how it moves, and what is known."""

    model: tuple[str, ...]
    T: tuple[float, ...]
    expected: str
    sampler: dict[str, object] = field(default_factory=lambda: {"sampler": "metropolis", "interval": 2})


# The step shifts T_c by as much as the configurational temperature differs from T, which is told.
LANGEVIN = {"sampler": "langevin", "gamma": 0.002, "interval": 125}
CASES = {
    "ising": Case(("diagonal", "1", "0"), ISING_T, "crossing, 1/nu = 1", LANGEVIN),
    "ising, Metropolis": Case(("diagonal", "1", "0"), ISING_T, "crossing, 1/nu = 1, T_c as by Langevin"),
    "antiferromagnet": Case(("diagonal", "-1", "0"), ISING_T, "the same T_c, k* = (1/2, 1/2)"),
    "XY": Case(("xy",), XY_T, "merging near T = 0.893 with eta = 1/4"),
    "rotated XY": Case(("rotated", "1/8", "0"), XY_T, "as XY, k* = (1/8, 0)"),
}
"""One whole turn of the rotated case fits sizes divisible by 8."""
ISING, XY = tuple(CASES)[:3], tuple(CASES)[3:]


def thermometer(path: Path) -> float:
    """Return t_conf / T, averaged over sizes, temperatures and chains."""
    sweep = physnn.read_sweep(path)
    T = np.array(sweep.recipe["T"])
    return float(np.mean([(group["t_conf"].values / T[:, None]).mean() for group in sweep.sizes.values()]))


def tell(name: str, path: Path) -> None:
    """Print what fits of a case say."""
    print(f"{name}: expected {CASES[name].expected}")
    for observable in ("binder", "xi_over_L"):
        answer = physnn.fit(path, observable)
        print(f"  {observable}: {answer.verdict}; {answer.reason}")
        if answer.collapse is not None:
            print(f"    T_c = {answer.collapse.critical_point}, 1/nu = {answer.collapse.inverse_nu}")
        if answer.merging is not None:
            best = answer.merging.best
            print(f"    {best.name} form, splits at T = {best.critical_point}, p = {best.p_value:.2g}")
    if name in ISING:
        both = fit_joint(path, ["xi_over_L"], "binder")
        print(f"  both: T_c = {both.critical_point}, 1/nu = {both.inverse_nu}, chi2/dof {both.chi2_per_dof:.2f}")
        factor, T_c = thermometer(path), both.critical_point
        print(f"  t_conf/T = {factor:.4f}, so T_c = {Estimate(factor * T_c.value, T_c.error)} on that thermometer")
    else:
        print("  eta:", ", ".join(f"{e} at T = {T:g}" for T, e in anomalous_dimension(curves(path, "m_abs")).items()))
        helicity = curves(path, "helicity")
        L = helicity.sizes[-1]
        for T, y, error in zip(helicity.x[L], helicity.y[L], helicity.errors[L], strict=True):
            print(f"  helicity / T at L = {L}, T = {T:g}: {Estimate(float(y), float(error))} (2/pi = 0.637 at T_KT)")


def agreement(one: Path, other: Path) -> float:
    """Return the largest difference of energy, U4 and xi/L of two sweeps at any size and T, in errors."""
    worst = 0.0
    for observable in ("energy", "binder", "xi_over_L"):
        a, b = curves(one, observable), curves(other, observable)
        for L in a.sizes:
            worst = max(worst, float(np.abs((a.y[L] - b.y[L]) / np.hypot(a.errors[L], b.errors[L])).max()))
    return worst


def draw(paths: dict[str, Path]) -> None:
    """Draw U4 of one component by both samplers, xi/L of XY and rotated XY, and eta."""
    figure = new_figure(13, 4.2)
    left, middle, right = figure.subplots(1, 3)
    for axes, names, observable in ((left, ISING[:2], "binder"), (middle, XY, "xi_over_L")):
        for j, name in enumerate(names):
            c = curves(paths[name], observable)
            for k, L in enumerate(c.sizes):
                colour, marker = look(k)
                style = {"color": colour, "marker": marker, "ms": 5 + 3 * j, "capsize": 2, "ls": "none" if j else "-"}
                if j:
                    style["mfc"] = "none"
                axes.errorbar(c.x[L], c.y[L], c.errors[L], lw=1, label=None if j else f"L = {L}", **style)
        axes.set(xlabel="temperature T (J = 1)", title=f"filled: {names[0]}; open: {names[1]}")
        axes.legend(frameon=False, fontsize=9)
    left.set(ylabel="Binder cumulant $U_4$")
    middle.set(ylabel=r"$\xi / L$")
    for k, name in enumerate(XY):
        colour, marker = look(k)
        found = anomalous_dimension(curves(paths[name], "m_abs"))
        y, error = [e.value for e in found.values()], [e.error for e in found.values()]
        right.errorbar(list(found), y, error, color=colour, marker=marker, capsize=3, label=name)
    right.axhline(0.25, color="0.5", ls="--", lw=1)
    right.axvline(T_KT, color="0.5", ls="--", lw=1)
    right.set(xlabel="temperature T (J = 1)", ylabel=r"$\eta$ from $\langle|m|\rangle \sim L^{-\eta/2}$", yscale="log")
    right.set_title("dashed: Kosterlitz and Thouless")
    right.legend(frameon=False, fontsize=9)
    print(save(figure, FIGURE))


def main() -> None:
    """Run each case that has no file yet, and print what its fit says."""
    pilot = "--pilot" in sys.argv
    lengths, folder = (PILOT, FOLDER / "vector_pilot") if pilot else (FULL, FOLDER / "vector_transitions")
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name.replace(', ', '_').replace(' ', '_').lower()}.h5" for name in CASES}
    for name, case in CASES.items():
        begun = time.perf_counter()
        sweep_equilibrium(
            T=case.T, model=case.model, out=paths[name], chains=4, clusters=True, jobs=2, **case.sampler, **lengths
        )
        print(f"{name}: {time.perf_counter() - begun:.0f} s", flush=True)
    if pilot:
        return
    for name, path in paths.items():
        tell(name, path)
    for one, other in (ISING[1:], XY):
        print(f"{one} and {other}: largest difference of E, U4, xi/L {agreement(paths[one], paths[other]):.1f} errors")
    draw(paths)


if __name__ == "__main__":
    main()
