# mypy: ignore-errors
"""The Triton kernel of `physnn.kernels.gpu.vectors`, where layout and algorithm are explained."""

from __future__ import annotations

import triton
import triton.language as tl

from physnn.kernels.gpu.ising_code import philox

LOG2 = tl.constexpr(0.6931471805599453)
TURN = tl.constexpr(6.283185307179586 / 2.0**32)
SMALL = tl.constexpr(2.5)
"""Largest squared angle for which the series of cosine and sine are used."""
TERMS = tl.constexpr(10)


@triton.jit
def _box_muller(first, second):
    """Return two normals of two random words, by the polynomials of `physnn.kernels.random`."""
    u = ((first >> 8).to(tl.float32) + 0.5) * (2.0**-24)
    bits = u.to(tl.int32, bitcast=True)
    exponent = (bits - 0x3F3504F3) >> 23
    m = (bits - (exponent << 23)).to(tl.float32, bitcast=True)
    s = tl.div_rn(m - 1.0, m + 1.0)
    z = s * s
    p = ((2.0 / 9.0 * z + 2.0 / 7.0) * z + 2.0 / 5.0) * z + 2.0 / 3.0
    log = exponent.to(tl.float32) * LOG2 + (p * z * s + 2.0 * s)
    radius = tl.sqrt_rn(tl.maximum(-2.0 * log, 0.0))
    quadrant = (second + (1 << 29)) >> 30
    a = (second - (quadrant << 30)).to(tl.int32, bitcast=True).to(tl.float32) * TURN
    z = a * a
    s = ((-1.0 / 5040.0 * z + 1.0 / 120.0) * z - 1.0 / 6.0) * z * a + a
    c = ((1.0 / 40320.0 * z - 1.0 / 720.0) * z + 1.0 / 24.0) * z * z - 0.5 * z + 1.0
    odd = (quadrant & 1) == 1
    x, y = tl.where(odd, s, c), tl.where(odd, c, s)
    x = tl.where((quadrant == 1) | (quadrant == 2), -x, x)
    y = tl.where((quadrant == 2) | (quadrant == 3), -y, y)
    return radius * x, radius * y


@triton.jit
def _normals(key0, key1, row, column, step, SITES: tl.constexpr, PADDED: tl.constexpr):
    """Return the normals of some sites, shape (SITES, PADDED): component m is number m % 4 of block m // 4."""
    BLOCKS: tl.constexpr = PADDED // 4
    none = tl.zeros((SITES, BLOCKS), tl.uint32)
    block = tl.arange(0, BLOCKS).to(tl.uint32)[None, :] + none
    r, c = row.to(tl.uint32)[:, None] + none, column.to(tl.uint32)[:, None] + none
    w0, w1, w2, w3 = philox(r, c, none + step.to(tl.uint32), block, key0, key1)
    n0, n1 = _box_muller(w0, w1)
    n2, n3 = _box_muller(w2, w3)
    # Joined from behind: the last axis tells 0 from 1 and 2 from 3, the one before it the two pairs.
    return tl.reshape(tl.join(tl.join(n0, n2), tl.join(n1, n3)), (SITES, PADDED))


@triton.jit
def _rotation(length2):
    """Return cos |v| and sin |v| / |v|."""
    c, s = length2 * 0 + 1, length2 * 0 + 1
    for i in tl.static_range(TERMS):
        k = TERMS - i
        c = 1.0 - length2 * (1.0 / (2 * k * (2 * k - 1))) * c
        s = 1.0 - length2 * (1.0 / (2 * k * (2 * k + 1))) * s
    large = length2 > SMALL
    angle = tl.sqrt_rn(tl.where(large, length2, 1.0))
    return tl.where(large, tl.cos(angle), c), tl.where(large, tl.div_rn(tl.sin(angle), angle), s)


@triton.jit
def _state(x, row, column, inside, component, H, W, N: tl.constexpr, PERIODIC: tl.constexpr):
    """Return the states at some places, shape (SITES, PADDED), 0 where there is none."""
    if PERIODIC:
        # No place is further out than the lattice is wide: comparing takes less time than dividing.
        row, column = tl.where(row < 0, row + H, row), tl.where(column < 0, column + W, column)
        row, column = tl.where(row < H, row, row - H), tl.where(column < W, column, column - W)
    else:
        inside = inside & (row >= 0) & (row < H) & (column >= 0) & (column < W)
    at = (row * W + column)[:, None] * N + component[None, :]
    return tl.load(x + at, mask=inside[:, None] & (component < N)[None, :], other=0.0)


