"""Calls from several threads of one program and from event loops: right numbers, and everything else as it was."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

import physnn
from physnn import api
from physnn.errors import InputError, Unfinished
from physnn.jobs.run import run_tasks
from physnn.jobs.stopping import heeding, stop_flag, stop_requested, stop_signals
from physnn.jobs.workers import THREAD_VARIABLES, _one_thread_each
from physnn.machine import single_blas_thread, without_warnings
from physnn.networks.device import full_precision, single_thread
from physnn.samples import files
from physnn.store.hdf5 import content_digest
from physnn.store.parts import Parts, read_part, write_part

CHAINS = {"L": (4,), "T": (2.0, 2.3), "sweeps": 40, "chains": 2, "thermalisation": 10, "algorithm": "metropolis"}
LONG = {"L": (64,), "T": (2.3,), "sweeps": 3_000_000, "chains": 1, "algorithm": "metropolis"}


def surroundings() -> dict[str, Any]:
    """What a call could leave changed in the process that makes it."""
    with ThreadPoolExecutor(1) as fresh:
        in_new_threads = fresh.submit(torch.get_num_threads).result()
    handlers = {number: signal.getsignal(number) for number in sorted(signal.valid_signals())}
    return {
        "signals": handlers,
        "alarm": signal.getitimer(signal.ITIMER_REAL)[0] > 0,
        "hooks": (threading.excepthook, __import__("sys").unraisablehook),
        "variables": {name: os.environ.get(name) for name in THREAD_VARIABLES},
        "folder": Path.cwd(),
        "filters": list(warnings.filters),
        "floating point": np.geterr(),
        "figures": dict(mpl.rcParams),
        "random": (random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()),  # noqa: NPY002
        "torch": (torch.get_num_threads(), in_new_threads, torch.backends.cudnn.allow_tf32),
        "BLAS": [found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"],
        "logs": {name: logging.getLogger(name).level for name in ("", "asyncio", "distributed", "tornado.application")},
    }


@pytest.fixture(scope="module")
def loaded():
    """A first run: what is loaded stays loaded."""
    physnn.sweep_temperature(**CHAINS)


@pytest.fixture(autouse=True)
def as_found(request, loaded):
    """Whatever a test here does, what it finds is also what it leaves; two compute threads, so that it shows."""
    # Dask sets levels of logs and a variable at its first use, and draws from `random`.
    of_dask = {"logs", "variables", "random"} if "dask" in request.node.name else set()
    with threadpool_limits(2):
        torch.set_num_threads(2)
        before = surroundings()
        yield
        after = surroundings()
        assert {name: after[name] for name in before.keys() - of_dask if after[name] != before[name]} == {}
        torch.set_num_threads(1)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Results of calls in a thread each, or what they raise."""

    def caught(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except BaseException as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(caught, calls))


def inside(call: Callable[[], Any]) -> Any:
    async def main() -> Any:
        return call()

    return asyncio.run(main())


def beside(call: Callable[[], Any]) -> Any:
    async def main() -> Any:
        return await asyncio.to_thread(call)

    return asyncio.run(main())


def in_executor(call: Callable[[], Any]) -> Any:
    async def main() -> Any:
        with ThreadPoolExecutor(1) as pool:
            return await asyncio.get_running_loop().run_in_executor(pool, call)

    return asyncio.run(main())


def everything(folder: Path, jobs: int) -> tuple[Any, ...]:
    """A sweep, chains, a fit, a comparison with its figure, and a page."""
    folder.mkdir()
    out = folder / "s.h5"
    physnn.sweep_temperature(**CHAINS | {"L": (4, 6), "T": (2.0, 2.2, 2.4, 2.6), "sweeps": 400}, out=out, jobs=jobs)
    energy = physnn.sample("ising", L=4, T=2.0, sampler="metropolis", sweeps=20, chains=1).energy
    fit = physnn.fit(out, "binder", resamples=100)
    page = physnn.report(out, out=folder / "page.html")
    return content_digest(out), energy.values.tolist(), fit.verdict, page.stat().st_size > 10_000


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_calls_from_event_loops_and_their_threads_are_those_of_a_script(tmp_path, jobs):
    places = (inside, beside) if jobs == 1 else (lambda call: call(), inside, beside, in_executor)
    found = [place(partial(everything, tmp_path / str(k), jobs)) for k, place in enumerate(places)]
    assert all(each == found[0] for each in found) and found[0][-1]


@pytest.mark.slow
def test_a_cluster_of_dask_in_an_event_loop_and_beside_it(tmp_path):
    pytest.importorskip("distributed")

    def swept(name: str) -> str:
        physnn.sweep_temperature(**CHAINS, out=tmp_path / name, executor="dask", jobs=1)
        return content_digest(tmp_path / name)

    physnn.sweep_temperature(**CHAINS, out=tmp_path / "plain.h5")
    found = {place(partial(swept, f"{place.__name__}.h5")) for place in (inside, beside)}
    assert found == {content_digest(tmp_path / "plain.h5")}


class Together:
    """Progress of a run that begins when all others do: a pass of the barrier at its first call."""

    def __init__(self, barrier: threading.Barrier) -> None:
        self.barrier, self.begun = barrier, False

    def __call__(self, done: float, total: float, text: str) -> None:
        if not self.begun:
            self.begun = True
            self.barrier.wait(60)


