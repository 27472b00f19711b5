"""Curves from Markov chains: errors hold, and chains that are too short or apart are named."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.curves import chains as chains_module
from physnn.analysis.curves.chains import curves_of_chains
from physnn.analysis.curves.observables import OBSERVABLES, available, rule_of, with_moments
from physnn.errors import InputError
from physnn.exact.ising.kaufman import kaufman
from physnn.exact.ising.transfer import ising_transfer
from physnn.models import Ising
from physnn.samplers import SAMPLERS, advance, start, thermalise
from tests.synthetic.markov import ar1

T, L = 2.4, 8


def chains(seed: int, sweeps: int, name: str = "wolff", count: int = 2) -> dict[str, np.ndarray]:
    """Raw arrays (1 temperature, chains, measurements)."""
    sampler, rows = SAMPLERS[name], []
    for k in range(count):
        state = start(sampler, Ising(), (L, L), T, rng.seed_sequence(seed, "synthetic", "chains", name, k))
        interval = thermalise(sampler, Ising(), T, state, 50)
        rows.append(advance(sampler, Ising(), T, state, sweeps, interval))
    names = ("energy", "m", "structure_x", "structure_y")
    return with_moments({n: np.array([[r[n] for r in rows]]) for n in names}, L)


def curve(arrays, observable, resamples=200):
    sizes = {L: (np.array([T]), arrays)}
    return curves_of_chains(sizes, observable, "T", resamples, rng.stream(0, "bootstrap", "test"))


def test_intervals_hold_the_exact_values():
    exact = ising_transfer((L, L), T)
    truth = {
        "binder": exact["binder"],
        "xi_over_L": exact["xi_over_L"],
        "m_abs": exact["m_abs"],
        "c": kaufman((L, L), T).c,
        "chi": L**2 * (exact["m2"] - exact["m_abs"] ** 2) / T,
    }
    z: dict[str, list[float]] = {name: [] for name in truth}
    alarms = 0
    for seed in range(200):
        arrays = chains(seed, 400)
        for name, value in truth.items():
            found = curve(arrays, name, 100)
            alarms += name == "binder" and bool(found.equilibrium or found.slow)
            z[name].append((found.y[L][0] - value) / found.errors[L][0])
    assert alarms <= 2, "one sound curve in a thousand is called out of equilibrium, or slow"
    for name, scores in z.items():
        inside = np.mean(np.abs(scores) < 1)
        assert 0.60 <= inside <= 0.76, (name, inside)
        assert np.mean(np.abs(scores) < 0.5) < 0.60, "errors of half the size would be seen"


def test_correlated_measurements_do_not_count_as_independent():
    arrays = chains(0, 4000, "metropolis-random")
    found = curve(arrays, "binder")
    m2, m4 = arrays["m2"].ravel(), arrays["m4"].ravel()
    rule = OBSERVABLES["binder"].combine
    drawn = rng.stream(1, "bootstrap", "test").integers(0, len(m2), (200, len(m2)))
    naive = np.std(rule(m2[drawn].mean(1), m4[drawn].mean(1)))
    assert found.errors[L][0] > 2 * naive


def test_observables_fitted_together_draw_the_same_bins(monkeypatch):
    sizes = {L: (np.array([T]), chains(0, 20_000, "metropolis"))}
    names = ("energy", "binder")
    # Any difference of the autocorrelation times makes one in the number of bins.
    monkeypatch.setattr(chains_module, "bin_count", lambda tau, *rest: 20 + int(1000 * tau) % 40)

    def drawn(together, streams=("t", "t")):
        found = [
            curves_of_chains(sizes, n, "T", 300, rng.stream(0, "bootstrap", s), 1, together)
            for n, s in zip(names, streams, strict=True)
        ]
        return [c.bins for c in found], np.corrcoef(*(c.samples[L][:, 0] for c in found))[0, 1]

    bins, correlation = drawn(names)
    assert bins[0] == bins[1] and correlation < -0.5
    bins, correlation = drawn(())
    assert bins[0] != bins[1] and abs(correlation) < 0.3
    assert abs(drawn(names, ("t", "u"))[1]) < 0.3


def test_chains_that_are_too_short_or_apart_are_named():
    with pytest.raises(InputError, match=r"L = 8, T = 2.4.*--sweeps \d+"):
        curve(chains(0, 60, "metropolis-random"), "binder")
    arrays = chains(0, 2000)
    assert curve(arrays, "binder").equilibrium == ""
    arrays["m2"][:, 0] += 0.5
    with pytest.raises(InputError, match="too few"):
        # Chains that differ by far more than they move look like one that never decorrelates.
        curve(arrays, "binder")
    arrays = chains(0, 2000)
    arrays["m2"][:, 0] *= 0.8
    assert "disagree" in curve(arrays, "binder").equilibrium


def test_a_start_that_all_chains_share_is_noticed_after_too_short_a_thermalisation():
    """20 sets of chains begun 60 standard deviations off: alarms without thermalisation, none after 20 tau of it."""
    tau, found = 5.0, {0: 0, 100: 0}
    for seed in range(20):
        x = ar1(rng.stream(seed, "synthetic", "start"), (4, 1600), tau, 60.0)
        for cut in found:
            found[cut] += "disagree" in curve({"energy": x[None, :, cut:]}, "energy").equilibrium
    assert found[0] >= 19 and found[100] == 0


def test_a_slow_mode_of_small_weight_is_said_and_bins_are_longer_than_it():
    """1 % of the variance with tau = 400: bins of the fast part alone would give a third of the error."""
    generator = rng.stream(0, "synthetic", "slow")
    fast, slow = (ar1(generator, (4, 16_000), tau) for tau in (0.5, 400.0))
    found = curve({"energy": (np.sqrt(0.99) * fast + 0.1 * slow)[None]}, "energy")
    assert "L = 8, T = 2.4" in found.slow and "slow mode" in found.slow
    truth = np.sqrt(2 * (0.99 * 0.5 + 0.01 * 400) / 64_000)
    assert 0.6 * truth < found.errors[L][0] < 1.6 * truth and found.bins <= 128
    assert curve({"energy": fast[None]}, "energy").slow == ""


def test_observables_need_their_arrays_and_a_temperature():
    arrays = chains(0, 100)
    assert {"binder", "xi_over_L", "c", "chi", "m_abs", "energy"} <= set(available(arrays, "T"))
    assert "c" not in available(arrays, "eta")
    with pytest.raises(InputError, match="needs rmse"):
        rule_of("rmse", "T", arrays)
    assert rule_of("binder", "T", arrays, components=2).combine(1.0, 2.0) == pytest.approx(0.0)
    assert rule_of("binder", "T", arrays).combine(1.0, 3.0) == pytest.approx(0.0)
