from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import physnn
import physnn.answers.fit
from physnn import api, rng
from physnn.analysis.curves.chains import curves_of_chains
from physnn.analysis.curves.observables import with_moments
from physnn.cli import run as command
from physnn.errors import InputError
from physnn.exact.ising.enumeration import ising_enumeration
from physnn.exact.ising.kaufman import kaufman
from physnn.jobs import stopping
from physnn.samplers import advance, chain
from physnn.samples import files
from physnn.samples.files import recipe_on_disk
from physnn.samples.tasks import Checkpoint
from physnn.samples.temperature import ladder, work
from physnn.samples.temperature.recipe import TemperatureSweep
from physnn.store.hdf5 import content_digest
from physnn.store.parts import Parts, write_part
from physnn.store.snapshots import read_snapshots
from physnn.store.sweep_file import read_sweep
from tests.conftest import interrupt, rerun

pytestmark = pytest.mark.usefixtures("unrendered")

FIXTURES = Path(__file__).parent / "fixtures"
"""Files of earlier versions: clusters with one generator, and words kept as colours."""
SMALL = {"T": (2.0, 2.27, 2.6), "sweeps": 300, "thermalisation": 50, "chains": 2}


def tasks_of(recipe):
    return work.TemperatureSample(recipe).tasks()


def run(out, L=(4, 6), extend=False, jobs=1, **settings):
    return files.run(api.recipe("temperature", out, extend, L=L, **settings), out, extend=extend, jobs=jobs)


def test_the_library_and_any_number_of_workers_give_the_same_numbers(tmp_path):
    one, two = tmp_path / "one.h5", tmp_path / "two.h5"
    assert run(one, **SMALL) == 2 * 3 * 2
    run(two, jobs=2, **SMALL)
    assert content_digest(one) == content_digest(two)
    tree = physnn.sweep_temperature((4, 6), **SMALL)
    group = read_sweep(one).sizes[6]
    assert group["energy"].dims == ("T", "chain", "measurement")
    assert np.array_equal(tree["L6"]["energy"].values, group["energy"].values)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.h5", "two.h5"], "no parts, no locks"


def test_chains_are_different_and_known_by_their_content(tmp_path):
    out = tmp_path / "s.h5"
    run(out, **SMALL)
    m = read_sweep(out).sizes[6]["m"].values
    rows = m.reshape(-1, m.shape[-1])
    assert len(np.unique(rows, axis=0)) == len(rows), "equal seeds would give equal chains"
    keys = {t.key for t in tasks_of(TemperatureSweep(L=(4,), T=(2.0,), sweeps=9, chains=1))}
    assert keys < {t.key for t in tasks_of(TemperatureSweep(L=(4, 8), T=(2.0, 2.5), sweeps=9, chains=3))}
    assert not keys & {t.key for t in tasks_of(TemperatureSweep(L=(4,), T=(2.0,), sweeps=9, chains=1, seed=1))}
    assert not keys & {
        t.key for t in tasks_of(TemperatureSweep(L=(4,), T=(2.0,), sweeps=9, chains=1, algorithm="metropolis"))
    }


@pytest.mark.parametrize("algorithm", ["wolff", "swendsen-wang", "metropolis"])
def test_extending_equals_running_at_once(tmp_path, algorithm):
    parts, whole = tmp_path / "parts.h5", tmp_path / "whole.h5"
    settings = SMALL | {"algorithm": algorithm, "snapshots": 40}
    run(parts, L=(4,), **settings | {"T": (2.0, 2.6), "sweeps": 150, "chains": 1})
    assert run(parts, L=(4,), extend=True, **settings | {"sweeps": 150, "chains": 1}) == 1
    assert run(parts, L=(4,), extend=True, **settings | {"chains": 1}) == 3, "longer chains continue"
    assert run(parts, L=(4, 6), extend=True, chains=2) == 3 + 6
    with pytest.raises(InputError, match="sweeps 300, now 200"):
        run(parts, L=(4, 6), extend=True, sweeps=200)
    run(whole, **settings)
    assert content_digest(parts) == content_digest(whole)
    kept = read_snapshots(whole)
    assert list(kept) == [4, 6] and kept[4].colours.shape == (3, 2, 7, 4, 4) and kept[4].q == 2
    assert np.array_equal(kept[4].spins.mean((-2, -1)), read_sweep(whole).sizes[4]["m"].values[:, :, 39::40])


