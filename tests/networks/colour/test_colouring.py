"""Training of diffusion models: an independent implementation, forms side by side, and planted colours."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from physnn import rng
from physnn.networks.colour.colouring import ColourTraining
from physnn.networks.colour.diffusion import Diffusion
from physnn.networks.colour.pictures import DISC_COLOURS, SHARE_OF_FIRST, ColourPictures, grey_of
from physnn.networks.colour.rows import ColourNetworks, ColourSettings
from physnn.networks.colour.unet import unet
from physnn.networks.colour.unet_shapes import UNetShape

SETTINGS = {
    "times": 100,
    "batch": 2,
    "lr": 0.02,
    "ema": 0.9,
    "fill": 0.25,
    "sampler": "ddim",
    "sampling_steps": 3,
    "samples": 2,
    "engine": "loop",
    "device": "cpu",
    "precision": "float64",
}
SHAPE = UNetShape(4, 2)


def images(n: int = 5, side: int = 4) -> ColourPictures:
    drawn = rng.stream(0, "synthetic", "colours").random((n + 3, 3, side, side)).astype(np.float32)
    return ColourPictures(drawn[:n], drawn[n:], "none")


def training(arm: str = "raw", seeds: tuple[int, ...] = (3,), **more: object) -> ColourTraining:
    return ColourTraining(SHAPE, arm, seeds, images(), ColourSettings(**SETTINGS | more))


class Tape:
    """U-Net in numpy with slopes by hand: every call adds what takes its slope further back."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.arrays, self.slopes = arrays, {name: np.zeros_like(values) for name, values in arrays.items()}
        self.back: list = []

    def conv(self, name, x):
        w, (value, slope) = self.arrays[f"{name}.weight"], x
        k, h = w.shape[-1], value.shape[-1]
        padded = np.pad(value, ((0, 0), (0, 0), (k // 2, k // 2), (k // 2, k // 2)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (k, k), (2, 3))
        out = np.einsum("nchwij,ocij->nohw", windows, w) + self.arrays[f"{name}.bias"][:, None, None]
        own = np.zeros_like(out)

        def back():
            self.slopes[f"{name}.weight"] += np.einsum("nohw,nchwij->ocij", own, windows)
            self.slopes[f"{name}.bias"] += own.sum((0, 2, 3))
            wide = np.zeros_like(padded)
            for i in range(k):
                for j in range(k):
                    wide[:, :, i : i + h, j : j + h] += np.einsum("nohw,oc->nchw", own, w[:, :, i, j])
            slope[:] += wide[:, :, k // 2 : k // 2 + h, k // 2 : k // 2 + h]

        self.back.append(back)
        return out, own

    def linear(self, name, x):
        w, (value, slope) = self.arrays[f"{name}.weight"], x
        out = value @ w.T + self.arrays[f"{name}.bias"]
        own = np.zeros_like(out)

        def back():
            self.slopes[f"{name}.weight"] += own.T @ value
            self.slopes[f"{name}.bias"] += own.sum(0)
            slope[:] += own @ w

        self.back.append(back)
        return out, own

    def silu(self, x):
        value, slope = x
        gate = 1 / (1 + np.exp(-value))
        own = np.zeros_like(value)
        self.back.append(lambda: slope.__iadd__(own * gate * (1 + value * (1 - gate))))
        return value * gate, own

    def norm(self, name, x):
        value, slope = x
        groups = value.reshape(len(value), value.shape[1] // 4, -1)
        root = np.sqrt(groups.var(-1, keepdims=True) + 1e-5)
        unit = (groups - groups.mean(-1, keepdims=True)) / root
        gain, shift = (self.arrays[f"{name}.{kind}"][:, None, None] for kind in ("weight", "bias"))
        own = np.zeros_like(value)

        def back():
            self.slopes[f"{name}.weight"] += (own * unit.reshape(value.shape)).sum((0, 2, 3))
            self.slopes[f"{name}.bias"] += own.sum((0, 2, 3))
            g = (own * gain).reshape(groups.shape)
            rest = g - g.mean(-1, keepdims=True) - unit * (g * unit).mean(-1, keepdims=True)
            slope[:] += (rest / root).reshape(value.shape)

        self.back.append(back)
        return unit.reshape(value.shape) * gain + shift, own

    def passed(self, x, there, back_again):
        """A linear map by itself and its transpose."""
        out = there(x[0])
        own = np.zeros_like(out)
        self.back.append(lambda: x[1].__iadd__(back_again(own)))
        return out, own

    def add(self, a, b, there=lambda v: v, back_again=lambda v: v):
        out = a[0] + there(b[0])
        own = np.zeros_like(out)

        def back():
            a[1].__iadd__(own)
            b[1].__iadd__(back_again(own))

        self.back.append(back)
        return out, own

    def joined(self, a, b):
        out = np.concatenate([a[0], b[0]], 1)
        own, n = np.zeros_like(out), a[0].shape[1]

        def back():
            a[1].__iadd__(own[:, :n])
            b[1].__iadd__(own[:, n:])

        self.back.append(back)
        return out, own

    def block(self, name, h, embedded):
        inner = self.conv(f"{name}.0", self.silu(self.norm(f"{name}.norm.0", h)))
        time = self.linear(f"{name}.time", embedded)
        inner = self.add(inner, time, lambda v: v[:, :, None, None], lambda g: g.sum((2, 3)))
        inner = self.conv(f"{name}.1", self.silu(self.norm(f"{name}.norm.1", inner)))
        return self.add(inner, self.conv(f"{name}.skip", h) if f"{name}.skip.weight" in self.arrays else h)

    def loss(self, x, times, noise):
        """Loss of a network of two levels; the slopes are those of its arrays."""

        def halved(v):
            return v.reshape(*v.shape[:2], v.shape[2] // 2, 2, v.shape[3] // 2, 2).mean((3, 5))

        def doubled(v):
            return v.repeat(2, 2).repeat(2, 3)

        start = lambda v: (v, np.zeros_like(v))  # noqa: E731
        rates = 1e4 ** -(np.arange(2) / 2)
        angles = times[:, None] * rates
        embedded = self.silu(self.linear("time.0", start(np.concatenate([np.cos(angles), np.sin(angles)], 1))))
        embedded = self.silu(self.linear("time.1", embedded))
        first = self.block("down.0", self.conv("in", start(x)), embedded)
        second = self.block("down.1", self.passed(first, halved, lambda g: doubled(g) / 4), embedded)
        h = self.block("up.1", self.joined(self.block("middle", second, embedded), second), embedded)
        h = self.block("up.0", self.joined(self.passed(h, doubled, lambda g: 4 * halved(g)), first), embedded)
        out, own = self.conv("out", self.silu(self.norm("out.norm", h)))
        own[:] = 2 * (out - noise) / noise.size
        for back in self.back[::-1]:
            back()
        return ((out - noise) ** 2).mean()


def test_the_first_steps_are_those_of_an_independent_implementation():
    trained, data = training(), images()
    with torch.no_grad():  # the last matrix begins at 0, and would hide slopes of all others
        trained.networks.views(trained.networks.flat)["out.weight"][:] = 0.1
    views = trained.networks.views(trained.networks.flat)
    arrays = {name: view[0].numpy().copy() for name, view in views.items()}
    moments = {name: (np.zeros_like(v), np.zeros_like(v)) for name, v in arrays.items()}
    means = {name: v.copy() for name, v in arrays.items()}
    trained.mean.copy_(trained.networks.flat)
    kept = np.cumprod(1 - np.minimum(np.linspace(1e-4, 0.02, 100) * 10, 0.999))
    for step in range(4):
        order = rng.stream(3, "order", "colour", "raw", step // 2).permutation(5)
        chosen = order[2 * (step % 2) : 2 * (step % 2) + 2]
        draw = rng.stream(3, "batch", "colour", "raw", step)
        times = draw.integers(1, 101, 2)
        noise = draw.standard_normal((2, 3, 4, 4), np.float32).astype(float)
        a = kept[times - 1][:, None, None, None]
        noisy = np.sqrt(a) * (2 * data.train[chosen].astype(float) - 1) + np.sqrt(1 - a) * noise
        grey = (2 * grey_of(data.train[chosen]) - 1).astype(float)
        tape = Tape(arrays)
        loss = tape.loss(np.concatenate([noisy, grey], 1), times * 10.0, noise)
        trained.advance()
        assert float(trained.losses[0]) == pytest.approx(loss, rel=1e-6), step
        for name, slope in tape.slopes.items():
            first, second = moments[name]
            first += 0.1 * (slope - first)
            second += 0.001 * (slope**2 - second)
            arrays[name] = arrays[name] * (1 - 0.02 * 0.01) - 0.02 * (first / (1 - 0.9 ** (step + 1))) / (
                np.sqrt(second / (1 - 0.999 ** (step + 1))) + 1e-8
            )
            memory = min(0.9, (2 + step) / (11 + step))
            means[name] += (1 - memory) * (arrays[name] - means[name])
    found = trained.networks.views(trained.mean)
    off = max(np.abs(found[name][0].numpy() - values).max() for name, values in means.items())
    assert off < 1e-5 < max(np.abs(values - arrays[name]).max() for name, values in means.items())
    assert trained.weights().shape == (1, sum(math.prod(shape) for shape in SHAPE.parameters().values()))


def test_forms_share_batches_noise_and_weights():
    arms = {arm: training(arm) for arm in ("raw", "longer", "expanded", "enlarged", "other")}
    batches = {arm: each.batch(0) for arm, each in arms.items()}
    inputs, _, noise = batches["raw"]
    for arm in ("longer", "expanded", "enlarged"):
        assert (arms[arm].networks.flat == arms["raw"].networks.flat).all()
        assert (batches[arm][2] == noise).all() and (batches[arm][1] == batches["raw"][1]).all()
        factor = arms[arm].factor
        assert (batches[arm][0][..., ::factor, ::factor] == inputs).all()
    enlarged, expanded = batches["enlarged"][0], batches["expanded"][0]
    assert (enlarged == inputs.repeat_interleave(2, -1).repeat_interleave(2, -2)).all()
    assert (expanded[:, 3, 1::2] == -0.5).all(), "grey is filled with 0.25, without noise"
    kept = Diffusion(100).kept[(batches["raw"][1] / 10).round().int().numpy()]
    between = expanded[:, :3, 1::2].numpy()
    scaled = (between + 0.5 * np.sqrt(kept)[:, None, None, None]) / np.sqrt(1 - kept)[:, None, None, None]
    assert abs(scaled.mean()) < 0.3 and 0.7 < scaled.std() < 1.3, "colours are filled, then noise is added"
    assert (
        not (batches["other"][2] == noise).any()
        and not (arms["other"].networks.flat == arms["raw"].networks.flat).all()
    )


@pytest.mark.parametrize("arm", ["raw", "expanded"])
def test_networks_side_by_side_are_those_one_after_the_other(arm):
    sampler = "ancestral" if arm == "expanded" else "ddim"
    found = []
    for engine in ("loop", "stacked"):
        trained = training(arm, (3, 4), engine=engine, sampler=sampler)
        for _ in range(2):
            trained.advance()
        found.append((trained.measure(), trained.samples, trained.weights()))
    (a, samples, weights), (b, others, again) = found
    assert all(np.allclose(a[name], b[name], rtol=1e-7) for name in a) and np.allclose(weights, again, atol=1e-7)
    assert np.allclose(samples, others, atol=1e-6) and samples.shape == (2, 3, 2, 3, 4, 4)
    assert a["loss"].shape == (2, 5) and not np.allclose(weights[0], weights[1])
    alone = training(arm, (4,), sampler=sampler)
    for _ in range(2):
        alone.advance()
    assert np.allclose(alone.measure()["loss"][0], a["loss"][1], rtol=1e-12), "whatever is trained beside it"


def test_operations_are_those_that_torch_counts():
    shape = UNetShape(8, 3)
    networks = ColourNetworks(shape, "raw", (0,), torch.float32, "cpu")
    arrays = {name: view[0] for name, view in networks.views(networks.flat).items()}
    with FlopCounterMode(display=False) as counter:
        unet(arrays, shape, torch.zeros(1, 4, 8, 8), torch.zeros(1))
    assert counter.get_total_flops() == shape.operations(8)
    assert 3.9 < shape.operations(32) / shape.operations(16) < 4


@pytest.mark.slow
def test_a_trained_network_draws_both_colours_in_their_shares():
    draw = rng.stream(0, "synthetic", "two colours")
    world = np.array(DISC_COLOURS, np.float32)[(draw.random(600) > SHARE_OF_FIRST).astype(int)]
    pictures = np.broadcast_to(world[:, :, None, None], (600, 3, 4, 4)).copy()
    more = {"batch": 32, "lr": 3e-3, "ema": 0.99, "sampling_steps": 25, "samples": 100, "precision": "float32"}
    settings = ColourSettings(**SETTINGS | {"times": 1000} | more)
    trained = ColourTraining(UNetShape(16, 1), "raw", (0,), ColourPictures(pictures[3:], pictures[:3], ""), settings)
    for _ in range(3000):
        trained.advance()
    trained.measure()
    drawn = trained.samples[0].mean((-1, -2)).reshape(-1, 3)
    off = np.abs(drawn[:, None] - np.array(DISC_COLOURS)).max(-1)
    assert (off.min(1) < 0.1).mean() > 0.9, "samples have one of both colours"
    share = (off[:, 0] < off[:, 1]).mean()
    spread = np.sqrt(SHARE_OF_FIRST * (1 - SHARE_OF_FIRST) * (1 / 300 + 1 / 597))
    assert abs(share - SHARE_OF_FIRST) < 4 * spread + 0.05
    # The same network with the least squares of the image itself has the mean, which is neither colour.
    networks = ColourNetworks(UNetShape(16, 1), "raw", (0,), torch.float32, "cpu")
    leaves = {name: view[0].detach().requires_grad_() for name, view in networks.views(networks.flat).items()}
    optimiser = torch.optim.AdamW(leaves.values(), 3e-3, foreach=False)
    target = torch.from_numpy(2 * pictures[:64] - 1)
    inputs = torch.cat([torch.zeros(64, 3, 4, 4), torch.from_numpy(2 * grey_of(pictures[:64]) - 1)], 1)
    for _ in range(300):
        optimiser.zero_grad()
        ((unet(leaves, UNetShape(16, 1), inputs, torch.zeros(64)) - target) ** 2).mean().backward()
        optimiser.step()
    told = (unet(leaves, UNetShape(16, 1), inputs, torch.zeros(64)).detach().numpy().mean((2, 3)) + 1) / 2
    assert np.abs(told - world[:64].mean(0)).max() < 0.05
    assert np.abs(told[:, None] - np.array(DISC_COLOURS)).max(-1).min() > 0.1
