"""Answers of restricted Boltzmann machines: what they generate beside their data, and how likely they find them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from physnn.analysis.statistics.estimate import Estimate, mean_over
from physnn.analysis.statistics.frames import Tabled
from physnn.analysis.statistics.plain import fields_json
from physnn.errors import InputError
from physnn.models.configurations import two_point_distances
from physnn.samples.base import validated
from physnn.samples.boltzmann.judge import ESTIMATORS, SAMPLE_CHAINS
from physnn.samples.temperature.recipe import TemperatureSweep
from physnn.store.sweep_file import SweepFile, read_sweep

STRETCHES = 40
"""Stretches of chains that a jackknife leaves out one by one, at least."""
NOTED = 3.0
"""Errors from which a difference is told."""
TRAINED_OUT = 3.0
"""Errors between chains of the training and others from which the training was out of equilibrium."""
OFF_TORUS = "G(r) is that of rows and columns as they are stored: on this lattice r is no distance"
"""Remark on data of other lattices than the square torus."""
WORSE_BY = 2.0
"""Errors by which a machine is worse than units drawn at random where its training failed."""
_LIKELY = ("log_likelihood", "log_likelihood_error")
APART = 0.5
"""Difference of two ways to ln Z, in nats, from which they are told apart, where their errors do."""
COMPARED_NAMES = ("energy", "|m|", "c", "chi")
"""Observables of the comparison: energy and |m| per site, specific heat c = N var(e)/T^2, chi = N <m^2>/T."""


@dataclass(frozen=True)
class Compared:
    """An observable of generated configurations and of the data.

    ``deviation`` is their relative difference, ``sigmas`` their difference in units of its error.
    """

    name: str
    machine: Estimate
    data: Estimate

    @property
    def deviation(self) -> float:
        """Relative difference, dimensionless."""
        return self.machine.value / self.data.value - 1 if self.data.value else math.nan

    @property
    def sigmas(self) -> float:
        """Difference over its error."""
        error = math.hypot(self.machine.error, self.data.error)
        return (self.machine.value - self.data.value) / error if error else math.nan

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return fields_json(self) | {"deviation": self.deviation, "sigmas": self.sigmas}


@dataclass(frozen=True)
class MachineAnswer(Tabled):
    """Machines of one size and temperature, over seeds.

    ``log_z`` by way, of the first seed; ``log_likelihood`` of other snapshots than those of the training, and ``kl``,
    NaN where the probabilities of the data are not known; ``overfit`` is the likelihood of the training's snapshots
    less that of others.  Of stacks the likelihood is a lower bound, and the divergence an upper one: ``bounds``.
    ``remarks`` are what speaks against the numbers, ``failed`` why the training was no success.
    """

    L: int
    T: float
    seeds: int
    observables: tuple[Compared, ...]
    correlation: tuple[Compared, ...]
    log_z: Mapping[str, Estimate]
    log_likelihood: Estimate | None
    overfit: Estimate | None
    kl: Estimate | None
    remarks: tuple[str, ...]
    bounds: bool = False
    failed: tuple[str, ...] = ()

    def table_rows(self) -> list[dict[str, object]]:
        """Rows of the observables, with the relative difference and the difference in errors."""
        return [
            {"L": self.L, "T": self.T, "observable": one.name, "machine": one.machine, "data": one.data}
            | {"deviation": one.deviation, "errors": one.sigmas}
            for one in self.observables
        ]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        parts = {name: [one.as_json() for one in getattr(self, name)] for name in ("observables", "correlation")}
        return fields_json(self) | parts


def jackknifed(rows: np.ndarray, function: Callable[[np.ndarray], float]) -> Estimate:
    """Function of the mean row of independent rows, with the error of leaving out one after the other."""
    total, n = rows.sum(axis=0), len(rows)
    left = np.array([function((total - row) / (n - 1)) for row in rows])
    return Estimate(function(total / n), float(math.sqrt((n - 1) * left.var())))


def observables_of(energy: np.ndarray, m: np.ndarray, sites: int, T: float) -> dict[str, Estimate]:
    """Observables of `COMPARED_NAMES` of series, each (chains, measurements), with errors.

    Parameters
    ----------
    energy, m : ndarray
        Energy and order parameter per site.
    sites : int
        Number of sites N.
    T : float
        Temperature in J/k_B, NaN where there are several: then c and chi are without T.
    """
    parts = max(1, -(-STRETCHES // len(energy)))
    length = energy.shape[1] // parts
    e, order = (each[:, : parts * length].reshape(-1, length) for each in (energy, m))
    rows = np.stack([each.mean(axis=1) for each in (e, e**2, np.abs(order), order**2)], axis=1)
    t = 1.0 if math.isnan(T) else T
    rules: list[Callable[[np.ndarray], float]] = [
        lambda x: float(x[0]),
        lambda x: float(x[2]),
        lambda x: float(sites * (x[1] - x[0] ** 2) / t**2),
        lambda x: float(sites * x[3] / t),
    ]
    return {name: jackknifed(rows, rule) for name, rule in zip(COMPARED_NAMES, rules, strict=True)}


def machine_file(path: Path | str) -> SweepFile:
    """File of restricted Boltzmann machines; raises InputError if it holds something else."""
    sweep = read_sweep(path, states=False)
    if sweep.recipe.get("kind") != "train-rbm" or not sweep.sizes:
        raise InputError(f"{path} holds no Boltzmann machines; make them with physnn train rbm")
    return sweep


def machine_answers(path: Path | str, data: Path | str | None = None) -> tuple[MachineAnswer, ...]:
    """What a file of `physnn train rbm` says, by size and temperature, beside its data or another sweep.

    Raises
    ------
    InputError
        If it holds something else, or the sweep has not its sizes and temperatures.
    """
    sweep = machine_file(path)
    place = Path(data) if data is not None else Path(sweep.recipe["data"])
    other = read_sweep(place, states=False)
    return tuple(_answers(sweep, other, place))


def lost_trainings(sweep: SweepFile) -> list[tuple[int, float, str]]:
    """Sizes and temperatures at which a training failed, and why."""
    found = []
    for L, group in sweep.sizes.items():
        if "log_likelihood" not in group:
            continue
        arrays = {name: group[name].values for name in ("snapshots", "visible_bias", *_LIKELY)}
        for k, T in enumerate(group["T"].values.tolist()):
            found += [(L, float(T), why) for why in _failures({name: v[k] for name, v in arrays.items()})]
    return found


def _answers(sweep: SweepFile, other: SweepFile, place: Path) -> Iterator[MachineAnswer]:
    torus = validated(TemperatureSweep, sweep.recipe["data_recipe"]).on_torus
    for L, group in sweep.sizes.items():
        arrays = {name: v.values for name, v in group.items()}
        if L not in other.sizes or not {"energy", "m"} <= other.sizes[L].keys():
            raise InputError(f"{place} has no energies and magnetisations at L = {L} to compare with")
        data = {name: v.values for name, v in other.sizes[L].items() if name in ("T", "energy", "m")}
        for k, T in enumerate(arrays["T"]):
            wanted = sweep.recipe["T"] if sweep.recipe["mixed"] else [T]
            rows = [int(np.argmin(np.abs(data["T"] - one))) for one in wanted]
            if max(abs(data["T"][row] - one) for row, one in zip(rows, wanted, strict=True)) > 1e-9 * max(wanted):
                raise InputError(f"{place} has no T = {T:g} at L = {L} to compare with")
            found = _answer(L, float(T), {n: v[k] if v.ndim > 1 else v for n, v in arrays.items()}, data, rows)
            yield found if torus else replace(found, remarks=(*found.remarks, OFF_TORUS))


def _answer(
    L: int, T: float, arrays: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray], rows: list[int]
) -> MachineAnswer:
    """Answer at one size and temperature from arrays (seed, ...)."""
    distances = two_point_distances(*arrays["snapshots"].shape[2:])
    sites = int(np.prod(arrays["snapshots"].shape[2:]))
    at = T if len(rows) == 1 else math.nan
    energy, m = (data[name][rows].reshape(-1, data[name].shape[-1]) for name in ("energy", "m"))
    true = observables_of(energy, m, sites, at)
    chains = len(arrays["energy"]), SAMPLE_CHAINS, arrays["energy"].shape[1] // SAMPLE_CHAINS
    series = zip(arrays["energy"].reshape(chains), arrays["m"].reshape(chains), strict=True)
    own = [observables_of(e, order, sites, at) for e, order in series]
    observables = tuple(
        Compared(name, mean_over(np.array([x[name].value for x in own]), [x[name].error for x in own]), true[name])
        for name in COMPARED_NAMES
    )
    functions = [
        Compared(
            f"G({r:.4g})",
            mean_over(arrays["correlation"][:, k], arrays["correlation_error"][:, k].tolist()),
            Estimate(float(arrays["data_correlation"][0, k]), float(arrays["data_correlation_error"][0, k])),
        )
        for k, r in enumerate(distances)
    ]
    likely = overfit = kl = None
    if "log_likelihood" in arrays:
        part, error = arrays["log_likelihood"], arrays["log_likelihood_error"]
        likely = mean_over(part[:, 1], error[:, 1].tolist())
        overfit = mean_over(part[:, 0] - part[:, 1], np.hypot(error[:, 0], error[:, 1]).tolist())
        kl = mean_over(arrays["kl"], arrays["kl_error"].tolist())
        kl = None if math.isnan(kl.value) else kl
    log_z = {}
    if "log_z" in arrays:
        pairs = zip(ESTIMATORS, arrays["log_z"][0], arrays["log_z_error"][0], strict=True)
        log_z = {name: Estimate(float(v), float(e)) for name, v, e in pairs if math.isfinite(v)}
    failed = tuple(_failures(arrays)) if "log_likelihood" in arrays else ()
    remarks = (*failed, *_falls(arrays), *_remarks(arrays, observables, log_z))
    stacked = "weights_2" in arrays
    each = observables, tuple(functions), log_z, likely, overfit, kl
    return MachineAnswer(L, T, len(own), *each, remarks, stacked, failed)


def _failures(arrays: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Why trainings were no success: one has left its way, though all its numbers are finite."""
    sites = int(np.prod(arrays["snapshots"].shape[2:]))
    blind = -sites * math.log(max(2, arrays["visible_bias"].shape[1] // sites))
    pairs = zip(arrays["log_likelihood"][:, 1], arrays["log_likelihood_error"][:, 1], strict=True)
    lost = [value for value, error in pairs if not value + WORSE_BY * error > blind]
    if lost:
        yield (
            f"{len(lost)} of {len(arrays['log_likelihood'])} trainings left their way: machines find snapshots less "
            f"likely than units drawn at random do ({min(lost):.4g} against {blind:.4g} nats); take a smaller --lr"
        )


def _falls(arrays: Mapping[str, np.ndarray]) -> Iterator[str]:
    """How far likelihoods fell in the course of the training."""
    if "mark_log_likelihood" not in arrays:
        return
    for seed, (course, errors) in enumerate(
        zip(arrays["mark_log_likelihood"], arrays["mark_log_likelihood_error"], strict=True)
    ):
        best = int(np.argmax(np.where(np.isfinite(errors), course, -np.inf)))
        fall, error = course[best] - course[-1], math.hypot(errors[best], errors[-1])
        if fall > max(APART, NOTED * error):
            yield (
                f"the likelihood of other snapshots fell by {fall:.2g} nats after {int(arrays['mark'][best])} steps of "
                f"training {seed}: take fewer --steps, a larger --k or a smaller --lr"
            )


def _remarks(
    arrays: Mapping[str, np.ndarray], observables: tuple[Compared, ...], log_z: Mapping[str, Estimate]
) -> Iterator[str]:
    """What speaks against the numbers."""
    start, chain = (float(np.abs(arrays[name]).max()) for name in ("start_gap", "chain_gap"))
    if start > NOTED:
        yield (
            f"chains from snapshots and from random states differ by {start:.1f} errors: the generated configurations "
            "are not in equilibrium; take a larger --thin"
        )
    if chain > TRAINED_OUT:
        yield (
            f"chains of the training and long ones differ by {chain:.1f} errors: the training was out of equilibrium, "
            "and what it generates depends on the number of steps; take a larger --k or a smaller --last-lr"
        )
    if {"forward", "reverse"} <= log_z.keys():
        ahead, back = log_z["forward"], log_z["reverse"]
        gap = abs(ahead.value - back.value)
        if math.isinf(ahead.error + back.error):
            yield "too few runs carry the mean of ln Z, so that its error is not known: take a larger --anneal"
        elif gap > max(APART, NOTED * math.hypot(ahead.error, back.error)):
            yield f"runs forwards and back differ by {gap:.2g} nats in ln Z: take a larger --anneal"
    for one in observables:
        if abs(one.sigmas) > NOTED:
            yield f"{one.name} deviates by {one.deviation:+.2%}, {abs(one.sigmas):.1f} errors"


def machine_rows(answers: tuple[MachineAnswer, ...]) -> list[list[str]]:
    """Rows of a table: size, temperature, observable, machine, data, deviation, errors."""
    return [
        [
            str(a.L),
            f"{a.T:.5g}",
            one.name,
            str(one.machine),
            str(one.data),
            f"{one.deviation:+.2%}",
            f"{one.sigmas:+.1f}",
        ]
        for a in answers
        for one in (*a.observables, *a.correlation[:1], *a.correlation[-1:])
    ]