def test_a_second_run_does_nothing_and_another_recipe_is_refused(tmp_path, network_file):
    out = tmp_path / "s.h5"
    run(out, **SMALL)
    assert run(out, **SMALL) == 0
    for change in ({"sweeps": 301}, {"seed": 1}, {"field": 0.1, "algorithm": "metropolis"}, {"model": "potts"}):
        with pytest.raises(InputError, match="another recipe"):
            run(out, **SMALL | change)
    noise = api.recipe("noise", networks=[str(network_file)], L=(20,), eta=[0.0], images=1)
    with pytest.raises(InputError, match="holds a temperature sweep"):
        files.run(noise, out)


def test_fits_take_improved_estimators_of_swendsen_wang_chains(tmp_path):
    out = tmp_path / "sw.h5"
    run(out, L=(8, 12), T=(2.6, 2.9), sweeps=4000, thermalisation=50, chains=2, algorithm="swendsen-wang")
    sizes = read_sweep(out).sizes
    improved = [name for name in sizes[8] if name.endswith("_improved")]
    assert improved == ["m2_improved", "m4_improved", "structure_x_improved", "structure_y_improved"]

    def spread(observable, without=()):
        groups = {
            L: (g["T"].values, with_moments({n: v.values for n, v in g.items() if v.dims[2:] and n not in without}, L))
            for L, g in sizes.items()
        }
        curves = curves_of_chains(groups, observable, "T", 400, rng.stream(0, "bootstrap", observable))
        return curves.samples[8].std(0), curves.y[8]

    for observable, factor in (("binder", 0.8), ("xi_over_L", 0.8), ("chi", 1.0 + 1e-9)):
        errors, plain_errors = spread(observable), spread(observable, improved)
        assert (errors[0] < factor * plain_errors[0]).all()
        assert np.allclose(errors[1], plain_errors[1], rtol=0, atol=5 * plain_errors[0].max())
    assert run(out, L=(8, 12), T=(2.6, 2.9), sweeps=4000, thermalisation=50, chains=2, algorithm="swendsen-wang") == 0


@pytest.mark.parametrize("change", [{"L": (4, 6)}, {"chains": 2}, {"sweeps": 50}, {"T": (2.0, 2.3, 2.6)}])
def test_cluster_chains_of_an_earlier_version_are_read_and_not_continued(tmp_path, change):
    out = tmp_path / "old.h5"
    out.write_bytes((FIXTURES / "wolff.h5").read_bytes())
    before, settings = content_digest(out), {"T": (2.0, 2.6), "sweeps": 40, "thermalisation": 20, "chains": 1}
    assert run(out, L=(4,), **settings) == 0, "nothing is missing"
    with pytest.raises(InputError, match="wolff chains of this file are of an earlier version, and it cannot grow"):
        run(out, extend=True, **{"L": (4,)} | settings | change)
    assert content_digest(out) == before
    assert read_sweep(out).sizes[4]["energy"].values.shape == (2, 1, 40)


def test_parts_of_cluster_chains_of_an_earlier_version_are_begun_anew(tmp_path, monkeypatch):
    out, whole = tmp_path / "out.h5", tmp_path / "whole.h5"
    settings = {"T": (2.0, 2.6), "sweeps": 40, "thermalisation": 20, "chains": 1}
    run(whole, L=(4,), **settings)
    monkeypatch.setattr(work, "REWRITTEN", {})
    old, state = tasks_of(TemperatureSweep(L=(4,), **settings)), read_sweep(FIXTURES / "wolff.h5").sizes[4]
    Parts(out).begin(TemperatureSweep(L=(4,), **settings).resolved().canonical())
    for task in old:
        arrays = {name: state[name].values[0, 0] for name in state if state[name].dims[:2] == ("T", "chain")}
        write_part(Parts(out).path(task.key), arrays)
    monkeypatch.undo()
    assert run(out, L=(4,), **settings) == 2
    assert content_digest(out) == content_digest(whole)


