"""Langevin steps of N-component unit vectors on a GPU: the sibling of `physnn.kernels.vectors.langevin`.

The same step on the same noise, which is a function of key, row, column, number of the step and component: states
differ by rounding in single precision alone.  One launch is one step of all lattices; a program has a tile of sites
with all their components, and multiplies the states of the tile, shifted by each of the k x k displacements, with one
N x N matrix each.  Products are of full single precision (``ieee``): TF32 rounds as coarsely as the noise that is
studied.  ``tf32x3`` makes each of three TF32 products on tensor cores, with nearly the rounding of single precision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from physnn.errors import InputError
from physnn.kernels import gpu
from physnn.kernels.gpu.ising import on_device_of

if TYPE_CHECKING:
    from torch import Tensor

SITES = 64
"""Sites in a tile, a power of 2."""
NARROW = 16
"""Least number of components in a product of matrices; fewer are padded with zeros."""
NORMALS = 4
"""Normals in a block."""
SUMS = 4
RECORDED = 16
"""Steps in a CUDA graph; even, so that the last one ends in the array where the first one began."""
Precision = Literal["ieee", "tf32x3"]


@dataclass(frozen=True)
class Coupling:
    """Arrays of a model on the device; see `upload`."""

    weights: Tensor
    onsite: Tensor
    bias: Tensor
    constants: dict[str, Any]


def upload(
    coupling: np.ndarray,
    near: np.ndarray,
    onsite: np.ndarray,
    bias: np.ndarray,
    periodic: bool = True,
    device: str = "cuda",
) -> Coupling:
    """Return a model's arrays, padded with zeros to powers of 2, on a device; arguments as for `advance`.

    Raises
    ------
    InputError
        If there is no such device, see `physnn.kernels.gpu.place`.
    """
    import torch

    place, N, k = gpu.place(device), len(bias), coupling.shape[2]
    padded = max(NORMALS if len(near) else NARROW, 1 << (N - 1).bit_length())
    if len(near):
        weights = np.zeros(padded, np.float32)
        weights[:N] = near
    else:
        weights = np.zeros((k, k, padded, padded), np.float32)
        weights[:, :, :N, :N] = coupling.transpose(2, 3, 1, 0)
    own, constant = np.zeros((padded, padded), np.float32), np.zeros(padded, np.float32)
    own[:N, :N], constant[:N] = onsite, bias
    first, second, third = (torch.as_tensor(a, device=place) for a in (weights, own, constant))
    constants = {"N": N, "K": 3 if len(near) else k, "PADDED": padded, "NEAR": bool(len(near)), "PERIODIC": periodic}
    return Coupling(first, second, third, constants)


def put(x: np.ndarray, model: Coupling) -> Tensor:
    """Return states, float32 of shape (lattices, H, W, N), on the device of a model."""
    import torch

    return torch.tensor(np.ascontiguousarray(x, np.float32), device=model.bias.device)


@dataclass(frozen=True)
class _Run:
    """What does not change between steps."""

    keys: Tensor
    scales: Tensor
    clock: Tensor
    sums: Tensor
    gamma: float
    geodesic: bool
    noise: bool
    sites: int
    precision: Precision


def _launch(
    before: Tensor, after: Tensor, model: Coupling, run: _Run, ahead: int, row: int, measured: bool = False
) -> None:
    from physnn.kernels.gpu import vectors_code as code

    lattices, H, W, _ = before.shape
    options = {"SITES": run.sites, "GEODESIC": run.geodesic, "NOISE": run.noise, "MEASURE": measured}
    options |= {"PRECISION": run.precision, "enable_fp_fusion": True} | model.constants
    arrays = before, after, model.weights, model.onsite, model.bias, run.keys, run.scales, run.clock, run.sums
    code.step[(-(-H * W // run.sites), lattices)](*arrays, run.gamma, ahead, row, H=H, W=W, **options)


def _run_of(
    x: Tensor,
    keys: np.ndarray,
    first: int,
    gamma: float,
    eta: float | np.ndarray,
    geodesic: bool,
    measurements: int,
    half: int,
    sites: int,
    precision: Precision,
) -> _Run:
    import torch

    lattices, H, W, _ = x.shape
    if min(H, W) < half:
        raise InputError(f"on a GPU a lattice must be at least {half} sites wide, the coupling's reach; use the CPU")
    if precision not in ("ieee", "tf32x3"):
        raise InputError(f"products are ieee or tf32x3, not {precision}; TF32 alone rounds as coarsely as the noise")
    scales = np.broadcast_to(np.asarray(eta * np.sqrt(gamma), np.float32), lattices).copy()
    put = lambda array: torch.as_tensor(array, device=x.device)  # noqa: E731
    words, clock = put(np.ascontiguousarray(keys, np.uint32).view(np.int32)), put(np.array([first], np.int64))
    sums = torch.empty((max(measurements, 1), lattices, -(-H * W // sites), SUMS), dtype=torch.float64, device=x.device)
    return _Run(words, put(scales), clock, sums, gamma, geodesic, bool(scales.any()), sites, precision)


def advance(
    x: Tensor,
    model: Coupling,
    keys: np.ndarray,
    first: int,
    steps: int,
    gamma: float,
    eta: float | np.ndarray,
    geodesic: bool = True,
    every: int = 0,
    sites: int = SITES,
    precision: Precision = "ieee",
) -> np.ndarray:
    """Take Langevin steps, in place, and measure.

    Parameters
    ----------
    x : Tensor of float32, shape (lattices, H, W, N)
        Unit vectors, contiguous, on the device of ``model``; changed in place.
    model : Coupling
        See `upload`.
    keys : ndarray of uint32, shape (lattices, 2)
        Keys of the noise.
    first, steps : int
        Number of the first step, and how many.
    gamma : float
        Step size (dimensionless).
    eta : float or array of shape (lattices,)
        Noise.
    geodesic : bool
        Step rule.
    every : int
        Steps between measurements, made before steps 0, every, 2 every, ...; 0 for none.
    sites : int
        Sites in a tile, a power of 2, at least 16; of influence on rounding in the measured sums alone.
    precision : {"ieee", "tf32x3"}
        Of products.

    Returns
    -------
    ndarray of float64, shape (lattices, measurements, 4)
        As `physnn.kernels.vectors.langevin.advance` returns them.
    """
    import torch

    rows = -(-steps // every) if every else 0
    run = _run_of(x, keys, first, gamma, eta, geodesic, rows, model.constants["K"] // 2, sites, precision)
    before, after = x, torch.empty_like(x)
    with on_device_of(x):
        for t in range(steps):
            due = bool(every) and t % every == 0
            _launch(before, after, model, run, t, t // every if due else 0, due)
            before, after = after, before
    if steps % 2:
        x.copy_(before)
    return np.asarray(run.sums[:rows].sum(dim=2).transpose(0, 1).cpu().numpy())


def repeated(
    x: Tensor,
    model: Coupling,
    keys: np.ndarray,
    gamma: float,
    eta: float,
    geodesic: bool = True,
    sites: int = SITES,
    precision: Precision = "ieee",
) -> Callable[[int], None]:
    """Return ``run(n)``, which takes n steps of ``x`` in place (n a multiple of `RECORDED`) and measures nothing.

    On a GPU the launches of `RECORDED` steps are recorded as a CUDA graph and then replayed: a launch from Python takes
    longer than a step of a small lattice.
    """
    import torch

    fixed = _run_of(x, keys, 0, gamma, eta, geodesic, 0, model.constants["K"] // 2, sites, precision)
    other = torch.empty_like(x)

    def recorded() -> None:
        for t in range(RECORDED):
            _launch(*((x, other) if t % 2 == 0 else (other, x)), model, fixed, t, 0)
        fixed.clock.add_(RECORDED)

    if not x.is_cuda:

        def plain(n: int) -> None:
            for _ in range(n // RECORDED):
                recorded()

        return plain
    # What is recorded is not run, and compiling may not be recorded: so a step into the array that is not the state.
    with on_device_of(x):
        _launch(x, other, model, fixed, 0, 0)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            recorded()

    def run(n: int) -> None:
        for _ in range(n // RECORDED):
            graph.replay()

    return run
