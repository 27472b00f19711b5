"""Time that an average over a group takes in training."""

from __future__ import annotations

import math
import time

import torch

from physnn.networks.classifiers.replicas import ClassifierRecipe
from physnn.networks.tasks.problem import Problem

TIMED_PASSES = 5
"""Passes of each kind that are timed."""


def step_time_ratio(recipe: ClassifierRecipe, problem: Problem) -> float:
    """Time of a forward and a backward pass with the average over a group, over that without, by torch's loop."""
    shown = torch.from_numpy(problem.images[: recipe.batch])
    networks = [one.build(problem) for one in (recipe, recipe.model_copy(update={"average": "c1"}))]
    fastest = [math.inf, math.inf]
    for _ in range(TIMED_PASSES):  # in turn, so that what else the machine does slows both
        for k, network in enumerate(networks):
            start = time.perf_counter()
            network(shown).square().mean().backward()
            fastest[k] = min(fastest[k], time.perf_counter() - start)
    return fastest[0] / fastest[1]
