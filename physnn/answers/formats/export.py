"""Curves and arrays of sweep files in the formats of other programs."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physnn.analysis.curves.observables import available
from physnn.answers.fit import curves, sampled_arrays
from physnn.answers.lines import on_line
from physnn.errors import InputError, check_installed, naming_extras
from physnn.store.hdf5 import write_bytes
from physnn.store.sweep_file import SweepFile, open_datatree, read_sweep

if TYPE_CHECKING:
    import pandas

EXPORTED = {"csv": ".csv", "json": ".json", "parquet": ".parquet", "netcdf": ".nc"}
"""Endings by format."""


@naming_extras()
def curve_table(
    source: str | Path | SweepFile,
    observables: Sequence[str] | None = None,
    *,
    at: Mapping[str, float] | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> pandas.DataFrame:
    """Table of curves: a row for every size and control value, a value and a standard error of every observable.

    Parameters
    ----------
    source : path or SweepFile
        Sweep file.
    observables : sequence of str, optional
        Names of `physnn.analysis.curves.observables.OBSERVABLES`; by default all that the file allows and that have a
        value.
    at : mapping of str to float, optional
        Line of a file with several control parameters, see `physnn.on_line`.
    resamples, seed : int
        Bootstrap samples that errors rest on, and root seed of them.

    Returns
    -------
    pandas.DataFrame
        Columns ``L``, the control parameter, and ``NAME``, ``NAME_error`` for every observable.  Where no chain moved
        there is no row.

    Raises
    ------
    InputError
        If the file has no curves, or lacks an observable.
    """
    import pandas

    return pandas.DataFrame(_columns(source, observables, at, resamples, seed))


def _columns(
    source: str | Path | SweepFile,
    observables: Sequence[str] | None,
    at: Mapping[str, float] | None,
    resamples: int,
    seed: int,
) -> dict[str, list[Any]]:
    """Columns of `curve_table` by name; nan where an observable has no value."""
    sweep = on_line(source if isinstance(source, SweepFile) else read_sweep(source, states=False), at=at)
    control, sizes = sampled_arrays(sweep)
    names = tuple(observables or available(next(iter(sizes.values()))[1], control))
    if not names:
        raise InputError("the file has no observables to make curves of; --to netcdf writes its arrays")
    columns: dict[str, dict[tuple[int, float], float]] = {}
    for name in names:
        try:
            found = curves(sweep, name, resamples=resamples, seed=seed)
        except InputError:
            if observables:
                raise
            continue  # an observable that this model does not have, such as one without a finite value
        for column, values in ((name, found.y), (f"{name}_error", found.errors)):
            columns[column] = {
                (L, float(x)): float(y) for L in found.sizes for x, y in zip(found.x[L], values[L], strict=True)
            }
    if not columns:
        raise InputError("no observable of the file has curves; --to netcdf writes its arrays")
    rows = sorted({row for values in columns.values() for row in values})
    named: dict[str, list[Any]] = {"L": [L for L, _ in rows], control: [x for _, x in rows]}
    return named | {name: [values.get(row, math.nan) for row in rows] for name, values in columns.items()}


def export(
    source: Path,
    out: Path,
    form: str,
    observables: Sequence[str] | None = None,
    at: Mapping[str, float] | None = None,
    seed: int = 0,
) -> int:
    """Number of rows written: curves of a sweep as ``csv``, ``json`` (records) or ``parquet``.

    ``netcdf`` has all arrays instead, a group for every size, and the number of groups is returned.

    Raises
    ------
    InputError
        As for `curve_table`, or if what writes a format is not installed.
    """
    if form == "netcdf":
        tree = open_datatree(source)
        write_bytes(out, bytes(tree.to_netcdf(engine="h5netcdf")))
        return len(tree.children)
    if form == "parquet":
        check_installed("pyarrow")
        buffer = io.BytesIO()
        table = curve_table(source, observables, at=at, seed=seed)
        table.to_parquet(buffer, engine="pyarrow", index=False)
        write_bytes(out, buffer.getvalue())
        return len(table)
    columns = _columns(source, observables, at, 200, seed)
    rows = list(zip(*columns.values(), strict=True))
    if form == "csv":
        text = io.StringIO()
        lines = [["" if math.isnan(value) else value for value in row] for row in rows]
        csv.writer(text, lineterminator="\n").writerows([list(columns), *lines])
        write_bytes(out, text.getvalue().encode())
    else:
        records = [{n: v if math.isfinite(v) else None for n, v in zip(columns, row, strict=True)} for row in rows]
        write_bytes(out, json.dumps(records).encode())
    return len(rows)
