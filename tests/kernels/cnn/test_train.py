"""Every layer of the compiled classifiers against torch in double precision, and the whole network against autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from physnn import rng
from physnn.kernels.cnn import layers, train

SHAPES = [(8, 8), (7, 7), (9, 6), (5, 8), (30, 30)]
"""Heights and widths: even, odd, unlike, and one whose images are unfolded one by one."""
IMAGES = 11
"""More than one chunk of the smaller shapes."""


def numbers(*shape: int, word: str = "") -> np.ndarray:
    return rng.stream(0, "synthetic", "cnn", word, *shape).normal(size=shape).astype(np.float32)


def double(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array).double().requires_grad_()


def agree(found: np.ndarray, expected: torch.Tensor | np.ndarray, tolerance: float = 3e-6) -> bool:
    """Whether float32 numbers equal those of double precision, to rounding relative to the largest."""
    expected = expected.detach().numpy() if isinstance(expected, torch.Tensor) else expected
    assert found.shape == expected.shape
    return bool(np.abs(found - expected).max() <= tolerance * np.abs(expected).max())


def padded(images: np.ndarray) -> np.ndarray:
    """Images (n, channels, H, W) as kernels want them: channels last, a border of zeros."""
    return np.pad(images.transpose(0, 2, 3, 1), ((0, 0), (1, 1), (1, 1), (0, 0))).copy()


def rows(maps: torch.Tensor) -> torch.Tensor:
    """Maps (n, channels, H, W) as rows (n H W, channels)."""
    return maps.permute(0, 2, 3, 1).flatten(0, 2)


def unrows(maps: np.ndarray, n: int, height: int, width: int) -> np.ndarray:
    return np.ascontiguousarray(maps.reshape(n, height, width, -1).transpose(0, 3, 1, 2))


def room(images: np.ndarray) -> np.ndarray:
    """Columns as `convolve` wants them, filled with what must not matter."""
    places = (images.shape[1] - 2) * (images.shape[2] - 2)
    return np.full((layers.images_at_once(images) * places, 9 * images.shape[3]), np.nan, np.float32)


def kernel_of(kernel: np.ndarray) -> torch.Tensor:
    """Kernel (9 inputs, outputs) as torch wants it."""
    return torch.from_numpy(kernel).double().unflatten(0, (3, 3, -1)).permute(3, 2, 0, 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_convolution_and_its_slopes(shape):
    images, kernel, flow = numbers(IMAGES, 3, *shape), numbers(27, 16), numbers(IMAGES * shape[0] * shape[1], 16)
    x = padded(images)
    maps = np.full((len(flow), 16), np.nan, np.float32)
    layers.convolve(x, IMAGES, kernel, room(x), maps)
    image, weight = double(images), kernel_of(kernel).requires_grad_()
    expected = rows(functional.conv2d(image, weight, padding=1))
    assert agree(maps, expected)
    turned = np.ascontiguousarray(kernel.reshape(3, 3, 3, 16).transpose(1, 0, 2, 3).reshape(27, 16))
    layers.convolve(x, IMAGES, turned, room(x), maps)
    assert not agree(maps, expected, 0.1), "a kernel with rows and columns exchanged would be seen"

    expected.backward(torch.from_numpy(flow).double())
    begun = numbers(27, 16, word="begun")
    slope, back = begun.copy(), np.zeros_like(x)
    layers.convolve_back(x, IMAGES, kernel, room(x), flow, slope, back)
    by_kernel = weight.grad.permute(2, 3, 1, 0).flatten(0, 2).numpy()
    assert agree(slope, begun + by_kernel), "added to what was there"
    assert not agree(begun - (slope - begun), begun + by_kernel, 0.1)
    assert agree(back[:, 1:-1, 1:-1], image.grad.permute(0, 2, 3, 1))
    assert not agree(back[:, -2:0:-1, 1:-1], image.grad.permute(0, 2, 3, 1), 0.1)


def test_images_beyond_those_asked_for_are_left_alone():
    x, kernel = padded(numbers(IMAGES, 2, 6, 6)), numbers(18, 4)
    maps, slope, back = np.full((IMAGES * 36, 4), 7, np.float32), np.zeros((18, 4), np.float32), np.zeros_like(x)
    layers.convolve(x, 3, kernel, room(x), maps)
    assert (maps[3 * 36 :] == 7).all() and not (maps[: 3 * 36] == 7).any()
    flow = np.full_like(maps, np.nan)
    flow[: 3 * 36] = 1
    layers.convolve_back(x, 3, kernel, room(x), flow, slope, back)
    assert np.isfinite(slope).all() and (back[3:] == 0).all()


@pytest.mark.parametrize("border", [0, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_pooling_and_its_slopes(shape, border):
    height, width = shape
    half = height // 2, width // 2
    maps, scale, shift = numbers(IMAGES * height * width, 5), numbers(5, word="scale"), numbers(5, word="shift")
    assert scale.min() < 0 < scale.max(), "a negative scale makes a minimum the maximum"
    out = np.zeros((IMAGES, half[0] + 2 * border, half[1] + 2 * border, 5), np.float32)
    places = np.empty((IMAGES, *half, 5), np.uint8)
    layers.pool(maps, height, width, scale, shift, border, IMAGES, out, places)
    inside = slice(border, border + half[0]), slice(border, border + half[1])
    scaled = double(unrows(maps * scale + shift, IMAGES, height, width))
    expected = functional.relu(functional.max_pool2d(scaled, 2))
    assert agree(out[:, *inside], expected.permute(0, 2, 3, 1))
    assert border == 0 or not out[:, 0].any()

    back = numbers(*out.shape, word="back")
    flow = np.full_like(maps, np.nan)
    layers.unpool(back, places, height, width, border, IMAGES, flow)
    expected.backward(torch.from_numpy(back[:, *inside].transpose(0, 3, 1, 2)).double())
    assert agree(flow, rows(scaled.grad), 0)
    layers.unpool(back, (places + 1) % 4, height, width, border, IMAGES, flow)
    assert not agree(flow, rows(scaled.grad), 0.1), "another place would be seen"


def test_of_equal_maxima_the_first_counts_as_in_torch():
    maps = np.ones((4 * 4, 1), np.float32)
    out, places = np.empty((1, 2, 2, 1), np.float32), np.empty((1, 2, 2, 1), np.uint8)
    layers.pool(maps, 4, 4, np.ones(1, np.float32), np.zeros(1, np.float32), 0, 1, out, places)
    flow = np.empty_like(maps)
    layers.unpool(np.ones_like(out), places, 4, 4, 0, 1, flow)
    x = torch.ones(1, 1, 4, 4, requires_grad=True)
    functional.max_pool2d(x, 2).sum().backward()
    assert agree(flow, rows(x.grad), 0)


def test_nothing_flows_through_what_is_not_positive():
    maps = -np.abs(numbers(16, 3))
    maps[0] = 0
    out, places = np.empty((1, 2, 2, 3), np.float32), np.empty((1, 2, 2, 3), np.uint8)
    layers.pool(maps, 4, 4, np.ones(3, np.float32), np.zeros(3, np.float32), 0, 1, out, places)
    flow = np.full_like(maps, np.nan)
    layers.unpool(np.ones_like(out), places, 4, 4, 0, 1, flow)
    assert (out == 0).all() and (places == layers.DEAD).all() and (flow == 0).all()


def normalised(n: int, channels: int) -> tuple[np.ndarray, ...]:
    """Maps far from mean 0 and variance 1, gain, shift and what flows back."""
    maps = numbers(n, channels) * 3 + 2 * numbers(channels, word="mean")
    return maps, numbers(channels, word="gain"), numbers(channels, word="shift"), numbers(n, channels, word="flow")


@pytest.mark.parametrize("n", [4, 5, 1000, 5000])
def test_batch_normalisation_and_its_slopes(n):
    maps, gain, shift, flow = normalised(n, 6)
    mean, variance = np.empty(6, np.float32), np.empty(6, np.float32)
    layers.batch_statistics(maps, mean, variance)
    assert agree(mean, maps.mean(0, dtype=float)) and agree(variance, maps.var(0, dtype=float))
    scale, moved = layers.affine(np.full(6, np.nan, np.float32), gain, shift, mean, variance, True)
    x, g, s = double(maps), double(gain), double(shift)
    expected = functional.batch_norm(x, None, None, g, s, True, eps=1e-5)
    assert agree(maps * scale + moved, expected, 1e-5)

    expected.backward(torch.from_numpy(flow).double())
    back, by_gain, by_shift = flow.copy(), np.ones(6, np.float32), np.ones(6, np.float32)
    layers.normalise_back(maps, mean, variance, gain, back, by_gain, by_shift)
    assert agree(back, x.grad, 1e-5)
    assert agree(by_gain - 1, g.grad, 1e-5) and agree(by_shift - 1, s.grad, 1e-5), "added to what was there"
    plain = flow * gain / np.sqrt(maps.var(0) + 1e-5)
    assert not agree(plain, x.grad, 1e-3), "slopes of mean and variance matter"
    assert not agree(-back, x.grad, 0.1)


def test_without_normalisation_constants_are_added():
    constants, nothing = numbers(6), np.full(6, np.nan, np.float32)
    scale, shift = layers.affine(constants, nothing, nothing, nothing, nothing, False)
    assert (scale == 1).all() and np.array_equal(shift, constants)


def test_long_sums_do_not_gather_rounding():
    maps = 1 + numbers(2**18, 2)
    mean, variance = np.empty(2, np.float32), np.empty(2, np.float32)
    layers.batch_statistics(maps, mean, variance)
    assert agree(mean, maps.mean(0, dtype=float)) and agree(variance, maps.var(0, dtype=float))
    one_by_one = np.cumsum((maps - mean) ** 2, axis=0)[-1] / np.float32(2**18)
    assert not agree(one_by_one, maps.var(0, dtype=float)), "one long sum would be seen"


def test_running_statistics_follow_as_in_torch():
    norm = torch.nn.BatchNorm1d(6)
    mean, variance = np.zeros(6, np.float32), np.ones(6, np.float32)
    for k in range(5):
        maps = numbers(8, 6, word=str(k)) + k
        norm(torch.from_numpy(maps))
        layers.follow(mean, variance, maps.mean(0), maps.var(0), len(maps))
    assert agree(mean, norm.running_mean) and agree(variance, norm.running_var)
    layers.follow(mean, variance, maps.mean(0), maps.var(0), 1)
    assert np.isfinite(variance).all()


@pytest.mark.parametrize(("side", "grid"), [(8, 8), (8, 2), (6, 3), (7, 1)])
def test_means_over_squares_and_their_slopes(side, grid):
    maps, back = numbers(4, side, side, 5), numbers(4, grid * grid * 5)
    out = np.full_like(back, np.nan)
    layers.average_squares(maps, 4, grid, out)
    x = double(maps.transpose(0, 3, 1, 2))
    expected = functional.adaptive_avg_pool2d(x, grid).permute(0, 2, 3, 1).flatten(1)
    assert agree(out, expected)
    expected.backward(torch.from_numpy(back).double())
    flow = np.full_like(maps, np.nan)
    layers.spread_squares(back, 4, grid, flow)
    assert agree(flow, x.grad.permute(0, 2, 3, 1))
    if grid > 1:
        turned = flow.transpose(0, 2, 1, 3)
        assert not agree(turned, x.grad.permute(0, 2, 3, 1), 0.1), "rows and columns exchanged would be seen"


@pytest.mark.parametrize("relu", [False, True])
def test_dense_layer(relu):
    inputs, weights, constants = numbers(7, 20), numbers(20, 5), numbers(5)
    out = np.full((7, 5), np.nan, np.float32)
    layers.dense(inputs, weights, constants, out, relu)
    expected = inputs.astype(float) @ weights.astype(float) + constants
    assert agree(out, np.maximum(expected, 0) if relu else expected)
    assert not agree(out, expected if relu else np.maximum(expected, 0), 0.1)


@pytest.mark.parametrize("shift", [0, 300])
def test_cross_entropy_and_its_slope(shift):
    logits, labels = 5 * numbers(9, 4) + np.float32(shift), np.arange(9) % 4
    x = double(logits)
    expected = functional.cross_entropy(x, torch.from_numpy(labels), reduction="sum")
    (expected / 9).backward()
    slope = logits.copy()
    assert layers.cross_entropy_back(slope, labels) == pytest.approx(expected.item(), rel=3e-6)
    assert agree(slope, x.grad)
    assert not agree(-slope, x.grad, 0.1)


@pytest.mark.parametrize("decay", [0.0, 1e-2])
def test_adam_takes_torchs_steps(decay):
    start = numbers(50)
    weights, mean, square = start.copy(), np.zeros(50, np.float32), np.zeros(50, np.float32)
    parameter = double(start)
    optimiser = torch.optim.Adam([parameter], lr=1e-2, weight_decay=decay)
    for step in range(1, 41):
        slope = numbers(50, word=str(step)) * np.float32(10) ** -np.float32(step % 5)
        layers.adam_step(weights, slope, mean, square, step, 1e-2, np.float32(decay))
        parameter.grad = torch.from_numpy(slope).double()
        optimiser.step()
    moved = parameter.detach().numpy() - start
    assert agree(weights - start, moved, 2e-5)
    assert not agree(start - weights, moved, 0.1), "a step in the other direction would be seen"
    state = optimiser.state[parameter]
    assert agree(mean, state["exp_avg"]) and agree(square, state["exp_avg_sq"])


def test_weight_decay_and_step_number_matter():
    found = []
    for step, decay in ((1, 0.0), (1, 0.1), (5, 0.0)):
        weights, mean, square = numbers(20), numbers(20, word="mean"), np.ones(20, np.float32)
        layers.adam_step(weights, numbers(20, word="slope"), mean, square, step, 1e-2, np.float32(decay))
        found.append(weights)
    assert not agree(found[1], found[0], 1e-5) and not agree(found[2], found[0], 1e-5)


def test_images_are_gathered_by_their_numbers():
    images, chosen = numbers(6, 5, 5, 2), np.array([4, 0, 4])
    x = np.zeros((8, 7, 7, 2), np.float32)
    layers.gather_images(images, chosen, x)
    assert np.array_equal(x[:3, 1:-1, 1:-1], images[chosen])
    assert not x[3:].any() and not x[:, 0].any() and not x[:, :, -1].any()


def network(
    w: list[torch.Tensor], x: torch.Tensor, keep: torch.Tensor, grid: int, norm: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Both outputs of the classifier of `physnn.kernels.cnn.train` in torch, from its own arrays in its own order."""
    for layer in (0, 1):
        kernel, constants, gain, shift = w[2 * layer], w[2 * layer + 1], w[4 + 2 * layer], w[5 + 2 * layer]
        x = functional.conv2d(x, kernel.unflatten(0, (3, 3, -1)).permute(3, 2, 0, 1), padding=1)
        x = functional.batch_norm(x, None, None, gain, shift, True) if norm else x + constants[:, None, None]
        x = functional.max_pool2d(functional.relu(x), 2)
    x = functional.adaptive_avg_pool2d(x, grid).permute(0, 2, 3, 1).flatten(1)
    x = functional.relu(x @ w[8] + w[9]) * keep
    return x @ w[10] + w[11], x @ w[12] + w[13]


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize(("side", "grid"), [(8, 2), (13, 3), (16, 2), (4, 1)])
def test_slopes_of_the_whole_network(side, grid, norm):
    widths, batch = (6, 7, 8, 3, grid, 2), 5
    vector = numbers(int(train.sizes(2, widths).sum())) / 3
    images, labels = numbers(batch, side, side, 2), np.arange(batch) % 3
    keep = (numbers(batch, 8, word="keep") > -0.5).astype(np.float32) * np.float32(1.5)
    # Room for more images than there are, as for a last batch.
    s, back = train.space(batch + 2, side, 2, widths), train.space(batch + 2, side, 2, widths)
    slope, running = np.zeros_like(vector), np.zeros((4, 7), np.float32)
    layers.gather_images(images, np.arange(batch), s.padded1)
    train.forward_pass(s, train.parts(vector, 2, widths), batch, grid, keep, norm, running, True)
    logits = s.logits[:batch].copy()
    second, places, chosen = s.label[:batch].copy(), numbers(9, 2, word="places"), np.array([8, 0, 3, 3, 1])
    layers.cross_entropy_back(s.logits[:batch], labels)
    layers.distance_back(s.label[:batch], places, chosen, np.float32(0.7))
    train.backward_pass(s, back, train.parts(vector, 2, widths), train.parts(slope, 2, widths), batch, grid, keep, norm)

    w = [double(part.copy()) for part in train.parts(vector, 2, widths)]
    shown = torch.from_numpy(images).double().permute(0, 3, 1, 2)
    expected, label = network(w, shown, torch.from_numpy(keep), grid, norm)
    assert agree(logits, expected, 1e-5) and agree(second, label, 1e-5)
    apart = (label - torch.from_numpy(places[chosen])).square().sum(1).mean()
    (functional.cross_entropy(expected, torch.from_numpy(labels)) + 0.7 * apart).backward()
    # Constants before a normalisation change nothing, gains without one are not there.
    silent = ("constants1", "constants2") if norm else ("gain1", "gain2", "shift1", "shift2")
    for name, values, weight in zip(train.Layers._fields, train.parts(slope, 2, widths), w, strict=True):
        if name in silent:
            assert np.abs(values).max() < 1e-6
        else:
            assert agree(values, weight.grad, 2e-5), name
            assert not agree(-values, weight.grad, 0.1), name


def test_ties_repeat_weights_and_leave_others_out():
    own, weights = np.array([2, 3], np.float32), np.empty(4, np.float32)
    train.untie(own, np.array([1, 0, 0, 1]), np.array([1, 0.5, -1, 0], np.float32), weights)
    assert weights.tolist() == [3, 1, -2, 0]
