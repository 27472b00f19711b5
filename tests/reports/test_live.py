"""Pages of runs that are under way."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from physnn import api
from physnn.cli import run as command
from physnn.jobs.locks import exclusive
from physnn.jobs.progress import status
from physnn.jobs.run import run_tasks
from physnn.reports.live import follow_run, running_page
from physnn.reports.objects.unfinished import finished_results, measured_so_far, tell_so_far
from physnn.samples.kinds import sample_of
from physnn.samples.sample import work
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


def test_curves_are_drawn_as_their_points_are_done(tmp_path):
    """Parts of a finished run come back one after the other: values with all chains are curves, others are not."""
    out, held = tmp_path / "ising.h5", tmp_path / "held"
    recipe = api.recipe("temperature", L=(2, 3), T=(2.0, 2.5, 3.0), sweeps=60, chains=2, thermalisation=5)
    sample = sample_of(recipe)
    parts = Parts(out)
    parts.begin(recipe.canonical())
    run_tasks(sample.tasks(), work, {"sample": sample}, parts)
    parts.folder.rename(held)
    parts.begin(recipe.canonical())
    assert measured_so_far(out) is None and tell_so_far(out) == ()
    tasks = [task for task in sample.tasks_of(3) if task["T"] in (2.0, 3.0)] + sample.tasks_of(2)[:1]
    for task in tasks:
        shutil.copy(held / parts.path(task.key).name, parts.path(task.key))
    found = measured_so_far(out)
    assert list(found.sizes) == [3] and found.sizes[3]["T"].values.tolist() == [2.0, 3.0]
    whole = sample.assemble(3, finished_results(sample, Parts(held.rename(tmp_path / "w.h5.parts").with_suffix("")), 3))
    assert np.array_equal(found.sizes[3]["energy"].values, whole["energy"].values[[0, 2]])
    (told,) = tell_so_far(out, "energy")
    assert told.sentence == "Curves of energy so far, of T values: 2 at L = 3." and told.undecided
    page = running_page(out, status(out), 5.0, [told])
    assert "<svg" in page and "could not be drawn" not in page and assert_inert(page)
