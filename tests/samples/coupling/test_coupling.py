from __future__ import annotations

import json
import math

import numpy as np
import pytest

import physnn
from physnn import api
from physnn.cli import run as command
from physnn.errors import InputError
from physnn.jobs import stopping
from physnn.models.oscillators import graph_of
from physnn.samples import files
from physnn.samples.coupling import work
from physnn.samples.coupling.recipe import CouplingSweep
from physnn.store.hdf5 import content_digest
from physnn.store.sweep_file import read_sweep
from tests.conftest import interrupt, rerun

pytestmark = pytest.mark.usefixtures("unrendered")

TINY = {"K": (0.5, 1.5), "thermalisation": 1.0, "duration": 2.0, "series": 2, "realisations": 2, "step": 0.1}


def run(out, N=(9, 16), extend=False, jobs=1, **settings):
    return files.run(api.recipe("coupling", out, extend, N=N, **settings), out, extend=extend, jobs=jobs)


def test_the_library_and_any_number_of_workers_give_the_same_numbers(tmp_path, workers):
    one, two = tmp_path / "one.h5", tmp_path / "two.h5"
    settings = TINY | {"network": "square", "noise": 0.1}
    assert run(one, **settings) == 2 * 2, "all K share a task"
    run(two, jobs=workers, **settings)
    assert content_digest(one) == content_digest(two)
    group = read_sweep(one).sizes[16]
    assert group["r"].dims == ("K", "series", "bin") and group["r"].attrs["units"] == "1"
    assert group["K"].attrs["units"] == "rad/s"
    assert group["vortices"].values.shape == group["locked"].values.shape == (2, 2, 2)
    swept = physnn.sweep_coupling((9, 16), **settings)
    assert np.array_equal(swept["L16"]["local_order"].values, group["local_order"].values)
    r = group["r"].values.reshape(2, 4)
    assert len(np.unique(r)) == 8, "equal seeds would give equal realisations"
    assert (group["r"].values ** 2 <= group["r2"].values).all() and (group["r2"].values <= 1).all()


def test_extending_equals_running_at_once(tmp_path):
    parts, whole = tmp_path / "parts.h5", tmp_path / "whole.h5"
    noisy = TINY | {"noise": 0.1}
    run(parts, (9,), **noisy | {"series": 1, "K": (0.5,)})
    assert run(parts, (9,), extend=True, series=2) == 1
    assert run(parts, (9,), extend=True, K=(1.5,)) == 2, "further K change the runs of a size"
    assert run(parts, (9, 16), extend=True) == 2
    run(whole, **noisy)
    assert content_digest(parts) == content_digest(whole)
    alone = physnn.sweep_coupling((9,), **noisy | {"K": (1.5,)})["L9"]["r"].values
    assert np.array_equal(alone[0], read_sweep(whole).sizes[9]["r"].values[1]), "whatever other K there are"
    with pytest.raises(InputError, match=r"width 0\.5, now 0\.6"):
        run(parts, (9, 16), extend=True, width=0.6)


def test_a_series_cut_anywhere_continues_bit_for_bit(tmp_path, monkeypatch):
    settings = TINY | {"N": (9,), "series": 1, "network": "square", "noise": 0.1}
    run(tmp_path / "whole.h5", **settings)
    monkeypatch.setattr(stopping, "CHECKPOINT", -1.0)
    calls = interrupt(monkeypatch, work, "integrate", 5)
    rerun(lambda: run(tmp_path / "cut.h5", **settings))
    assert 8 < calls[0] < 20, "what was done is not done again"
    assert content_digest(tmp_path / "cut.h5") == content_digest(tmp_path / "whole.h5")


def test_blocks_change_no_number(tmp_path, monkeypatch):
    settings = TINY | {"N": (9,), "series": 1, "duration": 20.0, "noise": 0.1}
    run(tmp_path / "whole.h5", **settings)
    monkeypatch.setattr(work, "CALL_TIME", 0.0)
    run(tmp_path / "single.h5", **settings)
    assert content_digest(tmp_path / "single.h5") == content_digest(tmp_path / "whole.h5")


