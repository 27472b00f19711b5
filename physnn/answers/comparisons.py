"""Fits beyond one observable of one file: common fits, dynamic scaling, comparisons, and their description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from physnn import rng
from physnn.analysis.collapse.exponents import Settings, collapse
from physnn.analysis.curves.tables import Columns, is_dimensionless
from physnn.analysis.verdict.fit import Fit, Omega, omega_of
from physnn.answers.equilibrium import fitted_together
from physnn.answers.fit import default_observable, fit, loaded, sampled_curves, sharper_curves
from physnn.answers.lines import on_their_lines
from physnn.errors import InputError
from physnn.machine import check_fit
from physnn.store.hdf5 import is_hdf5
from physnn.store.sweep_file import SweepFile, read_sweep
from physnn.store.tables.table import read_table

if TYPE_CHECKING:
    from physnn.analysis.collapse.dynamic import DynamicFit
    from physnn.analysis.collapse.joint import Joint
    from physnn.analysis.statistics.estimate import Estimate
    from physnn.analysis.verdict.universality import Comparison, Equality


def fit_joint(
    source: str | Path | SweepFile,
    others: Sequence[str],
    observable: str | None = None,
    *,
    omega: Omega = None,
    resamples: int = 200,
    seed: int = 0,
) -> Joint:
    """Fit one critical point and one 1/nu to several observables.

    Parameters
    ----------
    source : path or SweepFile
        A sweep file or a table.
    others : sequence of str
        Further observables of the sweep file, or further tables.
    observable : str, optional
        The first observable, as in `fit`.
    omega, resamples, seed
        As in `fit`.  Every observable has zeta/nu fitted if it is known not to be dimensionless.

    Raises
    ------
    InputError
        If an observable has no collapse of its own, or is given twice.
    """
    from physnn.analysis.collapse.joint import joint

    generator = rng.stream(seed, "bootstrap", "joint fit")
    parts = []
    if isinstance(source, SweepFile) or is_hdf5(Path(source)):
        sweep = fitted_together(source if isinstance(source, SweepFile) else read_sweep(source))[0]
        names = (observable or default_observable(sweep), *others)
        # The same stream for all: sample b draws the same networks and images, or bins, for every observable.
        found = [sampled_curves(sweep, n, resamples, rng.stream(seed, "bootstrap", "joint"), names) for n in names]
        found = [(each.chains and sharper_curves(sweep, each, seed, "joint", names)) or each for each in found]
    else:
        names = (str(source), *others)
        found = [loaded(n, observable if n == str(source) else None, None, resamples, seed)[0] for n in names]
    if said := next((each.equilibrium for each in found if each.equilibrium), ""):
        raise InputError(f"these are no equilibrium data, so they have no static exponents: {said}")
    if len(set(names)) < len(names):
        raise InputError(f"the common fit has {', '.join(names)}: give each observable once")
    settings = Settings(omega=omega_of(found[0], omega), resamples=resamples, relaxed=omega is None)
    for name, each in zip(names, found, strict=True):
        answer = collapse(each, settings, generator)
        if answer is None:
            raise InputError(f"{name} has no stable collapse of its own, so it cannot enter a common fit")
        parts.append((each, answer))
    return joint(parts, resamples, generator)


def fit_dynamic(
    source: str | Path,
    *,
    z: float | Literal["free"] | None = None,
    zeta: float | Literal["free"] | None = None,
    critical_point: float | None = None,
    inverse_nu: float | None = None,
    observable: str | None = None,
    columns: Mapping[str, str] | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> DynamicFit:
    """Fit critical point, exponents and z to a table with a column of times.

    Parameters
    ----------
    source : path
        Table with columns L, control, t, value and error, named in its header; see `physnn.store.tables.table`.
    z, zeta, critical_point, inverse_nu : float or "free", optional
        Values that are held; zeta/nu is held at 0 for observables not known to have a dimension.
    observable, columns, resamples, seed
        As in `fit`; a column may be the ``time``.

    Raises
    ------
    InputError
        If the table has no times or errors, or does not determine what is asked for.
    """
    from physnn.analysis.collapse.dynamic import dynamic_scaling
    from physnn.analysis.curves.points import Points

    table = Columns(**read_table(Path(source), columns, observable))
    check_fit(len(table.y), resamples)
    if table.t is None or table.error is None:
        missing = "times" if table.t is None else "errors"
        raise InputError(f"{source} has no column of {missing}: name columns in a header, as in L,T,t,value,error")
    if zeta is None:
        zeta = 0.0 if is_dimensionless(table.observable) else "free"
    held = [None if value in (None, "free") else float(value) for value in (critical_point, inverse_nu, zeta, z)]
    points = Points(table.L, table.x, table.y, table.error, t=table.t)
    generator = rng.stream(seed, "bootstrap", "dynamic")
    return dynamic_scaling(points, (held[0], held[1], held[2], held[3]), resamples, generator=generator)


def compare(
    a: str | Path,
    b: str | Path | None = None,
    *,
    observable: str | None = None,
    observable_b: str | None = None,
    at: Mapping[str, float] | None = None,
    zeta: float | Literal["free"] | None = None,
    omega: Omega = None,
    resamples: int = 200,
    seed: int = 0,
) -> Comparison:
    """Fit one or two files and compare exponents with each other and with the table of universality classes.

    Parameters
    ----------
    a, b : path
        Sweep files or tables; without ``b`` only the classes are compared with.
    observable, observable_b : str, optional
        Observables; ``observable_b`` is ``observable`` by default.
    at : mapping of str to float, optional
        Line of files that vary several control parameters, as in `physnn.on_line`.
    zeta, omega, resamples, seed
        As in `fit`, for both.
    """
    from physnn.analysis.verdict.universality import compare_fits

    sources = on_their_lines([a, b] if b else [a], at or {})
    first = fit(sources[0], observable, zeta=zeta, omega=omega, resamples=resamples, seed=seed)
    names = Path(a).stem, Path(b).stem if b else "B"
    if b is None:
        return compare_fits(first, None, names)
    second = fit(sources[1], observable_b or observable, zeta=zeta, omega=omega, resamples=resamples, seed=seed)
    return compare_fits(first, second, names if names[0] != names[1] else ("A", "B"))


def methods(answer: Fit) -> dict[str, str]:
    """Methods paragraph of a fit and the BibTeX entries of what it used."""
    from physnn.analysis.verdict.methods import methods_of

    return methods_of(answer)


def comparison_rows(found: Comparison) -> list[list[str]]:
    """Critical point and exponents of the fits with what they differ by."""
    from physnn.analysis.verdict.universality import exponents

    fits = list(found.fits.values())
    known = [exponents(fit) for fit in fits]
    points = [
        fit.collapse.critical_point if fit.collapse else fit.merging.best.critical_point if fit.merging else None
        for fit in fits
    ]
    rows = [["critical point", *map(_text, points), *(["not universal", "", ""] if found.b else [])]]
    for name, k, equality in (("1/nu", 0, found.inverse_nu), ("zeta/nu", 1, found.zeta_over_nu)):
        if any(pair[k] for pair in known):
            rows.append([name, *(_text(pair[k]) for pair in known), *(_equality(equality) if found.b else [])])
    return rows


def _text(estimate: Estimate | None) -> str:
    return str(estimate) if estimate else "-"


def _equality(found: Equality | None) -> list[str]:
    if found is None:
        return ["-", "-", "-"]
    return [str(found.difference), str(found.ratio[0]) if found.ratio else "unbounded", f"{found.z_score:+.1f}"]


def class_rows(found: Comparison) -> tuple[list[str], list[list[str]]] | None:
    """Header and rows of all classes against the fits that have exponents; None where none has."""
    from physnn.analysis.verdict.universality import CLASSES, scores

    tables = {name: scores(fit) for fit, name in zip(found.fits.values(), found.names, strict=False)}
    columns: list[tuple[str, list[str]]] = []
    for name, table in tables.items():
        if table and table[0].inverse_nu is not None:
            columns.append((f"{name}: 1/nu", [f"{s.inverse_nu:+.1f}" for s in table]))
        if table and table[0].order_parameter is not None:
            # Of -beta/nu and gamma/nu the closer one.
            closer = [min(s.order_parameter or 0.0, s.susceptibility or 0.0, key=abs) for s in table]
            columns.append((f"{name}: zeta/nu", [f"{z:+.1f}" for z in closer]))
    columns += [(f"{name} is", [s.standing for s in table]) for name, table in tables.items() if table]
    if not columns:
        return None
    own = [c for c in CLASSES if c.inverse_nu]
    columns = [
        ("class", [c.name for c in own]),
        ("1/nu", [f"{c.inverse_nu.value:.4g}" for c in own if c.inverse_nu]),
        *columns,
    ]
    return [title for title, _ in columns], [list(row) for row in zip(*(cells for _, cells in columns), strict=True)]
