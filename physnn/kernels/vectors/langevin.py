"""Langevin steps of N-component unit vectors on a lattice, for any coupling of finite range.

One step of size gamma at noise eta, with ``Pi_x(y) = y - (x . y) x`` and independent standard normals xi, is

    v = Pi_x(gamma (J * x + c) + eta sqrt(gamma) xi),
    x <- (x + v) / |x + v|                      (retract),
    x <- cos |v| x + sin |v| v / |v|            (geodesic).

States lie with the components of a site side by side, inside a border of copies (torus) or of zeros.  Row by row, the
field is summed in registers, normals are made from counters, and the new row is stored: memory is passed over once.
Every band of rows waits for its two neighbours only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from physnn.kernels.primitives import COUNTER_SPACING, aligned, aligned_zeros
from physnn.kernels.vectors.langevin_loops import SUMS, run
from physnn.kernels.vectors.tiles import KERNELS, fields_along, transformed

OPERATIONS = 10**9
"""Multiplications of one compiled call: less than 0.2 seconds, so that signals get through."""
ROWS_PER_BAND = 8
"""Rows of the lattice that a thread is worth."""

LEAST_SIDE = 4
"""Side of the lattice from which on a tile, most of it empty, is less work than the sum over a 3 x 3 kernel."""
LEAST_COMPONENTS = 8
"""Components from which on `physnn.kernels.vectors.tiles` are used."""


def padded(x: np.ndarray, half: int, periodic: bool, more: tuple[int, int] = (0, 0)) -> np.ndarray:
    """States ``(lattices, H, W, N)`` in a border of ``half`` sites, copies or zeros, and ``more`` zeros at the ends."""
    lattices, H, W, n = x.shape
    wide = aligned_zeros((lattices, H + 2 * half + more[0], W + 2 * half + more[1], n), x.dtype)
    wide[:, half : half + H, half : half + W] = x
    if periodic:
        for c in (*range(half), *range(half + W, 2 * half + W)):
            wide[:, half : half + H, c] = x[:, :, (c - half) % W]
        for r in (*range(half), *range(half + H, 2 * half + H)):
            wide[:, r] = wide[:, half + (r - half) % H]
    return wide


def bands_of(lattices: int, height: int, least: int, threads: int) -> int:
    """Return into how many bands of ``least`` rows or more each lattice is divided."""
    return max(1, min(threads // lattices, height // max(least, ROWS_PER_BAND)))


def serves(x: np.ndarray, kernel: np.ndarray) -> bool:
    """Return whether transformed tiles are worth their cost: single precision, enough components and sites."""
    sites = min(x.shape[1:3])
    return x.dtype == np.float32 and x.shape[3] >= LEAST_COMPONENTS and sites >= LEAST_SIDE and len(kernel) in KERNELS


def _together(calls: Sequence[Callable[[], None]], threads: int, meetings: np.ndarray) -> None:
    if threads == 1 or len(calls) == 1:
        for call in calls:
            call()
        return
    with ThreadPoolExecutor(min(threads, len(calls))) as pool:
        try:
            tasks = [pool.submit(call) for call in calls]
        except BaseException:
            meetings[:, -1] = 1  # the threads that did start would wait for the others for ever
            raise
        for task in tasks:
            task.result()


class Walk:
    """Lattices of unit vectors inside their borders, ready for Langevin steps; they are copied in and out once.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (lattices, H, W, N)
        Unit vectors to begin with.
    coupling : ndarray, shape (N, N, k, k)
        J, k odd: component of the field, component of the neighbour, its row and column minus (k - 1) / 2.
    near : ndarray, shape (N,) or (0,)
        If ``coupling`` is diagonal and reaches the four nearest neighbours alone, k = 3, its diagonal; else empty.
    onsite : ndarray, shape (N, N) or (0, 0)
        J_00, for the measurements; where it is empty, the sums of x . J_00 x are 0.
    bias : ndarray, shape (N,)
        c.
    periodic : bool
        Torus; else zeros outside.
    fewer : bool
        Whether `physnn.kernels.vectors.tiles` saves multiplications where it can; rounding of the field is then less
        than half of that of the sum over neighbours.
    """

    def __init__(
        self,
        x: np.ndarray,
        coupling: np.ndarray,
        near: np.ndarray,
        onsite: np.ndarray,
        bias: np.ndarray,
        periodic: bool = True,
        fewer: bool = True,
    ) -> None:
        self._shape, self._half, self._periodic = x.shape, coupling.shape[2] // 2, periodic
        kernel = aligned(coupling.transpose(2, 3, 1, 0).astype(x.dtype))
        use = fewer and not len(near) and serves(x, kernel)
        self._deep = fields_along(len(kernel)) if use else 1
        self._couplings = (
            kernel,
            transformed(kernel) if use else np.empty((0, 0, 0), x.dtype),
            (0,) * (len(kernel) if use else 1),
            np.ascontiguousarray(near, x.dtype),
            np.ascontiguousarray(onsite, np.float64),
            tuple(np.asarray(bias, x.dtype)),
        )
        more = -x.shape[1] % self._deep, -x.shape[2] % self._deep
        self._before = padded(x, self._half, periodic, more)
        self._after = aligned_zeros(self._before.shape, x.dtype)

    @property
    def x(self) -> np.ndarray:
        """States, shape (lattices, H, W, N): a view that is good until the next step."""
        _, H, W, _ = self._shape
        return self._before[:, self._half : self._half + H, self._half : self._half + W]

    def advance(
        self,
        keys: np.ndarray,
        first: int,
        steps: int,
        gamma: float,
        eta: float | np.ndarray,
        geodesic: bool = True,
        every: int = 0,
        threads: int = 1,
    ) -> np.ndarray:
        """Sums of measurements on the way through some steps; arguments and result are those of `advance`."""
        (lattices, height, width, n), dtype = self._shape, self._before.dtype
        kernel, near = self._couplings[0], self._couplings[3]
        scales = np.broadcast_to(np.asarray(eta * np.sqrt(gamma), dtype), lattices)
        bands = bands_of(lattices, height, max(self._half, self._deep), threads)
        rows = np.zeros((lattices, -(-steps // every) if every else 0, bands, SUMS))
        each = height * width * n * (4 if len(near) else kernel.shape[0] ** 2 * n) + 50 * height * width * n
        size, done = max(1, OPERATIONS // each), 0
        while done < steps:
            count = min(size, steps - done)
            fresh = -(-done // every) if every else 0
            since = done % every if every else 0
            numbers = (height, width, first + done, count, max(every, 1), since, dtype.type(gamma))
            meetings = np.zeros((lattices, COUNTER_SPACING * bands + 1), np.int64)

            def call(i: int, band: int) -> None:
                rules = (*numbers, scales[i]), geodesic, self._periodic  # noqa: B023
                place = rows[i, fresh:], band, bands, meetings[i]  # noqa: B023
                run(self._before[i], self._after[i], *self._couplings, keys[i], *rules, *place)

            calls = [partial(call, i, band) for i in range(lattices) for band in range(bands)]
            _together(calls, threads, meetings)
            if count % 2:
                self._before, self._after = self._after, self._before
            done += count
        return np.asarray(rows.sum(axis=2))


def advance(
    x: np.ndarray,
    coupling: np.ndarray,
    near: np.ndarray,
    onsite: np.ndarray,
    bias: np.ndarray,
    keys: np.ndarray,
    first: int,
    steps: int,
    gamma: float,
    eta: float | np.ndarray,
    geodesic: bool = True,
    periodic: bool = True,
    every: int = 0,
    threads: int = 1,
    fewer: bool = True,
) -> np.ndarray:
    """Take Langevin steps, in place, and measure; the result does not depend on ``threads``.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (lattices, H, W, N)
        Unit vectors, contiguous; changed in place.
    coupling, near, onsite, bias, periodic, fewer
        As for `Walk`.
    keys : ndarray of uint32, shape (lattices, 2)
        Keys of the noise: normals as `physnn.kernels.random.counter_normals` gives them for the number of the step.
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
    threads : int
        Most threads to use: over lattices, and over bands of rows where there are more threads than lattices.

    Returns
    -------
    ndarray of float64, shape (lattices, measurements, 4)
        Sums over sites of x . f, c . x, |Pi_x f|^2 and x . J_00 x, with f = J * x + c.
    """
    walk = Walk(x, coupling, near, onsite, bias, periodic, fewer)
    rows = walk.advance(keys, first, steps, gamma, eta, geodesic, every, threads)
    x[:] = walk.x
    return rows
