"""An installation without extras: what works there, and which line installs what does not."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from physnn.cli import COMMANDS, cli
from physnn.errors import EXTRAS
from tests.conftest import plant
from tests.test_architecture import ROOT, imports, modules

FIXTURES = Path(__file__).parents[1] / "store" / "fixtures" / "v1"
LIGHT = """
import contextlib, importlib.abc, io, sys
sys.path.insert(0, sys.argv[1])

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[2].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""
"""A process in which the modules of a list cannot be imported."""
COMMANDS_CODE = """
from physnn.cli import run
for words in sys.argv[3:]:
    print("start", words, file=sys.stderr)
    try:
        status = run(words.split())
    except SystemExit as ended:
        status = ended.code or 0
    print("status", status, file=sys.stderr)
"""
NETWORKS = "this needs PyTorch, which is not installed: python -m pip install 'physnn[networks]'"
ARRAYS = "this needs xarray, which is not installed: python -m pip install 'physnn[arrays]'"
WORKING = (
    "fit table.csv --resamples 20",
    "compare table.csv --resamples 20",
    "show kuramoto_symmetric",
    "show ensemble.h5",
    "plot kuramoto_symmetric --out networks.png",
    "report network.h5 --out page.html",
    "export sweep.h5 --observable rmse --to csv",
    "verify sweep.h5 network.h5 ensemble.h5",
    "status network.h5",
    "count ising --L 3",
    "entangle --L 8 --h 1",
)
"""Commands that need no extra."""
SLOW = (
    "fit table.csv --figure fit.png",
    "report sweep.h5 ensemble.h5 --out pages.html",
    "plot ensemble.h5 --out ensemble.png",
    "plot reflected.h5 --kind structure",
    "decide reflected.h5",
    "export sweep.h5 --to json",
    "count signs --layers 1 2 1 --points 4",
    "count cnn --variant baseline",
    "sweep-temperature --L 8 --T 2.2 --sweeps 64 --jobs 1 --quiet --out a.h5",
    "sweep-temperature --L 8 --T 2.3 --sweeps 64 --jobs 1 --quiet --out b.h5",
    "merge a.h5 b.h5 --out ab.h5",
    "sweep-temperature --L 16 --T 2.269 --sweeps 3000 --snapshots 5 --jobs 1 --quiet --out blocks.h5",
    "flow blocks.h5",
    "train rbm --data blocks.h5 --hidden 4 --steps 10 --out rbm.h5 --quiet --jobs 1",
    "seam --model diagonal 1 0 --L 4 --T 0.6 --out seam.h5 --quiet --jobs 1",
    "ground-state --L 4 --h 1 --steps 5 --out ground.h5 --quiet --jobs 1",
    "sweep-percolation --L 4 8 --series 4 --runs 32 --out percolation.h5 --quiet --jobs 1",
    "sweep-coupling --N 10 20 --duration 5 --realisations 2 --out coupling.h5 --quiet --jobs 1",
    "path-integral --L 4 --beta 1 --h 0.9 1.0 1.1 1.2 --out path.h5 --quiet --jobs 1 --sweeps 100",
    "sweep-noise --L 20 --eta 0 0.1 0.2 0.3 --images 2 --jobs 1 --no-memory --quiet --out noise.h5",
    "sweep-noise --model xy --L 4 8 --T 0.8 0.9 1 --sampler metropolis --out xy.h5 --quiet --jobs 1 --sweeps 64",
    "run run.toml --quiet --jobs 1 --out run.h5",
    "bench report --quiet",
    "selftest --quiet",
)
"""More of them, which compile kernels, draw, or take seconds."""
NEEDING = {
    "export sweep.h5 --to netcdf": ARRAYS,
    "plot kuramoto_symmetric --kind examples": NETWORKS,
    "sweep-noise --module my.py:My --L 20": NETWORKS,
    "sweep-noise --L 20 --device cuda": NETWORKS,
    "sweep-temperature --L 8 --device cuda": NETWORKS,
    "sweep-temperature --L 8 --executor dask": "'physnn[cluster]'",
    "memory kuramoto_symmetric --L 4 8 --eta 0.8 0.9 1 --quiet": NETWORKS,
    "diagnose kuramoto_symmetric --quiet": NETWORKS,
    "replicas --networks simple --quiet": NETWORKS,
    "equivariance ensemble.h5": NETWORKS,
    "energy-map --layers all --quiet": NETWORKS,
    "charges ensemble.h5": NETWORKS,
    "train kuramoto --L 20 --steps 2 --quiet": NETWORKS,
    "train classify --quiet": NETWORKS,
    "train classify --label-loss u1 --quiet": NETWORKS,
    "train eos --steps 2 --quiet": NETWORKS,
    "train pde burgers --steps 2 --quiet": NETWORKS,
    "train colour --quiet": NETWORKS,
    "train sentiment reviews --quiet": "'physnn[networks]'",
    "bench kuramoto --quiet": NETWORKS,
}
"""Commands that need an extra, and what the line that they end with says."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("light")
    plant(folder)
    for name in ("network", "ensemble", "temperature"):
        shutil.copy(FIXTURES / f"{name}.h5", folder)
    return folder


def outcomes(folder: Path, absent: str, *commands: str) -> dict[str, tuple[int, str]]:
    """Status and what was last said on stderr, by command, one after the other where some modules are absent."""
    answer = subprocess.run(
        [sys.executable, "-c", LIGHT + COMMANDS_CODE, str(ROOT.parent), absent, *commands],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = re.findall(r"^start (.*)\n((?:.*\n)*?)status (\d+)$", answer.stderr, re.MULTILINE)
    assert len(told) == len(commands), answer.stderr[-2000:]
    return {words: (int(status), said.strip().splitlines()[-1] if said.strip() else "") for words, said, status in told}


def leaves(group: click.Group, context: click.Context, before: str = "") -> list[str]:
    """Every command and command of a command."""
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found.append(f"{before}{name}")
        if isinstance(command, click.Group):
            found += leaves(command, context, f"{before}{name} ")
    return found


ALL = ",".join(EXTRAS)
READERS = {"recall", "class-angle", "matches"}
"""Commands that read what `energy-map` wrote; they load none of its modules, as the last test sees."""


def test_help_of_every_command_needs_no_extra(folder):
    names = leaves(cli, click.Context(cli))
    assert len(names) > 50
    found = outcomes(folder, ALL, "--help", "--version", *(f"{name} --help" for name in names))
    assert {words: status for words, (status, _) in found.items() if status} == {}


def failed(found: dict[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
    return {words: told for words, told in found.items() if told[0] not in (0, 3)}


def test_commands_that_need_no_extra_work_without_any(folder):
    assert failed(outcomes(folder, ALL, *WORKING)) == {}


@pytest.mark.slow
def test_more_commands_work_without_any_extra(folder):
    shutil.copy(FIXTURES.parents[2] / "samples" / "equilibrium" / "fixtures" / "reflected.h5", folder)
    (folder / "run.toml").write_text('kind = "temperature"\nL = [4]\nT = [2.0, 2.5]\nsweeps = 64\n')
    assert failed(outcomes(folder, ALL, *SLOW)) == {}


def test_commands_that_need_an_extra_name_the_line_that_installs_it(folder):
    (folder / "my.py").write_text("import torch\nclass My: pass\n")
    (folder / "reviews").write_text('{"text": "good", "label": 1}\n' * 9)
    found = outcomes(folder, ALL, *NEEDING)
    assert {words: told for words, told in found.items() if told[0] != 2 or NEEDING[words] not in told[1]} == {}
    assert not [*folder.glob("*.parts")], "begun, and nothing can come of it"


def test_every_command_is_tried():
    tried = {words.split()[0] for words in (*WORKING, *SLOW, *NEEDING)}
    assert set(COMMANDS) - tried == READERS


NETWORK_ROOMS = ("physnn.networks.", "physnn.checks.", "physnn.kernels.gpu.")
NEED_TORCH = {
    "physnn.answers.replicas", "physnn.answers.symmetry.charges", "physnn.answers.training.equivariance",
    "physnn.samples.diagnosis", "physnn.samples.training.classifiers", "physnn.samples.training.kuramoto",
    "physnn.samples.training.labels", "physnn.reports.computed.layers",
}  # fmt: skip
"""Modules outside of these rooms that cannot be loaded without torch: they build networks."""
NEED_ARRAYS = {"physnn.answers.estimates", "physnn.reports.objects.sweeps"}
LOADING = """
import importlib
for name in sys.argv[3:]:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        print(name, error.name)
"""


def test_modules_load_without_extras_but_those_of_networks(folder):
    names = [name for name in modules() if not name.startswith(NETWORK_ROOMS) and not name.endswith("__main__")]
    call = [sys.executable, "-c", LIGHT + LOADING, str(ROOT.parent), ALL, *names]
    lines = subprocess.run(call, capture_output=True, text=True, check=True).stdout.splitlines()
    found = dict(line.split() for line in lines)
    assert found == dict.fromkeys(NEED_TORCH, "torch") | dict.fromkeys(NEED_ARRAYS, "xarray")


PYTHON = """
import physnn
for call in (
    lambda: physnn.sweep_temperature([4], T=[2.0]),
    lambda: physnn.sample("ising", 4, 2.0),
    lambda: physnn.Sweep,
    lambda: physnn.train_kuramoto(out="never.h5"),
    lambda: physnn.curve_table("sweep.h5"),
    lambda: physnn.open_datatree("sweep.h5"),
):
    try:
        call()
    except physnn.InputError as error:
        print(error)
