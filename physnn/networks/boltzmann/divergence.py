"""Training of restricted Boltzmann machines: contrastive divergence, persistent chains, mean fields, enumeration.

The likelihood's gradient is ``<v h>`` in the data minus that in the machine.  Methods differ in the second mean:
``cd`` takes a few Gibbs steps from the data (G. E. Hinton, Neural Comput. 14, 1771 (2002)), ``pcd`` chains that go on
from one step to the next (T. Tieleman, ICML 2008), ``tap`` mean fields with Onsager's reaction term (M. Gabrié et al.,
NeurIPS 2015), ``exact`` all states of a layer.  Gradients are centred by the means of the data (G. Montavon,
K.-R. Müller, 2012), which are zero where there are no biases.  Where they are whitened, the inverse covariance of the
visible units in the data multiplies them.  Near T_c long waves vary a thousand times as much as short ones, and a
learning rate that the former stand leaves the latter untaught.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from physnn import rng
from physnn.models.boltzmann import Machine, unit_means
from physnn.networks.boltzmann.chains import GibbsChains, Tables
from physnn.networks.boltzmann.translations import Translations

NegativePhase = Literal["cd", "pcd", "tap", "exact"]
BLOCK_OF_STEPS = 100
"""Steps whose batches are drawn together; a training is interrupted between blocks only."""
OFFSET_MEMORY = 0.01
"""Weight of a batch in the running means by which gradients are centred."""
COVARIANCE_RIDGE = 0.01
"""Variance that is added to that of every visible unit before the covariance is inverted, relative to their mean."""
COVARIANCE_SNAPSHOTS = 20_000
"""Snapshots of which the covariance is taken at most."""
PARAMETERS = ("weights", "visible_bias", "hidden_bias")
"""Arrays of a machine that are trained."""
DAMPING = 0.5
"""Part of the old mean fields that stays in an iteration (convention)."""


@dataclass(frozen=True)
class TrainingRule:
    """How a machine is trained.

    Attributes
    ----------
    method : str
        ``cd``, ``pcd``, ``tap`` or ``exact``.
    k : int
        Gibbs steps, or iterations of the mean fields, for every step of the training.
    steps, batch, chains : int
        Steps, snapshots of each, and chains of the negative phase.
    lr, last_lr : float
        Learning rate at first and in the end, dimensionless; it falls exponentially.
    biased : bool
        Whether there are biases.
    whiten : bool
        Whether the inverse covariance of the visible units in the data multiplies gradients.
    average : bool
        Whether the machine is the mean over the last half of the steps: noise of single steps then drops out
        (B. T. Polyak and A. B. Juditsky, SIAM J. Control Optim. 30, 838 (1992)).
    """

    method: NegativePhase
    k: int
    steps: int
    batch: int
    chains: int
    lr: float
    last_lr: float
    biased: bool
    whiten: bool = False
    average: bool = False

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        return float(self.lr * (self.last_lr / self.lr) ** (step / max(1, self.steps - 1)))


class BoltzmannTraining:
    """A machine under training on visible states, which are packed as `Tables` packs them.

    Parameters
    ----------
    machine : Machine
        Machine at the beginning.
    data : ndarray of uint8, shape (n, groups)
        Visible states of the snapshots.
    rule : TrainingRule
        How it is trained.
    key : tuple
        Root seed and words of the random streams.
    alike : Translations, optional
        Translations that leave the weights alike.
    """

    def __init__(
        self,
        machine: Machine,
        data: np.ndarray,
        rule: TrainingRule,
        key: tuple[Any, ...],
        alike: Translations | None = None,
    ) -> None:
        self.rule, self.data, self.key, self.alike, self.done = rule, data, key, alike, 0
        machine = alike.begin(machine) if alike else machine
        self.machine = replace(
            machine,
            weights=machine.weights.astype(np.float32),
            visible_bias=machine.visible_bias.astype(np.float32),
            hidden_bias=machine.hidden_bias.astype(np.float32),
        )
        self.tables = Tables.of(self.machine)
        root, *words = key
        first = rng.stream(root, "chain", *words, "first").integers(0, len(data), rule.chains)
        self.chains = GibbsChains.begin(self.tables, data[first], rng.seed_sequence(root, "chain", *words, "moves"))
        self.offsets: tuple[np.ndarray, np.ndarray] = (
            np.zeros(machine.weights.shape[0]),
            np.zeros(machine.weights.shape[1]),
        )
        self.inverse = self._inverse_covariance() if rule.whiten else None
        self.mean: dict[str, np.ndarray] = {}
        self.fields: np.ndarray = np.zeros((rule.chains, sum(machine.weights.shape)), np.float32)
        if rule.method == "tap":
            self.fields[:] = rng.stream(root, "weights", *words, "fields").uniform(-1, 1, self.fields.shape)

    @property
    def result(self) -> Machine:
        """Machine of the training so far: the mean over its last half, where that has begun and is asked for."""
        means: dict[str, Any] = {name: v.astype(np.float32) for name, v in self.mean.items()}
        return replace(self.machine, **means)

    def arrays(self) -> dict[str, np.ndarray]:
        """State by name, between two blocks of steps."""
        machine = self.machine
        named: dict[str, np.ndarray] = {
            "weights": machine.weights,
            "visible_bias": machine.visible_bias,
            "hidden_bias": machine.hidden_bias,
        }
        offsets = {"offset_visible": self.offsets[0], "offset_hidden": self.offsets[1], "fields": self.fields}
        means = {f"mean_{name}": v for name, v in self.mean.items()}
        return named | means | offsets | self.chains.arrays() | {"done": np.array(self.done)}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on from what `arrays` gave."""
        weights, visible, hidden = (np.array(arrays[name]) for name in ("weights", "visible_bias", "hidden_bias"))
        self.machine = replace(self.machine, weights=weights, visible_bias=visible, hidden_bias=hidden)
        self.mean = {name: np.array(arrays[f"mean_{name}"]) for name in PARAMETERS if f"mean_{name}" in arrays}
        self.tables = Tables.of(self.machine, self.tables)
        self.offsets = np.array(arrays["offset_visible"]), np.array(arrays["offset_hidden"])
        self.fields, self.done = np.array(arrays["fields"]), int(arrays["done"])
        self.chains = GibbsChains.from_arrays(arrays)

    def train(self, until: int) -> None:
        """Steps up to a number, which ends a block or the training."""
        root, *words = self.key
        while self.done < until:
            block, first = divmod(self.done, BLOCK_OF_STEPS)
            drawn = rng.stream(root, "batch", *words, block).integers(
                0, len(self.data), (BLOCK_OF_STEPS, self.rule.batch)
            )
            for row in drawn[first : first + until - self.done]:
                self._step(self.data if self.rule.method == "exact" else self.data[row])
                self.done += 1
                self._average()

    def _average(self) -> None:
        """Take the machine into the mean over the last half of the steps."""
        count = self.done - self.rule.steps // 2
        if self.rule.average and count > 0:
            for name in PARAMETERS:
                own = getattr(self.machine, name)
                before = self.mean.setdefault(name, np.zeros(own.shape))
                before += (own - before) / count

    def _step(self, batch: np.ndarray) -> None:
        """One step on a batch of visible states."""
        machine, tables = self.machine, self.tables
        visible, hidden = tables.visible_values(batch), tables.hidden_means(batch)
        joint = visible.T @ hidden / np.float32(len(batch))
        mean = visible.mean(axis=0), hidden.mean(axis=0)
        free, free_visible, free_hidden = self._negative(batch)
        rate, alike = np.float32(self.rule.rate(self.done)), self.alike
        if not self.rule.biased:
            gradient = self._whitened(joint - free)
            gradient = alike.weights(gradient) if alike else gradient
            self._move_to(replace(machine, weights=machine.weights + rate * gradient))
            return
        kept = 0.0 if self.done == 0 else 1 - OFFSET_MEMORY
        self.offsets = (
            kept * self.offsets[0] + (1 - kept) * mean[0],
            kept * self.offsets[1] + (1 - kept) * mean[1],
        )
        mu, nu = (each.astype(np.float32) for each in self.offsets)
        dv, dh = mean[0] - free_visible, mean[1] - free_hidden
        gradient = self._whitened(joint - free - np.outer(dv, nu) - np.outer(mu, dh))
        visible, hidden = dv - gradient @ nu, dh - mu @ gradient
        if alike:
            gradient, visible, hidden = alike.weights(gradient), alike.visible(visible), alike.hidden(hidden)
        self._move_to(
            replace(
                machine,
                weights=machine.weights + rate * gradient,
                visible_bias=machine.visible_bias + rate * visible,
                hidden_bias=machine.hidden_bias + rate * hidden,
            )
        )

    def _inverse_covariance(self) -> np.ndarray:
        """Inverse covariance of the visible units in the data, float32 (visible, visible)."""
        chosen = np.linspace(0, len(self.data) - 1, min(len(self.data), COVARIANCE_SNAPSHOTS)).astype(int)
        values = self.tables.visible_values(self.data[chosen]).astype(np.float64)
        values -= values.mean(axis=0) if self.rule.biased else 0.0
        covariance = values.T @ values / len(values)
        ridge = COVARIANCE_RIDGE * covariance.trace() / len(covariance)
        return np.asarray(np.linalg.inv(covariance + ridge * np.eye(len(covariance))), np.float32)

    def _whitened(self, gradient: np.ndarray) -> np.ndarray:
        return gradient if self.inverse is None else self.inverse @ gradient

    def _move_to(self, machine: Machine) -> None:
        self.machine, self.tables = machine, Tables.of(machine, self.tables)

    def _negative(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means of v h, v and h in the machine."""
        rule, tables = self.rule, self.tables
        if rule.method == "exact":
            joint, visible, hidden = self.machine.correlations()
            return joint.astype(np.float32), visible.astype(np.float32), hidden.astype(np.float32)
        if rule.method == "tap":
            return self._mean_fields()
        if rule.method == "cd":
            self.chains.visible = batch[: rule.chains].copy()
            self.chains.hidden = self.chains.hidden[: len(self.chains.visible)]
        self.chains.move(tables, rule.k)
        values, means = tables.visible_values(self.chains.visible), tables.hidden_means(self.chains.visible)
        return values.T @ means / np.float32(len(values)), values.mean(axis=0), means.mean(axis=0)

    def _mean_fields(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means by mean fields with the reaction term, of units -1 and 1; every chain is a fixed point of its own."""
        machine, n = self.machine, self.machine.weights.shape[0]
        visible: np.ndarray = self.fields[:, :n]
        hidden: np.ndarray = self.fields[:, n:]
        square = machine.weights**2
        for _ in range(self.rule.k):
            field = visible @ machine.weights + machine.hidden_bias - hidden * ((1 - visible**2) @ square)
            hidden = DAMPING * hidden + (1 - DAMPING) * unit_means(field, -1.0)
            field = hidden @ machine.weights.T + machine.visible_bias - visible * ((1 - hidden**2) @ square.T)
            visible = DAMPING * visible + (1 - DAMPING) * unit_means(field, -1.0)
        self.fields = np.concatenate([visible, hidden], axis=1)
        response = (1 - visible**2).T @ (1 - hidden**2)
        joint = (visible.T @ hidden + machine.weights * response) / np.float32(len(visible))
        return joint, visible.mean(axis=0), hidden.mean(axis=0)


def untrained_machine(
    sites: int, colours: int, hidden: int, low: float, key: tuple[Any, ...], scale: float = 0.1
) -> Machine:
    """Machine with small random weights, normal with deviation ``scale`` over the root of the number of visible units.

    Parameters
    ----------
    sites, colours : int
        Sites of the lattice and colours of each.
    hidden : int
        Hidden units.
    low : float
        Lower value of a unit, -1 or 0.
    key : tuple
        Root seed and words of the random stream.
    """
    visible = sites if colours == 2 else sites * colours
    root, *words = key
    weights = rng.stream(root, "weights", *words).standard_normal((visible, hidden))
    return Machine(weights * scale / math.sqrt(visible), np.zeros(visible), np.zeros(hidden), low, colours)
