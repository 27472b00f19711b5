from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from physnn.errors import InputError
from physnn.kernels.lattice import multispin
from physnn.kernels.lattice.multispin_code import COMMON, COMPARED_DIGITS, OWN, SHARE, VECTOR
from physnn.kernels.lattice.multispin_loops import sweep_part
from physnn.kernels.primitives import COUNTER_SPACING
from tests.kernels.lattice import probes

SHAPES = [(4, 128), (6, 256), (16, 384), (70, 128), (136, 128)]
T_C = 2 / math.log(1 + 2**0.5)
ENERGY = {2.0: -1.745564575312554, T_C: -1.4190762720849852, 2.3: -1.345130406147206, 2.5: -1.1060792038039273}
"""Energy per site of the 128 x 128 torus: B. Kaufman, Phys. Rev. 76, 1232 (1949)."""


def configuration(H: int, W: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array([-1, 1], np.int8), (H, W))


def start(H: int, W: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    return multispin.pack(configuration(H, W, seed)), multispin.generator_state(H, W, np.random.default_rng(seed))


def neighbour_sum(s: np.ndarray) -> np.ndarray:
    return sum(np.roll(s.astype(int), step, axis) for step in (-1, 1) for axis in (0, 1))


def scalar_sweep(s: np.ndarray, one: np.ndarray, none: np.ndarray) -> None:
    """Checkerboard Metropolis, one spin after the other, with given decisions."""
    H, W = s.shape
    for colour in range(2):
        for y in range(H):
            for x in range((y + colour) % 2, W, 2):
                around = (s[y, x - 1], s[y, (x + 1) % W], s[y - 1, x], s[(y + 1) % H, x])
                unlike = sum(int(other != s[y, x]) for other in around)
                if unlike >= 2 or (one, none)[unlike == 0][y, x]:
                    s[y, x] *= -1


def as_words(mask: np.ndarray) -> np.ndarray:
    return multispin.pack(2 * mask.astype(np.int8) - 1)[:, 1:-1, 1:-1]


@pytest.mark.parametrize(("H", "W"), SHAPES)
def test_packing_loses_nothing_and_measures(H, W):
    s = configuration(H, W)
    words = multispin.pack(s)
    assert np.array_equal(multispin.unpack(words), s)
    assert probes.measure(words) == ((s * neighbour_sum(s)).sum() // 2, s.sum(dtype=int))


@pytest.mark.parametrize("shape", [(4, 64), (4, 192), (5, 128), (2, 128), (128, 100), (4, 0)])
def test_other_shapes_are_sent_to_the_plain_kernel(shape):
    with pytest.raises(InputError, match="metropolis"):
        multispin.check_packable(*shape)


@pytest.mark.parametrize("beta_j", [0.0, -0.4, math.nan, math.inf, 1e-20])
def test_couplings_that_are_refused(beta_j):
    with pytest.raises(InputError, match="metropolis"):
        multispin.thresholds(beta_j)


@pytest.mark.parametrize("beta_j", [0.01, 1 / T_C, 3.0])
def test_thresholds_are_the_digits_of_the_probabilities(beta_j):
    words = [int(w) for w in multispin.thresholds(beta_j)]
    for i, p in enumerate((math.exp(-4 * beta_j), math.exp(-8 * beta_j))):
        bits = [Fraction(words[i * COMPARED_DIGITS + k] & 1, 2 ** (k + 1)) for k in range(COMPARED_DIGITS)]
        for skipped, tail in (
            (OWN, words[2 * COMPARED_DIGITS + i]),
            (COMPARED_DIGITS, words[2 * COMPARED_DIGITS + 2 + i]),
        ):
            value = sum(bits[:skipped]) + Fraction(tail, 2 ** (skipped + 64))
            assert 0 <= Fraction(p) - value < Fraction(1, 2 ** (skipped + 64))
    assert set(words[: 2 * COMPARED_DIGITS]) <= {0, 2**64 - 1}


@pytest.mark.parametrize(("H", "W"), SHAPES)
def test_given_decisions_move_it_like_single_spins(H, W):
    rng = np.random.default_rng(2)
    s = configuration(H, W)
    words = multispin.pack(s)
    for _ in range(3):
        one, none = rng.random((2, H, W)) < [[[0.4]], [[0.2]]]
        probes.sweep_with_masks(words, np.stack([as_words(none), as_words(one)], axis=1))
        scalar_sweep(s, one, none)
        assert np.array_equal(multispin.unpack(words), s)
    assert np.array_equal(multispin.pack(s), words)


def drawn(state: np.ndarray) -> np.ndarray:
    """One step of xoshiro256++ on ``state (4, lanes)``."""
    s0, s1, s2, s3 = (w.copy() for w in state)
    rotated = lambda x, k: x << np.uint64(k) | x >> np.uint64(64 - k)  # noqa: E731
    out = rotated(s0 + s3, 23) + s0
    t = s1 << np.uint64(17)
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    state[:] = s0, s1, s2 ^ t, rotated(s3, 45)
    return out


def uniforms(state: np.ndarray, count: int) -> np.ndarray:
    """Integers of ``count`` digits for (word, bit) of a vector; the words drawn are their digits from the last up."""
    out = np.zeros((VECTOR, 64), object)
    for k in range(count):
        word = drawn(state)
        out += ((word[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)).astype(object) << k
    return out


def scalar_chunk(state: np.ndarray, unlike: np.ndarray, p: list[Fraction]) -> np.ndarray:
    """Flips of spins with ``unlike (SHARE, VECTOR, 64)`` unlike neighbours, told one by one with exact numbers."""
    lanes, spare = state[:, :VECTOR], state[:, VECTOR:]
    own = [uniforms(lanes, OWN) for _ in range(SHARE)]
    common = uniforms(lanes, COMMON)
    flips = unlike >= 2
    used = np.zeros((VECTOR, 64), bool)
    for q, word in np.ndindex(SHARE, VECTOR):
        for bit in range(64):
            n = unlike[q, word, bit]
            if n >= 2:
                continue
            target, u, length = p[1 - n], int(own[q][word, bit]), OWN
            if u == int(target * 2**length) and not used[word, bit]:
                used[word, bit] = True
                u, length = u * 2**COMMON + int(common[word, bit]), COMPARED_DIGITS
            if u == int(target * 2**length):
                u, length = u * 2**64 + int(drawn(spare)[0]), length + 64
            flips[q, word, bit] = u < int(target * 2**length)
    return flips


@pytest.mark.parametrize("H", [4, 64, 84])
def test_every_decision_follows_from_the_generator(H):
    W, beta_j = 128, 0.3
    words, generator = start(H, W, seed=5)
    s, states = multispin.unpack(words), generator.copy()
    p = [Fraction(math.exp(-4 * beta_j)), Fraction(math.exp(-8 * beta_j))]
    size = SHARE * VECTOR
    for sweep in range(3):
        for colour in range(2):
            unlike = (4 - s * neighbour_sum(s)) // 2
            for c in range(2):
                spins = s.reshape(H, 64, 2)[(c + colour) % 2 :: 2, :, c]
                mine = unlike.reshape(H, 64, 2)[(c + colour) % 2 :: 2, :, c]
                for k in range(0, H // 2, size):
                    part = mine[k : k + size]
                    padded = np.zeros((size, 64), int)
                    padded[: len(part)] = part
                    flips = scalar_chunk(states[c], padded.reshape(SHARE, VECTOR, 64), p).reshape(size, 64)
                    spins[k : k + size] *= 1 - 2 * flips[: len(part)].astype(np.int8)
        multispin.sweeps(words, generator, multispin.thresholds(beta_j), 1)
        assert np.array_equal(multispin.unpack(words), s), sweep
        assert np.array_equal(generator, states)


def decisions(p: np.ndarray, unlike: int, generator: np.ndarray, n: int, L: int = 256) -> np.ndarray:
    """Decisions ``(n, L, L/2)`` on spins that all have ``unlike`` unlike neighbours (0 or 1)."""
    y, x = np.indices((L, L))
    s = np.ones((L, L), np.int8)
    if unlike:
        s[(x + 3 * y) % 8 == 1] = -1  # touches every site with even x + y once
    words = multispin.pack(s)
    even = (x + y) % 2 == 0
    assert (neighbour_sum(s)[even] == 4 - 2 * unlike).all()
    out = []
    for _ in range(n):
        moved = words.copy()
        multispin.sweeps(moved, generator, p, 1)
        out.append((multispin.unpack(moved) < 0)[even].reshape(L, L // 2))
    return np.array(out)


PROBABILITIES = [Fraction(1, 2**k) for k in (1, 2, 5, 6, 7, 11, 12, 13, 14)]
PROBABILITIES += [1 - Fraction(1, 2**9), Fraction(5, 7), Fraction(1, 63), Fraction(math.exp(-4 / T_C))]


@pytest.mark.parametrize("unlike", [0, 1])
@pytest.mark.parametrize("p", PROBABILITIES)
def test_decisions_have_their_probability(p, unlike):
    generator = multispin.generator_state(256, 256, np.random.default_rng(7))
    other = Fraction(1, 3)
    flips = decisions(multispin.binary_digits(*((p, other) if unlike else (other, p))), unlike, generator, 20)
    z = (flips.mean() - float(p)) / math.sqrt(float(p * (1 - p)) / flips.size)
    assert abs(z) < 4


def greatest_correlation(flips: np.ndarray) -> float:
    """Greatest |z| of the correlation of two decisions, over many distances in time, y and x/2."""
    x = (flips - flips.mean()) / flips.std()
    places = [(1, 0, 0)] + [(t, dy, dx) for t in (0, 1) for dy in (0, 1, 2, 3, 16, 32, 48, 64) for dx in range(9)]
    shifts = [place for place in places if any(place)]
    return max(abs(np.mean(x * np.roll(x, shift, (0, 1, 2)))) for shift in shifts) * math.sqrt(x.size)


@pytest.mark.parametrize("p", [Fraction(1, 100), Fraction(math.exp(-4 / T_C)), Fraction(1, 2)])
def test_decisions_are_independent(p):
    generator = multispin.generator_state(256, 256, np.random.default_rng(8))
    assert greatest_correlation(decisions(multispin.binary_digits(p, p), 1, generator, 10)) < 5


def test_lanes_with_the_same_seed_are_seen():
    generator = multispin.generator_state(256, 256, np.random.default_rng(8))
    p = multispin.binary_digits(Fraction(1, 10), Fraction(1, 10))
    for wrong in (generator[:1] + 0 * generator, generator[:, :, :1] + 0 * generator):
        assert greatest_correlation(decisions(p, 1, wrong, 10)) > 100


def exact_energy(width: int, length: int, beta: float) -> float:
    """Energy per site of a torus from the transfer matrix of its ``width``."""
    spins = 1 - 2 * ((np.arange(2**width)[:, None] >> np.arange(width)) & 1)
    inside = (spins * np.roll(spins, 1, 1)).sum(1)
    between = spins @ spins.T

    def log_z(b: float) -> float:
        levels = np.linalg.eigvalsh(np.exp(b * (between + (inside[:, None] + inside) / 2)))
        return length * math.log(levels[-1]) + math.log(((levels / levels[-1]) ** length).sum())

    h = 1e-4
    return -(log_z(beta + h) - log_z(beta - h)) / (2 * h) / (width * length)


def z_score(energies: np.ndarray, exact: float, bins: int = 64) -> float:
    means = energies[: len(energies) // bins * bins].reshape(bins, -1).mean(1)
    return (means.mean() - exact) / (means.std(ddof=1) / math.sqrt(bins))


def energies(H: int, W: int, p: np.ndarray, n: int, every: int, seed: int = 3) -> np.ndarray:
    words = multispin.pack(np.ones((H, W), np.int8))
    generator = multispin.generator_state(H, W, np.random.default_rng(seed))
    multispin.sweeps(words, generator, p, n * every // 10)
    out = np.zeros((n, 2), np.int64)
    probes.record(words, generator, p, every, out)
    return -out[:, 0] / (H * W)


@pytest.mark.parametrize("H", [4, 8])
@pytest.mark.parametrize("T", [1.8, T_C, 3.5])
def test_energy_of_narrow_tori(H, T):
    exact = exact_energy(H, 128, 1 / T)
    assert abs(z_score(energies(H, 128, multispin.thresholds(1 / T), 60_000, 5), exact)) < 4


@pytest.mark.parametrize("H", [4, 8])
def test_a_wrong_temperature_is_seen(H):
    exact = exact_energy(H, 128, 1 / T_C)
    for factor in (0.98, 1.02):
        assert abs(z_score(energies(H, 128, multispin.thresholds(factor / T_C), 60_000, 5), exact)) > 4


def test_one_probability_for_both_is_seen():
    p = Fraction(math.exp(-4 / T_C))
    assert abs(z_score(energies(4, 128, multispin.binary_digits(p, p), 60_000, 5), exact_energy(4, 128, 1 / T_C))) > 4


def masked_energies(n: int, repeats: int) -> np.ndarray:
    """Energies of 4 x 128 at the critical temperature with numpy's random numbers, each used ``repeats`` times."""
    rng = np.random.default_rng(9)
    words = multispin.pack(configuration(4, 128))
    p = np.exp(np.array([-8, -4]) / T_C)[:, None, None, None]
    out = np.empty(n)
    for i in range(0, n, 100):
        u = np.repeat(rng.random((200 // repeats, 1, 2, 2, 64)), repeats, axis=0).reshape(100, 2, 1, 2, 2, 64)
        masks = np.packbits(u < p, axis=-1, bitorder="little").view("<u8")[..., 0]
        for j in range(100):
            probes.sweep_with_masks(words, masks[j])
            out[i + j] = -probes.measure(words)[0] / 512
    return out[n // 10 :]


def test_energy_with_given_decisions_and_when_random_words_are_used_twice():
    exact = exact_energy(4, 128, 1 / T_C)
    assert abs(z_score(masked_energies(40_000, 1), exact)) < 4
    assert abs(z_score(masked_energies(40_000, 2), exact)) > 4


SLOWEST = pytest.param(T_C, 200_000, marks=pytest.mark.slow)
"""At the critical temperature chains are long; narrow tori, which forget sooner, stand for it by default."""


@pytest.mark.parametrize(("T", "n"), [(2.0, 20_000), SLOWEST, (2.3, 100_000), (2.5, 20_000)])
def test_energy_of_a_square_torus(T, n):
    found = energies(128, 128, multispin.thresholds(1 / T), n, 10)
    assert abs(z_score(found, ENERGY[T], 32)) < 4


def test_a_square_torus_sees_a_wrong_temperature():
    assert abs(z_score(energies(128, 128, multispin.thresholds(1 / 2.55), 20_000, 10), ENERGY[2.5], 32)) > 4


def test_a_stop_changes_nothing():
    p = multispin.thresholds(0.44)
    words, generator = start(16, 384)
    multispin.sweeps(words, generator, p, 12)
    first, state = start(16, 384)
    multispin.sweeps(first, state, p, 5)
    saved = multispin.unpack(first).copy(), state.copy()
    resumed = multispin.pack(saved[0])
    out = np.zeros((7, 2), np.int64)
    probes.record(resumed, saved[1], p, 1, out)
    assert np.array_equal(resumed, words)
    assert np.array_equal(saved[1], generator)
    assert tuple(out[-1]) == probes.measure(words)


@pytest.mark.parametrize(("H", "W"), [(6, 256), (16, 384), (136, 128)])
def test_threads_change_nothing(H, W, monkeypatch):
    monkeypatch.setattr(multispin, "SPINS_PER_THREAD", 1)
    p = multispin.thresholds(0.44)
    results = []
    for threads in (1, 2, 3, 9):
        words, generator = start(H, W)
        multispin.sweeps(words, generator, p, 20, threads)
        results.append((words, generator))
    for words, generator in results[1:]:
        assert np.array_equal(words, results[0][0])
        assert np.array_equal(generator, results[0][1])


def test_a_thread_gives_up_when_the_others_cannot_come():
    words, generator = start(6, 256)
    meeting = np.zeros(2 * COUNTER_SPACING + 1, np.int64)
    meeting[-1] = 1
    sweep_part(words, generator, multispin.thresholds(0.44), 10, 0, 2, meeting)
    assert meeting[0] == 1  # it did the edges of one half sweep, which need nobody


def test_a_pool_that_cannot_start_ends_all_threads(monkeypatch):
    submit = multispin.ThreadPoolExecutor.submit

    def failing(pool, function, *args):
        if args[4] == 1:
            raise RuntimeError("can't start new thread")
        return submit(pool, function, *args)

    monkeypatch.setattr(multispin.ThreadPoolExecutor, "submit", failing)
    monkeypatch.setattr(multispin, "SPINS_PER_THREAD", 1)
    words, generator = start(6, 256)
    with pytest.raises(RuntimeError, match="can't start"):
        multispin.sweeps(words, generator, multispin.thresholds(0.44), 10, threads=2)
