"""Equilibrium sweeps from recipe to verdict: the same bits however they are cut, and refusals where they must be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from matplotlib.figure import Figure

from physnn import api, cli, rng
from physnn.analysis.order.structure import transform
from physnn.analysis.statistics.series import estimate_time
from physnn.answers import comparisons, fit
from physnn.errors import InputError
from physnn.models import couplings
from physnn.models.vectors import normalised
from physnn.samplers.langevin import Langevin
from physnn.samplers.vectors import VectorRows, vector_columns
from physnn.samples import files, tasks
from physnn.samples.cost import plan
from physnn.samples.equilibrium import order as ordering
from physnn.samples.equilibrium import work
from physnn.samples.equilibrium.order import find_order
from physnn.samples.equilibrium.recipe import OrderRecord, record
from physnn.samples.named import canonical_words, identity, load_model
from physnn.samples.tasks import Shard
from physnn.store.hdf5 import content_digest
from physnn.store.sweep_file import read_sweep
from tests.conftest import until_done

XY = OrderRecord(
    wave_vectors=(("0", "0"),) * 2, vectors=(((1.0, 0.0), (0.0, 0.0)), ((0.0, 0.0), (1.0, 0.0))), T=1.2, L=16
)
"""What the search finds for the XY model, so that most tests need not search."""
SMALL = {"L": (4, 6), "T": (0.9, 1.1), "model": ("xy",), "sweeps": 40, "thermalisation": 10, "interval": 5, "order": XY}


def run(out, extend=False, jobs=1, **settings):
    recipe = api.recipe("equilibrium", out, extend, **settings)
    return files.run(recipe, out, extend=extend, jobs=jobs)


@pytest.mark.parametrize("sampler", ["langevin", "metropolis", "mala"])
def test_longer_wider_and_interrupted_sweeps_equal_one_run_at_once(tmp_path, sampler, monkeypatch):
    whole, grown, cut = (tmp_path / f"{name}.h5" for name in ("whole", "grown", "cut"))
    settings = SMALL | {"sampler": sampler, "noiseless": True, "sweeps": 24}
    run(whole, **settings)
    run(grown, **settings | {"sweeps": 11, "L": (4,), "T": (0.9,)})
    assert run(grown, extend=True, L=(4,), T=(1.1,), model=("xy",)) == 1
    assert run(grown, extend=True, L=(4, 6), sweeps=24) == 4
    assert content_digest(grown) == content_digest(whole)

    monkeypatch.setattr(work.EquilibriumSample, "_block", lambda sample, size: 3)
    due = iter([False, True] * 1000)
    monkeypatch.setattr(tasks.Checkpoints, "due", lambda self: next(due))
    assert until_done(monkeypatch, tasks, 4, lambda: run(cut, **settings)) > 8
    assert content_digest(cut) == content_digest(whole)


def test_shards_make_the_same_file(tmp_path, monkeypatch):
    monkeypatch.setattr(work, "BLOCK_SITES", 10_000)  # the plan moves as many
    whole, shards = tmp_path / "whole.h5", tmp_path / "shards.h5"
    run(whole, **SMALL)
    recipe = api.recipe("equilibrium", shards, **SMALL)
    assert [files.run(recipe, shards, jobs=1, shard=Shard(k, 2)) and files.missing(shards) == 0 for k in (0, 1)] == [
        False,
        True,
    ]
    assert content_digest(shards) == content_digest(whole)
    assert plan(recipe, 1)["seconds"] > 0


def test_another_recipe_is_refused(tmp_path):
    out = tmp_path / "s.h5"
    run(out, **SMALL)
    assert run(out, **SMALL) == 0
    for change in ({"seed": 1}, {"chains": 5}, {"gamma": 0.01}, {"start": "random"}, {"sweeps": 30}):
        with pytest.raises(InputError, match=next(iter(change))):
            run(out, extend=True, **SMALL | change)
    with pytest.raises(InputError, match=r"model_id|order"):
        run(out, **SMALL | {"model": ("rotated", "1/2", "0")})


def test_what_is_measured_follows_from_the_state(tmp_path):
    out = tmp_path / "s.h5"
    run(out, **SMALL | {"sampler": "metropolis"})
    group = read_sweep(out).sizes[6]
    assert group["m2"].values.shape == (2, 4, 40)
    assert group["m2"].attrs["components"] == 2
    model = couplings.on(2)
    x = group["state_x"].values
    assert np.allclose(group["energy_map"].values, model.energy_map(x))
    assert np.allclose(group["coupling"].values, model.coupling)
    # The trace of S(k) sums to one per site, and the first mode is k = 0 with all components.
    weights = np.array([1, 2, 2, 1])
    assert np.allclose((group["structure"].values * weights).sum((-1, -2)), 36)
    assert group["mode_place"].values[0].tolist() == [0, 0]
    trace = np.trace(group["modes"].values[:, :, 0, :, :, 0], axis1=-2, axis2=-1)
    assert np.allclose(trace, group["structure"].values[:, :, 0, 0])
    assert np.allclose(trace / 36, group["m2"].values.mean(2))
    ratio = group["force"].values.mean(2) / group["curvature"].values.mean(2)
    assert np.allclose(group["t_conf"].values, ratio)


def test_all_samplers_and_gauges_have_the_same_averages(tmp_path):
    found = {}
    half = OrderRecord(wave_vectors=(("1/4", "0"),), vectors=(((0.5**0.5, 0.0), (0.0, -(0.5**0.5))),), T=1.0, L=8)
    settings = {"L": (4,), "T": (1.0,), "sweeps": 900, "thermalisation": 50}
    for name, more in {
        "metropolis": {"sampler": "metropolis", "order": XY},
        "mala": {"sampler": "mala", "order": XY, "interval": 6},
        "langevin": {"sampler": "langevin", "order": XY, "interval": 50, "gamma": 0.005},
        "rotated": {"sampler": "metropolis", "model": ("rotated", "1/4", "0"), "order": half},
        "other T": {"sampler": "metropolis", "order": XY, "T": (1.15,)},
    }.items():
        out = tmp_path / f"{name}.h5"
        run(out, **settings | more)
        group = read_sweep(out).sizes[4]
        series = {n: group[n].values[0] for n in ("energy", "m2", "s_kmin", "vortices", "stiffness", "current_sq")}
        found[name] = {n: estimate_time(s).mean for n, s in series.items()}
    for name, means in found.items():
        z = [
            (means[n].value - found["metropolis"][n].value) / np.hypot(means[n].error, found["metropolis"][n].error)
            for n in means
            if name != "metropolis"
        ]
        assert (max(np.abs(z), default=0) < 4) == (name != "other T"), (name, z)


@dataclass(frozen=True)
class Broken:
    """Langevin steps in plain arrays with a mistake."""

    what: str
    gamma: float = 0.05
    dtype = np.float64

    def generators(self, sequence, chains):
        return Langevin(self.gamma).generators(sequence, chains)

    def advance(self, model, T, state, measurements, interval=1, keep=0, threads=1):
        g, x = rng.generator(np.random.SeedSequence([*state.generator[0].tolist(), state.step])), state.x
        raw, kept = np.empty((len(x), measurements, 4)), np.empty((len(x), measurements if keep else 0, *x.shape[1:]))
        for m in range(measurements):
            if keep:
                kept[:, m] = x
            f, along = model.field(x), (x * model.field(x)).sum(-1)
            sums = [along.sum((1, 2)), 0 * along.sum((1, 2)), ((f**2).sum(-1) - along**2).sum((1, 2))]
            raw[:, m] = np.stack([*sums, 0 * sums[0]], axis=-1)
            for _ in range(interval):
                noise = np.sqrt(2 * T * self.gamma * (2 if self.what == "noise" else 1))
                v = self.gamma * model.field(x) + noise * g.normal(size=x.shape)
                if self.what != "projection":
                    v -= (x * v).sum(-1, keepdims=True) * x
                length = np.linalg.norm(v, axis=-1, keepdims=True)
                x[:] = np.cos(length) * x + np.sinc(length / np.pi) * v
                x[:] = x if self.what == "projection" else normalised(x)
        state.step += measurements * interval
        return VectorRows(vector_columns(raw, model, x.shape[1:3]), kept)


@pytest.mark.parametrize("what", ["nothing", "noise", "projection", "gamma"])
def test_runs_that_are_not_in_equilibrium_have_no_static_exponents(tmp_path, monkeypatch, capsys, what):
    out = tmp_path / "s.h5"
    settings = SMALL | {"L": (4, 6), "T": (0.9, 1.0, 1.1, 1.2), "sweeps": 150, "thermalisation": 20, "interval": 10}
    if what in ("noise", "projection"):
        monkeypatch.setattr(work, "sampler_of", lambda recipe, size=0.0: Broken(what))
    own = {"nothing": {"interval": 100}, "gamma": {"gamma": 0.25}}
    own |= {broken: {"sweeps": 100} for broken in ("noise", "projection")}  # steps in plain arrays take longest
    run(out, **settings | own.get(what, {}))
    status = cli.run(["fit", str(out), "--json", "--joint", "xi_over_L", "--resamples", "20"])
    printed = capsys.readouterr().out
    if what == "nothing":
        # Two small sizes make no common fit, which is another matter.
        assert "non-equilibrium" not in printed
        return
    told = json.loads(printed)
    assert status == 3
    assert told["verdict"] == "non-equilibrium"
    assert "t_conf / T = " in told["reason"]
    assert "static exponents" in told["reason"]
    assert told["inverse_nu"] is told["critical_point"] is None
    if what == "noise":
        with pytest.raises(InputError, match="no equilibrium data"):
            comparisons.fit_joint(out, ["xi_over_L"])


@pytest.mark.parametrize(
    ("words", "wave_vectors", "components"),
    [
        (("xy",), {("0", "0")}, 2),
        (("rotated", "1/8", "1/4"), {("1/8", "1/4")}, 2),
    ],
)
def test_the_order_is_found_by_cooling(words, wave_vectors, components, monkeypatch):
    monkeypatch.setattr(ordering, "MEASUREMENTS", 40)  # half of them find it
    model = load_model(words)
    found = find_order(model, (8, 16, 32), 0.9, 0, identity(model))
    assert found.resolved
    assert found.L == 16
    assert set(record(found).wave_vectors) == wave_vectors
    assert found.order.components == components


def test_starts_that_stay_elsewhere_are_reported(monkeypatch):
    monkeypatch.setattr(ordering, "MEASUREMENTS", 40)
    model = load_model(("diagonal", "-1", "0"))
    found = find_order(model, (16,), 0.1, 0, identity(model))
    assert record(found).wave_vectors == (("1/2", "1/2"),)
    assert any("mode" in start and "energy" in start for start in found.metastable)


def test_an_order_elsewhere_than_measured_is_told(tmp_path):
    out = tmp_path / "s.h5"
    wrong = OrderRecord(wave_vectors=(("1/2", "1/2"),), vectors=(((1.0, 0.0), (0.0, 0.0)),), T=1.2, L=16)
    run(out, **SMALL | {"order": wrong, "T": (0.3, 0.5, 0.6, 0.7), "sampler": "metropolis", "sweeps": 60, "L": (8, 12)})
    found = fit.fit(out, "energy", resamples=20)
    assert any("S(k) peaks at (0, 0)" in remark for remark in found.remarks)


def test_models_by_their_words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("J.npy", couplings.on(3).coupling)
    np.savez("J.npz", coupling=couplings.on(3).coupling, bias=np.array([0.1, 0, 0]))
    np.save("wrong.npy", np.ones((2, 2, 3, 3)) * np.arange(3))
    np.save("objects.npy", np.array([{}]), allow_pickle=True)
    same = [load_model(canonical_words(w)) for w in (("on", "3"), ("coupling", "J.npy"), ("diagonal", "1", "1", "1"))]
    assert len({identity(model) for model in same}) == 1
    assert load_model(canonical_words(("coupling", "J.npz"))).bias[0] == 0.1
    assert canonical_words(("coupling", "J.npy"))[1] == str(tmp_path / "J.npy")
    words = canonical_words(("network", "kuramoto_symmetric/1"))
    assert words[1] == "kuramoto_symmetric/1"
    assert load_model(words).components == 16
    for wrong, message in (
        ((), "choose one of"),
        (("heisenberg",), "choose one of"),
        (("on",), "on N"),
        (("on", "1"), "from 2 to 64"),
        (("diagonal", "1"), "diagonal K1 K2"),
        (("rotated", "1/0", "0"), "not a number"),
        (("coupling", "none.npy"), "cannot read"),
        (("coupling", "objects.npy"), "holds object where numbers belong"),
        (("coupling", "wrong.npy"), "symmetric"),
        (("network", "kuramoto_symmetric"), "choose one, as in kuramoto_symmetric/0"),
        (("network", "kuramoto_symmetric/7"), "seeds in this file"),
        (("network", "nothing"), "there is no file"),
    ):
        with pytest.raises(InputError, match=message):
            load_model(canonical_words(wrong))


def test_a_network_starts_from_an_image(tmp_path):
    out = tmp_path / "s.h5"
    settings = {"L": (20,), "T": (0.1,), "sweeps": 8, "thermalisation": 0, "interval": 2, "noiseless": True}
    order = OrderRecord(wave_vectors=(("0", "0"),), vectors=(((1.0, 0.0), *[(0.0, 0.0)] * 15),), T=0.1, L=16)
    words = ("network", "kuramoto_symmetric/0")
    run(out, **settings, model=words, start="image", order=order)
    overlap = read_sweep(out).sizes[20]["overlap"].values[0]
    assert np.allclose(overlap[:, 0], 1)
    assert (overlap[:, -1] < overlap[:, 0]).all()
    with pytest.raises(InputError, match="trained network"):
        api.recipe("equilibrium", L=(8,), T=(1.0,), start="image", order=XY)


def test_the_command_runs_and_says_what_it_found(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("physnn.samples.equilibrium.order.MEASUREMENTS", 10)
    monkeypatch.setattr(work, "BLOCK_SITES", 10_000)  # the dry run moves as many
    words = "sweep-noise --model xy --L 4 6 --T 0.8 1 1.2 1.4 --sampler metropolis --jobs 1 --quiet"
    words += " --sweeps 50 --thermalisation 20"
    assert cli.run([*words.split(), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["file"] == "sweep-equilibrium.h5"
    assert [row["L"] for row in told["equilibrium"]] == [4] * 4 + [6] * 4
    assert {"t_conf_over_T", "tau", "effective_samples", "hot_cold_z", "thermometer"} <= set(told["equilibrium"][0])
    assert told["order"]["wave_vectors"] == [["0", "0"], ["0", "0"]]
    assert cli.run([*words.split(), "--dry-run"]) == 0
    assert cli.run(["show", "sweep-equilibrium.h5"]) == 0
    assert "helicity" in capsys.readouterr().out
    # One figure has been drawn to the last pixel, which takes longest.
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **how: path.write_bytes(b"no pixels"))
    assert cli.run(["plot", "sweep-equilibrium.h5", "--kind", "structure"]) == 0
    assert (tmp_path / "sweep-equilibrium-structure.png").exists()
    assert cli.run(["sweep-noise", "--model", "xy", "--extend", "--L", "8", "--quiet", "--jobs", "1"]) == 0
    assert sorted(read_sweep(tmp_path / "sweep-equilibrium.h5").sizes) == [4, 6, 8]
    capsys.readouterr()
    for line, message in (
        ("--model xy --L 4", "needs temperatures"),
        ("--model xy --T 0 --L 4", "above 0"),
        ("--model xy --T 1 --eta 1", "exclude each other"),
        ("--model xy --T 1 --images 4", "--images belongs to --mode task"),
        ("--sampler mala", "--sampler belongs to --mode equilibrium"),
        ("--mode task --model xy", "--model belongs to --mode equilibrium"),
        ("--model xy --T 1 --sampler metropolis --gamma 0.1", "--gamma belongs"),
        ("--model nothing --T 1", "choose one of"),
        ("--mode equilibrium --networks a b --T 1", "FILE/SEED"),
        ("--mode equilibrium --T 1 --observable nothing", "no observable"),
        ("--mode equilibrium --T 1 --eta-range 0 1 3", "exclude each other"),
    ):
        assert cli.run(["sweep-noise", *line.split()]) == 2
        assert message in capsys.readouterr().err


def test_structure_factors_cost_a_fifth_of_a_run_at_most():
    # One transform and what follows from it, against the moves between measurements at the default interval.
    import time

    recipe = api.recipe("equilibrium", L=(64,), T=(0.9,), order=XY, chains=4)
    sample = work.EquilibriumSample(recipe)
    measuring = work.Measuring.of(recipe, 64, 0.9)
    state = sample.begun(sample.tasks()[0], measuring).state
    Langevin(0.005).advance(recipe.lattice(), 0.9, state, 1, 2)
    began = time.process_time()
    rows = Langevin(0.005).advance(recipe.lattice(), 0.9, state, 1, 200, keep=1)
    moves = (time.process_time() - began) * recipe.moves(64) / 200
    began = time.process_time()
    means = measuring.no_means()
    for k in range(5):
        measuring(rows.values[:, 0], rows.kept[:, 0], None, k, means)
    assert (time.process_time() - began) / 5 < 0.2 * moves


def test_the_transform_keeps_the_norm():
    x = normalised(rng.stream(0, "synthetic", "norm").normal(size=(2, 5, 6, 3)))
    assert np.allclose((np.abs(transform(x)) ** 2).sum((1, 2, 3)), 30)


def test_a_peak_counts_once_it_is_seen_twice_in_a_row(monkeypatch):
    model, L = couplings.on(2), 8
    shown = iter([(2, 3), (1, 0), (7, 0), (1, 0)])

    def planted(sampler, model, T, state, interval):
        S = np.full((L, L, 2, 2), 0.01 + 0j) * np.eye(2)
        row, column = next(shown)
        S[row, column] = S[-row % L, -column % L] = np.diag([1.0, 0.5])
        return S, np.zeros(8)

    monkeypatch.setattr(ordering, "_measured", planted)
    monkeypatch.setattr(ordering, "_lost", lambda *_: ())
    found = find_order(model, (L,), 0.1, 0, "planted")
    # (7, 0) is -(1, 0): the second and the third agree, the first was chance.
    third = ordering.HOT * 2 * ordering.COOLING**2
    assert found.resolved and abs(found.T - third) < 1e-9 and len(list(shown)) == 1
    assert found.order.wave_vectors[0] in ((Fraction(1, 8), 0), (Fraction(7, 8), 0))
