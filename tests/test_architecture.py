"""Imports point down only, and heavy libraries stay where they belong."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import physnn

ROOT = Path(physnn.__file__).parent
LAYERS = [
    {"__main__"},
    {"cli"},
    {"decisions"},
    {
        "fits",
        "bench_count",
        "bench_gpu",
        "bench_kuramoto",
        "bench_kuramoto_training",
        "bench_train",
        "counts",
        "replica_study",
        "ensembles",
    },
    {"plots"},
    {"api", "report", "selftest", "bench"},
    {"sweeps"},
    {"figures"},
    {"networks", "counting", "analysis"},
    {"samplers", "store"},
    {"models"},
    {"kernels", "rng", "bundled", "threads"},
    {"errors"},
]
"""From the top down: a layer imports only from layers below it, or from its own folder."""
ONLY_IN = {
    "torch": {"networks", "kernels/gpu"},
    "triton": {"kernels/gpu"},
    "h5py": {"store"},
    "safetensors": {"store"},
    "numba": {"kernels"},
    "click": {"cli"},
    "matplotlib": {"figures"},
}
"""Folders, each with those inside it, or modules of the top level."""


def imports(path: Path) -> set[str]:
    """Full names imported anywhere in a file, inside functions too; not those for type checking alone."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def part(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def rank(name: str) -> int | None:
    return next((k for k, layer in enumerate(LAYERS) if name in layer), None)


def test_every_module_has_a_layer():
    assert {part(f) for f in ROOT.rglob("*.py")} - set().union(*LAYERS) == {"__init__"}


def test_imports_point_down():
    wrong = []
    for file in ROOT.rglob("*.py"):
        here = part(file)
        for name in imports(file) if here != "__init__" else ():
            words = name.split(".")
            if words[0] != "physnn" or len(words) < 2 or (there := rank(words[1])) is None or words[1] == here:
                continue
            if there <= rank(here):
                wrong.append(f"{file.relative_to(ROOT)} imports {name}")
    assert wrong == []


def homes(path: Path) -> set[str]:
    """Names of a file in `ONLY_IN`: its folder and those around it, or the module itself at the top level."""
    folders = {str(folder) for folder in path.relative_to(ROOT).parents} - {"."}
    return folders or {path.stem}


def test_libraries_stay_where_they_belong():
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in ROOT.rglob("*.py")
        for name in imports(file)
        if name.split(".")[0] in ONLY_IN and not homes(file) & ONLY_IN[name.split(".")[0]]
    ]
    assert wrong == []


def test_gpu_kernels_load_torch_and_triton_only_when_used():
    modules = "physnn.kernels.gpu, physnn.kernels.gpu.ising, physnn.checks.gpu"
    assert not {"torch", "triton"} & loaded(f"import {modules}, physnn.samplers.multispin")


def loaded(code: str) -> set[str]:
    text = f"{code}\nimport sys; print(' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    answer = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    return set(answer.stdout.splitlines()[-1].split())


def test_analysis_and_figures_need_neither_torch_nor_numba():
    modules = "physnn.answers.fit, physnn.figures.fit, physnn.figures.networks, physnn.analysis.verdict.fit"
    assert not {"torch", "numba"} & loaded(f"import {modules}")


def test_help_and_version_load_nothing_heavy():
    code = "from physnn.cli import run\nassert run(['--help']) == 0 and run(['--version']) == 0"
    assert not {"torch", "numba", "numpy", "matplotlib", "h5py", "xarray", "scipy", "pydantic"} & loaded(code)


def test_the_package_list_is_complete():
    listed = {line.strip() for line in (ROOT.parent / "setup.cfg").read_text().splitlines()}
    folders = {".".join(f.parent.relative_to(ROOT.parent).parts) for f in ROOT.rglob("*/__init__.py")}
    assert folders <= listed
    assert {"physnn", "physnn.data"} <= listed


def test_modules_stay_readable():
    long = {str(f.relative_to(ROOT)): n for f in ROOT.rglob("*.py") if (n := len(f.read_text().splitlines())) > 350}
    assert long == {}
