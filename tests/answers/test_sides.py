"""Chains that stayed on one side of m = 0, or in the state that they began in: said, and by how much they may err."""

from __future__ import annotations

import json

import numpy as np
import pytest

import physnn
from physnn import api, rng
from physnn.analysis.order.sides import sides_of_chains
from physnn.cli import run as command
from physnn.exact.ising.enumeration import ising_enumeration
from physnn.kernels.lattice import multispin
from physnn.samples.temperature.work import TemperatureSample
from physnn.store.sweep_file import read_sweep

pytestmark = pytest.mark.usefixtures("unrendered")

HOT, COLD = 3.0, 1.0


def energies():
    """Energy without field and magnetisation of all states of 4 x 4 spins."""
    states = 1 - 2 * ((np.arange(2**16)[:, None] >> np.arange(16)) & 1).reshape(-1, 4, 4)
    bonds = states * (np.roll(states, 1, 1) + np.roll(states, 1, 2))
    return -bonds.sum((1, 2)), states.sum((1, 2))


@pytest.mark.parametrize("h", [0.0, 0.01, -0.05, 0.4])
@pytest.mark.parametrize("side", [1, -1])
def test_the_share_of_the_other_side_is_that_of_enumeration(h, side):
    E, M = energies()
    weights = np.exp(-(E - E.min() - h * M) / 2.0)
    draws = rng.stream(0, "synthetic", "sides").choice(
        len(M), (2, 40_000), p=np.where(side * M > 0, weights, 0) / weights[side * M > 0].sum()
    )
    found = sides_of_chains(M[draws] / 16, 2.0, h, 16)
    up, down = (weights[s * M > 0].sum() for s in (1, -1))
    assert (found.up, found.down) == ((2, 0) if side > 0 else (0, 2))
    assert found.share_up == pytest.approx(up / (up + down), abs=0.02)
    assert found.unseen == pytest.approx((down if side > 0 else up) / (up + down), abs=0.02)
    assert (h == 0) == (abs(found.share_up - 0.5) < 1e-6), "another field would be seen"


def test_chains_that_crossed_have_no_side():
    assert sides_of_chains(np.array([[0.5, 0.6], [0.5, -0.6]]), 1.0, 0.1, 16) is None
    assert sides_of_chains(np.array([[0.5, 0.0]]), 1.0, 0.1, 16) is None
    both = sides_of_chains(np.array([[0.5, 0.6], [-0.5, -0.6]]), 1.0, 0.1, 16)
    assert (both.up, both.down, both.unseen) == (1, 1, 0.0) and "chains stayed at m > 0 (1)" in both.sentence()


@pytest.mark.parametrize("start", ["one", "both"])
def test_samples_say_what_their_errors_leave_out(start):
    """At T = 1 no chain reverses, and m is wrong by 600 errors; at T = 3, or in a strong field, nothing is missing."""
    fields = [0.002, 2.0]
    settings = {"sampler": "metropolis", "sweeps": 2000, "chains": 2, "start": start, "field": fields}
    data = physnn.sample("ising", 4, [COLD, HOT], **settings)
    for name in ("m", "chi"):
        at = data.sel(observable=name, T=COLD, field=0.002)
        assert ("no chain was at m < 0, where 0.48" if start == "one" else "chains stayed at m > 0 (1)") in str(
            at.note.values
        )
    m = data.sel(observable="m")
    exact = np.array([[ising_enumeration((4, 4), T, h=h)["m"] for h in fields] for T in (COLD, HOT)])
    z = (m.value.values - exact) / m.error.values
    if start == "one":
        assert abs(z[0, 0]) > 100, "the error does not tell"
    else:
        assert abs(z[0, 0]) < 4, "starts on both sides make the error as large as it is"
    assert (data.note.sel(T=HOT, field=0.002) == "").all()
    assert not any("no chain was" in note for note in data.note.sel(field=2.0).values.ravel().tolist())
    assert (data.note.sel(observable=["binder", "m_abs"], T=COLD, field=0.002) == "").all(), "even in m"


def test_fits_say_it_and_starts_on_both_sides_disagree(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cold, hot = "--T 0.9 0.95 1 1.05", "--T 4 4.5 5 5.5"

    def answer(T, more, field="--field 0.002 --algorithm metropolis"):
        out = f"{len(list(tmp_path.iterdir()))}.h5"
        words = f"sweep-temperature --L 4 6 {T} {field} --sweeps 2000 {more} --observable m --out {out} --jobs 1 --json"
        assert command([*words.split(), "--quiet"]) in (0, 3)
        found = json.loads(capsys.readouterr().out)
        return " ".join(found["fit"]["warnings"] if found["fit"] else [found["remark"]]), out

    one, four, both = (answer(cold, more) for more in ("--chains 1", "", "--start both"))
    assert "no chain was at m < 0, where 0." in one[0] and "no chain was at m < 0" in four[0]
    assert "one chain from one start" in one[0] and "one chain" not in four[0] + both[0]
    assert "too few for an autocorrelation time" in both[0]
    assert "start" not in read_sweep(four[1]).recipe and read_sweep(both[1]).recipe["start"] == "both"
    # Negative controls: hot chains reverse, and clusters need no warning.
    for said, _ in (answer(hot, "--start both"), answer(cold, "--chains 1", "")):
        assert not any(words in said for words in ("no chain was", "one chain", "too few"))


def test_odd_chains_begin_reversed_and_others_as_ever():
    for settings in ({"algorithm": "multispin", "L": (128,)}, {"algorithm": "metropolis", "L": (4,), "field": 0.1}):
        plain, both = (
            TemperatureSample(api.recipe("temperature", T=(2.0,), sweeps=4, chains=2, start=start, **settings))
            for start in ("one", "both")
        )
        first, second = ([s.begin(task).configuration for task in s.tasks()] for s in (plain, both))
        assert np.array_equal(first[0], second[0]) and np.array_equal(first[1], 1 - second[1])
    state = both.begin(both.tasks()[1])
    assert state.colours.min() == 1
    words = TemperatureSample(
        api.recipe("temperature", T=(2.0,), L=(128,), algorithm="multispin", sweeps=4, start="both")
    )
    state = words.begin(words.tasks()[1])
    assert np.array_equal(state.colours[:, 1:-1, 1:-1], multispin.pack(-np.ones((128, 128), np.int8))[:, 1:-1, 1:-1])
    clock = TemperatureSample(api.recipe("temperature", T=(2.0,), L=(4,), model="clock", sweeps=4, start="both"))
    assert clock.begin(clock.tasks()[1]).colours.max() < 3


def test_susceptibility_of_a_rectangle_counts_all_sites():
    exact = ising_enumeration((3, 4), 2.5)
    data = physnn.sample("ising", 3, 2.5, aspect=4 / 3, sampler="heat-bath-random", sweeps=6000, chains=2)
    for name in ("chi", "c", "energy"):
        one = data.sel(observable=name)
        assert abs(one.value - exact[name]) < 4 * one.error
        assert name == "energy" or abs(0.75 * one.value - exact[name]) > 4 * one.error, "L^2 sites would be seen"
