from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from physnn import rng
from physnn.exact.signs import cnn
from physnn.exact.signs.cnn import cnn_landscape
from physnn.models.sign_cnn import SIGN_CNN_VARIANTS, SignCNN, filter_margins, two_by_two_images

NETWORKS = [SignCNN(variant) for variant in SIGN_CNN_VARIANTS] + [SignCNN("dropout", mask_seed=1)]
# Distinct losses, largest degeneracy, configurations at the minimum, and the minimum: a record of this program, which
# the other tests hold against torch.
COUNTED = {
    "baseline": (1180, 786812, 16, 0.24314901213),
    "dropout": (4488, 668036, 4, 0.37776673664),
    "batch-norm": (1996, 786812, 16, 0.30171289953),
    "equivariant": (
        31,
        41316,
        4,
        (6 * math.log(2) + 4 * math.log1p(math.exp(-16)) + 2 * math.log1p(math.exp(-32))) / 12,
    ),
    "wrong-equivariant": (21, 22628, 48, (8 * math.log(2) + 4 * math.log1p(math.exp(-8))) / 12),
    "dropout with mask 1": (3242, 747716, 2, 0.17548308689),
}


counted = functools.cache(cnn_landscape)


def name(network):
    return network.variant + ("" if network.mask_seed is None else f" with mask {network.mask_seed}")


def torch_loss(network, filter_, hidden, output):
    """Loss of one configuration with torch's own layers, in float64."""
    images, labels = two_by_two_images()
    x = torch.tensor(images, dtype=torch.float64)[:, None]
    z = functional.conv2d(x, torch.tensor(filter_, dtype=torch.float64)[None, None], padding=1)
    if network.variant == "batch-norm":
        z = functional.batch_norm(z, None, None, training=True, eps=1e-30)
    y = torch.relu(z).flatten(1)
    target = torch.tensor(labels)
    A, B = (torch.tensor(w, dtype=torch.float64) for w in (hidden, output))
    masks, probabilities = [torch.ones(4, dtype=torch.float64)], [1.0]
    if network.mask_seed is not None:
        masks = [torch.tensor(network.masks()[0][0], dtype=torch.float64) / 0.7]
    elif network.variant == "dropout":
        bits = [[k >> j & 1 for j in range(4)] for k in range(16)]
        masks = [torch.tensor(kept, dtype=torch.float64) / 0.7 for kept in bits]
        probabilities = [0.7 ** sum(kept) * 0.3 ** (4 - sum(kept)) for kept in bits]
    losses = [functional.cross_entropy(torch.relu(y * m @ A.T) @ B.T, target).item() for m in masks]
    return math.fsum(p * loss for p, loss in zip(probabilities, losses, strict=True))


def cnn_losses(network, numbers):
    """Losses of single configurations given by their numbers."""
    losses = np.empty(len(numbers))
    for place, number in enumerate(numbers.tolist()):
        margins = filter_margins(network, number // 4096)
        one = dataclasses.replace(margins, halves=margins.halves[number % 4096 :][:1])
        row = cnn._histograms(one, network)[0]
        losses[place] = cnn._loss(cnn._canonical(row, margins.scale_squared)) / (12 * int(margins.mask_weights.sum()))
    return losses


@pytest.mark.parametrize("network", NETWORKS, ids=name)
def test_losses_are_those_of_torch_on_random_configurations(network):
    generator = rng.stream(0, "synthetic", "sign-cnn", network.variant)
    numbers = generator.integers(0, network.configurations, 400)
    losses = cnn_losses(network, numbers)
    direct = np.array([torch_loss(network, *w) for w in zip(*network.weights(numbers), strict=True)])
    np.testing.assert_allclose(losses, direct, rtol=1e-12)
    # A negative control: the same weights in another order of the binary digits.
    assert np.mean(abs(cnn_losses(network, network.configurations - 1 - numbers) - direct) > 1e-6) > 0.2


# All masks take seconds; one of them stands for them by default.
@pytest.mark.parametrize(
    "network",
    [pytest.param(n, id=name(n), marks=[pytest.mark.slow] if name(n) == "dropout" else []) for n in NETWORKS],
)
def test_levels_and_their_counts(network):
    landscape = counted(network)
    distinct, largest, lowest, minimum = COUNTED[name(network)]
    assert landscape.weights == network.free_weights and landscape.configurations == network.configurations
    assert (landscape.distinct, landscape.max_degeneracy, landscape.counts[0]) == (distinct, largest, lowest)
    assert landscape.levels[0] == pytest.approx(minimum, rel=1e-10)
    assert landscape.levels[landscape.counts.argmax()] == pytest.approx(math.log(2), rel=1e-15), "all margins 0"
    numbers = rng.stream(1, "synthetic", "sign-cnn", network.variant).integers(0, network.configurations, 300)
    losses = cnn_losses(network, numbers)
    assert set(losses) <= set(landscape.levels)
    # Independent configurations: their mean loss is that of the levels within its error.
    p = landscape.probabilities
    mean = p @ landscape.levels
    error = math.sqrt(p @ (landscape.levels - mean) ** 2 / len(losses))
    assert abs(losses.mean() - mean) < 4 * error


@pytest.mark.parametrize("variant", ["equivariant", "wrong-equivariant"])
def test_the_smallest_landscapes_are_those_of_all_losses_one_by_one(variant):
    network = SignCNN(variant)
    landscape = counted(network)
    filters, hidden, output = network.weights(np.arange(network.configurations))
    images, labels = two_by_two_images()
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    z = np.stack(
        [np.einsum("ijk,njk->ni", padded[:, r : r + 3, c : c + 3], filters) for r in range(2) for c in range(2)], axis=2
    )
    a = np.maximum(np.maximum(z, 0) @ hidden.transpose(0, 2, 1), 0)
    margins = (a @ output.transpose(0, 2, 1) @ [-1, 1]) * (2 * labels - 1)
    losses = np.logaddexp(0, -margins).mean(axis=1)
    nearest = abs(losses[:, None] - landscape.levels).argmin(axis=1)
    assert abs(losses - landscape.levels[nearest]).max() < 1e-13 < landscape.closest / 1e6
    assert np.bincount(nearest, minlength=landscape.distinct).tolist() == landscape.counts.tolist()


def test_rounded_losses_would_merge_levels_that_differ():
    landscape = counted(SignCNN("baseline"))
    assert 1e-13 < landscape.closest < 1e-12
    rounded = np.unique(landscape.levels.round(9))
    assert len(rounded) < landscape.distinct


def test_a_wrong_symmetry_keeps_the_network_from_the_optimum():
    best = {network.variant: counted(network).levels[0] for network in NETWORKS[3:5]}
    assert best["equivariant"] < best["wrong-equivariant"] < math.log(2)
