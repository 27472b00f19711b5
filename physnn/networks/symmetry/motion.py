"""Motion of charges of learning: predicted from the rule of the steps, beside what is measured.

A step of gradient descent is v' = momentum v + g + decay w, then w' = w - lr v'.  For a quadratic charge Q = w . S w,
with A = w . S v and a gradient g that is orthogonal to S w,

    w . S v' = momentum A + decay Q,
    Q' = Q - 2 lr (momentum A + decay Q) + lr^2 v' . S v',
    A' = momentum A + decay Q - lr v' . S v',

and without momentum Q' = (1 - lr decay)^2 Q + lr^2 g . S g.  A sum c . w has no second order: with P = c . v,
P' = momentum P + decay Q and Q' = Q - lr P'.  So the first value and the lengths of the steps give all later values;
only a gradient that is not orthogonal to S w makes a difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from physnn.networks.symmetry.charges import Charge, charge_labels

MARKED = ("measured", "predicted", "steps")
"""Arrays (replicas, marks, ...) that grow with the training."""
FOLLOWED = ("moment", "reach", "rounding")
"""Arrays (replicas, components) that steps add to."""


@dataclass(frozen=True)
class DescentRule:
    """Rule of the steps: learning rate, momentum and weight decay of gradient descent.

    With ``adaptive`` they are those of another optimiser: what is predicted is what steps of the same lengths would do
    if they were orthogonal to the symmetry, without decay.
    """

    lr: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    adaptive: bool = False


class ChargeMotion:
    """Charges of replicas in training, predicted from their first values and the lengths of the steps.

    Parameters
    ----------
    charges : tuple of Charge
        See `physnn.networks.symmetry.traced.charges_of`.
    rule : DescentRule
        Rule of the steps.
    weights : mapping of str to Tensor, shapes (replicas, ...)
        Weights before the first step, or, with ``state``, those after the last one.
    state : mapping of str to ndarray, optional
        What `arrays` gave before.

    Attributes
    ----------
    labels : tuple of str
        What each component is.
    """

    def __init__(
        self,
        charges: tuple[Charge, ...],
        rule: DescentRule,
        weights: Mapping[str, Tensor],
        state: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.charges, self.rule, self.labels = charges, rule, charge_labels(charges)
        self._names = sorted({part.name for charge in charges for part in charge.parts})
        self._before = {name: weights[name].detach().clone() for name in self._names}
        first = self._before[self._names[0]]
        ends = np.cumsum([len(charge.labels) for charge in charges]).tolist()
        self._slices = [slice(a, b) for a, b in zip([0, *ends], ends, strict=False)]
        if state:
            self._state = {k: torch.from_numpy(state[k].copy()).to(first.device) for k in FOLLOWED}
            self._marks = [[state[name][:, k] for k in range(state[name].shape[1])] for name in MARKED]
            self._steps = self._marks[2][-1].copy()
            self.predicted = torch.from_numpy(state["predicted"][:, -1].copy()).to(first.device)
        else:
            self.predicted = self.measured()
            self._state = {k: torch.zeros_like(self.predicted) for k in FOLLOWED}
            self._marks, self._steps = [[] for _ in MARKED], np.zeros(len(first))
            self.mark()

    @classmethod
    def of(cls, network: nn.Module, charges: tuple[Charge, ...], rule: DescentRule) -> ChargeMotion:
        """Motion of one network."""
        return cls(charges, rule, {name: values[None] for name, values in network.named_parameters()})

    def measured(self) -> Tensor:
        """Charges of the weights after the latest step, shape (replicas, components)."""
        return torch.cat([charge.value(self._before, 1) for charge in self.charges], 1)

    @torch.no_grad()
    def after(self, weights: Mapping[str, Tensor], row: int | None = None) -> None:
        """Follow one step: of all replicas, arrays ``(replicas, ...)``, or of one, arrays without that axis."""
        rule, rows = self.rule, slice(None) if row is None else slice(row, row + 1)
        now = {name: weights[name] if row is None else weights[name][None] for name in self._names}
        before = {name: self._before[name][rows] for name in self._names}
        step = {name: (before[name].double() - now[name].double()) / rule.lr for name in self._names}
        momentum, decay = (0.0, 0.0) if rule.adaptive else (rule.momentum, rule.weight_decay)
        for charge, at in zip(self.charges, self._slices, strict=True):
            value, moment = self.predicted[rows, at], self._state["moment"][rows, at]
            pushed = momentum * moment + decay * value
            if charge.kind == "translation":
                value -= rule.lr * pushed
                moment.copy_(pushed)
            else:
                second = charge.value(step, 1)
                value += rule.lr**2 * second - 2 * rule.lr * pushed
                moment.copy_(pushed - rule.lr * second)
            self._state["reach"][rows, at] += charge.most(before, rule.lr * charge.lengths(step, lead=1), 1)
            self._state["rounding"][rows, at] += charge.rounding(before, 1)
        for name, values in before.items():
            values.copy_(now[name])
        self._steps[rows] += 1

    def mark(self) -> None:
        """Keep measured and predicted values of now, and the number of steps."""
        values = self.measured().cpu().numpy(), self.predicted.cpu().numpy().copy(), self._steps.copy()
        for marks, now in zip(self._marks, values, strict=True):
            marks.append(now)

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays of the motion, float64.

        ``measured`` and ``predicted`` at all marks ``(replicas, marks, components)``, ``steps (replicas, marks)``;
        ``moment``; ``reach``, the most that all steps could have changed a charge to first order; ``rounding``, its
        variance by rounding of weights.
        """
        kept = {name: values.cpu().numpy().copy() for name, values in self._state.items()}
        marks = (np.stack(marks, 1) for marks in self._marks)
        return dict(zip(MARKED, marks, strict=True)) | kept
