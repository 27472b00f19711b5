"""Symmetries put into training: images in random positions, averaged logits, and classes that are brought."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from physnn import rng
from physnn.errors import InputError
from physnn.networks.classifiers.compiled import CompiledTrainer
from physnn.networks.classifiers.loop import LoopTrainer
from physnn.networks.classifiers.replicas import ClassifierRecipe, untrained
from physnn.networks.classifiers.shown import drawn_elements, every_position
from physnn.networks.classifiers.users import UserClassifier
from physnn.networks.source import located, module_digest
from physnn.networks.symmetry.layers import move_pixels
from physnn.networks.tasks.problem import Problem

CLASS = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, channels, side, classes):
        super().__init__()
        self.mix = nn.Parameter(torch.randn(channels * side * side, 12))
        self.drop, self.out = nn.Dropout(0.3), nn.Linear(12, classes)

    def forward(self, images):
        return self.out(self.drop(torch.tanh(images.flatten(1) @ self.mix)))


class Wrong(Net):
    def forward(self, images):
        return images


class Numberless(nn.Module):
    pass
"""


def problem(n: int = 13) -> Problem:
    generator = rng.stream(0, "synthetic", "symmetries")
    images = generator.normal(size=(n + 4, 1, 8, 8)).astype(np.float32)
    labels = generator.integers(0, 3, n + 4)
    return Problem(images[:n], labels[:n], images[n:], labels[n:], ("a", "b", "c"), 8, "symmetries")


def recipe_of(network: str = "simple", **settings) -> ClassifierRecipe:
    return ClassifierRecipe(**{"network": network, "batch": 6, "lr": 3e-3} | settings)


def brought(folder, name: str = "Net") -> ClassifierRecipe:
    (folder / "net.py").write_text(CLASS)
    place = located(f"{folder / 'net.py'}:{name}")
    return recipe_of(place, digest=module_digest(place))


def farthest(recipe: ClassifierRecipe, replicas, point: str = "d4") -> float:
    """Largest change of a logit when an element acts on the image."""
    p = problem()
    images = torch.from_numpy(p.test_images)
    logits = [
        LoopTrainer.logits(recipe, p, replicas, move_pixels(point, g, images).contiguous().numpy()) for g in range(8)
    ]
    return float(np.abs(np.array(logits[1:]) - logits[0]).max())


def test_every_element_is_drawn_alike_and_acts_on_the_image_that_is_shown():
    p = problem()
    shown, labels = every_position(p, "d4")
    order, _ = LoopTrainer(recipe_of(augment="d4"), p, untrained(recipe_of().build(p), [5])).drawn(5, 2)
    elements, images = order // len(p.images), order % len(p.images)
    assert sorted(images) == list(range(len(p.images)))
    assert np.array_equal(elements, drawn_elements(5, 2, len(p.images), "d4"))
    assert not np.array_equal(elements, drawn_elements(5, 3, len(p.images), "d4"))
    for k, g, i in zip(order, elements, images, strict=True):
        assert labels[k] == p.labels[i]
        assert np.array_equal(shown[k], move_pixels("d4", int(g), torch.from_numpy(p.images[i])).numpy())
    counts = np.bincount(drawn_elements(0, 0, 8000, "d4"))
    assert len(counts) == 8 and abs(counts - 1000).max() < 5 * 30
    assert not drawn_elements(0, 0, 9, "c1").any() and every_position(p, "c1")[0] is p.images


@pytest.mark.parametrize("name", ["simple", "flip"])
def test_engines_agree_on_images_in_random_positions_and_training_continues(name):
    p, recipe = problem(), recipe_of(name, augment="d4")
    start = untrained(recipe.build(p), [0, 1])
    loop, loss = LoopTrainer.advance(recipe, p, start, 2)
    compiled, again = CompiledTrainer.advance(recipe, p, start, 2)
    half, _ = CompiledTrainer.advance(recipe, p, CompiledTrainer.advance(recipe, p, start, 1)[0], 1)
    _, other = CompiledTrainer.advance(recipe_of(name), p, start, 2)
    assert np.allclose(loss, again, atol=3e-4) and abs(loss - other).min() > 3e-4
    for key, values in compiled.weights.items():
        assert np.allclose(loop.weights[key], values, atol=2e-2)
        assert np.array_equal(half.weights[key], values)


def test_averaged_networks_are_invariant_after_training_and_dropout_leaves_out_the_same_in_all_positions():
    p = problem()
    for average, least in (("d4", None), ("c1", 1e-2)):
        recipe = recipe_of("dropout", average=average)
        replicas, _ = LoopTrainer.advance(recipe, p, untrained(recipe.build(p), [0]), 1)
        assert (farthest(recipe, replicas) < 1e-5) if least is None else (farthest(recipe, replicas) > least)
    network, images = recipe_of("dropout", average="d4").build(p).train(), torch.from_numpy(p.images)
    keep = torch.from_numpy(rng.stream(0, "synthetic", "keep").random((13, 64)).astype(np.float32))
    with torch.no_grad():
        turned = network(move_pixels("d4", 3, images).contiguous(), keep)
        assert network.rate == 0.3 and torch.allclose(turned, network(images, keep), atol=1e-5)
        assert not torch.allclose(turned, network(images, keep.flip(0)), atol=1e-3)


def test_a_class_that_is_brought_is_seeded_trained_and_averaged(tmp_path):
    p, recipe = problem(), brought(tmp_path).model_copy(update={"average": "d4"})
    first = untrained(recipe.build(p), [3, 4])
    mix = first.weights["network.net.mix"]
    assert np.array_equal(mix, untrained(recipe.build(p), [3, 4]).weights["network.net.mix"])
    assert abs(mix[0] - mix[1]).mean() > 0.1
    one, _ = LoopTrainer.advance(recipe, p, first, 2)
    two, _ = LoopTrainer.advance(recipe, p, LoopTrainer.advance(recipe, p, first.take([1]), 1)[0], 1)
    assert np.array_equal(one.weights["network.net.mix"][1], two.weights["network.net.mix"][0])  # with its dropout
    assert farthest(recipe, one) < 1e-5
    assert farthest(brought(tmp_path), untrained(brought(tmp_path).build(p), [3])) > 1e-2


@pytest.mark.parametrize("name", ["Wrong", "Numberless", "Missing"])
def test_classes_that_make_no_classifier_are_refused(tmp_path, name):
    recipe = brought(tmp_path, name)
    with pytest.raises(InputError, match=f"{name}"):
        recipe.build(problem())
    with pytest.raises(InputError, match="has changed"):
        UserClassifier(recipe.network, "0" * 64, 1, 8, 3)


def test_recipes_without_symmetries_are_written_as_before():
    assert set(recipe_of().model_dump()) == {"network", "epochs", "batch", "lr", "weight_decay", "pooled"}
    assert recipe_of(augment="c4").model_dump()["augment"] == "c4"
