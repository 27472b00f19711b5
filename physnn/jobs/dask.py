"""Tasks on Dask: a cluster of our own on this machine, or one that someone runs, behind the same executor.

Dask runs what it is sent, so a cluster of ours listens on the loopback address only, and one on other machines must use
TLS unless the user insists.  Dask's own retries are off: attempts are counted in one place, `physnn.jobs.run`.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import physnn
from physnn.errors import InputError, Unfinished, naming_extras
from physnn.jobs.stopping import TO_STOP
from physnn.jobs.workers import WorkerDied, start_tracker
from physnn.machine import Shared

if TYPE_CHECKING:
    from physnn.jobs.executors import Engine

Result = TypeVar("Result")
REACH = 10.0
"""Seconds to reach a scheduler."""
COUNT_EVERY = 2.0
"""Seconds between two counts of the workers of a cluster."""
PATIENCE = 600.0
"""Seconds without any worker after which a run stops."""
IGNORE_SIGNALS = f"""
import signal
for number in {[int(signal.SIGINT), *map(int, TO_STOP)]}:
    signal.signal(number, signal.SIG_IGN)
"""
"""What workers of our own cluster run first: signals to stop are their parent's business."""
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
"""Signal that ends a process at once; Windows has one for all."""
OURS = {"allowed_failures": 0}
"""Settings of a scheduler: a task whose worker died comes back to us."""


class EngineLost(Unfinished):
    """The scheduler is gone, has had no workers for long, or has one that cannot be used."""


def load() -> Any:
    """Return the module ``distributed``.

    Raises
    ------
    InputError
        If it is not installed.
    """
    with naming_extras():
        return import_module("distributed")


def check_address(engine: Engine) -> str:
    """Return the address of the scheduler that an engine names; empty for a cluster of our own.

    Raises
    ------
    InputError
        If a scheduler file is missing or damaged, or the address is on another machine and not encrypted.
    """
    if not engine.address:
        return ""
    address = engine.address
    if "://" not in address and not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[\w.-]+):[0-9]+", address):
        address = _address_in(Path(address))
    scheme, _, place = address.rpartition("://")
    if scheme not in ("", "tcp", "tls"):
        raise InputError(f"the Dask address {address} is neither tcp:// nor tls://; give one of these")
    if scheme != "tls" and not _is_loopback(place) and not engine.insecure:
        raise InputError(
            f"{address} is on another machine and not encrypted, and whoever reaches it can run anything there: "
            "use tls://, or --insecure on a network that you trust"
        )
    return address


