"""Entropies of trained machines in a file of ground states, by singular values or by swaps in Monte Carlo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from physnn import rng
from physnn.analysis.quantum.entropy import LogAmplitude, Swapped, central_charge, state_entropies, swap_entropies
from physnn.analysis.statistics.estimate import Estimate, mean_over
from physnn.answers.quantum.beside import EXACT_SITES, ground_model
from physnn.answers.quantum.entanglement import (
    SVD_SITES,
    CutTable,
    ground_entropies,
    middle_cuts,
    model_cuts,
    swapped_table,
)
from physnn.answers.quantum.ground_states import TRAINED_GROUND
from physnn.errors import InputError
from physnn.jobs.run import Progress, silent
from physnn.models.quantum import QUANTUM_MODELS, QuantumModel
from physnn.networks.quantum.walkers import Walkers, WaveTables
from physnn.networks.quantum.wave import SpinMachine, lattice_symmetries
from physnn.store.sweep_file import read_sweep

WHOLE_SITES = 16
"""Sites up to which a machine's amplitudes are decomposed as a whole unless a method is named."""
SWAP_CHAINS, SETTLING_SWEEPS, SWEEPS_BETWEEN = 256, 100, 4
"""Chains of a machine, half of them in each set; sweeps before the first draw, and between draws."""
AMPLITUDES_AT_ONCE = 1 << 24
"""Hidden units times configurations whose amplitudes are computed together."""


def stored_entropies(
    path: Path, method: str = "auto", draws: int = 100, seed: int = 0, progress: Progress = silent
) -> list[CutTable]:
    """Entropies of the machines of every size and parameter, means over machines, with errors.

    Parameters
    ----------
    path : Path
        File of `physnn ground-state`.
    method : str
        ``svd`` of all amplitudes, up to 20 sites; ``swap`` for machines with real weights of any size; ``auto`` is the
        first one up to 16 sites.
    draws : int
        Draws of each of the `SWAP_CHAINS` chains that swaps are made with.
    seed : int
        Root seed of the chains.
    progress : callable
        Is told how many machines are done.

    Raises
    ------
    InputError
        If the file holds no ground states, or a method does not reach one.
    """
    found: list[CutTable] = []
    points = stored_machines(path, method)
    for done, point in enumerate(points):
        model, machines = point.model, point.machines
        if point.way == "svd":
            found.append(_decomposed(model, machines))
        else:
            words = [(seed, "chain", "entropy", model.name, point.L, point.value, n) for n in range(len(machines))]
            pairs = zip(machines, words, strict=True)
            each = [swapped_machine(model, m, draws, rng.seed_sequence(*w)) for m, w in pairs]
            found.append(_mean_of_swaps(model, each))
        progress(done + 1, len(points), f"L = {point.L}, {point.value:g}")
    return found


class StoredMachines(NamedTuple):
    """Machines of one size and parameter, and the way to their entropies, ``svd`` or ``swap``."""

    L: int
    value: float
    model: QuantumModel
    machines: list[SpinMachine]
    way: str


def stored_machines(path: Path, method: str = "auto") -> list[StoredMachines]:
    """Machines in a file of ground states; see `stored_entropies`."""
    sweep = read_sweep(path, states=False)
    if sweep.recipe.get("kind") != TRAINED_GROUND:
        raise InputError(f"{path} holds no trained ground states; make them with physnn ground-state")
    control = QUANTUM_MODELS[sweep.recipe["model"]] or "delta"
    found = []
    for L, group in sweep.sizes.items():
        for k, value in enumerate(group[control].values.tolist()):
            model = ground_model(sweep.recipe, L, value)
            arrays = {name: group[name].values[k] for name in ("weights", "bias", "field") if name in group}
            seeds = range(len(arrays["weights"]))
            machines = [_machine(sweep.recipe, model, {n: v[s] for n, v in arrays.items()}) for s in seeds]
            way = ("svd" if model.N <= WHOLE_SITES else "swap") if method == "auto" else method
            if way not in ("svd", "swap"):
                raise InputError(f"--method {way} is for models; machines of a file have svd and swap")
            found.append(StoredMachines(L, value, model, machines, way))
    return found


def _machine(recipe: Mapping[str, Any], model: QuantumModel, arrays: Mapping[str, np.ndarray]) -> SpinMachine:
    """Machine as it is stored: complex numbers have a last axis of two parts."""
    whole = {name: v[..., 0] + 1j * v[..., 1] if recipe.get("complex") else v for name, v in arrays.items()}
    none = np.zeros(0)
    permutations = lattice_symmetries(model.sides, recipe["symmetry"])
    return SpinMachine(whole["weights"], whole.get("bias", none), whole.get("field", none), permutations)