def test_sweeps_of_two_threads_at_once_are_those_of_one(tmp_path, network_file):
    sweeps = {
        "temperature": CHAINS,
        "noise": {"L": (20,), "eta": (0.0, 0.2), "networks": (str(network_file),), "images": 2, "engine": "torch"},
    }
    barrier = threading.Barrier(len(sweeps))

    def swept(kind: str, name: str, **more: Any) -> str:
        out = tmp_path / f"{kind}-{name}.h5"
        files.run(api.recipe(kind, out, **sweeps[kind]), out, jobs=1, **more)
        return content_digest(out)

    alone = [swept(kind, "alone") for kind in sweeps]
    assert at_once(*(partial(swept, kind, "together", progress=Together(barrier)) for kind in sweeps)) == alone


def test_two_threads_with_one_file_are_told_apart(tmp_path):
    out, begun, end = tmp_path / "s.h5", threading.Event(), threading.Event()

    def hold(*_: Any) -> None:
        begun.set()
        end.wait(60)

    def second() -> None:
        assert begun.wait(60)
        try:
            files.run(api.recipe("temperature", out, **CHAINS), out, jobs=1)
        finally:
            end.set()

    first = partial(files.run, api.recipe("temperature", out, **CHAINS), out, jobs=1, progress=hold)
    count, refused = at_once(first, second)
    assert count == 4 and isinstance(refused, InputError)
    assert str(refused).startswith(f"another thread of this program is writing {out}")
    physnn.sweep_temperature(**CHAINS, out=tmp_path / "alone.h5")
    assert content_digest(out) == content_digest(tmp_path / "alone.h5")


def test_the_allowed_time_holds_in_any_thread_and_leaves_the_others_alone(tmp_path):
    out = tmp_path / "long.h5"
    begin = time.monotonic()
    stopped, digest = at_once(
        partial(physnn.sweep_temperature, **LONG, out=out, max_time=0.3),
        partial(physnn.sweep_temperature, **CHAINS, max_time=600.0),
    )
    assert isinstance(stopped, Unfinished) and "the allowed time is over" in str(stopped)
    assert not isinstance(digest, BaseException)
    assert time.monotonic() - begin < 30 and list(Parts(out).folder.glob("*.h5")), "its state is saved"


@pytest.mark.parametrize("place", [lambda call: call(), inside], ids=["plain", "event loop"])
def test_ctrl_c_stops_a_run_in_a_script_and_in_an_event_loop(tmp_path, place):
    out = tmp_path / "long.h5"

    def interrupt() -> None:
        while not list(Parts(out).folder.glob("*.try1")):
            time.sleep(0.02)
        signal.raise_signal(signal.SIGINT)

    other = threading.Thread(target=interrupt)
    other.start()
    with pytest.raises(KeyboardInterrupt):
        place(partial(physnn.sweep_temperature, **LONG, out=out))
    other.join(10)


def test_an_alarm_of_the_caller_rings_later():
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: rung.append(number))
    try:
        others = signal.setitimer(signal.ITIMER_REAL, 0.05)
        with stop_signals():
            time.sleep(0.15)
            assert rung == []
        time.sleep(0.1)
        assert rung == [signal.SIGALRM]
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *others)


def test_a_stop_reaches_the_run_that_it_is_for(tmp_path):
    """Two runs whose contexts overlap, as those of two threads do: one ends while the other goes on."""
    steps = [threading.Event() for _ in range(3)]
    heard: dict[str, bool] = {}

    def first() -> None:
        with stop_flag(tmp_path / "one") as flag, heeding(flag):
            steps[0].set()
            steps[1].wait(10)
            flag.touch()
            heard["first"] = stop_requested()
        steps[2].set()

    def second() -> None:
        steps[0].wait(10)
        with stop_flag(tmp_path / "two") as flag, heeding(flag):
            steps[1].set()
            steps[2].wait(10)
            heard["second"] = stop_requested()
            flag.touch()
            heard["second, then"] = stop_requested()
        heard["after"] = stop_requested()

    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    assert at_once(first, second) == [None, None]
    assert heard == {"first": True, "second": False, "second, then": True, "after": False}


@pytest.mark.parametrize(
    "setting", [single_blas_thread, single_thread, full_precision, without_warnings, _one_thread_each]
)
def test_settings_of_the_process_hold_until_the_last_thread_leaves(setting):
    """One goes in, another too, the first leaves, the second still has its setting; the fixture looks at the end."""

    def state() -> dict[str, Any]:
        found = surroundings()
        return {name: found[name] for name in ("BLAS", "torch", "filters", "variables")}

    outside, steps, seen = state(), [threading.Event() for _ in range(3)], {}

    def first() -> int:
        with setting():
            steps[0].set()
            steps[1].wait(10)
        steps[2].set()
        return torch.get_num_threads()

    def second() -> int:
        steps[0].wait(10)
        with setting(), setting():
            seen["both"] = state()
            steps[1].set()
            steps[2].wait(10)
            seen["one"] = state()
        return torch.get_num_threads()

    assert at_once(first, second) == [2, 2], "each thread has its number of compute threads again"
    assert seen["both"] == seen["one"] != outside


@dataclass(frozen=True)
class Task:
    key: str
    cost: float = 1.0


def counted(task, path, context):
    numbers = [found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"]
    write_part(path, {"threads": np.array(numbers)})


def test_a_task_has_one_compute_thread_whatever_its_program_has(tmp_path):
    """The bits of a product of matrices depend on the number, so that one job and two would differ."""
    parts = Parts(tmp_path / "s.h5")
    parts.begin({})
    run_tasks([Task("one")], counted, {}, parts)
    found = read_part(parts.path("one"))["threads"]
    assert len(found) and (found == 1).all()
