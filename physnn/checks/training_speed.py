"""Optimiser steps to be timed: as trainings take them, and as torch alone would."""

from __future__ import annotations

from collections.abc import Callable

from physnn.networks.device import set_threads
from physnn.networks.kuramoto.network import KuramotoNetwork
from physnn.networks.kuramoto.training import TrainingRecipe, start_training, train_batch


def optimiser_steps(recipe: TrainingRecipe, plain: bool) -> Callable[[int], list[float]]:
    """Return what takes the next n optimiser steps of seed 0 on one thread and returns their losses.

    With ``plain``, torch differentiates the steps of `KuramotoNetwork.step`, which is how trainings were done at first.
    """
    _, network, optimiser = start_training(recipe, 0, {}, "cpu")
    taken = 0

    def run(n: int) -> list[float]:
        nonlocal taken
        before = set_threads(1)
        try:
            batches = range(taken, taken + n)
            evolve = KuramotoNetwork.evolve if plain else None
            losses = [train_batch(recipe, 0, 0, batch, network, optimiser, evolve=evolve) for batch in batches]
        finally:
            set_threads(before)
        taken += n
        return losses

    return run
