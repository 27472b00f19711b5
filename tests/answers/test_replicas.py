from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.replicas.gauge import canonical
from physnn.answers.replicas import HEADLINE, STUDY_DISTANCES, layer_chain, study_json, study_replicas
from physnn.figures.replicas import replicas_figure
from physnn.networks.classifiers.loop import LoopTrainer
from physnn.networks.classifiers.replicas import ClassifierRecipe, ImageShape, Replicas, untrained
from physnn.networks.tasks.problem import ProblemRecipe, load_problem
from physnn.store.ensemble_file import Ensemble, EnsembleFile
from tests.frames import assert_framed
from tests.synthetic.replicas import random_gauge

KNOWN = ("simple", "dropout", "batchnorm", "flip", "rotation", "flip_tied", "rotation_tied", "quarter_tied")
IMAGES = ImageShape(1, 8, 8, tuple("0123456789"))


@pytest.mark.parametrize("name", KNOWN)
def test_the_chain_of_a_network_keeps_its_function(name):
    problem = load_problem(ProblemRecipe(train=20, test=20))
    recipe = ClassifierRecipe(network=name, epochs=1)
    replicas, _ = LoopTrainer.advance(recipe, problem, untrained(recipe.build(problem), (0, 1)), 2)
    layers = layer_chain(recipe, IMAGES)
    before = LoopTrainer.logits(recipe, problem, replicas, problem.test_images)
    for change in (canonical, lambda w, c: random_gauge(w, c, rng.stream(0, "synthetic", "gauge"))):
        weights = change({**replicas.weights, **replicas.statistics}, layers)
        single = {k: v.astype(np.float32) for k, v in weights.items()}
        moved = Replicas(
            replicas.seeds,
            {k: single[k] for k in replicas.weights},
            {k: single[k] for k in replicas.statistics},
            replicas.mean,
            replicas.square,
        )
        after = LoopTrainer.logits(recipe, problem, moved, problem.test_images)
        assert np.abs(after - before).max() < 1e-4 * np.abs(before).max()
        assert any(np.abs(single[k] - replicas.weights[k]).max() > 1e-3 for k in replicas.weights)


def test_networks_without_a_chain_have_none():
    assert layer_chain(ClassifierRecipe(network="mobilenet"), IMAGES) == ()


def planted(scales: dict[str, float], replicas: int = 12) -> EnsembleFile:
    """Ensembles of simple networks with normal weights of known standard deviations, one per replica."""
    shapes = {k: v.shape[1:] for k, v in untrained(ClassifierRecipe().build(IMAGES), (0,)).weights.items()}
    ensembles = {}
    for name, spread in scales.items():
        draw = rng.stream(5, "synthetic", "planted", name)
        sd = np.exp(spread * draw.normal(size=replicas))
        weights = {
            k: (draw.normal(size=(replicas, *s)) * sd.reshape(-1, *[1] * len(s))).astype(np.float32)
            for k, s in shapes.items()
        }
        measured = {
            "loss": np.full((replicas, 1), 0.5),
            "train_accuracy": np.ones(replicas),
            "test_accuracy": draw.uniform(0.8, 0.9, replicas),
            "test_loss": np.ones(replicas),
            "predictions": draw.integers(0, 10, (replicas, 40)),
        }
        ensembles[name] = Ensemble(np.arange(replicas), weights, measured)
    member = {
        "recipe": {"network": "simple"},
        "images": {"channels": 1, "side": 8, "raw_side": 8, "classes": list("0123456789")},
    }
    return EnsembleFile({"ensembles": dict.fromkeys(scales, member)}, ensembles)


def test_planted_ensembles_come_in_their_order():
    study = study_replicas(planted({"narrow": 0.02, "wide": 0.3}))
    assert study.comparison is not None and study.comparison.names == ("wide", "narrow")
    difference = study.differences["wide", "narrow"]
    assert difference.value > 3 * difference.error
    # The order comes from the scales alone, and so it goes with them.
    normalised = [study.ensembles[n].metrics["wasserstein_normalised"].estimate for n in ("wide", "narrow")]
    assert abs(normalised[0].value - normalised[1].value) < 4 * np.hypot(normalised[0].error, normalised[1].error)
    untrained_ = [study.ensembles[n].distances["wasserstein_untrained"] for n in ("wide", "narrow")]
    assert np.array_equal(*untrained_), "the same seeds start from the same weights"
    assert abs(study.ensembles["wide"].class_overlap.mean.value) < 0.02
    plain = study_json(study)
    assert [n["name"] for n in plain["networks"]] == ["narrow", "wide"] and plain["ordering"] == ["wide", "narrow"]
    assert set(plain["networks"][0]["metrics"]) == set(STUDY_DISTANCES)
    assert len(replicas_figure(study).axes) == 4


def test_equal_ensembles_are_not_told_apart():
    study = study_replicas(planted({"a": 0.2, "b": 0.2}, 30))
    (difference,) = study.differences.values()
    assert abs(difference.value) < 3 * difference.error
    assert study.ensembles["a"].metrics[HEADLINE].replicas == 30
    assert_framed(study, len(study.ensembles), "network", HEADLINE, "accuracy", value=study.ensembles["a"].accuracy)
