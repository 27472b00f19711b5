"""Damaged tables and settings: refused in one short line that names the file and the place, or read as numbers."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from physnn import rng
from physnn.cli.call import read_config
from physnn.errors import InputError
from physnn.samples.base import check_source, validated
from physnn.samples.temperature.recipe import TemperatureSweep
from physnn.store.tables.table import read_table
from tests.faults.fuzz import LONGEST, changed, well_said

TABLE = "L x binder error\n" + "\n".join(
    f"{L} {x:.2f} 0.{L}{k} 0.00{k}" for L in (8, 16) for k, x in enumerate((0.1, 0.2, 0.3), 1)
)
SETTINGS = {
    "kind": "temperature", "L": [8, 16], "T": [2.1, 2.3], "sweeps": 100, "chains": 2, "model": "potts", "q": 3,
    "algorithm": "wolff", "seed": 0, "coupling": 1.0,
}  # fmt: skip
LONG = "7" * 5000
WORDS = [
    "1e400", "-1e400", "1e-400", "nan", "inf", LONG, f"0.{LONG}", f"1e{LONG}", f"1({LONG})", "1(2)e999",
    "0x7", "--", "",
    "1_000", "\u0664", "\0", "'", '"', "L", "x", "#", ";", ",", "\t", "{}", "[]",
    "=" * 300, "\u202e", "\x1b[31m", "9" * 18,
]  # fmt: skip


def damaged_table(generator: np.random.Generator) -> bytes:
    """A table after words were dropped, repeated or replaced, or rows of other lengths."""
    rows = [line.split() for line in TABLE.split("\n")]
    for _ in range(generator.integers(1, 4)):
        row = rows[generator.integers(len(rows))]
        k = int(generator.integers(max(1, len(row))))
        match int(generator.integers(5)):
            case 0:
                del row[k : k + 1]
            case 1:
                row.insert(k, row[k] if row else "")
            case 2:
                rows.append(list(row))
            case _:
                row[k : k + 1] = [WORDS[generator.integers(len(WORDS))]]
    between = [" ", ",", ";", "\t"][generator.integers(4)]
    whole = "\n".join(between.join(row) for row in rows).encode()
    match int(generator.integers(4)):
        case 0:
            return changed(whole, generator)
        case 1:
            return changed(gzip.compress(whole), generator)
    return whole


VALUES = [
    -1, 0, 1.5, 10**30, float("inf"), float("nan"), "x", "x" * 4000, True, None, [], [[]], {}, {"a": {}}, [1, "a"],
    10**4200,
    ["y" * 4000] * 50, list(range(500)), [2.1, 2.1], "\x1b[31m", "\n\n", [-(10**40)],
]  # fmt: skip


def damaged_settings(generator: np.random.Generator) -> bytes:
    """Settings as JSON with other values, names, nesting, or keys that come twice."""
    found: dict = dict(SETTINGS)
    for _ in range(generator.integers(1, 3)):
        name = list(found)[generator.integers(len(found))]
        match int(generator.integers(6)):
            case 0:
                del found[name]
            case 1:
                found[WORDS[generator.integers(len(WORDS))] + name] = found[name]
            case _:
                found[name] = VALUES[generator.integers(len(VALUES))]
    text = json.dumps(found)
    match int(generator.integers(5)):
        case 0:
            text = text.replace('"chains":', '"L": [4], "L":', 1)
        case 1:
            text = "[" * int(10 ** generator.integers(1, 6)) + text
        case 2:
            return changed(text.encode(), generator)
    return text.encode()


def toml(settings: bytes) -> bytes:
    """The same as TOML, if they can be read; else the text as it is."""
    try:
        found = json.loads(settings)
        return "\n".join(f"{json.dumps(name)} = {json.dumps(value)}" for name, value in found.items()).encode()
    except (ValueError, RecursionError, AttributeError):
        return settings


def read_settings(path: Path) -> None:
    """Settings as ``sweep-temperature --config`` reads them."""
    found = read_config(path)
    check_source(TemperatureSweep, found, path)
    validated(TemperatureSweep, found)


READERS: dict[str, tuple[Callable[[np.random.Generator], bytes], Callable[[Path], object]]] = {
    "table.csv": (damaged_table, read_table),
    "settings.json": (damaged_settings, read_settings),
    "settings.toml": (lambda generator: toml(damaged_settings(generator)), read_settings),
}


@pytest.mark.parametrize(
    ("name", "count"),
    [(name, 120) for name in READERS] + [pytest.param(name, 3000, marks=pytest.mark.slow) for name in READERS],
)
def test_damaged_text_is_refused_in_one_short_line_or_read(tmp_path, name, count):
    make, read = READERS[name]
    path, seen, bad = tmp_path / name, Counter(), []
    for k in range(count):
        path.write_bytes(make(rng.stream(0, "synthetic", "text", name, k)))
        try:
            read(path)
            seen["read"] += 1
        except InputError as error:
            seen["refused"] += 1
            text = str(error).replace(str(path), name)
            if not well_said(text, name) or not text.isprintable():
                bad.append((k, text[: 2 * LONGEST]))
    assert not bad
    assert seen["refused"] > count / 4 and seen["read"]