@pytest.mark.parametrize("change", [{"sweeps": 9}, {"chains": 2}, {"T": (2.3, 2.4)}])
def test_files_of_words_kept_as_colours_grow_bit_for_bit(tmp_path, change):
    out, whole = tmp_path / "old.h5", tmp_path / "whole.h5"
    out.write_bytes((FIXTURES / "multispin.h5").read_bytes())
    assert read_sweep(out).sizes[128]["state_colours"].values.dtype == np.int8
    settings = {"L": (128,), "T": (2.3,), "sweeps": 6, "thermalisation": 5, "chains": 1, "algorithm": "multispin"}
    assert run(out, extend=True, **settings | change) == 1
    run(whole, **settings | change)
    assert content_digest(out) == content_digest(whole)
    assert read_sweep(out).sizes[128]["state_colours"].values.dtype == np.uint64


def test_a_large_lattice_of_words_needs_little_memory(tmp_path):
    settings = {"T": (2.3,), "sweeps": 4, "chains": 1, "algorithm": "multispin"}
    large = work.TemperatureSample(TemperatureSweep(L=(32768,), **settings).resolved())
    bytes_needed = large.resources(32768, {"T": 2.3, "chain": 0}).bytes
    assert 2**27 < bytes_needed < 330 * 2**20, "words, and a copy on its way to the disk"
    assert large.file_bytes() < 200 * 2**20


def test_a_chain_cut_anywhere_continues_bit_for_bit(tmp_path, monkeypatch):
    run(tmp_path / "whole.h5", **SMALL)
    out = tmp_path / "cut.h5"
    # A checkpoint after every block, and an interruption after every third.
    monkeypatch.setattr(stopping, "CHECKPOINT", -1.0)
    monkeypatch.setattr(ladder, "BLOCK", 40)
    calls = interrupt(monkeypatch, work, "advance", 3)
    rerun(lambda: run(out, **SMALL), Parts(out).recipe)
    assert calls[0] > 12 * 2
    assert content_digest(out) == content_digest(tmp_path / "whole.h5")


def test_a_large_lattice_is_kept_after_thermalisation_and_after_every_measurement(tmp_path, monkeypatch):
    settings = {"L": (2048,), "T": (2.3,), "sweeps": 2, "thermalisation": 1, "chains": 1, "algorithm": "multispin"}
    run(tmp_path / "whole.h5", **settings)
    monkeypatch.setattr(stopping, "CHECKPOINT", -1.0)
    monkeypatch.setattr(ladder, "FIRST_SITES", 10**7)
    lengths = []
    saved = Checkpoint.save

    def look(self, arrays):
        lengths.append(len(arrays.get("energy", ())))
        saved(self, arrays)

    monkeypatch.setattr(Checkpoint, "save", look)
    interrupt(monkeypatch, work, "advance", 2)
    rerun(lambda: run(tmp_path / "cut.h5", **settings), Parts(tmp_path / "cut.h5").recipe)
    assert lengths[:2] == [0, 1], "the state of the thermalised chain, and that after a measurement"
    assert content_digest(tmp_path / "cut.h5") == content_digest(tmp_path / "whole.h5")


def test_compiled_calls_are_short(monkeypatch):
    recipe = TemperatureSweep(L=(128,), T=(2.27,), sweeps=9, algorithm="metropolis")
    task = tasks_of(recipe)[0]
    state, lengths, clock = work.TemperatureSample(recipe).begin(task), [], chain.time.perf_counter

    class Clock:
        last = 0.0

        @staticmethod
        def perf_counter():
            now = clock()
            lengths.append(now - Clock.last)
            Clock.last = now
            return now

    monkeypatch.setattr(chain, "time", Clock)
    advance(chain_sampler(recipe), recipe.model_on(recipe.L[0]), 2.27, state, 2000)
    # Load of the machine may stretch one call, not most of them.
    assert len(lengths) > 4
    assert np.median(lengths[1:]) < 0.2


def chain_sampler(recipe):
    return work.algorithms()[recipe.algorithm]


