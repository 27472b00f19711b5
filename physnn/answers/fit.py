"""Fits of sweep files and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from physnn import rng
from physnn.analysis.collapse.exponents import Settings
from physnn.analysis.curves.chains import curves_of_chains, curves_of_ladders, unmoved
from physnn.analysis.curves.curves import Curves, curves_of
from physnn.analysis.curves.observables import available, components_of, with_moments
from physnn.analysis.curves.runs import curves_of_runs
from physnn.analysis.curves.section import critical_value, section
from physnn.analysis.curves.tables import Columns, curves_of_table, section_of_table
from physnn.analysis.quantum.slopes import DERIVATIVES, sharpened
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.verdict.first_order import two_peaks
from physnn.analysis.verdict.fit import Fit, Omega, against, fit_curves, omega_of
from physnn.analysis.verdict.null_model import LEAST_IMAGES, PREDICTED, Errors, NullModel, null_model
from physnn.analysis.verdict.size_law import SizeLaw, size_law
from physnn.answers.equilibrium import fitted_together, order_record, start_remarks
from physnn.answers.exchange import exchanges_of
from physnn.answers.formats.notebook import for_notebooks
from physnn.answers.lines import on_line, sites_of_rectangle
from physnn.answers.training.held_back import held_back
from physnn.errors import InputError
from physnn.machine import check_fit
from physnn.store.hdf5 import Group, is_hdf5
from physnn.store.sweep_file import SweepFile, read_sweep
from physnn.store.tables.cells import STDIN, number_and_error
from physnn.store.tables.table import read_covariance, read_table

if TYPE_CHECKING:
    from physnn.analysis.order.equilibrium import EquilibriumCheck


@overload
def fit(
    source: str | Path | SweepFile,
    observable: str | None = None,
    *,
    zeta: float | Literal["free"] | None = None,
    omega: Omega = None,
    critical_point: float | None = None,
    inverse_nu: float | None = None,
    covariance: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> Fit: ...


@overload
def fit(
    source: str | Path | SweepFile,
    observable: str | None = None,
    *,
    at_criticality: float | str | Estimate | Literal[True],
    omega: Omega = None,
    covariance: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> SizeLaw: ...


def fit(
    source: str | Path | SweepFile,
    observable: str | None = None,
    *,
    at_criticality: float | str | Estimate | Literal[True] | None = None,
    **options: Any,
) -> Fit | SizeLaw:
    """Decide whether curves of several sizes cross; if so, estimate critical point and exponents.

    With ``at_criticality`` values at one control value are fitted by a power law or a logarithm in L instead.

    Parameters
    ----------
    source : path or SweepFile
        A sweep file, of ours or made with `physnn.write_sweep`, a line of it (`physnn.on_line`), or a plain table with
        columns L, control, value and error, see `physnn.store.tables.table`; ``-`` is a table from the standard input.
    observable : str, optional
        A name of `physnn.analysis.curves.observables.OBSERVABLES` that the file's arrays allow, by default ``rmse`` of
        networks and ``binder`` of lattice models, at criticality ``m_abs``; of a table the column with this name, by
        default its only value.
    at_criticality : float, str, Estimate or True, optional
        The control value, as a number, ``"2.2692(3)"`` or an estimate, whose error is carried into the values; True for
        the only one in the file.  With ``observable``, ``omega``, ``covariance``, ``columns``, ``resamples`` and
        ``seed``; omega is that of a correction to the power law, fitted by default.
    zeta : float or "free", optional
        zeta/nu is held or fitted; by default fitted where the observable is known not to be dimensionless, else 0.
    omega : float, "free", "log" or "none", optional
        The correction term L^-omega, held or fitted, or 1/ln L in its place.  By default it is fitted for dimensionless
        observables at three sizes or more, but not for networks; otherwise, and with "none", it is there only where
        the data demand it.
    critical_point, inverse_nu : float, optional
        Values that are held.
    covariance : path, optional
        Covariance of a table's values.
    columns : mapping of str to str, optional
        Names, or numbers from 1, of a table's columns by role: ``size``, ``control``, ``value``, ``error``,
        ``control_error``.
    resamples, seed : int
        Bootstrap samples, and root seed of them.

    Returns
    -------
    physnn.analysis.verdict.fit.Fit
        ``verdict``, ``reason``, ``curves``, ``pairs``, ``collapse``; its ``repr`` is what the command prints; notebooks
        show the figure too.  At criticality a `physnn.analysis.verdict.size_law.SizeLaw`: ``verdict``, ``reason``,
        ``exponent``, ``slope``.

    Raises
    ------
    InputError
        If the file is unusable, has one size only, lacks the observable, or does not reach the control value.
    """
    if at_criticality is None:
        return for_notebooks(_crossing(source, observable, **options))
    return _at_criticality(source, observable, at_criticality, **options)


def _crossing(
    source: str | Path | SweepFile,
    observable: str | None,
    *,
    zeta: float | Literal["free"] | None = None,
    omega: Omega = None,
    critical_point: float | None = None,
    inverse_nu: float | None = None,
    covariance: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> Fit:
    found, peaks, remarks = loaded(source, observable, covariance, resamples, seed, columns)
    settings = Settings(zeta, omega_of(found, omega), critical_point, inverse_nu, resamples, relaxed=omega is None)
    sharper = sharper_curves(source, found, seed) if found.chains else None
    remarks = (*remarks, DERIVATIVES) if sharper else remarks
    answer = fit_curves(found, settings, rng.stream(seed, "bootstrap", "fit", found.observable), peaks, sharper)
    answer, null = replace(answer, remarks=(*remarks, *answer.remarks)), null_of(source, found, seed)
    return held_back(answer if null is None else against(answer, null), source)


def sharper_curves(
    source: str | Path | SweepFile, found: Curves, seed: int = 0, stream: str = "", together: Sequence[str] = ()
) -> Curves | None:
    """Curves of chains with what derivatives by the field say; None where the file has none of the observable."""
    control, sizes = sampled_arrays(source if isinstance(source, SweepFile) else read_sweep(source))
    resamples = len(next(iter(found.samples.values())))
    words = seed, "bootstrap", stream or found.observable
    return sharpened(sizes, found.observable, control, resamples, lambda: rng.stream(*words), together)


def _at_criticality(
    source: str | Path | SweepFile,
    observable: str | None,
    value: float | str | Estimate | Literal[True],
    *,
    omega: Omega = None,
    covariance: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> SizeLaw:
    at = critical_value(_written(value) if isinstance(value, str) else value)
    if table := _table_of(source, columns, observable, resamples, uncontrolled=True):
        matrix = read_covariance(Path(covariance), len(table.y)) if covariance else None
        return size_law(section_of_table(table, matrix, at), omega)
    sweep = source if isinstance(source, SweepFile) else read_sweep(source)
    observable = observable or default_observable(sweep, ("m_abs", "largest", "rmse"))
    found, _, remarks = loaded(sweep, observable, covariance, resamples, seed, columns)
    if found.equilibrium:
        raise InputError(f"these are no equilibrium data, so they have no static exponents: {found.equilibrium}")
    points = replace(found.points(), error=np.concatenate([found.errors[L] for L in found.sizes]))
    if (shared := found.correlated()) is not None:
        points = replace(points, covariance=shared * np.outer(points.error, points.error))
    names = found.control, found.observable, found.symbol
    at_one = section(points, at, names, found.rows() if found.networks > 1 else None, found.dof)
    return size_law(replace(at_one, remarks=(*remarks, *at_one.remarks)), omega)


def _written(text: str) -> Estimate:
    """Estimate that is written as ``2.2692(3)``, ``2.2692+-0.0003`` or ``2.2692``."""
    found = number_and_error(text)
    if found is None:
        raise InputError(f"{text[:30]!r} is no critical value: write a number, as 2.2692, or with its error, 2.2692(3)")
    return Estimate(found[0], 0.0 if np.isnan(found[1]) else found[1])


def null_of(source: str | Path | SweepFile, found: Curves, seed: int = 0) -> NullModel | None:
    """Null model of a noise sweep's error; None where there is none."""
    if found.observable not in PREDICTED or found.images < LEAST_IMAGES or len(found.sizes) < 2:
        return None
    sweep = source if isinstance(source, SweepFile) else read_sweep(source)
    names = (found.control, "se_near", "se_far", "n_near")
    if any(name not in group for group in sweep.sizes.values() for name in names):
        return None
    sizes = {L: Errors(*(group[name].values for name in names)) for L, group in sweep.sizes.items()}
    return null_model(sizes, found.observable, rng.stream(seed, "bootstrap", "null model", found.observable))


