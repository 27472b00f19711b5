"""The start of a chain is dropped, no more than that, and chains that disagree are noticed."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.statistics.convergence import split_rhat, thermalisation
from physnn.analysis.statistics.series import estimate_time
from physnn.errors import InputError
from tests.synthetic.markov import ar1


@pytest.mark.parametrize(("chains", "start"), [(4, 30.0), (1, 100.0), (8, 5.0), (4, None)])
def test_means_after_the_cut_cover(chains, start):
    """240 chains of 300 tau begun `start` standard deviations off; without the cut their errors do not cover."""
    tau, cuts, kept, whole = 5.0, [], [], []
    generator = rng.stream(0, "synthetic", "start", chains)
    for _ in range(240):
        x = ar1(generator, (chains, 1500), tau, start)
        cuts.append(thermalisation(x))
        for values, data in ((kept, x[:, cuts[-1] :]), (whole, x)):
            mean = estimate_time(data).mean
            values.append(mean.value / mean.error)
    assert 0.60 < np.mean(np.abs(kept) < 1) < 0.76
    assert abs(np.mean(kept)) < 4 / np.sqrt(240)
    if start is not None:
        assert np.abs(np.mean(whole)) > 4 / np.sqrt(240)
        # What is left of the start is below a tenth of the error of the mean.
        assert start * np.exp(-np.median(cuts) / tau) < 0.1 * np.sqrt(chains * 2 * tau / 1500) * 1500 / tau / chains
    assert np.median(cuts) < 0.1 * 1500


def test_several_observables_give_the_largest_cut():
    generator = rng.stream(1, "synthetic", "several")
    slow, fast = ar1(generator, (4, 4000), 10.0, 50.0), ar1(generator, (4, 4000), 1.0, 50.0)
    assert thermalisation(fast, slow) == max(thermalisation(fast), thermalisation(slow)) > thermalisation(fast)


def test_a_chain_still_on_its_way_is_refused():
    generator = rng.stream(2, "synthetic", "way")
    x = np.linspace(10, 0, 500) + 0.1 * generator.normal(size=(4, 500))
    with pytest.raises(InputError, match="still remembers its start"):
        thermalisation(x)
    with pytest.raises(InputError, match="no series"):
        thermalisation()
    assert thermalisation(np.ones((2, 100))) == 0


def test_rhat_is_one_for_chains_that_agree_and_large_for_others():
    generator = rng.stream(3, "synthetic", "rhat")
    x = ar1(generator, (4, 4000), 2.0)
    assert 0.99 < split_rhat(x) < 1.01
    shifted, wide, drifting = x.copy(), x.copy(), x + np.linspace(0, 2, 4000)
    shifted[0] += 1
    wide[0] *= 3
    assert min(split_rhat(shifted), split_rhat(wide), split_rhat(drifting)) > 1.05
    # Ranks make it blind to heavy tails: of Cauchy draws there is no variance.
    assert split_rhat(generator.standard_cauchy(size=(4, 1000))) < 1.01
    assert split_rhat(np.exp(shifted)) > 1.05


def test_rhat_of_a_known_table():
    """Numbers of arviz-stats 0.8.0, method "rank"."""
    i = np.arange(4 * 50).reshape(4, 50)
    assert split_rhat(np.sin(i**2 % 97.0) + 0.2 * (i // 50)) == pytest.approx(1.0912139760872, abs=1e-10)
    assert split_rhat((1 + i // 50) * np.sin(i**2 % 97.0)) == pytest.approx(1.1911614098281, abs=1e-10)


def test_rhat_of_constant_chains():
    assert split_rhat(np.full((3, 20), 0.1)) == 1
    assert split_rhat(np.repeat([[0.0], [1.0]], 20, axis=1)) == np.inf
