"""Plain tables that anyone brings: columns L, control, value and, if there are any, errors.

Columns are separated by whitespace, commas, semicolons or tabs; ``#`` begins a comment; a header line names the
columns, and without one they are taken in the order L, control, value, error.  Everything is checked on reading, so
that what a fit gets is finite, positive where it must be, and without repetition.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from physnn.errors import InputError

MOST_ROWS = 20_000
"""Rows of a table that are accepted."""
LARGEST_TABLE = 64 * 2**20
"""Bytes of a file that are accepted."""
NAMES = {
    "L": ("l", "size", "lattice_size", "system_size"),
    "t": ("t", "time", "steps", "sweeps"),
    "error": ("error", "err", "sigma", "std_error", "stderr", "sem", "dy", "error_plus", "err_plus"),
    "error_minus": ("error_minus", "err_minus", "error_low", "err_low"),
}
"""Names of columns, in small letters, that are understood."""
Row = tuple[int, list[float]]


def read_table(path: Path) -> dict[str, Any]:
    """Checked columns of a table by name, as `physnn.analysis.curves.tables.Columns` takes them.

    Returns
    -------
    dict
        ``L``, ``x``, ``y``; ``error`` and ``t``, None where the table has none; ``control`` and ``observable``, names
        from the header, else ``x`` and ``value``; ``remarks``, a tuple of sentences on changes of the numbers.

    Raises
    ------
    InputError
        If it is no such table, or a row is malformed, repeated, not finite, or has an error that is not positive.
    """
    header, rows = _parse(path)
    columns = _columns(path, header, len(rows[0][1]))
    for number, values in rows:
        _check(path, number, values, columns)
    data = np.array([values for _, values in rows])
    picked = {name: data[:, place] for name, place in columns.items()}
    keys = [tuple(row) for row in data[:, [columns[n] for n in ("L", "x", "t") if n in columns]]]
    first: dict[tuple[float, ...], int] = {}
    for key, (number, _) in zip(keys, rows, strict=True):
        if key in first:
            raise InputError(
                f"{path}: lines {first[key]} and {number} both give L = {key[0]:g} at {key[1]:g}; average them first"
            )
        first[key] = number
    remarks = []
    error = picked.get("error")
    if error is not None and "error_minus" in picked:
        error = np.sqrt((error**2 + picked["error_minus"] ** 2) / 2)
        remarks.append("errors are asymmetric: the root mean square of both sides is used")
    names = header or []
    return {name: picked.get(name) for name in ("L", "x", "y", "t")} | {
        "error": error,
        "control": names[columns["x"]] if names else "x",
        "observable": names[columns["y"]] if names else "value",
        "remarks": tuple(remarks),
    }


def read_covariance(path: Path, rows: int) -> np.ndarray:
    """Read the covariance of a table's values, as text or ``.npy``, rows and columns in the table's order.

    Raises
    ------
    InputError
        If it is no symmetric matrix of finite numbers of the table's size.
    """
    try:
        if path.suffix == ".npy":
            matrix = np.load(path, allow_pickle=False)
        else:
            matrix = np.loadtxt(path, delimiter="," if "," in path.read_text()[:1000] else None, ndmin=2)
    except OSError as error:
        raise InputError(f"there is no readable covariance {path} ({error.strerror or error})") from None
    except (ValueError, UnicodeDecodeError):
        raise InputError(f"{path} is no matrix of numbers") from None
    if matrix.shape != (rows, rows) or matrix.dtype.kind not in "fiu" or not np.isfinite(matrix).all():
        raise InputError(f"{path} must hold {rows} x {rows} finite numbers, one row for each row of the table")
    if not np.allclose(matrix, matrix.T, rtol=1e-6, atol=1e-12 * float(np.abs(matrix).max())):
        raise InputError(f"{path} is not symmetric")
    return np.asarray((matrix + matrix.T) / 2, float)


def _parse(path: Path) -> tuple[list[str] | None, list[Row]]:
    """Header's words and the numbered rows of a file."""
    try:
        if path.stat().st_size > LARGEST_TABLE:
            raise InputError(f"{path} has more than {LARGEST_TABLE // 2**20} MB; average points first")
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise InputError(f"{path} is neither a sweep file nor a table of numbers")
    header: list[str] | None = None
    comment: list[str] | None = None
    rows: list[Row] = []
    for number, line in enumerate(text.splitlines(), 1):
        body, _, remark = line.partition("#")
        words = _words(body)
        if not words:
            comment = _words(remark) or comment if not rows else comment
            continue
        try:
            rows.append((number, [float(word) for word in words]))
        except ValueError:
            if rows or header:
                bad = next(word for word in words if not _is_number(word))
                raise InputError(f"{path}, line {number}: {bad[:30]!r} is not a number") from None
            header = words
        if len(rows) > MOST_ROWS:
            raise InputError(f"{path} has more than {MOST_ROWS:,} rows: average points of equal L and control first")
    if not rows:
        raise InputError(f"{path} holds no rows of numbers; columns are L, control, value and error")
    widths = {len(values) for _, values in rows}
    if len(widths) > 1:
        bad_row = next(number for number, values in rows if len(values) != len(rows[0][1]))
        raise InputError(f"{path}, line {bad_row}: not as many columns as in line {rows[0][0]}")
    if header is None and comment is not None and len(comment) == len(rows[0][1]):
        header = comment
    return header, rows


