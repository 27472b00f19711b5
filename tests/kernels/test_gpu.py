"""What is known of GPU kernels without a GPU: that they compile, how many instructions they take, what is refused."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import asdict
from importlib import metadata

import pytest

from physnn import api, rng
from physnn.checks.gpu import GOAL, HOPPER_GIGAHERTZ, LOGIC, bench_ising_cuda, bench_kuramoto_cuda
from physnn.cli import run
from physnn.cli.call import choose_algorithm, resolve_device
from physnn.errors import InputError, Unfinished
from physnn.kernels import gpu
from physnn.kernels.gpu import ising
from physnn.models import Ising
from physnn.samplers import advance, start
from physnn.samplers.multispin import MultispinGpu
from tests.kernels.gpu.instructions import Instructions

COUNTS = """
import json
from dataclasses import asdict
from tests.kernels.gpu import instructions
print(json.dumps([asdict(instructions.count(C=C, K=K)) for C, K in SHAPES]))
"""
STEP = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from physnn.kernels.gpu import vectors_code
pointers = {"keys": "*i32", "clock": "*i64", "sums": "*fp64"}
kinds = dict.fromkeys(("before", "after", "weights", "onsite", "bias", "scales"), "*fp32") | pointers
kinds |= {"gamma": "fp32"} | dict.fromkeys(("ahead", "row_of_sums", "H", "W"), "i32")
for padded, N, K, near, precision, more in CASES:
    constants = {"N": N, "K": K, "PADDED": padded, "SITES": 64, "NEAR": near, "PERIODIC": True, "GEODESIC": more}
    constants |= {"NOISE": True, "MEASURE": more, "PRECISION": precision}
    signature = {name: kinds.get(name, "constexpr") for name in vectors_code.step.arg_names}
    source = ASTSource(fn=vectors_code.step, signature=signature, constexprs=constants)
    assert len(triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["cubin"]) > 1000
print("compiled")
"""


USUAL = "SHAPES = [(512, 8192)]; CASES = [(16, 16, 5, False, 'tf32x3', False), (4, 2, 3, True, 'ieee', True)]"
FURTHER = "SHAPES = [(6, 96)]; CASES = [(16, 16, 5, False, 'ieee', True)]"
"""What is compiled: words of lattices, and components, couplings and products of Langevin steps."""


@pytest.fixture(scope="module", params=[USUAL, pytest.param(FURTHER, marks=pytest.mark.slow)])
def compiled(request, tmp_path_factory) -> list[str]:
    """What a process says that compiles for Hopper, line by line: one, since loading the compiler takes seconds."""
    pytest.importorskip("triton")
    env = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    env |= {"TRITON_CACHE_DIR": str(tmp_path_factory.mktemp("triton"))}
    answer = subprocess.run(
        [sys.executable, "-c", request.param + COUNTS + STEP], env=env, capture_output=True, text=True, check=False
    )
    print(answer.stderr[-5000:])
    return answer.stdout.splitlines()


def test_instructions_of_a_flip_allow_the_target(compiled):
    for found in (Instructions(**found) for found in json.loads(compiled[0])):
        # Philox4x32-10 alone does 2 x 10 wide products and as many XORs of three for 4 of the 16 words.
        assert 60 < found.wide < 90, asdict(found)
        assert 16 * 3 + 70 < found.logic < found.all, asdict(found)
        assert found.flips(132, HOPPER_GIGAHERTZ) > 1.5 * GOAL, asdict(found)
        assert found.logic == pytest.approx(LOGIC, rel=0.1), asdict(found)


def test_the_busiest_unit_is_the_bound():
    assert Instructions(logic=64, wide=0, all=64).flips(1, 1.0) == 32
    assert Instructions(logic=64, wide=64, all=128).flips(2, 1.0) == 32
    assert Instructions(logic=64, wide=0, all=256).flips(1, 2.0) == 32


