"""Other versions of Python and of libraries: the light installation with the oldest and the newest of them."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SETS = ROOT / "tests" / "constraints"
PLACES = (("3.11", "oldest"), ("3.12", "newest"), ("3.13", "newest"))
"""Python and set of versions: the oldest numba knows no newer Python."""
PART = ("tests/analysis/statistics", "tests/analysis/curves", "tests/exact/ising", "tests/cli/test_light.py")
"""Tests that need no torch."""
TOOLS = ("pytest", "pytest-timeout", "pytest-xdist", "hypothesis", "pymbar")


def pinned(name: str) -> dict[str, str]:
    """Versions of a set by package."""
    lines = (SETS / f"{name}.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def required() -> dict[str, str]:
    """Lowest versions of the light installation and of its arrays, as setup.cfg has them."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    lines = (settings["options"]["install_requires"] + settings["options.extras_require"]["arrays"]).split()
    return dict(re.fullmatch(r"([\w-]+)>=([\d.]+)", line).groups() for line in lines)


def test_the_oldest_set_is_what_the_installation_allows():
    oldest = pinned("oldest")
    for name, least in required().items():
        known = oldest[name].split(".")[: len(least.split("."))]
        assert ".".join(known) == least, f"{name} {least} is allowed, {oldest[name]} is tried"
    assert required().keys() <= pinned("newest").keys()


def interpreter(version: str) -> str | None:
    """A Python of a version, where pyenv keeps them (what it puts on the path works for one of them) or on the path."""
    kept = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    return str(kept[-1]) if kept else shutil.which(f"python{version}")


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("version", "name"), PLACES)
def test_the_light_installation_passes_its_tests(tmp_path, version, name):
    python = interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    place, here = tmp_path / "venv", dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    here.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run([python, "-m", "venv", place], check=True)
    own = str(place / "bin" / "python")
    needed = [*required(), *TOOLS, "pyparsing"]
    subprocess.run([own, "-m", "pip", "install", "-q", "-c", SETS / f"{name}.txt", *needed], check=True)
    command = [own, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *PART]
    done = subprocess.run(command, cwd=ROOT, env=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
