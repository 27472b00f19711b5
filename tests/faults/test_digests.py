"""The table of what stays the same to the last bit has every kind of sample, and what it promises holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import physnn
from physnn.samples.kinds import KINDS
from sims.digests import COLUMNS, PROMISED, WAYS, digests
from tests.samples.smallest import make_places

PAGE = Path(physnn.__file__).resolve().parent.parent / "docs" / "reliability.md"


def rows() -> dict[str, dict[str, str]]:
    """Cells of the table by kind and column."""
    section = PAGE.read_text().split("\n## What another processor changes\n")[1].split("\n## ")[0]
    found = re.findall(r"^\| `([a-z-]+)` \|(.*)\|$", section, re.MULTILINE)
    return {kind: dict(zip(COLUMNS, map(str.strip, cells.split("|")), strict=True)) for kind, cells in found}


def test_every_kind_has_a_row_and_no_promise_is_left_out():
    assert list(rows()) == list(KINDS)
    assert {column for column, _, _ in WAYS.values() if column} == set(COLUMNS)
    for kind, row in rows().items():
        assert {row[column] for column in PROMISED} == {"same"}, kind
        assert set(row.values()) <= {"same", "rounding"}, kind


@pytest.mark.slow
def test_neither_the_order_of_tasks_nor_the_number_of_threads_changes_a_bit(tmp_path):
    places = make_places(tmp_path)
    alone = digests("alone", places, list(KINDS))
    assert len(set(alone.values())) == len(KINDS)
    for way, (column, _, _) in WAYS.items():
        if column in PROMISED and way != "two workers":
            assert digests(way, places, list(KINDS)) == alone, way