def test_networks_and_frequencies_of_files_are_known_by_what_they_hold(tmp_path):
    edges, frequencies = tmp_path / "edges.txt", tmp_path / "frequencies.txt"
    edges.write_text("0 1\n1 2 \n2 3\n3 0\n")
    frequencies.write_text("0.1\n-0.1\n0.2\n-0.2\n")
    settings = TINY | {"N": None, "network": str(edges), "frequencies": str(frequencies), "realisations": 1}
    out = tmp_path / "graph.h5"
    assert run(out, **settings) == 2
    assert list(read_sweep(out).sizes) == [4]
    moved = edges.rename(tmp_path / "moved.txt")
    assert run(out, extend=True, **settings | {"network": str(moved), "series": 3}) == 1, "only the place differs"
    moved.write_text("0 1\n1 2\n2 3\n3 0\n0 2\n")
    with pytest.raises(InputError, match="network_id"):
        run(out, **settings | {"network": str(moved), "series": 3})
    recipe = api.recipe("coupling", **settings | {"network": str(moved)})
    moved.write_text("0 1\n1 2\n2 3\n3 0\n1 3\n")
    with pytest.raises(InputError, match="has changed"):
        recipe.graph()
    with pytest.raises(InputError, match="for 4 oscillators"):
        run(out, N=(9,), **TINY | {"network": str(moved)})


def exact(K, name, width=0.5):
    """Order parameter of infinitely many oscillators without noise, from 1 = K * integral of cos^2 a g(K r sin a)."""
    a = math.pi * ((np.arange(4000) + 0.5) / 4000 - 0.5)
    g = {
        "lorentzian": lambda w: width / math.pi / (w**2 + width**2),
        "gaussian": lambda w: np.exp(-(w**2) / (2 * width**2)) / (width * math.sqrt(2 * math.pi)),
    }[name]
    low, high = 1e-9, 1.0
    for _ in range(50):
        r = (low + high) / 2
        low, high = (r, high) if K * math.pi * (np.cos(a) ** 2 * g(K * r * np.sin(a))).mean() > 1 else (low, r)
    return r


@pytest.mark.parametrize("name", ["lorentzian", "gaussian"])
def test_the_order_of_many_is_the_known_one(name):
    assert name == "gaussian" or math.isclose(exact(1.5, name), math.sqrt(1 / 3), rel_tol=1e-6)
    how = {"K": (1.5, 2.0), "step": 0.1, "thermalisation": 25.0, "duration": 10.0, "start": "ordered"}
    data = physnn.sweep_coupling((4000,), frequencies=name, series=1, realisations=12, **how)["L4000"]
    for K in (1.5, 2.0):
        r = data["r"].sel(K=K).values.ravel()
        error = r.std(ddof=1) / math.sqrt(len(r))
        # Twelve draws: 4.4 errors of Student's distribution are four of a normal one's.
        assert abs(r.mean() - exact(K, name)) < 5 * error < 0.025
        assert abs(r.mean() - exact(K, name, 0.55)) > 5 * error, "another width is told apart"
    if name == "lorentzian":
        locked = data["locked"].sel(K=2.0).values.mean()
        assert abs(locked - 2 / math.pi * math.atan(2 * math.sqrt(0.5) / 0.5)) < 0.03


