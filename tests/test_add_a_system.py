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
from physnn.cli import run
from physnn.samples import kinds
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


def test_the_commands_of_the_page_work_and_workers_give_the_same(here, monkeypatch, capsys):
    monkeypatch.chdir(here)
    swept, fitted, show = (shlex.split(line)[1:] for line in blocks("sh")[0].strip().splitlines())
    assert "open-percolation" not in kinds.KINDS, "files are read without knowing the system"
    assert run(fitted) in (0, 3) and run(show) == 0
    text = capsys.readouterr().out
    assert "crossing" in text and "percolation" in text

    monkeypatch.setattr(kinds, "KINDS", dict(kinds.KINDS))
    monkeypatch.setattr(sys, "path", [str(here), *sys.path])
    Path("small.toml").write_text('kind = "open-percolation"\nL = [16, 32]\nlattices = 5\n')
    assert swept[:4] == ["run", "percolation.toml", "--module", "percolation.py"] and "--jobs 2" in " ".join(swept)
    for jobs in ("1", "2"):
        words = ["run", "small.toml", *swept[2:4], "--jobs", jobs, "--out", f"{jobs}.h5", "--quiet"]
        assert run(words) == 0, capsys.readouterr().err
    assert content_digest("1.h5") == content_digest("2.h5")

    shares = [shlex.split(line)[1:] for line in blocks("sh")[1].strip().splitlines()]
    assert [words[0] for words in shares] == ["run", "run", "status", "merge"]
    for words, status in zip(shares, (0, 0, 0, 2), strict=True):
        small = ["small.toml" if word == "percolation.toml" else word for word in words]
        quiet = ["--quiet"] if words[0] == "run" else []
        assert run([*small, *quiet]) == status, capsys.readouterr().err
        assert Path("shared.h5").exists() == (words != shares[0])
    assert content_digest("shared.h5") == content_digest("1.h5")
    capsys.readouterr()
    assert run(["run", "small.toml", *swept[2:4], "--shard", "0/2", "--out", "half.h5", "--quiet"]) == 0
    assert run(["merge", "half.h5", "--module", "percolation.py"]) == 2
    assert "are not done yet" in capsys.readouterr().err