def test_small_sizes_are_measured_longer_unless_asked_for_otherwise():
    usual = TemperatureSweep(model="potts").resolved()
    assert [usual.measurements(L) for L in (16, 128, 256)] == [160_000, 20_000, 20_000]
    assert TemperatureSweep(sweeps=10).resolved().measurements(16) == 10


def test_default_temperatures_surround_the_transition():
    for model, exact in (("ising", 2.269185), ("potts", 0.994973)):
        recipe = TemperatureSweep(model=model).resolved()
        for L in recipe.L:
            T = np.array(recipe.temperatures(L))
            assert T.min() < exact < T.max()
            assert np.ptp(T) * L == pytest.approx(2 * 0.8 * T.mean())


def test_a_file_of_other_default_temperatures_is_not_extended(tmp_path, monkeypatch):
    settings = {"L": (4, 6), "points": 3, "sweeps": 8, "thermalisation": 2}
    files.run(api.recipe("temperature", **settings, chains=1), tmp_path / "t.h5", jobs=1)
    longer = api.recipe("temperature", **settings, chains=2)
    usual = TemperatureSweep.temperatures
    with monkeypatch.context() as other:
        other.setattr(TemperatureSweep, "temperatures", lambda self, L: tuple(1.01 * T for T in usual(self, L)))
        with pytest.raises(InputError, match="made with other T at L = 4"):
            files.run(longer, tmp_path / "t.h5", jobs=1, extend=True)
    assert files.run(longer, tmp_path / "t.h5", jobs=1, extend=True) == 6


