from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from physnn import rng
from physnn.kernels import random


def normals(keys: np.ndarray, step: int, L: int = 8, components: int = 16) -> np.ndarray:
    out = np.empty((len(keys), L, L, components), np.float32)
    random.counter_normals(keys, step, out)
    return out


@pytest.fixture
def keys() -> np.ndarray:
    return np.stack([rng.counter_key(3, "noise", "net", k) for k in range(4)])


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_known_answers_of_the_published_generator(counter, key, words):
    lanes = np.repeat(np.array(counter, np.uint32)[:, None], 3, axis=1)
    random.philox(np.array(key, np.uint32), lanes)
    assert [f"{w:08x}" for w in lanes[:, 1]] == words.split()


def test_normals_are_normal_and_independent(keys):
    drawn = normals(keys, 0, L=64)
    assert stats.kstest(drawn.ravel()[::3], "norm").pvalue > 1e-3
    n = drawn.size
    assert abs(drawn.mean(dtype=float)) < 4 / n**0.5
    assert abs(drawn.var(dtype=float) - 1) < 4 * (2 / n) ** 0.5
    for axis in (1, 2, 3):
        product = drawn * np.roll(drawn, 1, axis)
        assert abs(product.mean(dtype=float)) < 4 / n**0.5


def test_a_factor_in_the_noise_is_seen(keys):
    drawn = 1.02 * normals(keys, 0, L=64)
    assert abs(drawn.var(dtype=float) - 1) > 4 * (2 / drawn.size) ** 0.5


def test_a_number_belongs_to_its_place_whatever_the_size_and_batch(keys):
    large, small = normals(keys, 5, L=12), normals(keys[2:3], 5, L=7)
    assert np.array_equal(large[2, :7, :7], small[0])
    assert not np.array_equal(normals(keys, 5), normals(keys, 6))


def test_box_muller_is_accurate_to_single_precision():
    generator = rng.stream(0, "synthetic", "words")
    first, second = generator.integers(0, 2**32, (2, 5000), dtype=np.uint32)
    cosine, sine = np.empty((2, 5000), np.float32)
    random._box_muller(first, second, cosine, sine)
    radius = np.sqrt(-2 * np.log(((first >> 8) + 0.5) * 2.0**-24))
    angle = 2 * np.pi * second / 2.0**32
    assert np.abs(cosine - radius * np.cos(angle)).max() < 3e-6
    assert np.abs(sine - radius * np.sin(angle)).max() < 3e-6
