"""Public names of the package mean one thing each, whatever else is imported, and have types that a checker sees."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import physnn

WHILE_ALL_IS_IMPORTED = """
import importlib, pkgutil, types
import physnn

first = {name: getattr(physnn, name) for name in physnn.__all__}
for found in pkgutil.walk_packages(physnn.__path__, "physnn."):
    if "kernels.gpu" not in found.name and not found.name.endswith("__main__"):
        importlib.import_module(found.name)
for name, value in first.items():
    assert getattr(physnn, name) is value and not isinstance(value, types.ModuleType), name
print(len(first))
"""


def test_no_module_has_the_name_of_something_public():
    assert {module.name for module in pkgutil.iter_modules(physnn.__path__)} & set(physnn.__all__) == set()
    assert all(callable(getattr(physnn, name)) for name in physnn.__all__ if name != "__version__")


@pytest.mark.slow
def test_public_names_stay_when_all_modules_are_imported():
    answer = subprocess.run([sys.executable, "-c", WHILE_ALL_IS_IMPORTED], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert int(answer.stdout) == len(physnn.__all__)


ROOT = Path(physnn.__file__).resolve().parent.parent
CONSUMER = ROOT / "tests" / "typed" / "consumer.py"
"""A script that uses every public name, for a checker of types."""


def checked(script: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """What mypy --strict says of a script, which finds the package as it is here and its types alone."""
    settings = folder / "settings.ini"
    settings.write_text("[mypy]\nstrict = True\n[mypy-pandas.*,scipy.*,h5py.*]\nignore_missing_imports = True\n")
    words = [
        "--config-file",
        settings,
        "--follow-imports",
        "silent",
        "--cache-dir",
        ROOT / ".mypy_cache" / "consumer",
        script,
    ]
    return subprocess.run(
        [sys.executable, "-m", "mypy", *map(str, words)],
        cwd=folder,
        env={"MYPYPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_strictly_checked_script_sees_types_of_all_public_names(tmp_path):
    answer = checked(CONSUMER, tmp_path)
    assert answer.returncode == 0, answer.stdout
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import physnn\n\nphysnn.fit('a.h5').verdict + 1\nphysnn.bundled(3)\nphysnn.nothing\n")
    said = checked(wrong, tmp_path)
    assert said.returncode == 1 and said.stdout.count("error:") >= 2, said.stdout


def test_the_script_uses_every_public_name():
    used = set(re.findall(r"physnn\.(\w+)", CONSUMER.read_text()))
    assert set(physnn.__all__) <= used
    assert (ROOT / "physnn" / "py.typed").is_file() and "physnn = py.typed" in (ROOT / "setup.cfg").read_text()


def test_checkers_are_told_the_same_names():
    tree = ast.parse(Path(physnn.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    told = {name.asname or name.name: node.module for node in block.body if isinstance(node, ast.ImportFrom)
            for name in node.names}  # fmt: skip
    places = {place.partition(":")[2] or name: place.partition(":")[0] for name, place in physnn._PUBLIC.items()}
    assert told == places


def test_public_signatures_say_what_comes_back():
    functions = [f for name in physnn.__all__ if inspect.isfunction(f := getattr(physnn, name))]
    functions += [f for _, f in inspect.getmembers(physnn.Sweep, inspect.isfunction) if f.__name__[0] != "_"]
    assert len(functions) > 25
    for function in functions:
        signature = inspect.signature(function)
        assert signature.return_annotation not in (inspect.Signature.empty, "Any", typing.Any), function.__name__
        for parameter in signature.parameters.values():
            if parameter.name != "self" and parameter.kind is not parameter.VAR_KEYWORD:
                assert parameter.annotation not in (parameter.empty, "Any"), (function.__name__, parameter.name)