def _words(line: str) -> list[str]:
    line = line.strip()
    separator = r"[,;\t]" if re.search(r"[,;\t]", line) else r"\s+"
    return [word.strip().strip('"') for word in re.split(separator, line)] if line else []


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _columns(path: Path, header: list[str] | None, count: int) -> dict[str, int]:
    """Place of every column."""
    if header is None:
        if count not in (3, 4, 5):
            raise InputError(
                f"{path} has {count} columns: give L, control, value, error (5: lower and upper error), or a header"
            )
        order = ["L", "x", "y", "error"][:count] if count < 5 else ["L", "x", "y", "error_minus", "error"]
        return {name: place for place, name in enumerate(order)}
    if len(header) != count:
        raise InputError(f"{path}: the header names {len(header)} columns, the rows have {count}")
    small = [word.lower() for word in header]
    places: dict[str, int] = {}
    for name in ("L", "error_minus", "error"):
        found = [k for k, word in enumerate(small) if word in NAMES[name]]
        if len(found) > 1:
            raise InputError(f"{path}: columns {header[found[0]]} and {header[found[1]]} mean the same; keep one")
        if found:
            places[name] = found[0]
    rest = [k for k in range(count) if k not in places.values()]
    if "L" not in places:
        places["L"] = rest.pop(0)
    if len(rest) >= 3:
        times = [k for k in rest if small[k] in NAMES["t"] and header[k] != "T"]
        if times:
            places["t"] = times[0]
            rest.remove(times[0])
    if len(rest) == 3 and "error" not in places:
        places["error"] = rest.pop()
    if len(rest) != 2:
        raise InputError(
            f"{path}: the header leaves {len(rest)} columns for control and value, there must be 2: name the others "
            "L, t, error, error_minus, or leave them out"
        )
    return places | {"x": rest[0], "y": rest[1]}


def _check(path: Path, number: int, values: list[float], columns: dict[str, int]) -> None:
    where = f"{path}, line {number}"
    if not all(math.isfinite(values[k]) for k in columns.values()):
        raise InputError(f"{where}: a number is missing or not finite; leave such rows out")
    L = values[columns["L"]]
    if L < 1 or int(L) != L or L > 1e15:
        raise InputError(f"{where}: the size L must be a whole number from 1, not {L:g}")
    for name in ("error", "error_minus"):
        if name in columns and values[columns[name]] <= 0:
            raise InputError(f"{where}: an error must be above 0, not {values[columns[name]]:g}; leave the row out")
    if "t" in columns and values[columns["t"]] <= 0:
        raise InputError(f"{where}: a time must be above 0, not {values[columns['t']]:g}")
