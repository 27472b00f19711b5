"""Entropies of cuts: c = 1/2 of Ising's chain, swaps beside singular values, and what random machines entangle.

Then trained machines, beside world lines and exact values.  Entropies are in nats.  Figures in `docs/figures`:
`entropies_by_cut.png`, `random_machines.png`, `ground_states_beside.png`.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from physnn import api, rng
from physnn.analysis.quantum.entropy import central_charge
from physnn.analysis.statistics.estimate import Estimate
from physnn.answers.quantum.beside import beside_rows, draw_beside, networks_beside
from physnn.answers.quantum.entanglement import draw_cuts, ground_entropies
from physnn.answers.quantum.random_machines import RandomTable, machine_state, random_entropies, random_weights
from physnn.answers.quantum.stored_waves import stored_entropies
from physnn.exact.quantum import FreeFermions, Sector, eigenstates
from physnn.exact.quantum.diagonal import moment_of
from physnn.figures.quantum.entropy import random_figure
from physnn.figures.style import save
from physnn.models.quantum import QuantumModel
from physnn.samples import files

FIGURES = Path(__file__).parents[1] / "docs" / "figures"
SIDES = (16, 32, 64, 128, 256, 512)
"""Spins of chains at h = 1."""
RANDOM_SITES = (8, 10, 12, 14)
SPREADS = (0.1, 0.3, 0.5, 1.0)
DRAWS = 100
OUTPUT = Path(__file__).parent / "output" / "entanglement"
"""Where trained machines and world lines are kept."""
TRAINED = {"model": "tfim", "L": (8, 16), "h": (0.9, 1.0, 1.1), "seeds": (0, 1, 2, 3)}
LINES = {"L": (8, 16), "h": (0.9, 1.0, 1.1), "sweeps": 10_000}


def chains() -> None:
    """Central charges from the cuts between a quarter and three quarters, periodic and open."""
    for L in SIDES:
        row = [f"L = {L}:"]
        for periodic in (True, False):
            cuts = np.arange(L // 4, 3 * L // 4 + 1)
            own, renyi = FreeFermions(L, 1.0, periodic).entropies(cuts)
            pair = [central_charge(cuts, s, L, periodic=periodic, order=n) for n, s in ((1, own), (2, renyi))]
            row.append(f"{'periodic' if periodic else 'open'} c = {pair[0]:.6f} from S, {pair[1]:.4f} from S_2;")
        print(*row)
    shown = [QuantumModel("tfim", (L,), h=h) for L, h in ((16, 1.0), (64, 1.0), (256, 1.0), (256, 0.9), (256, 1.1))]
    draw_cuts([ground_entropies(model) for model in shown], FIGURES / "entropies_by_cut.png")


def bounds() -> None:
    """What an error of the energy allows: (E - E_0) / gap of even states, at h = 1."""
    for L in (8, 16, 32, 64, 128):
        chain = FreeFermions(L, 1.0)
        factor = -chain.E0 / chain.gap_even
        print(
            f"L = {L}: gap {chain.gap_even:.4f} J, bound {factor:.2f} times the relative error of the energy,", end=" "
        )
        print(f"below 1e-3 from {1e-3 / factor:.1e} on; <m^2> = {chain.m2:.5f}")


def swaps() -> None:
    """Renyi's entropy by swaps and by singular values."""
    model = QuantumModel("tfim", (12,), h=1.0)
    exact, swapped = ground_entropies(model, "exact"), ground_entropies(model, "swap")
    z = (swapped.renyi2 - exact.renyi2[: len(swapped.cuts)]) / swapped.error
    print("swaps less singular values at N = 12, in errors, by cut:", np.round(z, 1))


def random() -> None:
    """Random machines of all kinds."""
    tables = [
        random_entropies("gaussian", RANDOM_SITES, spreads=SPREADS, draws=DRAWS),
        random_entropies("quarter", RANDOM_SITES, draws=DRAWS),
    ]
    groups = []
    for table in tables:
        for spread, slope in table.slopes.items():
            rows = [row for row in table.rows if row.spread == spread]
            print(name(table, spread), *(f"N = {r.N}: {r.von_neumann}" for r in rows), f"slope {slope} ln 2")
            values = np.array([[r.N, r.von_neumann.value, r.von_neumann.error] for r in rows])
            groups.append((name(table, spread), *values.T))
    save(random_figure(groups), FIGURES / "random_machines.png")


def effective() -> None:
    """How many of 4096 configurations have the weight of a Gaussian machine: 1 / sum |psi|^4, medians of 50."""
    for spread in SPREADS:
        found = []
        for k in range(50):
            weights = random_weights("gaussian", 12, 1, spread, None, rng.stream(0, "weights", "effective", k))
            state = machine_state(weights)
            assert state is not None
            p = np.abs(state) ** 2
            found.append(p.sum() ** 2 / (p**2).sum())
        print(f"spread {spread:g}: {np.median(found):.1f} of 4096 configurations")


def machines() -> None:
    """Trained ground states: entropies with errors over machines, and order beside world lines and exact values."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    trained, lines = OUTPUT / "ground-state.h5", OUTPUT / "path-integral.h5"
    files.run(api.recipe("ground-state", trained, True, **TRAINED), trained, extend=True, jobs=1)
    files.run(api.recipe("path-integral", lines, True, **LINES), lines, extend=True, jobs=1)
    found = networks_beside(trained, lines)
    draw_beside(found, FIGURES / "ground_states_beside.png")
    for row in beside_rows(found.rows):
        print(*row)
    for note in found.notes:
        print(note)
    for table in [*stored_entropies(trained), *stored_entropies(trained, "swap")]:
        if table.model.h == 1 and table.exact is not None:
            place = table.cuts.tolist().index(table.model.N // 2)
            entropy = Estimate(float(table.renyi2[place]), float(table.error[place]))
            print(f"{table.name}: S_2 in the middle {entropy}, exact {table.exact[1][place]:.4f}")
            print(f"  c {table.central}, exact at this size {table.exact_central:.4f}")


def thermal() -> None:
    """Moments of 16 spins at h = 0.9 and beta = 96/J, of the lowest even and odd state with their weights."""
    model, ones = QuantumModel("tfim", (16,), h=0.9), np.ones(16)
    even, odd = (eigenstates(model, Sector(flip=flip, shift=(1,), mirror=(1,)))[0] for flip in (1, -1))
    weight = 1 / (1 + np.exp(96 * (odd.energy - even.energy)))
    m2, m4 = (sum(w * moment_of(model, s, ones, p) for w, s in ((1 - weight, even), (weight, odd))) for p in (2, 4))
    print(f"weight of the odd state {weight:.4f}: <m^2> = {m2:.5f}, U4 = {1 - m4 / (3 * m2**2):.5f}")


def name(table: RandomTable, spread: float) -> str:
    """Label of random machines."""
    return f"Gaussian, spread {spread:g}" if table.kind == "gaussian" else r"weights $0, \pm i\pi/4$"


if __name__ == "__main__":
    for part in (chains, bounds, swaps, random, effective, thermal, machines):
        began = time.process_time()
        part()
        print(f"{part.__name__}: {time.process_time() - began:.0f} s of CPU")
