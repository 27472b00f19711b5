"""Couplings of Kuramoto networks that are drawn to point groups of their offsets while they train.

What a point group would leave as it is, is what ``Architecture.point_group`` allows: J(p r) = J(r).  Images are never
shown twice, so that the slope of every batch, before it is learned, is that of unseen images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from physnn.models.groups.soft import SOFT_SYMMETRIES, SoftSymmetry, WeightOrbits, filter_orbits
from physnn.networks.kuramoto.network import KuramotoNetwork
from physnn.networks.kuramoto.recipe import TrainingRecipe
from physnn.networks.symmetry.strengths import (
    Numbers,
    Pull,
    StrengthRange,
    shrinkage,
    starting_strengths,
    tuned_strengths,
)

UPDATES = 40
"""Updates of strengths in one training, about."""
FEWEST_HEARD = 8
"""Batches between two updates at least, whose scatter is the error of a slope."""


def coupling_orbits(recipe: TrainingRecipe) -> WeightOrbits:
    """Orbits of the weights of the coupling, in the order in which they lie; a layer is a step with its own."""
    N, side, layers = recipe.components, recipe.kernel, recipe.architecture.layers or 1
    number = []
    for one in recipe.soft:
        point = SOFT_SYMMETRIES[one.name] or "c1"  # all couplings commute with translations
        orbits = np.unique(filter_orbits(point, (N, N, side), (False, False)), return_inverse=True)[1]
        number.append(np.concatenate([orbits + k * (orbits.max() + 1) for k in range(layers)]).astype(np.int64))
    layer = np.repeat(np.arange(layers), (N * side) ** 2)
    names = tuple(f"step {k + 1}" for k in range(layers)) if layers > 1 else ("all steps",)
    return WeightOrbits(tuple(one.name for one in recipe.soft), names, np.stack(number), layer)


@dataclass
class SoftCoupling:
    """Strengths of symmetries of one network in training, and what became of them.

    Attributes
    ----------
    strength : ndarray, shape (symmetries, layers)
        Strengths now.
    heard : list of ndarray, shapes (symmetries, layers)
        Products of slope and deviation of the batches since the last update.
    every : int
        Batches from one update to the next.
    kept : dict of ndarray, shapes (epochs, symmetries, layers)
        Strengths and deviations after every epoch.
    """

    symmetries: Sequence[SoftSymmetry]
    network: KuramotoNetwork
    orbits: WeightOrbits
    pull: Pull
    limits: StrengthRange
    every: int
    strength: Numbers
    heard: list[Numbers]
    kept: dict[str, Numbers]

    @classmethod
    def of(cls, recipe: TrainingRecipe, network: KuramotoNetwork, state: Mapping[str, np.ndarray]) -> SoftCoupling:
        """Strengths at the start (empty state) or as a checkpoint left them.

        At the start the coupling loses its deviations from symmetries whose strengths are tuned, and keeps its length.
        """
        orbits, symmetries = coupling_orbits(recipe), recipe.soft
        coupling = network.get_parameter("coupling")
        pull, steps = Pull(orbits, str(coupling.device)), recipe.epochs * recipe.batches_per_epoch
        every = max(FEWEST_HEARD, steps // UPDATES)
        limits = StrengthRange.of(recipe.lr, steps, max(steps // every, 1))
        shape = len(symmetries), len(orbits.layers)
        kept = {
            name: np.asarray(state.get(name, np.empty((0, *shape)))) for name in ("soft_strength", "soft_deviation")
        }
        strength = np.asarray(state.get("soft_now", starting_strengths(symmetries, shape[1], limits)))
        found = cls(symmetries, network, orbits, pull, limits, every, strength, list(state.get("soft_heard", ())), kept)
        if not state:
            tuned = np.array([one.strength is None for one in symmetries], np.float64)
            with torch.no_grad():
                before = coupling.norm()
                found._shrink(np.tile(tuned[:, None], shape[1]))
                coupling.mul_(before / coupling.norm())
        return found

    def _flat(self) -> np.ndarray:
        """Coupling in use, shape (1, P)."""
        return self.network.symmetric_coupling().detach().numpy(force=True).reshape(1, -1)

    def _shrink(self, share: Numbers) -> None:
        shares = torch.from_numpy(share[None].astype(np.float32))
        coupling = self.network.get_parameter("coupling").detach()
        self.pull.apply([coupling[None]], shares.to(coupling.device))

    def listen(self) -> None:
        """Take in the slope of a batch that is not learned yet, and update strengths when enough were heard."""
        coupling = self.network.get_parameter("coupling")
        if coupling.grad is None or all(one.strength is not None for one in self.symmetries):
            return
        weights = coupling.detach().numpy(force=True).reshape(1, -1)
        slope = coupling.grad.numpy(force=True).reshape(1, -1).astype(np.float64)
        deviations = [weights - self.orbits.projected(weights, s) for s in range(len(self.symmetries))]
        self.heard.append(np.concatenate([self.orbits.by_layer(slope * d) for d in deviations]))
        if len(self.heard) >= self.every:
            self.strength = tuned_strengths(self.strength, np.stack(self.heard), self.symmetries, self.limits)
            self.heard = []

    def draw(self, lr: float) -> None:
        """Shrink deviations after an optimiser step at a learning rate."""
        self._shrink(shrinkage(self.strength, lr))

    def keep(self) -> None:
        """Keep strengths and deviations at the end of an epoch."""
        more = {"soft_strength": self.strength, "soft_deviation": self.orbits.deviations(self._flat())[0]}
        self.kept = {name: np.concatenate([self.kept[name], v[None]]) for name, v in more.items()}

    def state(self) -> dict[str, np.ndarray]:
        """Arrays of a checkpoint."""
        heard = np.array(self.heard).reshape(-1, *self.strength.shape)
        return self.kept | {"soft_now": self.strength, "soft_heard": heard}

    def costs(self, loss: Callable[[], float]) -> Numbers:
        """Rise of a loss if one symmetry after the other is forced on the coupling, shape (symmetries,)."""
        coupling, before = self.network.get_parameter("coupling").detach(), loss()
        trained, found = coupling.clone(), []
        for s in range(len(self.symmetries)):
            share = np.zeros_like(self.strength)
            share[s] = 1
            self._shrink(share)
            found.append(loss() - before)
            coupling.copy_(trained)
        return np.array(found)