@pytest.mark.parametrize(("q", "sizes"), [(2, (64, 256)), (3, (64, 256)), (4, (64, 4096)), (3, (2**15,))])
def test_default_temperatures_surround_the_transition_at_every_size(q, sizes):
    recipe = TemperatureSweep(model="potts", q=q, L=sizes).resolved()
    exact = recipe.colours().critical_temperature
    for L in sizes:
        T = np.array(recipe.temperatures(L))
        assert (exact > T).sum() >= 1 and (exact < T).sum() >= 1
        assert not (exact == T).any()
    assert recipe.resolved() == recipe == TemperatureSweep.model_validate(recipe.canonical())
    # Sizes have temperatures of their own, so that a file grows; where two places are enough they are what they were.
    alone = TemperatureSweep(model="potts", q=q, L=sizes[:1])
    assert recipe.temperatures(sizes[0]) == alone.temperatures(sizes[0])
    if sizes[0] == 64:
        assert np.mean(alone.temperatures(64)) == pytest.approx(round(exact, 2), abs=1e-9)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--L 5 --algorithm metropolis", "even"),
        ("--L 64 --algorithm multispin", "metropolis"),
        ("--L 8 --field 0.1 --T 2 3", "field"),
        ("--L 8 --field 0.1", "--T"),
        ("--L 8 --algorithm quantum", "choose one of"),
        ("--L 8 --model potts --field 1 --T 1 2", "Ising"),
        ("--L 8 --model potts --q 5", "4"),
        ("--L 1", "2"),
        ("--L 8 --T 0 1", "greater than 0"),
        ("--L 8 --coupling 0 --T 1 2", "J"),
        ("--L 8 --model potts --coupling -1 --T 1 2", "J"),
        ("--L 8 --observable rmsd", "observable"),
        ("--L 8 --out nowhere/x.h5", "folder"),
        ("--L 8 --sweeps 1000000000 --chains 10000", "memory"),
        ("--L 8 --window 20", "below T = 0"),
        ("--L 8 --algorithm wolff --device cuda", "GPU"),
        ("--L 4 --T 1 --sweeps 4 --jobs 1 --model potts --algorithm kawasaki --start both", "leave --start out"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command(["sweep-temperature", *words.split()]) == 2
    text = capsys.readouterr().err.strip().splitlines()
    assert text[-1].startswith("Error: ")
    assert said in text[-1]
    assert not list(tmp_path.glob("*.h5"))


def test_the_command_prints_an_answer_and_draws_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["sweep-temperature", "--L", "4", "8", "12", "--sweeps", "400", "--chains", "2", "--jobs", "1", "--quiet"]
    assert command([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["fit"]["observable"] == "binder"
    assert found["fit"]["control"] == "T"
    assert found["sizes"] == [4, 8, 12]
    assert (tmp_path / "sweep-temperature.png").is_file()
    assert command(words) == 0
    assert "all is done" in capsys.readouterr().out
    assert command(["fit", "sweep-temperature.h5", "--observable", "xi_over_L"]) in (0, 3)
    capsys.readouterr()
    assert command(["sweep-temperature", "--dry-run", "--json", "--L", "8"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["tasks"] == 13 * 4


def test_observables_agree_with_exact_ones(tmp_path):
    """Energy and specific heat of L = 8 against Kaufman, through the file and the curves."""
    out = tmp_path / "s.h5"
    run(out, L=(8,), T=(2.0, 2.5, 3.0), sweeps=20_000, thermalisation=200, chains=2)
    for name in ("energy", "c"):
        found = physnn.answers.fit.curves(out, name)
        exact = np.array([getattr(kaufman((8, 8), T), name) for T in found.x[8]])
        z = (found.y[8] - exact) / found.errors[8]
        assert np.abs(z).max() < 4, (name, z)
        assert np.abs((found.y[8] * 1.05 - exact) / found.errors[8]).max() > 4, "5 % off would be seen"


def test_a_target_error_is_a_pilot_and_longer_chains_of_the_same_kind(tmp_path):
    T = (2.1, 2.2, 2.25, 2.3, 2.35, 2.4, 2.5)
    asked = {"L": (6, 9, 14), "T": T, "sweeps": 1200, "chains": 2, "thermalisation": 50}
    recipe = api.recipe("temperature", **asked, target_error=0.008)
    assert recipe.undecided
    heard = []
    assert files.run(recipe, tmp_path / "a.h5", jobs=1, announce=lambda stage, plan: heard.append(stage)) > 20
    found = recipe_on_disk(tmp_path / "a.h5")
    pilot, last = found.stages
    assert [s.sweeps for s in heard] == [pilot.sweeps, last.sweeps] and pilot.sweeps == 500
    assert last.sweeps > pilot.sweeps and len(last.T) > len(pilot.T) and "around T" in last.why
    plain = api.recipe("temperature", **asked | {"T": found.T, "sweeps": found.sweeps})
    files.run(plain, tmp_path / "b.h5", jobs=1)
    for L, group in read_sweep(tmp_path / "b.h5").sizes.items():
        for name, variable in read_sweep(tmp_path / "a.h5").sizes[L].items():
            assert np.array_equal(variable.values, group[name].values)
    # The same command again has nothing to do; another target is another recipe.
    assert files.run(recipe, tmp_path / "a.h5", jobs=1) == 0
    with pytest.raises(InputError, match="target_error"):
        files.run(recipe.model_copy(update={"target_error": 0.02}), tmp_path / "a.h5", jobs=1)
    with pytest.raises(InputError, match="2 sizes and 4 temperatures"):
        api.recipe("temperature", L=(8,), target_error=0.01)


def test_observables_in_a_field_are_those_of_enumeration(tmp_path):
    """chi is dm/dh in a field, and chi of |m| has another name; without a field chi is chi of |m|."""
    out, wrong = tmp_path / "field.h5", 0
    settings = {"T": (2.5, 4.0), "sweeps": 20_000, "chains": 4, "algorithm": "heat-bath", "field": 0.2}
    run(out, L=(4,), **settings)
    for k, T in enumerate(settings["T"]):
        exact = ising_enumeration((4, 4), T, h=0.2)
        for name in ("chi", "chi_m", "chi_abs", "m", "m_abs", "energy", "c"):
            found = physnn.answers.fit.curves(out, name)
            error = found.errors[4][k]
            assert abs(found.y[4][k] - exact[name]) < 4 * error, (name, T)
            wrong += name == "chi" and abs(found.y[4][k] - exact["chi_abs"]) > 4 * error
    assert wrong == 2
    run(tmp_path / "none.h5", L=(4,), T=(2.5,), sweeps=2000)
    chi, other = (physnn.answers.fit.curves(tmp_path / "none.h5", name).y[4] for name in ("chi", "chi_abs"))
    assert chi == other
