"""Layers that commute with rotations of the plane and of the sphere, before and after training; layers that do not."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from physnn import rng
from physnn.analysis.order.equivariance import layer_deviation, share
from physnn.errors import InputError
from physnn.models.groups.circular import disc
from physnn.networks.classifiers.zoo import build, initialise
from physnn.networks.symmetry.layers import FieldConv, FieldCopies
from physnn.networks.symmetry.measure import OUTPUT, motions_of, moved_values
from physnn.networks.symmetry.sphere import (
    SphereConv,
    SphereNet,
    SpherePointwise,
    bispectrum,
    power_spectrum,
    turn_signals,
)
from physnn.networks.symmetry.steerable import CircularSpace, NormReLU, SteerableCNN

QUARTER, EIGHTH = math.pi / 2, math.pi / 4
TURN = (0.7, 1.9, -2.3)


def normal(*shape: int) -> torch.Tensor:
    return torch.from_numpy(rng.stream(3, "synthetic").normal(size=shape))


def trained(network: torch.nn.Module, images: torch.Tensor) -> None:
    """Take five steps down the slope."""
    for _ in range(5):
        network.zero_grad()
        torch.nn.functional.cross_entropy(network(images), torch.arange(len(images))).backward()
        with torch.no_grad():
            for values in network.parameters():
                values.sub_(0.2 * values.grad)


@pytest.mark.parametrize("kind", ["norm", "gate"])
def test_steerable_networks_commute_with_quarter_turns_before_and_after_training(kind):
    network, images = SteerableCNN(1, 8, 3, kind).double(), normal(3, 1, 8, 8)
    initialise(network, rng.stream(0, "weights"))
    for stage in range(2):
        with torch.no_grad():
            moved = network.spaces[0].turn(QUARTER, images)
            for space, one, other in zip(network.spaces[1:], network.maps(images), network.maps(moved), strict=True):
                assert torch.allclose(space.turn(QUARTER, one), other, atol=1e-5)
                assert not torch.allclose(one, other, atol=1e-2)
            assert torch.allclose(network(moved), network(images), atol=1e-5)
        if stage == 0:
            trained(network, images)


def test_a_filter_with_one_weight_of_its_own_is_found_out():
    network, images = SteerableCNN(1, 8, 3).double(), normal(3, 1, 8, 8)
    initialise(network, rng.stream(0, "weights"))
    network.second = network.second.plain().double()
    with torch.no_grad():
        moved = network.spaces[0].turn(QUARTER, images)
        assert torch.allclose(network(moved), network(images), atol=1e-5)
        network.second.weight[0, 0, 0, 0] += 0.1
        assert not torch.allclose(network(moved), network(images), atol=1e-4)


def blobs(side: int, angle: float = 0.0) -> torch.Tensor:
    """Two smooth blobs in a disc, the same on every grid, about the centre by an angle."""
    y, x = (np.indices((side, side)) - (side - 1) / 2) * 24 / side
    c, s = math.cos(angle), math.sin(angle)
    y, x = c * y + s * x, c * x - s * y
    return torch.from_numpy(np.exp(-((y - 3) ** 2 + (x + 1) ** 2) / 8) - np.exp(-((y + 3) ** 2 + (x - 2) ** 2) / 10))


def test_layers_commute_with_other_angles_the_better_the_finer_the_grid():
    numbers = CircularSpace("so2", (FieldCopies("0", 1),))
    space = CircularSpace("so2", tuple(FieldCopies(str(k), 2) for k in range(3)))
    steerable = FieldConv(numbers, space, 5), NormReLU(space), FieldConv(space, space, 5)
    ways = {"steerable": torch.nn.Sequential(*steerable), "plain": torch.nn.Conv2d(1, 10, 5, padding=2)}
    apart = {}
    for name, through in ways.items():
        initialise(through.double(), rng.stream(0, "weights"))
        for side in (16, 32):
            with torch.no_grad():
                here, moved = (through(blobs(side, angle)[None, None]) for angle in (0.0, EIGHTH))
                seen = torch.from_numpy(disc(side, side / 8))
                difference = (space.turn(EIGHTH, here) - moved) * seen
            apart[name, side] = float(difference.norm() / (moved * seen).norm())
    # 5 % and 2 %; a plain convolution of the same size misses by as much as there is.
    assert apart["steerable", 32] < apart["steerable", 16] / 2 < 0.05
    assert apart["plain", 32] > 0.3


def test_rotations_between_pixels_are_measured_with_interpolation_as_null():
    shown = torch.stack([blobs(16, 0.7 * k) * (1 + k / 8) for k in range(8)])[:, None].float().numpy()
    shares = {}
    for name, network in (("steerable", SteerableCNN(1, 16, 3)), ("plain", build("simple", 1, 16, 3))):
        initialise(network, rng.stream(0, "weights"))
        for layer in moved_values(network, shown, "so2"):
            found = layer_deviation(layer.here, layer.moved, layer.interpolated)
            before = shares.get((name, layer.name), np.zeros(3))
            shares[name, layer.name] = before + [
                share(part)[0] / 8 for part in (found.mixed, found.interpolated, found.still)
            ]
    # Of the first layer 2 % are left once pairs are rotated to fit, and as they are nothing fits.
    mixed, interpolated, still = shares["steerable", "first"]
    assert 0 < interpolated < mixed < 0.05 < 0.3 < still
    assert shares["steerable", OUTPUT][2] < 0.1 < shares["plain", OUTPUT][2]
    with pytest.raises(InputError, match="c1 does nothing"):
        motions_of("c1")


def test_signals_on_the_sphere_commute_with_rotations_at_degree_16_before_and_after_training():
    degree, hidden = 16, 4
    network, signals = SphereNet(2, 3, degree, hidden).double(), normal(3, 2, (degree + 1) ** 2) / degree
    initialise(network, rng.stream(0, "weights"))
    answers = []
    for stage in range(2):
        with torch.no_grad():
            moved = turn_signals(signals, TURN)
            for one, other in zip(network.maps(signals), network.maps(moved), strict=True):
                assert float((turn_signals(one, TURN) - other).abs().max() / other.abs().max()) < 1e-10
            assert float((network(moved) - network(signals)).abs().max()) < 1e-10
            answers.append(network(signals))
        if stage == 0:
            trained(network, signals)
    assert (answers[1] - answers[0]).abs().max() > 0.01


def test_grids_too_coarse_for_a_function_break_the_symmetry():
    signals = normal(2, 1, 81) / 8

    def farthest(function: str, exact_for: int) -> float:
        layer = SpherePointwise(8, function, exact_for)
        there, back = layer(turn_signals(signals, TURN)), turn_signals(layer(signals), TURN)
        return float((there - back).norm() / back.norm())

    assert farthest("square", 3) < 1e-12 < 1e-3 < farthest("square", 2)
    assert 1e-8 < farthest("relu", 8) < farthest("relu", 3) / 3


def test_all_linear_maps_that_commute_with_rotations_mix_channels_of_a_degree():
    # Maps of 2 channels up to degree 2 to 1 channel: null space of D K = K D for two rotations that generate all.
    turns = [(0.7, 1.9, -2.3), (1.1, 0.4, 0.2)]
    one = [turn_signals(torch.eye(9, dtype=torch.float64), turn).T.numpy() for turn in turns]
    conditions = [np.kron(D, np.eye(18)) - np.kron(np.eye(9), np.kron(np.eye(2), D).T) for D in one]
    assert (
        9 * 18 - np.linalg.matrix_rank(np.concatenate(conditions), tol=1e-9) == SphereConv(2, 1, 2).weight.numel() == 6
    )


def test_the_bispectrum_tells_what_the_power_spectrum_does_not():
    signals = normal(1, 1, 16)
    triples = ((1, 1, 2), (1, 2, 3), (1, 2, 2))
    moved = turn_signals(signals, TURN)
    assert torch.allclose(power_spectrum(moved), power_spectrum(signals))
    assert torch.allclose(bispectrum(moved, triples), bispectrum(signals, triples))
    # Degree 1 turned alone: as much power, another signal.
    other = torch.cat([signals[..., :1], moved[..., 1:4], signals[..., 4:]], dim=-1)
    assert torch.allclose(power_spectrum(other), power_spectrum(signals))
    assert not torch.allclose(bispectrum(other, triples[:2]), bispectrum(signals, triples[:2]), atol=1e-2)
    # A point reflection changes odd degrees.
    mirrored = signals * torch.tensor([1.0] + 3 * [-1.0] + 5 * [1.0] + 7 * [-1.0])
    sums = torch.tensor([1.0, 1.0, -1.0])
    assert torch.allclose(bispectrum(mirrored, triples), sums * bispectrum(signals, triples))


def test_refusals():
    with pytest.raises(InputError, match="no field 'vector' of so2"):
        CircularSpace("so2", (FieldCopies("vector", 1),))
    with pytest.raises(InputError, match="divisible by 4"):
        SteerableCNN(1, 10, 2)
    with pytest.raises(InputError, match="give a square number"):
        power_spectrum(torch.zeros(1, 1, 5))
    with pytest.raises(InputError, match="give 2 or more"):
        SpherePointwise(4, exact_for=1)
