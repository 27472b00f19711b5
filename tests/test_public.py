"""Public names of the package mean one thing each, whatever else is imported, and have types that a checker sees."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

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
