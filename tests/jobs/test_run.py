from __future__ import annotations

import os
import re
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from physnn.errors import InputError, TasksFailed, Unfinished
from physnn.jobs.executors import PROCESS, Engine
from physnn.jobs.locks import exclusive
from physnn.jobs.run import run_tasks
from physnn.jobs.stopping import stop_signals
from physnn.jobs.workers import LARGEST
from physnn.store.parts import Parts, read_part, write_part


@dataclass(frozen=True)
class Task:
    key: str
    cost: float = 1.0


def square(task, path, context):
    write_part(path, {"value": np.array(int(task.key) ** 2 + context["add"])})


def fragile(task, path, context):
    """Task 3 dies twice before it works, task 5 always raises."""
    deaths = Path(context["folder"]) / f"deaths-{task.key}"
    count = len(deaths.read_text()) if deaths.exists() else 0
    if task.key == "3" and count < 2:
        deaths.write_text("x" * (count + 1))
        os._exit(9)
    if task.key == "5":
        raise ValueError("no good")
    square(task, path, context)


@pytest.fixture
def parts(tmp_path) -> Parts:
    found = Parts(tmp_path / "s.h5")
    found.begin({})
    return found


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_task_is_done_once_and_a_second_run_does_nothing(parts, jobs):
    tasks = [Task(str(k)) for k in range(7)]
    seen = []
    run_tasks(tasks, square, {"add": 1}, parts, jobs, lambda done, total, _: seen.append((done, total)))
    assert [int(read_part(parts.path(t.key))["value"]) for t in tasks] == [k**2 + 1 for k in range(7)]
    assert seen[0] == (0, 7) and seen[-1] == (7, 7)
    run_tasks(tasks, None, {}, parts, jobs)


def test_a_dying_worker_is_replaced_and_a_failing_task_is_reported_while_others_finish(parts, tmp_path):
    tasks = [Task(str(k)) for k in range(7)]
    with pytest.raises(TasksFailed, match=r"1 of 7 tasks failed.*task 5: ValueError: no good"):
        run_tasks(tasks, fragile, {"add": 0, "folder": str(tmp_path)}, parts, 2)
    assert (tmp_path / "deaths-3").read_text() == "xx"
    assert [t.key for t in tasks if not parts.finished(t.key)] == ["5"]


def slow(task, path, context):
    time.sleep(0.4)
    square(task, path, context)


def test_a_long_run_says_when_it_saves_next(parts):
    seen = []
    run_tasks([Task("1")], slow, {"add": 0}, parts, jobs=1, progress=lambda *one: seen.append(one), live=inside)
    waiting = [text for done, _, text in seen if text]
    assert waiting and all(re.fullmatch(r"next save in ([1-9]|10) s, half", text) for text in waiting)
    assert seen[0] == (0.0, 1.0, "") and seen[-1][:2] == (1.0, 1.0)


def inside(keys):
    return 0.5 * len(keys), "half" * len(keys)


def test_one_writer_at_a_time_and_no_lock_left_behind(tmp_path):
    out = tmp_path / "s.h5"
    with exclusive(out), pytest.raises(InputError, match="another thread of this program"), exclusive(out):
        pass
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="no folder"), exclusive(tmp_path / "none" / "s.h5"):
        pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_signals_stop_and_can_be_continued(number):
    before = signal.getsignal(number)
    with pytest.raises(Unfinished, match="same command continues"), stop_signals():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before


def test_the_allowed_time_stops():
    with pytest.raises(Unfinished, match="time is over"), stop_signals(0.05):
        while True:
            pass


class Swallows:
    """An object in whose destructor a signal arrives, as may happen in any library's callback."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        sum(range(100))


@pytest.mark.parametrize("jobs", [1])
def test_ctrl_c_inside_a_destructor_is_neither_lost_nor_noisy(parts, jobs, capfd):
    def swallow(task, path, context):
        square(task, path, context)
        if task.key == "2":
            Swallows()

    with pytest.raises(KeyboardInterrupt), stop_signals():
        run_tasks([Task(str(k)) for k in range(7)], swallow, {"add": 1}, parts, jobs)
    assert [t for t in range(7) if parts.finished(str(t))] == [0, 1, 2]
    assert capfd.readouterr().err == ""


class Awkward(Exception):
    """Cannot be made again from its text: on its way back from a worker it would break the whole pool."""

    def __init__(self, first, second):
        super().__init__(f"{first} and\n{second}")


class Unsendable:
    def __reduce__(self):
        raise RuntimeError("a socket, say")


def awkward(task, path, context):
    if task.key == "1":
        raise Awkward("this", "that")
    square(task, path, context)


def test_an_exception_that_cannot_travel_fails_its_task_alone(parts):
    with pytest.raises(TasksFailed, match=r"1 of 3 tasks failed.*task 1: RuntimeError: Awkward: this and that$"):
        run_tasks([Task(str(k)) for k in range(3)], awkward, {"add": 0}, parts, 2)
    assert [parts.path(str(k)).exists() for k in range(3)] == [True, False, True]


@pytest.mark.parametrize("engine", [PROCESS, Engine("dask")], ids=["process", "dask"])
@pytest.mark.parametrize(
    ("work", "context", "message"),
    [
        (lambda *_: None, {}, r"cannot be sent to a worker \((Attribute|Pickling)Error: .*lambda"),
        (square, {"add": threading.Lock()}, r"cannot be sent to a worker \(TypeError: cannot pickle '_thread.lock'"),
        (square, {"add": Unsendable()}, r"cannot be sent to a worker \(RuntimeError: a socket, say\); use functions"),
        (square, {"add": np.zeros(LARGEST // 8 + 1)}, "more than 67 MB to its worker; give it the name of a file"),
        (square, {"add": [b"x" * 2**20] * 2 + [bytes(2**20 * k) for k in range(1, 12)]}, "more than 67 MB"),
    ],
)
def test_what_cannot_be_sent_is_said_before_anything_begins(parts, engine, work, context, message):
    before = sorted(parts.folder.iterdir())
    with pytest.raises(InputError, match=message) as told:
        run_tasks([Task("1"), Task("2")], work, context, parts, 2, engine=engine)
    assert "\n" not in str(told.value)
    assert sorted(parts.folder.iterdir()) == before


def test_what_is_not_sent_anywhere_may_be_of_any_kind(parts):
    run_tasks(
        [Task("2")], lambda task, path, context: square(task, path, {"add": 1}), {"lock": threading.Lock()}, parts
    )
    assert int(read_part(parts.path("2"))["value"]) == 5
