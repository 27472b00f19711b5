"""Adam and gradient descent without torch's classes: the same bits."""

from __future__ import annotations

import pytest
import torch

from physnn.networks.adam import Adam
from physnn.networks.sgd import SGD


def trained(kind: type, lr: float = 1e-2, **more: float) -> list[torch.Tensor]:
    torch.manual_seed(0)
    weights = [torch.randn(shape, requires_grad=True) for shape in ((3, 4, 5), (7,), (2,))]
    optimiser = kind(weights, lr=lr, **more)
    for k in range(9):
        optimiser.zero_grad()
        sum(((w**3 - k) ** 2).sum() for w in weights[:2]).backward()  # the last has no gradient
        optimiser.step()
    return [w.detach() for w in weights] + [
        s[n] for w in weights[:2] for s in [optimiser.state[w]] for n in sorted(s) if s[n] is not None
    ]


@pytest.mark.parametrize("settings", [{}, {"momentum": 0.9}, {"momentum": 0.5, "weight_decay": 1e-2}])
def test_steps_of_gradient_descent_are_those_of_torch(settings):
    ours, theirs = (trained(kind, 1e-4, **settings) for kind in (SGD, torch.optim.SGD))
    other = trained(SGD, 1e-4, **settings | {"momentum": 0.51})
    count = 5 if "momentum" in settings else 3  # without momentum torch keeps no velocity
    assert all(torch.equal(a, b) for a, b in zip(ours[:count], theirs[:count], strict=True))
    assert not torch.equal(ours[0], other[0])


@pytest.mark.parametrize(("decay", "fused"), [(0.0, False), (1e-2, False), (1e-2, True)])
def test_steps_are_those_of_torch_bit_for_bit(decay, fused):
    ours = trained(Adam, weight_decay=decay, fused=fused)
    theirs = trained(torch.optim.Adam, weight_decay=decay, fused=fused or None)
    other = trained(Adam, weight_decay=decay + 1e-3, fused=fused)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert not torch.equal(ours[0], other[0])
