"""Intervals hold the truth as often as they say, and verdicts err as rarely.

The sets are those of `sims/fss_against_truth.py`: the first 20 here by default, all 300 where marked slow.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import pytest

from physnn import rng
from tests.synthetic.trials import Trial, trial


def one(kind: str, seed: int) -> Trial:
    return trial(kind, rng.stream(seed, "synthetic", "coverage", kind))


@pytest.fixture(scope="module")
def pool():
    # One thread for linear algebra in each worker: the matrices are small, and two workers share two cores.
    before = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    os.environ.update(dict.fromkeys(before, "1"))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as workers:
        yield workers
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


def trials(kind: str, count: int, pool=None) -> list[Trial]:
    """The first trials of a kind; few are made here, sooner than workers start beside those that run the tests."""
    return list(
        pool.map(partial(one, kind), range(count), chunksize=4) if pool else map(partial(one, kind), range(count))
    )


def check(
    found: list[Trial], bounds68: tuple[float, float], bounds95: tuple[float, float], bias: float, narrow: float = 1 / 3
) -> None:
    answered = [t for t in found if t.verdict == "crossing"]
    assert len(answered) >= 0.9 * len(found), "undecided in at most 10 %"
    z = np.array([t.z for t in answered])
    inside = np.array([t.inside for t in answered]).mean(0)
    assert np.isfinite(z).all()
    assert (inside[:, 0] >= bounds68[0]).all() and (inside[:, 0] <= bounds68[1]).all(), inside
    assert (inside[:, 1] >= bounds95[0]).all() and (inside[:, 1] <= bounds95[1]).all(), inside
    assert (np.abs(z.mean(0)) < bias).all(), z.mean(0)
    # The negative control: intervals of that share of the width would be seen to be too narrow.
    assert ((np.abs(z) < narrow).mean(0) < bounds68[0]).all()


@pytest.mark.parametrize("kind", ["plain", pytest.param("zeta", marks=pytest.mark.slow)])
def test_intervals_cover_in_20_sets(kind):
    # Over 20 sets a share of 68 % scatters by 10 %, one of 95 % by 5 %, a mean z by 0.22.
    check(trials(kind, 20), (0.45, 0.92), (0.8, 1.0), 0.65, narrow=1 / 4)


def test_intervals_of_few_networks_cover():
    # Over 12 sets they scatter by 13 %, 6 % and 0.29.
    check(trials("networks 5", 12), (0.4, 1.0), (0.75, 1.0), 0.85, narrow=1 / 4)


def test_curves_that_do_not_depend_on_size_do_not_cross():
    assert sum(t.verdict == "crossing" for t in trials("flat", 40)) <= 3


def test_crossings_of_five_sigma_at_the_edges_are_found():
    assert sum(t.verdict == "crossing" for t in trials("edges", 20)) >= 18


@pytest.mark.slow
@pytest.mark.timeout(4000)
@pytest.mark.parametrize("kind", ["plain", "zeta", "corrected", "omega", "networks 5", "networks 10"])
def test_intervals_cover_in_300_sets(pool, kind):
    check(trials(kind, 300, pool), (0.60, 0.76), (0.91, 0.98), 0.2)


@pytest.mark.slow
@pytest.mark.timeout(4000)
def test_corrections_that_are_not_modelled_are_said(pool):
    found = [t for t in trials("uncorrected", 300, pool) if t.z]
    wrong = [t for t in found if max(abs(z) for z in t.z) > 3]
    assert sum(t.warned for t in wrong) >= 0.85 * len(wrong)
    # The negative control: a remark that is always made would say nothing.
    assert sum(t.warned for t in trials("plain", 300, pool)) <= 0.55 * 300


@pytest.mark.slow
@pytest.mark.timeout(4000)
def test_false_alarms_and_power_in_300_sets(pool):
    assert sum(t.verdict == "crossing" for t in trials("flat", 300, pool)) <= 15
    assert sum(t.verdict == "crossing" for t in trials("edges", 300, pool)) >= 285
