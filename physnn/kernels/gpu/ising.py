"""Metropolis sweeps of the 2D Ising model (J > 0, h = 0) on a torus, 32 spins of one lattice to a word, on a GPU.

Lattices of one shape lie in ``words[lattice, colour, c, k]``, 32-bit words on the device.  As in
`physnn.kernels.lattice.multispin`, bit b is the spin (1 is up) in column x = c + b W/32 and row y = 2 k + (c +
colour) % 2, so
all four neighbours of a word are whole words of the other colour.  No ghosts: indices wrap around, and only at the
edges of c the bits are rotated, by one.

A spin whose n neighbours out of four are unlike flips always if n >= 2 and with probability exp(-4 beta J) or
exp(-8 beta J) if n = 1 or 0.  A word compares its 32 spins' random numbers with their thresholds together, binary
digit by digit; digit d of all of them is the random word (d mod 4) of the block Philox4x32-10 of

    counter (word c K + k, sweep mod 2**32, sweep div 2**32, 2 (d div 4) + colour),  key of the lattice,

with K = H/2.  The first `FIRST` digits decide all but 2**-FIRST of the spins; a tile in which one is left goes on, four
digits at a time, until none is or all `DIGITS` are used up: the probabilities are exact to 2**-64.  No random bit
serves two decisions.  Spins are a function of the start, the key and the number of the sweep: how many sweeps a launch
does, the width of a tile, the number of programs and `FIRST` change nothing.

Philox costs fewer instructions of the kind that is scarce here than generators that keep a state: its products go to
the multiplier, beside the logic unit, which has 5 three-operand instructions a word to do; xoshiro128++ has 10, and a
state to load and store besides.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from physnn.errors import InputError
from physnn.kernels import gpu
from physnn.kernels.lattice.multispin import acceptance

if TYPE_CHECKING:
    from torch import Tensor

BITS = 32
DIGITS = 64
"""Digits of a random number that are compared at most."""
FIRST = 16
"""Digits that are compared in any case."""
BLOCK, WARPS = 128, 1
"""Words in a tile of a large lattice: four to a thread, to keep its pipelines busy, and one warp, to decide alone."""
ALONE = 2048
"""Words of a colour up to which one program sweeps a whole lattice; launches would take longer than their work."""
ALONE_BLOCK = 1024
"""Words in the widest tile of a program that is alone; it has a warp for each `BLOCK` of them."""
PROGRAMS = 132 * 16
"""Programs that share the tiles of all lattices: sixteen for each of an H200's multiprocessors."""
RECORDED = 16
"""Sweeps in a CUDA graph."""


def check_shape(H: int, W: int) -> None:
    """Raise `InputError` unless an H x W torus can be packed: W a multiple of 64, H even and at least 4."""
    if W % (2 * BITS) or W <= 0 or H % 2 or H < 4:
        raise InputError(
            f"the multispin kernel for GPUs needs a width divisible by 64 and an even height of at least 4, not "
            f"{H} x {W}; use the metropolis kernel for this lattice"
        )


def acceptance_words(beta_j: float) -> np.ndarray:
    """Acceptance probabilities exp(-4 beta J) and exp(-8 beta J) as `digits`; errors as in `acceptance`."""
    return digits(*acceptance(beta_j))


def digits(one: Fraction, none: Fraction) -> np.ndarray:
    """First 64 binary digits of two probabilities below 1, for one and for no unlike neighbour.

    Returns
    -------
    ndarray of int32, shape (2, 2)
        ``[n == 0, half]``: the highest bit of the first half is the first digit.
    """
    whole = np.array([int(p * 2**DIGITS) for p in (one, none)], np.uint64)
    halves = np.stack([whole >> np.uint64(BITS), whole & np.uint64(2**BITS - 1)], axis=1)
    return halves.astype(np.uint32).view(np.int32)


def keys(key: np.ndarray) -> np.ndarray:
    """Keys of 64 bits, uint64 of shape (lattices,), as the kernel reads them: int32 of shape (lattices, 2)."""
    low, high = key & np.uint64(2**BITS - 1), key >> np.uint64(BITS)
    return np.stack([low, high], axis=1).astype(np.uint32).view(np.int32)


