from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from physnn import rng
from physnn.errors import InputError
from physnn.networks.classifiers.compiled import CompiledTrainer
from physnn.networks.classifiers.labels import label_distance, label_places
from physnn.networks.classifiers.loop import LoopTrainer
from physnn.networks.classifiers.replicas import ClassifierRecipe, Replicas, Trainer, untrained
from physnn.networks.classifiers.stacked import StackedTrainer
from physnn.networks.classifiers.zoo import initialise
from physnn.networks.tasks.problem import Problem

ENGINES = (CompiledTrainer, LoopTrainer, StackedTrainer)
KINDS = ("u1", "discrete", "uniform", "per-sample", "zero")
TRAINED = ("weights", "statistics", "mean", "square")


def noise(n: int = 21, side: int = 8) -> Problem:
    generator = rng.stream(0, "synthetic", "labels", side, n)
    images = generator.normal(size=(n + 7, 2, side, side)).astype(np.float32)
    labels = generator.integers(0, 3, n + 7)
    return Problem(images[:n], labels[:n], images[n:], labels[n:], ("a", "b", "c"), side, "labels")


def recipe_of(**settings) -> ClassifierRecipe:
    return ClassifierRecipe(**{"batch": 8, "lr": 3e-3, "weight_decay": 1e-2, "label_loss": "u1"} | settings)


def trained(engine: type[Trainer], recipe: ClassifierRecipe, problem: Problem, epochs: int = 2):
    start = untrained(recipe.build(problem), (3, 5), recipe.optimiser)
    replicas, loss = engine.advance(recipe, problem, start, epochs)
    return replicas, loss, engine.logits(recipe, problem, replicas, problem.test_images)


def same_bits(a: Replicas, b: Replicas) -> bool:
    """Whether replicas are equal bit for bit, second outputs apart."""
    for kind in TRAINED:
        mine, other = ({k: v for k, v in getattr(r, kind).items() if "label." not in k} for r in (a, b))
        if mine.keys() != other.keys() or not all(np.array_equal(mine[k], other[k]) for k in mine):
            return False
    return True


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["simple", "dropout", "batchnorm", "flip"])
def test_a_second_output_of_weight_zero_changes_no_bit(name, engine, optimiser):
    problem, more = noise(), {"network": name, "optimiser": optimiser, "augment": "d1"}
    plain = trained(engine, recipe_of(label_loss="none", **more), problem)
    silent = trained(engine, recipe_of(label_weight=0, **more), problem)
    assert same_bits(silent[0], plain[0]) and np.array_equal(silent[1], plain[1])
    assert np.array_equal(silent[2], plain[2]), "logits"
    slightest = trained(engine, recipe_of(label_weight=1e-3, **more), problem)
    assert not same_bits(slightest[0], plain[0]), "a weight of a thousandth would be seen"


@pytest.mark.parametrize("name", ["resnet18_small", "efficientnet_small"])
def test_a_second_output_of_weight_zero_changes_no_bit_of_deep_networks(name):
    problem = noise(n=8)
    plain, silent = (
        trained(LoopTrainer, recipe_of(network=name, **more), problem, 1)[0]
        for more in ({"label_loss": "none"}, {"label_weight": 0})
    )
    assert same_bits(silent, plain)


@pytest.mark.parametrize("kind", KINDS)
def test_engines_agree_on_labels(kind):
    problem, recipe = noise(), recipe_of(label_loss=kind, label_weight=0.7, augment="c2")
    start = untrained(recipe.build(problem), (3, 5))
    plain, loss, logits = trained(LoopTrainer, recipe, problem)
    for engine in (CompiledTrainer, StackedTrainer):
        found, mean, answers = trained(engine, recipe, problem)
        assert np.abs(mean / loss - 1).max() < 3e-4 and np.abs(answers - logits).max() < 5e-3 * np.abs(logits).max()
        for key, values in plain.weights.items():
            moved = np.linalg.norm(values - start.weights[key])
            assert np.linalg.norm(found.weights[key] - values) < 2e-2 * moved, (engine, key)
    other = trained(LoopTrainer, recipe.model_copy(update={"label_weight": 0.6}), problem)[0]
    moved = np.linalg.norm(plain.weights["first.weight"] - start.weights["first.weight"])
    assert np.linalg.norm(other.weights["first.weight"] - plain.weights["first.weight"]) > 2e-2 * moved, "is seen"


def whole_loss(network: torch.nn.Module, problem: Problem, kind: str, weight: float) -> torch.Tensor:
    images, labels = torch.from_numpy(problem.images).double(), torch.from_numpy(problem.labels)
    places = torch.from_numpy(label_places(kind, 4, problem.labels, 3)).double()
    logits, label = network(images)
    return functional.cross_entropy(logits, labels) + weight * label_distance(label, places)


