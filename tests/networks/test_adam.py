"""Adam without torch's class: the same bits."""

from __future__ import annotations

import pytest
import torch

from physnn.networks.adam import Adam


@pytest.mark.parametrize(("decay", "fused"), [(0.0, False), (1e-2, False), (1e-2, True)])
def test_steps_are_those_of_torch_bit_for_bit(decay, fused):
    def trained(kind: type, **more: float) -> list[torch.Tensor]:
        torch.manual_seed(0)
        weights = [torch.randn(shape, requires_grad=True) for shape in ((3, 4, 5), (7,), (2,))]
        optimiser = kind(weights, lr=1e-2, **more)
        for k in range(9):
            optimiser.zero_grad()
            sum(((w**3 - k) ** 2).sum() for w in weights[:2]).backward()  # the last has no gradient
            optimiser.step()
        return [w.detach() for w in weights] + [
            s[n] for w in weights[:2] for s in [optimiser.state[w]] for n in sorted(s)
        ]

    ours = trained(Adam, weight_decay=decay, fused=fused)
    theirs = trained(torch.optim.Adam, weight_decay=decay, fused=fused or None)
    other = trained(Adam, weight_decay=decay + 1e-3, fused=fused)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert not torch.equal(ours[0], other[0])
