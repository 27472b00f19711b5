"""Samples from Python: estimates are those of exact results, errors hold, and the example is executed."""

from __future__ import annotations

import doctest
import json

import numpy as np
import pytest
import xarray

import physnn
from physnn import api
from physnn.answers.fit import curves
from physnn.errors import InputError
from physnn.exact.ising.enumeration import ising_enumeration, potts_enumeration
from physnn.exact.ising.kaufman import kaufman
from physnn.exact.ising.lattices import lattice_enumeration
from physnn.models import Clock, Ising, Lattice, Potts
from physnn.models.tabulated import tabulated


def test_the_example_of_the_docstring_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (example,) = doctest.DocTestFinder(recurse=False).find(api.sample, "sample", globs={})
    assert len(example.examples) == 9
    assert doctest.DocTestRunner().run(example).failed == 0
    assert (tmp_path / "chi.png").stat().st_size > 10_000


@pytest.mark.parametrize("model", [Ising(h=0.2), Potts(3, 1.5)], ids=repr)
def test_estimates_are_those_of_enumeration_and_a_wrong_temperature_is_seen(model):
    side, T = (4, 2.5) if isinstance(model, Ising) else (3, 1.5)
    data = physnn.sample(model, side, [T, 1.3 * T], sampler="heat-bath-random", sweeps=8000, thermalisation=100, seed=2)

    def exact(T):
        if isinstance(model, Ising):
            return ising_enumeration((side, side), T, h=model.h)
        return potts_enumeration((side, side), 3, T, model.J)

    names = [name for name in data.observable.values if name in exact(T)]
    assert {"energy", "binder", "xi_over_L", "m_abs", "c", "chi", "chi_abs"} <= set(names)
    for k in range(2):
        found = data.isel(T=k)
        truth = xarray.DataArray([exact(float(found["T"]))[name] for name in names], {"observable": names})
        z = (found.value - truth) / found.error
        assert np.isfinite(z).all() and abs(z).max() < 4, z.values
        wrong = xarray.DataArray([exact(float(found["T"]) * 1.03)[name] for name in names], {"observable": names})
        assert abs((found.value - wrong) / found.error).max() > 4
    assert (data.note == "").all() and data["energy"].dims == ("T", "chain", "measurement")


def test_errors_hold_and_agree_with_those_of_fits(tmp_path):
    """60 temperatures with values of enumeration: z has a standard deviation of 1; two ways to errors agree."""
    names, T = ["energy", "m_abs", "binder", "chi"], np.linspace(2.2, 3.4, 60).round(3).tolist()
    truth = [[exact[name] for exact in (ising_enumeration((4, 4), x) for x in T)] for name in names]
    found = physnn.sample("ising", 4, T, sampler="metropolis", sweeps=600, chains=2).sel(observable=names)
    z = (found.value.values - truth) / found.error.values
    assert 0.8 < np.std(z) < 1.2 and 0.58 < np.mean(np.abs(z) < 1) < 0.78
    assert np.mean(np.abs(z) < 0.5) < 0.58, "errors of half the size would be seen"
    out = tmp_path / "kept.h5"
    data = physnn.sample("ising", [4, 6], [2.0, 2.5], sampler="metropolis", sweeps=4000, out=out)
    for name in names:
        fitted, here = curves(out, name), data.sel(observable=name)
        for k, L in enumerate((4, 6)):
            np.testing.assert_allclose(here.value[k], fitted.y[L], rtol=1e-9)
            np.testing.assert_allclose(here.error[k], fitted.errors[L], rtol=0.35)


def test_a_dataset_is_kept_and_drawn(tmp_path):
    data = physnn.sample("ising", [4, 8], [0.4, 2.0, 3.0], sampler="metropolis", sweeps=300, chains=2)
    assert dict(data.sizes) == {"L": 2, "T": 3, "chain": 2, "measurement": 300, "observable": 9}
    frozen = data.isel(T=0)
    assert np.isnan(frozen.error).all() and np.isnan(frozen.tau).all(), "never changed: unknown, not exact"
    assert all("never changed" in note and "below 0.005" in note for note in frozen.note.values.ravel())
    assert np.isfinite(data.error.isel(T=2)).all()
    data.to_netcdf(tmp_path / "kept.nc")
    with xarray.open_dataset(tmp_path / "kept.nc") as again:
        assert again.value.equals(data.value)
        assert len(again.physnn.plot().axes) == 4
    figure = data.physnn.plot("binder")
    assert [len(axes.containers) for axes in figure.axes] == [2]
    assert [len(axes.containers) for axes in data.isel(T=1).physnn.plot("chi", "c").axes] == [1, 1], "against L"
    assert data.isel(T=1, L=1).physnn.plot("energy").axes[0].get_xlabel().startswith("temperature")
    with pytest.raises(InputError, match="no observable 'banana'; choose one of energy"):
        data.physnn.plot("banana")


def test_clocks_and_other_lattices_are_sampled_too():
    """A clock of four directions is two Ising models of half the coupling; triangles frustrate the antiferromagnet."""
    found = physnn.sample(Clock(4), 4, 1.2, sampler="heat-bath-random", sweeps=5000).sel(observable="energy")
    assert abs(found.value - kaufman((4, 4), 2.4).energy) < 4 * found.error < 0.05
    ground = physnn.sample(Ising(-1), 6, 0.2, sampler="heat-bath-random", lattice="triangular", sweeps=500)
    assert abs(ground.value.sel(observable="energy") + 1) < 0.02, "frustrated: a third of the bonds is broken"


