"""Charges of learning: recursions to rounding in double precision, and what must break them."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from physnn.errors import InputError
from physnn.networks.adam import Adam
from physnn.networks.sgd import SGD
from physnn.networks.symmetry.charges import Charge
from physnn.networks.symmetry.motion import ChargeMotion, DescentRule
from physnn.networks.symmetry.traced import charges_of

CLASSES = 3
RULES = {
    "plain": DescentRule(0.1),
    "decay": DescentRule(0.1, weight_decay=0.05),
    "momentum": DescentRule(0.05, 0.9),
    "both": DescentRule(0.05, 0.9, 0.02),
}


def network(activation: type[nn.Module] = nn.ReLU, norm: bool = True) -> nn.Sequential:
    """Every kind of symmetry: a normalised convolution, pairs with ReLU, linear layers in a row, logits."""
    torch.manual_seed(1)
    layers = [
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4, eps=1e-60) if norm else nn.Identity(),
        activation(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 5, 3, padding=1),
        activation(),
        nn.Flatten(),
        nn.Linear(20, 6),
        nn.Linear(6, 5),
        activation(),
        nn.Linear(5, CLASSES),
    ]
    return nn.Sequential(*layers).double()


def images() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shown = torch.randn(12, 2, 4, 4, generator=generator, dtype=torch.float64)
    return shown, torch.randint(0, CLASSES, (12,), generator=generator)


def trained(net: nn.Module, rule: DescentRule, charges: tuple[Charge, ...], steps: int = 10) -> ChargeMotion:
    """Motion of the charges of a network that steps by an optimiser."""
    shown, labels = images()
    motion = ChargeMotion.of(net, charges, rule)
    if rule.adaptive:
        optimiser = Adam(net.parameters(), rule.lr)
    else:
        optimiser = SGD(net.parameters(), rule.lr, rule.momentum, rule.weight_decay)
    for k in range(steps):
        chosen = torch.arange(k, k + 6) % len(shown)
        optimiser.zero_grad()
        functional.cross_entropy(net(shown[chosen]), labels[chosen]).backward()
        optimiser.step()
        motion.after({name: values[None] for name, values in net.named_parameters()})
    return motion


def off(motion: ChargeMotion, kind: str) -> tuple[float, float]:
    """Largest deviation of a kind from its prediction, in roundings and as a share of what could have been."""
    chosen = [k for k, label in enumerate(motion.labels) if label.startswith(f"{kind} ")]
    apart = (motion.measured() - motion.predicted)[0, chosen].abs()
    found = motion.arrays()
    rounding, reach = (torch.from_numpy(found[name])[0, chosen] for name in ("rounding", "reach"))
    return float((apart / rounding.sqrt()).max()), float(apart.norm() / reach.norm())


def test_layers_with_symmetries_are_found_in_the_graph():
    shown, _ = images()
    found = charges_of(network(), shown)
    assert [(c.kind, c.place, c.units) for c in found] == [
        ("scale", "0", 4),
        ("translation", "0.bias", 4),
        ("rescaling", "1-4", 4),
        ("rescaling", "4-7", 5),
        ("rotation", "7-8", 6),
        ("rescaling", "8-10", 5),
        ("translation", "10.weight", 5),
        ("translation", "10.bias", 1),
    ]
    assert charges_of(network(), shown, softmax=False) == found[:-2]
    assert [c.place for c in charges_of(network(nn.Tanh), shown)] == ["0", "0.bias", "7-8", "10.weight", "10.bias"]
    assert not any(c.kind == "scale" for c in charges_of(network(norm=False), shown))


@pytest.mark.parametrize("name", RULES)
def test_charges_move_as_the_steps_say_to_rounding(name):
    shown, _ = images()
    net, rule = network(), RULES[name]
    motion = trained(net, rule, charges_of(net, shown))
    assert motion.labels[0] == "scale 0 0" and motion.predicted.shape == (1, len(motion.labels))
    for kind in ("scale", "rescaling", "rotation", "translation"):
        roundings, share = off(motion, kind)
        assert roundings < 10 and share < 1e-13, (kind, roundings, share)
    # Gradient flow alone, without the length of the steps, or another rule, would be seen.
    flow = motion.arrays()["measured"][0, 0] * math.exp(-2 * rule.weight_decay * rule.lr * 10 / (1 - rule.momentum))
    quadratic = [k for k, label in enumerate(motion.labels) if not label.startswith("translation")]
    assert abs(flow - motion.measured()[0].numpy())[quadratic].max() > 1e-4


def test_one_step_is_the_formula():
    shown, labels = images()
    net, rule = network(), RULES["decay"]
    before = net[0].weight.detach().clone()
    functional.cross_entropy(net(shown), labels).backward()
    g = net[0].weight.grad.clone()
    motion = ChargeMotion.of(net, charges_of(net, shown)[:1], rule)
    SGD(net.parameters(), rule.lr, weight_decay=rule.weight_decay).step()
    motion.after({name: values[None] for name, values in net.named_parameters()})
    squares = [a.square().flatten(1).sum(1) for a in (before, g, net[0].weight.detach())]
    expected = (1 - rule.lr * rule.weight_decay) ** 2 * squares[0] + rule.lr**2 * squares[1]
    assert torch.allclose(squares[2], expected, rtol=1e-14, atol=0)
    assert torch.allclose(motion.predicted[0], expected, rtol=1e-13, atol=0)
    assert not torch.allclose(squares[2], (1 - 2 * rule.lr * rule.weight_decay) * squares[0], rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"activation": nn.Tanh}, "rescaling"),
        ({"norm": False}, "scale"),
        ({"adaptive": True}, "scale"),
        ({"adaptive": True}, "rescaling"),
        ({"adaptive": True}, "rotation"),
        ({"adaptive": True}, "translation"),
    ],
)
def test_without_its_symmetry_a_charge_goes_elsewhere(change, kind):
    shown, _ = images()
    charges = charges_of(network(), shown)
    adaptive = "adaptive" in change
    rule = DescentRule(0.01, adaptive=True) if adaptive else RULES["momentum"]
    net = network(**{} if adaptive else change)
    # Without its normalisation the network lacks the gains of one.
    known = tuple(c for c in charges if {part.name for part in c.parts} <= {name for name, _ in net.named_parameters()})
    roundings, share = off(trained(net, rule, known), kind)
    assert roundings > 1e6 and share > 1e-3, (roundings, share)


def test_what_a_normalisation_adds_to_the_variance_breaks_the_scale_a_little():
    shown, _ = images()
    shares = []
    for eps in (1e-5, 1e-4):
        net = network()
        net[1].eps = eps
        shares.append(off(trained(net, RULES["momentum"], charges_of(net, shown)), "scale")[1])
    assert 1e-6 < shares[0] < 1e-4 and shares[1] / shares[0] == pytest.approx(10, rel=0.01)


def test_drift_from_gradient_flow_halves_with_the_step():
    shown, labels = images()

    def drift(lr: float) -> float:
        net = network()
        charges = charges_of(net, shown)
        motion = ChargeMotion.of(net, charges, DescentRule(lr))
        for _ in range(round(0.08 / lr)):
            slopes = torch.autograd.grad(functional.cross_entropy(net(shown), labels), list(net.parameters()))
            with torch.no_grad():
                for w, g in zip(net.parameters(), slopes, strict=True):
                    w.sub_(lr * g)
        motion.after({name: values[None] for name, values in net.named_parameters()})
        chosen = [k for k, label in enumerate(motion.labels) if label.startswith(("scale", "resc"))]
        return float(
            (motion.measured()[0, chosen] - torch.from_numpy(motion.arrays()["measured"][0, 0, chosen])).norm()
        )

    drifts = [drift(lr) for lr in (0.02, 0.01, 0.005)]
    assert [a / b for a, b in itertools.pairwise(drifts)] == pytest.approx([2, 2], abs=0.1)


def test_shared_or_frozen_weights_and_other_layers_have_no_charges():
    shown = torch.zeros(2, 4)
    tied = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    assert [c.place for c in charges_of(tied, shown)] == ["0-2", "2-4", "4.weight", "4.bias"]
    tied[0].weight = tied[2].weight
    assert [c.place for c in charges_of(tied, shown)] == ["4.weight", "4.bias"]
    tied[4].requires_grad_(False)
    with pytest.raises(InputError, match="no charge of learning is known for these layers"):
        charges_of(tied, shown)

    class Looking(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(InputError, match="cannot be followed"):
        charges_of(Looking(), shown)
    with pytest.raises(InputError, match="does not take such inputs"):
        charges_of(nn.Linear(3, 2), shown)
