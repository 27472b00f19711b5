"""Bundled data are found from a wheel, an editable install and the source tree, from any working directory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

import physnn
from physnn.errors import InputError
from physnn.shipped import bundled, resolve
from physnn.store.network_file import read_networks

ROOT = Path(physnn.__file__).resolve().parent.parent
FIND = "import physnn, sys; print(physnn.__file__); print(*physnn.bundled(), sep='\\n')"


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A copy of what git would check out, so that building leaves nothing behind."""
    copy = tmp_path_factory.mktemp("source") / "physnn"
    skip = shutil.ignore_patterns(".git", ".venv*", "__pycache__", "build", "*.egg-info", ".*_cache", "_build")
    shutil.copytree(ROOT, copy, ignore=skip)
    return copy


def pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", *words, "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*command, "--disable-pip-version-check"], check=True, capture_output=True, text=True)


def find(python: Path | str, folder: Path, path: str = "") -> tuple[Path, list[Path]]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | ({"PYTHONPATH": path} if path else {})
    answer = subprocess.run(
        [python, "-c", FIND], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    first, *rest = answer.stdout.splitlines()
    return Path(first), [Path(line) for line in rest]


def test_from_a_wheel(source, tmp_path):
    pip("install", "--target", str(tmp_path / "site"), str(source))  # from a wheel that pip makes on the way
    where, found = find(sys.executable, tmp_path, str(tmp_path / "site"))
    assert where.is_relative_to(tmp_path / "site")
    assert [f.name for f in found] == [f.name for f in bundled()]
    assert all(f.is_relative_to(tmp_path / "site") and f.stat().st_size > 10_000 for f in found)


def test_from_an_editable_install(source, tmp_path):
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    # What pip's build needs comes from this environment; what is installed goes into the other one.
    (Path(site) / "here.pth").write_text(sysconfig.get_path("purelib"))
    pip("--python", str(python), "install", "-e", str(source))
    where, found = find(python, tmp_path)
    assert where.is_relative_to(source)
    assert [f.name for f in found] == [f.name for f in bundled()]


def test_from_the_source_tree(source, tmp_path):
    where, found = find(sys.executable, tmp_path, str(source))
    assert where.is_relative_to(source)
    assert [f.name for f in found] == [f.name for f in bundled()]


def test_bundled_names_and_paths_resolve(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve("kuramoto_symmetric").is_file()
    with pytest.raises(InputError, match="bundled ensemble"):
        resolve("nothing-like-it")


def test_the_bundled_ensembles_are_what_the_readme_says():
    symmetric, broken = (read_networks(resolve(f"kuramoto_{name}")) for name in ("symmetric", "broken"))
    assert len(symmetric.ids) >= 2 and len(broken.ids) >= 2
    assert not symmetric.architecture["broken"] and broken.architecture["broken"]
    assert (symmetric.validation_rmse <= 0.07).all()
    for file in (symmetric, broken):
        assert file.recipe["L"] == 32 and file.recipe["steps"] == 15
        assert len(set(file.seeds)) == len(file.seeds)
    for name, least in (("flow", 5), ("flow_broken", 2)):
        file = read_networks(resolve(f"kuramoto_{name}"))
        assert len(file.ids) >= least and file.recipe["family"] == "flow" and file.recipe["steps"] == 30
        assert (file.validation_rmse <= 0.07).all()