def _logarithms(machine: SpinMachine) -> LogAmplitude:
    """Logarithms of amplitudes, some configurations at a time."""
    step = max(1, AMPLITUDES_AT_ONCE // len(machine.units))

    def logs(spins: np.ndarray) -> np.ndarray:
        return np.concatenate([machine.log_amplitude(spins[k : k + step]) for k in range(0, len(spins), step)])

    return logs


def whole_state(model: QuantumModel, machine: SpinMachine) -> np.ndarray:
    """Amplitudes of all 2^N configurations over the largest, first site slowest; 0 where the sum is not conserved."""
    N = model.N
    spins = 1 - 2 * ((np.arange(1 << N)[:, None] >> np.arange(N - 1, -1, -1)) & 1)
    allowed = np.abs(spins.sum(axis=1)) <= N % 2 if model.conserves else np.ones(len(spins), bool)
    logs = _logarithms(machine)(spins[allowed])
    psi = np.zeros(len(spins), logs.dtype)
    psi[allowed] = np.exp(logs - logs.real.max())
    return psi


def _decomposed(model: QuantumModel, machines: Sequence[SpinMachine]) -> CutTable:
    """Entropies by singular values, means over machines."""
    if model.N > SVD_SITES:
        raise InputError(f"{model.N} sites have too many amplitudes: {SVD_SITES} sites at most, or --method swap.")
    each = [state_entropies(whole_state(model, machine)) for machine in machines]
    own, renyi = (np.array([getattr(e, name) for e in each]) for name in ("von_neumann", "renyi2"))
    kept, cuts = middle_cuts(model), np.arange(1, model.N)
    central = None
    if kept is not None:
        charges = central_charge(cuts[kept], own[:, kept].T, model.N, periodic=model.periodic)
        central = mean_over(np.asarray(charges))
    (own_mean, own_error), (renyi_mean, error) = (_means(values) for values in (own, renyi))
    table = CutTable(model, "machines, svd", cuts, own_mean, renyi_mean, error, own_error=own_error, central=central)
    return _with_exact(table)


def _means(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over machines, and errors that their scatter gives; not a number of a single one."""
    found = [mean_over(column) for column in values.T]
    return np.array([e.value for e in found]), np.array([e.error for e in found])


def swapped_machine(
    model: QuantumModel, machine: SpinMachine, draws: int, seeds: np.random.SeedSequence
) -> list[Swapped]:
    """Entropies of one machine by swaps of its chains."""
    if np.iscomplexobj(machine.weights):
        raise InputError(f"machines with complex weights have no chains; take --method svd, up to {SVD_SITES} sites")
    walkers = Walkers.begin(model, SWAP_CHAINS, seeds)
    tables = WaveTables.of(machine, walkers.moves)
    walkers.settle(tables)
    walkers.walk(SETTLING_SWEEPS * model.N)
    kept = []
    for _ in range(draws):
        walkers.settle(tables)
        walkers.walk(SWEEPS_BETWEEN * model.N)
        kept.append(walkers.configurations.astype(np.int8))
    spins = np.stack(kept, axis=1)
    half = len(spins) // 2
    return swap_entropies(_logarithms(machine), spins[:half], spins[half : 2 * half], model_cuts(model))


def _mean_of_swaps(model: QuantumModel, each: Sequence[Sequence[Swapped]]) -> CutTable:
    """Means over machines of entropies by swaps; the error of a mean is at least that of its machines' draws."""
    tables = [swapped_table(model, found) for found in each]
    joined = []
    for parts in zip(*each, strict=True):
        known = [part.entropy for part in parts if part.entropy]
        note = next((part.note for part in parts if part.note), "")
        mean = None if note else mean_over(np.array([e.value for e in known]), [e.error for e in known])
        joined.append(Swapped(parts[0].cut, mean, note, parts[0].means))
    charges = [table.central for table in tables]
    central: Estimate | None = None
    if all(charge is not None for charge in charges):
        known = [charge for charge in charges if charge is not None]
        central = mean_over(np.array([c.value for c in known]), [c.error for c in known])
    return _with_exact(replace(swapped_table(model, joined), method="machines, swap", central=central))


def _with_exact(table: CutTable) -> CutTable:
    """Table with the exact entropies beside it, where they are known."""
    chain = table.model.name == "tfim" and len(table.model.sides) == 1
    if not chain and table.model.N > EXACT_SITES:
        return table
    exact = ground_entropies(table.model)
    at = table.cuts - 1
    assert exact.von_neumann is not None
    charge = exact.central.value if exact.central else None
    kept = middle_cuts(table.model)
    if charge is not None and table.von_neumann is None and kept is not None:
        middle = table.cuts[np.isin(table.cuts, exact.cuts[kept])]
        N, periodic = table.model.N, table.model.periodic
        charge = float(central_charge(middle, exact.renyi2[middle - 1], N, periodic=periodic, order=2))
    return replace(table, exact=(exact.von_neumann[at], exact.renyi2[at]), exact_central=charge)
