"""Speed of training a transformer on reviews, as ratios against plain torch modules in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as f

from physnn import rng
from physnn.checks.bench import Case, per_second, report, timed
from physnn.jobs.run import Progress, silent
from physnn.networks.device import set_threads
from physnn.networks.sentiment.corpus import Corpus, TokenSet
from physnn.networks.sentiment.learning import LearningChoice, SentimentTraining
from physnn.networks.sentiment.transformer import ReaderShape, SeedWeights

BENCH_SHAPE = ReaderShape(4, 48, 4, 3072, 256)
"""Size of the source's network."""
REVIEWS_OF_STEP, BENCH_LR = 32, 1e-4
REVIEW_LENGTHS = {0.1: 110, 0.25: 150, 0.5: 205, 0.75: 330, 0.9: 540, 1.0: 1200}
"""Tokens of film reviews by quantile: about what IMDB's have."""
BENCH_THREADS = (1, 2)
BENCH_ROUNDS = 4
"""Timed steps, of which the fastest counts."""


def bench_sentiment(progress: Progress = silent) -> dict[str, Any]:
    """Reviews per second of training the source's network, by a step of AdamW on 32 reviews, without dropout.

    ``buckets`` is what `physnn train sentiment` does: reviews of about one length, no work that no answer depends on,
    feed-forward networks in blocks.  ``modules`` are torch's own (``TransformerEncoderLayer``, ``AdamW``) on the same
    reviews, padded to 256 tokens.

    One thread is measured by processor time, two by the clock on the wall, which other work makes slower.

    Returns
    -------
    dict
        See `physnn.checks.bench.report`.  Rows have the mean loss of the first two steps, which both share to rounding.
    """
    corpus = made_corpus(BENCH_SHAPE)
    rows = []
    for threads in BENCH_THREADS:
        before = set_threads(threads)
        try:
            ways = {"buckets": bucket_steps(corpus, BENCH_SHAPE), "modules": module_steps(corpus, BENCH_SHAPE)}
            losses = {name: float(np.mean([step() for _ in range(2)])) for name, step in ways.items()}
            rows += timed([_case(name, way, threads, losses[name]) for name, way in ways.items()], progress)
        finally:
            set_threads(before)
    speed = {(row["name"], row["threads"]): row["value"] for row in rows}
    ratios = {f"buckets / modules, {n} threads": speed["buckets", n] / speed["modules", n] for n in BENCH_THREADS}
    return report(rows, ratios)


def _case(name: str, step: Callable[[], float], threads: int, loss: float) -> Case:
    def run(times: int) -> None:
        for _ in range(times):
            step()

    value = per_second(REVIEWS_OF_STEP)
    clock = time.process_time if threads == 1 else time.perf_counter
    return Case(name, "reviews/s", run, value, threads, 1, BENCH_ROUNDS, clock, lambda _: {"loss": loss})


def made_corpus(shape: ReaderShape) -> Corpus:
    """Reviews of random tokens, as long as film reviews are."""
    g = rng.stream(0, "synthetic", "bench", "sentiment")
    n, size = 16 * REVIEWS_OF_STEP, 500
    counts = (
        np.interp(g.random(n), [0.0, *REVIEW_LENGTHS], [15, *REVIEW_LENGTHS.values()])
        .astype(np.int32)
        .clip(1, shape.tokens)
    )
    tokens = g.integers(3, size, (n, shape.tokens), dtype=np.int32) * (np.arange(shape.tokens) < counts[:, None])
    reviews = TokenSet(tokens, counts, g.integers(0, 2, n))
    return Corpus({"train": reviews}, g.standard_normal((size, shape.hidden)))


def _choice(shape: ReaderShape) -> LearningChoice:
    return LearningChoice(shape, 0.5, REVIEWS_OF_STEP, BENCH_LR, 0.01, 0.0)


def bucket_steps(corpus: Corpus, shape: ReaderShape) -> Callable[[], float]:
    """Steps of `SentimentTraining`, each with the loss before it."""
    training = SentimentTraining("none", (0,), corpus, _choice(shape))

    def step() -> float:
        before = float(training.sums[0])
        training.advance()
        return float(training.sums[0]) - before

    return step


def module_steps(corpus: Corpus, shape: ReaderShape) -> Callable[[], float]:
    """The same steps with torch's modules on reviews padded to the full length, each with the loss before it."""
    order = SentimentTraining("none", (0,), corpus, _choice(shape))
    model = PlainReader(torch.from_numpy(corpus.table).float(), shape)
    model.take(order.reader.weights)
    optimiser = torch.optim.AdamW(model.parameters(), lr=BENCH_LR, weight_decay=0.01)

    def step() -> float:
        (chosen,) = order.batch()
        order.done += 1
        tokens = torch.from_numpy(corpus.train.tokens[chosen]).long()
        logits = model(tokens, torch.arange(shape.tokens) >= torch.from_numpy(corpus.train.counts[chosen])[:, None])
        loss = f.cross_entropy(logits, torch.from_numpy(corpus.train.labels[chosen]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    return step


class PlainReader(nn.Module):
    """The transformer of `physnn train sentiment` in torch's modules."""

    def __init__(self, table: Tensor, shape: ReaderShape) -> None:
        super().__init__()
        d = shape.hidden
        self.embedding, self.position = nn.Embedding.from_pretrained(table), nn.Embedding(shape.tokens, d)
        self.norm, self.pool, self.classify = nn.LayerNorm(d), nn.Linear(d, d), nn.Linear(d, 2)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(d, shape.heads, shape.feed_forward, 0.0, "gelu", batch_first=True)
            for _ in range(shape.layers)
        )

    def forward(self, tokens: Tensor, padding: Tensor) -> Tensor:
        """Logits of reviews from their tokens."""
        x = self.norm(self.embedding(tokens) + self.position(torch.arange(tokens.shape[1])))
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=padding)
        logits: Tensor = self.classify(torch.tanh(self.pool(x[:, 0])))
        return logits

    @torch.no_grad()
    def take(self, weights: SeedWeights) -> None:
        """Begin with the weights of the first network."""
        places: dict[str, Any] = {"pool": self.pool, "class": self.classify}
        for k, each in enumerate(self.layers):
            layer: Any = each
            own: Any = layer.self_attn
            own.in_proj_weight.copy_(weights[f"{k}.mix.weight"][0].T)
            own.in_proj_bias.copy_(weights[f"{k}.mix.bias"][0, 0])
            places |= {f"{k}.out": own.out_proj, f"{k}.up": layer.linear1, f"{k}.down": layer.linear2}
        self.position.weight.copy_(weights["position"][0])
        for name, place in places.items():
            place.weight.copy_(weights[f"{name}.weight"][0].T)
            place.bias.copy_(weights[f"{name}.bias"][0, 0])
