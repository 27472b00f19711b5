"""Compiled code that is kept between runs is that of the sources as they are now."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import physnn
from physnn.kernels import jit

INNER = """
from typing import NamedTuple

import numpy as np

from physnn.kernels.jit import njit


class {name}(NamedTuple):
    x: np.ndarray


@njit(cache=True)
def added(x):
    return x + {number}
"""
OUTER = """
import numpy as np

from physnn.kernels.inner import {name}, added
from physnn.kernels.jit import njit


@njit(cache=True)
def total(t):
    return added(t.x[0])


print(total({name}(np.full(2, 3.0))))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of its own with the decorator."""
    folder = tmp_path / "physnn" / "kernels"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "__init__.py").touch()
    shutil.copy(Path(physnn.__file__).parent / "kernels" / "jit.py", folder)
    return folder


def found(folder: Path, name: str = "Layers", number: int = 1, **environment: str) -> str:
    """What a fresh process prints with these sources."""
    (folder / "inner.py").write_text(INNER.format(name=name, number=number))
    outer = OUTER.format(name=name)
    if not (folder / "outer.py").exists() or (folder / "outer.py").read_text() != outer:
        (folder / "outer.py").write_text(outer)
    # Python's own bytecode is told apart by seconds and length, and tests are faster than that.
    plain = {"PYTHONPATH": str(folder.parent.parent), "HOME": str(folder), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(
        [sys.executable, "-m", "physnn.kernels.outer"],
        cwd=folder.parent.parent,
        env=plain | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.strip()


def folders(package: Path) -> set[str]:
    """Names of the folders with code beside the sources."""
    return {path.name for path in package.glob("__pycache__/*") if path.is_dir()}


def test_code_follows_what_it_calls(package: Path):
    # With numba's own rule the second is 4.0 again, and the third an AttributeError.
    assert found(package) == "4.0"
    first = folders(package)
    assert found(package, number=2) == "5.0"
    assert found(package, name="Planes", number=2) == "5.0"
    kept = folders(package)
    assert len(kept) == len(first) == 2 and not kept & first


def test_a_folder_that_the_user_names_is_used(package: Path, tmp_path: Path):
    place = tmp_path / "code"
    assert found(package, NUMBA_CACHE_DIR=str(place)) == "4.0"
    assert len(list(place.glob("inner-*"))) == len(list(place.glob("outer-*"))) == 1
    assert not folders(package)


def test_digest_follows_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jit, "PACKAGE_PLACE", tmp_path)
    (tmp_path / "physnn").mkdir()
    texts = {"a": "from physnn.b import (\n    x,\n)\n", "b": "from physnn import c\n", "c": "x = 1\n", "d": "x = 2\n"}

    def digest(**changed: str) -> str:
        jit._read.cache_clear()
        for name, text in (texts | changed).items():
            (tmp_path / "physnn" / f"{name}.py").write_text(text)
        return jit.sources_digest(tmp_path / "physnn" / "a.py")

    before = digest()
    assert digest() == before == digest(d="x = 3\n")
    assert len({before, digest(b="from physnn import c  # changed\n"), digest(c="x = 3\n")}) == 3
    jit._read.cache_clear()


def test_code_goes_where_it_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # A folder that another user made is there, but numba would leave it for a place with its own rule.
    source = tmp_path / "a.py"
    source.write_text("x = 1\n")
    monkeypatch.setattr(jit.NUMBA_SETTINGS, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    of = jit.code_folder.__wrapped__
    assert of(source).parent == tmp_path / "__pycache__"
    monkeypatch.setattr(jit.os, "access", lambda path, _: "__pycache__" not in str(path))
    assert of(source).parent == tmp_path / "cache" / "physnn"


def test_a_process_without_a_home_compiles_and_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(jit.NUMBA_SETTINGS, "CACHE_DIR", "")
    monkeypatch.setattr(jit.Path, "home", homeless)
    monkeypatch.setattr(jit.os, "access", lambda *_: False)
    assert jit.code_folder.__wrapped__(Path(jit.__file__)) is None
    monkeypatch.setattr(jit, "code_folder", lambda _: None)
    compiled = jit.njit(cache=True)(lambda x: x + 1)
    assert compiled(1) == 2 and not compiled.stats.cache_path
