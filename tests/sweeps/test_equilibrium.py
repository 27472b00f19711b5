"""Equilibrium sweeps from recipe to verdict: the same bits however they are cut, and refusals where they must be."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest

from physnn import api, cli, fits, report, rng
from physnn.analysis.series import estimate_time
from physnn.analysis.structure import transform
from physnn.errors import InputError
from physnn.models import couplings
from physnn.models.kuramoto import normalised
from physnn.samplers.langevin import Langevin
from physnn.samplers.vectors import VectorRows, columns
from physnn.store.hdf5 import content_digest
from physnn.store.sweep_file import read_sweep
from physnn.sweeps import equilibrium
from physnn.sweeps.equilibrium_recipe import OrderRecord
from physnn.sweeps.files import plan, run_sweep
from physnn.sweeps.order import find_order
from physnn.sweeps.shards import Shard, run_shard
from physnn.sweeps.vector_models import canonical_words, identity, load_model

XY = OrderRecord(
    wave_vectors=(("0", "0"),) * 2, vectors=(((1.0, 0.0), (0.0, 0.0)), ((0.0, 0.0), (1.0, 0.0))), T=1.2, L=16
)
"""What the search finds for the XY model, so that most tests need not search."""
SMALL = {"L": (4, 6), "T": (0.9, 1.1), "model": ("xy",), "sweeps": 40, "thermalisation": 10, "interval": 5, "order": XY}


def run(out, extend=False, jobs=1, **settings):
    recipe = api.equilibrium_recipe(out, extend, **settings)
    return run_sweep(recipe, out, extend=extend, jobs=jobs)


@pytest.mark.parametrize("sampler", ["langevin", "metropolis", "mala"])
def test_longer_wider_and_interrupted_sweeps_equal_one_run_at_once(tmp_path, sampler, monkeypatch):
    whole, grown, cut = (tmp_path / f"{name}.h5" for name in ("whole", "grown", "cut"))
    settings = SMALL | {"sampler": sampler, "noiseless": True}
    run(whole, **settings)
    run(grown, **settings | {"sweeps": 17, "L": (4,), "T": (0.9,)})
    assert run(grown, extend=True, L=(4,), T=(1.1,), model=("xy",)) == 1
    assert run(grown, extend=True, L=(4, 6), sweeps=40) == 4
    assert content_digest(grown) == content_digest(whole)

    monkeypatch.setattr(equilibrium, "_block", lambda task: 3)
    due = iter([False, True] * 1000)
    monkeypatch.setattr(equilibrium.Checkpoints, "due", lambda self: next(due))
    write, count = equilibrium.write_part, 0

    def interrupted(*args, **kwargs):
        nonlocal count
        write(*args, **kwargs)
        count += 1
        if count % 4 == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(equilibrium, "write_part", interrupted)
    for _ in range(100):
        try:
            run(cut, **settings)
            break
        except KeyboardInterrupt:
            continue
    assert count > 8
    assert content_digest(cut) == content_digest(whole)


def test_shards_and_workers_make_the_same_file(tmp_path):
    whole, shards, two = (tmp_path / f"{name}.h5" for name in ("whole", "shards", "two"))
    run(whole, **SMALL)
    recipe = api.equilibrium_recipe(shards, **SMALL)
    assert [run_shard(recipe, shards, Shard(k, 2), jobs=1)[1] == 0 for k in (0, 1)] == [False, True]
    run(two, jobs=2, **SMALL)
    assert content_digest(shards) == content_digest(two) == content_digest(whole)
    assert plan(recipe, 1)["seconds"] > 0


def test_another_recipe_is_refused(tmp_path):
    out = tmp_path / "s.h5"
    run(out, **SMALL)
    assert run(out, **SMALL) == 0
    for change in ({"seed": 1}, {"chains": 5}, {"gamma": 0.01}, {"start": "random"}, {"sweeps": 30}):
        with pytest.raises(InputError, match=next(iter(change))):
            run(out, extend=True, **SMALL | change)
    with pytest.raises(InputError, match="model_id|order"):
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
    settings = {"L": (4,), "T": (1.0,), "sweeps": 1500, "thermalisation": 100}
    for name, more in {
        "metropolis": {"sampler": "metropolis", "order": XY},
        "mala": {"sampler": "mala", "order": XY, "interval": 6},
        "langevin": {"sampler": "langevin", "order": XY, "interval": 60, "gamma": 0.005},
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
        return VectorRows(columns(raw, model, x.shape[1:3]), kept)


@pytest.mark.parametrize("what", ["nothing", "noise", "projection", "gamma"])
def test_runs_that_are_not_in_equilibrium_have_no_static_exponents(tmp_path, monkeypatch, capsys, what):
    out = tmp_path / "s.h5"
    settings = SMALL | {"L": (6, 8), "T": (0.9, 1.0, 1.1, 1.2), "sweeps": 500, "thermalisation": 50}
    if what == "gamma":
        run(out, **settings | {"gamma": 0.25})
    else:
        broken = Broken(what, 0.004 if what == "nothing" else 0.05)
        monkeypatch.setattr(equilibrium, "sampler_of", lambda recipe, size=0.0: broken)
        run(out, **settings | {"interval": 40 if what == "nothing" else 4})
    answer = report.fit(out)
    if what == "nothing":
        assert answer.verdict != "non-equilibrium", answer.reason
        return
    assert answer.verdict == "non-equilibrium"
    assert answer.collapse is None
    assert "t_conf / T = " in answer.reason
    assert cli.run(["fit", str(out), "--joint", "xi_over_L"]) == 3
    assert "non-equilibrium" in capsys.readouterr().out
    assert cli.run(["fit", str(out), "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "non-equilibrium"
    assert "static exponents" in told["reason"]
    assert told["inverse_nu"] is told["critical_point"] is None
    with pytest.raises(InputError, match="no equilibrium data"):
        fits.fit_joint(out, ["xi_over_L"])
