"""Reviews as tokens with frozen embeddings, and the batches in which networks see them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from physnn import rng
from physnn.errors import InputError
from physnn.networks.sentiment.embeddings import (
    counted_embeddings,
    minilm_embeddings,
    random_embeddings,
    standardised,
)
from physnn.networks.sentiment.reviews import Reviews, read_reviews, reviews_digest
from physnn.networks.sentiment.vocabulary import minilm_table, trained_table

SET_NAMES = ("train", "validation", "test")
"""Sets of reviews; validation is a part of those for training that no network is trained on."""
LENGTH_STEP = 16
"""Lengths of batches are multiples of this, so that few tokens are padding."""


@dataclass(frozen=True)
class CorpusChoice:
    """What of which reviews is read, and how: everything that a `Corpus` follows from."""

    data: str
    digest: str
    train: int
    validation: int
    test: int
    tokens: int
    vocabulary: int
    embedding: str
    width: int


@dataclass(frozen=True)
class TokenSet:
    """Reviews of a set: tokens ``(reviews, length)``, how many each has, and labels, 0 or 1."""

    tokens: np.ndarray
    counts: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Corpus:
    """Reviews by set, and the embeddings of all tokens, ``(tokens, width)``."""

    sets: dict[str, TokenSet]
    table: np.ndarray

    @property
    def train(self) -> TokenSet:
        """Reviews that networks are trained on."""
        return self.sets["train"]


def sizes_of(path: Path) -> tuple[int, int, int, str]:
    """Numbers of reviews of a data set, and its digest: for training and test, and left out; see `read_reviews`."""
    reviews = _reviews(path)
    train = len(_alone(reviews))
    return train, len(reviews["test"].texts), len(reviews["train"].texts) - train, reviews_digest(reviews)


@lru_cache(maxsize=1)
def _reviews(path: Path) -> dict[str, Reviews]:
    return read_reviews(path)


def _alone(reviews: dict[str, Reviews]) -> np.ndarray:
    """Training reviews that do not stand among those of the test as well."""
    known = set(reviews["test"].texts)
    return np.array([k for k, text in enumerate(reviews["train"].texts) if text not in known])


@lru_cache(maxsize=2)
def corpus_of(choice: CorpusChoice) -> Corpus:
    """Corpus of a choice, the same in every process.

    Raises
    ------
    InputError
        If the data cannot be read or are not those of the choice any more, or MiniLM is not installed.
    """
    reviews = _reviews(Path(choice.data))
    if reviews_digest(reviews) != choice.digest:
        raise InputError(f"the reviews {choice.data} changed while they were in use; run the same command again")
    seen, unseen = choice.train + choice.validation, choice.test
    drawn = {
        part: rng.stream(0, "subset", "sentiment", part).permutation(members)[:n]
        for part, members, n in (
            ("train", _alone(reviews), seen),
            ("test", np.arange(len(reviews["test"].texts)), unseen),
        )
    }
    rows = {
        "train": drawn["train"][: choice.train],
        "validation": drawn["train"][choice.train :],
        "test": drawn["test"],
    }
    parts = {"train": "train", "validation": "train", "test": "test"}
    texts = {name: [reviews[parts[name]].texts[k] for k in rows[name]] for name in SET_NAMES}
    if choice.embedding == "minilm":
        found = minilm_table([text for each in texts.values() for text in each], choice.tokens)
    else:
        found = trained_table(texts["train"], choice.vocabulary, choice.tokens)
    sets = {}
    for name in SET_NAMES:
        labels = np.array([reviews[parts[name]].labels[k] for k in rows[name]], np.int64)
        sets[name] = TokenSet(*found.encoded(texts[name], choice.tokens), labels)
    size, train = len(found.own), sets["train"]
    inside = np.arange(choice.tokens) < train.counts[:, None]
    often = np.bincount(train.tokens[inside], minlength=size).astype(float)
    if choice.embedding == "minilm":
        table = minilm_embeddings(found.own, often, choice.width)
    elif choice.embedding == "random":
        table = random_embeddings(size, choice.width)
    else:
        table = counted_embeddings(train.tokens, train.counts, size, choice.width)
    return Corpus(sets, standardised(table, often))


def length_of(counts: np.ndarray, most: int) -> int:
    """Length of a batch of texts with these numbers of tokens, where texts are cut to ``most``."""
    return min(most, -(-int(counts.max()) // LENGTH_STEP) * LENGTH_STEP)


def epoch(counts: np.ndarray, seeds: tuple[int, ...], word: str, number: int, batch: int) -> Iterator[np.ndarray]:
    """Batches of an epoch, each ``(seeds, texts)`` numbers of texts, with about equally many tokens in a batch.

    Every seed has an order of its own among texts of about one length.  Where in the epoch lengths come is the same for
    all seeds, so that networks of several seeds can lie side by side, and do the same whichever these are.
    """
    steps = -(-counts // LENGTH_STEP)
    orders = []
    for seed in seeds:
        ties = rng.stream(seed, "order", "sentiment", word, number).random(len(counts))
        orders.append(np.lexsort((ties, steps)))
    every = np.stack(orders)
    parts = [every[:, k : k + batch] for k in range(0, len(counts), batch)]
    for k in rng.stream(0, "order", "sentiment", number, "lengths").permutation(len(parts)):
        yield parts[k]
