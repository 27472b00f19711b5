"""The Triton kernels on a GPU or, under TRITON_INTERPRET=1, in Triton's interpreter; `test_interpreter` runs that.

The interpreter's time goes with launches and digits, hardly with words: statistics are of few and wide launches.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from physnn import rng
from physnn.errors import InputError, Unfinished
from physnn.exact.ising.kaufman import kaufman
from physnn.kernels import gpu
from physnn.kernels import random as reference
from physnn.kernels.gpu import ising
from physnn.kernels.lattice import multispin, observables
from physnn.models import Ising
from physnn.samplers import State, advance, start
from physnn.samplers.multispin import MultispinGpu
from tests.kernels.lattice import probes

try:
    PLACE = gpu.place()
except (InputError, Unfinished) as missing:
    pytest.skip(f"{missing}; TRITON_INTERPRET=1 runs it without", allow_module_level=True)

SHAPES = [(4, 64), (12, 192), (64, 64)]
TILES = [{"alone": True}, {"alone": False}, {"alone": True, "block": 64}, {"alone": False, "block": 32}]
KEY = np.array([0x0123456789ABCDEF], np.uint64)


def on_device(array: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(array, device=PLACE)


def configuration(H: int, W: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, (H, W), np.int8)


def upload(*colours: np.ndarray) -> torch.Tensor:
    return ising.packed(on_device(np.stack(colours)))


def download(words: torch.Tensor) -> np.ndarray:
    return ising.colours_of(words).cpu().numpy()


def moved(colours: np.ndarray, p: np.ndarray, n: int, clock: int = 0, key: np.ndarray = KEY, **how) -> np.ndarray:
    """Colours ``(H, W)`` after n sweeps from ``clock`` on."""
    words, time = upload(colours), on_device(np.array([clock]))
    ising.launch_sweeps(words, on_device(ising.keys(key)), time, on_device(p[None]), n, **how)
    assert time.item() == clock + n
    return download(words)[0]


def fields(table: np.ndarray, H: int, W: int) -> np.ndarray:
    """Random numbers of 64 digits by sweep and site, ``(sweeps, H, W)``, from words ``(sweeps, 2, digits, C, K)``."""
    y, x = np.indices((H, W))
    colour, c, k, b = (x + y) % 2, x % (W // 32), y // 2, x // (W // 32)
    out = np.zeros((len(table), H, W), np.uint64)
    for d in range(table.shape[2]):
        bit = table[:, colour, d, c, k].astype(np.uint64) >> b.astype(np.uint64) & np.uint64(1)
        out |= bit << np.uint64(63 - d)
    return out


def decisions(table: np.ndarray, shape: tuple[int, int], one: Fraction, none: Fraction) -> np.ndarray:
    """Whether a site with one (first) or no unlike neighbour flips, ``(2, sweeps, H, W)``."""
    count = table.shape[2]
    u = fields(table, *shape) >> np.uint64(64 - count)
    return np.stack([u < np.uint64(int(p * 2**count)) for p in (one, none)])


def scalar_sweep(colours: np.ndarray, one: np.ndarray, none: np.ndarray) -> None:
    """Checkerboard Metropolis, one spin after the other, with given decisions."""
    H, W = colours.shape
    for parity in range(2):
        for y in range(H):
            for x in range((y + parity) % 2, W, 2):
                around = (colours[y, x - 1], colours[y, (x + 1) % W], colours[y - 1, x], colours[(y + 1) % H, x])
                unlike = sum(int(other != colours[y, x]) for other in around)
                if unlike >= 2 or (one, none)[unlike == 0][y, x]:
                    colours[y, x] ^= 1


def random_table(n: int, count: int, H: int, W: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 2**32, (n, 2, count, W // 32, H // 2), np.uint32)


def philox_table(n: int, H: int, W: int, clock: int) -> np.ndarray:
    """The words that the kernel says it uses, from the numba generator; ``(n, 2, 64, C, K)``."""
    words = np.arange(W // 32 * (H // 2))
    out = np.empty((n, 2, 16, 4, words.size), np.uint32)
    for sweep, colour, group in np.ndindex(n, 2, 16):
        block = np.zeros((4, words.size), np.uint32)
        time = clock + sweep
        block[0], block[1], block[2], block[3] = words, time % 2**32, time >> 32, 2 * group + colour
        reference.philox(np.array([KEY[0] % 2**32, KEY[0] >> np.uint64(32)], np.uint32), block)
        out[sweep, colour, group] = block
    return out.reshape(n, 2, 64, W // 32, H // 2)


@pytest.mark.parametrize(("H", "W"), SHAPES)
def test_packing_loses_nothing_and_everything_is_counted(H, W):
    colours = [configuration(H, W, seed) for seed in (1, 2)]
    words = upload(*colours)
    assert np.array_equal(download(words), colours)
    like, in_row, in_column = ising.observe(words, block=16)
    for k, found in enumerate(colours):
        assert like[k] == observables.like_bonds(found)
        assert np.array_equal(in_row[k], (found == 0).sum(1))
        assert np.array_equal(in_column[k], (found == 0).sum(0))
    bonds = [2 * observables.like_bonds(c) - 2 * H * W for c in colours]
    assert np.array_equal(2 * like - 2 * H * W, bonds)
    assert np.array_equal(2 * in_row.sum(1) - H * W, [(1 - 2 * c.astype(int)).sum() for c in colours])


@pytest.mark.parametrize(("H", "W"), SHAPES)
@pytest.mark.parametrize("how", TILES[1:3], ids=str)
def test_words_from_a_table_move_it_like_single_spins(H, W, how):
    table, colours = random_table(2, 12, H, W), configuration(H, W)
    one, none = Fraction(3, 7), Fraction(1, 5)
    found = moved(colours, ising.digits(one, none), 2, table=on_device(table.view(np.int32)), first=8, **how)
    for ones, nones in zip(*decisions(table, (H, W), one, none), strict=True):
        scalar_sweep(colours, ones, nones)
    assert np.array_equal(found, colours)


def test_words_from_a_table_move_it_like_the_compiled_kernel():
    H, W, beta_j = 16, 128, 0.44
    table, colours = random_table(3, 24, H, W), configuration(H, W)
    found = moved(colours, ising.acceptance_words(beta_j), 3, table=on_device(table.view(np.int32)))
    words = multispin.pack(1 - 2 * colours)
    one, none = decisions(table, (H, W), Fraction(math.exp(-4 * beta_j)), Fraction(math.exp(-8 * beta_j)))
    inner = lambda mask: multispin.pack(2 * mask.astype(np.int8) - 1)[:, 1:-1, 1:-1]  # noqa: E731
    for ones, nones in zip(one, none, strict=True):
        probes.sweep_with_masks(words, np.stack([inner(nones), inner(ones)], axis=1))
    assert np.array_equal(found, (1 - multispin.unpack(words)) // 2)


@pytest.mark.parametrize("clock", [0, 2**32 - 1])
def test_its_random_words_are_those_of_philox(clock):
    H, W = 4, 128
    colours, p = configuration(H, W), ising.digits(Fraction(1, 3), Fraction(2, 3))
    n = 2 if clock else 1  # the second is beyond 32 bits
    table = philox_table(n, H, W, clock)
    one, none = decisions(table, (H, W), Fraction(1, 3), Fraction(2, 3))
    found = moved(colours, p, n, clock)
    other = moved(colours, p, 1, clock, key=KEY + np.uint64(2**32))
    for k in range(n):
        scalar_sweep(colours, one[k], none[k])
        assert k or not np.array_equal(other, colours)
    assert np.array_equal(found, colours)


@pytest.fixture(scope="module")
def undivided() -> np.ndarray:
    return moved(configuration(12, 192), ising.acceptance_words(0.3), 2)


@pytest.mark.parametrize("first", [4, 28])
@pytest.mark.parametrize("how", TILES, ids=str)
def test_how_the_work_is_divided_changes_no_spin(undivided, how, first):
    found = moved(configuration(12, 192), ising.acceptance_words(0.3), 2, first=first, **how)
    assert np.array_equal(found, undivided)


def test_lattices_side_by_side_are_as_if_alone():
    colours, keys = [configuration(6, 128, seed) for seed in (1, 2, 3)], np.array([5, 6, 7], np.uint64)
    p = np.stack([ising.acceptance_words(beta) for beta in (0.3, 0.44, 0.6)])
    expected = [moved(colours[k], p[k], 1, key=keys[k : k + 1]) for k in range(3)]
    for alone in (False, True):
        words, clock = upload(*colours), on_device(np.array([0]))
        ising.launch_sweeps(words, on_device(ising.keys(keys)), clock, on_device(p), 1, alone=alone)
        assert np.array_equal(download(words), expected)


def flips(p: Fraction, unlike: int, clocks: list[int], L: int = 256) -> np.ndarray:
    """Decisions ``(clocks, sites)`` on spins of even x + y that all have ``unlike`` unlike neighbours (0 or 1)."""
    y, x = np.indices((L, L))
    colours = ((x + 3 * y) % 8 == 1).astype(np.int8) if unlike else np.zeros((L, L), np.int8)
    even, other = (x + y) % 2 == 0, Fraction(1, 3)
    digits = ising.digits(*((p, other) if unlike else (other, p)))
    return np.stack([moved(colours, digits, 1, clock, first=8)[even] == 1 for clock in clocks])


PROBABILITIES = [Fraction(1, 2), Fraction(1, 63), 1 - Fraction(1, 2**9), Fraction(math.exp(-4 * 0.4406867935))]


@pytest.mark.parametrize("unlike", [0, 1])
@pytest.mark.parametrize("p", PROBABILITIES)
def test_decisions_have_their_probability(p, unlike):
    found = flips(p, unlike, [0])  # 32,768 decisions
    z = (found.mean() - float(p)) / math.sqrt(float(p * (1 - p)) / found.size)
    assert abs(z) < 4


def greatest_correlation(found: np.ndarray) -> float:
    """Greatest |z| of the correlation with decisions of the sweep before, beside and in other words."""
    x = (found - found.mean()) / found.std()
    shifts = [(1, 0), *((0, d) for d in (1, 2, 4, 32, 64, 128))]
    return max(abs((x * np.roll(x, s, (0, 1))).mean()) for s in shifts) * math.sqrt(x.size)


def test_decisions_are_independent_of_those_beside_and_before():
    found = flips(Fraction(1, 3), 1, [0, 1, 2])
    assert greatest_correlation(found) < 4
    assert greatest_correlation(found[[0, 0, 1, 1]]) > 40


def z_of_energy(p: np.ndarray, T: float, shape: tuple[int, int] = (4096, 64), warm: int = 8, n: int = 3) -> float:
    """Exact against measured energy of a chain; rows far apart are independent, so blocks of them give the error."""
    colours, blocks = configuration(*shape), []
    for k in range(warm + n):
        colours = moved(colours, p, 1, clock=k, alone=True, block=4096)
        if k >= warm:
            like = (colours == np.roll(colours, 1, 0)).sum(1) + (colours == np.roll(colours, 1, 1)).sum(1)
            blocks.append((2 - 2 * like / shape[1]).reshape(32, -1).mean(1))
    means = np.mean(blocks, axis=0)
    return (means.mean() - kaufman(shape, T).energy) / (means.std(ddof=1) / math.sqrt(32))


def test_energy_of_a_chain():
    T = 3.2
    assert abs(z_of_energy(ising.acceptance_words(1 / T), T)) < 4


def test_two_per_cent_of_temperature_are_seen():
    T = 3.2
    assert abs(z_of_energy(ising.acceptance_words(1 / T / 1.02), T)) > 6


def test_a_sampler_continues_bit_for_bit_and_measures_what_is_there():
    sampler, model, T, shape = MultispinGpu(), Ising(), 2.5, (64, 64)
    first = start(sampler, model, shape, T, rng.seed_sequence(3, "chain", "gpu"))
    first.colours[:] = configuration(*shape)
    second = State.from_arrays(first.arrays())
    whole = advance(sampler, model, T, first, 3, 1, snapshot_every=1)
    advance(sampler, model, T, second, 1, 1)
    resumed = State.from_arrays(second.arrays())
    rest = advance(sampler, model, T, resumed, 2, 1)
    assert np.array_equal(resumed.colours, first.colours)
    assert np.array_equal(resumed.generator, first.generator)
    assert np.array_equal(whole.values[1:], rest.values)
    assert first.generator[1] == 3
    assert np.array_equal(whole.snapshots[-1], first.colours)
    expected = np.zeros(7)
    space, energies = observables.measuring_space(2, *shape), np.array([model.bond, model.offset, model.field])
    for row, colours in zip(whole.values, whole.snapshots, strict=True):
        observables.observe_colours(colours, energies, *space, expected)
        expected[6] = 1
        assert np.array_equal(row, expected)


@pytest.mark.parametrize(
    ("model", "shape", "words"),
    [(Ising(h=0.1), (64, 64), "no field"), (Ising(J=-1), (64, 64), "J > 0"), (Ising(), (64, 96), "divisible by 64")],
)
def test_what_it_cannot_do_is_refused(model, shape, words):
    with pytest.raises(InputError, match=words):
        MultispinGpu().check(model, shape, 2.0)
    with pytest.raises(InputError, match="cuda"):
        MultispinGpu("cpu").check(Ising(), (64, 64), 2.0)
