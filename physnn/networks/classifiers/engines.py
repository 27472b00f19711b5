"""Training replicas from their seeds to their test accuracies, resumable every few seconds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from physnn.errors import InputError
from physnn.networks.classifiers.compiled import CompiledTrainer, suits
from physnn.networks.classifiers.drawn import symmetric_replicas, symmetric_start, symmetric_statistics
from physnn.networks.classifiers.loop import LoopTrainer
from physnn.networks.classifiers.replicas import (
    REPLICA_ARRAYS,
    RUNNING_STATISTICS,
    Arrays,
    ClassifierRecipe,
    Replicas,
    Trainer,
    TrainingEngine,
    untrained,
)
from physnn.networks.classifiers.stacked import StackedTrainer
from physnn.networks.device import check_device
from physnn.networks.tasks.problem import Problem
from physnn.store.parts import read_checkpoint, write_part

EpochReport = Callable[[int, int, float], None]
"""Called with (epochs done, epochs in all, mean loss of the latest)."""
KnownEngine = Literal["compiled", "stacked", "loop"]
"""Name of an engine."""
EPOCHS_SECONDS = 0.25
"""Time of a block of whole epochs in seconds, about, after which the state may be written; a convention."""
TIMED_PASSES = 5
"""Passes of each kind that are timed."""
FOLLOWED_CHARGES = ("measured", "predicted", "steps", "reach", "rounding")
"""Arrays of charges of learning that are kept after a training."""
ENGINES: dict[str, type[Trainer]] = {"compiled": CompiledTrainer, "stacked": StackedTrainer, "loop": LoopTrainer}
"""Engines by name."""


class Diverged(InputError):
    """Training whose numbers are not finite any more."""


def resolve_engine(engine: TrainingEngine, recipe: ClassifierRecipe, problem: Problem, device: str) -> KnownEngine:
    """Engine that trains a network: the one asked for, or the fastest there is for it."""
    known = device == "cpu" and suits(recipe.build(problem), problem.side)
    if engine == "auto":
        # On a CPU, vmap runs no faster than one network after the other.
        return "compiled" if known else ("loop" if device == "cpu" else "stacked")
    if engine == "compiled" and not known:
        raise InputError(f"compiled code does not know {recipe.network} on {device}; take --engine auto")
    return engine


def train_replicas(
    recipe: ClassifierRecipe,
    problem: Problem,
    seeds: Sequence[int],
    checkpoint: Path,
    engine: TrainingEngine = "auto",
    device: str = "cpu",
    report: EpochReport | None = None,
    due: Callable[[], bool] = lambda: True,
) -> Arrays:
    """Weights, losses and accuracies of replicas, trained from their seeds or from their checkpoint.

    Parameters
    ----------
    recipe, problem : ClassifierRecipe, Problem
        Training, and images to train and to test on.
    seeds : sequence of int
        One replica each.
    checkpoint : Path
        File with the state so far, of the same recipe, problem, seeds and engine; read if it exists, replaced when it
        is due; the state before is kept.
    engine : {"auto", "compiled", "stacked", "loop"}
        Engine that trains; results agree to rounding.
    device : str
        ``"cpu"`` or ``"cuda"``.
    report : callable, optional
        Called after every block of epochs.
    due : callable, optional
        Called after every block of epochs; says whether to write the state, or raises.

    Returns
    -------
    dict
        Weights and running statistics by name, ``loss (replicas, epochs)``, ``train_accuracy``, ``test_accuracy``,
        ``test_loss (replicas,)`` and ``predictions (replicas, test images)``; with soft symmetries their arrays; with
        charges of learning ``charge_measured`` and ``charge_predicted (replicas, epochs + 1, components)``,
        ``charge_steps``, and
        ``charge_reach`` and ``charge_rounding (replicas, components)``.

    Raises
    ------
    InputError
        If the engine does not know the network, there is no such device, or a replica diverges.
    """
    check_device(device)
    run = ENGINES[resolve_engine(engine, recipe, problem, device)]
    state = read_checkpoint(checkpoint) or {}
    if state and not int(state["unfinished"]):
        return _result(state)
    replicas = _restored(state, seeds) if state else _started(recipe, problem, seeds)
    loss = state.get("loss", np.empty((len(seeds), 0)))
    block = 1
    while replicas.epoch < recipe.epochs:
        start = time.monotonic()
        block = min(block, recipe.epochs - replicas.epoch)
        replicas, more = run.advance(recipe, problem, replicas, block, device)
        _check_finite(replicas.seeds, more, *replicas.weights.values(), *replicas.statistics.values())
        loss = np.concatenate([loss, more], axis=1)
        seconds = time.monotonic() - start
        block = max(1, int(block * min(8.0, EPOCHS_SECONDS / max(seconds, 1e-3))))
        if replicas.epoch < recipe.epochs and due():
            write_part(checkpoint, _stored(replicas, loss) | {"unfinished": np.array(1)}, keep_previous=True)
        if report:
            report(replicas.epoch, recipe.epochs, float(more[:, -1].mean()))
    found = _result(_stored(replicas, loss) | _tested(run, recipe, problem, replicas, device))
    write_part(checkpoint, found | {"unfinished": np.array(0)})
    return found


def _started(recipe: ClassifierRecipe, problem: Problem, seeds: Sequence[int]) -> Replicas:
    """Replicas before training; without deviations from symmetries whose strengths are tuned."""
    network = recipe.build(problem)
    replicas = untrained(network, seeds, recipe.optimiser)
    if not recipe.soft:
        return replicas
    return replace(replicas, weights=symmetric_start(network, problem.side, recipe.soft, replicas.weights))


def _check_finite(seeds: Sequence[int], *arrays: np.ndarray) -> None:
    """Raise Diverged if arrays, one row per replica, hold numbers that are not finite."""
    for r, seed in enumerate(seeds):
        if not all(np.isfinite(values[r]).all() for values in arrays):
            raise Diverged(f"the replica of seed {seed} diverged: not all its numbers are finite; take a smaller --lr")


def _stored(replicas: Replicas, loss: np.ndarray) -> Arrays:
    arrays = {f"{kind}:{name}": v for kind in REPLICA_ARRAYS for name, v in getattr(replicas, kind).items()}
    return arrays | {"epoch": np.array(replicas.epoch), "loss": loss}


def _restored(state: Arrays, seeds: Sequence[int]) -> Replicas:
    parts = {
        kind: {name.removeprefix(f"{kind}:"): v for name, v in state.items() if name.startswith(f"{kind}:")}
        for kind in REPLICA_ARRAYS
    }
    return Replicas(tuple(seeds), **parts, epoch=int(state["epoch"]))


def tested_replicas(
    recipe: ClassifierRecipe,
    problem: Problem,
    seeds: Sequence[int],
    arrays: Arrays,
    engine: TrainingEngine = "auto",
    device: str = "cpu",
) -> Arrays:
    """Accuracies, test losses and predictions on other images of replicas, whose arrays `train_replicas` returned."""
    trained = {name for name, _ in recipe.build(problem).named_parameters()}
    weights = {name: values for name, values in arrays.items() if name in trained}
    statistics = {name: values for name, values in arrays.items() if name.endswith(RUNNING_STATISTICS)}
    replicas = Replicas(tuple(seeds), weights, statistics, {}, {})
    return _tested(ENGINES[resolve_engine(engine, recipe, problem, device)], recipe, problem, replicas, device)


def _tested(run: type[Trainer], recipe: ClassifierRecipe, problem: Problem, replicas: Replicas, device: str) -> Arrays:
    """Accuracies on training and test images, mean cross-entropy on test images, and the predicted classes."""
    train = run.logits(recipe, problem, replicas, problem.images, device).argmax(-1)
    logits = run.logits(recipe, problem, replicas, problem.test_images, device).astype(np.float64)
    _check_finite(replicas.seeds, logits)
    predictions = logits.argmax(-1)
    losses = _cross_entropies(logits, problem.test_labels)
    found = {
        "train_accuracy": (train == problem.labels).mean(1),
        "test_accuracy": (predictions == problem.test_labels).mean(1),
        "test_loss": losses.mean(1),
        "predictions": predictions.astype(np.int32),
    }
    if not recipe.soft:
        return found
    costs, errors = [], []
    every = symmetric_replicas(recipe.build(problem), problem.side, recipe.soft, replicas.weights)
    for one, weights in zip(recipe.soft, every, strict=True):
        forced = replace(replicas, weights=weights, statistics=symmetric_statistics(one, replicas.statistics))
        other = run.logits(recipe, problem, forced, problem.test_images, device).astype(np.float64)
        rises = _cross_entropies(other, problem.test_labels) - losses
        costs.append(rises.mean(1))
        errors.append(rises.std(1) / np.sqrt(max(rises.shape[1] - 1, 1)))
    more = {"soft_cost": np.stack(costs, 1), "soft_cost_error": np.stack(errors, 1)}
    return found | more | {"soft_learned": _label_entropy(problem.test_labels) - found["test_loss"]}


def _label_entropy(labels: np.ndarray) -> float:
    """Cross-entropy of guessing classes by their shares, in nats."""
    shares = np.bincount(labels) / len(labels)
    return float(-np.sum(shares * np.log(np.where(shares > 0, shares, 1.0))))


def _cross_entropies(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Cross-entropy of logits ``(replicas, n, classes)`` by image, shape (replicas, n)."""
    highest = logits.max(-1, keepdims=True)
    norm = np.log(np.exp(logits - highest).sum(-1)) + highest[..., 0]
    right = np.take_along_axis(logits, labels[None, :, None], axis=-1)[..., 0]
    return np.asarray(norm - right)


def _result(state: Arrays) -> Arrays:
    hidden = {"epoch", "unfinished"} | {name for name in state if name.startswith(("mean:", "square:", "charges:"))}
    charges = {f"charge_{name}": state[f"charges:{name}"] for name in FOLLOWED_CHARGES if f"charges:{name}" in state}
    return {name.split(":", 1)[-1]: v for name, v in state.items() if name not in hidden} | charges


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
