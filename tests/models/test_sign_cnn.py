from __future__ import annotations

import math

import numpy as np
import pytest

from physnn.errors import InputError
from physnn.models.sign_cnn import (
    IMAGE_CLASSES,
    SIGN_CNN_VARIANTS,
    SignCNN,
    convolved,
    filter_margins,
    images_table,
    two_by_two_images,
)


def as_dict(images, labels):
    return {image.tobytes(): int(label) for image, label in zip(np.ascontiguousarray(images), labels, strict=True)}


def test_the_images_are_twelve_and_their_labels_have_the_symmetry_of_stripes():
    images, labels = two_by_two_images()
    known = as_dict(images, labels)
    assert images.shape == (12, 2, 2) and len(known) == 12
    assert set(images.ravel()) == {-1, 0, 1} and labels.tolist() == [0] * 6 + [1] * 6
    for turned in (images[:, ::-1], images[:, :, ::-1], np.rot90(images, 2, (1, 2)), -images):
        assert as_dict(turned, labels) == known
    for quarter in (1, 3):
        assert as_dict(np.rot90(images, quarter, (1, 2)), 1 - labels) == known, "and 90 degrees swap the labels"


def test_the_table_shows_every_image():
    lines = images_table().splitlines()
    assert (
        len(lines) == 14 and [line.split()[-1] for line in lines[2:]] == [IMAGE_CLASSES[0]] * 6 + [IMAGE_CLASSES[1]] * 6
    )
    pixels = [[int(word) for word in line.split()[1:5]] for line in lines[2:]]
    np.testing.assert_array_equal(np.reshape(pixels, (12, 2, 2)), two_by_two_images()[0])


@pytest.mark.parametrize(("variant", "free"), list(zip(SIGN_CNN_VARIANTS, (21, 21, 21, 16, 15), strict=True)))
def test_configurations_are_those_of_the_free_weights(variant, free):
    network = SignCNN(variant)
    assert network.free_weights == free and network.configurations == 2**free
    numbers = np.arange(2**free)[:: 2**free // 4096]
    filters, hidden, output = network.weights(numbers)
    assert (filters.shape, hidden.shape, output.shape) == ((4096, 3, 3), (4096, 2, 4), (4096, 2, 2))
    everything = np.concatenate([w.reshape(4096, -1) for w in network.weights(np.arange(4096))], axis=1)
    assert len(np.unique(everything, axis=0)) == 4096 and set(everything.ravel()) == {-1, 1}


def test_tied_filters_have_their_symmetry_and_no_more():
    # All filters of each variant, from the numbers with A and B at -1.
    every = {
        name: SignCNN(name).weights(np.arange(0, SignCNN(name).configurations, 4096))[0] for name in SIGN_CNN_VARIANTS
    }
    assert {name: len(np.unique(filters, axis=0)) for name, filters in every.items()} == {
        "baseline": 512,
        "dropout": 512,
        "batch-norm": 512,
        "equivariant": 16,
        "wrong-equivariant": 8,
    }
    right, wrong = every["equivariant"], every["wrong-equivariant"]
    for turned in (right[:, ::-1], right[:, :, ::-1], np.rot90(right, 2, (1, 2))):
        np.testing.assert_array_equal(turned, right)
    assert (np.rot90(right, 1, (1, 2)) != right).any()
    np.testing.assert_array_equal(np.rot90(wrong, 1, (1, 2)), wrong)
    images, _ = two_by_two_images()
    # A filter unchanged under a flip makes the features flip with the image.
    flipped = [as_dict(images, range(12))[image.tobytes()] for image in np.ascontiguousarray(images[:, ::-1])]
    features = convolved(right).reshape(-1, 12, 2, 2)
    np.testing.assert_array_equal(features[:, flipped], features[:, :, ::-1])


def test_dropout_masks_and_their_weights():
    masks, weights = SignCNN("dropout").masks()
    assert masks.shape == (16, 1, 4) and weights.sum() == 10**4
    np.testing.assert_allclose((weights @ masks[:, 0]) / 10**4, 0.7, rtol=1e-15)
    one, weight = SignCNN("dropout", mask_seed=3).masks()
    assert one.shape == (1, 12, 4) and weight.tolist() == [1]
    drawn = np.stack([SignCNN("dropout", mask_seed=seed).masks()[0] for seed in range(60)])
    z = (drawn.mean() - 0.7) / math.sqrt(0.21 / drawn.size)
    wrong = (drawn.mean() - 0.65) / math.sqrt(0.21 / drawn.size)
    assert abs(z) < 4 < abs(wrong)


def test_margins_are_even_and_bounded():
    for variant in SIGN_CNN_VARIANTS:
        margins = filter_margins(SignCNN(variant), 5)
        assert margins.halves.shape == (4096, len(margins.mask_weights), 12)
        assert abs(margins.halves.astype(int)).max() <= 32


def test_bad_input():
    with pytest.raises(InputError, match="use one of: baseline"):
        SignCNN("rotation")
    with pytest.raises(InputError, match="has no dropout mask"):
        SignCNN("baseline", mask_seed=1)
