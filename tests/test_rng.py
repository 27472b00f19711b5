from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import physnn
from physnn import rng
from physnn.errors import InputError

SOURCE = Path(physnn.__file__).parent


def test_a_stream_is_its_words_and_nothing_else():
    first = rng.stream(7, "image", "net", 32, 5).random(4)
    rng.stream(7, "image", "net", 32, 6).random(100)
    assert np.array_equal(first, rng.stream(7, "image", "net", 32, 5).random(4))


@pytest.mark.parametrize("words", [("net", 32, 6), ("net", 325), ("net", "32", 5), ("ne", "t", 32, 5)])
def test_other_words_give_other_numbers(words):
    assert not np.array_equal(rng.stream(7, "image", "net", 32, 5).random(4), rng.stream(7, "image", *words).random(4))
    assert not np.array_equal(rng.stream(8, "image", *words).random(4), rng.stream(7, "image", *words).random(4))


def test_many_keys_do_not_collide():
    keys = {tuple(rng.counter_key(0, "noise", "net", k)) for k in range(5000)}
    assert len(keys) == 5000


def test_users_have_streams_of_their_own():
    assert np.array_equal(rng.stream(0, "user", "my run").random(4), rng.stream(0, "user", "my run").random(4))
    assert not np.array_equal(rng.stream(0, "user", "my run").random(4), rng.stream(0, "user", "another").random(4))


def test_unknown_names_and_negative_seeds_are_refused():
    with pytest.raises(InputError, match=r"'my run'; .*stream\(0, \"user\", 'my run'\)"):
        rng.seed_sequence(0, "my run")
    with pytest.raises(InputError, match="non-negative"):
        rng.stream(-1, "image")


def test_nothing_else_seeds_anything():
    ours = r"manual_seed(?!\(rng\.whole_seed\()"
    words = "default_rng", "RandomState", r"np\.random\.seed", ours, r"SeedSequence\(", r"^import random\b"
    seeding = re.compile("|".join(words), re.M)
    found = [f.name for f in SOURCE.rglob("*.py") if f.name != "rng.py" and seeding.search(f.read_text())]
    assert found == []


def test_every_stream_in_the_table_is_used_and_every_use_is_in_the_table():
    sources = [*SOURCE.rglob("*.py"), *(SOURCE.parent / "sims").glob("*.py"), *(SOURCE.parent / "tests").rglob("*.py")]
    call = re.compile(r'(?:stream|counter_key|seed_sequence)\(\s*[\w\[\].]+,\s*"([\w-]+)"')
    used = {name for f in sources if f.name != "test_rng.py" for name in call.findall(f.read_text())}
    assert used == set(rng.STREAMS)


def test_numbers_of_numpy_are_words_and_others_are_refused():
    same = rng.counter_key(np.int64(4), "image", np.int64(3), np.float64(0.5))
    assert np.array_equal(rng.counter_key(4, "image", 3, 0.5), same)
    for word in (float("nan"), np.float64("inf"), {1}):
        with pytest.raises(InputError, match="texts and finite numbers"):
            rng.stream(0, "image", word)
    for root in (0.5, "a", True, None):
        with pytest.raises(InputError, match="non-negative integer"):
            rng.stream(root, "image")
