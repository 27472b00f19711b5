"""Adam by torch's own function: its class loads torch's compiler, two seconds of every process that trains."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim.adam import adam


class Adam:
    """Optimiser with the numbers of ``torch.optim.Adam``, bit for bit.

    Parameters
    ----------
    weights : iterable of Tensor
        What is trained, on its device.
    lr, weight_decay : float
        Learning rate, and the share of the weights added to the gradient.
    fused : bool
        Whether one kernel takes the whole step.
    decoupled : bool
        Whether weights decay by themselves, by that share times the learning rate, and not through the gradient: AdamW
        (I. Loshchilov and F. Hutter, arXiv:1711.05101).

    Attributes
    ----------
    state : dict
        For every tensor of weights ``step``, ``exp_avg`` and ``exp_avg_sq``; may be replaced.
    """

    def __init__(
        self,
        weights: Iterable[Tensor],
        lr: float,
        weight_decay: float = 0.0,
        fused: bool = False,
        decoupled: bool = False,
    ) -> None:
        self.weights, self.lr, self.weight_decay, self.fused = list(weights), lr, weight_decay, fused
        self.decoupled = decoupled
        self.state = {
            w: {
                "step": torch.zeros((), device=w.device if fused else "cpu"),
                "exp_avg": torch.zeros_like(w, requires_grad=False),
                "exp_avg_sq": torch.zeros_like(w, requires_grad=False),
            }
            for w in self.weights
        }

    def zero_grad(self) -> None:
        """Forget gradients."""
        for w in self.weights:
            w.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Take one step along the gradients that there are."""
        some = [w for w in self.weights if w.grad is not None]
        states = [self.state[w] for w in some]
        adam(
            some,
            [w.grad for w in some if w.grad is not None],
            [s["exp_avg"] for s in states],
            [s["exp_avg_sq"] for s in states],
            [],
            [s["step"] for s in states],
            fused=self.fused or None,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self.lr,
            weight_decay=self.weight_decay,
            eps=1e-8,
            maximize=False,
            decoupled_weight_decay=self.decoupled,
        )
