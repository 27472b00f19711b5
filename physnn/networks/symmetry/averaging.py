"""Networks made invariant by averaging: over a point group of images, or over the frames of a set of points.

Source: O. Puny et al., Frame averaging for invariant and equivariant network design (ICLR 2022).
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from physnn.errors import InputError
from physnn.networks.symmetry.layers import move_pixels, point_group


class GroupAveraged(nn.Module):
    """Mean of a network's answers to an image under all elements of a point group: invariant, whatever the network.

    Parameters
    ----------
    network : Module
        Takes square images ``(batch, channels, side, side)``.
    point : str
        Point group, one of `POINT_GROUPS`.
    """

    def __init__(self, network: nn.Module, point: str = "d4") -> None:
        super().__init__()
        self.network, self.point = network, point
        self.cost = len(point_group(point).matrices)
        """Evaluations of the network for one image."""
        self.rate = float(getattr(network, "rate", 0.0))
        """Rate of dropout, 0 without."""

    def forward(self, images: Tensor, keep: Tensor | None = None) -> Tensor:
        """Answers ``(batch, ...)``; ``keep`` are factors of hidden units, the same for an image in all positions."""
        # All positions of an image after each other: a network that transforms the first half of what it is shown while
        # it trains does so to half of the images.
        shown = torch.stack([move_pixels(self.point, g, images) for g in range(self.cost)], 1).flatten(0, 1)
        kept = () if keep is None else (keep.repeat_interleave(self.cost, 0),)
        answers: Tensor = self.network(shown, *kept)
        return torch.mean(answers.unflatten(0, (len(images), self.cost)), dim=1)


class FrameAveraged(nn.Module):
    """Mean of a network's answers to points seen from their own frames: invariant under translations and rotations.

    Frames are the principal axes about the centre, with both signs of each: 2^d views instead of all rotations.  Where
    two principal moments agree, axes are not unique, and the answer jumps; `moments` tells how close that is.

    Parameters
    ----------
    network : Module
        Takes points ``(batch, n, d)``.
    reflections : bool
        Whether frames of either handedness count, for O(d); else only those of determinant 1, for SO(d).
    """

    def __init__(self, network: nn.Module, reflections: bool = True) -> None:
        super().__init__()
        self.network, self.reflections = network, reflections

    def cost_in(self, d: int) -> int:
        """Evaluations of the network for one set of points in d dimensions."""
        return 1 << (d if self.reflections else d - 1)

    @staticmethod
    def moments(points: Tensor) -> tuple[Tensor, Tensor]:
        """Principal moments ``(batch, d)``, rising, in squared units of the points, and axes ``(batch, d, d)``.

        Raises
        ------
        InputError
            If there are not more points than dimensions.
        """
        if points.ndim != 3 or points.shape[1] <= points.shape[2]:
            raise InputError(f"points of shape {tuple(points.shape)} have no frame; give (batch, n, d) with n above d")
        centred = points - points.mean(1, keepdim=True)
        found = torch.linalg.eigh(centred.transpose(1, 2) @ centred / points.shape[1])
        return found.eigenvalues, found.eigenvectors

    def forward(self, points: Tensor) -> Tensor:
        """Answers ``(batch, ...)`` of points ``(batch, n, d)``."""
        axes = self.moments(points)[1]
        centred = points - points.mean(1, keepdim=True)
        d = points.shape[2]
        signs = torch.tensor(list(itertools.product((1.0, -1.0), repeat=d)), dtype=points.dtype, device=points.device)
        frames = axes[:, None] * signs[None, :, None, :]
        if not self.reflections:
            kept = torch.linalg.det(frames) > 0  # half of them, for every set of points
            frames = frames[kept].unflatten(0, (len(points), -1))
        seen = (centred[:, None] @ frames).flatten(0, 1)
        answers: Tensor = self.network(seen)
        return torch.mean(answers.unflatten(0, (len(points), -1)), dim=1)
