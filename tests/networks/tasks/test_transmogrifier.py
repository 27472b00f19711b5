from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.errors import InputError
from physnn.networks.tasks.transmogrifier import COVERAGE, SHAPE_NAMES, Transmogrifier, outline


def draw(L: int, density: str, n: int = 200, seed: int = 0) -> list[np.ndarray]:
    task, generator = Transmogrifier(L, density), rng.stream(seed, "synthetic", "centres", L, density)
    return [task.centres(generator) for _ in range(n)]


def test_the_outlines():
    assert [len(outline(shape, 4)) for shape in SHAPE_NAMES] == [32, 32, 24]
    for shape in SHAPE_NAMES:
        offsets = outline(shape, 4)
        assert np.abs(offsets).max() == 4
        assert {tuple(o) for o in offsets} == {(y, -x) for y, x in offsets}, "mirror symmetric"


@pytest.mark.parametrize("density", ["matched", "paper"])
def test_each_shape_turns_into_the_next(density):
    task = Transmogrifier(48, density)
    inputs, targets, numbers = task.pairs(rng.stream(0, "synthetic", "pairs"), 50)
    assert set(np.unique(inputs)) == set(np.unique(targets)) == {-0.5, 0.5}
    sizes = [len(outline(shape, 4)) for shape in SHAPE_NAMES]
    for image, target, n in zip(inputs, targets, numbers, strict=True):
        before, after = (image > 0).sum(), (target > 0).sum()
        ways = [(a, b, n - a - b) for a in range(n + 1) for b in range(n - a + 1)]
        assert any(
            before == sum(k * sizes[i] for i, k in enumerate(w))
            and after == sum(k * sizes[(i + 1) % 3] for i, k in enumerate(w))
            for w in ways
        )


@pytest.mark.parametrize("density", ["matched", "paper"])
@pytest.mark.parametrize("L", [32, 41, 64])
def test_shapes_never_touch(L, density):
    for centres in draw(L, density):
        apart = np.abs(centres[:, None] - centres[None])
        if density == "matched":
            apart = np.minimum(apart, L - apart)
        else:
            assert centres.min() >= 4 and centres.max() < L - 4
        chebyshev = apart.max(-1) + 1000 * np.eye(len(centres))
        assert chebyshev.min(initial=1000) >= 10


def test_matched_density_is_the_same_at_every_size():
    expected = -np.expm1(-COVERAGE) / 19**2
    for L in (20, 32, 64, 128):
        density = np.array([len(c) for c in draw(L, "matched", 40000 // L)]) / L**2
        assert abs(density.mean() - expected) < 4 * density.std() / len(density) ** 0.5


def pair_counts(L: int, n: int) -> np.ndarray:
    """Number of ordered pairs per pixel at Chebyshev separations 10-12 and 13-15, per image."""
    rows = []
    for centres in draw(L, "matched", n, seed=1):
        apart = np.abs(centres[:, None] - centres[None])
        apart = np.minimum(apart, L - apart).max(-1)
        rows.append([((apart >= a) & (apart < a + 3)).sum() / L**2 for a in (10, 13)])
    return np.array(rows)


def test_matched_pair_statistics_are_the_same_at_every_size_and_the_papers_density_is_not():
    small, large = pair_counts(40, 1500), pair_counts(120, 300)
    error = np.hypot(small.std(0) / len(small) ** 0.5, large.std(0) / len(large) ** 0.5)
    assert (np.abs(small.mean(0) - large.mean(0)) < 4 * error).all()
    paper = [np.array([len(c) for c in draw(L, "paper")]) / L**2 for L in (32, 128)]
    error = np.hypot(*(p.std() / len(p) ** 0.5 for p in paper))
    assert abs(paper[0].mean() - paper[1].mean()) > 4 * error


def test_reproducible():
    task = Transmogrifier(64)
    first = task.pairs(rng.stream(5, "synthetic", "x"), 3)
    again = task.pairs(rng.stream(5, "synthetic", "x"), 3)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_too_small_an_image_is_refused():
    with pytest.raises(InputError, match="L >= 19"):
        Transmogrifier(18)