def loaded(
    source: str | Path | SweepFile,
    observable: str | None,
    covariance: str | Path | None,
    resamples: int,
    seed: int,
    columns: Mapping[str, str] | None = None,
) -> tuple[Curves, str, tuple[str, ...]]:
    """Curves of a file, evidence of two peaks in it, and what was done to its numbers."""
    if table := _table_of(source, columns, observable, resamples):
        matrix = read_covariance(Path(covariance), len(table.y)) if covariance else None
        generator = rng.stream(seed, "bootstrap", "table")
        found, said = curves_of_table(table, matrix, max(1000, resamples), generator)
        return found, "", (*table.remarks, *said)
    if columns:
        raise InputError(f"columns belong to a plain table; a sweep file knows its own (--{next(iter(columns))})")
    if covariance:
        raise InputError("a covariance belongs to a plain table; a sweep file has its own resampling")
    sweep = source if isinstance(source, SweepFile) else read_sweep(source)
    sweep, remarks = fitted_together(sweep)
    remarks = (*remarks, *filter(None, (each.remark() for each in exchanges_of(sweep))))
    found = curves(sweep, observable, resamples=resamples, seed=seed)
    sizes = {L: arrays for L, (_, arrays) in sampled_arrays(sweep)[1].items()}
    remarks = (*remarks, *filter(None, (unmoved(found, sizes) if found.frozen else "", found.slow)))
    remarks += start_remarks(sweep, found.observable)
    return found, two_peaks(sizes), remarks


