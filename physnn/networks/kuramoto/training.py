"""Training Kuramoto networks on the transmogrifier, one network per seed, resumable after every epoch.

Source: N. Iqbal and M. Welling, "Topological defects propagate information in deep neural networks", A.1 (Adam on the
mean squared error); the images are drawn fresh for every batch instead of from a fixed set, and the learning rate
follows one cycle.

Two families of networks.  ``paper`` is not constrained: what such a network relaxes to may be a fixed point, or a cycle
that shows the right image at one depth only.  ``flow`` is a gradient flow: after every optimiser step J and c are
shortened until gamma (lambda_max + |c| - lambda_min(J)) / 2, which bounds the stability number s, is at most
``stability``; and the loss is taken at depths drawn around T, so that the answer is a state that stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from physnn import rng
from physnn.errors import NotFinite
from physnn.models.fourier import stability_bound
from physnn.networks.adam import Adam
from physnn.networks.kuramoto.drawn_coupling import SoftCoupling
from physnn.networks.kuramoto.network import KuramotoNetwork, initial_weights
from physnn.networks.kuramoto.recipe import TrainingRecipe
from physnn.networks.kuramoto.relaxation import relax
from physnn.store.parts import read_checkpoint, write_part

Report = Callable[[int, int, float], None]
"""Called with (batches done, batches in all, mean loss of the latest)."""

Evolve = Callable[[KuramotoNetwork, torch.Tensor, int], torch.Tensor]
"""What takes a network, images and a depth to the final state."""

RAMP_START = 0.1
"""Share of T at which the depth begins where it grows."""


def learning_rate(recipe: TrainingRecipe, batch: int) -> float:
    """Return the learning rate of optimiser step ``batch``, counted from 0 over the whole training."""
    peak = recipe.warm_up * recipe.epochs * recipe.batches_per_epoch
    if batch < peak:
        return recipe.lr * (1 / 25 + (1 - 1 / 25) * batch / peak)
    fall = (batch - peak) / (recipe.epochs * recipe.batches_per_epoch - peak)
    return recipe.lr * (1e-4 + (1 - 1e-4) * (1 + math.cos(math.pi * fall)) / 2)


def drawn_depth(recipe: TrainingRecipe, seed: int, epoch: int, batch: int) -> int:
    """Return the depth at which one optimiser step compares output and target."""
    done, ramp = batch + epoch * recipe.batches_per_epoch, recipe.depth_ramp * recipe.epochs * recipe.batches_per_epoch
    share = RAMP_START + (1 - RAMP_START) * done / ramp if done < ramp else 1.0
    depth = round(share * recipe.steps)
    if recipe.depth_spread:
        generator = rng.stream(seed, "depth", epoch, batch)
        depth += int(generator.integers(-recipe.depth_spread, recipe.depth_spread + 1))
    return max(1, depth)


def mean_depth_share(recipe: TrainingRecipe) -> float:
    """Return the mean of `drawn_depth` over all batches, in units of ``steps``."""
    return 1 - recipe.depth_ramp * (1 - RAMP_START) / 2


def limit_stability(network: KuramotoNetwork, limit: float, L: int) -> float:
    """Shorten J and c together until the bound on s over the torus of side L is at most ``limit``; return the bound.

    Where layers have their own, each is shortened by itself; the bound is the largest.
    """
    layers, names = network.architecture.layers, ("coupling", "bias") if network.architecture.broken else ("coupling",)
    J = network.symmetric_coupling().detach().numpy(force=True)
    bounds = []
    for layer in range(layers or 1):
        at = layer if layers else ...
        c = network.get_parameter("bias")[at].detach().numpy(force=True) if network.architecture.broken else None
        bounds.append(stability_bound(J[at], c, network.architecture.gamma, L))
        if bounds[-1] > limit:
            with torch.no_grad():
                for name in names:
                    network.get_parameter(name)[at].mul_(limit / bounds[-1])
    return min(max(bounds), limit)


def validation_rmse(network: KuramotoNetwork, recipe: TrainingRecipe, seed: int, device: str = "cpu") -> float:
    """Return the pooled RMSE (pixels 0 and 1, dimensionless) on fresh images at the training size and depth."""
    inputs, targets, _ = recipe.task.pairs(rng.stream(seed, "validation"), recipe.validation_pairs)
    total = 0.0
    with torch.no_grad():
        for first in range(0, len(inputs), 64):
            chosen = slice(first, first + 64)
            output = network(torch.from_numpy(inputs[chosen]).to(device), recipe.steps).cpu().double().numpy()
            total += float(((output - targets[chosen]) ** 2).sum())
    return math.sqrt(total / targets.size)


def train_network(
    recipe: TrainingRecipe,
    seed: int,
    checkpoint: Path,
    device: str = "cpu",
    report: Report | None = None,
    due: Callable[[], bool] = lambda: False,
) -> dict[str, np.ndarray]:
    """Train one network, or continue from its checkpoint, and return weights, loss history and validation RMSE.

    The result depends on recipe, seed and device only: a training that was killed and continued ends with the same
    bits, because images are keyed by (seed, epoch, batch) and the checkpoint holds the optimiser's whole state.

    Parameters
    ----------
    recipe : TrainingRecipe
        What to train.
    seed : int
        Seed of this network's weights and images.
    checkpoint : Path
        File that holds the latest state; read if it exists, replaced after each epoch and when it is due.  The state
        before is kept beside it until the end.
    device : str
        ``"cpu"`` or ``"cuda"``.
    report : callable, optional
        Called after every 16th batch.
    due : callable, optional
        Called after every batch; says whether to write the state in the middle of an epoch, or raises.

    Returns
    -------
    dict
        Weights by name, ``loss (epochs,)`` and ``validation_rmse ()``.
    """
    state = read_checkpoint(checkpoint) or {}
    if state and not int(state["unfinished"]):
        return _result(state)
    names, network, optimiser = start_training(recipe, seed, state, device)
    soft = SoftCoupling.of(recipe, network, state) if recipe.soft else None
    loss = np.full(recipe.epochs, np.nan)
    loss[: len(state.get("loss", ()))] = state.get("loss", ())
    begun = int(state.get("batch", 0)), float(state.get("total", 0.0))

    def save(epoch: int, batch: int, total: float) -> None:
        found = network.arrays() | _moments(names, network, optimiser) | (soft.state() if soft else {})
        found |= {"epoch": np.array(epoch), "loss": loss[:epoch], "unfinished": np.array(recipe.epochs - epoch)}
        write_part(checkpoint, found | {"batch": np.array(batch), "total": np.array(total)}, keep_previous=True)

    for epoch in range(int(state.get("epoch", 0)), recipe.epochs):
        loss[epoch] = _train_epoch(recipe, seed, epoch, begun, network, optimiser, report, due, save, soft)
        begun = 0, 0.0
        if soft:
            soft.keep()
        state = network.arrays() | _moments(names, network, optimiser) | (soft.state() if soft else {})
        state |= {"epoch": np.array(epoch + 1), "loss": loss[: epoch + 1]}
        state["unfinished"] = np.array(recipe.epochs - epoch - 1)
        if epoch + 1 == recipe.epochs:
            state["validation_rmse"] = np.array(validation_rmse(network, recipe, seed, device))
            if soft:
                state["soft_cost"] = soft.costs(lambda: validation_rmse(network, recipe, seed, device))
        write_part(checkpoint, state, keep_previous=epoch + 1 < recipe.epochs)
    return _result(state)


def start_training(
    recipe: TrainingRecipe, seed: int, state: dict[str, np.ndarray], device: str
) -> tuple[tuple[str, ...], KuramotoNetwork, Adam]:
    """Return names of weights, network and optimiser at the start (empty state) or as a checkpoint left them."""
    weights = state or initial_weights(recipe.architecture, rng.stream(seed, "weights"), recipe.bias_sd)
    network = KuramotoNetwork(recipe.architecture, weights).to(device)
    optimiser = Adam(network.parameters(), recipe.lr)
    for name in network.names if state else ():
        optimiser.state[network.get_parameter(name)] = {
            "step": torch.tensor(float(state["epoch"]) * recipe.batches_per_epoch + float(state.get("batch", 0))),
            "exp_avg": torch.tensor(state[f"{name}_mean"], device=device),
            "exp_avg_sq": torch.tensor(state[f"{name}_square"], device=device),
        }
    return network.names, network, optimiser


def _moments(names: tuple[str, ...], network: KuramotoNetwork, optimiser: Adam) -> dict[str, np.ndarray]:
    moments = {}
    for name in names:
        state = optimiser.state[network.get_parameter(name)]
        moments[f"{name}_mean"] = state["exp_avg"].numpy(force=True).copy()
        moments[f"{name}_square"] = state["exp_avg_sq"].numpy(force=True).copy()
    return moments


def train_batch(
    recipe: TrainingRecipe,
    seed: int,
    epoch: int,
    batch: int,
    network: KuramotoNetwork,
    optimiser: Adam,
    device: str = "cpu",
    evolve: Evolve | None = None,
    soft: SoftCoupling | None = None,
) -> float:
    """Take one optimiser step and return the loss before it; ``evolve`` is the fastest one unless given.

    With ``soft`` the coupling is drawn to symmetries after it.

    Raises NotFinite, before the step, if loss or gradient are not finite.
    """
    if evolve is None:
        evolve = relax if device == "cpu" else KuramotoNetwork.evolve
    inputs, targets, _ = recipe.task.pairs(rng.stream(seed, "batch", epoch, batch), recipe.batch)
    optimiser.lr = learning_rate(recipe, epoch * recipe.batches_per_epoch + batch)
    optimiser.zero_grad()
    depth = drawn_depth(recipe, seed, epoch, batch)
    output = network.read_out(evolve(network, torch.from_numpy(inputs).to(device), depth))
    loss = torch.nn.functional.mse_loss(output, torch.from_numpy(targets).to(device))
    loss.backward()
    slope = torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
    if not math.isfinite(loss.item() + slope.item()):
        raise NotFinite(
            f"the loss is {loss.item():.3g} and its gradient {slope.item():.3g} at batch {batch} of epoch {epoch} "
            f"(seed {seed}); what was saved before stays: take a smaller --lr or --gamma"
        )
    if soft:
        soft.listen()
    optimiser.step()
    if soft:
        soft.draw(optimiser.lr)
    if recipe.family == "flow":
        limit_stability(network, recipe.stability, recipe.L)
    return loss.item()


def _train_epoch(
    recipe: TrainingRecipe,
    seed: int,
    epoch: int,
    begun: tuple[int, float],
    network: KuramotoNetwork,
    optimiser: Adam,
    report: Report | None,
    due: Callable[[], bool],
    save: Callable[[int, int, float], None],
    soft: SoftCoupling | None,
) -> float:
    """Train the rest of an epoch, of which ``begun`` batches are done with a sum of losses; return the mean loss."""
    first, total = begun
    recent = 0.0
    n, device = recipe.batches_per_epoch, next(network.parameters()).device.type
    for batch in range(first, n):
        loss = train_batch(recipe, seed, epoch, batch, network, optimiser, device, soft=soft)
        total += loss
        recent += loss
        if report and batch % 16 == 15:
            report(epoch * n + batch + 1, recipe.epochs * n, recent / 16)
            recent = 0.0
        if due() and batch + 1 < n:
            save(epoch, batch + 1, total)
    return total / n


def _result(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    hidden = {name for name in state if name.endswith(("_mean", "_square"))} | {"epoch", "unfinished", "batch", "total"}
    hidden |= {"soft_now", "soft_heard"}
    return {name: values for name, values in state.items() if name not in hidden}
