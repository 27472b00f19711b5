"""Transformers on reviews: an independent network in numpy, the identity, vocabularies, batches, and the bench."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import erf

from physnn import rng
from physnn.checks.training.sentiment import bucket_steps, made_corpus, module_steps
from physnn.errors import InputError
from physnn.networks.adam import Adam
from physnn.networks.sentiment.baselines import naive_bayes, ridge
from physnn.networks.sentiment.corpus import Corpus, TokenSet, epoch, length_of
from physnn.networks.sentiment.embeddings import counted_embeddings
from physnn.networks.sentiment.learning import LearningChoice, SentimentTraining, difference_of_zeros
from physnn.networks.sentiment.transformer import ReaderShape, first_weights
from physnn.networks.tasks.expansion_law import expansion_law

SHAPE = ReaderShape(2, 4, 2, 5, 6)
CHOICE = LearningChoice(SHAPE, 0.5, 3, 1e-2, 0.1, 0.0, "float64")


def words(name: str, n: int = 9, size: int = 12, tokens: int = 6, width: int = 4) -> Corpus:
    """Reviews of random tokens of several lengths."""
    g = rng.stream(0, "synthetic", "sentiment", name)
    sets = {}
    for part in ("train", "validation", "test"):
        counts = g.integers(2, tokens + 1, n).astype(np.int32)
        tokens_of = g.integers(3, size, (n, tokens), dtype=np.int32) * (np.arange(tokens) < counts[:, None])
        sets[part] = TokenSet(tokens_of, counts, np.arange(n) % 2)
    return Corpus(sets, g.standard_normal((size, width)))


def numpy_loss(w: dict[str, np.ndarray], arm: str, corpus: Corpus, chosen: np.ndarray) -> complex:
    """Cross-entropy of a batch, text by text without padding; complex numbers go through."""
    total = 0.0

    def normal(x, name):
        apart = x - x.mean(-1, keepdims=True)
        scaled = apart / np.sqrt((apart**2).mean(-1, keepdims=True) + 1e-5)
        return scaled * w[f"{name}.gain"] + w[f"{name}.shift"]

    def linear(x, name):
        return x @ w[f"{name}.weight"] + w[f"{name}.bias"]

    for one in chosen:
        n = corpus.train.counts[one]
        x = corpus.table[corpus.train.tokens[one, :n]].astype(complex)
        if arm == "constants":
            wide = np.full((n, 2 * x.shape[1]), 0.5, complex)
            wide[:, ::2] = x
            x = linear(wide, "expand")
        x = normal(x + w["position"][:n], "embed")
        for k in range(SHAPE.layers):
            q, key, value = np.split(linear(x, f"{k}.mix"), 3, axis=1)
            heads = []
            for h in range(SHAPE.heads):
                part = slice(2 * h, 2 * h + 2)
                weight = np.exp(q[:, part] @ key[:, part].T / np.sqrt(2))
                heads.append(weight / weight.sum(1, keepdims=True) @ value[:, part])
            x = normal(x + linear(np.concatenate(heads, axis=1), f"{k}.out"), f"{k}.norm0")
            inner = linear(x, f"{k}.up")
            x = normal(x + linear(inner * (1 + erf(inner / np.sqrt(2))) / 2, f"{k}.down"), f"{k}.norm1")
        logits = linear(np.tanh(linear(x[:1], "pool")), "class")[0]
        total += np.log(np.exp(logits).sum()) - logits[corpus.train.labels[one]]
    return total / len(chosen)


def test_losses_of_the_first_steps_are_those_of_a_network_in_numpy():
    """Gradients there are complex steps, and AdamW is written out."""
    corpus, arm = words("numpy"), "constants"
    training = SentimentTraining(arm, (3,), corpus, CHOICE)
    w = {name: each[0].astype(complex) for name, each in first_weights(arm, (3,), SHAPE).items()}
    first, second = (dict.fromkeys(w, 0.0) for _ in range(2))
    for t in range(1, 4):
        chosen = training.batch()[0]
        before = training.sums[0]
        training.advance()
        assert training.sums[0] - before == pytest.approx(numpy_loss(w, arm, corpus, chosen).real, rel=1e-9)
        if t == 3:
            break
        gradient = {name: np.zeros(each.shape) for name, each in w.items()}
        for name, each in w.items():
            for k in np.ndindex(each.shape):
                each[k] += 1e-30j
                gradient[name][k] = numpy_loss(w, arm, corpus, chosen).imag / 1e-30
                each[k] -= 1e-30j
        for name, g in gradient.items():
            first[name] = 0.9 * first[name] + 0.1 * g
            second[name] = 0.999 * second[name] + 0.001 * g**2
            step = first[name] / (1 - 0.9**t) / (np.sqrt(second[name] / (1 - 0.999**t)) + 1e-8)
            w[name] = w[name] * (1 - CHOICE.lr * CHOICE.weight_decay) - CHOICE.lr * step
        # What no answer depends on, the shift that all keys share, has gradients of rounding alone.
        w["0.mix.bias"][0, 4:8] = training.reader.weights["0.mix.bias"][0, 0, 4:8].detach()
        w["1.mix.bias"][0, 4:8] = training.reader.weights["1.mix.bias"][0, 0, 4:8].detach()


def test_zeros_between_components_are_smaller_first_weights_and_constants_are_not():
    corpus, choice = words("identity"), replace(CHOICE, dropout=0.2)
    assert (difference_of_zeros((0, 1), corpus, choice) <= 1e-12).all()
    assert (difference_of_zeros((0,), corpus, replace(choice, precision="float32")) <= 2e-5).all()
    with pytest.raises(InputError, match="differ by 0"):
        difference_of_zeros((0,), corpus, choice, "constants")
    with pytest.raises(InputError, match="differ by"):
        difference_of_zeros((0,), corpus, choice, "linear")
    at = first_weights("zeros", (5,), SHAPE)["expand.weight"][:, ::2]
    assert np.array_equal(at, first_weights("linear-small", (5,), SHAPE)["expand.weight"])
    assert np.allclose(at * np.sqrt(2), first_weights("linear", (5,), SHAPE)["expand.weight"])


def test_constants_between_components_are_a_bias_with_steps_of_its_own():
    """The law of expanded inputs: the bias begins at b + V c, and learns faster by 1 + sum |c|."""
    corpus, choice = words("constants", 30), replace(CHOICE, dropout=0.1)
    law = expansion_law([choice.constant] * SHAPE.hidden, "adam")
    between = first_weights("constants", (0,), SHAPE)["expand.weight"][:, 1::2]

    def trained(start: float, factor: float) -> np.ndarray:
        training = SentimentTraining("linear-small", (0,), corpus, choice)
        weights = training.reader.weights
        bias = weights["expand.bias"]
        with torch.no_grad():
            bias += start * torch.from_numpy(choice.constant * between.sum(1, keepdims=True))
        rest = [each for name, each in weights.items() if name != "expand.bias"]
        training.optimiser = Adam(rest, choice.lr, choice.weight_decay, True, True)
        own = Adam([bias], factor * choice.lr, choice.weight_decay / factor, True, True)
        logits = []
        for _ in range(8):
            own.zero_grad()
            logits.append(training.step().numpy())
            own.step()
        return np.stack(logits)

    training = SentimentTraining("constants", (0,), corpus, choice)
    found = np.stack([training.step().numpy() for _ in range(8)])
    scale = np.abs(found).max()
    assert np.abs(trained(1, law.factor) - found).max() < 1e-3 * scale  # the small number in Adam's denominator is left
    for part in ((1, 1), (0, law.factor), (0, 1)):
        assert np.abs(trained(*part) - found).max() > 0.03 * scale


def test_a_permuted_vocabulary_and_other_seeds_beside_change_nothing():
    corpus, choice = words("permuted"), replace(CHOICE, dropout=0.2)
    order = np.concatenate([[0], 1 + rng.stream(0, "synthetic", "permuted").permutation(len(corpus.table) - 1)])
    table = np.empty_like(corpus.table)
    table[order] = corpus.table
    moved = Corpus({name: replace(each, tokens=order[each.tokens]) for name, each in corpus.sets.items()}, table)
    runs = [SentimentTraining("linear", seeds, each, choice) for seeds, each in (((1,), corpus), ((1,), moved))]
    several = SentimentTraining("linear", (0, 1, 2), corpus, choice)
    other = SentimentTraining("other", (1,), corpus, choice)
    for _ in range(4):
        a, b, c, d = (each.step() for each in (*runs, several, other))
        assert torch.equal(a, b) and torch.allclose(a[0], c[1], rtol=0, atol=1e-12)
        assert not torch.allclose(a, d)
    found, moved_too = runs[0].measure(), runs[1].measure()
    assert all(np.array_equal(found[name], moved_too[name]) for name in found)
    assert np.allclose(found["test_loss"][0], several.measure()["test_loss"][1], rtol=1e-12)


def test_arms_see_the_same_batches_and_every_review_once_in_an_epoch():
    counts = rng.stream(0, "synthetic", "lengths").integers(1, 60, 41)
    batches = list(epoch(counts, (0, 7), "none", 2, 8))
    for k in (0, 1):
        assert sorted(np.concatenate([each[k] for each in batches])) == list(range(41))
    assert not all(np.array_equal(*each) for each in batches)
    # Networks side by side have the same lengths, and little padding.
    assert all(length_of(counts[a], 60) == length_of(counts[b], 60) for a, b in batches)
    assert sum(each.shape[1] * length_of(counts[each], 60) for each in batches) < 1.6 * counts.sum()


def test_simple_models_find_a_planted_word_and_nothing_where_there_is_none():
    corpus = words("bars", n=200, size=30)
    none = naive_bayes(corpus).mean(), ridge(corpus).mean()
    for each in corpus.sets.values():
        each.tokens[:, 1] = np.where(each.labels == 1, 5, 6)
    assert naive_bayes(corpus).mean() > 0.9 and ridge(corpus).mean() > 0.8
    assert all(0.35 < share < 0.65 for share in none)


def test_embeddings_bring_words_of_like_neighbours_together():
    g = rng.stream(0, "synthetic", "neighbours")
    # Words 3 and 4 stand among 10 to 19, word 5 among 20 to 29.
    kinds = g.integers(0, 3, 400)
    low = np.where(kinds == 2, 20, 10)[:, None]
    tokens = np.concatenate([3 + kinds[:, None], low + g.integers(0, 10, (400, 5))], axis=1)
    found = counted_embeddings(tokens, np.full(400, 6), 30, 4)
    unit = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
    assert unit[3] @ unit[4] > 0.8 > 0.3 > unit[3] @ unit[5]
    assert np.abs(found[[0, 1, 2]]).max() < 1e-12 and found.shape == (30, 4)


@pytest.mark.slow
def test_the_bench_compares_one_training_with_itself():
    shape = ReaderShape(2, 8, 2, 16, 32)
    corpus = made_corpus(shape)
    ours, plain = bucket_steps(corpus, shape), module_steps(corpus, shape)
    assert [ours() for _ in range(3)] == pytest.approx([plain() for _ in range(3)], rel=1e-5)
