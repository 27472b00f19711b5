"""Machines trained on a sweep: files, what reads them, what is refused, and what is known of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from physnn import api
from physnn.analysis.statistics.works import log_ratio
from physnn.answers.fit import curves, fit
from physnn.answers.training.boltzmann import machine_answers
from physnn.answers.training.held_back import held_back
from physnn.cli import run
from physnn.errors import InputError
from physnn.models import Ising, on_lattice
from physnn.models.boltzmann import Machine
from physnn.models.configurations import columns_of_configurations, two_point
from physnn.models.geometry import Lattice
from physnn.samples.boltzmann.judge import all_colours, known_truth
from physnn.samples.boltzmann.recipe import BoltzmannRecipe
from physnn.store.sweep_file import read_sweep
from tests.frames import assert_framed

pytestmark = pytest.mark.usefixtures("unrendered")

FEW = {"hidden": (8,), "steps": 100, "batch": 50, "chains": 50, "samples": 200, "thin": 2, "keep": 10, "anneal": 10}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("machines") / "ising.h5"
    recipe = api.recipe("temperature", L=(2, 3), T=(2.0, 3.0), sweeps=400, chains=2, snapshots=2, thermalisation=50)
    api.run(recipe, out, jobs=1)
    return out


def test_a_file_of_machines_is_read_as_a_sweep_and_beside_its_data(data, tmp_path, capsys):
    out = tmp_path / "rbm.h5"
    recipe = api.recipe("train-rbm", data=str(data), **FEW)
    assert api.run(recipe, out, jobs=1) == 4
    answers = machine_answers(out)
    assert_framed(answers[0], len(answers[0].observables), "L", "T", "observable", "machine", "data")
    assert not any(a.failed for a in answers)
    assert [(a.L, a.T, a.seeds) for a in answers] == [(L, T, 1) for L in (2, 3) for T in (2.0, 3.0)]
    assert [one.name for one in answers[-1].correlation] == ["G(1)", "G(1.414)"]
    assert {"forward", "reverse", "both", "trajectory", "exact"} == set(answers[0].log_z)
    group = read_sweep(out).sizes[3]
    machine = Machine(*(group[name].values[1, 0].astype(float) for name in ("weights", "visible_bias", "hidden_bias")))
    assert machine.symmetric and machine.log_partition() == pytest.approx(group["log_z"].values[1, 0, -1], rel=1e-6)
    # The divergence by the truth of the data, as the sample has it, and by hand.
    states = all_colours(9, 2)
    true, model = known_truth(recipe.data_sweep(), 3, 3.0)(states), np.log(machine.probabilities())
    assert (np.exp(true) * (true - model)).sum() == pytest.approx(group["kl"].values[1, 0], abs=1e-5)
    assert curves(read_sweep(out), "energy").sizes == (2, 3)
    assert run(["compare", str(out), str(data), "--json"]) == 3  # machines of 100 steps are poor
    found = json.loads(capsys.readouterr().out)
    assert len(found["machines"]) == 4 and any("deviates" in r for m in found["machines"] for r in m["remarks"])
    assert Path(found["figure"]).is_file()


def test_stacks_mixtures_and_shuffled_sites_are_trained(data, tmp_path):
    out = tmp_path / "stack.h5"
    small = FEW | {"hidden": (8, 4), "mixed": True, "shuffled": True, "L": (3,)}
    api.run(api.recipe("train-rbm", data=str(data), **small), out, jobs=1)
    (answer,) = machine_answers(out)
    assert answer.bounds and answer.log_likelihood is not None and {"forward", "exact"} <= answer.log_z.keys()
    group = read_sweep(out).sizes[3]
    assert group["T"].values.tolist() == [2.5] and group["weights_2"].values.shape == (1, 1, 8, 4)
    # Shuffling keeps the magnetisation: two sites correlate alike at all distances.
    function = group["data_correlation"].values[0, 0]
    assert np.ptp(function) < 6 * group["data_correlation_error"].values[0, 0].max()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"L": (5,)}, "no size 5"),
        ({"T": (1.0,)}, "no T = 1"),
        ({"method": "tap", "units": "bits"}, "tap"),
        ({"symmetric": True, "units": "bits"}, "symmetric"),
        ({"lr": 0.1, "last_lr": 0.2}, "falls"),
        ({"features": 2, "hidden": (8,)}, "either"),
        ({"features": 2, "method": "exact", "L": (3,)}, None),
        ({"method": "exact", "hidden": (30,), "L": (3,)}, None),
    ],
)
def test_what_does_not_go_together_is_refused(data, change, message):
    if message is None:  # 9 sites are few enough
        assert api.recipe("train-rbm", data=str(data), **change).method == "exact"
        return
    with pytest.raises(InputError, match=message):
        api.recipe("train-rbm", data=str(data), **change)


def test_features_are_hidden_units_at_every_site_of_each_size(data, tmp_path):
    out, few = tmp_path / "features.h5", {name: v for name, v in FEW.items() if name != "hidden"}
    api.run(api.recipe("train-rbm", data=str(data), T=(2.0,), features=2, **few), out, jobs=1)
    for L, group in read_sweep(out).sizes.items():
        weights = group["weights"].values[0, 0].reshape(L, L, 2, L, L)
        np.testing.assert_array_equal(weights, np.roll(weights, (1, 1), axis=(0, 3)))


def test_a_training_that_left_its_way_is_told_by_its_status(data, tmp_path, capsys):
    out, few = tmp_path / "lost.h5", ["--steps", "100", "--samples", "200", "--anneal", "10", "--hidden", "8"]
    words = ["train", "rbm", "--data", str(data), "--L", "3", "--T", "2", *few, "--out", str(out), "--json"]
    assert run([*words, "--lr", "50", "--last-lr", "50"]) == 3
    (machine,) = json.loads(capsys.readouterr().out)["machines"]
    assert "left their way" in machine["failed"][0] and machine["failed"][0] in machine["remarks"]


def test_a_fit_is_held_back_where_a_training_left_its_way(data, tmp_path):
    out, few = tmp_path / "lost.h5", FEW | {"T": (2.0, 3.0), "steps": 100, "samples": 200, "anneal": 10}
    api.run(api.recipe("train-rbm", data=str(data), lr=50, last_lr=50, **few), out, jobs=1)
    answer = fit(Path(__file__).parents[3] / "docs" / "binder.csv", resamples=20)
    held = held_back(answer, out)
    assert held.verdict == "undecided" and held.reason.startswith("trainings failed at L = 2, T = 2")
    assert "left their way" in held.reason and f"the verdict would be {answer.verdict}" in held.remarks[-1]
    good = tmp_path / "good.h5"
    api.run(api.recipe("train-rbm", data=str(data), **few), good, jobs=1)
    assert held_back(answer, good) is answer


def test_data_without_snapshots_are_refused(tmp_path):
    out = tmp_path / "none.h5"
    api.run(api.recipe("temperature", L=(4,), T=(2.0,), sweeps=10, chains=1), out, jobs=1)
    with pytest.raises(InputError, match="snapshots"):
        BoltzmannRecipe(data=str(out)).resolved()


def test_the_data_are_neither_replaced_nor_too_few(data, tmp_path):
    before = data.read_bytes()
    with pytest.raises(InputError, match="another --out"):
        api.run(api.recipe("train-rbm", data=str(data), **FEW), data, jobs=1, restart=True)
    assert data.read_bytes() == before
    out = tmp_path / "few.h5"
    api.run(api.recipe("temperature", L=(2,), T=(2.0,), sweeps=19, chains=1, snapshots=1), out, jobs=1)
    with pytest.raises(InputError, match="19 snapshots"):
        api.recipe("train-rbm", data=str(out))


def test_runs_that_do_not_overlap_leave_the_difference_open():
    assert log_ratio(np.full(9, -4000.0), np.full(9, 4000.0)).both.error == np.inf
    assert np.isfinite(log_ratio(np.array([0.0, 1.0, 2.0]), np.array([0.5, 1.0, 2.5])).both.error)


def test_an_error_that_few_runs_carry_is_not_known():
    draws = np.random.default_rng(0).standard_normal(500)
    assert log_ratio(0.5 * draws, 0.5 * draws).forward.error < 0.1
    rough = log_ratio(9 * draws, 9 * draws)
    assert rough.forward.error == rough.reverse.error == np.inf
    assert str(rough.forward).endswith("(?)")


def test_configurations_are_measured_alike_on_the_torus_and_by_tables():
    colours = np.random.default_rng(0).integers(0, 2, (5, 4, 4)).astype(np.int8)
    one, other = (
        columns_of_configurations(m, colours) for m in (Ising(), on_lattice(Ising(), Lattice("square", (4, 4)), 0.5))
    )
    assert one["m"] == pytest.approx(other["m"])
    spins = 1 - 2 * colours
    diagonal = sum((spins * np.roll(spins, (1, s), (1, 2))).mean(axis=(1, 2)) for s in (1, -1))
    assert other["energy"] == pytest.approx(one["energy"] - 0.5 * diagonal)
    assert -2 * two_point(colours, 2)[:, 0] == pytest.approx(one["energy"])


def test_distances_of_other_lattices_are_told_to_be_none(tmp_path):
    data, out = tmp_path / "d.h5", tmp_path / "m.h5"
    chains = {"sweeps": 60, "chains": 1, "snapshots": 1, "algorithm": "metropolis-random"}
    api.run(api.recipe("temperature", L=(2,), T=(3.6,), lattice="triangular", **chains), data, jobs=1)
    api.run(api.recipe("train-rbm", data=str(data), **FEW), out, jobs=1)
    (answer,) = machine_answers(out)
    assert any("r is no distance" in remark for remark in answer.remarks)
