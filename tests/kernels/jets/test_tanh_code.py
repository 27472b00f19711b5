"""Vector instructions of the chain rule of tanh against derivatives by torch, and what a wrong sign does."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numba import njit

from physnn import rng
from physnn.kernels.jets import tanh_code
from physnn.kernels.jets.matrix_code import lanes
from physnn.kernels.jets.tanh_code import HIGHEST, tanh_backward, tanh_forward

ROWS = 3
ORDERS = np.array([[4, 4], [1, 2], [3, 4], [0, 1]])
COEFFICIENTS = np.array([[0.3, -0.2, 0.5, 0.7], [0.1, 1.5, 0, 0], [0, -0.4, 0.9, 0.6], [2.0, 0, 0, 0]])
OPERATOR = 1 + int(ORDERS[:, 0].sum())


def compiled():
    """Both ways through tanh, compiled from the instructions as they are now."""

    @njit
    def forward(z, t, bias, orders, coefficients, operator, width):
        tanh_forward(z, 0, t, 0, bias, 0, orders, coefficients, operator, ROWS, width)

    @njit
    def backward(z, t, d, sums, orders, coefficients, operator, width):
        tanh_backward(z, 0, t, 0, d, 0, sums, 0, orders, coefficients, operator, ROWS, width)

    return forward, backward


def by_torch(z, bias):
    """Streams of tanh from those of z, ``(streams, rows, numbers)``: along every axis the derivatives of a curve."""
    zero = torch.zeros_like(z[0], requires_grad=True)
    value, first, operator = torch.tanh(z[0] + bias), 1, (1 - torch.tanh(z[0] + bias) ** 2) * z[OPERATOR]
    found = [value]
    for g, (order, reach) in enumerate(ORDERS):
        curve = z[0] + bias + sum(z[first + k - 1] * zero**k / math.factorial(k) for k in range(1, order + 1))
        y, derivatives = torch.tanh(curve), []
        for _ in range(reach if order else 0):
            (y,) = torch.autograd.grad(y.sum(), zero, create_graph=True)
            derivatives.append(y)
        found += derivatives[:order]
        # The operator's own z is in its stream: here is what the others add.
        linear = [(1 - value**2) * z[first + k] for k in range(order)] + [0] * (reach - order)
        operator = operator + sum(c * (d - e) for c, d, e in zip(COEFFICIENTS[g], derivatives, linear, strict=False))
        first += order
    return torch.stack([*found, operator])


def errors(dtype, scale):
    """Largest errors of streams, of gradients by the streams of z, and by the bias, over the largest numbers."""
    size = lanes(np.dtype(dtype).itemsize)
    draw = rng.stream(0, "synthetic", "tanh code").normal
    z, bias, g = (scale * draw(size=s) for s in ((OPERATOR + 1, ROWS, size), size, (OPERATOR + 1, ROWS, size)))
    z, bias, g = (each.astype(dtype) for each in (z, bias, g))
    own = [torch.tensor(each.astype(float), requires_grad=True) for each in (z, bias)]
    wanted = by_torch(*own)
    (wanted * torch.tensor(g.astype(float))).sum().backward()
    forward, backward = compiled()
    t, d, sums = np.zeros_like(z), g.copy(), np.ones_like(bias)
    table = (ORDERS, COEFFICIENTS.astype(dtype), OPERATOR, 1)
    forward(z.ravel(), t.reshape(-1), bias, *table)
    backward(z.ravel(), t.ravel(), d.reshape(-1), sums, *table)
    pairs = (t, wanted.detach()), (d, own[0].grad), (sums - 1, own[1].grad)
    return [float(np.abs(a - b.numpy()).max() / b.abs().max()) for a, b in pairs]


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-14), ("float32", 5e-6)])
def test_chain_rule(dtype, tolerance):
    assert max(errors(dtype, 0.7)) < tolerance


@pytest.mark.parametrize("order", [2, 3, 4])
def test_one_wrong_sign_on_the_way_back_is_noticed(monkeypatch, order):
    right = tanh_code._rest_back

    def wrong(k, f, z, g):
        by_f, by_z = right(k, f, z, g)
        return by_f, by_z | {k - 1: -1.0 * by_z[k - 1]} if k == order else by_z

    monkeypatch.setattr(tanh_code, "_rest_back", wrong)
    forward, by_z, _ = errors("float64", 0.7)
    assert forward < 1e-14 and by_z > 1e-3


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 3e-16), ("float32", 2e-7)])
def test_tanh(dtype, tolerance):
    size = lanes(np.dtype(dtype).itemsize)
    points = np.concatenate([[0.0, 1e-30, 1e-5, 700.0, np.inf], np.linspace(0, 25, ROWS * size * 40 - 5)])
    z = np.concatenate([points, -points]).astype(dtype).reshape(-1, ROWS * size)
    forward, none = compiled()[0], np.zeros((0, 2), int)
    for row in z:
        t = np.zeros_like(row)
        forward(row, t, np.zeros(size, dtype), none, np.zeros((0, HIGHEST), dtype), 0, 1)
        wanted = np.tanh(row.astype(float))
        assert np.all(np.abs(t - wanted) <= tolerance * np.abs(wanted))
