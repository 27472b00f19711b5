from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from physnn import rng
from physnn.errors import InputError
from physnn.models.groups.soft import DRAWN_LAYERS, SoftSymmetry, soft_symmetries
from physnn.networks.classifiers.drawn import (
    calibration,
    check_soft,
    softened_layers,
    symmetric_replicas,
    symmetric_start,
    symmetric_statistics,
    without_held_out,
)
from physnn.networks.classifiers.engines import ENGINES, train_replicas
from physnn.networks.classifiers.replicas import ClassifierRecipe, untrained
from physnn.networks.classifiers.zoo import build
from physnn.networks.symmetry.layers import move_pixels
from physnn.networks.symmetry.measure import with_weights
from physnn.networks.symmetry.strengths import StrengthRange, shrinkage, tuned_strengths
from physnn.networks.tasks.problem import Problem

WORDS = ("flip:auto", "rotation:3", "translation:auto")


def oriented(n: int, tests: int, kind: str, seed: int = 0) -> Problem:
    """Noisy images of two shapes, upright and turned by 90 degrees: four classes, and a known symmetry.

    ``flip``: every image may be flipped; ``none``: flips and turns tell the classes of one shape apart; ``all``: the
    classes are four shapes in any position.
    """
    draw = rng.stream(seed, "synthetic", "oriented", kind)
    shapes = np.round(rng.stream(5, "synthetic", "shapes").normal(size=(4, 4, 4))).repeat(2, 1).repeat(2, 2)
    labels = np.arange(n + tests) % 4
    draw.shuffle(labels)
    flips, turns = draw.integers(0, 2, n + tests), draw.integers(0, 4, n + tests)
    images = np.empty((n + tests, 1, 8, 8), np.float32)
    for image, c, flip, turn in zip(images, labels, flips, turns, strict=True):
        if kind == "flip":
            shape = np.rot90(shapes[c // 2], c % 2)[:, :: 1 - 2 * flip]
        elif kind == "none":
            shape = np.rot90(shapes[0][:, :: 1 - 2 * (c // 2)], c % 2)
        else:
            shape = np.rot90(shapes[c], turn)[:, :: 1 - 2 * flip]
        image[0] = shape
    images += draw.normal(size=images.shape)
    images /= images.std()
    names = ("a", "b", "c", "d")
    return Problem(images[:n], labels[:n], images[n:], labels[n:], names, 8, kind)


@pytest.mark.parametrize("point", ["flip", "rotation", "half-turn", "d4"])
def test_weights_with_a_symmetry_forced_give_logits_that_it_leaves_alone(point):
    problem = oriented(16, 8, "none")
    symmetries = soft_symmetries([f"{point}:auto"])
    recipe = ClassifierRecipe(soft_equivariance=(f"{point}:auto",))
    network, images = recipe.build(problem), torch.from_numpy(problem.images)
    drawn = untrained(network, (0,)).weights
    forced = next(symmetric_replicas(network, 8, symmetries, drawn))
    group = {"flip": "d1", "rotation": "c4", "half-turn": "c2", "d4": "d4"}[point]
    for weights, even in ((drawn, False), (forced, True)):
        net = next(with_weights(network, weights))
        with torch.no_grad():
            moved = [net(move_pixels(group, g, images)) for g in range(1, {"d4": 8, "c4": 4}.get(group, 2))]
            assert all(torch.allclose(net(images), one, atol=1e-5) for one in moved) == even


def test_first_weights_lose_deviations_from_tuned_symmetries_alone_and_keep_their_length():
    network = ClassifierRecipe().build(oriented(16, 8, "none"))
    drawn = untrained(network, (0, 1)).weights
    found = symmetric_start(network, 8, soft_symmetries(["flip:auto", "rotation:1"]), drawn)
    even = next(symmetric_replicas(network, 8, soft_symmetries(["flip:auto"]), found))
    turned = next(symmetric_replicas(network, 8, soft_symmetries(["rotation:auto"]), found))
    for name, values in found.items():
        assert np.allclose(even[name], values, atol=1e-6)
        assert math.isclose(np.linalg.norm(values[1]), np.linalg.norm(drawn[name][1]), rel_tol=1e-5)
    assert not np.allclose(turned["first.weight"], found["first.weight"], atol=1e-2)


@pytest.mark.parametrize("network", ["batchnorm"])
def test_engines_agree_and_a_killed_training_goes_on_to_the_same_bits(network, tmp_path):
    problem = oriented(80, 12, "flip")
    recipe = ClassifierRecipe(network=network, epochs=3, batch=64, lr=0.003, soft_equivariance=WORDS)
    found = {name: train_replicas(recipe, problem, (0, 4), tmp_path / name, engine=name) for name in ENGINES}
    for name, arrays in found.items():
        assert arrays["soft_strength"].shape == (2, 3, 3, 4) and arrays["soft_cost"].shape == (2, 3)
        assert (arrays["soft_strength"][:, :, 1] == 3).all(), "what was given stays"
        for key in ("first.weight", "hidden.weight", "soft_deviation", "soft_strength"):
            assert np.allclose(arrays[key], found["loop"][key], rtol=2e-2, atol=2e-3), (name, key)

    class Killed(Exception):
        pass

    def killed(*_: object) -> None:  # after the first epoch, whose state is written by then
        raise Killed

    with pytest.raises(Killed):
        train_replicas(recipe, problem, (0, 4), tmp_path / "again", engine="compiled", report=killed)
    again = train_replicas(recipe, problem, (0, 4), tmp_path / "again", engine="compiled")
    assert all(np.array_equal(again[key], values) for key, values in found["compiled"].items())


def test_a_strong_pull_keeps_a_symmetry_in_training_and_none_leaves_the_training_as_it_is(tmp_path):
    problem = oriented(64, 12, "none")
    plain = ClassifierRecipe(epochs=2, batch=32)
    strong = plain.model_copy(update={"soft_equivariance": ("flip:1e5",)})
    weak = plain.model_copy(update={"soft_equivariance": ("flip:0",)})
    ran = [train_replicas(one, problem, (0,), tmp_path / str(k)) for k, one in enumerate((plain, weak, strong))]
    assert all(np.array_equal(ran[0][key], ran[1][key]) for key in ran[0])
    assert ran[1]["soft_deviation"][0, -1, 0].min() > 0.5 and ran[2]["soft_deviation"][0, -1, 0].max() < 1e-9
    assert abs(ran[2]["soft_cost"]).max() < 1e-6


def test_strengths_follow_slopes_of_unseen_data_within_their_range():
    limits = StrengthRange.of(0.001, 300, 30)
    symmetries = (SoftSymmetry("flip", None), SoftSymmetry("rotation", 2.0))
    noise = rng.stream(0, "synthetic", "slopes").normal(size=(8, 2, 1))
    start = np.array([[limits.first], [2.0]])
    rose = tuned_strengths(start, 50 + noise, symmetries, limits)
    fell = tuned_strengths(start, noise - 50, symmetries, limits)
    assert math.isclose(math.log(rose[0, 0] / limits.first), limits.step, rel_tol=1e-2)
    assert math.isclose(math.log(fell[0, 0] / limits.first), -limits.step, rel_tol=1e-2)
    assert rose[1, 0] == fell[1, 0] == 2.0
    assert np.array_equal(tuned_strengths(start, 0 * noise, symmetries, limits), start), "no deviation, no news"
    most = start
    for _ in range(30):
        most = tuned_strengths(most, 50 + noise, symmetries, limits)
    assert most[0, 0] == limits.most and shrinkage(most, 0.001)[0, 0] > 0.999


def test_calibrated_loss_does_not_depend_on_the_scale_of_logits():
    draw = rng.stream(0, "synthetic", "logits")
    labels = torch.from_numpy(draw.integers(0, 3, 400))
    z = torch.from_numpy(draw.normal(size=(400, 3))) + 2 * torch.nn.functional.one_hot(labels, 3)
    factor = calibration(z, labels)
    assert math.isclose(calibration(5 * z, labels) * 5, factor, rel_tol=1e-4)
    scale = torch.tensor(factor, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(torch.nn.functional.cross_entropy(scale * z, labels), scale)
    assert abs(slope.item()) < 1e-6


def test_images_held_out_have_all_classes_and_are_not_trained_on():
    problem = oriented(100, 8, "flip")
    kept, images, labels = without_held_out(problem)
    assert len(kept.images) == 80 and np.bincount(labels).tolist() == [5, 5, 5, 5]
    shown = {image.tobytes(): label for image, label in zip(problem.images, problem.labels, strict=True)}
    assert all(shown[image.tobytes()] == label for image, label in zip(images, labels, strict=True))
    assert not {image.tobytes() for image in images} & {image.tobytes() for image in kept.images}
    with pytest.raises(InputError, match="at least 80"):
        without_held_out(dataclasses.replace(problem, images=problem.images[:60], labels=problem.labels[:60]))


def deep(name: str, side: int) -> tuple[torch.nn.Module, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """A deeper network with first weights of one replica, and running statistics of images without a symmetry."""
    network = build(name, 1, side, 4)
    weights = untrained(network, (0,)).weights
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        network.train()(noisy(side, 8))
    kept = {key: v.numpy()[None].copy() for key, v in network.state_dict().items() if "running" in key}
    return network.eval(), weights, kept


def noisy(side: int, n: int) -> torch.Tensor:
    """Images of noise that grows from one corner to the other."""
    draw = rng.stream(n, "synthetic", "noisy").normal(size=(n, 1, side, side))
    return torch.from_numpy((draw * np.linspace(0.1, 2, side) + np.linspace(0, 1, side)[:, None]).astype(np.float32))


def moves(network: torch.nn.Module, arrays: dict[str, np.ndarray], side: int) -> float:
    """Largest change of a logit when turns and flips act on the image, over its scatter between images."""
    network.load_state_dict({key: torch.from_numpy(v[0]) for key, v in arrays.items()}, strict=False)
    with torch.no_grad():
        logits = torch.stack([network.double()(move_pixels("d4", g, noisy(side, 5).double())) for g in range(8)])
    return float(((logits - logits[0]).abs() / logits[0].std(0)).max())


@pytest.mark.parametrize("name", ["mobilenet", pytest.param("resnet18", marks=pytest.mark.slow)])
def test_deeper_networks_are_invariant_where_strides_commute_and_statistics_are_pooled(name, monkeypatch):
    d4 = soft_symmetries(["d4:auto"])
    network, drawn, statistics = deep(name, 9)
    check_soft(network, 17, d4)
    check_soft(network, 8, soft_symmetries(["translation:auto"]))
    with pytest.raises(InputError, match="strides of this network"):
        check_soft(network, 8, d4)
    forced, pooled = next(symmetric_replicas(network, 9, d4, drawn)), symmetric_statistics(d4[0], statistics)
    assert moves(network, forced | pooled, 9) < 1e-5
    assert moves(network, drawn | pooled, 9) > 1e-2 and moves(network, forced | statistics, 9) > 1e-2
    assert tuple(dict.fromkeys(softened_layers(network).values())) == DRAWN_LAYERS[name]
    monkeypatch.setattr("physnn.networks.classifiers.drawn.check_soft", lambda *_: None)
    even = next(symmetric_replicas(network, 8, d4, drawn))
    assert moves(network, even | pooled, 8) > 1e-2, "no weights make strides on an even side commute"


def test_pooled_statistics_are_those_of_all_values_together():
    draw = rng.stream(0, "synthetic", "pooled")
    values = draw.normal(size=(50, 8)) * np.arange(1, 9) + np.arange(8)
    statistics = {"norm.running_mean": values.mean(0)[None], "norm.running_var": values.var(0)[None]}
    found = symmetric_statistics(SoftSymmetry("d4", None), statistics)
    assert np.allclose(found["norm.running_mean"], values.mean()) and np.allclose(
        found["norm.running_var"], values.var()
    )
    assert symmetric_statistics(SoftSymmetry("translation", None), statistics) == statistics


def test_a_deeper_network_is_drawn_to_a_symmetry_layer_by_layer(tmp_path):
    problem = oriented(80, 8, "flip")
    images = [np.pad(a, ((0, 0), (0, 0), (0, 1), (0, 1))) for a in (problem.images, problem.test_images)]
    larger = dataclasses.replace(problem, images=images[0], test_images=images[1])
    recipe = ClassifierRecipe(network="mobilenet", epochs=1, batch=64, soft_equivariance=("flip:auto", "rotation:1e5"))
    found = train_replicas(recipe, larger, (0,), tmp_path / "state", engine="loop")
    assert found["soft_strength"].shape == (1, 1, 2, len(DRAWN_LAYERS["mobilenet"]))
    assert found["soft_deviation"][0, -1, 1].max() < 1e-9 < found["soft_deviation"][0, -1, 0].max()
    assert np.isfinite(found["soft_cost"]).all() and found["soft_cost"].any()


def test_networks_without_channels_that_are_copies_are_refused():
    for network in ("d4_fields", "so2_fields", "flip_tied", "efficientnet_small"):
        with pytest.raises(InputError, match="soft symmetries are for"):
            ClassifierRecipe(network=network, soft_equivariance=("flip:auto",)).build(oriented(16, 8, "flip"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["flip", "none", "all"])
def test_planted_symmetries_are_found_and_absent_ones_are_not(kind, tmp_path):
    """Deviations vanish where the data have the symmetry, and forcing it costs much where they do not."""
    problem = oriented(400, 600, kind)
    recipe = ClassifierRecipe(epochs=40, batch=32, soft_equivariance=("flip:auto", "rotation:auto"))
    found = train_replicas(recipe, problem, range(6), tmp_path / "state")
    largest, cost = found["soft_deviation"][:, -1].max(-1), found["soft_cost"]
    error = [values.std(0, ddof=1) / np.sqrt(6) for values in (largest, cost)]
    for s, planted in enumerate({"flip": (True, False), "none": (False, False), "all": (True, True)}[kind]):
        if planted:
            assert np.median(largest[:, s]) < 0.02 and abs(cost[:, s].mean()) < 0.02 + 3 * error[1][s]
        else:
            assert largest[:, s].mean() - 3 * error[0][s] > 0.02 and cost[:, s].mean() - 3 * error[1][s] > 0.1