def _table_of(
    source: str | Path | SweepFile,
    columns: Mapping[str, str] | None,
    observable: str | None,
    resamples: int,
    uncontrolled: bool = False,
) -> Columns | None:
    """Columns of a plain table; None for a sweep."""
    if isinstance(source, SweepFile) or (Path(source) != STDIN and is_hdf5(Path(source))):
        return None
    table = Columns(**read_table(Path(source), columns, observable, uncontrolled))
    if table.t is not None:
        raise InputError(f"{source} has a column of times: fit it with --dynamic")
    check_fit(len(table.y), resamples)
    return table


def equilibrium_checks(sweep: SweepFile) -> list[EquilibriumCheck]:
    """Thermometer, autocorrelation and agreement of starts of an equilibrium sweep; none of other sweeps."""
    if order_record(sweep) is None:
        return []
    from physnn.analysis.order.equilibrium import checks

    return checks(sampled_arrays(sweep)[1], both=sweep.recipe.get("start") == "both")


def curves(
    source: str | Path | SweepFile, observable: str | None = None, *, resamples: int = 200, seed: int = 0
) -> Curves:
    """Curves of an observable of a sweep with bootstrap samples; parameters and errors as in `fit`."""
    sweep = source if isinstance(source, SweepFile) else read_sweep(source)
    observable = observable or default_observable(sweep)
    check_fit(sum(len(x) for x, _ in sampled_arrays(sweep)[1].values()), resamples)
    return sampled_curves(sweep, observable, resamples, rng.stream(seed, "bootstrap", observable))


