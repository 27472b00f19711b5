"""What is asked for beyond this machine is refused in one line with numbers, before anything is made."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from physnn import machine
from physnn.cli import run
from physnn.errors import InputError
from physnn.networks.kuramoto.training import TrainingRecipe
from physnn.samples.training.kuramoto import training_bytes
from tests.faults.processes import peak_memory

TOO_MUCH = {
    "noise: L": ("sweep-noise --L 10000000", r"GB are available: take L <="),
    "noise: images": ("sweep-noise --L 20 --images 10000000", r"GB are available: take fewer --images"),
    "noise: tasks": ("sweep-noise --L 20 24 --eta-range 0 0.4 100000 --images 500", "tasks"),
    "noise: steps": ("sweep-noise --L 2000 --steps 1000000000 --images 1000 --batch 1 --jobs 1", "years"),
    "temperature: sweeps": ("sweep-temperature --L 8 16 --sweeps 1000000000", "GB are available"),
    "temperature: chains": ("sweep-temperature --L 8 16 --chains 10000 --points 1000", "GB are available"),
    "train: batch": ("train kuramoto --batch 1000000000", "GB are available: take a smaller --batch"),
    "train: L": ("train kuramoto --L 1000000", "GB are available"),
    "train: components": ("train kuramoto --components 100000", "GB are available"),
    "train: epochs": ("train kuramoto --epochs 1000000000", "years or more: take fewer --epochs"),
    "count: points": ("count signs --points 10000000000", "GB are available: take fewer --points"),
    "count: points, sampling": ("count signs --points 10000000000 --method sampling", "GB are available"),
    "count: walkers": ("count signs --walkers 10000000 --method sampling", "GB are available"),
    "count: moves": ("count signs --moves 1000000000000000 --method sampling", "years or more: take fewer --moves"),
    "count: weights": ("count signs --layers 1 9 9 1 --method brute-force", "years of one core"),
    "count: lattice": ("count ising --L 12 --magnetisation", "too large to count"),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_too_much_is_refused_in_one_line_at_once(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    words, expected = TOO_MUCH[name]
    began = time.process_time()
    assert run([*words.split(), *(["--out", "o.h5"] if not words.startswith("count") else [])]) == 2
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1 and expected in error
    assert time.process_time() - began < 20
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        "sweep-noise --L 0", "sweep-noise --L -3", "sweep-noise --L 1e400", "sweep-noise --L nan", "sweep-noise --L 7",
        "sweep-noise --eta inf", "sweep-noise --eta nan", "sweep-noise --eta 1e400", "sweep-noise --images 0",
        "sweep-temperature --L 0", "sweep-temperature --L 5 --algorithm metropolis", "sweep-temperature --T nan",
        "sweep-temperature --T 1e400", "sweep-temperature --sweeps -1", "sweep-temperature --L 10000000",
        "train kuramoto --batch 0", "train kuramoto --lr nan", "count signs --points 0", "count ising --L 1",
    ],
)  # fmt: skip
def test_numbers_that_make_no_sense_are_refused(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    assert run(words.split()) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_sizes_given_twice_count_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = "sweep-temperature --L 6 4 6 --T 2 2.2 2.4 2.2 --sweeps 5 --chains 1 --jobs 1 --dry-run"
    assert run(words.split()) == 0
    rows = [line.split()[:2] for line in capsys.readouterr().out.splitlines() if line.strip()[:2] in ("4 ", "6 ")]
    assert rows == [["4", "3"], ["6", "3"]]


def test_control_groups_are_heeded(tmp_path, monkeypatch):
    files = {
        "/proc/self/cgroup": ["7:cpu,cpuacct:/x", "4:memory:/a/b", "0::/c"],
        "/sys/fs/cgroup/memory/a/memory.limit_in_bytes": ["5000000000"],
        "/sys/fs/cgroup/memory/a/memory.usage_in_bytes": ["4000000000"],
        "/sys/fs/cgroup/memory/a/memory.stat": ["cache 7", "total_inactive_file 500000000"],
        "/sys/fs/cgroup/c/memory.max": ["max"],
        "/sys/fs/cgroup/c/memory.current": ["1"],
        "/proc/meminfo": ["MemTotal: 9 kB", "MemAvailable: 2000000 kB"],
    }
    monkeypatch.setattr(machine, "_lines", lambda path: files.get(path, []))
    assert machine.available_memory() == 1.5e9
    files["/sys/fs/cgroup/c/memory.max"] = ["1000001"]
    assert machine.available_memory() == 1e6
    del files["/sys/fs/cgroup/c/memory.max"], files["/sys/fs/cgroup/memory/a/memory.limit_in_bytes"]
    assert machine.available_memory() == 2000000 * 1024


def test_limits_of_the_process_are_heeded():
    assert machine.own_limit() > 1e12 or resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
    before = resource.getrlimit(resource.RLIMIT_AS)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    try:
        resource.setrlimit(resource.RLIMIT_AS, (size + 2 * 10**9, before[1]))
        assert 1.5e9 < machine.own_limit() < 2.1e9
        machine.check_bytes(3e9, "less", workers=2)
        with pytest.raises(InputError, match="GB are available: take less"):
            machine.check_bytes(3e9, "less")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_a_fit_beyond_memory_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(machine, "available_memory", lambda: 4e8)
    table = tmp_path / "t.csv"
    rows = [f"{L} {x:.4f} {np.tanh((x - 0.5) * L**0.5):.5f} 0.01" for L in (4, 8, 16) for x in np.linspace(0, 1, 50)]
    table.write_text("\n".join(rows))
    assert run(["fit", str(table), "--resamples", "100000"]) == 2
    error = capsys.readouterr().err
    assert "fewer --resamples" in error and "0.48" in error
    machine.check_fit(150, 20_000)


def test_the_estimate_of_a_training_follows_what_was_measured():
    """Resident memory of one optimiser step on one core, in floats for each site, component and image."""
    measured = {
        (64, 32, 16, 15): 7.16 * 15,
        (64, 32, 4, 15): 7.08 * 15,
        (128, 16, 16, 5): 8.2 * 5,
        (20, 200, 16, 1): 24.6,
    }
    for (L, batch, components, steps), floats in measured.items():
        recipe = TrainingRecipe(L=L, batch=batch, components=components, steps=steps, validation_pairs=1)
        need = training_bytes(recipe) / (4 * batch * components * L**2)
        assert 0.9 * floats < need < 1.7 * floats


def test_a_plan_of_a_training(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = "train kuramoto --L 20 --steps 2 --components 4 --kernel 3 --batch 4 --seeds 0 1 2 --jobs 2 --dry-run"
    assert run(words.split()) == 0
    out = capsys.readouterr().out
    assert "3 networks, 2 at a time: about" in out and "MB of memory" in out
    assert list(tmp_path.iterdir()) == []


ESTIMATED = {
    "chains": "sweep-temperature --L 8 12 16 --T 2.2 2.27 2.34 --sweeps 2000 --chains 4",
    "chains, larger": "sweep-temperature --L 64 --T 2.2 2.27 --sweeps 20000 --chains 4 --algorithm metropolis",
    "percolation": "sweep-percolation --L 16 32 64 --runs 200",
    "percolation, larger": "sweep-percolation --L 512 1024 --runs 32 --points 3 --series 2",
    "world lines": "path-integral --L 8 16 --beta-per-L 1 --sweeps 300",
    "world lines, larger": "path-integral --L 128 256 --beta-per-L 1 --sweeps 20 --points 2",
    "noise": "sweep-noise --L 32 --images 16 --eta-range 0 0.2 5",
    "noise, larger": "sweep-noise --L 256 --images 16 --eta-range 0 0.2 2 --steps 2",
    "memory": "memory --L 16 32 --longest 128",
    "oscillators": "sweep-coupling --N 200 800 --duration 10",
    "equation": "train pde burgers --steps 10 --seeds 0 1 --arms raw other",
    "equation, larger": "train pde burgers --steps 3 --seeds 0 1 --width 256 --arms raw other",
}
"""Commands whose memory was estimated, by what they do, at two sizes where these make a difference."""


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("name", ESTIMATED)
def test_the_memory_of_a_whole_command_is_the_estimate(tmp_path, name, jobs):
    command = [sys.executable, "-m", "physnn", *ESTIMATED[name].split(), "--jobs", jobs, "--out", "o.h5"]
    plan = subprocess.run([*command, "--dry-run", "--json"], cwd=tmp_path, capture_output=True, text=True, check=True)
    found = json.loads(plan.stdout)
    need = max(found["megabytes"], found.get("memory", {"megabytes": 0})["megabytes"])
    status, held = peak_memory(command, tmp_path)
    assert status in (0, 3)
    assert 0.88 < need / (held / 1e6) < 1.16, f"{need:.0f} MB said, {held / 1e6:.0f} MB held"
