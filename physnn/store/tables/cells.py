"""Cells of a table: the text of a file, words of its lines, names of its columns, numbers with errors."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from physnn.errors import InputError
from physnn.store.tables.columns import is_header
from physnn.store.tables.packed import read_bytes

MOST_ROWS = 20_000
"""Rows of a table that are accepted."""
MOST_CELLS = 10**6
"""Numbers in all of them, far more than a table that is fitted has; each takes some hundred bytes on the way."""
LARGEST_TABLE = 64 * 2**20
"""Bytes of a file that are accepted."""
LONGEST_NAME = 80
"""Letters in the name of a column."""
STDIN = Path("-")
"""Name of the standard input."""
MISSING = re.compile(r"\*+|-+|\.|n/?a|nan|null|none|missing|", re.IGNORECASE)
"""Words for a number that is not there."""
NUMBER = re.compile(
    r"(?P<value>[+-]?(?:\d+\.?\d*|\.\d+))"
    r"(?:\((?P<digits>\d+)\)|\((?P<error>\d*\.\d+|\d+\.)\))?"
    r"(?:[eEdD](?P<exponent>[+-]?\d+))?"
    r"(?:(?:\+/?-|±)(?P<apart>\d+\.?\d*(?:[eEdD][+-]?\d+)?|\.\d+(?:[eEdD][+-]?\d+)?))?"
)
"""A number, with its error in brackets or behind +- if it has one."""
Row = tuple[int, list[str]]


@dataclass(frozen=True)
class Cells:
    """Names of columns if there are any; numbers, and errors written with them, ``(rows, columns)``; lines; remarks.

    Errors that are not written are NaN.
    """

    header: list[str] | None
    values: np.ndarray
    errors: np.ndarray
    lines: list[int]
    remarks: tuple[str, ...]


def text_of(path: Path) -> str:
    """Text of a file, or of the standard input."""
    try:
        raw = read_bytes(sys.stdin.buffer if path == STDIN else path, LARGEST_TABLE)
    except InputError as error:
        raise InputError(f"{error}; average points first" if "MB" in str(error) else str(error)) from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise InputError("this is neither a sweep file nor a table of numbers")
    return text


def cells_of(text: str) -> Cells:
    """Header and numbers of a table."""
    lines, comment, cells = [], "", 0
    for number, line in enumerate(text.splitlines(), 1):
        body, _, remark = line.partition("#")
        if body.strip(" \t\r,;"):
            lines.append((number, body))
            cells += max(len(body.split(None, MOST_CELLS)), *(1 + body.count(mark) for mark in ",;\t"))
            if cells > MOST_CELLS:
                raise InputError(f"it has more than {MOST_CELLS:,} numbers: average points first")
            if len(lines) > MOST_ROWS + 1:
                break
        elif not lines and remark.strip():
            comment = remark
    rows = _split(lines)
    header = rows.pop(0)[1] if rows and _names(rows[0][1]) else None
    if len(rows) > MOST_ROWS:
        raise InputError(f"it has more than {MOST_ROWS:,} rows: average points of equal L and control first")
    if not rows:
        raise InputError("it holds no rows of numbers; columns are L, control, value and error")
    if header is None and comment:
        words = _split([(0, comment)])[0][1]
        header = words if len(words) == len(rows[0][1]) and is_header(words) else None
    rows, header, remarks = _shaped(rows, header)
    decimal = any("," in word for _, words in rows for word in words)
    if decimal:
        rows = [(number, [word.replace(",", ".") for word in words]) for number, words in rows]
        remarks.append("decimal commas are read as points")
    parsed = [[_number(word, number) for word in words] for number, words in rows]
    both = np.array(parsed, float)
    return Cells(header, both[..., 0], both[..., 1], [number for number, _ in rows], tuple(remarks))


def _split(lines: Sequence[tuple[int, str]]) -> list[Row]:
    """Words of numbered lines; commas are decimal where semicolons, tabs or blanks separate."""
    found = []
    for number, untrimmed in lines:
        line = untrimmed.strip(" \r\n")
        blank = line.split()
        if ";" in line:
            words = line.split(";")
        elif "\t" in line:
            words = line.split("\t")
        elif "," in line and not (len(blank) > 1 and all(re.fullmatch(r"[^,]+(,\d[^,]*)?", word) for word in blank)):
            words = line.split(",")
        else:
            words = blank
        found.append((number, [word.strip().strip("\"'").strip() for word in words]))
    return found


def _names(words: Sequence[str]) -> bool:
    """Whether the words of a first line are names: at least one is, and none is a fraction or missing."""
    if any(word and MISSING.fullmatch(word) for word in words):
        return False
    numbers = [word for word in words if NUMBER.fullmatch(word.replace(",", "."))]
    return (
        len(numbers) < len(words)
        and all(word.isdecimal() for word in numbers)
        and any(re.match(r"[^\W\d]|\|", word) for word in words)
    )


def _shaped(rows: list[Row], header: list[str] | None) -> tuple[list[Row], list[str] | None, list[str]]:
    """Rows and header of equal length, without an index that nobody named, and remarks."""
    while all(len(words) > 1 and not words[-1] for _, words in rows) and (header is None or not header[-1]):
        rows = [(number, words[:-1]) for number, words in rows]
        header = header[:-1] if header else None
    count = len(rows[0][1])
    for number, words in rows:
        if len(words) != count:
            raise InputError(f", line {number}: not as many columns as in line {rows[0][0]}")
    remarks: list[str] = []
    if header is None:
        return rows, header, remarks
    first = [words[0] for _, words in rows]
    index = first == [str(k) for k in range(len(rows))]
    if len(header) == count - 1 and index:
        header = ["", *header]
    if len(header) != count:
        raise InputError(
            f"the header names {len(header)} columns, the rows have {count}; if numbers have decimal commas, separate "
            "columns by semicolons"
        )
    if not header[0] and all(word.isdecimal() for word in first):
        rows, header = [(number, words[1:]) for number, words in rows], header[1:]
        remarks.append("the first column has no name and counts rows: it is left out")
    empty = [k + 1 for k, word in enumerate(header) if not word]
    if empty:
        raise InputError(f"column {empty[0]} has no name in the header")
    odd = [k + 1 for k, word in enumerate(header) if len(word) > LONGEST_NAME or not word.isprintable()]
    if odd:
        raise InputError(f"column {odd[0]} has a name that is too long or cannot be printed; name it otherwise")
    twice = [word for word in header if header.count(word) > 1]
    if twice:
        raise InputError(f"two columns are called {twice[0]}; name each otherwise")
    return rows, header, remarks


def _number(word: str, line: int) -> tuple[float, float]:
    """Number of a word of a line and the error written with it; NaN where there is none."""
    found = number_and_error(word)
    if found is None:
        if MISSING.fullmatch(word) or word.lower().lstrip("+-") in ("inf", "infinity"):
            return math.nan, math.nan
        raise InputError(f", line {line}: {word[:30]!r} is not a number")
    return found


def number_and_error(word: str) -> tuple[float, float] | None:
    """Number of a word and the error written with it, NaN without one; None if it is no number, or too large a one."""
    match = NUMBER.fullmatch(word)
    try:
        return None if match is None else _matched(match)
    except (OverflowError, ValueError):
        return None


def _matched(match: re.Match[str]) -> tuple[float, float]:
    scale = 10.0 ** int(match["exponent"]) if match["exponent"] else 1.0
    value = float(match["value"] + (f"e{match['exponent']}" if match["exponent"] else ""))
    error = math.nan
    if match["digits"]:
        error = int(match["digits"]) * 10.0 ** -len(match["value"].partition(".")[2]) * scale
    elif match["error"]:
        error = float(match["error"]) * scale
    if match["apart"]:
        error = float(re.sub("[dD]", "e", match["apart"]))
    return value, error