def sampled_curves(
    sweep: SweepFile, observable: str, resamples: int, generator: np.random.Generator, together: Sequence[str] = ()
) -> Curves:
    """Curves of an observable of networks, of Markov chains, or of runs that all control values share.

    Observables with the same ``together``, all their names, and equal generators are resampled with the same draws.
    """
    control, sizes = sampled_arrays(sweep)
    group = next(iter(sweep.sizes.values()))
    if any(v.dims[1:] == ("series", "bin") for v in group.values()):
        return curves_of_runs(sizes, observable, control, resamples, generator)
    if not any(v.dims[1:] == ("chain", "measurement") for v in group.values()):
        components = int(group["n_order"].values.max()) if "n_order" in group else 1
        return curves_of(sizes, observable, control, resamples, generator, components)
    components = components_of(observable, {name: int(v.attrs.get("components", 1)) for name, v in group.items()})
    form = curves_of_ladders if "replica" in group else curves_of_chains
    return form(sizes, observable, control, resamples, generator, components, together)


def default_observable(sweep: SweepFile, first: Sequence[str] = ("rmse", "binder")) -> str:
    """First of some observables that a sweep has: by default RMSE of networks, the cumulant of lattice models."""
    control, sizes = sampled_arrays(sweep)
    allowed = available(next(iter(sizes.values()))[1], control)
    return next((name for name in (*first, *allowed) if name in allowed), "rmse")


def curve_rows(found: Curves) -> list[list[str]]:
    """Curves as rows of text: control value, then value and error of every size, unknown where no chain moved."""
    values = sorted({float(x) for L in found.sizes for x in (*found.x[L], *found.frozen.get(L, ()))})
    rows = []
    for x in values:
        row = [f"{x:.6g}"]
        for L in found.sizes:
            at = np.flatnonzero(found.x[L] == x)
            nothing = "unknown" if x in found.frozen.get(L, ()) else ""
            row.append(str(Estimate(float(found.y[L][at[0]]), float(found.errors[L][at[0]]))) if len(at) else nothing)
        rows.append(row)
    return rows


def controls_of(group: Group) -> set[str]:
    """Names of the coordinates, of numbers, along which arrays (control, network, image) of a size lie, if any."""
    names = {v.dims[0] for v in group.values() if len(v.dims) == 3 and v.dims[0] in group}
    return {name for name in names if group[name].values.dtype.kind in "fiu"}


def sampled_arrays(sweep: SweepFile) -> tuple[str, dict[int, tuple[np.ndarray, dict[str, np.ndarray]]]]:
    """Control's name and, for every L, its values and the arrays (control, network, image).

    Raises
    ------
    InputError
        If a group has no control coordinate or no such arrays.
    """
    sizes, control = {}, ""
    for L, every in on_line(sweep).sizes.items():
        # The states of chains are no observables, nor is what a trained machine has besides its measurements.
        alike = every["energy"].dims if "energy" in every else ()
        group = {name: v for name, v in every.items() if not name.startswith(("state_", "snapshots"))}
        names = controls_of(group)
        if len(names) != 1:
            raise InputError(f"L{L} has no curves over one control parameter: use physnn plot, export --to netcdf")
        x = group[control := names.pop()].values
        own = [name for name, v in group.items() if v.dims == (alike or (control, *v.dims[1:])) and len(v.dims) == 3]
        arrays = {name: group[name].values for name in own}
        real = all(v.dtype.kind in "fiu" for v in (x, *arrays.values()))
        shapes = {v.shape for v in arrays.values()}
        if not real or len(shapes) != 1 or x.shape != min(shapes)[:1] or not min(min(shapes)):
            raise InputError(f"group L{L} of the sweep is not made of real arrays ({control}, network, image)")
        if not np.isfinite(x).all() or len(set(x.tolist())) != len(x):
            raise InputError(f"{control} of L = {L} must be finite and without repetition")
        sites = max(int(v.attrs.get("sites", 0)) for v in group.values()) or sites_of_rectangle(sweep, L)
        sizes[L] = x, with_moments(arrays, L, bool(sweep.recipe.get("field")), sites)
    if not sizes:
        raise InputError("the sweep holds no sizes")
    return control, sizes
