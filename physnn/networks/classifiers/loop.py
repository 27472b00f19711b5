"""Training classifiers one after the other, network by network: slow and plain, the reference of all engines."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from physnn import rng
from physnn.networks.adam import Adam
from physnn.networks.classifiers.labels import label_distance
from physnn.networks.classifiers.replicas import Arrays, ClassifierRecipe, Replicas, Trainer
from physnn.networks.classifiers.shown import batches
from physnn.networks.device import full_precision
from physnn.networks.sgd import SGD
from physnn.networks.symmetry.strengths import Pull
from physnn.networks.tasks.problem import Problem


def load_replica(network: nn.Module, replicas: Replicas, r: int) -> None:
    """Give a network the weights and running statistics of one replica."""
    state = {name: torch.from_numpy(v[r].copy()) for name, v in (replicas.weights | replicas.statistics).items()}
    network.load_state_dict(state, strict=False)


class LoopTrainer(Trainer):
    """Replicas trained one after the other by torch's Adam, or by gradient descent.

    ``channels_last`` and ``fused`` choose torch's other memory layout and its fused optimiser, which may be faster.
    """

    settings = staticmethod(full_precision)

    def __init__(
        self,
        recipe: ClassifierRecipe,
        problem: Problem,
        replicas: Replicas,
        device: str = "cpu",
        *,
        channels_last: bool = False,
        fused: bool = False,
    ) -> None:
        super().__init__(recipe, problem, replicas, device)
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.images, self.labels = (torch.from_numpy(a).to(device) for a in (self.shown, self.shown_labels))
        self.pull = Pull(self.tuning.orbits, device) if self.tuning else None
        self.networks: list[nn.Module] = []
        self.optimisers: list[Adam | SGD] = []
        for r in range(len(replicas.seeds)):
            network = recipe.build(problem).to(device, memory_format=self.layout)  # type: ignore[call-overload]
            load_replica(network, replicas, r)
            self.networks.append(network.train())
            self.optimisers.append(self._optimiser(network, replicas, r, fused))

    def _optimiser(self, network: nn.Module, replicas: Replicas, r: int, fused: bool) -> Adam | SGD:
        """Optimiser in the state of one replica."""
        if self.recipe.optimiser == "sgd":
            descent = SGD(network.parameters(), self.recipe.lr, self.recipe.momentum, self.recipe.weight_decay)
            for name, weights in network.named_parameters():
                descent.state[weights]["velocity"].copy_(torch.from_numpy(replicas.mean[name][r]))
            return descent
        steps = float(replicas.epoch * len(self.batches))
        optimiser = Adam(network.parameters(), self.recipe.lr, self.recipe.weight_decay, fused)
        for name, weights in network.named_parameters():
            optimiser.state[weights] = {
                "step": torch.tensor(steps, device=weights.device if fused else "cpu"),
                # In the layout of the weights: a fused step reads all arrays as they lie in memory.
                "exp_avg": torch.empty_like(weights.detach()).copy_(torch.from_numpy(replicas.mean[name][r])),
                "exp_avg_sq": torch.empty_like(weights.detach()).copy_(torch.from_numpy(replicas.square[name][r])),
            }
        return optimiser

    def epoch(self, epoch: int) -> list[float]:
        """Mean cross-entropy of every replica over one more epoch."""
        loss = []
        for r, seed in enumerate(self.seeds):
            with torch.random.fork_rng():  # for layers of users that draw torch's own numbers
                torch.manual_seed(rng.whole_seed(rng.seed_sequence(seed, "dropout", epoch)))
                loss.append(self._epoch(r, epoch))
        return loss

    def _epoch(self, r: int, epoch: int) -> float:
        network, optimiser, loss = self.networks[r], self.optimisers[r], 0.0
        order, keep = (torch.from_numpy(a).to(self.device) for a in self.drawn(self.seeds[r], epoch))
        shrink = torch.from_numpy(self.shrink[r : r + 1]).to(self.device)
        places = torch.from_numpy(self.places[r]).to(self.device)
        for s in self.batches:
            optimiser.zero_grad()
            chosen = self.images[order[s]].contiguous(memory_format=self.layout)
            found = network(chosen, keep[s]) if self.rate else network(chosen)
            logits, label = found if len(places) else (found, None)
            mean = functional.cross_entropy(logits, self.labels[order[s]])
            whole = mean
            if label is not None:
                whole = mean + self.recipe.label_weight * label_distance(label, places[order[s]])
            whole.backward()
            optimiser.step()
            if self.pull:
                self.pull.apply([w.detach()[None] for w in network.parameters()], shrink)
            if self.motion:
                self.motion.after(dict(network.named_parameters()), r)
            loss += mean.item() * (s.stop - s.start) / len(order)
        return loss

    def arrays(self) -> dict[str, Arrays]:
        """Arrays of all replicas by field and name."""
        rows: dict[str, list[Arrays]] = {"weights": [], "statistics": [], "mean": [], "square": []}
        for network, optimiser in zip(self.networks, self.optimisers, strict=True):
            named = dict(network.named_parameters())
            floats = {k: v for k, v in network.named_buffers() if v.dtype == torch.float32}
            kept = {"mean": "exp_avg", "square": "exp_avg_sq"} if isinstance(optimiser, Adam) else {"mean": "velocity"}
            states = {kind: {k: optimiser.state[v][at] for k, v in named.items()} for kind, at in kept.items()}
            states["weights"], states["statistics"] = {k: v.detach() for k, v in named.items()}, floats
            for kind, tensors in states.items():
                rows[kind].append({k: v.numpy(force=True) for k, v in tensors.items()})
        return {
            kind: {name: np.stack([row[name] for row in all_]) for name in all_[0]} if all_ else {}
            for kind, all_ in rows.items()
        }

    @classmethod
    @full_precision()
    def logits(
        cls, recipe: ClassifierRecipe, problem: Problem, replicas: Replicas, images: np.ndarray, device: str = "cpu"
    ) -> np.ndarray:
        """Logits of images, shape (replicas, n, classes)."""
        found = np.empty((len(replicas.seeds), len(images), len(problem.classes)), np.float32)
        tensors, network = torch.from_numpy(images), recipe.build(problem).to(device).eval()
        with torch.no_grad():
            for r in range(len(replicas.seeds)):
                load_replica(network, replicas, r)
                for s in batches(len(images), 256):
                    found[r, s] = network(tensors[s].to(device)).cpu().numpy()
        return found
