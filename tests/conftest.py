"""What several tests need: small networks, a small sweep, and sweeps with a planted answer."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

# Fits decompose thousands of small matrices; threads would wait for each other longer than they work.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
# Dozens of processes are started, and each would compile the package's text anew where bytecode is not kept.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# A shell's background jobs ignore Ctrl-C, and so would every process that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Libraries, and what compilers make of kernels, are millions of objects that stay: the collector need not look through
# them again and again, nor before all tests are collected.
gc.disable()

import numpy as np
import pytest
from matplotlib.figure import Figure

from physnn import rng
from physnn.networks.kuramoto.architecture import Architecture
from physnn.networks.kuramoto.recipe import TrainingRecipe
from physnn.samples import files
from physnn.store.hdf5 import Variable
from physnn.store.network_file import write_networks
from physnn.store.sweep_file import SweepFile, write_sweep

warnings.filterwarnings("ignore", message=".*leaked semaphore.*")

FIRST = (
    "samplers/test_vectors.py", "classifiers/test_engines.py", "synthetic/test_trials.py",
    "kernels/vectors/test_langevin.py", "kernels/lattice/test_multispin.py",
    "samplers/test_reflections.py", "replicas/test_embedding.py", "equilibrium/test_equilibrium.py",
    "answers/test_decide.py", "kernels/test_interpreter.py", "tests/test_docs.py", "cli/test_main.py",
)  # fmt: skip
"""Long files in the order in which they begin.

Left for the end, one process would wait.  Files that compile the same kernels follow each other, so that one compiles
and the others read; files that start many processes, which would all compile, come when that is done.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; within a file nothing changes."""
    order = {name: k for k, name in enumerate(FIRST)}
    path = {item.path: item.path.as_posix() for item in items}
    items.sort(key=lambda item: next((k for name, k in order.items() if path[item.path].endswith(name)), len(order)))


SYNC, SYNCED = os.fsync, ("faults", "store")
"""How files are put on the disk, and the folders of tests that wait for it."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Elsewhere nothing has to outlive a loss of power: each of thousands of parts would wait some milliseconds."""
    synced = item.path.relative_to(Path(__file__).parent).parts[0] in SYNCED
    os.fsync = SYNC if synced else lambda _descriptor: None
    # Threads that wait for each other beside other workers made tests of networks up to thirty times as slow.
    if "torch" in sys.modules and (torch := sys.modules["torch"]).get_num_threads() > 1:
        torch.set_num_threads(1)


def pytest_collection_finish() -> None:
    """What is loaded by now stays."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    gc.enable()


def pytest_unconfigure() -> None:
    """Libraries that count their objects at the end find them gone."""
    gc.unfreeze()


def until_done(monkeypatch, kind, every: int, again) -> int:
    """Call ``again``, interrupted at every so-manieth part that a kind writes, until it ends; return the parts."""
    calls = interrupt(monkeypatch, kind, "write_part", every, after=True)
    rerun(again)
    return calls[0]


def interrupt(monkeypatch, place, name: str, every: int, after: bool = False) -> list[int]:
    """Interrupt at every so-manieth call of a function, before or after it; return the count, in a list."""
    function, calls = getattr(place, name), [0]

    def interrupted(*args, **kwargs):
        calls[0] += 1
        result = function(*args, **kwargs) if after or calls[0] % every else None
        if calls[0] % every == 0:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(place, name, interrupted)
    return calls


def rerun(run, look=lambda: True) -> None:
    """Call ``run`` until it ends without an interruption; after each one ``look`` must find something."""
    for _ in range(200):
        try:
            run()
            return
        except KeyboardInterrupt:
            assert look()
    raise AssertionError("the run does not come to an end")


@pytest.fixture(scope="session")
def network_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two untrained symmetric networks, depth 4, as a network file."""
    return make_networks(tmp_path_factory.mktemp("networks") / "two.h5", seeds=(0, 1))


def make_networks(path: Path, seeds: tuple[int, ...], steps: int = 4, **settings: Any) -> Path:
    """Write untrained networks as if they had been trained."""
    from physnn.networks.kuramoto.network import initial_weights  # with torch, which many tests do without

    recipe = TrainingRecipe(L=20, steps=steps, **settings)
    trained = [
        initial_weights(recipe.architecture, rng.stream(seed, "weights"), 0.3)
        | {"loss": np.array([0.2, 0.1]), "validation_rmse": np.array(0.3)}
        for seed in seeds
    ]
    write_networks(path, recipe.architecture.plain(), recipe.model_dump(mode="json"), seeds, trained)
    return path


def planted_sizes(
    seed: int, crosses: bool = True, x_c: float = 0.45, inverse_nu: float = 0.8, networks: int = 8, noise: float = 0.02
) -> dict[int, dict[str, Variable]]:
    """Groups of a sweep whose RMSE curves cross at x_c with a known exponent, or depend on L not at all."""
    generator = rng.stream(seed, "synthetic", "planted")
    x, images = np.linspace(0, 1, 15), 16
    level = 1 + 0.01 * generator.normal(size=networks)
    sizes = {}
    for L in (16, 32, 64):
        curve = 0.3 + 0.2 * np.tanh((x - x_c) * (L if crosses else 32) ** inverse_nu * 0.35)
        values = curve[:, None, None] * level[:, None] * (1 + noise * generator.normal(size=(15, networks, images)))
        sizes[L] = {
            "eta": Variable(("eta",), x),
            "network": Variable(("network",), np.arange(networks)),
            "image": Variable(("image",), np.arange(images)),
            "rmse": Variable(("eta", "network", "image"), values),
        }
    return sizes


@pytest.fixture
def rendered() -> None:
    """Figures that are rendered in a module where others are not."""


@pytest.fixture
def unrendered(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures that are built and written without pixels, which take longest, unless a test asks for `rendered`."""

    def write(_figure: Figure, path: Path, **_settings: Any) -> None:
        path.write_bytes(b"no pixels")

    if "rendered" not in request.fixturenames:
        monkeypatch.setattr(Figure, "savefig", write)


@pytest.fixture(params=[1, pytest.param(2, marks=pytest.mark.slow)])
def workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Workers of a run: two take seconds to start; one gets what they would get, by the same way."""
    if request.param == 1:
        there = files.run_tasks

        def sent(tasks: Any, work: Any, context: Any, *rest: Any) -> int:
            return there(*pickle.loads(pickle.dumps((tasks, work, context))), *rest)

        monkeypatch.setattr(files, "run_tasks", sent)
    return request.param


@pytest.fixture
def planted() -> SweepFile:
    """A sweep in memory with a crossing at 0.45 and 1/nu = 0.8."""
    return SweepFile({"kind": "planted"}, planted_sizes(0), {})


@pytest.fixture
def small_network() -> Architecture:
    """The smallest architecture that shows everything."""
    return Architecture(components=3, kernel=3)


def plant(folder: Path) -> None:
    """Write a table and a sweep whose curves cross: ``table.csv`` and ``sweep.h5``."""
    lines = [f"{L} {x} {0.5 - L * x / 100} 0.001" for L in (8, 16, 32) for x in np.linspace(-0.4, 0.4, 9)]
    (folder / "table.csv").write_text("L x binder error\n" + "\n".join(lines) + "\n")
    write_sweep(folder / "sweep.h5", {"kind": "planted"}, planted_sizes(1))
