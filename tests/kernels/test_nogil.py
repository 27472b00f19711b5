"""Compiled loops let other threads run: otherwise whoever waits for signs of life would take a worker for dead."""

from __future__ import annotations

import pkgutil
import threading
import time
from importlib import import_module

from numba.core.dispatcher import Dispatcher

from physnn import kernels, rng
from physnn.models import Ising
from physnn.samplers import SAMPLERS, advance, start


def test_every_kernel_gives_the_lock_away():
    found = {}
    for module in pkgutil.walk_packages(kernels.__path__, "physnn.kernels."):
        if not module.ispkg:
            members = vars(import_module(module.name)).items()
            found |= {f"{module.name}.{name}": k for name, k in members if isinstance(k, Dispatcher)}
    assert len(found) > 80
    assert [name for name, kernel in found.items() if not kernel.targetoptions.get("nogil")] == []


def longest_silence(work) -> tuple[float, float]:
    """Seconds that ``work`` takes in another thread, and the longest time in which this one was not heard of."""
    thread, worst = threading.Thread(target=work), 0.0
    began = last = time.monotonic()
    thread.start()
    while thread.is_alive():
        time.sleep(0.001)
        now = time.monotonic()
        worst, last = max(worst, now - last), now
    return time.monotonic() - began, worst


def test_another_thread_is_heard_of_while_a_kernel_runs(monkeypatch):
    sampler, model = SAMPLERS["metropolis"], Ising()
    state = start(sampler, model, (64, 64), 2.3, rng.seed_sequence(0, "synthetic", "nogil"))
    advance(sampler, model, 2.3, state, 1)
    monkeypatch.setattr("physnn.samplers.chain.FIRST_SLICE_SITES", 10**9)  # one call of some seconds' work
    taken, silent = longest_silence(lambda: advance(sampler, model, 2.3, state, 1, 20_000))
    assert silent < 0.5 * taken
    taken, silent = longest_silence(lambda: 3**3_000_000)
    assert silent > 0.5 * taken, "a call that keeps the lock shows"
