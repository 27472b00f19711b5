"""Protocol of networks that sweeps and diagnoses follow: images become a state, steps change it, it is read out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

NoiseSource = Callable[[int], Tensor]
"""Called with the step number; returns independent standard normals of the state's shape."""


class Stepper(Protocol):
    """Takes one step."""

    def __call__(self, x: Tensor, t: int, xi: Tensor | None = None, eta: float = 0.0) -> Tensor:
        """State after step number t, with standard normals ``xi`` of x's shape at noise ``eta``."""


class Dynamics(Protocol):
    """Network that can be followed step by step: `physnn.networks.kuramoto.network`, or one that was brought.

    States have shape ``(images, components, rows, columns)``.
    """

    @property
    def gamma(self) -> float | None:
        """Step size, if there is one."""

    @property
    def layers(self) -> int:
        """Steps that exist, 0 if any number does."""

    def lift_images(self, images: Tensor) -> Tensor:
        """X(0) of images ``(images, L, L)`` with values +-0.5."""

    def stepper(self) -> Stepper:
        """Function that takes one step."""

    def evolve(
        self,
        images: Tensor,
        steps: int,
        noise: NoiseSource | None = None,
        eta: float = 0.0,
        layout: torch.memory_format = torch.contiguous_format,
    ) -> Tensor:
        """X(steps)."""

    def read_out(self, x: Tensor) -> Tensor:
        """Output images ``(images, L, L)``."""

    def overlap(self, x: Tensor, y: Tensor) -> Tensor:
        """Overlap of two states, ``(images,)``, dimensionless, 1 if they are the same, float64."""

    def energy(self, x: Tensor, layer: int = 0) -> Tensor | None:
        """Energy per site, ``(images,)``, float64, that step ``layer`` lowers; None if it is unknown."""

    def order_parameter(self, x: Tensor) -> Tensor | None:
        """Order parameter, ``(images, n)``, float64, if there is one."""
