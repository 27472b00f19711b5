"""The page that adds a system, executed: the module it writes, its run, and the commands."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import physnn
from physnn.answers.fit import fit
from physnn.store.hdf5 import content_digest
from physnn.store.sweep_file import read_sweep

PAGE = (Path(physnn.__file__).resolve().parent.parent / "docs" / "add-a-system.md").read_text()
P_C = 0.592746
"""Site percolation threshold of the square lattice."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Path:
    """A folder with the files that the page writes, after its run from Python."""
    folder = tmp_path_factory.mktemp("system")
    *system, use = blocks("python")
    (folder / "percolation.py").write_text("\n\n".join(system))
    (folder / "percolation.toml").write_text(blocks("toml")[0])
    (folder / "use.py").write_text(use)
    done = subprocess.run([sys.executable, "use.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["True", "120 tasks", "0 tasks, for all is done"]
    return folder


def command(folder: Path, words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(words)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 3), done.stderr
    return done.stdout


def test_the_page_is_short():
    assert len(PAGE.splitlines()) < 150


def test_the_system_runs_and_its_curves_cross_where_they_should(here):
    found = read_sweep(here / "percolation.h5")
    assert found.sizes[16]["m"].dims == ("p", "series", "lattice")
    p, m = found.sizes[64]["p"].values, found.sizes[64]["m"].values.mean((1, 2))
    assert (np.diff(m) > 0).all()
    answer = fit(here / "percolation.h5", "binder")
    assert abs(answer.collapse.critical_point.value - P_C) < 4 * answer.collapse.critical_point.error < 0.02
    assert p.min() < P_C < p.max()


def test_the_commands_of_the_page_work_and_workers_give_the_same(here):
    run, fitted, show = blocks("sh")[0].strip().splitlines()
    smaller = run.replace("percolation.toml", "small.toml")
    (here / "small.toml").write_text('kind = "percolation"\nL = [16, 32]\nlattices = 5\n')
    command(here, smaller.replace("--extend --out percolation.h5", "--out two.h5 --quiet"))
    command(here, smaller.replace("--jobs 2 --extend --out percolation.h5", "--jobs 1 --out one.h5 --quiet"))
    assert content_digest(here / "one.h5") == content_digest(here / "two.h5")
    assert "crossing" in command(here, fitted)
    assert "percolation" in command(here, show)