@triton.jit
def _field(
    x,
    weights,
    bias,
    row,
    column,
    inside,
    component,
    H,
    W,
    N: tl.constexpr,
    K: tl.constexpr,
    PADDED: tl.constexpr,
    NEAR: tl.constexpr,
    PERIODIC: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Return the fields of some sites: bias and coupling times neighbours."""
    HALF: tl.constexpr = K // 2
    c = tl.load(bias + component)[None, :]
    if NEAR:
        f = _state(x, row, column - 1, inside, component, H, W, N, PERIODIC)
        f += _state(x, row, column + 1, inside, component, H, W, N, PERIODIC)
        up = _state(x, row - 1, column, inside, component, H, W, N, PERIODIC)
        f += up + _state(x, row + 1, column, inside, component, H, W, N, PERIODIC)
        return f * tl.load(weights + component)[None, :] + c
    else:
        own = component[:, None] * PADDED + component[None, :]
        f = _state(x, row, column, inside, component, H, W, N, PERIODIC) * 0 + c
        for tap in range(K * K):
            r, c_ = row + tap // K - HALF, column + tap % K - HALF
            there = _state(x, r, c_, inside, component, H, W, N, PERIODIC)
            f = tl.dot(there, tl.load(weights + tap * PADDED * PADDED + own), f, input_precision=PRECISION)
        return f


@triton.jit(do_not_specialize=["ahead", "row_of_sums"])
def step(
    before,
    after,
    weights,
    onsite,
    bias,
    keys,
    scales,
    clock,
    sums,
    gamma,
    ahead,
    row_of_sums,
    H,
    W,
    N: tl.constexpr,
    K: tl.constexpr,
    PADDED: tl.constexpr,
    SITES: tl.constexpr,
    NEAR: tl.constexpr,
    PERIODIC: tl.constexpr,
    GEODESIC: tl.constexpr,
    NOISE: tl.constexpr,
    MEASURE: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Take one Langevin step of a tile of sites of a lattice, from ``before`` to ``after``.

    Fields, noise, projection and normalisation stay in registers: a state is read once for each neighbour, from the
    cache but for the first time, and written once.
    """
    tile, lattice = tl.program_id(0), tl.program_id(1).to(tl.int64)
    site, component = tile * SITES + tl.arange(0, SITES), tl.arange(0, PADDED)
    row, column, inside = site // W, site % W, site < H * W
    before, after = before + lattice * H * W * N, after + lattice * H * W * N
    x = _state(before, row, column, inside, component, H, W, N, PERIODIC)
    f = _field(before, weights, bias, row, column, inside, component, H, W, N, K, PADDED, NEAR, PERIODIC, PRECISION)
    f = tl.where((component < N)[None, :], f, 0.0)
    if MEASURE:
        _measure(x, f, onsite, bias, component, inside, sums, lattice, row_of_sums, PADDED)
    v = gamma * f
    if NOISE:
        t = tl.load(clock) + ahead
        key0, key1 = tl.load(keys + 2 * lattice), tl.load(keys + 2 * lattice + 1)
        key0, key1 = key0.to(tl.uint32, bitcast=True), key1.to(tl.uint32, bitcast=True)
        xi = tl.where((component < N)[None, :], _normals(key0, key1, row, column, t, SITES, PADDED), 0.0)
        v += tl.load(scales + lattice) * xi
    v -= tl.sum(x * v, axis=1)[:, None] * x
    if GEODESIC:
        keep, go = _rotation(tl.sum(v * v, axis=1))
        y = keep[:, None] * x + go[:, None] * v
    else:
        y = x + v
    length = tl.sqrt_rn(tl.where(inside, tl.sum(y * y, axis=1), 1.0))
    at = site[:, None] * N + component[None, :]
    tl.store(after + at, y * tl.div_rn(1.0, length)[:, None], mask=inside[:, None] & (component < N)[None, :])


@triton.jit
def _measure(x, f, onsite, bias, component, inside, sums, lattice, row_of_sums, PADDED: tl.constexpr):
    """Store a tile's sums of x . f, c . x, |Pi_x f|^2 and x . J_00 x, in double precision."""
    own = component[:, None] * PADDED + component[None, :]
    if PADDED < 16:
        image = tl.sum(x[:, :, None] * tl.load(onsite + own)[None, :, :], axis=1).to(tl.float64)
    else:
        image = tl.dot(x, tl.load(onsite + own), input_precision="ieee").to(tl.float64)
    x, f = x.to(tl.float64), tl.where(inside[:, None], f, 0.0).to(tl.float64)
    along = tl.sum(x * f, axis=1)
    # Tiles of all lattices lie side by side: (measurements, lattices, tiles, 4).
    place = sums + ((row_of_sums * tl.num_programs(1) + lattice) * tl.num_programs(0) + tl.program_id(0)) * 4
    tl.store(place, tl.sum(along, axis=0))
    tl.store(place + 1, tl.sum(tl.sum(x * tl.load(bias + component).to(tl.float64)[None, :], axis=1), axis=0))
    tl.store(place + 2, tl.sum(tl.sum(f * f, axis=1) - along * along, axis=0))
    tl.store(place + 3, tl.sum(tl.sum(x * image, axis=1), axis=0))
