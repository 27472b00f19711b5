"""Memory sweeps from recipe to verdict: the same bits however they are cut, and domains with known fates."""

from __future__ import annotations

import json

import numpy as np
import pytest

from physnn import api, cli
from physnn.answers import describe, fit, plots
from physnn.answers.memory import after, memory_curve_rows, memory_of
from physnn.errors import InputError
from physnn.models import couplings
from physnn.samples import files, tasks
from physnn.samples.cost import plan
from physnn.samples.memory import work
from physnn.samples.memory.recipe import coupling_medium, network_medium, places
from physnn.samples.tasks import Checkpoint, Shard
from physnn.store.hdf5 import content_digest
from physnn.store.sweep_file import read_sweep
from tests.conftest import until_done
from tests.frames import assert_framed

pytestmark = pytest.mark.usefixtures("unrendered")

ISING = ("diagonal", "1", "0")
SMALL = {"L": (8, 12), "eta": (1.0, 3.0), "model": ISING, "replicas": 4, "longest": 300, "scaling": 0.5}


def run(out, extend=False, **settings):
    recipe = api.recipe("memory", out, extend, **settings)
    return files.run(recipe, out, extend=extend, jobs=1)


@pytest.mark.parametrize("pattern", ["half", "box"])
def test_longer_wider_and_interrupted_sweeps_equal_one_run_at_once(tmp_path, pattern, monkeypatch):
    whole, grown, cut = (tmp_path / f"{name}.h5" for name in ("whole", "grown", "cut"))
    settings = SMALL | {"pattern": pattern}
    run(whole, **settings)
    run(grown, **settings | {"L": (8,), "eta": (3.0,), "side": 8, "longest": 280})
    # What was over long before the end stays as it is; the run without noise is made anew.
    assert run(grown, extend=True, longest=300) == 1
    assert run(grown, extend=True, L=(8, 12), eta=(1.0, 3.0)) == 4
    assert content_digest(grown) == content_digest(whole)

    monkeypatch.setattr(work, "BLOCK_SITES", 10000)
    due = iter(([False] * 11 + [True]) * 10000)
    monkeypatch.setattr(tasks.Checkpoints, "due", lambda self: next(due))
    assert until_done(monkeypatch, tasks, 7, lambda: run(cut, **settings)) > 20
    assert content_digest(cut) == content_digest(whole)


def test_shards_make_the_same_file(tmp_path):
    whole, shards = tmp_path / "whole.h5", tmp_path / "shards.h5"
    run(whole, **SMALL)
    recipe = api.recipe("memory", shards, **SMALL)
    assert [files.run(recipe, shards, jobs=1, shard=Shard(k, 2)) and files.missing(shards) == 0 for k in (0, 1)] == [
        False,
        True,
    ]
    assert content_digest(shards) == content_digest(whole)
    assert plan(recipe, 1)["seconds"] > 0


def test_another_recipe_is_refused(tmp_path):
    out = tmp_path / "m.h5"
    run(out, **SMALL)
    assert run(out, **SMALL) == 0
    for change in ({"seed": 1}, {"replicas": 6}, {"pattern": "box"}, {"longest": 280}, {"gamma": 0.05}):
        with pytest.raises(InputError, match=next(iter(change))):
            run(out, extend=True, **SMALL | change)
    for wrong, said in (
        ({"networks": ("kuramoto_symmetric",)}, "not both"),
        ({"model": ("network", "kuramoto_symmetric")}, "without --model"),
        ({"scaling": 9.0}, "--longest"),
    ):
        with pytest.raises(InputError, match=said):
            api.recipe("memory", **SMALL | wrong)
    with pytest.raises(InputError, match="seeds in this file"):
        api.recipe("memory", networks=("kuramoto_symmetric/77",))


@pytest.fixture(scope="module")
def ising(tmp_path_factory):
    out = tmp_path_factory.mktemp("memory") / "ising.h5"
    run(out, L=(8, 12, 16), eta=(1.0, 1.9, 2.2, 2.4), model=ISING, longest=600, scaling=1.0)
    return out


def test_below_its_transition_a_coupling_remembers_and_above_it_forgets(ising):
    # The Ising-like coupling loses its order near T = 1.3, eta = 1.6.
    answer = memory_of(read_sweep(ising))
    assert_framed(answer, sum(len(row.lifetimes) for row in answer.rows), "eta", "L", "lifetime", "bound", "growth")
    cold, *_, hot = answer.rows
    assert cold.growth.verdict == "kept" and all(cell.bound for cell in cold.lifetimes.values())
    assert hot.growth.grows is False or abs(hot.growth.z.value) < 0.5
    for L in answer.sizes:
        assert cold.lifetimes[L].tau > 20 * hot.lifetimes[L].tau
        assert hot.lifetimes[L].lost == 8
    assert answer.controls == ("keeps",)
    low, high = (row.roughness[16].value for row in (cold, hot))
    assert low < 0.2 * high


