"""Averages over groups and frames: invariant, whatever the network; plain networks are not."""

from __future__ import annotations

import pytest
import torch

from physnn import rng
from physnn.errors import InputError
from physnn.networks.classifiers.zoo import build
from physnn.networks.symmetry.averaging import FrameAveraged, GroupAveraged
from physnn.networks.symmetry.layers import move_pixels


def normal(*shape: int) -> torch.Tensor:
    return torch.from_numpy(rng.stream(0, "synthetic", "averaging").normal(size=shape)).float()


@pytest.mark.parametrize("point", ["d1", "c4", "d4"])
def test_an_average_over_a_group_is_invariant_and_the_network_is_not(point):
    images, network = normal(5, 1, 8, 8), build("simple", 1, 8, 3)
    averaged = GroupAveraged(network, point)
    with torch.no_grad():
        for g in range(averaged.cost):
            moved = move_pixels(point, g, images)
            assert torch.allclose(averaged(moved), averaged(images), atol=1e-5)
            assert g == 0 or not torch.allclose(network(moved), network(images), atol=1e-3)


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("reflections", [True, False])
def test_an_average_over_frames_is_invariant_under_rotations_and_translations(d, reflections):
    network = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(7 * d, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2)
    )
    points = normal(4, 7, d) * torch.arange(1.0, d + 1)
    turn = torch.linalg.qr(normal(d, d))[0]
    turn[:, 0] *= torch.linalg.det(turn)
    mirror = turn @ torch.diag(torch.tensor([-1.0] + [1.0] * (d - 1)))
    averaged = FrameAveraged(network, reflections)
    with torch.no_grad():
        here = averaged(points)
        assert torch.allclose(averaged(points @ turn + 3), here, atol=1e-5)
        assert not torch.allclose(network(points @ turn), network(points), atol=1e-3)
        # A mirror image is told apart where frames of one handedness count.
        assert torch.allclose(averaged(points @ mirror), here, atol=1e-5) == reflections
    moments = averaged.moments(points)[0]
    assert (moments.diff(dim=1) > 0).all() and moments.shape == (4, d)


def test_too_few_points_have_no_frame():
    with pytest.raises(InputError, match="n above d"):
        FrameAveraged(torch.nn.Flatten())(normal(1, 3, 3))


def test_half_of_the_images_are_transformed_in_all_their_positions():
    images = normal(6, 1, 8, 8)
    plain, turned = build("simple", 1, 8, 3), build("rotation", 1, 8, 3)
    turned.load_state_dict(plain.state_dict())
    with torch.no_grad():
        one, other = (GroupAveraged(network, "c4").train()(images) for network in (plain, turned))
        assert torch.allclose(one, other, atol=1e-5)
        assert not torch.allclose(plain.train()(images), turned.train()(images), atol=1e-3)
