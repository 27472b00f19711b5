"""Training of transformers on reviews, with the same batches and the same dropout in every form of the embedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as f

from physnn import rng
from physnn.errors import InputError
from physnn.networks.adam import Adam
from physnn.networks.sentiment.corpus import Corpus, TokenSet, epoch, length_of
from physnn.networks.sentiment.transformer import Reader, ReaderShape, first_weights

IDENTITY_STEPS = 5
"""Steps over which ``zeros`` and ``linear-small`` are compared."""
ROUNDING = {"float32": 2e-5, "float64": 1e-12}
"""Largest difference of logits, relative to the largest one, that rounding makes in these steps."""
REVIEWS_AT_ONCE = 128
"""Texts that are measured at a time."""


@dataclass(frozen=True)
class LearningChoice:
    """Everything about a training but its form, seeds and data."""

    shape: ReaderShape
    constant: float
    batch: int
    lr: float
    weight_decay: float
    dropout: float
    precision: str = "float32"
    device: str = "cpu"


class SentimentTraining:
    """Networks of several seeds in one form, trained by AdamW, for `physnn.networks.forms.train_to_marks`.

    Parameters
    ----------
    arm : str
        One of `physnn.networks.sentiment.arms.SENTIMENT_ARMS`.
    seeds : sequence of int
        Seeds of the weights, of the order of reviews and of dropout.
    corpus : Corpus
        Reviews.
    choice : LearningChoice
        Settings.
    """

    def __init__(self, arm: str, seeds: Sequence[int], corpus: Corpus, choice: LearningChoice) -> None:
        self.arm, self.seeds, self.corpus, self.choice = arm, tuple(seeds), corpus, choice
        self.dtype, self.device = getattr(torch, choice.precision), torch.device(choice.device)
        self.word = "other" if arm == "other" else "none"
        first = first_weights(arm, self.seeds, choice.shape)
        weights = {name: torch.from_numpy(each).to(self.device, self.dtype) for name, each in first.items()}
        self.reader = Reader(arm, choice.shape, choice.constant, weights)
        self.optimiser = Adam(
            [each.requires_grad_() for each in weights.values()], choice.lr, choice.weight_decay, True, True
        )
        self.table = torch.from_numpy(corpus.table).to(self.device, self.dtype)
        self.done, self.sums, self.since = 0, np.zeros(len(self.seeds)), 0
        self._epoch, self._batches = -1, list[np.ndarray]()

    def batch(self) -> np.ndarray:
        """Numbers of the reviews of the next step, ``(seeds, texts)``."""
        reviews, size = len(self.corpus.train.counts), self.choice.batch
        number, place = divmod(self.done, -(-reviews // size))
        if number != self._epoch:
            each = epoch(self.corpus.train.counts, self.seeds, self.word, number, size)
            self._epoch, self._batches = number, list(each)
        return self._batches[place]

    def _inputs(self, of: TokenSet, chosen: np.ndarray) -> tuple[Tensor, Tensor]:
        """Embeddings of chosen reviews, ``(seeds, texts, length, width)``, and their numbers of tokens."""
        counts = of.counts[chosen]
        tokens = of.tokens[chosen][..., : length_of(counts, of.tokens.shape[1])]
        return self.table[torch.from_numpy(tokens).to(self.device, torch.int64)], torch.from_numpy(counts).to(
            self.device
        )

    def _masks(self, texts: int, length: int) -> Tensor | None:
        """Factors of dropout of the next step; those of a seed depend on neither its form nor other seeds."""
        keep = 1 - self.choice.dropout
        if keep == 1:
            return None
        found = []
        for seed in self.seeds:
            key = rng.seed_sequence(seed, "dropout", "sentiment", self.word, self.done)
            generator = torch.Generator(self.device).manual_seed(rng.whole_seed(key))
            mask = torch.empty(self.choice.shape.masks(texts, length), dtype=self.dtype, device=self.device)
            found.append(mask.bernoulli_(keep, generator=generator).div_(keep))
        return torch.stack(found)

    def step(self) -> Tensor:
        """Take a step; return the logits before it, ``(seeds, texts, 2)``."""
        chosen = self.batch()
        embedded, counts = self._inputs(self.corpus.train, chosen)
        labels = torch.from_numpy(self.corpus.train.labels[chosen]).to(self.device)
        logits = self.reader.logits(embedded, counts, self._masks(*embedded.shape[1:3]))
        each = f.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape).mean(1)
        self.optimiser.zero_grad()
        each.sum().backward()
        self.optimiser.step()
        self.done, self.since = self.done + 1, self.since + 1
        self.sums += each.detach().cpu().numpy()
        return logits.detach()

    def advance(self) -> None:
        """Take a step."""
        self.step()

    @torch.no_grad()
    def scores(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Whether the networks are right on each review of a set, and their cross-entropies, ``(seeds, reviews)``."""
        of = self.corpus.sets[name]
        order, seeds = np.argsort(of.counts, kind="stable"), len(self.seeds)
        right, loss = np.zeros((seeds, len(order)), np.uint8), np.zeros((seeds, len(order)))
        for k in range(0, len(order), REVIEWS_AT_ONCE):
            chosen = order[k : k + REVIEWS_AT_ONCE]
            embedded, counts = self._inputs(of, chosen[None])
            logits = self.reader.logits(embedded.expand(seeds, -1, -1, -1), counts.expand(seeds, -1)).cpu().double()
            labels = torch.from_numpy(of.labels[chosen]).expand(seeds, -1)
            each = f.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
            right[:, chosen] = (logits.argmax(-1) == labels).numpy()
            loss[:, chosen] = each.view(labels.shape).numpy()
        return right, loss

    def measure(self) -> dict[str, np.ndarray]:
        """Losses and shares of right answers of all sets, ``(seeds,)``, and right answers, ``(seeds, reviews)``.

        The training's is the mean since it was measured last, with dropout.
        """
        found = {"train_loss": self.sums / max(self.since, 1)}
        self.sums, self.since = np.zeros(len(self.seeds)), 0
        for name in ("validation", "test"):
            right, loss = self.scores(name)
            found |= {f"{name}_accuracy": right.mean(1), f"{name}_loss": loss.mean(1)}
            found[f"{name}_loss_error"] = loss.std(1) / np.sqrt(loss.shape[1])
        return found | {"right": right}

    def state(self) -> dict[str, np.ndarray]:
        """Weights, moments, and the sum of losses, by name."""
        arrays = {"state_sums": self.sums.copy(), "state_since": np.array(self.since)}
        for name, weight in self.reader.weights.items():
            arrays[f"state_weight_{name}"] = weight.detach().cpu().numpy().copy()
            arrays |= {f"state_{k}_{name}": v.cpu().numpy().copy() for k, v in self.optimiser.state[weight].items()}
        return arrays

    def restore(self, kept: Mapping[str, np.ndarray]) -> None:
        """Put a state back."""
        self.done, self.since = int(kept["state_done"]), int(kept["state_since"])
        self.sums = np.array(kept["state_sums"])
        for name, weight in self.reader.weights.items():
            moments = self.optimiser.state[weight]
            with torch.no_grad():
                weight.copy_(torch.from_numpy(np.array(kept[f"state_weight_{name}"])))
                for k, moment in moments.items():
                    moment.copy_(torch.from_numpy(np.array(kept[f"state_{k}_{name}"])))


def difference_of_zeros(seeds: Sequence[int], corpus: Corpus, choice: LearningChoice, arm: str = "zeros") -> np.ndarray:
    """Largest difference of logits between an arm and ``linear-small`` over the first steps, ``(seeds,)``.

    It is relative to the largest logit.  For ``zeros`` the two are one network, so that only rounding is left.

    Raises
    ------
    InputError
        If it is more than rounding.
    """
    first, second = (SentimentTraining(name, seeds, corpus, choice) for name in (arm, "linear-small"))
    largest, scale = np.zeros(len(seeds)), np.zeros(len(seeds))
    for _ in range(IDENTITY_STEPS):
        a, b = (each.step().flatten(1).cpu().double().numpy() for each in (first, second))
        largest, scale = np.maximum(largest, np.abs(a - b).max(1)), np.maximum(scale, np.abs(b).max(1))
    found = largest / scale
    if not (found <= ROUNDING[choice.precision]).all():
        raise InputError(
            f"embeddings expanded by {arm} and a linear layer with first weights smaller by sqrt 2 are one network, "
            f"but logits differ by {found.max():.2g} within {IDENTITY_STEPS} steps: leave the arm out, and report this"
        )
    return found
