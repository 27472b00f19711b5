"""Pages of runs that are under way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from physnn.cli import run as command
from physnn.jobs.locks import exclusive
from physnn.reports.live import follow_run
from physnn.store.parts import Parts
from physnn.store.sweep_file import write_sweep
from tests.conftest import planted_sizes
from tests.reports.test_page import HARMLESS, assert_inert


@pytest.fixture
def begun(tmp_path) -> Path:
    """A run of two tasks that has just begun."""
    out = tmp_path / "s.h5"
    parts = Parts(out)
    parts.begin({"kind": "planted", "note": HARMLESS[1]})
    parts.manifest([("a", 1.0, "<b>x</b>"), ("b", 3.0, "L16")])
    return out


def test_a_page_follows_a_run_to_its_report(begun, tmp_path):
    page, pages, seen = tmp_path / "s.html", [], []

    def wait(seconds: float) -> None:
        assert seconds == 5.0
        pages.append(page.read_text())
        if len(pages) == 2:
            write_sweep(begun, {"kind": "planted"}, {16: planted_sizes(1)[16]})
            Parts(begun).remove()

    with exclusive(begun):
        found = follow_run(begun, page, 5.0, told=lambda one: seen.append(one["state"]), wait=wait)
    assert found["state"] == "finished" and seen == ["running", "running", "finished"]
    for text in pages:
        words = " ".join(assert_inert(text).text)
        assert "running; 0 of 2 tasks done" in words and "<b>x</b>" in words and HARMLESS[1] in words
        assert re.search(r'http-equiv="refresh" content="5"', text)
    report = page.read_text()
    assert "refresh" not in report and "<svg" in report
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".tmp"]


def test_a_run_that_stands_still_has_a_page_and_status_3(begun, tmp_path, capsys):
    page = tmp_path / "s.html"
    assert command(["report", "--live", str(begun), "--out", str(page)]) == 3
    assert "not running" in page.read_text() and "refresh" not in page.read_text()
    assert "not running" in capsys.readouterr().err


def test_one_run_is_followed_at_a_time(begun, capsys):
    assert command(["report", "--live", str(begun), str(begun)]) == 2
    assert command(["report", "--live", str(begun), "--every", "0.1"]) == 2
    assert capsys.readouterr().err.count("\n") == 2
