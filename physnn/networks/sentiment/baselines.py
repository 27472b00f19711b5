"""Simple models of reviews, as bars for networks: naive Bayes on words, and ridge regression on mean embeddings."""

from __future__ import annotations

import numpy as np

from physnn.networks.sentiment.corpus import Corpus, TokenSet

STRENGTHS = np.logspace(-6, 2, 17)
"""Strengths of the ridge, relative to the mean square of the embeddings; the validation set chooses."""


def presence(of: TokenSet, size: int) -> np.ndarray:
    """Whether each review has each token, ``(reviews, tokens)``, float32."""
    found = np.zeros((len(of.counts), size), np.float32)
    inside = np.arange(of.tokens.shape[1]) < of.counts[:, None]
    found[np.nonzero(inside)[0], of.tokens[inside]] = 1.0
    return found


def naive_bayes(corpus: Corpus) -> np.ndarray:
    """Whether naive Bayes is right on each test review, bool ``(reviews,)``.

    Tokens are there or not, independently of each other given the label, each with one more review of both labels that
    has it and one that has not (S. Wang and C. D. Manning, ACL 2012, count tokens so).
    """
    size, train = len(corpus.table), corpus.train
    there = presence(train, size)
    shares = [(there[train.labels == k].sum(0, dtype=float) + 1) / ((train.labels == k).sum() + 2) for k in (0, 1)]
    weights = np.log(shares[1] / shares[0]) - np.log((1 - shares[1]) / (1 - shares[0]))
    offset = np.log((1 - shares[1]) / (1 - shares[0])).sum() + np.log(train.labels.mean() / (1 - train.labels.mean()))
    test = corpus.sets["test"]
    return np.asarray((presence(test, size) @ weights + offset > 0) == (test.labels == 1))


def mean_embedding(of: TokenSet, table: np.ndarray) -> np.ndarray:
    """Mean embedding of the tokens of every review, ``(reviews, width)``."""
    inside = np.arange(of.tokens.shape[1]) < of.counts[:, None]
    return np.stack([table[t[m]].mean(0) for t, m in zip(of.tokens, inside, strict=True)])


def ridge(corpus: Corpus) -> np.ndarray:
    """Whether ridge regression of the label on mean embeddings is right on each test review, bool ``(reviews,)``."""
    means = {name: mean_embedding(each, corpus.table) for name, each in corpus.sets.items()}
    labels = {name: 2.0 * each.labels - 1 for name, each in corpus.sets.items()}
    centre, offset = means["train"].mean(0), labels["train"].mean()
    x = means["train"] - centre
    left, values, right = np.linalg.svd(x, full_matrices=False)
    projected = left.T @ (labels["train"] - offset)

    def answers(strength: float, name: str) -> np.ndarray:
        weights = right.T @ (values / (values**2 + strength * np.mean(values**2)) * projected)
        return np.asarray(((means[name] - centre) @ weights + offset > 0) == (labels[name] > 0))

    best = max(STRENGTHS, key=lambda strength: answers(strength, "validation").mean())
    return answers(best, "test")


BARS = {"naive Bayes": naive_bayes, "ridge": ridge}
"""Models by name."""
