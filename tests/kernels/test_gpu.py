"""What is known of GPU kernels without a GPU: that they compile, how many instructions they take, what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict

import pytest

from physnn.bench_gpu import HOPPER_GIGAHERTZ, TARGET, bench_ising_cuda, bench_kuramoto_cuda
from physnn.cli import run
from physnn.errors import InputError
from physnn.kernels import gpu
from physnn.kernels.gpu import ising
from physnn.kernels.gpu.instructions import Instructions
from physnn.models import Ising
from physnn.samplers.multispin_gpu import MultispinGpu

CODE = """
import json
from dataclasses import asdict
from physnn.kernels.gpu import instructions
print(json.dumps([asdict(instructions.count(C=C, K=K)) for C, K in ((512, 8192), (6, 96))]))
"""


def test_instructions_of_a_flip_allow_the_target(tmp_path):
    pytest.importorskip("triton")
    env = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    env |= {"TRITON_CACHE_DIR": str(tmp_path)}
    answer = subprocess.run([sys.executable, "-c", CODE], env=env, capture_output=True, text=True, check=True)
    for found in (Instructions(**found) for found in json.loads(answer.stdout)):
        # Philox4x32-10 alone does 2 x 10 wide products and as many XORs of three for 4 of the 16 words.
        assert 60 < found.wide < 90, asdict(found)
        assert 16 * 3 + 70 < found.logic < found.all, asdict(found)
        assert found.flips(132, HOPPER_GIGAHERTZ) > 1.5 * TARGET, asdict(found)


def test_the_busiest_unit_is_the_bound():
    assert Instructions(logic=64, wide=0, all=64).flips(1, 1.0) == 32
    assert Instructions(logic=64, wide=64, all=128).flips(2, 1.0) == 32
    assert Instructions(logic=64, wide=0, all=256).flips(1, 2.0) == 32


@pytest.mark.parametrize("device", ["cpu", "mps", "gpu:0"])
def test_other_devices_are_refused(device):
    with pytest.raises(InputError, match="cuda"):
        gpu.place(device)


def test_without_triton_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(gpu.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install"):
        gpu.place()
    with pytest.raises(InputError, match="pip install"):
        MultispinGpu().check(Ising(), (64, 64), 2.0)


def test_without_a_gpu_it_says_so(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(gpu.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    for refused in (
        gpu.place,
        bench_ising_cuda,
        bench_kuramoto_cuda,
        lambda: MultispinGpu("cuda:1").check(Ising(), (64, 64), 2.0),
    ):
        with pytest.raises(InputError, match="sees 0 GPUs"):
            refused()


@pytest.mark.parametrize("name", ["ising", "kuramoto"])
def test_a_bench_without_a_gpu_ends_in_one_line(name, monkeypatch, capsys):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(gpu.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert run(["bench", name, "--device", "cuda", "--quiet"]) == 3
    assert capsys.readouterr().err.startswith("Stopped: nothing is measured: there is no cuda here")
    assert run(["bench", "count", "--device", "cuda"]) == 2


@pytest.mark.parametrize("bench", [bench_ising_cuda, bench_kuramoto_cuda])
def test_the_speed_of_the_interpreter_is_not_measured(bench, monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    with pytest.raises(InputError, match="unset"):
        bench()


STEP = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from physnn.kernels.gpu import kuramoto_code
pointers = {"keys": "*i32", "clock": "*i64", "sums": "*fp64"}
kinds = dict.fromkeys(("before", "after", "weights", "onsite", "bias", "scales"), "*fp32") | pointers
kinds |= {"gamma": "fp32"} | dict.fromkeys(("ahead", "row_of_sums", "H", "W"), "i32")
cases = [(16, 16, 5, False, "ieee"), (16, 16, 5, False, "tf32x3"), (4, 2, 3, True, "ieee")]
for (padded, N, K, near, precision), more in zip(cases, (True, False, True)):
    constants = {"N": N, "K": K, "PADDED": padded, "SITES": 64, "NEAR": near, "PERIODIC": True, "GEODESIC": more}
    constants |= {"NOISE": True, "MEASURE": more, "PRECISION": precision}
    signature = {name: kinds.get(name, "constexpr") for name in kuramoto_code.step.arg_names}
    source = ASTSource(fn=kuramoto_code.step, signature=signature, constexprs=constants)
    assert len(triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["cubin"]) > 1000
print("compiled")
"""


def test_langevin_steps_compile_for_hopper(tmp_path):
    pytest.importorskip("triton")
    env = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    env |= {"TRITON_CACHE_DIR": str(tmp_path)}
    answer = subprocess.run([sys.executable, "-c", STEP], env=env, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["compiled"]


@pytest.mark.parametrize("shape", [(4, 32), (5, 64), (2, 64), (64, 96), (64, 0)])
def test_other_shapes_are_sent_to_the_plain_kernel(shape):
    with pytest.raises(InputError, match="metropolis"):
        ising.check_shape(*shape)


@pytest.mark.parametrize("beta_j", [0.0, -0.4, float("nan"), float("inf"), 1e-20])
def test_couplings_that_are_refused(beta_j):
    with pytest.raises(InputError, match="metropolis"):
        ising.thresholds(beta_j)
