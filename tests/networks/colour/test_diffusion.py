"""Diffusion: moments of the forward process, its posterior, and samples where the exact denoiser is known."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.networks.colour.bars import ridge_of
from physnn.networks.colour.diffusion import Diffusion, denoised, noised, posterior
from physnn.networks.colour.pictures import DISC_COLOURS, SHARE_OF_FIRST, grey_of


def test_moments_of_the_forward_process_are_those_of_its_steps():
    diffusion = Diffusion(1000)
    rates, mean, variance = np.linspace(1e-4, 0.02, 1000), 1.0, 0.0
    for t, rate in enumerate(rates, 1):
        mean, variance = mean * np.sqrt(1 - rate), variance * (1 - rate) + rate
        assert noised(1.0, 0.0, diffusion.kept[t]) == pytest.approx(mean, rel=1e-12)
        assert noised(0.0, 1.0, diffusion.kept[t]) ** 2 == pytest.approx(variance, rel=1e-12)
    assert diffusion.kept[0] == 1 and diffusion.kept[-1] < 1e-4
    assert Diffusion(50).kept[-1] < 1e-4, "few steps reach the noise, too"
    assert diffusion.times(20)[0] == 1000 and diffusion.times(20)[-1] == 1 and len(diffusion.times(20)) == 20
    assert Diffusion(5).times(20) == [5, 4, 3, 2, 1]


def test_the_posterior_is_that_of_bayes():
    kept = Diffusion(1000).kept
    for t, s in ((700, 699), (700, 300), (2, 1)):
        ratio, x, x0 = kept[t] / kept[s], 0.3, -0.7
        precision = 1 / (1 - kept[s]) + ratio / (1 - ratio)
        mean = (np.sqrt(kept[s]) * x0 / (1 - kept[s]) + np.sqrt(ratio) * x / (1 - ratio)) / precision
        assert posterior(x, x0, kept[t], kept[s]) == pytest.approx((mean, 1 / precision), rel=1e-10)


MEAN, VARIANCE = 0.4, 0.09


def gaussian_moments(count: int, ancestral: bool, variance: float = VARIANCE) -> tuple[float, float]:
    """Mean and variance of samples of a pixel by the exact denoiser: the sampler is linear in all of its noise."""
    diffusion = Diffusion(1000)

    def predict(x: np.ndarray, t: int) -> np.ndarray:
        """Expected noise, given a state of N(MEAN, variance) with noise."""
        a = diffusion.kept[t]
        return np.sqrt(1 - a) * (x - np.sqrt(a) * MEAN) / (a * variance + 1 - a)

    places = len(diffusion.times(count)) + 1
    basis, drawn = np.concatenate([np.zeros((places, 1)), np.eye(places)], axis=1), iter(range(1, places))
    found = denoised(
        predict, basis[0], diffusion, count, (lambda: basis[next(drawn)]) if ancestral else None, clip=False
    )
    return found[0], float(((found[1:] - found[0]) ** 2).sum())


@pytest.mark.parametrize("ancestral", [False, True])
def test_samples_of_a_gaussian_pixel_have_its_mean_and_variance(ancestral):
    errors = []
    for count in (125, 250, 500):
        mean, variance = gaussian_moments(count, ancestral)
        assert mean == pytest.approx(MEAN, abs=1e-3)
        errors.append(variance / VARIANCE - 1)
    assert 0 < abs(errors[2]) < abs(errors[1]) < abs(errors[0]) < 0.2
    assert abs(2 * errors[2] - errors[1]) < 0.3 * abs(errors[1]), "no error is left without steps"
    wrong = gaussian_moments(500, ancestral, 2 * VARIANCE)[1]
    assert abs(wrong / VARIANCE - 1) > 0.5, "another denoiser has another variance"


COLOURS = 2 * np.array(DISC_COLOURS) - 1
SHARES = np.array([SHARE_OF_FIRST, 1 - SHARE_OF_FIRST])


@pytest.mark.parametrize("ancestral", [False, True])
def test_a_world_of_two_colours_is_sampled_in_its_shares(ancestral):
    diffusion, n = Diffusion(1000), 2000
    draw = rng.stream(0, "synthetic", "two colours")

    def predict(x: np.ndarray, t: int) -> np.ndarray:
        a = diffusion.kept[t]
        logs = np.log(SHARES) - ((x[:, None] - np.sqrt(a) * COLOURS) ** 2).sum(-1) / (2 * (1 - a))
        weights = np.exp(logs - logs.max(1, keepdims=True))
        expected = (weights / weights.sum(1, keepdims=True)) @ COLOURS
        return (x - np.sqrt(a) * expected) / np.sqrt(1 - a)

    back = (lambda: draw.normal(size=(n, 3))) if ancestral else None
    found = denoised(predict, draw.normal(size=(n, 3)), diffusion, 100, back)
    off = np.abs(found[:, None] - COLOURS).max(-1)
    assert off.min(1).max() < 0.01, "every sample has one of both colours"
    assert abs((off[:, 0] < off[:, 1]).mean() - SHARE_OF_FIRST) < 4 * np.sqrt(np.prod(SHARES) / n)
    # The regression with the least squares has the mean instead, which is neither colour.
    world = np.array(DISC_COLOURS, np.float32)[(draw.random(400) > SHARE_OF_FIRST).astype(int)]
    images = np.broadcast_to(world[:, :, None, None], (400, 3, 5, 5)).copy()
    patch = np.append(np.full(25, grey_of(images)[0, 0, 0, 0]), 1.0)
    told = patch @ ridge_of(images) + patch[0]
    assert np.allclose(told, world.mean(0), atol=1e-3)
    assert np.abs(told - np.array(DISC_COLOURS)).max(1).min() > 0.15
