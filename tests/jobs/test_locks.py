from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from physnn.errors import InputError, Unfinished
from physnn.jobs import locks
from physnn.jobs.locks import Holder, briefly, exclusive, hold, holders, sharing

CODE = """
import sys, time
from pathlib import Path
from physnn.jobs.locks import exclusive, sharing
out = Path(sys.argv[1])
with sharing(out, sys.argv[2]) if len(sys.argv) > 2 else exclusive(out):
    print("held", flush=True)
    time.sleep(100)
"""


def elsewhere(out: Path, *shard: str) -> subprocess.Popen:
    """Another process that holds the lock, or that of a shard."""
    process = subprocess.Popen([sys.executable, "-c", CODE, str(out), *shard], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_live_holder_is_named_and_a_dead_one_is_no_obstacle(tmp_path):
    out = tmp_path / "s.h5"
    with elsewhere(out) as process:
        named = rf"process {process.pid} on {socket.gethostname()}, since 20"
        with pytest.raises(InputError, match=named) as caught, exclusive(out):
            pass
        assert "\n" not in str(caught.value)
        with pytest.raises(InputError, match=named), briefly(out):
            pass
        (found,) = holders(out)
        assert found.pid == process.pid and found.what == "run" and found.alive()
        process.kill()
    assert (tmp_path / ".s.h5.lock").exists(), "what it left"
    assert holders(out) == []
    with exclusive(out):
        assert holders(out)[0].pid == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_shards_exclude_whole_runs_and_each_its_double(tmp_path):
    out = tmp_path / "s.h5"
    with elsewhere(out, "0/2") as process:
        with pytest.raises(InputError, match=f"process {process.pid} on"), exclusive(out):
            pass
        with pytest.raises(InputError, match=f"process {process.pid} on"), sharing(out, "0/2"):
            pass
        with sharing(out, "1/2"), briefly(out):
            assert {h.what for h in holders(out)} == {"shard 0/2", "shard 1/2", "brief"}
        process.kill()
    with exclusive(out):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_is_brief_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "PATIENCE", 0.2)
    out = tmp_path / "s.h5"
    begin = time.monotonic()
    with briefly(out), pytest.raises(InputError, match="another thread of this program"), briefly(out):
        pass
    assert time.monotonic() - begin > 0.2


def test_a_number_that_another_process_has_now_is_not_taken_for_the_holder():
    me = Holder(socket.gethostname(), os.getpid(), 0.0, locks._born(os.getpid()), "run")
    assert me.alive() is True
    assert Holder(me.host, me.pid, 0.0, me.born - 1, "run").alive() is False
    assert Holder(me.host, 2**22 + 1, 0.0, None, "run").alive() is False
    assert Holder("far", me.pid, 0.0, me.born, "run").alive() is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"host": 1}', "[" * 100_000])
def test_a_lock_file_with_anything_inside_is_no_obstacle(tmp_path, text):
    (tmp_path / ".s.h5.lock").write_text(text)
    assert holders(tmp_path / "s.h5") == []
    with exclusive(tmp_path / "s.h5"):
        pass


def test_a_file_system_without_locks_relies_on_what_is_written(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    path, out = tmp_path / ".s.h5.lock", tmp_path / "s.h5"
    for pid, host, free in ((2**22 + 1, socket.gethostname(), True), (os.getppid(), socket.gethostname(), False)):
        path.write_text(json.dumps({"host": host, "pid": pid, "since": 0, "born": None, "what": "run"}))
        if free:
            with exclusive(out):
                pass
        else:
            with pytest.raises(InputError, match=f"process {pid} on {host}"), exclusive(out):
                pass


def test_nobody_loses_a_lock_to_a_file_that_was_removed(tmp_path):
    path = tmp_path / "lock"
    for _ in range(50):
        with hold(path, "run"):
            assert locks._try_lock(path) is None
        assert not path.exists()


@pytest.mark.parametrize(
    ("number", "kind", "told"),
    [
        (errno.ENOSPC, Unfinished, "free some space"),
        (errno.EIO, Unfinished, "see to it"),
        (errno.EROFS, InputError, "choose another --out"),
        (errno.ENAMETOOLONG, InputError, "choose another name"),
    ],
)
def test_a_lock_on_a_failing_disk_is_bad_input_only_by_name_or_folder(tmp_path, monkeypatch, number, kind, told):
    def failing(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(locks, "open_own", failing)
    with pytest.raises(kind, match=rf"cannot write.*{os.strerror(number)}.*{told}"), exclusive(tmp_path / "s.h5"):
        pass
