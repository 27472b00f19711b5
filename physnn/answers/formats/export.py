"""Curves and arrays of sweep files in the formats of other programs."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from physnn.analysis.curves.observables import available
from physnn.answers.fit import curves, sampled_arrays
from physnn.answers.lines import on_line
from physnn.errors import InputError
from physnn.store.hdf5 import write_bytes
from physnn.store.sweep_file import SweepFile, open_datatree, read_sweep

if TYPE_CHECKING:
    import pandas

EXPORTED = {"csv": ".csv", "json": ".json", "parquet": ".parquet", "netcdf": ".nc"}
"""Endings by format."""


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

    sweep = on_line(source if isinstance(source, SweepFile) else read_sweep(source, states=False), at=at)
    control, sizes = sampled_arrays(sweep)
    names = tuple(observables or available(next(iter(sizes.values()))[1], control))
    if not names:
        raise InputError("the file has no observables to make curves of; --to netcdf writes its arrays")
    columns: dict[str, pandas.Series] = {}
    for name in names:
        try:
            found = curves(sweep, name, resamples=resamples, seed=seed)
        except InputError:
            if observables:
                raise
            continue  # an observable that this model does not have, such as one without a finite value
        rows = pandas.MultiIndex.from_tuples(
            [(L, float(x)) for L in found.sizes for x in found.x[L]], names=["L", found.control]
        )
        for column, values in ((name, found.y), (f"{name}_error", found.errors)):
            columns[column] = pandas.Series(np.concatenate([values[L] for L in found.sizes]), rows)
    return pandas.DataFrame(columns).reset_index()


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
    if form == "parquet" and not importlib.util.find_spec("pyarrow"):
        raise InputError("parquet files are written by pyarrow: pip install pyarrow")
    table = curve_table(source, observables, at=at, seed=seed)
    if form == "parquet":
        buffer = io.BytesIO()
        table.to_parquet(buffer, engine="pyarrow", index=False)
        write_bytes(out, buffer.getvalue())
    else:
        text = table.to_csv(index=False) if form == "csv" else table.to_json(orient="records", double_precision=15)
        write_bytes(out, text.encode())
    return len(table)
