"""Decisions from files: the Ising model is Ising, four samples of nothing are not, and other files are refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from physnn import api
from physnn.analysis.order.decision import decision_of
from physnn.answers import comparisons
from physnn.answers import decide as decisions
from physnn.cli import run
from physnn.errors import InputError
from physnn.store.hdf5 import content_digest
from tests.store.test_hostile import edited

pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.fixture(scope="module")
def ising(tmp_path_factory):
    """Two independent sweeps of the Ising model.

    Each knows 1/nu to about 0.11, and xi/L at temperatures 3 % off shows with a p-value of 1e-7 and less.
    """
    found = []
    for seed in (0, 1):
        found.append(tmp_path_factory.mktemp("decide") / "ising.h5")
        T = np.linspace(2.14, 2.46, 7).tolist()
        api.sweep_temperature((6, 12, 24), out=found[-1], T=T, sweeps=2000, seed=seed, jobs=1)
    return found


def test_the_ising_model_is_decided_from_the_command_line(ising, tmp_path, capsys, monkeypatch):
    few, measure, known = ["--resamples", "40"], decisions.evidence_of, {}

    def once(source, **options):
        """Evidence of the data of a file, measured by the first command that asks."""
        key = content_digest(source), *sorted(options.items())
        return known[key] if key in known else known.setdefault(key, measure(source, **options))

    monkeypatch.setattr(decisions, "evidence_of", once)
    assert run(["decide", *map(str, ising), "--json", *few]) == 0
    answer = json.loads(capsys.readouterr().out)
    for one in answer["files"]:
        assert one["verdict"] == "Ising" and one["planes"]["Ising"]["verdict"] == "agrees"
        assert abs(one["inverse_nu"]["value"] - 1) < 3 * one["inverse_nu"]["error"]
    assert answer["inverse_nu"]["count"] == 2 and answer["eta"] is None
    copy = tmp_path / "copy.h5"
    copy.write_bytes(ising[0].read_bytes())
    assert run(["decide", str(ising[0]), str(copy), *few]) == 2, "one network twice is no second network"
    assert "holds the same data" in capsys.readouterr().err
    assert len(known) == 2
    assert run(["decide", str(ising[0]), *few]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for words in ("verdict", "Ising. U4 and xi/L cross", "plane of Ising: agrees"):
        assert words in text


def test_two_observables_with_unlike_transitions_share_none(ising, monkeypatch):
    """With xi/L at temperatures 3 % higher than they were each has a good collapse, but not at one T_c."""
    for module in (decisions, comparisons):
        sampled = module.sampled_curves

        def shifted(sweep, observable, *rest, sampled=sampled, **options):
            found = sampled(sweep, observable, *rest, **options)
            moved = {L: 1.03 * x for L, x in found.x.items()}
            return replace(found, x=moved) if observable == "xi_over_L" else found

        monkeypatch.setattr(module, "sampled_curves", shifted)
    evidence = decisions.evidence_of(ising[0], resamples=60)[1]
    assert evidence.shared < 0.001 and decision_of(evidence).kind == "undecided"


def test_a_disordered_range_has_no_transition_and_an_ordered_one_is_undecided(tmp_path, capsys):
    for name, T, status, verdict in (
        ("high", np.linspace(2.8, 3.4, 5), 0, "none"),
        ("low", np.linspace(1.2, 1.8, 5), 3, "undecided"),
    ):
        out = tmp_path / f"{name}.h5"
        api.sweep_temperature((6, 12, 24), out=out, T=T.tolist(), sweeps=800, jobs=1)
        assert run(["decide", str(out), "--json", "--resamples", "60"]) == status
        assert json.loads(capsys.readouterr().out)["files"][0]["verdict"] == verdict


def test_a_number_that_is_not_finite_is_refused(ising, tmp_path, capsys):
    bad = tmp_path / "nan.h5"
    bad.write_bytes(ising[0].read_bytes())
    edited(bad, lambda file: file["L6/energy"].__setitem__((0, 0, 0), np.nan))
    assert run(["decide", str(bad)]) == 2
    assert "energy has nan, but holds finite numbers (L = 6)" in capsys.readouterr().err


def test_other_files_are_refused(capsys):
    with pytest.raises(InputError, match="is a file of kind"):
        decisions.study(["data/kuramoto_symmetric.h5"])


def test_planes_rise_to_perfect_order():
    found = {p.name: p for p in decisions.class_planes()}
    assert set(found) == {"Ising", "XY"}
    for name, most in (("Ising", 2 / 3), ("XY", 1 / 2)):
        p = found[name]
        assert (np.diff(p.xi) > 0).all() and p.xi[0] < 0.2 and p.xi[-1] > 1
        assert abs(p.binder[-1] - most) < 0.01 and (p.error < 0.015).all()
    # At T_c of Ising: J. Salas and A. Sokal, J. Stat. Phys. 98 (2000) 551.
    assert np.interp(0.905, found["Ising"].xi, found["Ising"].binder) == pytest.approx(0.6107, abs=0.005)


def test_orders_that_no_size_holds_and_chains_that_are_too_short_are_undecided(tmp_path, capsys, monkeypatch):
    # The search for the order needs no precision: nothing is decided on it.
    monkeypatch.setattr("physnn.samples.equilibrium.order.MEASUREMENTS", 10)
    for name, words, reason in (
        ("strained", {"L": (6, 7), "model": ("rotated", "1/8", "0"), "T": (0.5, 0.6)}, "those that do: none"),
        ("short", {"L": (8, 12, 16), "model": ("xy",), "T": (0.3, 0.5), "sweeps": 6}, "autocorrelation"),
    ):
        out = tmp_path / f"{name}.h5"
        api.sweep_equilibrium(out=out, sampler="metropolis", interval=1, jobs=1, **{"sweeps": 40} | words)
        assert run(["decide", str(out), "--json", "--resamples", "60"]) == 3
        one = json.loads(capsys.readouterr().out)["files"][0]
        assert one["verdict"] == "undecided" and reason in one["reason"], one
