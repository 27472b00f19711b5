"""Commands load the libraries that they use, and none before bad input is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import plant

LOADED = """
import sys
from physnn.cli import run
for words in sys.argv[1:]:
    status = run(words.split())
    parts = {"scipy.stats", "scipy.optimize"} & {*sys.modules}
    print(status, *{name.split(".")[0] for name in sys.modules} | parts, file=sys.stderr)
"""
HEAVY = {"scipy.stats", "scipy.optimize", "torch", "numba", "h5py", "matplotlib", "xarray", "pandas", "distributed"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    plant(folder)
    return folder


def loaded(folder: Path, *commands: str) -> list[tuple[int, set[str]]]:
    """Statuses of commands, one after the other in one process, and the libraries that were loaded by then."""
    answer = subprocess.run(
        [sys.executable, "-c", LOADED, *commands], cwd=folder, capture_output=True, text=True, check=False
    )
    lines = [line.split() for line in answer.stderr.splitlines() if line[:2] in ("0 ", "2 ", "3 ")]
    assert len(lines) == len(commands), answer.stderr
    return [(int(status), set(names)) for status, *names in lines]


USED = {
    (
        "fit table.csv --resamples 20 --methods",
        "fit table.csv --resamples 20 --json",
        "compare table.csv --resamples 20",
    ): set(),
    ("fit table.csv --resamples 20 --figure fit.png",): {"matplotlib"},
    ("show sweep.h5", "verify sweep.h5", "show kuramoto_symmetric", "fit sweep.h5 --resamples 20"): {"h5py"},
    ("count signs --layers 1 2 1 --points 4", "count ising --L 3", "count cnn --variant baseline"): set(),
}
"""Commands, and the heavy libraries that they may load."""


@pytest.mark.parametrize("commands", USED, ids=lambda commands: commands[0])
def test_commands_load_what_they_use(folder, commands):
    answers = loaded(folder, *commands)
    assert all(status in (0, 3) for status, _ in answers)
    assert answers[-1][1] & HEAVY <= USED[commands]


LIGHT = (
    "fit none.csv",
    "fit table.csv --resamples 5",
    "fit table.csv --figure fit.txt",
    "compare table.csv none.csv",
    "decide none.h5",
    "show none.h5",
    "sweep-noise --L 0",
    "sweep-noise --images 0",
    "sweep-noise --networks none.h5",
    "sweep-noise --eta-range 0.4 0 3",
    "sweep-noise --observable none",
    "sweep-noise --mode equilibrium --images 3 --T 1",
    "sweep-temperature --observable none",
    "sweep-temperature --config none.toml",
    "sweep-percolation --observable none",
    "sweep-percolation --L 1",
    "sweep-coupling --N 1",
    "path-integral --L 1",
    "path-integral --beta 1 --beta-per-L 1",
    "sweep-coupling --frequencies none",
    "memory kuramoto_symmetric --eta 0.1 --eta-range 0 1 3",
    "train kuramoto --family none",
    "train kuramoto --stability 2",
)
"""Bad input that is refused before anything heavy is loaded."""


def test_bad_input_is_refused_before_anything_heavy_is_loaded(folder):
    for words, (status, names) in zip(LIGHT, loaded(folder, *LIGHT), strict=True):
        assert (status, names & HEAVY) == (2, set()), words


def test_help_of_commands_loads_nothing_heavy(folder):
    assert not {*HEAVY, "numpy", "scipy", "pydantic"} & loaded(folder, "--help", "--version")[-1][1]
    commands = (
        "sweep-noise",
        "sweep-temperature",
        "sweep-percolation",
        "sweep-coupling",
        "path-integral",
        "memory",
        "train kuramoto",
        "fit",
        "count signs",
        "count ising",
    )
    assert not {*HEAVY, "scipy"} & loaded(folder, *(f"{command} --help" for command in commands))[-1][1]
