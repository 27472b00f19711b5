"""Flow of Boltzmann machines under v -> h -> v: where it leads, whether that is a temperature, and what is claimed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physnn import rng
from physnn.analysis.renormalization.decay import decay_length, torus_distances
from physnn.analysis.renormalization.thermometer import Reading, TwoThermometers
from physnn.analysis.statistics.estimate import Estimate, mean_over
from physnn.analysis.statistics.frames import Tabled
from physnn.analysis.statistics.plain import fields_json
from physnn.answers.training.boltzmann import machine_file
from physnn.answers.training.references import (
    reference_configurations,
    reference_thermometer,
    scaled_temperature,
)
from physnn.errors import InputError
from physnn.models import Ising
from physnn.models.boltzmann import STATES_AT_ONCE, Machine
from physnn.models.configurations import columns_of_configurations, two_point
from physnn.models.lattice import Potts
from physnn.networks.boltzmann.chains import GibbsChains, Tables
from physnn.networks.boltzmann.spectrum import SPECTRUM_BITS, UpdateSpectrum, kernel_spectrum
from physnn.samples.boltzmann.judge import gap, hidden_colours, known_truth
from physnn.samples.boltzmann.recipe import BoltzmannRecipe
from physnn.samples.boltzmann.work import machines_of
from physnn.samples.kinds import recipe_from

FLOW_CHAINS = 400
"""Chains that are followed from each start."""
FLOW_STEPS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
"""Updates after which they are looked at."""
LAYER_CONFIGURATIONS = 4000
"""Configurations whose coarse-grained layers are correlated."""
COLD_START, HOT_START = 1.5, 5.0
"""Temperatures of the starts, in units of J / k_B: those of the Ising model."""
SAME_WITHIN = 3.0
"""Errors within which two temperatures are the same."""


@dataclass(frozen=True)
class MachineFlow(Tabled):
    """Flow of the machines of one size and training temperature, the first layer of each.

    Attributes
    ----------
    L, T : int, float
        Size, and temperature of the training in units of J / k_B, a mean of mixed ones.
    cold, hot : tuple of float
        Temperature by energy after `FLOW_STEPS` updates, from cold and from hot starts, of the first seed.
    readings : tuple of Reading
        Temperatures of the last states, for every seed.
    fixed_energy, fixed_likely : Estimate
        Fixed point T* by both thermometers, over seeds.
    together : float
        Difference of the last energies from both starts, in errors: the largest over seeds.
    spectrum : UpdateSpectrum or None
        Exact spectrum of the first seed's update, where both layers are small.
    trace : Estimate or None
        Standard deviation over snapshots of ln sum_h exp(T(v, h)), in nats, over seeds: 0 for an exact renormalization.
    claims : mapping of str to str
        Verdicts by claim.
    """

    L: int
    T: float
    cold: tuple[float, ...]
    hot: tuple[float, ...]
    readings: tuple[Reading, ...]
    fixed_energy: Estimate
    fixed_likely: Estimate
    together: float
    spectrum: UpdateSpectrum | None
    trace: Estimate | None
    claims: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return fields_json(self)


def layer_lengths(path: Path | str, seed: int = 0) -> list[tuple[str, int, float, float]]:
    """Coarse-grained layers of the first machine beside block spins, on the same configurations.

    Hidden units have no places; each gets that of its weights, the mean of sites on the torus with weights squared.

    Returns
    -------
    list of tuple
        Name of a layer, its units, share of a unit's squared weights within a distance of L/4 of its place (NaN where a
        layer has places of its own), and decay length of ``|<s s'>|`` with distance, in lattice constants.

    Raises
    ------
    InputError
        If the file holds something else.
    """
    sweep = machine_file(path)
    recipe = recipe_from(sweep.recipe, Path(path))
    assert isinstance(recipe, BoltzmannRecipe)
    L, group = max(sweep.sizes.items())
    own = {n: v.values[0, 0] for n, v in group.items() if n.startswith(("weights", "visible_bias", "hidden_bias"))}
    stack, T = machines_of(own, -1.0 if recipe.units == "signs" else 0.0, 2), float(group["T"].values[0])
    colours = reference_configurations(L, T, LAYER_CONFIGURATIONS, seed + 3)
    spins, sites = (
        1 - 2 * colours.reshape(len(colours), -1).astype(float),
        np.indices((L, L)).reshape(2, -1).T.astype(float),
    )
    found = [("spins", L * L, math.nan, decay_length(spins, sites, L))]
    if L % 2 == 0:
        blocks = spins.reshape(-1, L // 2, 2, L // 2, 2).sum(axis=(2, 4)).reshape(len(colours), -1)
        ties = rng.stream(seed, "synthetic", "ties", L).choice([-1.0, 1.0], blocks.shape)
        places = 2 * np.indices((L // 2, L // 2)).reshape(2, -1).T + 0.5
        found.append(
            ("blocks of 2 x 2", L * L // 4, math.nan, decay_length(np.where(blocks, np.sign(blocks), ties), places, L))
        )
    data, effective = colours.reshape(len(colours), -1), np.eye(L * L)
    for k, machine in enumerate(stack):
        data = hidden_colours(machine, data, rng.seed_sequence(seed, "chain", "layers", k))
        effective = effective @ machine.weights
        power = effective**2 / (effective**2).sum(axis=0)
        places = np.angle(np.exp(2j * np.pi * sites / L).T @ power).T % (2 * np.pi) * L / (2 * np.pi)
        near = torus_distances(sites, places, L) <= L / 4
        length = decay_length(1 - 2 * data.astype(float), places, L)
        found.append((f"layer {k + 1}", data.shape[1], float((power * near).sum(axis=0).mean()), length))
    return found


def shuffled_weights(machine: Machine, seeds: np.random.SeedSequence) -> Machine:
    """Machine with the same weights at random places: a null that has been trained on nothing."""
    generator = rng.generator(seeds)
    weights = generator.permutation(machine.weights.ravel()).reshape(machine.weights.shape)
    return Machine(weights, machine.visible_bias, machine.hidden_bias, machine.low, machine.colours)


def machine_flows(
    path: Path | str, seed: int = 0, random: bool = False, spectrum: bool = True
) -> tuple[MachineFlow, ...]:
    """Flows of the machines in a file of `physnn train rbm`, by size and temperature.

    Parameters
    ----------
    path : path
        The file.
    seed : int
        Root seed of starts, moves and reference.
    random : bool
        Put every machine's weights at random places first: a null.
    spectrum : bool
        Find the exact spectrum where layers are small; it takes about a minute at 16 units.

    Raises
    ------
    InputError
        If the file holds something else, or its data are not of an Ising or Potts model on the square torus.
    """
    sweep = machine_file(path)
    recipe = recipe_from(sweep.recipe, Path(path))
    assert isinstance(recipe, BoltzmannRecipe)
    data = recipe.data_sweep()
    model = data.model_on(min(sweep.sizes))
    if not isinstance(model, Ising | Potts) or not data.on_torus or data.field or data.coupling != 1:
        raise InputError(
            "the thermometers are those of Ising and Potts models with J = 1 on the square torus: take such data"
        )
    found = []
    for L, group in sweep.sizes.items():
        arrays, thermometer = {n: v.values for n, v in group.items()}, reference_thermometer(L, seed, model=model)
        for k, T in enumerate(arrays["T"]):
            machines = [_machine(arrays, k, s, recipe) for s in range(len(recipe.seeds))]
            if random:
                machines = [
                    shuffled_weights(m, rng.seed_sequence(seed, "synthetic", "weights", s))
                    for s, m in enumerate(machines)
                ]
            found.append(_flow(machines, (L, float(T)), recipe, model, thermometer, seed, spectrum))
    return tuple(found)


def _machine(arrays: Mapping[str, np.ndarray], k: int, s: int, recipe: BoltzmannRecipe) -> Machine:
    own = {name: v[k, s] for name, v in arrays.items() if name in ("weights", "visible_bias", "hidden_bias")}
    q = recipe.data_sweep().model_on(2).q
    return machines_of(own, -1.0 if recipe.units == "signs" else 0.0, q)[0]


def _flow(
    machines: Sequence[Machine],
    at: tuple[int, float],
    recipe: BoltzmannRecipe,
    model: Ising | Potts,
    thermometer: TwoThermometers,
    seed: int,
    spectrum: bool,
) -> MachineFlow:
    L, T = at
    begin = [scaled_temperature(model, t) for t in (COLD_START, HOT_START)]
    starts = [reference_configurations(L, t, FLOW_CHAINS, seed + 1, model) for t in begin]
    each = [fixed_point(machine, starts, thermometer, seed, (*at, s), model) for s, machine in enumerate(machines)]
    readings, gaps = [reading for _, reading, _ in each], [apart for _, _, apart in each]
    fixed = [
        mean_over(np.array([getattr(r, name).value for r in readings]), [getattr(r, name).error for r in readings])
        for name in ("energy", "likely")
    ]
    small = max(machines[0].weights.shape) <= SPECTRUM_BITS
    exact = kernel_spectrum(machines[0]) if spectrum and small and machines[0].colours == 2 else None
    trace = None
    if not (recipe.mixed or recipe.shuffled) and known_truth(recipe.data_sweep(), L, T):
        trace = mean_over(np.array([trace_deviation(m, recipe, L, T, seed) for m in machines]))
    claims = machine_claims(fixed, readings, max(gaps), exact, trace, model.critical_temperature)
    cold, hot = each[0][0]
    return MachineFlow(L, T, cold, hot, tuple(readings), fixed[0], fixed[1], max(gaps), exact, trace, claims)


def fixed_point(
    machine: Machine,
    starts: Sequence[np.ndarray],
    thermometer: TwoThermometers,
    seed: int,
    words: Sequence[Any] = (),
    model: Ising | Potts | None = None,
) -> tuple[list[tuple[float, ...]], Reading, float]:
    """Temperatures by energy after `FLOW_STEPS` updates from every start, and those of the last states together.

    Parameters
    ----------
    machine : Machine
        Machine of a model on a torus.
    starts : sequence of ndarray
        Two sets of configurations, int8 (n, rows, columns).
    thermometer : TwoThermometers
        TwoThermometers of that size.
    seed, words
        Root seed and words of the moves.
    model : Ising or Potts, optional
        The model, the Ising model if none is given.

    Returns
    -------
    courses, reading, gap
        Temperatures by start, temperatures of the last states, and by how many errors their energies differ.
    """
    seeds = [rng.seed_sequence(seed, "chain", "flow", *words, k) for k in range(len(starts))]
    own = Ising() if model is None else model
    each = [_course(machine, start, thermometer, s, own) for start, s in zip(starts, seeds, strict=True)]
    energies = [columns_of_configurations(own, last)["energy"] for _, last in each]
    reading = thermometer.read(np.concatenate(energies), two_point(np.concatenate([last for _, last in each]), own.q))
    return [tuple(course) for course, _ in each], reading, abs(gap(energies[0], energies[1]))


def _course(
    machine: Machine,
    colours: np.ndarray,
    thermometer: TwoThermometers,
    seeds: np.random.SeedSequence,
    model: Ising | Potts,
) -> tuple[list[float], np.ndarray]:
    """Temperature by energy after `FLOW_STEPS` updates, and the last configurations."""
    tables = Tables.of(machine)
    chains = GibbsChains.begin(tables, tables.states_of(colours.reshape(len(colours), -1)), seeds)
    found, done, last = [], 0, colours
    for step in FLOW_STEPS:
        chains.move(tables, step - done)
        done, last = step, tables.colours_of(chains.visible).reshape(colours.shape)
        energy = columns_of_configurations(model, last)["energy"]
        found.append(thermometer.read(energy, two_point(last, model.q)).energy.value)
    return found, last


def trace_deviation(machine: Machine, recipe: BoltzmannRecipe, L: int, T: float, seed: int = 0) -> float:
    """Standard deviation over configurations of ``ln sum_h exp(T(v, h))``, in nats.

    With T(v, h) = H(v) - E(v, h) the sum over v of exp(T - H) is exp(-H') whatever the weights; a renormalization needs
    that the sum over h of exp(T) is the same for all v, too, and then the machine has the law of the data (P. Mehta,
    D. J. Schwab, arXiv:1410.3831).
    """
    truth = known_truth(recipe.data_sweep(), L, T)
    assert truth is not None
    colours = reference_configurations(L, T, STATES_AT_ONCE // 8, seed + 2).reshape(-1, L * L)
    return float((machine.log_weight(machine.values_of(colours).astype(float)) - truth(colours)).std(ddof=1))


def machine_claims(
    fixed: Sequence[Estimate],
    readings: Sequence[Reading],
    together: float,
    exact: UpdateSpectrum | None,
    trace: Estimate | None,
    critical: float = Ising().critical_temperature,
) -> dict[str, str]:
    """Verdict on every claim, where T_c is the temperature ``critical``."""
    thermal = all(reading.thermal for reading in readings)
    near = all(abs(one.value - critical) < SAME_WITHIN * one.error for one in fixed)
    found = {
        "the flow has a fixed point": "yes: cold and hot starts meet"
        if together < SAME_WITHIN
        else f"open: starts still differ by {together:.1f} errors",
        "it is a thermal state": "not excluded: both thermometers agree and the two-point function fits"
        if thermal
        else "no: thermometers disagree, or no temperature has its two-point function",
        "it lies at T_c": "within errors" if near and thermal else "no",
    }
    if exact is not None:
        second = float(exact.eigenvalues[1])
        found["there is a relevant direction"] = (
            f"no: all eigenvalues of the update lie in [0, 1], the second is {second:.4f}, so every deviation shrinks"
        )
    else:
        found["there is a relevant direction"] = "no: a reversible Markov kernel has its eigenvalues in [0, 1]"
    found["it is critical"] = "no: nothing grows, so there is no exponent"
    if trace is not None:
        found["the machine is a renormalization (sum_h exp T = 1)"] = f"broken by {trace} nats, a standard deviation"
    return found


def flow_rows(flows: Sequence[MachineFlow]) -> list[list[str]]:
    """Rows of a table: size, training temperature, T* by both thermometers, quality, gap of the starts."""
    return [
        [
            str(f.L),
            f"{f.T:.5g}",
            str(f.fixed_energy),
            str(f.fixed_likely),
            f"{min(r.p_value for r in f.readings):.2g}",
            f"{f.together:.1f}",
            "-" if f.trace is None else str(f.trace),
            "-" if f.spectrum is None else f"{f.spectrum.eigenvalues[1]:.4f}",
        ]
        for f in flows
    ]
