"""Speed of training Kuramoto networks, as ratios against torch's plain loop measured in the same run."""

from __future__ import annotations

import time
from typing import Any

from physnn.checks.bench import BASELINE, machine
from physnn.checks.training_speed import optimiser_steps
from physnn.jobs.run import Progress, silent
from physnn.networks.kuramoto.training import TrainingRecipe

RECIPES = (TrainingRecipe(), TrainingRecipe(family="flow", depth_ramp=0.0), TrainingRecipe(L=64))
"""What is measured."""
REPEATS = 8
"""Each way takes a step in turn so often, and its fastest counts: what else runs on a machine only makes it slower."""
SPEED = "pairs/s"
WAYS = {BASELINE: True, "compiled passes": False}


def bench_kuramoto_training(progress: Progress = silent) -> dict[str, Any]:
    """Return image pairs per second of training on one thread, the plain loop and the compiled passes in turn.

    Returns
    -------
    dict
        ``machine``; ``rows``: name, value, unit, threads; ``ratios``: speeds over those of the plain loop;
        ``missing``: nothing.
    """
    rows: list[dict[str, Any]] = []
    ratios = {}
    for k, recipe in enumerate(RECIPES):
        speeds = _speeds(recipe)
        words = describe(recipe)
        rows += [{"name": f"{way}, {words}", "value": v, "unit": SPEED, "threads": 1} for way, v in speeds.items()]
        ratios[f"compiled passes / {BASELINE}, {words}"] = speeds["compiled passes"] / speeds[BASELINE]
        progress(k + 1, len(RECIPES), words)
    return {"machine": machine(), "rows": rows, "ratios": ratios, "missing": []}


def describe(recipe: TrainingRecipe) -> str:
    """Return what of a recipe decides the speed in words."""
    return f"{recipe.family}, L = {recipe.L}, T = {recipe.steps}, batches of {recipe.batch}"


def _speeds(recipe: TrainingRecipe) -> dict[str, float]:
    runs = {way: optimiser_steps(recipe, plain) for way, plain in WAYS.items()}
    best = dict.fromkeys(WAYS, float("inf"))
    for run in runs.values():
        run(1)
    for _ in range(REPEATS):
        for way, run in runs.items():
            began = time.perf_counter()
            run(1)
            best[way] = min(best[way], time.perf_counter() - began)
    return {way: recipe.batch / seconds for way, seconds in best.items()}
