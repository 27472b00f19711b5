"""Charges of tied and averaged networks: recursions to rounding in double precision, and what must break them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from physnn import rng
from physnn.networks.classifiers.zoo import build, initialise
from physnn.networks.sgd import SGD
from physnn.networks.symmetry.averaging import GroupAveraged
from physnn.networks.symmetry.charges import Charge
from physnn.networks.symmetry.motion import ChargeMotion, DescentRule
from physnn.networks.symmetry.tied_charges import classifier_charges

UNITS = {
    "quarter_tied": {"first-second": 4, "second-hidden": 8, "hidden-output": 16},
    "d4_fields": {"first-second": 2, "second-hidden": 4, "hidden-output": 8},
    "d4_averaged": {"first-second": 16, "second-hidden": 32, "hidden-output": 64},
    "d4_mixed_fields": {"first-second trivial": 2, "second-hidden trivial": 4},
    "so2_fields": {"first-second 0": 4, "second-hidden 0": 8},
}
"""Units whose weights in and out are in balance, by network and layers."""
RULE = DescentRule(0.05, 0.9, 0.02)
DRAWN = rng.stream(0, "synthetic", "tied charges").normal(size=(8, 1, 8, 8))
IMAGES, LABELS = torch.from_numpy(DRAWN), torch.arange(8) % 3


def network(name: str) -> nn.Module:
    found = build(name, 1, 8, 3)
    initialise(found, rng.stream(0, "weights"))
    return found.double()


def off(net: nn.Module, charges: tuple[Charge, ...]) -> tuple[float, float]:
    """Largest deviation from the prediction in roundings, and largest change."""
    motion, named = ChargeMotion.of(net, charges, RULE), dict(net.named_parameters())
    optimiser = SGD(net.parameters(), RULE.lr, RULE.momentum, RULE.weight_decay)
    for _ in range(5):
        optimiser.zero_grad()
        functional.cross_entropy(net(IMAGES), LABELS).backward()
        optimiser.step()
        motion.after({key: values[None] for key, values in named.items()})
    found = motion.arrays()
    apart = (motion.measured() - motion.predicted).abs() / torch.from_numpy(found["rounding"]).sqrt()
    return float(apart.max()), float(abs(motion.measured()[0].numpy() - found["measured"][0, 0]).max())


@pytest.mark.parametrize("name", UNITS)
def test_units_with_all_their_copies_are_in_balance_to_rounding(name):
    net = network(name)
    charges = classifier_charges(net, IMAGES)
    assert {c.place: c.units for c in charges if c.kind == "rescaling"} == UNITS[name]
    assert [c.place for c in charges if c.kind == "translation"] == ["output.weight", "output.bias"]
    roundings, change = off(net, charges)
    assert roundings < 10 and change > 1e-3


@pytest.mark.parametrize("name", ["quarter_tied", "d4_fields"])
def test_a_balance_without_its_constants_goes_elsewhere(name):
    net = network(name)
    charges = [c for c in classifier_charges(net, IMAGES) if c.kind == "rescaling"]
    kept = [tuple(p for p in c.parts if not p.name.endswith(("bias", "constant_0"))) for c in charges]
    less = tuple(replace(c, parts=parts) for c, parts in zip(charges, kept, strict=True))
    assert off(net, less)[0] > 1e6


def test_a_nonlinearity_that_knows_a_scale_breaks_the_balance(monkeypatch):
    net = network("d4_fields")
    charges = classifier_charges(net, IMAGES)
    monkeypatch.setattr("physnn.networks.symmetry.layers.functional.relu", torch.tanh)
    assert off(net, charges)[0] > 1e6


def test_an_average_keeps_the_scale_of_normalised_weights():
    net = GroupAveraged(build("batchnorm", 1, 8, 3), "c4").double()
    for layer in net.network.norms:
        layer.eps = 1e-60
    charges = classifier_charges(net, IMAGES)
    assert [c.place for c in charges if c.kind == "scale"] == ["first", "second"]
    assert off(net, charges)[0] < 10