def test_several_fields_and_couplings_are_dimensions():
    fields, T = [0.0, 0.2], [2.0, 2.5]
    data = physnn.sample("ising", 4, T, field=fields, sampler="heat-bath", sweeps=3000, thermalisation=100)
    assert data.energy.dims == ("T", "field", "chain", "measurement")
    assert data.value.dims == ("observable", "T", "field") and data.field.attrs["symbol"] == "h"
    names = ["energy", "m_abs", "binder", "chi"]
    found = data.sel(observable=names)
    truth = np.array([[[ising_enumeration((4, 4), t, h=h)[n] for h in fields] for t in T] for n in names])
    z = (found.value.values - truth) / found.error.values
    assert np.abs(z).max() < 4
    assert np.abs(z[..., 0] - (truth[..., ::-1] - truth)[..., 0] / found.error.values[..., 0]).max() > 4
    with pytest.raises(InputError, match="T and field vary"):
        data.physnn.plot("chi")
    (panel,) = data.sel(T=2.0).physnn.plot("chi").axes
    assert panel.get_xlabel().startswith("field")
    both = physnn.sample("ising", [4, 6], 2.0, field=[0.1, 0.2], J2=[-0.7, -0.6], sampler="metropolis", sweeps=100)
    assert dict(both.value.sizes) == {"observable": both.observable.size, "L": 2, "field": 2, "J2": 2}


def test_unit_vectors_are_sampled_too():
    data = physnn.sample("xy", 4, [0.8, 1.2], sweeps=200, chains=2, thermalisation=20)
    assert {"energy", "binder", "m_abs", "helicity"} <= set(data.observable.values.tolist())
    assert data.value.sel(observable="energy").diff("T").item() > 0
    assert np.isfinite(data.error).all()


def test_what_has_no_sample_is_refused():
    with pytest.raises(InputError, match="a Lattice has no sweep"):
        physnn.sample(Lattice("triangular", (4, 4)), 4, 1.0)
    with pytest.raises(InputError, match="algorithm 'banana'"):
        physnn.sample("ising", 4, 1.0, sampler="banana")
    with pytest.raises(InputError):
        physnn.sample("banana", 4, 1.0)
    with pytest.raises(InputError, match="T"):
        physnn.sample("ising", 4, -1.0)


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (("ising", [4, 6], [2.0, 3.0]), {"tempering": "acceptance"}, "ladders that are placed differ"),
        (("ising", 4, []), {}, "^T: tuple should have at least 1 item"),
        (("ising", 4, [[2.0, 3.0], [1.0]]), {}, "numbers or lists"),
        (("ising", 4, 2.0), {"field": []}, "at least one value"),
        (("ising", 4, 0.0), {}, "^T, value 1: input should be greater than 0"),
        (("ising", 4, 2.0), {"field": [0, "a"]}, "^field, value 2: [^;]*not 'a'$"),
        (("ising", 4, 2.0), {"field": "a"}, "^field: [^;]*not 'a'$"),
        ((["on", 3], 4, 0.8), {}, "named by texts"),
    ],
)
def test_what_makes_no_dataset_is_refused_before_anything_runs(monkeypatch, arguments, settings, said):
    monkeypatch.setattr(physnn.api, "run", None)
    with pytest.raises(InputError, match=said):
        physnn.sample(*arguments, **settings)


def test_names_may_be_words_or_bare():
    assert "T" not in physnn.sample(["on", "3"], 4, 0.8, sweeps=20).dims
    free = physnn.sample("ising", 4, [2.0, 3.0], sweeps=20, edges="free", tempering=True, sampler="metropolis")
    recipe = json.loads(free.attrs["recipe"])
    assert recipe["edges"] == ["free"] and recipe["tempering"] == "given"


def test_one_observable_that_was_chosen_can_be_drawn():
    data = physnn.sample("ising", 4, [2.0, 3.0], sweeps=20)
    assert data.sel(observable="chi").physnn.plot("chi").axes
    with pytest.raises(InputError, match="choose one of chi"):
        data.sel(observable="chi").physnn.plot("energy")
    with pytest.raises(InputError, match="no estimates"):
        data.drop_vars("observable").physnn.plot()


@pytest.mark.parametrize(("aspect", "edges"), [(2, "periodic"), (2, "free"), (1, "antiperiodic"), (1, "free")])
def test_the_cumulant_at_the_critical_temperature_knows_shape_and_edges(aspect, edges):
    T = 2 / np.log1p(np.sqrt(2))

    def exact(sides, edges):
        """U4 of all configurations."""
        found = lattice_enumeration(tabulated(Ising(), Lattice("square", sides, (edges, edges))))
        return 1 - found.average("m4", T) / (3 * found.average("m2", T) ** 2)

    settings = {"lattice": "square", "aspect": aspect, "edges": edges, "sweeps": 8000}
    data = physnn.sample("ising", 3, T, sampler="metropolis-random", **settings)
    value, error = (float(data[name].sel(observable="binder").squeeze()) for name in ("value", "error"))
    assert abs(value - exact((3, 3 * aspect), edges)) < 4 * error < 0.1
    # The negative control: it is not that of the periodic square.
    assert abs(value - exact((3, 3), "periodic")) > 4 * error
