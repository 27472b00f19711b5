"""Entropies of cuts: c = 1/2 of Ising's chain, swaps beside singular values, and what random machines entangle.

Entropies are in nats.  Figures: `docs/figures/entropies_by_cut.png`, `docs/figures/random_machines.png`.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from physnn import rng
from physnn.analysis.quantum.entropy import central_charge
from physnn.answers.quantum.entanglement import draw_cuts, ground_entropies
from physnn.answers.quantum.random_machines import RandomTable, machine_state, random_entropies, random_weights
from physnn.exact.quantum import FreeFermions
from physnn.figures.quantum.entropy import random_figure
from physnn.figures.style import save
from physnn.models.quantum import QuantumModel

FIGURES = Path(__file__).parents[1] / "docs" / "figures"
SIDES = (16, 32, 64, 128, 256, 512)
"""Spins of chains at h = 1."""
RANDOM_SITES = (8, 10, 12, 14)
SPREADS = (0.1, 0.3, 0.5, 1.0)
DRAWS = 100


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


def name(table: RandomTable, spread: float) -> str:
    """Label of random machines."""
    return f"Gaussian, spread {spread:g}" if table.kind == "gaussian" else r"weights $0, \pm i\pi/4$"


if __name__ == "__main__":
    for part in (chains, bounds, swaps, random, effective):
        began = time.process_time()
        part()
        print(f"{part.__name__}: {time.process_time() - began:.0f} s of CPU")
