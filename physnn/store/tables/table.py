"""Plain tables that anyone brings: a size, a control parameter, a value and, if there are any, errors.

Columns are separated by whitespace, commas, semicolons or tabs; ``#`` begins a comment; a header names the columns, and
without one they are taken in the order L, control, value, error.  A wide table has one column for each size.  Numbers
may have decimal commas, exponents with D, and errors in brackets, 0.4878(30).  Everything is checked on reading, so
that what a fit gets is finite, positive where it must be, and without repetition; whatever was not obvious is said.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from physnn.errors import InputError
from physnn.store.images.arrays import read_npy
from physnn.store.tables.cells import LARGEST_TABLE, STDIN, Cells, cells_of, text_of
from physnn.store.tables.columns import error_of, layout, plain, wide_sizes
from physnn.store.tables.packed import read_bytes

SCATTER_DOF = 10
"""Repetitions beyond the first of a size from which their scatter gives errors: known to 22 % (convention)."""
REPEATED = 1e-3
"""Least p-value of repeated rows that scatter as their errors say (convention)."""


def read_table(
    path: Path, asked: Mapping[str, str] | None = None, observable: str | None = None, uncontrolled: bool = False
) -> dict[str, Any]:
    """Checked columns of a table by name, as `physnn.analysis.curves.tables.Columns` takes them.

    Parameters
    ----------
    path : Path
        A file, plain or compressed with gzip, or ``-`` for the standard input.
    asked : mapping of str to str, optional
        Names, or numbers from 1, of the columns with the roles ``size``, ``control``, ``value``, ``error``,
        ``control_error``, ``time``.
    observable : str, optional
        Observable that is wanted: the name of a column, or what a value without a name of its own is.
    uncontrolled : bool
        Whether the table may have no column of control values: they are NaN then.

    Returns
    -------
    dict
        ``L``, ``x``, ``y``; ``error``, ``x_error`` and ``t``, None where the table has none; ``control`` and
        ``observable``, names from the header, else ``x`` and ``value``; ``remarks``, a tuple of sentences on how the
        table was read.

    Raises
    ------
    InputError
        If it is no such table, the roles of its columns cannot be told, or a row is malformed, not finite, or has an
        error that is not positive.
    """
    name = "standard input" if path == STDIN else str(path)
    try:
        cells = cells_of(text_of(path))
        sizes = wide_sizes(cells.header or [])
        if sizes and not asked:
            return _checked(_long(cells, sizes, observable))
        found = layout(
            cells.header, cells.values.shape[1], asked or {}, observable, _alone(cells) if uncontrolled else ""
        )
        return _checked(_picked(cells, found.places, observable, found.remarks))
    except InputError as error:
        raise InputError(f"{name}{'' if str(error).startswith(',') else ': '}{error}") from None


def read_covariance(path: Path, rows: int) -> np.ndarray:
    """Covariance of a table's values, from text or ``.npy``, rows and columns in the table's order.

    Raises
    ------
    InputError
        If it is no symmetric matrix of finite numbers of the table's size.
    """
    try:
        if path.suffix == ".npy":
            matrix = read_npy(path, "uif")
        else:
            text = read_bytes(path, LARGEST_TABLE).decode()
            matrix = np.loadtxt(io.StringIO(text), delimiter="," if "," in text[:1000] else None, ndmin=2)
    except InputError as error:
        raise InputError(f"{path} is no matrix of numbers: {error}") from None
    except OSError as error:
        raise InputError(f"there is no readable covariance {path} ({error.strerror or error})") from None
    except (ValueError, UnicodeDecodeError):
        raise InputError(f"{path} is no matrix of numbers") from None
    if matrix.shape != (rows, rows) or matrix.dtype.kind not in "fiu" or not np.isfinite(matrix).all():
        raise InputError(f"{path} must hold {rows} x {rows} finite numbers, one row for each row of the table")
    if not np.allclose(matrix, matrix.T, rtol=1e-6, atol=1e-12 * float(np.abs(matrix).max())):
        raise InputError(f"{path} is not symmetric")
    return np.asarray((matrix + matrix.T) / 2, float)


def _picked(cells: Cells, places: Mapping[str, int], observable: str | None, remarks: Sequence[str]) -> dict[str, Any]:
    """Columns of a table in long form by role, not checked yet."""
    found: dict[str, Any] = {role: cells.values[:, k] for role, k in places.items()}
    for role, of in (("error", "value"), ("control_error", "control")):
        written = cells.errors[:, places[of]] if of in places else np.array(np.nan)
        if np.isfinite(written).any() and role not in found:
            found[role] = written
    names = cells.header
    control = names[places["control"]] if names and "control" in places else "x"
    return found | {
        "names": (control, names[places["value"]] if names else "value"),
        "observable": observable,
        "lines": cells.lines,
        "remarks": [*cells.remarks, *remarks],
    }


def _alone(cells: Cells) -> Literal["may", "must"]:
    """Whether rows are one for each size, with a second column that differs: no control value that all have."""
    L, second = cells.values[:, 0], cells.values[:, 1] if cells.values.shape[1] > 1 else cells.values[:, 0]
    return "must" if len(np.unique(L)) == len(L) and len(np.unique(second)) > 1 else "may"


def _long(cells: Cells, sizes: Mapping[int, int], observable: str | None) -> dict[str, Any]:
    """Columns in long form of a wide table, which has one for each size; not checked yet."""
    assert cells.header is not None
    wide = [cells.header[k] for k in sizes]
    places = list(sizes)
    errors = {places[of]: k for k, word in enumerate(cells.header) if (of := error_of(word, wide)) is not None}
    if errors and len(errors) < len(sizes):
        raise InputError("some sizes of the wide table have a column of errors, others none")
    (control,) = {*range(len(cells.header))} - {*sizes} - {*errors.values()}
    values = cells.values[:, places]
    there = np.isfinite(values)
    written = cells.values[:, [errors[k] for k in places]] if errors else cells.errors[:, places]
    found: dict[str, Any] = {
        "size": np.broadcast_to([float(L) for L in sizes.values()], values.shape)[there],
        "control": np.broadcast_to(cells.values[:, [control]], values.shape)[there],
        "value": values[there],
    }
    if np.isfinite(written).any():
        found["error"] = written[there]
    remarks = [f"a wide table: columns are the sizes {', '.join(map(str, sizes.values()))}"]
    if not there.all():
        remarks.append(f"{np.count_nonzero(~there)} empty cells are no points")
    return found | {
        "names": (cells.header[control], "value"),
        "observable": observable,
        "lines": np.broadcast_to(np.array(cells.lines)[:, None], values.shape)[there].tolist(),
        "remarks": [*cells.remarks, *remarks],
    }


def _checked(found: dict[str, Any]) -> dict[str, Any]:
    """Columns that a fit can take: checked row by row, errors made one, repeated rows averaged."""
    columns = ("size", "control", "value", "error", "error_minus", "control_error", "time")
    given = {role: found[role] for role in columns if role in found}
    for row, line in enumerate(found["lines"]):
        _check({role: float(values[row]) for role, values in given.items()}, f", line {line}")
    if "error_minus" in given:
        if "error" not in given:
            raise InputError("there is a column of lower errors without one of upper errors")
        given["error"] = np.sqrt((given["error"] ** 2 + given.pop("error_minus") ** 2) / 2)
        found["remarks"].append("errors are asymmetric: the root mean square of both sides is used")
    given, said = _averaged(given)
    control, value = found["names"]
    generic = plain(value) in ("value", "y")
    x = given.get("control", np.full(len(given["size"]), np.nan))
    return {
        "L": given["size"], "x": x, "y": given["value"], "error": given.get("error"),
        "x_error": given.get("control_error"), "t": given.get("time"), "control": control,
        "observable": found["observable"] or value if generic else value,
        "remarks": (*found["remarks"], *said),
    }  # fmt: skip


def _check(row: Mapping[str, float], where: str) -> None:
    if not all(map(math.isfinite, row.values())):
        raise InputError(f"{where}: a number is missing or not finite; leave such rows out")
    L = row["size"]
    if L < 1 or int(L) != L or L > 1e15:
        raise InputError(f"{where}: the size L must be a whole number from 1, not {L:g}; --size names its column")
    for name in ("error", "error_minus"):
        if row.get(name, 1.0) <= 0:
            raise InputError(f"{where}: an error must be above 0, not {row[name]:g}; leave the row out")
    if row.get("control_error", 0.0) < 0:
        raise InputError(f"{where}: an error of the control must not be negative, as {row['control_error']:g} is")
    if row.get("time", 1.0) <= 0:
        raise InputError(f"{where}: a time must be above 0, not {row['time']:g}")


def _averaged(given: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Columns with one row for every point: repeated rows are averaged with weights 1/error^2.

    Without errors, repetitions give them where they are enough.
    """
    keys = np.stack([given[role] for role in ("size", "control", "time") if role in given], axis=1)
    _, first, group, counts = np.unique(keys, axis=0, return_index=True, return_inverse=True, return_counts=True)
    if counts.max() == 1:
        return given, []
    order = np.argsort(first)
    group = np.argsort(order)[group.reshape(-1)]
    first, counts = first[order], counts[order]
    value, error = given["value"], given.get("error")
    weight = np.ones_like(value) if error is None else error**-2.0
    total = np.bincount(group, weight)
    mean = np.bincount(group, weight * value) / total
    averaged = {role: values[first] for role, values in given.items()} | {"value": mean}
    rest = value - mean[group]
    remarks = [f"{len(value)} rows are {len(mean)} points: rows of equal L and control are averaged"]
    if error is not None:
        from scipy import special

        chi2, dof = float(np.sum(rest**2 * weight)), len(value) - len(mean)
        widen = 1.0
        if special.chdtrc(dof, chi2) < REPEATED:
            widen = math.sqrt(chi2 / dof)
            remarks.append(f"repeated rows scatter {widen:.2g} times their errors, which are widened by that")
        averaged["error"] = widen / np.sqrt(total)
    elif counts.min() > 1 and (dof := len(value) - len(mean)) >= SCATTER_DOF:
        by_size = given["size"][first]
        squares = np.bincount(group, rest**2)
        pooled = np.empty(len(mean))
        for L in np.unique(by_size):
            mine = by_size == L
            pooled[mine] = squares[mine].sum() / max(1, (counts[mine] - 1).sum())
        averaged["error"] = np.sqrt(pooled / counts)
        remarks.append("errors come from the scatter of repeated rows, pooled for each size")
    return averaged, remarks
