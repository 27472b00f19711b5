"""The kind of transition that files of equilibrium sweeps show, one network each, and what they share."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from physnn import rng
from physnn.analysis.curves.curves import Curves, disequilibrium
from physnn.analysis.order.decision import Decision, Evidence, Plane, anomalous_dimension, decision_of, on_plane
from physnn.analysis.order.structure import fits, written
from physnn.analysis.statistics.frames import Tabled
from physnn.analysis.statistics.plain import fields_json
from physnn.analysis.statistics.pooled import PooledMean, pooled
from physnn.answers.comparisons import fit_joint
from physnn.answers.equilibrium import fitted_together, order_record
from physnn.answers.fit import fit, sampled_arrays, sampled_curves
from physnn.answers.lines import on_their_lines
from physnn.errors import InputError
from physnn.shipped import data_folder
from physnn.store.hdf5 import content_digest
from physnn.store.sweep_file import SweepFile, read_sweep

DECIDABLE = ("equilibrium", "temperature")
"""Sweeps that can be decided: of unit vectors, and of lattice models, the control."""
LEAST_HOLDING = 2
"""Fewest sizes that hold the order: one has nothing to cross."""
DECIDING = ("binder", "xi_over_L")
"""Observables whose crossings decide."""


@dataclass(frozen=True)
class Decided:
    """A file with its evidence, and the rule that decides it; ``order`` is k* / 2 pi in words."""

    name: str
    order: str
    evidence: Evidence
    decision: Decision

    @property
    def decided(self) -> bool:
        """Whether a rule gave an answer."""
        return self.decision.kind not in ("undecided", "not in equilibrium")

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        evidence = fields_json(self.evidence, "reasons", "doubts", "shared", "trend")
        planes = {"planes": evidence["planes"] or {}}
        return {"file": self.name, "order": self.order} | evidence | planes | self.decision.as_json()


def class_planes(path: Path | None = None) -> tuple[Plane, ...]:
    """U4 against xi/L of the classes that are known, from the bundled table or one like it."""
    with (path or data_folder() / "planes.csv").open(newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    found = []
    for name in dict.fromkeys(row["class"] for row in rows):
        own = sorted((r for r in rows if r["class"] == name), key=lambda r: float(r["xi_over_L"]))
        xi, binder, error = (np.array([float(r[c]) for r in own]) for c in ("xi_over_L", "binder", "error"))
        found.append(Plane(name, int(own[0]["components"]), xi, binder, error))
    return tuple(found)


def evidence_of(source: str | Path | SweepFile, *, resamples: int = 200, seed: int = 0) -> tuple[SweepFile, Evidence]:
    """Sweep of unit vectors or of a lattice model, and the evidence that the rules of a decision judge."""
    whole = source if isinstance(source, SweepFile) else read_sweep(source)
    if whole.recipe.get("kind") not in DECIDABLE:
        raise InputError(
            f"{_called(source)} holds no equilibrium: take files of sweep-noise --mode equilibrium or sweep-temperature"
        )
    record = order_record(whole)
    if record and len(held := [L for L in whole.sizes if fits(record.order().wave_vectors, L)]) < LEAST_HOLDING:
        return whole, Evidence(record.order().components, tuple(held), {})
    sweep, remarks = fitted_together(whole)
    variables = [v for group in sweep.sizes.values() for v in group.values()]
    components = record.order().components if record else max(int(v.attrs.get("components", 1)) for v in variables)
    sizes = tuple(sorted(sweep.sizes))
    doubts = tuple(r for r in remarks if not r.startswith(("L = ", "too short")))
    control, arrays = sampled_arrays(sweep)
    for L, (_, series) in arrays.items():
        if bad := next((name for name, values in series.items() if not np.isfinite(values).all()), None):
            raise InputError(f"{_called(source)}: {bad} of L = {L} has values that are not finite")
    if disequilibrium(arrays, control):
        return whole, Evidence(components, sizes, dict.fromkeys(DECIDING, "non-equilibrium"))
    try:
        return whole, _measured(sweep, components, doubts, resamples, seed)
    except InputError as error:
        # Chains that are too short for their autocorrelation time decide nothing.
        return whole, Evidence(components, sizes, dict.fromkeys(DECIDING, "undecided"), {}, (*doubts, str(error)))


def _called(source: str | Path | SweepFile) -> str:
    return "this line" if isinstance(source, SweepFile) else str(source)


def _measured(sweep: SweepFile, components: int, doubts: tuple[str, ...], resamples: int, seed: int) -> Evidence:
    """Evidence of chains that are long enough."""
    answers = {name: fit(sweep, name, resamples=resamples, seed=seed) for name in DECIDING}
    verdicts = {name: answer.verdict for name, answer in answers.items()}
    point = nu = shared = eta = None
    if set(verdicts.values()) == {"crossing"}:
        # Without a common fit the rules have no exponent, and say so.
        with suppress(InputError):
            both = fit_joint(sweep, ["xi_over_L"], "binder", resamples=resamples, seed=seed)
            point, nu, shared = both.critical_point, both.inverse_nu, both.agreement
    elif verdicts["xi_over_L"] == "merging" and answers["xi_over_L"].merging:
        point = answers["xi_over_L"].merging.best.critical_point
        at = point.value
        with suppress(InputError):
            each = anomalous_dimension(sampled_curves(sweep, "m_abs", resamples, rng.stream(seed, "bootstrap", "eta")))
            eta = each[min(each, key=lambda T: abs(T - at))] if each else None
    binder, xi = (
        sampled_curves(sweep, name, resamples, rng.stream(seed, "bootstrap", "plane"), DECIDING) for name in DECIDING
    )
    return Evidence(
        components, tuple(sorted(sweep.sizes)), verdicts, {name: a.reason for name, a in answers.items()}, doubts,
        point, nu, shared, eta, _trend(xi), {p.name: on_plane(binder, xi, components, p) for p in class_planes()},
    )  # fmt: skip


def _trend(xi: Curves) -> float:
    """xi/L of the largest size less that of the smallest at their lowest common T, in errors; 0 if none."""
    first, last = xi.sizes[0], xi.sizes[-1]
    common = np.intersect1d(xi.x[first], xi.x[last])
    if not len(common):
        return 0.0
    a, b = (int(np.flatnonzero(xi.x[L] == common[0])[0]) for L in (first, last))
    draws = xi.samples[last][:, b] - xi.samples[first][:, a]
    return float((xi.y[last][b] - xi.y[first][a]) / max(draws.std(ddof=1), 1e-300))


@dataclass(frozen=True)
class Study(Tabled):
    """Files with their decisions, and T_c, 1/nu and eta of those that are decided and have them.

    A common value is None where fewer than two do.
    """

    files: tuple[Decided, ...]
    critical_point: PooledMean | None
    inverse_nu: PooledMean | None
    eta: PooledMean | None

    def table_rows(self) -> list[dict[str, object]]:
        """Rows of the files."""
        return [
            {"file": one.name, "k* / 2 pi": one.order, "n": e.components, "L": e.sizes, "T_c": e.critical_point}
            | {"1/nu": e.inverse_nu, "eta": e.eta, "verdict": one.decision.kind}
            for one in self.files
            for e in [one.evidence]
        ]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return fields_json(self)


def study(
    sources: Sequence[str | Path], *, at: Mapping[str, float] | None = None, resamples: int = 200, seed: int = 0
) -> Study:
    """Decide every file, and pool what they have in common.

    Parameters
    ----------
    sources : sequence of path
        Equilibrium sweeps, one network (or model) each.
    at : mapping of str to float, optional
        Line of files that vary several control parameters, as in `physnn.on_line`.
    resamples, seed
        As in `physnn.fit`.

    Raises
    ------
    InputError
        If a file is of another kind, or two hold the same data: they would count as independent.
    """
    found: list[Decided] = []
    seen: dict[str, str | Path] = {}
    for source, line in zip(sources, on_their_lines(sources, at or {}), strict=True):
        if (same := seen.setdefault(content_digest(source), source)) != source:
            raise InputError(f"{source} holds the same data as {same}: give each network once")
        sweep, evidence = evidence_of(line, resamples=resamples, seed=seed)
        record = order_record(sweep)
        waves = record.order().wave_vectors if record else ((Fraction(0), Fraction(0)),)
        words = " and ".join(written(k) for k in dict.fromkeys(waves))
        found.append(Decided(str(source), words, evidence, decision_of(evidence)))
    common = {
        name: pooled([v for one in found if one.decided and (v := getattr(one.evidence, name)) and v.error > 0])
        for name in ("critical_point", "inverse_nu", "eta")
    }
    return Study(tuple(found), **common)
