from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.func import functional_call, stack_module_state, vmap

from physnn import rng
from physnn.errors import InputError
from physnn.networks.tasks.expansion import Expansion, append_constants, expand, upsample

FACTORS = (2, 3, 4, 5)


def pixels(n: int = 3, channels: int = 2, side: int = 4) -> np.ndarray:
    return rng.stream(0, "synthetic", "pixels").random((n, channels, side, side), np.float32) + 2


def test_the_papers_example_by_two():
    image = np.array([[1, 2], [3, 4]], np.float32)[None, None]
    expected = [[1, 0.5, 2, 0.5], [0.5] * 4, [3, 0.5, 4, 0.5], [0.5] * 4]
    assert expand(image, 2, 0.5)[0, 0].tolist() == expected


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("fill", [0, 0.25, 0.5, 1])
def test_original_pixels_at_even_spacing_and_the_fill_everywhere_else(factor, fill):
    images = pixels()
    out = expand(images, factor, fill)
    assert out.dtype == np.float32 and out.shape == (3, 2, 4 * factor, 4 * factor)
    for i in range(4 * factor):
        for j in range(4 * factor):
            here = i % factor == 0 and j % factor == 0
            expected = images[:, :, i // factor, j // factor] if here else fill
            assert (out[:, :, i, j] == expected).all()
    assert np.array_equal(images, pixels()), "the images themselves stay"


def test_sides_may_differ_and_bytes_come_in_units_of_one():
    out = expand(np.full((1, 1, 2, 3), 51, np.uint8), 2, 0)
    assert out.shape == (1, 1, 4, 6) and out.sum() == pytest.approx(6 * 0.2)


@pytest.mark.parametrize("fill", ["random", "pattern"])
def test_random_fill(fill):
    images = pixels(40)
    out = expand(images, 3, fill, seed=1)
    assert np.array_equal(out[..., ::3, ::3], images)
    assert np.array_equal(out, expand(images, 3, fill, seed=1))
    assert not np.array_equal(out, expand(images, 3, fill, seed=2))
    assert np.array_equal(out[:7], expand(images[:7], 3, fill, seed=1)), "independent of how many images follow"
    between = np.ones(out.shape[-2:], bool)
    between[::3, ::3] = False
    drawn = out[..., between]
    assert drawn.min() >= 0 and drawn.max() < 1
    if fill == "random":
        # Mean and variance of uniform numbers, |z| < 4.
        assert abs(drawn.mean(dtype=float) - 1 / 2) < 4 * np.sqrt(1 / 12 / drawn.size)
        assert abs(drawn.var(dtype=float) - 1 / 12) < 4 * np.sqrt(1 / 180 / drawn.size)
    assert (drawn[0] == drawn[1]).all() == (fill == "pattern")


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("fill", [0.0, 0.25, 0.5, 1.0, "pattern"])
def test_transform_and_layer_give_the_same(factor, fill):
    images = pixels()
    layer = Expansion(2, 4, factor, fill, seed=5)
    assert np.array_equal(layer(torch.from_numpy(images)).numpy(), expand(images, factor, fill, seed=5))
    assert list(layer.parameters()) == [] and layer.state_dict() == {}


def test_the_layer_draws_anew_in_every_call_and_follows_torchs_seed():
    layer, images = Expansion(2, 4, 2, "random"), torch.from_numpy(pixels())
    torch.manual_seed(3)
    first, second = layer(images), layer(images)
    torch.manual_seed(3)
    assert torch.equal(layer(images), first) and not torch.equal(first, second)
    assert torch.equal(first[..., ::2, ::2], images)


@pytest.mark.parametrize("fill", [0.5, "pattern", "random"])
def test_the_layer_works_under_vmap_and_passes_gradients(fill):
    def network() -> torch.nn.Module:
        return torch.nn.Sequential(Expansion(2, 4, 2, fill, seed=1), torch.nn.Conv2d(2, 3, 3))

    replicas = [network() for _ in range(4)]
    parameters, buffers = stack_module_state(replicas)
    images = torch.from_numpy(pixels())

    def loss(p, b):
        return functional_call(replicas[0], (p, b), (images,)).square().mean()

    out = vmap(loss, randomness="different")(parameters, buffers)
    gradients = vmap(torch.func.grad(loss), randomness="different")(parameters, buffers)
    assert all(v.isfinite().all() and (v != 0).any() for v in gradients.values())
    if fill != "random":
        assert torch.allclose(out, torch.stack([r(images).square().mean() for r in replicas]), atol=1e-6)
    images.requires_grad_()
    Expansion(2, 4, 3, fill)(images).sum().backward()
    assert torch.equal(images.grad, torch.ones_like(images))


@pytest.mark.parametrize("factor", FACTORS)
def test_upsampling_is_torchs(factor):
    images = pixels()
    enlarged = upsample(images, factor)
    assert enlarged.shape == expand(images, factor).shape
    assert np.array_equal(enlarged, torch.nn.Upsample(scale_factor=factor)(torch.from_numpy(images)).numpy())


def test_constant_features():
    vectors = np.array([[0.7], [0.2]], np.float32)
    expected = np.array([[0.7, 0.5], [0.2, 0.5]], np.float32)
    assert np.array_equal(append_constants(vectors), expected)
    assert append_constants(np.zeros((4, 3, 2)), 5, -1.0).shape == (4, 3, 7)
    assert append_constants(np.array([[1]])).tolist() == [[1, 0.5]], "not cut to a whole number"


@pytest.mark.parametrize("factor", [0, 1, 6, -2, 2.5])
def test_other_factors_are_refused(factor):
    for make in (lambda: expand(pixels(), factor), lambda: upsample(pixels(), factor), lambda: Expansion(2, 4, factor)):
        with pytest.raises(InputError, match="take a factor of 2, 3, 4 or 5"):
            make()


def test_other_fills_are_refused():
    for fill in ("grey", float("nan"), float("inf")):
        with pytest.raises(InputError, match="cannot be filled with"):
            expand(pixels(), 2, fill)
        with pytest.raises(InputError, match="cannot be filled with"):
            Expansion(2, 4, 2, fill)
    for count, value in ((0, 0.5), (1, float("nan"))):
        with pytest.raises(InputError, match="cannot be appended"):
            append_constants(np.zeros((1, 1)), count, value)