def packed(colours: Tensor) -> Tensor:
    """Words of configurations.

    Parameters
    ----------
    colours : Tensor of int8, shape (lattices, H, W)
        0 for spin up, 1 for spin down.

    Returns
    -------
    Tensor of int32, shape (lattices, 2, W/32, H/2)
        On the device of ``colours``.

    Raises
    ------
    InputError
        If the shape does not fit, see `check_shape`.
    """
    import torch

    n, H, W = colours.shape
    check_shape(H, W)
    up = (1 - colours).view(n, H // 2, 2, BITS, W // BITS)
    rows = torch.zeros((n, 2, W // BITS, H // 2), dtype=torch.int32, device=colours.device)
    for b in range(BITS):
        rows |= up[:, :, :, b].permute(0, 2, 3, 1).to(torch.int32) << b
    words = rows.clone()
    words[:, 0, 1::2], words[:, 1, 1::2] = rows[:, 1, 1::2], rows[:, 0, 1::2]
    return words


def colours_of(words: Tensor) -> Tensor:
    """Colours, int8 of shape (lattices, H, W), of packed configurations; the inverse of `packed`."""
    import torch

    n, _, C, K = words.shape
    rows = words.clone()
    rows[:, 0, 1::2], rows[:, 1, 1::2] = words[:, 1, 1::2], words[:, 0, 1::2]
    colours = torch.empty((n, K, 2, BITS, C), dtype=torch.int8, device=words.device)
    for b in range(BITS):
        colours[:, :, :, b] = (1 - (rows >> b & 1)).permute(0, 3, 1, 2)
    return colours.view(n, 2 * K, BITS * C)


def upload(
    colours: np.ndarray, key: np.ndarray, clock: int, p: np.ndarray, device: str = "cuda"
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Arrays that `launch_sweeps` needs, on a device.

    Parameters
    ----------
    colours : ndarray of int8, shape (lattices, H, W)
        See `packed`.
    key : ndarray of uint64, shape (lattices,)
        Keys of the random numbers.
    clock : int
        Sweeps done so far.
    p : ndarray of int32, shape (lattices, 2, 2)
        `acceptance_words` of every lattice.
    device : str
        See `physnn.kernels.gpu.place`, also for the error raised.
    """
    import torch

    place = gpu.place(device)
    parts = (np.ascontiguousarray(colours), keys(key), np.array([clock], np.int64), p)
    on_device = [torch.tensor(array, device=place) for array in parts]
    return packed(on_device[0]), on_device[1], on_device[2], on_device[3]


def replace(words: Tensor, clock: Tensor, colours: np.ndarray, time: int) -> None:
    """Write other configurations, and the sweeps done so far, where `upload` put the first ones."""
    import torch

    words.copy_(packed(torch.tensor(colours, device=words.device)))
    clock.fill_(time)


def on_device_of(words: Tensor) -> AbstractContextManager[object]:
    """Context in which kernels run where the words are; Triton launches on the current device."""
    import torch

    return torch.cuda.device(words.device) if words.is_cuda else nullcontext()


def _tiles(n: int, N: int, block: int) -> tuple[int, int]:
    return min(-(-N // block), max(1, -(-PROGRAMS // n))), n


def launch_sweeps(
    words: Tensor,
    key: Tensor,
    clock: Tensor,
    p: Tensor,
    n: int,
    table: Tensor | None = None,
    first: int = FIRST,
    block: int | None = None,
    alone: bool | None = None,
) -> None:
    """Do n checkerboard sweeps of every lattice in place; launches only, on a GPU the call does not wait for them.

    Parameters
    ----------
    words : Tensor of int32, shape (lattices, 2, W/32, H/2)
        See `packed`; changed in place.
    key : Tensor of int32, shape (lattices, 2)
        See `keys`; lattices with the same key use the same random numbers.
    clock : Tensor of int64, shape (1,)
        Sweeps done so far; n is added.  With ``words`` and ``key`` it is the whole state of the chains.
    p : Tensor of int32, shape (lattices, 2, 2)
        `acceptance_words` of every lattice.
    n : int
        Sweeps; one updates all sites with (x + y) even, then all others.
    table : Tensor of int32, shape (sweeps, 2, digits, W/32, H/2), optional
        Random words to use instead of Philox, the same for all lattices, for sweep ``clock`` on; at most 64 digits, a
        multiple of 4, of which the probabilities then have as many.
    first, block, alone
        How to go about it: digits compared in any case (a multiple of 4, below 32), words in a tile (a power of 2), and
        whether one program does a whole lattice.  They change the time, not the spins.
    """
    from physnn.kernels.gpu import ising_code as code

    lattices, _, C, K = words.shape
    if alone is None:
        alone = C * K <= ALONE
    width = block or (min(ALONE_BLOCK, 1 << (C * K - 1).bit_length()) if alone else BLOCK)
    warps = max(WARPS, width // BLOCK) if alone else WARPS
    fed = {"table": words if table is None else table, "TABLE": table is not None}
    options = {"FIRST": first, "DIGITS": DIGITS if table is None else table.shape[2], "BLOCK": width}
    options |= {"C": C, "K": K, "num_warps": warps, "enable_fp_fusion": True}  # there are no floats to fuse
    with on_device_of(words):
        if alone:
            code.whole_sweeps[(lattices,)](words, key, clock, p, n=n, **fed, **options)
        else:
            grid = _tiles(lattices, C * K, width)
            for half in range(2 * n):
                code.half_sweep[grid](words, key, clock, p, ahead=half // 2, COLOUR=half % 2, **fed, **options)
        clock += n


def repeated(words: Tensor, key: Tensor, clock: Tensor, p: Tensor) -> Callable[[int], None]:
    """Function ``run(n)`` that does n sweeps as `launch_sweeps` does, for large n with less work for the processor.

    On a GPU the launches of `RECORDED` sweeps are recorded as a CUDA graph and then replayed: a launch from Python
    takes longer than half a sweep of some 4096 x 4096 spins.
    """
    import torch

    if not words.is_cuda or words.shape[2] * words.shape[3] <= ALONE:
        return lambda n: launch_sweeps(words, key, clock, p, n)
    # What is recorded is not run, and compiling may not be recorded: so first a sweep of a copy.
    with on_device_of(words):
        launch_sweeps(words.clone(), key, clock.clone(), p, 1)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            launch_sweeps(words, key, clock, p, RECORDED)

    def run(n: int) -> None:
        for _ in range(n // RECORDED):
            graph.replay()
        if n % RECORDED:
            launch_sweeps(words, key, clock, p, n % RECORDED)

    return run


def observe(words: Tensor, block: int = 128) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count like bonds and up spins of every lattice, exactly.

    Parameters
    ----------
    words : Tensor of int32, shape (lattices, 2, W/32, H/2)
        See `packed`.
    block : int
        Words in a tile, a power of 2; of no influence on the result.

    Returns
    -------
    like : ndarray of int64, shape (lattices,)
        Bonds between equal spins, of 2 H W.
    in_row : ndarray of int32, shape (lattices, H)
        Up spins by row.
    in_column : ndarray of int32, shape (lattices, W)
        Up spins by column.
    """
    import torch

    from physnn.kernels.gpu import ising_code as code

    n, _, C, K = words.shape
    in_row, in_column, broken = (
        torch.empty((n, size), dtype=torch.int32, device=words.device) for size in (2 * K, BITS * C, C)
    )
    options = {"C": C, "K": K, "BLOCK": block, "num_warps": 4, "enable_fp_fusion": True}
    with on_device_of(words):
        code.columns[(C, n)](words, in_column, broken, **options)
        code.rows[(-(-K // block), n)](words, in_row, **options)
    like = 4 * BITS * C * K - broken.sum(dim=1)
    return like.cpu().numpy(), in_row.cpu().numpy(), in_column.cpu().numpy()
