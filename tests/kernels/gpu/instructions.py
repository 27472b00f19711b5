# mypy: disable-error-code="import-not-found,import-untyped,unused-ignore,no-untyped-call"
"""How many machine instructions a flip takes: Triton's compiler and disassembler tell it without a GPU."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from physnn.errors import InputError
from physnn.kernels import gpu
from physnn.kernels.gpu import ising

LINE = re.compile(r"/\*([0-9a-f]{4,5})\*/\s+(?:@!?U?P\w+ )?([A-Z0-9]+)((?:\.\w+)*)\s*([^;]*);")
LOGIC = {"LOP3", "SHF", "SEL", "LEA", "IADD3", "VIADD", "ISETP", "PLOP3", "SGXT", "PRMT", "VIMNMX", "VIMNMX3"}
"""What goes to the pipe for logic, shifts and sums of integers: 64 lanes a clock in a multiprocessor of Hopper."""
UNDECIDED = 0.8
"""Share of the spins that have fewer than two unlike neighbours, about, at the critical temperature."""


@dataclass(frozen=True)
class Instructions:
    """Instructions that a thread executes for each word of 32 flips.

    Attributes
    ----------
    logic : float
        Those of the pipe for logic, shifts and sums of integers.
    wide : float
        Products of 64 bits, on another pipe.
    all : float
        All of them; those that a warp executes once, in the uniform unit, count like the others.
    """

    logic: float
    wide: float
    all: float

    def flips(self, multiprocessors: int, gigahertz: float) -> float:
        """Return the flips per nanosecond at which the busiest unit is busy all the time.

        A multiprocessor of Hopper starts 128 lanes a clock, of these 64 of logic; that it does 32 wide products is
        what others measured, not what its maker says.
        """
        clocks = max(self.logic / 64, self.wide / 32, self.all / 128)
        return 32 * multiprocessors * gigahertz / clocks


def count(C: int = 512, K: int = 8192, first: int = ising.FIRST, block: int = ising.BLOCK) -> Instructions:
    """Instructions of `physnn.kernels.gpu.ising.launch_sweeps` on a large lattice, compiled for Hopper (sm_90).

    Those of the loop behind the first digits count with the probability that a tile, a warp's words, needs it.

    Parameters
    ----------
    C, K : int
        Words of a colour in a row and a column of the lattice: W/32 and H/2.
    first, block : int
        Digits compared in any case, and words in a tile of one warp.

    Raises
    ------
    InputError
        If kernels are interpreted, or code has not the two loops expected.
    """
    if gpu.interpreted():
        raise InputError("instructions are counted in compiled kernels; unset TRITON_INTERPRET")
    text = _disassembled(C, K, first, block)
    found = [(int(m[1], 16), m[2], m[3], m[4]) for m in LINE.finditer(text)]
    places = [
        (int(to[1], 16), at) for at, name, _, rest in found if name == "BRA" and (to := re.search("0x(.*)", rest))
    ]
    loops = sorted((to, at) for to, at in places if to < at)
    if len(loops) != 2 or not loops[0][0] < loops[1][0] < loops[1][1] < loops[0][1]:
        raise InputError("this version of Triton compiles the loops of the kernel in another way; they are not counted")
    outer, inner = loops
    tail = [line for line in found if inner[0] <= line[0] <= inner[1]]
    body = [line for line in found if outer[0] <= line[0] <= outer[1] and line not in tail]
    # Each pass of the loop leaves one spin in sixteen.
    again = sum(1 - (1 - UNDECIDED * 2.0 ** -(first + 4 * k)) ** (32 * block) for k in range(8))
    kinds = ("logic", "wide", "all")
    per_word = [(_sum(body, kind) + again * _sum(tail, kind)) / (block / 32) for kind in kinds]
    return Instructions(*per_word)


def _sum(lines: list[tuple[int, str, str, str]], kind: str) -> int:
    if kind == "logic":
        return sum(name in LOGIC for _, name, _, _ in lines)
    if kind == "wide":
        return sum(name == "IMAD" and ("WIDE" in form or "HI" in form) for _, name, form, _ in lines)
    return len(lines)


def _disassembled(C: int, K: int, first: int, block: int) -> str:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from physnn.kernels.gpu import ising_code

    constants = {"C": C, "K": K, "COLOUR": 0, "FIRST": first, "DIGITS": ising.DIGITS, "TABLE": False, "BLOCK": block}
    pointers = dict.fromkeys(("words", "keys", "clock", "p", "table"), "*i32") | {"clock": "*i64"}
    signature = pointers | {"ahead": "i32"} | dict.fromkeys(constants, "constexpr")
    source = ASTSource(fn=ising_code.half_sweep, signature=signature, constexprs=constants)
    options = {"num_warps": ising.WARPS, "enable_fp_fusion": True}
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        Path(file.name).write_bytes(compiled.asm["cubin"])
        command = [triton.knobs.nvidia.cuobjdump.path, "-sass", file.name]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