@pytest.mark.slow
def test_a_million_oscillators_have_the_order_of_infinitely_many():
    how = {"step": 0.1, "thermalisation": 30.0, "duration": 10.0, "start": "ordered"}
    data = physnn.sweep_coupling((10**6,), K=(1.5,), series=1, realisations=5, **how)["L1000000"]
    r = data["r"].values.ravel()
    error = r.std(ddof=1) / math.sqrt(len(r))
    assert abs(r.mean() - math.sqrt(1 / 3)) < 8 * error < 0.004  # Student's distribution of five


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--N 1", ">= 2"),
        ("--network square --K 1 --N 10", "L^2"),
        ("--network square --N 16", "give couplings"),
        ("--network none.txt --K 1", "no file 'none.txt'"),
        ("--frequencies cauchy", "no file 'cauchy'"),
        ("--frequencies equal", "K_c = 0"),
        ("--noise 0.1 --method rk4", "without noise"),
        ("--components 3 --K 1", "gaussian"),
        ("--N 10 --window 3", "below K = 0"),
        ("--duration 1e9 --step 1e-3", "steps"),
        ("--observable binder", "binder"),
        ("--device cuda", "run on the CPU"),
    ],
)
def test_bad_input_is_one_sentence(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command(["sweep-coupling", *words.split()]) == 2
    message = capsys.readouterr().err.strip()
    assert message.count("\n") == 0 and said in message, message


def test_the_command_finds_the_transition(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["sweep-coupling", "--N", "40", "640", "--frequencies", "equal", "--noise", "0.5", "--jobs", "1"]
    words += ["--quiet", "--step", "0.2", "--thermalisation", "40", "--realisations", "8", "--duration", "80"]
    words += ["--window", "2", "--points", "7", "--observable", "r_cumulant"]
    assert command([*words, "--dry-run", "--json"]) == 0
    assert [row["tasks"] for row in json.loads(capsys.readouterr().out)["rows"]] == [4, 4]
    assert command([*words, "--shard", "0/2"]) == 0
    assert command(["status", "sweep-coupling.h5"]) == 0
    capsys.readouterr()
    assert command([*words, "--shard", "1/2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    point = found["fit"]["critical_point"]
    assert found["fit"]["verdict"] == "crossing"
    assert abs(point["value"] - 1) < 4 * point["error"] + 0.03, "two sizes do not know their corrections"
    assert point["error"] < 0.02
    assert (tmp_path / "sweep-coupling-r_cumulant.png").is_file()
    assert command(["show", "sweep-coupling.h5"]) == 0
    assert "K" in capsys.readouterr().out
    law = physnn.fit("sweep-coupling.h5", at_criticality=1.0)
    assert law.section.observable == "r" and abs(law.exponent.value + 0.25) < 0.05, "beta / nu of noise"


def test_unit_vectors_are_swept_too():
    how = {"frequencies": "gaussian", "components": 3, "step": 0.2, "realisations": 1, "series": 1}
    data = physnn.sweep_coupling((300,), K=(0.0, 1.0), thermalisation=20.0, duration=5.0, **how)["L300"]
    assert set(data) == {"r", "r2", "r4"}
    r = data["r"].values.ravel()
    assert r[0] < 0.15 and r[1] > 0.4


def test_measurements_fill_the_time_asked_for():
    recipe = CouplingSweep(step=0.1, interval=0.25, duration=1.0)
    assert (recipe.every, recipe.rows(1.0), recipe.rows(0.0)) == (2, 5, 0)
    assert (recipe.warm_up(32), CouplingSweep(thermalisation=3.0).warm_up(32)) == (80.0, 3.0)


def test_oscillators_are_locked_that_advance_alike_after_the_thermalisation():
    how = {"frequencies": "uniform", "width": 1.0, "regular": True, "K": (0.0,), "series": 1, "realisations": 1}
    for duration, locked in ((1.0, 1.0), (20.0, 0.5)):
        data = physnn.sweep_coupling((2,), thermalisation=50.0, duration=duration, **how)
        assert data["L2"]["locked"].values == locked, "they drift apart by 1 rad/s"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"step": 10.0, "K": (1.0,)}, "too long for the coupling: try --step 1$"),
        ({"step": 10.0, "K": (0.0,), "interval": 20.0}, "too long for the frequencies: try --step 2$"),
        ({"network": "square", "N": (16,), "K": (6.0,)}, "too long for the coupling: try --step 0.02$"),
        ({"noise": 30.0, "K": (1.0,)}, "too long for the noise"),
        ({"interval": 0.01}, "no multiple of --step 0.05: take 0.05"),
        ({"interval": 0.125}, "no multiple"),
        ({"interval": 100.0, "duration": 5.0}, "longer than --duration 5"),
        ({"K": ()}, "at least one value"),
    ],
)
def test_times_that_make_no_sense_are_refused(settings, said):
    with pytest.raises(InputError, match=said):
        api.recipe("coupling", **settings)
    assert api.recipe("coupling", step=0.1, interval=0.3, K=(10.0,)).every == 3


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("network", "0 1 1e308\n1 2 -1e308", "magnitude 1e.06 at most"),
        ("network", "0 1 0\n1 2 0", "not all of them are 0"),
        ("network", "0 1\n1 99999999999", "too large a graph"),
        ("network", "0 1\n1 2.5", "whole numbers"),
        ("network", "0 1\n1 2 3", "lines have 2 and 3 numbers"),
        ("frequencies", "1e300\n-1e300", "more than 1e.06 rad/s"),
        ("frequencies", "100\n-100\n50\n-50", "too long for the frequencies"),
    ],
)
def test_files_with_senseless_numbers_are_refused(tmp_path, name, text, said):
    (tmp_path / "file.txt").write_text(text)
    with pytest.raises(InputError, match=said):
        api.recipe("coupling", K=(1.0,), **{name: str(tmp_path / "file.txt")})


def test_the_degree_is_that_of_the_node_with_the_strongest_bonds():
    assert graph_of(np.array([[0, 1], [1, 2], [2, 3]]), np.array([1.0, -2.5, 0.5])).degree == 3.5