@pytest.mark.parametrize("device", ["cpu", "mps", "gpu:0"])
def test_other_devices_are_refused(device):
    with pytest.raises(InputError, match="cuda"):
        gpu.place(device)


def test_without_triton_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "triton" else name)
    with pytest.raises(InputError, match="this needs Triton"):
        gpu.place()


def test_without_a_gpu_it_says_so(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    sampler, model = MultispinGpu("cuda:1"), Ising()
    state = start(sampler, model, (64, 64), 2.0, rng.seed_sequence(0, "chain", "gpu"))
    for refused in (gpu.place, bench_ising_cuda, bench_kuramoto_cuda, lambda: advance(sampler, model, 2.0, state, 1)):
        with pytest.raises(Unfinished, match="sees 0 GPUs"):
            refused()


@pytest.mark.parametrize(
    "words",
    [
        "bench ising --device cuda",
        "bench kuramoto --device cuda",
        "sweep-temperature --L 64 --T 2.3 --device cuda",
        "sweep-temperature --L 64 --T 2.3 --algorithm multispin-gpu",
        "sweep-noise --L 32 --device cuda",
        "train kuramoto --device cuda",
    ],
)
def test_without_a_gpu_commands_end_with_status_3_and_one_line(tmp_path, monkeypatch, capsys, words):
    torch = pytest.importorskip("torch")
    pytest.importorskip("triton")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert run([*words.split(), "--quiet"]) == 3
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1 and "works on a machine that has one" in error
    assert list(tmp_path.iterdir()) == []


def test_what_a_gpu_cannot_do_is_bad_input(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for words, said in {
        "--L 64 --algorithm wolff --device cuda": "wolff does not run on a GPU",
        "--L 64 --algorithm multispin-gpu --device cpu": "take --algorithm multispin",
    }.items():
        assert run(["sweep-temperature", "--T", "2.3", *words.split(), "--quiet"]) == 2
        assert said in capsys.readouterr().err
    assert run(["bench", "count", "--device", "cuda"]) == 2
    with pytest.raises(InputError, match="divisible by 64"):
        api.recipe("temperature", L=(96,), algorithm="multispin-gpu")


def test_tasks_that_run_elsewhere_need_no_gpu_here(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("cuda", None, elsewhere=True) == "cuda"
    settings = {}
    choose_algorithm(settings, "cuda", elsewhere=True)
    assert settings == {"algorithm": "multispin-gpu"}


@pytest.mark.parametrize("version", ["2.13.0+cpu", "2.13.0", None])
def test_torch_is_asked_for_cuda_unless_its_build_has_none(monkeypatch, version):
    torch = pytest.importorskip("torch")

    def of(_name):
        if version is None:
            raise metadata.PackageNotFoundError
        return version

    monkeypatch.setattr(metadata, "version", of)
    for seen in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda seen=seen: seen)
        assert resolve_device("auto") == ("cuda" if seen and version == "2.13.0" else None)
        assert resolve_device("auto", "cpu") == "cpu"


@pytest.mark.parametrize("bench", [bench_ising_cuda, bench_kuramoto_cuda])
def test_the_speed_of_the_interpreter_is_not_measured(bench, monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    with pytest.raises(InputError, match="unset"):
        bench()


def test_langevin_steps_compile_for_hopper(compiled):
    assert compiled[1:] == ["compiled"]


@pytest.mark.parametrize("shape", [(4, 32), (5, 64), (2, 64), (64, 96), (64, 0)])
def test_other_shapes_are_sent_to_the_plain_kernel(shape):
    with pytest.raises(InputError, match="metropolis"):
        ising.check_shape(*shape)


@pytest.mark.parametrize("beta_j", [0.0, -0.4, float("nan"), float("inf"), 1e-20])
def test_couplings_that_are_refused(beta_j):
    with pytest.raises(InputError, match="metropolis"):
        ising.acceptance_words(beta_j)
