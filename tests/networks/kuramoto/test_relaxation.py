from __future__ import annotations

import numpy as np
import pytest
import torch

from physnn import rng
from physnn.kernels.vectors import relaxation as kernels
from physnn.networks.kuramoto.network import Architecture, KuramotoNetwork, initial_weights
from physnn.networks.kuramoto.relaxation import Relaxation, relax
from physnn.networks.tasks.transmogrifier import Transmogrifier


def network(**architecture) -> KuramotoNetwork:
    shape = Architecture(**architecture)
    weights = initial_weights(shape, rng.stream(0, "weights"), 0.3)
    weights["coupling"] *= 4
    return KuramotoNetwork(shape, weights)


def gradients(net: KuramotoNetwork, final: torch.Tensor) -> dict[str, torch.Tensor]:
    net.zero_grad()
    weights = torch.linspace(-1, 1, final.numel()).view(final.shape)
    (net.read_out(final) ** 2).mean().add((weights * final).mean()).backward()
    return {name: net.get_parameter(name).grad.clone() for name in net.names}


@pytest.mark.parametrize("boundary", ["periodic", "zero"])
@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("kernel", [1, 5])
def test_states_and_gradients_are_those_of_the_plain_steps(boundary, broken, kernel):
    net = network(components=5, boundary=boundary, broken=broken, kernel=kernel)
    images = torch.from_numpy(Transmogrifier(20).pairs(rng.stream(0, "synthetic", "images"), 3)[0])
    for steps in (1, 11):
        plain, fast = net.evolve(images, steps), relax(net, images, steps)
        assert (plain - fast).abs().max() < 1e-5
        expected, found = gradients(net, plain), gradients(net, fast)
        for name in net.names:
            scale = expected[name].abs().max() + 1e-3
            assert (expected[name] - found[name]).abs().max() < 2e-5 * scale, name


@pytest.mark.parametrize("boundary", ["periodic", "zero"])
@pytest.mark.parametrize("kernel", [1, 3])
def test_derivatives_agree_with_differences_in_double_precision(boundary, kernel):
    generator = rng.stream(0, "synthetic", "gradient", kernel)
    x, raw, c = (
        torch.from_numpy(generator.normal(size=size)).requires_grad_()
        for size in ((2, 3, 3, 3), (3, 3, kernel, kernel), (3,))
    )

    def run(x, raw, c, fault=0.0):
        J = (raw + raw.flip(2, 3).transpose(0, 1)) / 2 + fault * raw
        return Relaxation.apply(x / x.norm(dim=1, keepdim=True), J, c, 0.4, 9, boundary)

    assert torch.autograd.gradcheck(run, (x, raw, c), eps=1e-6, atol=1e-7, rtol=1e-5)
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        torch.autograd.gradcheck(lambda x: run(x, raw.detach(), c.detach(), 0.3), x, eps=1e-6, atol=1e-7, rtol=1e-5)


def test_the_compiled_step_is_the_equation_also_off_the_sphere():
    generator = rng.stream(0, "synthetic", "step")
    x, f = generator.normal(size=(2, 6, 7, 3)), generator.normal(size=(2, 4, 5, 3))
    p, r, out = np.empty((2, 4, 5)), np.empty((2, 4, 5)), np.zeros_like(x)
    kernels.forward(x, f, np.float64(0.3), 1, p, r, out)
    inner, v = x[:, 1:-1, 1:-1], 0.3 * f
    y = inner + v - (inner * v).sum(-1, keepdims=True) * inner
    assert np.abs(out[:, 1:-1, 1:-1] - y / np.linalg.norm(y, axis=-1, keepdims=True)).max() < 1e-14
    assert np.abs(r - np.linalg.norm(y, axis=-1)).max() < 1e-14
    assert np.abs(p - (inner * v).sum(-1)).max() < 1e-14
    assert (out[:, 0] == 0).all()


@pytest.mark.parametrize("margin", [0, 1, 2])
def test_margins_are_those_of_a_torus(margin):
    x = rng.stream(0, "synthetic", "wrap").normal(size=(2, 4, 5, 3))
    padded = np.zeros((2, 4 + 2 * margin, 5 + 2 * margin, 3))
    padded[:, margin : margin + 4, margin : margin + 5] = x
    kernels.wrap(padded, margin)
    assert np.array_equal(padded, np.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="wrap"))
