"""Main tables of answers as frames of pandas: the rows that commands print, with numbers in place of words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

import numpy as np

from physnn.analysis.statistics.estimate import Estimate

if TYPE_CHECKING:
    import pandas

PLAIN_CELLS = (bool, int, float, str, np.generic, type(None))
"""Values that are a cell as they are."""


class Tabled:
    """Answer whose main table is a frame of pandas as well."""

    def table_rows(self) -> Iterable[object]:
        """Rows of the main table, mappings or dataclasses: its ``rows`` where it has some, else the answer itself."""
        found: Iterable[object] = getattr(self, "rows", (self,))
        return found

    def to_dataframe(self) -> pandas.DataFrame:
        """Main table, a row for each that the command prints; estimates are columns ``NAME`` and ``NAME_error``."""
        return frame(self.table_rows())


def frame(rows: Iterable[object]) -> pandas.DataFrame:
    """Frame of rows.

    Parameters
    ----------
    rows : iterable of mapping or dataclass
        Cells by name.  Estimates become ``NAME`` and ``NAME_error``, mappings and dataclasses a column for each of
        their parts, ``NAME_PART``, short sequences of plain values a text; arrays and other objects are left out.

    Returns
    -------
    pandas.DataFrame
        Units are those of the rows.
    """
    import pandas

    return pandas.DataFrame([dict(_cells(row_parts(row), "")) for row in rows])


def row_parts(row: object) -> Mapping[str, object]:
    """Cells of a row by name: a mapping itself, or the fields of a dataclass and its verdict."""
    if isinstance(row, Mapping):
        return row
    if not is_dataclass(row) or isinstance(row, type):
        raise TypeError(f"a row of a table is a mapping or a dataclass, not {type(row).__name__}")
    names = [field.name for field in fields(row)]
    own = [name for name in ("verdict", "decided") if isinstance(getattr(type(row), name, None), property)]
    return {name: getattr(row, name) for name in [*names, *own]}


def by_name(column: str, **columns: Mapping[str, object]) -> list[dict[str, object]]:
    """Rows from mappings that have the same names for keys; ``column`` is that of the names.

    Parameters
    ----------
    column : str
        Heading of the names.
    **columns : mapping
        Values by name, for each further column; None where a mapping lacks a name.
    """
    names = dict.fromkeys(name for values in columns.values() for name in values)
    return [{column: name} | {key: values.get(name) for key, values in columns.items()} for name in names]


def _cells(parts: Mapping[str, object], before: str) -> Iterator[tuple[str, object]]:
    """Columns and cells of parts of a row."""
    for key, value in parts.items():
        name = f"{before}{key}"
        if isinstance(value, Estimate):
            yield from ((name, value.value), (f"{name}_error", value.error))
        elif isinstance(value, PLAIN_CELLS):
            yield name, value
        elif isinstance(value, Mapping):
            yield from _cells({str(k): v for k, v in value.items()}, f"{name}_")
        elif is_dataclass(value) and not isinstance(value, type):
            yield from _cells(row_parts(value), f"{name}_")
        elif isinstance(value, Sequence) and all(isinstance(each, PLAIN_CELLS) for each in value):
            yield name, " ".join(map(str, value))
