"""Gradient descent with momentum; torch's own class loads torch's compiler, which takes two seconds."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


@torch.no_grad()
def descend(
    weights: list[Tensor],
    velocity: list[Tensor],
    slopes: list[Tensor],
    lr: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
) -> None:
    """Step of gradient descent in place, v = momentum v + g + weight_decay w, then w = w - lr v, all arrays at once."""
    g = list(torch._foreach_add(slopes, weights, alpha=weight_decay)) if weight_decay else slopes
    torch._foreach_mul_(velocity, momentum)
    torch._foreach_add_(velocity, g)
    torch._foreach_add_(weights, velocity, alpha=-lr)


class SGD:
    """Optimiser with the numbers of ``torch.optim.SGD``, bit for bit; see `descend`.

    Parameters
    ----------
    weights : iterable of Tensor
        What is trained, on its device.
    lr, momentum, weight_decay : float
        Learning rate, share of the velocity that is kept, and share of the weights added to the gradient.

    Attributes
    ----------
    state : dict
        For every tensor of weights its ``velocity``, at first 0; may be replaced.
    """

    def __init__(self, weights: Iterable[Tensor], lr: float, momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        self.weights, self.lr, self.momentum, self.weight_decay = list(weights), lr, momentum, weight_decay
        self.state = {w: {"velocity": torch.zeros_like(w, requires_grad=False)} for w in self.weights}

    def zero_grad(self) -> None:
        """Forget gradients."""
        for w in self.weights:
            w.grad = None

    def step(self) -> None:
        """Take one step along the gradients that there are."""
        some = [w for w in self.weights if w.grad is not None]
        velocity, slopes = [self.state[w]["velocity"] for w in some], [w.grad for w in some if w.grad is not None]
        descend(some, velocity, slopes, self.lr, self.momentum, self.weight_decay)
