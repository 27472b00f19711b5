from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from physnn import rng
from physnn.errors import InputError
from physnn.networks.classifiers.replicas import ClassifierRecipe, untrained
from physnn.networks.classifiers.shown import batches, dropout_factors, dropout_rate, image_order
from physnn.networks.classifiers.zoo import NETWORKS, DropoutCNN, build, count_weights
from physnn.networks.tasks.problem import Problem, ProblemRecipe, load_problem
from physnn.samples.base import validated

SEEDS = (0, 1, 7, 2**62)


def blank(side: int, raw_side: int | None = None, n: int = 8, channels: int = 1) -> Problem:
    images, labels = np.zeros((n, channels, side, side), np.float32), np.arange(n) % 3
    return Problem(images, labels, images[:2], labels[:2], ("a", "b", "c"), raw_side or side, "blank")


def correlated(a: np.ndarray, b: np.ndarray) -> float:
    """z of the correlation of two lists of numbers, standard normal if they are independent."""
    a, b = a.ravel() - a.mean(), b.ravel() - b.mean()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)) * np.sqrt(a.size))


def test_orders_are_permutations_that_seed_and_epoch_decide():
    orders = {(seed, epoch): image_order(seed, epoch, 5000) for seed in SEEDS for epoch in range(3)}
    assert all(np.array_equal(np.sort(order), np.arange(5000)) for order in orders.values())
    assert all(np.array_equal(order, image_order(*key, 5000)) for key, order in orders.items())
    z = [correlated(a, b) for i, a in orders.items() for j, b in orders.items() if i < j]
    assert len(z) == 66 and max(map(abs, z)) < 4
    assert correlated(orders[0, 0], image_order(0, 0, 5000)) > 4, "the same order twice would be seen"


def test_every_image_comes_first_as_often_as_any_other():
    first = np.bincount([image_order(seed, 2, 10)[0] for seed in range(3000)], minlength=10)
    z = (first - 300) / np.sqrt(3000 * 0.1 * 0.9)
    assert np.abs(z).max() < 4
    biased = np.bincount([min(image_order(seed, 2, 10)[0], 8) for seed in range(3000)], minlength=10)
    assert np.abs(biased - 300).max() > 4 * np.sqrt(270)


def test_dropout_depends_on_seed_and_epoch_and_has_its_rate():
    kept = {(seed, epoch): dropout_factors(seed, epoch, 500, 64, 0.3) for seed in SEEDS for epoch in range(3)}
    z = {rate: [] for rate in (0.3, 0.33)}
    for key, factors in kept.items():
        assert factors.dtype == np.float32 and factors.shape == (500, 64)
        assert set(np.unique(factors)) == {0, np.float32(1 / 0.7)}
        assert np.array_equal(factors, dropout_factors(*key, 500, 64, 0.3))
        for rate, found in z.items():
            found.append(((factors == 0).mean() - rate) / np.sqrt(rate * (1 - rate) / factors.size))
    assert np.abs(z[0.3]).max() < 4 < np.abs(z[0.33]).min(), "another rate would be seen"
    assert max(abs(correlated(a, b)) for i, a in kept.items() for j, b in kept.items() if i < j) < 4


def test_dropout_of_the_first_images_does_not_depend_on_how_many_follow():
    assert np.array_equal(dropout_factors(3, 1, 20, 64, 0.3), dropout_factors(3, 1, 50, 64, 0.3)[:20])
    assert dropout_factors(3, 1, 20, 64, 0.0).shape == (0, 64)


def test_only_the_dropout_network_has_a_rate():
    rates = {name: dropout_rate(build(name, 1, 8, 10)) for name in NETWORKS}
    assert {name for name, rate in rates.items() if rate} == {"dropout"} and rates["dropout"] == DropoutCNN.rate == 0.3


def test_batches_hold_every_image_once():
    assert batches(10, 4) == [slice(0, 4), slice(4, 8), slice(8, 10)]
    assert batches(8, 4) == [slice(0, 4), slice(4, 8)] and batches(3, 4) == [slice(0, 3)]


