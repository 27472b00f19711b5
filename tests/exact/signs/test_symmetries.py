"""Symmetry put into +-1 networks by data, ties or averages: exact counts against every configuration one by one."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

from physnn.errors import InputError
from physnn.exact.signs.cnn import cnn_answers, cnn_landscape, solutions
from physnn.models.groups.representations import PointGroup
from physnn.models.sign_cnn import INVARIANT, SignCNN, filter_margins, image_positions, two_by_two_images

IMAGES, LABELS = two_by_two_images()
counted = functools.cache(cnn_landscape)


def logits(network: SignCNN, images: np.ndarray) -> np.ndarray:
    """Logit of columns less that of rows, (configurations, images), without averages: the plain reference."""
    filters, hidden, output = network.weights(np.arange(network.configurations))
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    z = np.stack(
        [np.einsum("ijk,njk->ni", padded[:, r : r + 3, c : c + 3], filters) for r in range(2) for c in range(2)], axis=2
    )
    return np.maximum(np.maximum(z, 0) @ hidden.transpose(0, 2, 1), 0) @ output.transpose(0, 2, 1) @ [-1, 1]


def acted(images: np.ndarray, point: str, element: int) -> np.ndarray:
    """Images turned and flipped by numpy, not by what is tested."""
    turned = np.rot90(images if element < int(point[1]) else images[..., ::-1], 4 // int(point[1]) * element, (1, 2))
    return np.asarray(turned)


def averaged(network: SignCNN) -> np.ndarray:
    n = len(PointGroup(network.average).matrices)
    return sum(logits(network, acted(IMAGES, network.average, g)) for g in range(n)) / n


@pytest.mark.parametrize(
    ("variant", "data", "average"),
    [("equivariant", "half", "c1"), *((INVARIANT, *how) for how in (("all", "d2"), ("half", "d1"), ("all", "c4")))],
)
def test_levels_and_answers_are_those_of_all_configurations_one_by_one(variant, data, average):
    network = SignCNN(variant, data=data, average=average)
    margins = averaged(network) * (2 * LABELS - 1)
    losses = np.logaddexp(0, -margins[:, network.shown]).mean(axis=1)
    landscape = counted(network)
    nearest = abs(losses[:, None] - landscape.levels).argmin(axis=1)
    assert abs(losses - landscape.levels[nearest]).max() < 1e-13
    assert np.bincount(nearest, minlength=landscape.distinct).tolist() == landscape.counts.tolist()
    rows, counts = cnn_answers(network)
    different, known = np.unique(np.sign(margins).astype(np.int8), axis=0, return_counts=True)
    order = np.lexsort(rows.T[::-1])
    assert np.array_equal(rows[order], different) and np.array_equal(counts[order], known)


def test_flips_keep_labels_quarter_turns_change_them_and_six_images_stand_for_twelve():
    for point in ("d1", "d2", "c4", "d4"):
        places, stays = image_positions(point)
        for g, row in enumerate(places):
            assert np.array_equal(IMAGES[row], acted(IMAGES, point, g)) and sorted(row) == list(range(12))
        assert (stays == 1).all() == (point in ("d1", "d2"))
    shown = SignCNN(data="half").shown
    assert len(shown) == 6 and LABELS[shown].sum() == 3
    companions = image_positions("d2")[0][:, shown]
    assert sorted(set(companions.ravel())) == list(range(12))


def test_an_average_is_no_worse_than_augmented_data_and_the_same_on_half_of_them():
    # Cross-entropy is convex in the logits: the loss of a mean is at most the mean of the losses, weights by weights.
    network = SignCNN("equivariant")
    means = [
        np.logaddexp(0, -m * (2 * LABELS - 1)).mean(axis=1)
        for m in (averaged(SignCNN("equivariant", average="d2")), logits(network, IMAGES))
    ]
    assert (means[0] <= means[1] + 1e-12).all() and (means[0] < means[1] - 1e-3).any()
    one, other = (counted(SignCNN("equivariant", average="d2", data=data)) for data in ("all", "half"))
    assert np.allclose(one.levels, other.levels, rtol=1e-14) and (one.counts == other.counts).all()
    # Without an average, half of the data are another task.
    assert counted(SignCNN("equivariant", data="half")).distinct != counted(network).distinct


def test_logits_of_the_invariant_network_do_not_change_and_those_with_a_tied_filter_do():
    for variant, same in ((INVARIANT, True), ("equivariant", False)):
        network = SignCNN(variant)
        here = logits(network, IMAGES)
        assert all(np.array_equal(logits(network, acted(IMAGES, "d2", g)), here) for g in range(4)) == same


def test_averages_that_mix_the_classes_learn_nothing():
    assert counted(SignCNN(INVARIANT, average="c4")).levels[0] == pytest.approx(math.log(2), rel=1e-14)
    assert counted(SignCNN(INVARIANT)).levels[0] < math.log(2) - 0.3


def test_a_filter_of_the_network_without_ties_has_the_averages_of_its_margins():
    for number in (5, 333):
        plain, mean = (filter_margins(SignCNN(average=point), number) for point in ("c1", "d2"))
        places, _ = image_positions("d2")
        assert np.array_equal(mean.halves, plain.halves.astype(int)[..., places].sum(axis=2))
        assert mean.scale_squared == (1, 16) and plain.scale_squared == (1, 1)


def test_what_cannot_be_counted_is_refused():
    for settings in ({"data": "half"}, {"average": "d2"}):
        with pytest.raises(InputError, match="all images and without averages"):
            SignCNN("batch-norm", **settings)
    with pytest.raises(InputError, match="no point group"):
        SignCNN(average="d3")
    with pytest.raises(InputError, match="half of them"):
        SignCNN(data="some")
    with pytest.raises(InputError, match="not those of one network"):
        cnn_answers(SignCNN("dropout"))


@pytest.mark.slow
def test_averages_have_solutions_that_hold_for_all_images_and_half_of_the_data_have_none():
    networks = {"half": SignCNN(data="half"), "all": SignCNN(), "mean": SignCNN(average="d2")}
    found = {name: solutions(network) for name, network in networks.items()}
    assert found == {"half": (140, 0), "all": (0, 0), "mean": (240, 240)}
