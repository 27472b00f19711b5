"""Constants appended to the input are the bias with another step: to machine precision, and not with another factor."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import physnn
from physnn import rng
from physnn.errors import InputError
from physnn.networks.tasks.expansion import expand
from physnn.networks.tasks.expansion_law import expansion_law, phases

CONSTANTS = (0.5, -1.5, 0.0, 2.0)
"""One of them is 0: with eps = 0 Adam would divide 0 by 0, so eps is 1e-30."""


def network(inputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 12), nn.Tanh(), nn.Linear(12, 1)).double()


def losses(make, steps: int, factor: float = 1.0, law=None, clip=None, **settings) -> list[list[float]]:
    """Losses of an expanded network and of the raw one that follows the law, with a factor that is right at 1."""
    g = rng.stream(0, "synthetic", "expansion law")
    x, y = g.standard_normal((40, 3)), torch.from_numpy(g.standard_normal((40, 1)))
    torch.manual_seed(0)
    expanded, raw = network(3 + len(CONSTANTS)), network(3)
    optimiser = make(expanded.parameters(), **settings)
    law = law or physnn.expansion_law(CONSTANTS, optimiser)
    first = expanded[0]
    with torch.no_grad():
        raw[0].weight.copy_(first.weight[:, :3])
        raw[0].bias.copy_(torch.from_numpy(law.initial_bias(first.bias.numpy(), first.weight[:, 3:].numpy())))
        raw[2].load_state_dict(expanded[2].state_dict())
    others = [raw[0].weight, *raw[2].parameters()]
    groups = law.groups(raw[0].bias, others, settings["lr"], settings.get("weight_decay", 0.0))
    groups[0]["lr"] *= factor
    found = []
    with_constants = np.concatenate([x, np.tile(CONSTANTS, (40, 1))], axis=1)
    for model, steered, data in ((expanded, optimiser, with_constants), (raw, make(groups, **settings), x)):
        found.append([])
        for _ in range(steps):
            steered.zero_grad()
            loss = F.mse_loss(model(torch.from_numpy(data)), y)
            loss.backward()
            if clip:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            steered.step()
            found[-1].append(float(loss.detach()))
    return found


def apart(pair) -> float:
    return float(np.abs(np.array(pair[0]) / np.array(pair[1]) - 1).max())


@pytest.mark.parametrize(
    ("make", "settings", "exactly"),
    [
        (torch.optim.SGD, {"lr": 0.01}, 1e-12),
        (torch.optim.SGD, {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}, 1e-12),
        (torch.optim.SGD, {"lr": 0.01, "momentum": 0.8, "dampening": 0.3}, 1e-12),
        (torch.optim.Adam, {"lr": 1e-3, "eps": 1e-30}, 1e-11),
        (torch.optim.Adam, {"lr": 1e-3, "eps": 1e-30, "amsgrad": True}, 1e-11),
        (torch.optim.Adam, {"lr": 1e-3}, 1e-6),
        (torch.optim.AdamW, {"lr": 1e-3, "weight_decay": 0.1, "eps": 1e-30}, 1e-11),
        (torch.optim.NAdam, {"lr": 1e-3, "eps": 1e-30}, 1e-11),
        (torch.optim.Adamax, {"lr": 1e-3, "eps": 1e-30}, 1e-11),
        (torch.optim.RMSprop, {"lr": 1e-3, "eps": 1e-30, "momentum": 0.5}, 1e-11),
        (torch.optim.Adagrad, {"lr": 1e-2, "eps": 1e-30}, 1e-11),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_the_law_holds_to_machine_precision_and_no_other_factor_does(make, settings, exactly):
    assert apart(losses(make, 200, **settings)) < exactly
    squares, magnitudes = 1 + sum(c**2 for c in CONSTANTS), 1 + sum(map(abs, CONSTANTS))
    wrong = magnitudes / squares if make is torch.optim.SGD else squares / magnitudes
    assert apart(losses(make, 200, factor=wrong, **settings)) > 1e-3
    assert apart(losses(make, 200, factor=1 / (squares if make is torch.optim.SGD else magnitudes), **settings)) > 1e-3


def test_where_there_is_no_law_it_is_refused():
    for optimiser, options, words in (
        ("adam", {"weight_decay": 0.1}, "decay in its gradient"),
        ("sgd", {"clip": 1.0}, "clipped"),
        ("lbfgs", {}, "no law is known"),
        ("radam", {}, "no law is known"),
    ):
        with pytest.raises(InputError, match=words):
            physnn.expansion_law([0.5], optimiser, **options)
    with pytest.raises(InputError, match="finite"):
        physnn.expansion_law([np.nan], "sgd")
    law = physnn.expansion_law([0.5, -2], "adamw", weight_decay=0.1)
    assert law.factor == 3.5 and law.decay == pytest.approx(1 / 3.5) and not law.exact
    assert physnn.expansion_law([0.0], "sgd").factor == 1
    with pytest.raises(InputError, match="as many columns"):
        law.initial_bias(np.zeros(2), np.zeros((2, 3)))


def test_where_a_law_is_refused_none_is_near():
    adam, sgd = physnn.expansion_law(CONSTANTS, "adam"), physnn.expansion_law(CONSTANTS, "sgd")
    for law in (adam, sgd):
        assert apart(losses(torch.optim.Adam, 200, law=law, lr=1e-3, eps=1e-30, weight_decay=0.1)) > 1e-4
        assert apart(losses(torch.optim.SGD, 200, law=law, clip=0.1, lr=0.01)) > 1e-4
        assert apart(losses(torch.optim.RAdam, 200, law=law, lr=1e-3, eps=1e-30)) > 1e-4


@pytest.mark.parametrize(("size", "factor"), [(3, 2), (3, 3), (5, 2), (2, 3)])
def test_a_convolution_of_expanded_images_is_one_small_convolution_for_each_phase(size, factor):
    g = rng.stream(0, "synthetic", "phases", size, factor)
    images = g.random((2, 3, 6, 6)).astype(np.float32)
    weights, bias = g.standard_normal((4, 3, size, size)), g.standard_normal(4)
    whole = F.conv2d(
        torch.from_numpy(expand(images, factor, 0.25)).double(), torch.from_numpy(weights), torch.from_numpy(bias)
    ).numpy()
    found = phases(weights, bias, 0.25, factor)
    assert len(found) == factor**2 and sum(p.weights[0, 0].size for p in found) == size**2
    for p in found:
        part = whole[:, :, p.row :: factor, p.column :: factor]
        if p.weights.size:
            data = torch.from_numpy(images).double()[:, :, p.first[0] :, p.first[1] :]
            own = F.conv2d(data, torch.from_numpy(np.ascontiguousarray(p.weights)), torch.from_numpy(p.bias)).numpy()
            own = own[:, :, : part.shape[2], : part.shape[3]]
            assert own.shape == part.shape
        else:
            own = np.broadcast_to(p.bias[:, None, None], part.shape)
        assert np.abs(own - part).max() < 1e-12
        # The control: without the fill's part of the bias it is another layer.
        assert np.abs(own - p.bias[:, None, None] + bias[:, None, None] - part).max() > 0.1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("c", "said"), [([1e200], "so large"), (["a"], "real"), ([1j], "real"), ([[1], [1, 2]], "list")]
)
def test_constants_that_are_none_are_refused(c, said):
    with pytest.raises(InputError, match=said):
        expansion_law(c, "sgd")


@pytest.mark.parametrize("name", ["lr", "weight_decay"])
def test_groups_with_settings_of_their_own_have_no_law(name):
    first, second = (torch.nn.Parameter(torch.zeros(2)) for _ in range(2))
    groups = [{"params": [first], name: 0.3}, {"params": [second]}]
    with pytest.raises(InputError, match=f"differ in {name}"):
        expansion_law([1.0], torch.optim.SGD(groups, lr=0.1, weight_decay=0.1))
    groups[1][name] = 0.3
    assert expansion_law([1.0], torch.optim.SGD(groups, lr=0.1, weight_decay=0.1)).factor == 2
    with pytest.raises(InputError, match="decay in its gradient"):
        expansion_law([1.0], torch.optim.Adam([{"params": [first], "weight_decay": 0.1}], lr=0.1))


@pytest.mark.parametrize(
    ("lr", "decay", "said"),
    [(-1.0, 0.0, "rate"), (float("nan"), 0.0, "rate"), ("a", 0.0, "rate"), (0.1, -1.0, "decay")],
)
def test_groups_have_sound_settings(lr, decay, said):
    bias, other = (torch.nn.Parameter(torch.zeros(2)) for _ in range(2))
    law = expansion_law([1.0], "sgd")
    with pytest.raises(InputError, match=said):
        law.groups(bias, [other], lr, decay)
    with pytest.raises(InputError, match="leave it out"):
        law.groups(bias, [other, bias], 0.1)