def _address_in(file: Path) -> str:
    """Return the address that a scheduler file holds."""
    start = f"dask scheduler --scheduler-file {file}"
    try:
        return str(json.loads(file.read_text())["address"])
    except OSError as error:
        raise InputError(f"cannot read the scheduler file {file} ({error.strerror}); start one with: {start}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(f"{file} is not a scheduler file of Dask; start a scheduler with: {start}") from None


def _is_loopback(place: str) -> bool:
    host = place.rsplit(":", 1)[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _of_version(version: str, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Result:
    """Call ``fn``, on a worker; raises Unfinished if this package is of another version there."""
    if physnn.__version__ != version:
        where = import_module("distributed").get_worker().address
        raise EngineLost(f"{_other_version({where: physnn.__version__}, version)}; what is finished is saved")
    return fn(*args, **kwargs)


def _other_version(found: Mapping[str, str], version: str = physnn.__version__) -> str:
    """Sentence that names workers with another version of this package; empty if there are none."""
    told = [f"{worker} has {there}" for worker, there in sorted(found.items()) if there != version]
    if not told:
        return ""
    more = f" and {len(told) - 3} more" if len(told) > 3 else ""
    return f"here is physnn {version}, but the Dask worker {', '.join(told[:3])}{more}: install the same version there"


def _check_versions(client: Any) -> None:
    """Raise InputError if a worker has another physnn, or none; those that join later are asked with each task."""
    # By what every Python has: a worker of another version may not know any function of this one.
    found = client.run(eval, "__import__('physnn').__version__", on_error="return")
    there = {worker: "none" if isinstance(said, ImportError) else said for worker, said in found.items()}
    if told := _other_version({worker: said for worker, said in there.items() if isinstance(said, str)}):
        raise InputError(told)


class DaskExecutor(Executor):
    """Dask's own executor, with its ways to fail turned into ours."""

    def __init__(self, inner: Executor) -> None:
        self._inner = inner

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """Send a call to the cluster."""
        outer: Future[Result] = Future()
        try:
            inner = self._inner.submit(_of_version, physnn.__version__, fn, *args, **kwargs)
        except Exception as error:  # a client that lost its scheduler says so in many ways
            outer.set_exception(_lost(error))
        else:
            inner.add_done_callback(lambda done: _pass_on(done, outer))
        return outer


def _pass_on(done: Future[Any], outer: Future[Any]) -> None:
    try:
        error = done.exception()
    except CancelledError as cancelled:
        error = _lost(cancelled)
    if error is None:
        outer.set_result(done.result())
    elif type(error).__name__ == "KilledWorker":
        outer.set_exception(WorkerDied("a worker process died"))
    else:
        outer.set_exception(error)


def _lost(error: BaseException) -> EngineLost:
    text = f"the Dask scheduler is gone ({type(error).__name__}); everything finished is saved"
    return EngineLost(f"{text}, the same command continues")


def _slots(client: Any, most: int) -> Callable[[], int]:
    """Return what counts the threads of all workers, now and then, and gives two tasks to each."""
    count, latest, alive = 0, -COUNT_EVERY, time.monotonic()

    def slots() -> int:
        nonlocal count, latest, alive
        now = time.monotonic()
        if now - latest > (COUNT_EVERY if count else 0.2):
            latest = now
            try:
                count = sum(client.nthreads().values())
            except Exception as error:  # see DaskExecutor.submit
                raise _lost(error) from None
        if count:
            alive = now
        elif now - alive > PATIENCE:
            raise EngineLost("no worker has joined the Dask scheduler for long; start some, the same command continues")
        return 2 * min(count, most)

    return slots


@contextmanager
def _silent() -> Iterator[None]:
    talkative = [n for n in logging.root.manager.loggerDict if n.startswith("distributed.")]
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado.application", "asyncio", *talkative)]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


_quiet_logs = Shared(_silent)
"""Context in which Dask logs nothing: what goes wrong is told once, by us."""


@contextmanager
def dask_executor(engine: Engine, jobs: int) -> Iterator[tuple[Executor, Callable[[], int]]]:
    """Yield an executor on a Dask cluster and what tells how many tasks it takes at a time; see `Engine`.

    Raises
    ------
    InputError
        If the scheduler cannot be reached.
    EngineLost
        If it goes away, or has had no worker for `PATIENCE` seconds.
    """
    distributed = load()
    address = check_address(engine)
    with ExitStack() as stack:
        stack.enter_context(_quiet_logs())
        if address:
            client = stack.enter_context(_reached(distributed, address))
        else:
            cluster = stack.enter_context(_own_cluster(distributed, jobs))
            client = distributed.Client(cluster)
            stack.callback(_quietly, client.close, timeout=0.1)
        yield DaskExecutor(client.get_executor(pure=False, retries=0)), _slots(client, jobs)


@contextmanager
def _own_cluster(distributed: Any, jobs: int) -> Iterator[Any]:
    """Yield a cluster of processes on the loopback address; leaving stops them at once, idle or not."""
    start_tracker()
    cluster = distributed.LocalCluster(
        n_workers=jobs,
        threads_per_worker=1,
        host="127.0.0.1",
        protocol="tcp://",
        dashboard_address=None,
        memory_limit=0,
        silence_logs=logging.CRITICAL,
        preload=[IGNORE_SIGNALS],
        scheduler_kwargs=OURS,
    )
    try:
        yield cluster
    finally:
        nannies = list(cluster.workers.values())
        for nanny in nannies:
            nanny.auto_restart = False
        for nanny in nannies:
            if nanny.process is not None and nanny.process.pid:
                with suppress(OSError):
                    os.kill(nanny.process.pid, KILL)
        # Otherwise Dask would wait ten seconds more at the end of the program.
        cluster.shutdown_on_close = False
        _quietly(cluster.close, timeout=2)


@contextmanager
def _reached(distributed: Any, address: str) -> Iterator[Any]:
    """Yield a client of a scheduler that someone runs, with `OURS` while we use it."""
    client = distributed.Client.__new__(distributed.Client)
    try:
        client.__init__(address, timeout=REACH, set_as_default=False)
    except Exception as error:  # time, name, port, certificate: whatever it is, it is one line
        client.status = "closed"  # otherwise its destructor waits for an answer
        text = f"cannot reach the Dask scheduler at {address} ({' '.join(str(error).split())[:160]})"
        raise InputError(f"{text}; check that it runs, and its certificates in Dask's configuration") from None
    before: dict[str, float] = {}
    try:
        with suppress(Exception):
            before = client.run_on_scheduler(_adopt, settings=OURS)
        _check_versions(client)
        yield client
    finally:
        if before:
            _quietly(client.run_on_scheduler, _adopt, settings=before)
        _quietly(client.close, timeout=0.2)


def _adopt(settings: dict[str, float], dask_scheduler: Any = None) -> dict[str, float]:
    """Change settings of a scheduler and return those before; runs there."""
    before = {name: getattr(dask_scheduler, name) for name in settings}
    for name, value in settings.items():
        setattr(dask_scheduler, name, value)
    return before


def _quietly(close: Callable[..., object], *args: Any, **options: Any) -> None:
    """Close something that may be gone already."""
    with suppress(Exception):
        close(*args, **options)
