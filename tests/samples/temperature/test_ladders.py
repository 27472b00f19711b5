"""Ladders of a temperature sweep: files, interruptions, pilots and answers."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

from physnn import api
from physnn.answers import fit
from physnn.answers.exchange import exchanges_of
from physnn.cli import run as command
from physnn.errors import InputError
from physnn.jobs import stopping
from physnn.samples import files
from physnn.samples.cost import plan
from physnn.samples.files import recipe_on_disk
from physnn.samples.temperature import ladder
from physnn.samples.temperature.recipe import TemperatureSweep
from physnn.samples.temperature.work import TemperatureSample
from physnn.store.hdf5 import content_digest
from physnn.store.parts import Parts
from physnn.store.sweep_file import read_sweep
from tests.conftest import interrupt, rerun
from tests.frames import assert_framed

pytestmark = pytest.mark.usefixtures("unrendered")

SMALL = {"L": (4, 6), "T": (1.8, 2.3, 3.0), "sweeps": 200, "thermalisation": 30, "chains": 2, "algorithm": "metropolis"}


def run(out, extend=False, jobs=1, **settings):
    settings = {"tempering": "given"} | settings
    return files.run(api.recipe("temperature", out, extend, **settings), out, extend=extend, jobs=jobs)


def test_one_task_is_one_ladder_and_any_number_of_workers_gives_the_same(tmp_path, workers):
    one, two = tmp_path / "one.h5", tmp_path / "two.h5"
    assert run(one, **SMALL) == 2 * 2
    run(two, jobs=workers, **SMALL)
    assert content_digest(one) == content_digest(two)
    group = read_sweep(one).sizes[6]
    assert group["energy"].dims == group["replica"].dims == ("T", "chain", "measurement")
    assert (np.sort(group["replica"].values, axis=0) == np.arange(3)[:, None, None]).all()
    assert group["swap_rate"].values.shape == (2, 2) and (group["swap_rate"].values > 0.2).all()
    assert (group["round_trips"].values > 0).all()
    assert not np.array_equal(group["replica"].values[:, 0], group["replica"].values[:, 1]), "ladders are independent"


@pytest.mark.parametrize("algorithm", ["metropolis", "wolff"])
def test_a_ladder_cut_anywhere_and_made_longer_continues_bit_for_bit(tmp_path, monkeypatch, algorithm):
    settings = SMALL | {"algorithm": algorithm, "snapshots": 30}
    run(tmp_path / "whole.h5", **settings)
    out = tmp_path / "cut.h5"
    monkeypatch.setattr(stopping, "CHECKPOINT", -1.0)
    monkeypatch.setattr(ladder, "BLOCK_SECONDS", 0.0015)
    calls = interrupt(monkeypatch, ladder, "advance_ladder", 5)
    wanted = [settings | {"L": (4,), "sweeps": 90, "chains": 1}, settings]
    for number, recipe in enumerate(wanted):
        rerun(partial(run, out, extend=bool(number), **recipe), Parts(out).recipe)
    assert calls[0] > 20
    assert content_digest(out) == content_digest(tmp_path / "whole.h5")


def test_plain_sweeps_know_nothing_of_ladders():
    recipe = TemperatureSweep(L=(4,), T=(2.0, 3.0), sweeps=9).resolved()
    assert not {"tempering", "ladders"} & recipe.canonical().keys()
    keys = [{t.key for t in TemperatureSample(r).tasks()} for r in (recipe, recipe.model_copy(update={"sweeps": 9}))]
    assert keys[0] == keys[1]


@pytest.mark.parametrize("mode", ["acceptance", "feedback"])
def test_pilots_place_ladders_once_and_for_each_size(tmp_path, mode):
    out, T = tmp_path / "p.h5", (1.2, 1.4, 1.7, 2.0, 2.3, 2.5, 6.0)
    settings = SMALL | {"T": T, "sweeps": 600, "tempering": mode}
    heard = []
    recipe = api.recipe("temperature", **settings | {"L": (4,)})
    rounds = {"acceptance": 2, "feedback": 4}[mode]
    told = plan(recipe, 1)

    def hear(stage, cost):
        heard.append((stage.why, stage.sweeps, len(stage.T), cost["rows"][0]["tasks"], cost["file_megabytes"]))

    assert files.run(recipe, out, jobs=1, announce=hear) == 2 * (rounds + 1)
    assert [why.partition(" of")[0] for why, *_ in heard] == [f"pilot {k + 1}" for k in range(rounds)]
    # What a plan said is what came, at one speed.
    stages = [(p["stage"], p["rows"][0]["tasks"], p["file_megabytes"]) for p in told["pilots"]]
    assert heard == [(s["why"], s["sweeps"], len(s["T"]), tasks, size) for s, tasks, size in stages]
    last = told["seconds"] - sum(p["seconds"] for p in told["pilots"])
    assert last == pytest.approx(sum(row["tasks"] * row["seconds_per_task"] for row in told["rows"]))
    assert "pilots" not in plan(recipe.model_copy(update={"tempering": "given"}), 1)
    # The same again has nothing to do, another size is placed by pilots of its own.
    assert files.run(recipe, out, jobs=1) == 0
    before = read_sweep(out).sizes[4]
    assert run(out, extend=True, L=(4, 6), tempering=mode) == 2 * (rounds + 1)
    found = recipe_on_disk(out)
    assert [(x.L, x.rounds, x.T[0], x.T[-1], len(x.T)) for x in found.ladders] == [
        (L, rounds, 1.2, 6.0, 7) for L in (4, 6)
    ]
    assert read_sweep(out).sizes[4]["T"].values.tolist() == before["T"].values.tolist() == list(found.ladders[0].T)
    if mode == "acceptance":
        run(tmp_path / "g.h5", **settings | {"tempering": "given"})
        spread = [
            (r := read_sweep(path).sizes[6]["swap_rate"].values.mean(0)).min() / r.max()
            for path in (out, tmp_path / "g.h5")
        ]
        assert spread[0] > 0.5 and spread[1] < 0.2
    with pytest.raises(InputError, match="keep their temperatures"):
        run(out, extend=True, T=(1.0, 2.0), tempering=mode)
    with pytest.raises(InputError, match="another recipe"):
        run(out, **settings | {"tempering": "given", "L": (4, 6)})


def test_ladders_that_are_being_placed_survive_a_kill(tmp_path, monkeypatch):
    settings = SMALL | {"T": (1.5, 2.0, 5.0), "sweeps": 150, "tempering": "feedback"}
    run(tmp_path / "whole.h5", **settings)
    out = tmp_path / "cut.h5"
    monkeypatch.setattr(stopping, "CHECKPOINT", -1.0)
    calls = interrupt(monkeypatch, ladder, "advance_ladder", 7)
    rerun(lambda: run(out, **settings))
    assert calls[0] > 30
    assert content_digest(out) == content_digest(tmp_path / "whole.h5")


def test_the_command_prints_and_shows_exchanges(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = "sweep-temperature --L 4 8 --T 1.8 2.1 2.4 3.0 --sweeps 4000 --algorithm metropolis --jobs 1 --tempering"
    words = [*words.split(), "--out", "t.h5", "--quiet"]
    assert command([*words, "--json"]) in (0, 3)
    found = json.loads(capsys.readouterr().out)
    assert [x["L"] for x in found["exchange"]] == [4, 8]
    assert len(found["exchange"][0]["swap_rate"]) == 3 and min(found["exchange"][1]["swap_rate"]) > 0.05
    assert command(words) in (0, 3)
    assert "exchange at L = 8: swap rates" in capsys.readouterr().out
    assert command(["show", "t.h5"]) == 0
    assert "round trips per replica" in capsys.readouterr().out
    curves = fit.curves("t.h5", "energy")
    assert curves.chains == 4 and curves.correlation[8].shape == (4, 4)
    assert command(["fit", "t.h5", "--methods"]) in (0, 3)
    assert "exchange replicas" in capsys.readouterr().out
    assert command(["decide", "t.h5"]) in (0, 3)


def test_a_bottleneck_is_named(tmp_path):
    out = tmp_path / "b.h5"
    run(out, **SMALL | {"L": (16,), "T": (1.0, 1.1, 8.0), "chains": 1})
    (found,) = exchanges_of(read_sweep(out))
    assert_framed(found, 1, "L")
    assert "no replica went to the other end" in found.remark() and "1.1 and 8" in found.remark()
    run(tmp_path / "g.h5", **SMALL | {"L": (4,)})
    assert exchanges_of(read_sweep(tmp_path / "g.h5"))[0].remark() == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--T 2.0 --tempering", "at least 2 temperatures"),
        ("--T 2.0 2.1 2.2 2.3 --tempering --target-error 0.1", "leave one of them out"),
        ("--tempering often", "'given', 'acceptance', 'feedback'"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command(["sweep-temperature", "--L", "4", "8", *words.split()]) == 2
    with pytest.raises(InputError, match="on the CPU alone"):
        api.recipe("temperature", L=(64,), algorithm="multispin-gpu", tempering="given")
    assert said in capsys.readouterr().err.strip().splitlines()[-1]


def test_no_temperature_is_added_to_a_ladder(tmp_path):
    out, settings = tmp_path / "l.h5", {"L": (4,), "T": (1.8, 2.2, 3.0), "sweeps": 20, "algorithm": "metropolis"}
    run(out, **settings, tempering="given")
    for T in ((1.6,), (1.6, 1.8, 2.2, 3.0)):
        with pytest.raises(InputError, match="none can be added"):
            run(out, extend=True, T=T)
    assert run(out, extend=True, T=(1.8,), sweeps=30) == 4
