"""The same results and the same accounts on every engine."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from physnn import api
from physnn.errors import InputError, TasksFailed, Unfinished
from physnn.jobs import dask
from physnn.jobs.dask import check_address
from physnn.jobs.executors import Engine, parse_engine
from physnn.jobs.run import run_tasks
from physnn.samples import files
from physnn.samples.temperature import work
from physnn.store.hdf5 import content_digest
from physnn.store.parts import Parts, read_part, write_part

SMALL = {"L": (8, 16), "T": [2.1, 2.3, 2.5], "sweeps": 60, "chains": 2, "algorithm": "wolff"}


@dataclass(frozen=True)
class Task:
    key: str
    cost: float = 1.0


def treacherous(task, path, context):
    """Task 3 kills its worker once, task 5 always, task 7 raises once."""
    tries = Path(context["folder"]) / f"tries-{task.key}"
    with tries.open("a") as stream:
        stream.write("x")
    count = len(tries.read_text())
    if task.key == "5" or (task.key == "3" and count == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    if task.key == "7" and count == 1:
        raise ValueError("not yet")
    write_part(path, {"value": np.array(int(task.key) ** 2)})


@pytest.mark.parametrize("engine", ["process", pytest.param("dask", marks=pytest.mark.slow)])
def test_killed_workers_and_a_poison_task_cost_nothing_but_that_task(tmp_path, engine):
    if engine == "dask":
        pytest.importorskip("distributed")
    parts = Parts(tmp_path / "s.h5")
    parts.begin({})
    tasks = [Task(str(k)) for k in range(3, 9)]
    with pytest.raises(TasksFailed, match=r"^1 of 6 tasks failed.*: task 5: a worker process died$"):
        run_tasks(tasks, treacherous, {"folder": str(tmp_path)}, parts, 2, engine=parse_engine(engine))
    for task in tasks:
        if task.key != "5":
            assert int(read_part(parts.path(task.key))["value"]) == int(task.key) ** 2
    assert not parts.path("5").exists()
    accounts = json.loads((parts.folder / "attempts.json").read_text())
    assert accounts["failed"] == {"5": "a worker process died"}
    # Two tasks run in a pool that breaks, and nobody knows which one broke it: that attempt is not counted.
    assert accounts["attempts"] | {"3": 2, "7": 2} == {"3": 2, "5": 3, "7": 2}
    tries = {task.key: len((tmp_path / f"tries-{task.key}").read_text()) for task in tasks}
    if engine == "dask":
        # It also repeats a task whose worker died before it could say that it was done.
        assert accounts["attempts"]["3"] == accounts["attempts"]["7"] == 2 and tries["5"] == 3
    else:
        assert tries["3"] == 2 and tries["5"] in (3, 4)
    # What a killed worker was writing may lie there until the sweep is done.
    left = [p.suffix for p in parts.folder.iterdir() if p.suffix != ".tmp"]
    assert sorted(left) == [".h5"] * 5 + [".json"] * 2


def ill(task, path, context):
    """Die, or fail, in another way for each task, at the first attempt."""
    tries = Path(context["folder"]) / f"tries-{task.key}"
    first = not tries.exists()
    tries.touch()
    if first and task.key == "exit":
        os._exit(0)
    if first and task.key == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if first and task.key == "memory":
        raise MemoryError
    if first and task.key == "system exit":
        raise SystemExit(1)
    write_part(path, {"value": np.array(len(task.key))})


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["process", "dask"])
@pytest.mark.parametrize("key", ["exit", "crash", "memory", "system exit"])
def test_however_a_task_ends_badly_once_it_is_tried_again(tmp_path, engine, key):
    if engine == "dask":
        pytest.importorskip("distributed")
    parts = Parts(tmp_path / "s.h5")
    parts.begin({})
    assert (
        run_tasks([Task(key), Task("well")], ill, {"folder": str(tmp_path)}, parts, 2, engine=parse_engine(engine)) == 2
    )
    assert [int(read_part(parts.path(k))["value"]) for k in (key, "well")] == [len(key), 4]


@pytest.mark.slow
def test_workers_that_never_begin_end_the_run(tmp_path):
    """A script that runs tasks wherever it is imported cannot have workers: each of them begins with that import."""
    script = tmp_path / "script.py"
    script.write_text(
        "from physnn import api\n"
        "api.sweep_temperature((8,), T=(2.0, 2.2), sweeps=50, chains=1, algorithm='wolff', jobs=2, out='s.h5')\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 1 and not (tmp_path / "s.h5").exists()
    assert "worker processes die before they take a task" in done.stderr.splitlines()[-1]


def digest(out: Path, **options) -> str:
    files.run(api.recipe("temperature", out, **SMALL), out, **options)
    return content_digest(out)


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> str:
    return digest(tmp_path_factory.mktemp("reference") / "s.h5", jobs=1)


def test_workers_and_the_order_of_tasks_change_nothing(tmp_path, monkeypatch, reference):
    tasks = work.TemperatureSample.tasks

    def shuffled(sample):
        found = tasks(sample)
        random.Random(7).shuffle(found)
        return found

    assert digest(tmp_path / "two.h5", jobs=2) == reference
    monkeypatch.setattr(work.TemperatureSample, "tasks", shuffled)
    assert digest(tmp_path / "shuffled.h5", jobs=1) == reference


@pytest.mark.slow
def test_four_workers_give_the_same(tmp_path, reference):
    assert digest(tmp_path / "four.h5", jobs=4) == reference


def test_another_seed_changes_the_digest(tmp_path, reference):
    out = tmp_path / "s.h5"
    files.run(api.recipe("temperature", out, **SMALL, seed=1), out, jobs=1)
    assert content_digest(out) != reference


def test_dask_here_gives_the_same(tmp_path, reference):
    pytest.importorskip("distributed")
    assert digest(tmp_path / "s.h5", jobs=1, engine=parse_engine("dask")) == reference


def test_dask_listens_on_the_loopback_address_only():
    pytest.importorskip("distributed")
    psutil = pytest.importorskip("psutil")
    with dask.dask_executor(parse_engine("dask"), 1) as (pool, _):
        assert pool.submit(os.getpid).result(60) != os.getpid()
        me = psutil.Process()
        found = [c for p in (me, *me.children(recursive=True)) for c in p.net_connections() if c.status == "LISTEN"]
    assert len(found) >= 3
    assert {c.laddr.ip for c in found} == {"127.0.0.1"}


@pytest.mark.slow
def test_a_scheduler_that_someone_runs_is_used_and_left_as_it_was(tmp_path, reference):
    distributed = pytest.importorskip("distributed")
    options = {"host": "127.0.0.1", "dashboard_address": None, "memory_limit": 0}
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, **options) as cluster:
        file = tmp_path / "scheduler.json"
        file.write_text(json.dumps({"address": cluster.scheduler_address}))
        before = cluster.scheduler.allowed_failures
        assert digest(tmp_path / "s.h5", engine=parse_engine(f"dask:{file}")) == reference
        assert cluster.scheduler.allowed_failures == before > 0


def test_a_scheduler_without_workers_or_none_at_all_ends_in_one_line(monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(dask, "PATIENCE", 0.3)
    options = {"host": "127.0.0.1", "dashboard_address": None, "processes": False, "protocol": "tcp://"}
    with distributed.LocalCluster(n_workers=0, **options) as cluster:
        engine = parse_engine(f"dask:{cluster.scheduler_address}")
        with dask.dask_executor(engine, 1) as (_, slots), pytest.raises(Unfinished, match="no worker"):
            while True:
                slots()
    monkeypatch.setattr(dask, "REACH", 0.5)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with (
        pytest.raises(InputError, match="cannot reach the Dask scheduler") as caught,
        dask.dask_executor(Engine("dask", address), 1),
    ):
        pass
    assert "\n" not in str(caught.value)


REFUSED = {
    "threads": "choose process, dask",
    "process:2": "choose process, dask",
    "dask:": "choose process, dask",
    "dask:none.json": "cannot read the scheduler file none.json.*dask scheduler --scheduler-file",
    "dask:text.json": "not a scheduler file",
    "dask:remote.json": "--insecure",
    "dask:tcp://192.0.2.7:8786": "--insecure",
    "dask:node7:8786": "--insecure",
    "dask:tcp://127.0.0.1.example.org:8786": "--insecure",
    "dask:inproc://127.0.0.1/1/1": "neither tcp:// nor tls://",
    "dask:http://127.0.0.1:80": "neither tcp:// nor tls://",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_engine_or_not_safe_is_refused_in_one_line(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    Path("text.json").write_text("[1]")
    Path("remote.json").write_text(json.dumps({"address": "tcp://10.0.0.1:8786"}))
    with pytest.raises(InputError, match=REFUSED[text]) as caught:
        parse_engine(text)
    assert "\n" not in str(caught.value)


def test_what_may_be_used():
    for address in ("tcp://127.0.0.1:8786", "tcp://localhost:8786", "127.0.0.1:8786", "tcp://[::1]:1", "tls://far:1"):
        assert check_address(Engine("dask", address)) == address
    assert check_address(Engine("dask", "tcp://192.0.2.7:8786", insecure=True)) == "tcp://192.0.2.7:8786"


def test_without_dask_the_message_says_what_to_install(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(dask, "import_module", missing)
    with pytest.raises(InputError, match=r"pip install 'physnn\[cluster\]'"):
        parse_engine("dask")
