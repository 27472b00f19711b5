"""Networks that users bring: a class that they name, imported from its file, with weights from another file.

The class is called with its weights, a dict of tensors (empty without a weight file), and has

* ``lift(images)``: images ``(n, L, L)`` with values +-0.5 to a state ``(n, components, rows, columns)``;
* ``step(x, noise)``: the state one step later; ``noise`` is None or has x's shape, independent normals of standard
  deviation eta, which a step of size gamma multiplies by sqrt(gamma) to be the noise of a Langevin equation;
* ``read_out(x)``: output images ``(n, L, L)``;
* where they mean something, ``order_parameter(x)``, ``(n,)`` or ``(n, components)``, and ``energy(x)``, ``(n,)``, per
  site; ``overlap(x, y)``, ``(n,)``, if it is not the cosine of two states;
* attributes ``steps`` (the depth it is meant for) and ``gamma``, if it has them.

Only a class that somebody names is imported, never one that a file mentions.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from physnn.errors import InputError
from physnn.networks.dynamics import NoiseSource, Stepper
from physnn.networks.source import Source, imported_class, located, module_digest, sources
from physnn.store.weights_file import read_weights

NEEDED = ("lift", "step", "read_out")


@functools.lru_cache(maxsize=8)
def load_class(module: str, digest: str) -> Any:
    """Import the class that a module names, from the very text with this digest.

    Raises
    ------
    InputError
        If the file has changed, cannot be imported, or lacks the class or one of its methods.
    """
    found, name = imported_class(module, digest), module.rpartition(":")[2]
    if lacking := [method for method in NEEDED if not callable(getattr(found, method, None))]:
        raise InputError(f"{name} lacks {', '.join(lacking)}; a network has {', '.join(NEEDED)}")
    return found


def _told(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


class BroughtNetwork:
    """Network of a user, as sweeps and diagnoses see it; see `physnn.networks.dynamics.Dynamics`."""

    layers = 0

    def __init__(self, source: Source, device: str = "cpu") -> None:
        build = load_class(source.module, source.digest)
        arrays = read_weights(Path(source.file))[source.name] if source.file else {}
        weights = {name: torch.from_numpy(np.array(v)).to(device) for name, v in arrays.items()}
        try:
            self.net = build(weights)
            if isinstance(self.net, torch.nn.Module):
                self.net.to(device).eval().requires_grad_(False)
        except Exception as error:
            raise InputError(f"{source.module} cannot be built from its weights: {_told(error)}") from error
        self.name = source.name or source.module.rpartition(":")[2]
        gamma = getattr(self.net, "gamma", None)
        self.gamma = None if gamma is None else float(gamma)

    @property
    def steps(self) -> int | None:
        """Depth that the network is meant for, if it says so."""
        steps = getattr(self.net, "steps", None)
        return None if steps is None else int(steps)

    @torch.no_grad()
    def lift_images(self, images: Tensor) -> Tensor:
        """X(0)."""
        x: Tensor = self.net.lift(images)
        return x

    def stepper(self) -> Stepper:
        """Function that takes one step; noise goes in as normals of standard deviation eta."""

        @torch.no_grad()
        def run(x: Tensor, t: int, xi: Tensor | None = None, eta: float = 0.0) -> Tensor:
            after: Tensor = self.net.step(x, None if xi is None else eta * xi)
            return after

        return run

    def evolve(
        self,
        images: Tensor,
        steps: int,
        noise: NoiseSource | None = None,
        eta: float = 0.0,
        layout: torch.memory_format = torch.contiguous_format,
    ) -> Tensor:
        """X(steps); the layout in memory is the network's own."""
        step, x = self.stepper(), self.lift_images(images)
        for t in range(steps):
            x = step(x, t, noise(t) if noise else None, eta)
        return x

    @torch.no_grad()
    def read_out(self, x: Tensor) -> Tensor:
        """Output images."""
        output: Tensor = self.net.read_out(x)
        return output

    def overlap(self, x: Tensor, y: Tensor) -> Tensor:
        """Cosine of two states, or what the network says."""
        if hasattr(self.net, "overlap"):
            found: Tensor = self.net.overlap(x, y).double()
            return found
        return torch.nn.functional.cosine_similarity(x.double().flatten(1), y.double().flatten(1))

    @torch.no_grad()
    def energy(self, x: Tensor, layer: int = 0) -> Tensor | None:
        """Energy per site, if the network has one."""
        if not hasattr(self.net, "energy"):
            return None
        energy: Tensor = self.net.energy(x).double()
        return energy

    @torch.no_grad()
    def order_parameter(self, x: Tensor) -> Tensor | None:
        """Order parameter, if the network has one."""
        if not hasattr(self.net, "order_parameter"):
            return None
        m: Tensor = self.net.order_parameter(x).double()
        return m[:, None] if m.dim() == 1 else m


@dataclass(frozen=True)
class Facts:
    """Depth that a user's network is meant for, its step size, and the numbers that a state has for every pixel."""

    steps: int | None
    gamma: float | None
    numbers: float


@functools.lru_cache(maxsize=32)
def probe(source: Source, L: int, device: str = "cpu") -> Facts:
    """Facts of a network, which takes one noisy step of two images of side L; `InputError` if that is not as agreed."""
    network = BroughtNetwork(source, device)
    images = torch.full((2, L, L), -0.5, device=device)
    images[:, : L // 2, : L // 3] = 0.5
    try:
        x = network.lift_images(images)
        if x.dim() != 4 or len(x) != len(images) or x.shape[2] != x.shape[3]:
            raise InputError(f"lift must return (images, components, rows, columns), a square, not {tuple(x.shape)}")
        after = network.stepper()(x, 0, torch.ones_like(x), 0.01)
        agreed: dict[str, tuple[Tensor, tuple[int, ...]]] = {}
        agreed |= {"step": (after, x.shape), "read_out": (network.read_out(after), images.shape)}
        if (energy := network.energy(after)) is not None:
            agreed["energy"] = energy, (2,)
        if (m := network.order_parameter(after)) is not None:
            agreed["order_parameter"] = m, (2, *m.shape[1:])
        for name, (value, shape) in agreed.items():
            if tuple(value.shape) != tuple(shape) or not torch.isfinite(value).all():
                raise InputError(f"{name} must return finite numbers of shape {tuple(shape)}, not {tuple(value.shape)}")
    except InputError as error:
        raise InputError(f"{network.name}: {error}") from None
    except Exception as error:
        raise InputError(f"{network.name} cannot take a step: {_told(error)}") from error
    return Facts(network.steps, network.gamma, x[0].numel() / L**2)


def step_sizes(module: str, files: tuple[str, ...]) -> set[float]:
    """Step sizes that networks of a class say they have."""
    place = located(module)
    found = sources(place, module_digest(place), files).values()
    sizes = {BroughtNetwork(source).gamma for source in found}
    return {gamma for gamma in sizes if gamma is not None}
