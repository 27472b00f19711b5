from __future__ import annotations

import dataclasses
import itertools
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from physnn.errors import InputError, Unfinished
from physnn.networks.classifiers import engines, stacked
from physnn.networks.classifiers.engines import EPOCHS_SECONDS, resolve_engine, train_replicas
from physnn.networks.classifiers.replicas import ClassifierRecipe, untrained
from physnn.networks.tasks.problem import Problem, ProblemRecipe, load_problem
from physnn.store.parts import read_part

SHORT = ClassifierRecipe(epochs=4, batch=16)
FEW = ProblemRecipe(train=40, test=30)


def equal(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


@pytest.fixture
def problem() -> Problem:
    return load_problem(FEW)


@pytest.fixture
def every_epoch(monkeypatch):
    """A checkpoint after every epoch."""
    monkeypatch.setattr(engines, "EPOCHS_SECONDS", 0.0)


def network_of(recipe: ClassifierRecipe, problem: Problem, found: dict, r: int) -> torch.nn.Module:
    """Return one trained network by nothing but torch."""
    network = recipe.build(problem)
    state = network.state_dict()
    network.load_state_dict(state | {k: torch.from_numpy(v[r]) for k, v in found.items() if k in state})
    return network.eval()


@pytest.mark.parametrize("name", ["simple", "batchnorm", "flip", "quarter_tied"])
def test_accuracies_and_losses_are_those_of_the_weights(tmp_path, problem, name):
    recipe = SHORT.model_copy(update={"network": name, "lr": 5e-3})
    found = train_replicas(recipe, problem, (3, 4), tmp_path / "c.h5")
    assert found["loss"].shape == (2, 4) and (found["loss"][:, -1] < found["loss"][:, 0]).all()
    for r in range(2):
        network = network_of(recipe, problem, found, r)
        with torch.no_grad():
            logits = network(torch.from_numpy(problem.test_images)).double()
            train = network(torch.from_numpy(problem.images)).argmax(1).numpy()
        expected = functional.cross_entropy(logits, torch.from_numpy(problem.test_labels)).item()
        assert found["test_loss"][r] == pytest.approx(expected, rel=1e-5)
        assert np.array_equal(found["predictions"][r], logits.argmax(1))
        assert found["test_accuracy"][r] == (logits.argmax(1).numpy() == problem.test_labels).mean()
        assert found["train_accuracy"][r] == (train == problem.labels).mean()
    other = network_of(recipe, problem, found, 0)(torch.from_numpy(problem.test_images))
    assert not np.array_equal(found["predictions"][1], other.argmax(1)), "another replica would be seen"


def test_the_loss_of_an_epoch_is_the_mean_over_its_images(tmp_path, problem):
    # Without motion it is the cross-entropy of untrained networks, though the last batch is smaller.
    recipe = SHORT.model_copy(update={"lr": 1e-12})
    found = train_replicas(recipe, problem, (3, 4), tmp_path / "c.h5")
    start = untrained(recipe.build(problem), (3, 4)).weights
    for r in range(2):
        logits = network_of(recipe, problem, start, r)(torch.from_numpy(problem.images)).double()
        expected = functional.cross_entropy(logits, torch.from_numpy(problem.labels)).item()
        assert found["loss"][r] == pytest.approx(expected, rel=1e-6)


def test_digits_are_learnt_and_shuffled_ones_are_not(tmp_path):
    problem = load_problem(ProblemRecipe(train=600, test=300))
    recipe = ClassifierRecipe(epochs=15)
    found = train_replicas(recipe, problem, range(4), tmp_path / "a.h5")
    assert found["test_accuracy"].min() > 0.9 and found["train_accuracy"].min() > 0.93
    # Guessing is right with 0.1 +- 0.017 on 300 images; |z| < 4.
    shuffled = dataclasses.replace(problem, labels=np.random.default_rng(0).permutation(problem.labels))
    found = train_replicas(recipe, shuffled, range(4), tmp_path / "b.h5")
    assert np.abs(found["test_accuracy"] - 0.1).max() < 4 * 0.017


@pytest.mark.parametrize("engine", ["compiled", "loop", "stacked"])
def test_an_interrupted_training_ends_with_the_same_bits(tmp_path, monkeypatch, problem, engine):
    recipe = SHORT.model_copy(update={"network": "batchnorm"})
    whole = train_replicas(recipe, problem, (3, 4), tmp_path / "whole.h5", engine)
    monkeypatch.setattr(engines, "EPOCHS_SECONDS", 0.0)
    write = engines.write_part
    for epoch in (1, 2, 3):

        def stop(path, state, epoch=epoch, **options):
            write(path, state, **options)
            if state["epoch"] == epoch:
                raise KeyboardInterrupt

        monkeypatch.setattr(engines, "write_part", stop)
        with pytest.raises(KeyboardInterrupt):
            train_replicas(recipe, problem, (3, 4), tmp_path / "cut.h5", engine)
    assert int(read_part(tmp_path / "cut.h5")["unfinished"]) == 1
    monkeypatch.setattr(engines, "write_part", write)
    assert equal(whole, train_replicas(recipe, problem, (3, 4), tmp_path / "cut.h5", engine))
    assert equal(read_part(tmp_path / "whole.h5"), read_part(tmp_path / "cut.h5"))
    assert not any(name.startswith(("mean:", "square:")) for name in read_part(tmp_path / "cut.h5"))


def test_forgetting_the_optimisers_state_would_be_seen(tmp_path, monkeypatch, problem, every_epoch):
    whole = train_replicas(SHORT, problem, (3,), tmp_path / "whole.h5")
    write = engines.write_part

    def forget(path, state, **options):
        write(path, {k: np.zeros_like(v) if k.startswith("square:") else v for k, v in state.items()}, **options)
        if state["epoch"] == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(engines, "write_part", forget)
    with pytest.raises(KeyboardInterrupt):
        train_replicas(SHORT, problem, (3,), tmp_path / "cut.h5")
    monkeypatch.setattr(engines, "write_part", write)
    assert not equal(whole, train_replicas(SHORT, problem, (3,), tmp_path / "cut.h5"))


CODE = """
import sys
from pathlib import Path
from physnn.networks.classifiers import engines
from physnn.networks.tasks.problem import ProblemRecipe, load_problem
from physnn.networks.classifiers.replicas import ClassifierRecipe

engines.EPOCHS_SECONDS = 0.0
recipe = ClassifierRecipe(epochs=int(sys.argv[2]), batch=16)
problem = load_problem(ProblemRecipe(train=40, test=30))
engines.train_replicas(recipe, problem, (3,), Path(sys.argv[1]))
"""


def test_a_killed_training_ends_with_the_same_bits(tmp_path, problem):
    recipe, path = SHORT.model_copy(update={"epochs": 400}), tmp_path / "cut.h5"
    process = subprocess.Popen([sys.executable, "-c", CODE, str(path), "400"])
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 0 < int(read_part(path)["epoch"]) < 400, "the kill came before the end"
    whole = train_replicas(recipe, problem, (3,), tmp_path / "whole.h5")
    assert equal(whole, train_replicas(recipe, problem, (3,), path))


def test_progress_is_reported_and_a_finished_training_only_read(tmp_path, monkeypatch, problem, every_epoch):
    seen = []
    first = train_replicas(SHORT, problem, (3, 4), tmp_path / "c.h5", report=lambda *row: seen.append(row))
    assert [row[:2] for row in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [row[2] for row in seen] == pytest.approx(first["loss"].mean(0).tolist())
    monkeypatch.setattr(engines, "ENGINES", dict.fromkeys(engines.ENGINES))
    assert equal(first, train_replicas(SHORT, problem, (3, 4), tmp_path / "c.h5"))


@pytest.mark.parametrize(("seconds", "ends"), [(0.0, [1, 9, 73, 100]), (EPOCHS_SECONDS, list(range(1, 101)))])
def test_blocks_grow_to_their_seconds(tmp_path, monkeypatch, problem, seconds, ends):
    """Eight times as many at most, and no more than last as long as they may; by a clock that the test sets."""
    seen, ticks = [], itertools.count()
    monkeypatch.setattr(engines, "time", SimpleNamespace(monotonic=lambda: seconds * next(ticks)))
    recipe = SHORT.model_copy(update={"epochs": 100})
    train_replicas(recipe, problem, (3,), tmp_path / "c.h5", report=lambda done, *_: seen.append(done))
    assert seen == ends


@pytest.mark.parametrize("name", ["simple", "batchnorm"])
@pytest.mark.parametrize("engine", ["compiled", "loop", "stacked"])
def test_no_epochs_leave_the_first_weights(tmp_path, problem, engine, name):
    recipe = ClassifierRecipe(network=name, epochs=0)
    found = train_replicas(recipe, problem, (3, 4), tmp_path / "c.h5", engine)
    assert found["loss"].shape == (2, 0)
    assert all(np.array_equal(found[k], v) for k, v in untrained(recipe.build(problem), (3, 4)).weights.items())


def test_a_class_without_training_images_is_never_learnt(tmp_path, problem):
    chosen = problem.labels < 9
    partial = dataclasses.replace(problem, images=problem.images[chosen], labels=problem.labels[chosen])
    found = train_replicas(SHORT.model_copy(update={"epochs": 60}), partial, (3, 4), tmp_path / "c.h5")
    assert found["output.bias"].shape == (2, 10) and not (found["predictions"] == 9).any()


@pytest.mark.parametrize("engine", ["compiled", "loop", "stacked"])
def test_divergence_is_an_error_and_what_went_before_is_kept(tmp_path, problem, every_epoch, engine):
    recipe = SHORT.model_copy(update={"lr": 1e30})
    with pytest.raises(InputError, match=r"the replica of seed 3 diverged.*--lr"):
        train_replicas(recipe, problem, (3, 4), tmp_path / "c.h5", engine)
    assert not (tmp_path / "c.h5").exists()


def test_outputs_that_are_not_finite_are_an_error(tmp_path, monkeypatch, problem):
    monkeypatch.setattr(engines.CompiledTrainer, "logits", lambda *_: np.full((1, 30, 10), np.inf, np.float32))
    with pytest.raises(InputError, match="diverged"):
        train_replicas(
            SHORT,
            dataclasses.replace(problem, labels=problem.labels[:30], images=problem.images[:30]),
            (3,),
            tmp_path / "c.h5",
        )


def test_the_fastest_engine_is_chosen(problem):
    def chosen(name, device="cpu", engine="auto"):
        return resolve_engine(engine, ClassifierRecipe(network=name), problem, device)

    assert {chosen(n) for n in ("simple", "dropout", "batchnorm", "flip", "rotation", "quarter_tied")} == {"compiled"}
    assert chosen("resnet18") == "loop" and chosen("simple", "cuda") == chosen("resnet18", "cuda") == "stacked"
    assert chosen("resnet18", engine="stacked") == "stacked" and chosen("simple", engine="loop") == "loop"
    for name, device in (("resnet18", "cpu"), ("simple", "cuda")):
        with pytest.raises(InputError, match=f"compiled code does not know {name} on {device}"):
            chosen(name, device, "compiled")


def test_places_that_do_not_divide_are_trained_by_the_loop():
    sides = ((6, "compiled"), (7, "compiled"), (30, "loop"))
    images = np.zeros((4, 1, 60, 60), np.float32)
    for raw_side, engine in sides:
        side = 2 * raw_side
        small = images[:, :, :side, :side].copy()
        problem = Problem(small, np.arange(4) % 2, small, np.arange(4) % 2, ("a", "b"), raw_side, "zeros")
        assert resolve_engine("auto", SHORT, problem, "cpu") == engine


def test_devices_that_are_not_there_are_refused(tmp_path, problem):
    with pytest.raises(InputError, match="no device 'tpu'"):
        train_replicas(SHORT, problem, (3,), tmp_path / "c.h5", device="tpu")
    if not torch.cuda.is_available():
        with pytest.raises(Unfinished, match="no CUDA device"):
            train_replicas(SHORT, problem, (3,), tmp_path / "c.h5", device="cuda")


def test_a_damaged_checkpoint_is_refused(tmp_path, problem):
    train_replicas(SHORT, problem, (3,), tmp_path / "c.h5")
    (tmp_path / "c.h5").write_bytes((tmp_path / "c.h5").read_bytes()[:-200])
    with pytest.raises(InputError, match="seal"):
        train_replicas(SHORT, problem, (3,), tmp_path / "c.h5")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_replicas_to_rounding(tmp_path, problem):
    cpu, gpu = (
        train_replicas(SHORT, problem, (3, 4), tmp_path / f"{device}.h5", "stacked", device)
        for device in ("cpu", "cuda")
    )
    assert np.abs(gpu["loss"] - cpu["loss"]).max() < 1e-4
    assert stacked.replicas_at_once(SHORT, problem) > 100