@pytest.mark.parametrize("name", NETWORKS)
def test_untrained_replicas_have_the_weights_of_their_seeds(name):
    recipe = ClassifierRecipe(network=name)
    network = recipe.build(blank(8))
    together, alone = untrained(network, (4, 5)), untrained(network, (5,))
    assert together.epoch == 0 and together.seeds == (4, 5)
    for kind in ("weights", "statistics", "mean", "square"):
        mine, one = getattr(together, kind), getattr(alone, kind)
        assert list(mine) == list(one) and all(np.array_equal(mine[k][1], one[k][0]) for k in mine)
        assert all(v.dtype == np.float32 and len(v) == 2 for v in mine.values())
    assert sum(v[0].size for v in together.weights.values()) == count_weights(network)
    (output,) = (v for key, v in together.weights.items() if key.endswith("output.weight"))
    assert not np.array_equal(*output)
    assert not any(v.any() for v in (*together.mean.values(), *together.square.values()))
    for key, values in together.statistics.items():
        assert (values == (1 if key.endswith("running_var") else 0)).all()


def test_replicas_are_taken_as_copies():
    replicas = dataclasses.replace(untrained(ClassifierRecipe(network="batchnorm").build(blank(8)), (1, 2, 3)), epoch=9)
    taken = replicas.take([2, 0])
    assert taken.seeds == (3, 1) and taken.epoch == 9
    for kind in ("weights", "statistics", "mean", "square"):
        for key, values in getattr(taken, kind).items():
            assert np.array_equal(values, getattr(replicas, kind)[key][[2, 0]])
            assert not np.shares_memory(values, getattr(replicas, kind)[key])


def test_streams_of_one_seed_have_nothing_to_do_with_each_other():
    names = ("weights", "order", "dropout")
    drawn = [rng.stream(5, name, *(() if name == "weights" else (0,))).random(1000) for name in names]
    assert max(abs(correlated(a, b)) for k, a in enumerate(drawn) for b in drawn[:k]) < 4


def test_pooled_networks_need_as_many_weights_for_expanded_images():
    for name in ("simple", "dropout", "batchnorm", "flip", "rotation", "resnet18"):
        recipe = ClassifierRecipe(network=name)
        raw, large = recipe.build(blank(8)), recipe.build(blank(24, raw_side=8))
        assert count_weights(raw) == count_weights(large)
    free = ClassifierRecipe(pooled=False)
    assert count_weights(free.build(blank(16, 8))) == count_weights(free.build(blank(8))) + 3 * 128 * 64
    with pytest.raises(InputError, match="flip_tied has no pooling"):
        ClassifierRecipe(network="flip_tied").build(blank(16, 8))
    assert ClassifierRecipe(network="flip_tied", pooled=False).build(blank(16, 8))


def test_networks_that_do_not_suit_are_refused():
    for name, problem, text in (
        ("simple", blank(3), "side of at least 4"),
        ("simple", blank(4, raw_side=2), "no place to pool to"),
        ("vgg", blank(8), "no network 'vgg'"),
        ("vgg", blank(16, 8), "no network 'vgg'"),
        ("flip_tied", blank(6), "divisible by 4"),
        ("resnet18", blank(8, n=9), "9 images in batches of 8 leave a last batch of one"),
        ("resnet18", blank(8, n=1), "1 images in batches of 1 leave"),
    ):
        with pytest.raises(InputError, match=text):
            ClassifierRecipe(network=name, batch=8).build(problem)
    # Where maps have several places, one image is enough for a variance.
    for name, side in (("batchnorm", 4), ("mobilenet", 9), ("resnet18", 9), ("simple", 4)):
        ClassifierRecipe(network=name, batch=8).build(blank(side, n=9))


def test_wrong_settings_are_refused():
    for settings in ({"batch": 1}, {"lr": 0}, {"lr": float("inf")}, {"epochs": -1}, {"weight_decay": -1}, {"e": 1}):
        with pytest.raises(InputError, match=next(iter(settings))):
            validated(ClassifierRecipe, settings)


def test_digits_suit_every_network():
    problem = load_problem(ProblemRecipe(train=64, test=10))
    assert all(ClassifierRecipe(network=name).build(problem) for name in NETWORKS)
