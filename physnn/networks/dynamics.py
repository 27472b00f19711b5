"""What sweeps and diagnoses ask of a network: a state that images are written into, steps, and a way to read it out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

Noise = Callable[[int], Tensor]
"""Called with the step number; returns independent standard normals of the state's shape."""


class Stepper(Protocol):
    """Takes one step."""

    def __call__(self, x: Tensor, t: int, xi: Tensor | None = None, eta: float = 0.0) -> Tensor:
        """Return the state after step number t, with standard normals ``xi`` of x's shape at noise ``eta``."""


class Dynamics(Protocol):
    """A network that can be followed step by step: `physnn.networks.kuramoto.network`, or one that was brought.

    States have shape ``(images, components, rows, columns)``.
    """

    @property
    def gamma(self) -> float | None:
        """Step size, if there is one."""

    @property
    def layers(self) -> int:
        """Steps that exist, 0 if any number does."""

    def lift_images(self, images: Tensor) -> Tensor:
        """Return x(0) of images ``(images, L, L)`` with values +-0.5."""

    def stepper(self) -> Stepper:
        """Return what takes steps."""

    def evolve(
        self,
        images: Tensor,
        steps: int,
        noise: Noise | None = None,
        eta: float = 0.0,
        layout: torch.memory_format = torch.contiguous_format,
    ) -> Tensor:
        """Return x(steps)."""

    def read_out(self, x: Tensor) -> Tensor:
        """Return the output images ``(images, L, L)``."""

    def overlap(self, x: Tensor, y: Tensor) -> Tensor:
        """Return how alike two states are, ``(images,)``, 1 if they are the same, float64."""

    def energy(self, x: Tensor, layer: int = 0) -> Tensor | None:
        """Return the energy per site, ``(images,)``, float64, that step ``layer`` lowers; None if it is unknown."""

    def order_parameter(self, x: Tensor) -> Tensor | None:
        """Return an order parameter, ``(images, n)``, float64, if there is one."""
