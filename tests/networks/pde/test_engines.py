"""Derivatives, losses and gradients of the torch engine against nested automatic differentiation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from physnn import rng
from physnn.networks.pde.equations import Derivative, Equation, PointSet, Term, laplacian
from physnn.networks.pde.stacked_jets import StackedEngine, jets
from physnn.networks.pde.streams import closed, point_table

U, V = Derivative(0), Derivative(1)
NEEDED = (Derivative(0, 0, 4), Derivative(1, 1, 3), Derivative(0, 2, 1), laplacian(0), laplacian(1))
SPACE_AXES = (0, 1)


def network(inputs=3, outputs=2, width=5, seeds=2):
    draw = rng.stream(0, "synthetic", "pde engines").normal
    sizes = [inputs, width, width, outputs]
    weights = {}
    for k, (a, b) in enumerate(itertools.pairwise(sizes)):
        weights[f"layer.{k}.weight"], weights[f"layer.{k}.bias"] = draw(size=(seeds, a, b)) * 0.7, draw(size=(seeds, b))
    return weights


def nested(weights, x, output, path):
    """Derivative of one output of the first seed along a path of axes, by autograd alone."""
    x = x.clone().requires_grad_()
    h = x
    for k in range(3):
        h = h @ weights[f"layer.{k}.weight"][0] + weights[f"layer.{k}.bias"][0]
        h = torch.tanh(h) if k < 2 else h
    found = h[:, output]
    for axis in path:
        found = torch.autograd.grad(found.sum(), x, create_graph=True)[0][:, axis]
    return found


@pytest.fixture(scope="module")
def points():
    return rng.stream(0, "synthetic", "pde points").uniform(-1, 1, (7, 3))


def path_of(derivative):
    return [derivative.axis] * derivative.order


def test_streams_are_derivatives(points):
    streams = closed(NEEDED, SPACE_AXES)
    weights = {name: torch.from_numpy(w) for name, w in network().items()}
    x = torch.from_numpy(points)
    found = jets(weights, x, *np.array(streams).T, np.array(SPACE_AXES))
    assert found.shape == (2, len(streams), 7, 2)
    for row, (axis, order) in enumerate(streams):
        for output in (0, 1):
            paths = [[a, a] for a in SPACE_AXES] if axis == -1 else [[axis] * order]
            want = sum(nested(weights, x, output, path) for path in paths)
            assert torch.allclose(found[0, row, :, output], want, rtol=1e-10, atol=1e-10), (axis, order)


def test_losses_and_gradients(points):
    wave = lambda x: np.sin(x[:, 0])  # noqa: E731
    equations = (
        Equation((Term(1.0, (Derivative(0, 2, 1),)), Term(wave, (U, V, Derivative(0, 0, 4)))), wave),
        Equation((Term(-0.5, (laplacian(1),)), Term(wave, (U, U), sine=True)), 0.3),
    )
    one = PointSet("domain", points, equations, 2.5)
    engine = StackedEngine([point_table(one, SPACE_AXES)], "float64")
    weights = network()
    losses, gradients = engine.losses_and_gradients(weights)
    own = {name: torch.from_numpy(w).requires_grad_() for name, w in weights.items()}
    x, s = torch.from_numpy(points), torch.from_numpy(wave(points))
    u, v = (nested(own, x, k, []) for k in (0, 1))
    first = nested(own, x, 0, [2]) + s * u * v * nested(own, x, 0, [0] * 4) - s
    second = -0.5 * (nested(own, x, 1, [0, 0]) + nested(own, x, 1, [1, 1])) + s * torch.sin(u * u) - 0.3
    loss = 2.5 * ((first**2).mean() + (second**2).mean())
    loss.backward()
    assert losses.shape == (2, 1) and losses[0, 0] == pytest.approx(loss.item(), rel=1e-12)
    for name, w in own.items():
        assert np.allclose(gradients[name][0], w.grad[0], rtol=1e-9, atol=1e-9), name
    single, _ = StackedEngine([point_table(one, SPACE_AXES)]).losses_and_gradients(weights)
    assert single.dtype == np.float32 and np.allclose(single, losses, rtol=1e-4)
    # Values alone are the first stream, and seeds know nothing of each other.
    alone = {name: w[1:] for name, w in weights.items()}
    assert np.allclose(engine.values(alone, points)[0], engine.values(weights, points)[1], rtol=1e-14)
    assert np.allclose(engine.values(weights, points)[0, :, 1], v.detach(), rtol=1e-12)