def test_its_file_is_read_like_any_other(ising, tmp_path, capsys, rendered):
    sweep = read_sweep(ising)
    assert "memory" in describe.describe(ising)["observables"]
    curves = fit.curves(ising)
    assert curves.observable == "memory" and curves.control == "eta" and curves.images == 8
    late = after(sweep, 2.0)
    group = sweep.sizes[16]
    assert late.sizes[8]["memory"].values == pytest.approx(sweep.sizes[8]["memory"].values)
    assert (late.sizes[16]["memory"].values <= group["memory"].values + 0.2).all()
    with pytest.raises(InputError, match="--longest"):
        after(sweep, 5.0)
    assert fit.fit(late, "memory").verdict in ("crossing", "undecided", "no-crossing", "merging")
    L, eta, t, m, error = zip(*memory_curve_rows(sweep), strict=True)
    assert set(L) == {8, 12, 16} and min(t) == 1 and min(error) > 0 and len(eta) == len(m)
    figure = tmp_path / "m.png"
    assert plots.plot_memory(ising, figure).stat().st_size > 10000
    assert cli.run(["plot", str(ising), "--out", str(figure)]) == 0
    assert cli.run(["fit", str(ising), "--observable", "memory", "--resamples", "20"]) in (0, 3)
    assert "memory" in capsys.readouterr().out


def test_the_command_prints_one_object(tmp_path, capsys):
    out, table = tmp_path / "m.h5", tmp_path / "m.txt"
    words = ["memory", "--model", *ISING, "--L", "8", "12", "--eta", "1", "1.6", "2", "2.4", "--longest", "100"]
    words += ["--replicas", "4", "--scaling", "0.5", "--out", str(out), "--jobs", "1", "--quiet"]
    assert cli.run([*words, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seconds"] > 0
    assert cli.run([*words, "--z", "0", "9", "--table", str(table), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tasks_run"] == 10 and len(found["eta"]) == 4 and found["networks"][0]["without_noise"] == "keeps"
    assert [scan["verdict"] is None for scan in found["scans"]] == [False, True]
    assert table.read_text().splitlines()[0].split() == ["L", "eta", "t", "memory", "error"]
    assert cli.run(words) == 0
    assert "lifetimes in steps" in capsys.readouterr().out
    assert cli.run([*words, "--eta-range", "1", "2", "3"]) == 2


def test_a_network_is_followed_by_its_own_steps():
    torch = pytest.importorskip("torch")
    from physnn.networks.kuramoto.evaluate import load_network

    (network_id, (path, k)), *_ = places(("kuramoto_symmetric",)).items()
    medium, network = network_medium(path, k), load_network(path, network_id, "cpu")
    image = torch.where(torch.rand((1, 12, 12), generator=torch.Generator().manual_seed(0)) < 0.5, 0.5, -0.5)
    start = np.where(image[0, ..., None].numpy() > 0, *medium.lifts)
    x = work._relaxed(medium, start[None], 6)
    wanted = network.evolve(image, 6).permute(0, 2, 3, 1).numpy()
    assert np.abs(x - wanted).max() < 1e-4
    assert medium.gamma == network.gamma and np.allclose(medium.lifts[0], -medium.lifts[1])


def test_symmetric_networks_keep_domains_that_broken_ones_do_not(tmp_path):
    # The negative control: with x -> -x broken by a constant, the two states are not equal.
    found = {}
    for name in ("kuramoto_symmetric", "kuramoto_broken"):
        out = tmp_path / f"{name}.h5"
        run(out, L=(16,), eta=(0.1,), networks=(name,), replicas=2, longest=128)
        sweep = read_sweep(out)
        found[name] = memory_of(sweep)
        assert (sweep.sizes[16]["time"].values % sweep.recipe["period"] == 0).all()
    assert found["kuramoto_symmetric"].controls == ("keeps",) * 3
    assert set(found["kuramoto_broken"].controls) - {"keeps"}
    assert found["kuramoto_symmetric"].rows[0].lifetimes[16].bound


def test_states_of_a_coupling_are_opposite():
    medium = coupling_medium(("on", "3"), None)
    assert np.allclose(medium.lifts.sum(0), 0) and medium.gamma == pytest.approx(0.04)
    assert medium.model.components == couplings.on(3).components
    recipe = api.recipe("memory", **SMALL)
    start = work.Domain(recipe, work.MemorySample(recipe).tasks_of(8)[0])
    m, w2 = start.measured(start.x)
    assert m.tolist() == pytest.approx([1, 1]) and w2.tolist() == [0, 0]


def test_few_columns_stand_for_a_half_plane_without_noise(monkeypatch):
    settings = {"L": (16,), "networks": ("kuramoto_symmetric",), "eta": (0.3,), "longest": 64}
    sample = work.MemorySample(work.MemorySweep(**settings).resolved())
    task = sample.tasks_of(16)[0]
    few = sample.run(task, Checkpoint(None))
    assert work.Domain(sample.recipe, task).x.shape[1:3] == (16, 8)
    monkeypatch.setattr(work, "ALIKE_COLUMNS", 16)
    assert work.Domain(sample.recipe, task).x.shape[1:3] == (16, 16)
    for name, whole in sample.run(task, Checkpoint(None)).items():
        assert np.allclose(few[name], whole, rtol=0, atol=1e-5), name


@pytest.mark.slow
def test_a_box_lasts_as_long_as_its_area_is_large(tmp_path):
    # Curvature drives its wall: the area shrinks at a constant rate, so that z = 2.
    out = tmp_path / "box.h5"
    run(out, L=(12, 16, 24, 32), eta=(0.9,), model=ISING, longest=8000, pattern="box", replicas=16)
    growth = memory_of(read_sweep(out)).rows[0].growth
    assert growth.verdict in ("power", "undecided")
    assert abs(growth.z.value - 2) < 4 * growth.z.error < 0.5
    assert abs(growth.z.value - 1) > 4 * growth.z.error  # negative control
    assert growth.aicc["power"] == 0
