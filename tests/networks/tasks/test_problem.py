from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.errors import InputError
from physnn.networks.tasks.images import load_images, split_images
from physnn.networks.tasks.problem import ProblemRecipe, load_problem
from physnn.samples.base import validated

FEW = ProblemRecipe(train=40, test=20)


def write_npz(path, side=(6, 6), seed=0, labels=None):
    generator = rng.stream(seed, "synthetic", "npz")
    labels = np.arange(30) % 3 if labels is None else labels
    np.savez(path, images=generator.integers(0, 256, (len(labels), *side)).astype(np.uint8), labels=labels)
    return path


def problem(**settings):
    return load_problem(FEW.model_copy(update=settings))


def test_the_default_is_all_digits_normalised():
    found = load_problem(ProblemRecipe())
    assert found.images.shape == (1438, 1, 8, 8) and found.test_images.shape == (359, 1, 8, 8)
    assert found.images.dtype == np.float32 and found.labels.dtype == np.int64
    assert (found.channels, found.side, found.raw_side, len(found.classes)) == (1, 8, 8, 10)
    assert found.images.mean(dtype=float) == pytest.approx(0, abs=1e-6)
    assert found.images.std(dtype=float) == pytest.approx(1, rel=1e-6)
    assert abs(found.test_images.mean(dtype=float)) > 1e-4, "test images are normalised as the training images are"


def test_images_are_those_of_the_split():
    train, test = split_images(load_images(), 40, 20, 3)
    found = problem(data_seed=3)
    pixels = train.images.astype(float)
    assert np.allclose(found.images, (pixels - pixels.mean()) / pixels.std(), atol=1e-5)
    assert np.allclose(found.test_images, (test.images - pixels.mean()) / pixels.std(), atol=1e-5)
    assert np.array_equal(found.labels, train.labels) and np.array_equal(found.test_labels, test.labels)
    assert not np.array_equal(found.labels, problem(data_seed=4).labels)


@pytest.mark.parametrize("factor", [2, 3])
def test_pixels_are_the_same_numbers_in_every_form(factor):
    raw, expanded = problem(), problem(form="expanded", factor=factor, fill=0.25)
    upsampled = problem(form="upsampled", factor=factor)
    for mine, e, u in (
        (raw.images, expanded.images, upsampled.images),
        (raw.test_images, expanded.test_images, upsampled.test_images),
    ):
        assert e.shape == u.shape == (*mine.shape[:2], 8 * factor, 8 * factor)
        assert np.array_equal(e[..., ::factor, ::factor], mine)
        assert np.array_equal(u, mine.repeat(factor, 2).repeat(factor, 3))
        assert len(np.unique(e[..., 1::factor, :])) == 1, "one fill between the pixels, normalised with them"
    assert (expanded.side, expanded.raw_side) == (8 * factor, 8)
    pixels = split_images(load_images(), 40, 20, 0)[0].images.astype(float)
    fill = expanded.images[0, 0, 1, 1]
    assert fill == pytest.approx((0.25 - pixels.mean()) / pixels.std(), rel=1e-5)


def test_random_fills_differ_between_images_and_between_training_and_test():
    random, pattern = (problem(form="expanded", fill=fill) for fill in ("random", "pattern"))
    corner = (slice(None), 0, slice(1, None, 2), slice(1, None, 2))
    assert len(np.unique(random.images[corner])) == 40 * 64
    equal = np.intersect1d(random.images[corner], random.test_images[corner])
    assert len(equal) < 5, "numbers of 24 bits coincide once in a while"
    assert (pattern.images[corner] == pattern.test_images[corner][0]).all()
    assert np.array_equal(random.images[:, :, ::2, ::2], problem().images)


def test_the_identity_is_that_of_the_images():
    names = ("train", "test", "data_seed", "form")
    changes = [{}] + [dict([pair]) for pair in zip(names, (41, 21, 1, "upsampled"), strict=True)]
    changes += [{"form": "expanded", "fill": fill} for fill in (0.0, 0.5, "random", "pattern")]
    found = [problem(**change).identity for change in changes]
    assert len(set(found)) == len(changes) and all(len(name) == 16 for name in found)
    assert problem(fill=0.0).identity == problem().identity, "a fill is nothing to raw images"


def test_images_that_changed_on_the_disk_have_another_identity(tmp_path):
    recipe = ProblemRecipe(data=str(write_npz(tmp_path / "a.npz")))
    before = load_problem(recipe)
    assert load_problem(recipe) is before
    write_npz(tmp_path / "a.npz", seed=1)
    load_problem.cache_clear()
    assert load_problem(recipe).identity != before.identity


def test_sizes_of_a_data_set_at_a_path(tmp_path):
    found = load_problem(ProblemRecipe(data=str(write_npz(tmp_path / "a.npz")), train=10))
    assert found.images.shape == (10, 1, 6, 6) and found.test_images.shape == (6, 1, 6, 6)
    assert found.classes == ("0", "1", "2")


def test_classes_without_training_images_are_still_classes(tmp_path):
    labels = np.array([0] * 28 + [1, 2])
    found = load_problem(ProblemRecipe(data=str(write_npz(tmp_path / "a.npz", labels=labels)), train=5, test=20))
    assert set(found.labels) == {0} and len(found.classes) == 3


def test_wrong_images_and_settings_are_refused(tmp_path):
    oblong = write_npz(tmp_path / "oblong.npz", side=(6, 7))
    with pytest.raises(InputError, match="6 x 7 pixels; square ones"):
        load_problem(ProblemRecipe(data=str(oblong)))
    with pytest.raises(InputError, match="too few"):
        problem(train=1797)
    with pytest.raises(InputError, match=r"none\.npz"):
        problem(data=str(tmp_path / "none.npz"))
    for settings in ({"factor": 6}, {"fill": "noise"}, {"fill": float("nan")}, {"train": 0}, {"form": "b"}, {"x": 1}):
        with pytest.raises(InputError, match=next(iter(settings))):
            validated(ProblemRecipe, settings)
