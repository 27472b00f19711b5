"""Charges of learning: what gradient flow keeps because the loss has a symmetry in its weights.

If the loss does not change under w -> w + epsilon S w, the gradient is orthogonal to S w, and the charge w . S w stands
still under gradient flow, or decays with the weights.  Where the loss does not change under w -> w + epsilon c, the sum
c . w does.

Source: H. Tanaka and D. Kunin, "Noether's Learning Dynamics", arXiv:2105.02716.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

ChargeKind = Literal["scale", "rescaling", "rotation", "translation"]


@dataclass(frozen=True)
class ChargePart:
    """One array of weights in a charge: (before, units, after) is its shape, units are told apart, all else summed."""

    name: str
    sign: int
    split: tuple[int, int, int]

    def rows(self, arrays: Mapping[str, Tensor], lead: int) -> Tensor:
        """Weights as ``(..., units, before * after)`` in float64; the first ``lead`` axes stay."""
        values = arrays[self.name].detach()
        split = values.reshape(*values.shape[:lead], *self.split).transpose(lead, lead + 1)
        return split.flatten(lead + 1).double()


@dataclass(frozen=True)
class Charge:
    """Charge of one symmetry, with a value for every unit, or for every pair of units (``rotation``).

    ==============  =====================================  ============================================================
    kind            symmetry of the loss                   charge of unit u, or of units u and v
    ==============  =====================================  ============================================================
    ``scale``       weights before a normalisation         sum of w_u^2
    ``rescaling``   a ReLU's input times a, its output     sum of squares of weights into u, less that of weights out
                    divided by a
    ``rotation``    any matrix between linear layers, its  products of weights into u and v, less those of weights out
                    inverse in the next one
    ``translation`` one number for all classes             sum of weights
    ==============  =====================================  ============================================================

    Attributes
    ----------
    kind, place : str
        Symmetry, and the layers that it is about.
    parts : tuple of ChargePart
        Weights that are in it.
    """

    kind: ChargeKind
    place: str
    parts: tuple[ChargePart, ...]

    @property
    def units(self) -> int:
        """Number of units."""
        return self.parts[0].split[1]

    @property
    def labels(self) -> tuple[str, ...]:
        """Kind, place and unit of every component; two units for rotations."""
        several = [(u, v) for u in range(self.units) for v in range(self.units)]
        words = [f"{u} {v}" for u, v in several] if self.kind == "rotation" else list(map(str, range(self.units)))
        return tuple(f"{self.kind} {self.place} {word}" for word in words)

    def value(self, arrays: Mapping[str, Tensor], lead: int = 0) -> Tensor:
        """Charge of weights by name, or of steps of them; shape ``(..., components)``, float64.

        The first ``lead`` axes of the arrays count networks.
        """
        total: Tensor = torch.zeros(())
        for part in self.parts:
            rows = part.rows(arrays, lead)
            if self.kind == "translation":
                found = rows.sum(-1)
            elif self.kind == "rotation":
                found = (rows @ rows.transpose(-1, -2)).flatten(lead)
            else:
                found = rows.square().sum(-1)
            total = total + part.sign * found
        return total

    def lengths(self, arrays: Mapping[str, Tensor], power: int = 1, lead: int = 0) -> Tensor:
        """Root of the sum of squares of all weights of a unit, each to a power; shape ``(..., units)``."""
        squares = [part.rows(arrays, lead).abs().pow(2 * power).sum(-1) for part in self.parts]
        return torch.stack(squares).sum(0).sqrt()

    def most(self, weights: Mapping[str, Tensor], step: Tensor, lead: int = 0) -> Tensor:
        """Most that a charge can change, to first order, by steps of given ``lengths``; shape ``(..., components)``."""
        if self.kind == "translation":
            return step * math.sqrt(sum(part.split[0] * part.split[2] for part in self.parts))
        own = self.lengths(weights, lead=lead)
        if self.kind != "rotation":
            return 2 * own * step
        crossed = own[..., :, None] * step[..., None, :]
        return (crossed + crossed.transpose(-1, -2)).flatten(lead)

    def rounding(self, weights: Mapping[str, Tensor], lead: int = 0) -> Tensor:
        """Variance of a charge by rounding of the weights in one step, shape ``(..., components)``.

        A number w is off by up to half of its last digit, which is between eps w / 2 and eps w.
        """
        digit = torch.finfo(weights[self.parts[0].name].dtype).eps ** 2 / 12
        if self.kind == "translation":
            return digit * self.lengths(weights, lead=lead).square()
        double = torch.finfo(torch.float64).eps ** 2
        own = self.lengths(weights, lead=lead).square()
        if self.kind != "rotation":
            return 4 * digit * self.lengths(weights, 2, lead).square() + double * own.square()
        crossed = torch.stack([_crossed(part.rows(weights, lead).square()) for part in self.parts]).sum(0)
        pairs = 2 * digit * crossed * (1 + torch.eye(self.units, dtype=crossed.dtype, device=crossed.device))
        return (pairs + double * own[..., :, None] * own[..., None, :]).flatten(lead)


def _crossed(squares: Tensor) -> Tensor:
    """Sums of products of squares, ``(..., units, units)``."""
    return squares @ squares.transpose(-1, -2)


def charge_labels(charges: tuple[Charge, ...]) -> tuple[str, ...]:
    """Labels of all components of charges, one after the other."""
    return tuple(label for charge in charges for label in charge.labels)