@pytest.mark.parametrize("kind", KINDS)
def test_slopes_are_those_of_finite_differences(kind):
    problem, weight = noise(n=6), 0.7
    network = recipe_of().build(problem).double().train()
    initialise(network, rng.stream(0, "weights"))
    whole_loss(network, problem, kind, weight).backward()
    draw, step = rng.stream(1, "synthetic", "places"), 1e-6
    for name, values in network.named_parameters():
        for k in draw.integers(0, values.numel(), 3):
            ends = []
            for sign in (1, -1):
                with torch.no_grad():
                    values.view(-1)[k] += sign * step
                    ends.append(whole_loss(network, problem, kind, weight).item())
                    values.view(-1)[k] -= sign * step
            assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(values.grad.view(-1)[k].item(), abs=2e-8), name


@pytest.mark.parametrize("engine", ENGINES)
def test_one_step_of_descent_goes_down_the_whole_loss(engine):
    problem = noise(n=8)
    recipe = recipe_of(optimiser="sgd", lr=0.1, weight_decay=0, label_weight=0.7, label_loss="per-sample")
    network = recipe.build(problem).double().train()
    before = untrained(recipe.build(problem), (4,), "sgd")
    after = engine.advance(recipe, problem, before, 1)[0]
    network.load_state_dict({k: torch.from_numpy(v[0]) for k, v in before.weights.items()})
    whole_loss(network, problem, "per-sample", 0.7).backward()
    for name, values in network.named_parameters():
        step = (before.weights[name][0] - after.weights[name][0]) / 0.1
        assert np.abs(step - values.grad.numpy()).max() < 2e-6 * max(1, np.abs(step).max()), name


def test_places_are_what_they_are_called():
    labels = np.array([0, 2, 1, 0, 2] * 40)
    for kind in KINDS:
        places = label_places(kind, 0, labels, 3)
        assert places.dtype == np.float32 and places.shape == (200, 2)
        assert np.array_equal(places, label_places(kind, 0, labels, 3))
        shared = all(len(np.unique(places[labels == c], axis=0)) == 1 for c in range(3))
        assert shared == (kind != "per-sample")
        assert np.array_equal(places, label_places(kind, 1, labels, 3)) == (kind == "zero"), "by seed"
    lengths = {kind: np.hypot(*label_places(kind, 3, labels, 3).T.astype(float)) for kind in KINDS}
    assert np.allclose(lengths["u1"], 1) and np.allclose(lengths["per-sample"], 1)
    assert np.allclose(lengths["discrete"], np.sqrt(2)) and not lengths["zero"].any()
    corners = label_places("discrete", 0, np.arange(4000), 4000)
    assert sorted(np.unique(corners, axis=0, return_counts=True)[1])[0] > 850, "all four corners alike"
    square = label_places("uniform", 0, np.arange(4000), 4000)
    assert np.abs(square).max() <= 1 and np.abs(square.var(axis=0) - 1 / 3).max() < 0.02
    circle = label_places("u1", 0, np.arange(4000), 4000)
    assert np.hypot(*circle.mean(axis=0)) < 4 / np.sqrt(4000), "angles have no direction"
    assert label_places("none", 0, labels, 3).shape == (0, 2)


def test_first_weights_are_those_without_a_second_output():
    problem = noise()
    plain, labelled = (untrained(recipe_of(label_loss=kind).build(problem), (3,)) for kind in ("none", "u1"))
    assert set(labelled.weights) - set(plain.weights) == {"label.weight", "label.bias"}
    assert all(np.array_equal(labelled.weights[key], values) for key, values in plain.weights.items())


def test_recipes_without_labels_are_written_as_before():
    assert not {"label_loss", "label_weight"} & ClassifierRecipe().model_dump(mode="json").keys()
    written = recipe_of(label_weight=0.5).model_dump(mode="json")
    assert written["label_loss"] == "u1" and ClassifierRecipe.model_validate(written) == recipe_of(label_weight=0.5)


@pytest.mark.parametrize(
    "settings",
    [{"network": "flip_tied"}, {"network": "d4_fields"}, {"average": "d4"}, {"network": "d4_averaged"}],
    ids=str,
)
def test_networks_without_a_layer_for_it_are_refused(settings):
    with pytest.raises(InputError, match="a label in the plane is for simple"):
        recipe_of(**settings).build(noise())


@pytest.mark.parametrize("settings", [{"soft_equivariance": ("flip:auto",)}, {"charges": True}], ids=str)
def test_what_knows_the_cross_entropy_alone_is_refused(settings):
    with pytest.raises(InputError, match="leave out the label"):
        recipe_of(**settings).build(noise())


def test_logits_do_not_depend_on_what_they_are_asked_with():
    problem = noise()
    replicas, _, logits = trained(CompiledTrainer, recipe_of(), problem)
    for engine in ENGINES:
        found = engine.logits(recipe_of(), problem, replicas, problem.test_images)
        assert found.shape == (2, 7, 3) and np.abs(found - logits).max() < 1e-5