networks = physnn.read_networks("network.h5")
print(len(networks.ids), physnn.fit("table.csv", resamples=20).verdict)
"""


def test_python_calls_name_the_line_too(folder):
    call = [sys.executable, "-c", LIGHT + PYTHON, str(ROOT.parent), ALL]
    answer = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=True)
    *lines, last = answer.stdout.splitlines()
    pandas = ARRAYS.replace("xarray", "pandas")
    assert lines == [ARRAYS, ARRAYS, ARRAYS, NETWORKS, pandas, ARRAYS]
    assert last.split()[0].isdecimal() and not (folder / "never.h5.parts").exists()


def test_extras_are_those_of_the_installation():
    """Every package that is imported comes with the installation, or with the extra that the line names."""
    found = configparser.ConfigParser()
    found.read(ROOT.parent / "setup.cfg")

    def packages(text: str) -> set[str]:
        return {re.split(r"[<>=\[; ]", line)[0] for line in text.strip().splitlines()}

    base, extras = found["options"]["install_requires"], found["options.extras_require"]
    assert not {"torch", "xarray", "pandas", "pot"} & packages(base)
    called = {"umap": "umap-learn", "distributed": "dask"}
    for module, (_, wanted) in EXTRAS.items():
        if match := re.fullmatch(r"'physnn\[(\w+)\]'", wanted):
            assert called.get(module, module.replace("_", "-")) in packages(extras[match[1]]), module
    for name in ("gpu", "pretrained", "text", "test"):
        assert "networks" in extras[name]
    known = {"pillow": "PIL"}  # and llvmlite comes with numba
    ours = {known.get(name, name) for name in packages(base)} | set(EXTRAS) | {"physnn", "llvmlite"}
    for path in modules().values():
        others = {name.partition(".")[0] for name in imports(path)} - set(sys.stdlib_module_names) - ours
        assert others <= {"e2cnn", "netket", "jax"}, path
