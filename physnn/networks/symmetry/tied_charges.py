"""Charges of learning of networks whose weights are tied by a group, or whose logits are averaged over one.

A unit of such a network is a map with all its copies, or a copy of a field with all its components.  All of them come
from the same numbers, so that one factor scales them together, and ReLU and pooling let it through.  The charge is that
of the numbers that are trained, not of the filters made of them: each number stands in a filter as often as the group
moves it, and into and out of a unit that is not alike.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor, nn

from physnn.models.groups.soft import TWO_CONVOLUTIONS
from physnn.networks.classifiers.equivariant import TiedCNN
from physnn.networks.symmetry.averaging import GroupAveraged
from physnn.networks.symmetry.charges import Charge, ChargePart
from physnn.networks.symmetry.cnn import FieldCNN
from physnn.networks.symmetry.layers import FieldConv
from physnn.networks.symmetry.steerable import SteerableCNN
from physnn.networks.symmetry.traced import charges_of


def classifier_charges(network: nn.Module, inputs: Tensor) -> tuple[Charge, ...]:
    """Charges of learning of a classifier, in the order of its layers; see `charges_of` for those that are not tied.

    An average of logits keeps all charges of the network that is averaged: every evaluation has the same symmetries.

    Raises
    ------
    InputError
        If none is known.
    """
    if isinstance(network, GroupAveraged):
        return tuple(_within(charge, "network.") for charge in classifier_charges(network.network, inputs))
    if isinstance(network, TiedCNN):
        return (*_tied(network), *_logits(network.output))
    if isinstance(network, FieldCNN | SteerableCNN):
        return (*_fields(network), *_logits(network.output))
    return charges_of(network, inputs)


def _within(charge: Charge, prefix: str) -> Charge:
    """Charge of a network that is a part of another one."""
    return replace(charge, parts=tuple(replace(part, name=prefix + part.name) for part in charge.parts))


def _logits(output: nn.Linear) -> Iterator[Charge]:
    """Sums over classes of the last layer."""
    classes, units = output.weight.shape
    yield Charge("translation", "output.weight", (ChargePart("output.weight", 1, (classes, units, 1)),))
    yield Charge("translation", "output.bias", (ChargePart("output.bias", 1, (classes, 1, 1)),))


def _tied(network: TiedCNN) -> Iterator[Charge]:
    """Balance of every map of a tied network, with all its copies."""
    layers = {name: getattr(network, name) for name in TWO_CONVOLUTIONS}
    for (name, layer), (following, after) in itertools.pairwise(layers.items()):
        units, rest = layer.weight.shape[0], math.prod(layer.weight.shape[1:])
        own = ChargePart(f"{name}.weight", 1, (1, units, rest)), ChargePart(f"{name}.bias", 1, (1, units, 1))
        outputs = after.weight.shape[0]
        # Inputs are maps, then their copies, then places.
        out = ChargePart(f"{following}.weight", -1, (outputs, units, after.weight.numel() // (outputs * units)))
        yield Charge("rescaling", f"{name}-{following}", (*own, out))


def _fields(network: FieldCNN | SteerableCNN) -> Iterator[Charge]:
    """Balance of every copy of fields whose components are permuted: ReLU acts on these, and lets a factor through."""
    layers = {name: getattr(network, name) for name in TWO_CONVOLUTIONS}
    for (name, layer), (following, after) in itertools.pairwise(layers.items()):
        assert isinstance(layer, FieldConv)
        fields = layer.second.fields
        for n, field in enumerate(fields):
            if not layer.second.representation(field).permutes:
                continue
            into = [
                ChargePart(f"{name}.coefficients.{key}", 1, (1, field.copies, values.numel() // field.copies))
                for key, values in layer.coefficients.items()
                if key.endswith(f"_{n}")
            ]
            if isinstance(after, FieldConv):
                out = [
                    ChargePart(f"{following}.coefficients.{key}", -1, (values.shape[0], *values.shape[1:]))
                    for key, values in after.coefficients.items()
                    if key.startswith(f"{n}_")
                ]
            elif len(fields) == 1:
                out = [ChargePart(f"{following}.weight", -1, (after.weight.shape[0], field.copies, 1))]
            else:
                continue  # a part of the columns of the last layer
            label = "" if len(fields) == 1 else f" {field.name}"
            yield Charge("rescaling", f"{name}-{following}{label}", (*into, *out))
