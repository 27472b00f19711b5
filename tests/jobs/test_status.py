from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass

import numpy as np
import pytest

from physnn.cli import run as command
from physnn.errors import InputError
from physnn.jobs.locks import exclusive
from physnn.jobs.progress import manifest, status, write_note
from physnn.store.parts import Parts, write_part
from tests.conftest import make_networks

pytestmark = pytest.mark.usefixtures("unrendered")


@dataclass(frozen=True)
class Task:
    key: str
    cost: float
    L: int


@pytest.fixture
def begun(tmp_path):
    """Four tasks of cost 1 and two of cost 4; half of the small ones are done, one of the large ones to a quarter."""
    out = tmp_path / "s.h5"
    tasks = [Task(f"a{k}", 1.0, 8) for k in range(4)] + [Task(f"b{k}", 4.0, 16) for k in range(2)]
    parts = Parts(out)
    parts.begin({"kind": "temperature"})
    parts.manifest(manifest(tasks))
    for key in ("a0", "a1"):
        write_part(parts.path(key), {"x": np.array(1)})
    write_note(parts.path("b0"), 0.25, "on its way")
    write_part(parts.path("b0"), {"x": np.array(0), "unfinished": np.array(1)})
    return out


def test_what_is_done_is_counted_by_size_and_cost(begun):
    found = status(begun)
    assert found["state"] == "stopped" and found["running"] is False and found["processes"] == []
    assert (found["tasks"], found["done"]) == (6, 2) and found["percent"] == pytest.approx(25)
    assert found["seconds_left"] is None and found["failed"] == []
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["L8"] == {"name": "L8", "tasks": 4, "done": 2, "percent": 50.0}
    assert rows["L16"] == {"name": "L16", "tasks": 2, "done": 0, "percent": 12.5}


def test_who_runs_it_and_how_long_it_will_take(begun):
    for key in ("a0", "a1"):
        os.utime(Parts(begun).path(key), (1, 1))
    with exclusive(begun):
        begin = time.time()
        write_part(Parts(begun).path("a2"), {"x": np.array(1)})
        time.sleep(0.2)
        found = status(begun)
        elapsed = time.time() - begin
        assert found["state"] == "running" and found["running"] is True
        (process,) = found["processes"]
        assert process["host"] == socket.gethostname() and process["pid"] == os.getpid()
        # Done since it began: one of cost 1, and a quarter of 4; left: 12 - 3 - 1.
        assert 0.2 * 8 / 2 <= found["seconds_left"] <= (elapsed + 0.1) * 8 / 2


def test_a_run_on_another_machine_may_or_may_not_be_alive(begun):
    text = json.dumps({"host": "far", "pid": 1, "since": time.time() - 60, "born": None, "what": "run"})
    begun.with_name(".s.h5.lock").write_text(text)
    found = status(begun)
    assert found["running"] is None and found["state"] == "running" and found["processes"][0]["host"] == "far"
    dead = json.dumps({"host": socket.gethostname(), "pid": 2**22 + 1, "since": 1, "born": None, "what": "run"})
    begun.with_name(".s.h5.lock").write_text(dead)
    assert status(begun)["running"] is False


def test_failures_and_attempts_are_listed(begun):
    Parts(begun).record("attempts", {"attempts": {"a3": 3, "a1": 2}, "failed": {"a3": "ValueError: no good"}})
    found = status(begun)
    assert found["failed"] == [{"task": "a3", "error": "ValueError: no good", "attempts": 3}]
    assert found["retried"] == {"a3": 3, "a1": 2}


def test_the_command_prints_a_table_or_json(begun, capsys):
    assert command(["status", str(begun), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == status(begun)
    assert command(["status", str(begun)]) == 0
    said = capsys.readouterr().out
    assert "not running; 2 of 6 tasks done, 25.0 % of the work" in said and "2/4" in said and "L16" in said
    with exclusive(begun):
        assert command(["status", str(begun)]) == 0
        assert f"process {os.getpid()} on {socket.gethostname()}" in capsys.readouterr().out
    assert command(["status", str(begun.with_name("none.h5"))]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_finished_file_is_finished_and_nothing_is_an_error(tmp_path):
    out = make_networks(tmp_path / "n.h5", (0, 1))
    found = status(out)
    assert found["state"] == "finished" and found["percent"] == 100 and found["running"] is False
    with pytest.raises(InputError, match="neither"):
        status(tmp_path / "none.h5")


def test_damaged_notes_do_not_matter(begun):
    parts = Parts(begun)
    parts.path("b0").with_suffix(".progress").write_text("[0.2")
    (parts.folder / "attempts.json").write_text("{")
    assert status(begun)["percent"] == pytest.approx(100 * 2 / 12)
    (parts.folder / "tasks.json").write_text("[")
    assert status(begun)["tasks"] == 0


def test_a_run_is_watched_until_it_ends(begun, capsys, monkeypatch):
    from physnn.cli.reports import watch

    found = iter(["running", "running", "running", "finished"])

    def seen(out):
        return status(out) | {"state": next(found)}

    monkeypatch.setattr(watch, "status", seen)
    monkeypatch.setattr(watch, "PLAIN_INTERVAL", 0.0)
    monkeypatch.setattr(watch.time, "sleep", lambda seconds: None)
    assert command(["status", str(begun), "--watch"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and "2 of 6 tasks done" in lines[0] and lines[-1].endswith("finished")
    assert command(["status", str(begun), "--watch", "--json"]) == 2


def test_watching_a_run_that_stands_still_ends_with_3(begun, capsys):
    assert command(["status", str(begun), "--watch"]) == 3
    assert "not running" in capsys.readouterr().out
