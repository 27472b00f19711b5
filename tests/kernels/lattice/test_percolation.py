"""Clusters of all configurations of small tori against labels of the unrolled lattice, and random runs."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest
from scipy.ndimage import label

from physnn import rng
from physnn.kernels.lattice import percolation
from physnn.kernels.random import probability_thresholds, seeded
from physnn.samplers.percolation import CLUSTER_QUANTITIES, Occupations, add_runs

COPIES = 5
"""Copies of a small torus in each direction: its paths do not leave them."""
P = (0.3, 0.55, 0.8)


def counted(L, kernel):
    """For every configuration its number of sites, then s, s^2 and other squares, and wrapping, either and both."""
    rows = []
    for bits in range(2 ** (L * L)):
        occupied = np.array([bits >> k & 1 for k in range(L * L)], bool)
        rows.append((occupied.sum(), *kernel(occupied, L)))
    return np.array(rows, float)


def unrolled(occupied, L):
    """Clusters by labels of a tiled lattice without edges in reach: a cluster wraps where it meets its own image."""
    here = slice(COPIES // 2 * L, COPIES // 2 * L + L)
    labels = label(np.tile(occupied.reshape(L, L), (COPIES, COPIES)))[0]
    across = along = False
    middle = labels[here, here]
    joined = {int(one): set() for one in np.unique(middle[middle > 0])}
    for a in range(COPIES):
        for b in range(COPIES):
            image = labels[a * L : a * L + L, b * L : b * L + L]
            same = (middle == image) & (middle > 0)
            across, along = across or (same.any() and b != COPIES // 2), along or (same.any() and a != COPIES // 2)
            for one, other in zip(image[image > 0], middle[image > 0], strict=True):
                if int(one) in joined:  # an image of `other` is in the cluster `one`
                    joined[int(one)].add(int(other))
    sizes, left = [], set(joined)
    while left:
        group, grown = set(), {left.pop()}
        while grown - group:
            group |= grown
            grown = set().union(*(joined[k] for k in group), *({k} for k in joined if joined[k] & group))
        left -= group
        sizes.append(np.isin(middle, list(group)).sum())
    most = max(sizes, default=0)
    return most, most**2, sum(s**2 for s in sizes) - most**2, across or along, across and along


def by(module):
    """Clusters by union-find, sites in the order of the lattice."""

    def kernel(occupied, L):
        nodes, sums = np.empty((L * L, 2), np.int32), np.zeros((5, 1))
        order = np.flatnonzero(occupied).astype(np.int32)
        module["grow"](nodes, order, len(order), L, sums)
        return sums[:, 0]

    return kernel


def plain(change=("", "")):
    """Names of the module without compilation, after a change of its text."""
    text = inspect.getsource(percolation).replace(*change)
    found = {}
    exec(re.sub(r"@njit\(.*\)\n", "", text), found)
    return found


def averages(rows, L, p):
    n = rows[:, :1]
    found = (rows[:, 1:, None] * p ** n[..., None] * (1 - np.array(p)) ** (L * L - n[..., None])).sum(0)
    scale = np.array([L**2, L**4, L**2, 1, 1])[:, None]
    return dict(zip(("largest", "largest_sq", "cluster_size", "wrap_either", "wrap_both"), found / scale, strict=True))


@pytest.fixture(scope="module")
def rows():
    return counted(3, unrolled)


def test_every_configuration_of_nine_sites(rows):
    # An empty lattice has nothing to record: no site is ever added.
    assert np.array_equal(counted(3, by(vars(percolation)))[1:], rows[1:])
    assert np.array_equal(counted(3, by(plain()))[1:], rows[1:])
    assert 0 < rows[:, 5].sum() < rows[:, 4].sum() < 512


@pytest.mark.parametrize(
    "change",
    [
        ("COLUMN_EDGE, ROW_EDGE = 1, 2**16", "COLUMN_EDGE, ROW_EDGE = 0, 0"),
        ("nodes[root, 1] = there, loop", "nodes[root, 1] = there, -loop"),
        ("left -= own", "left += own"),
        ("grown += 2 *", "grown += 1 *"),
    ],
)
def test_planted_mistakes_are_seen(rows, change):
    assert change[0] in inspect.getsource(percolation)
    assert not np.array_equal(counted(3, by(plain(change)))[1:], rows[1:])


@pytest.mark.slow
def test_every_configuration_of_sixteen_sites():
    assert np.array_equal(counted(4, by(vars(percolation)))[1:], counted(4, unrolled)[1:])


def test_canonical_averages_of_all_orders_are_exact(rows):
    at = Occupations(3, P)
    assert (at.first, at.last) == (0, 9)
    assert np.allclose(at.weights.sum(1), 1, rtol=0, atol=1e-14)
    sums = at.nothing()
    for n, *values in rows:
        share = 1 / np.count_nonzero(rows[:, 0] == n)
        sums[:, int(n)] += share * np.array(values)
    sums[percolation.EITHER :] = np.diff(sums[percolation.EITHER :], axis=1, prepend=0)
    for name, values in averages(rows, 3, P).items():
        assert np.allclose(at.averages(sums, 1)[name], values, rtol=0, atol=1e-14), name


def deviations(L, p, asked, exact, runs, bins=64):
    """Distance of random runs at ``p`` from exact averages in errors, by quantity, ``(points,)``."""
    at, generator = Occupations(L, p), seeded(rng.seed_sequence(5, "synthetic", "percolation", L))
    found = []
    for _ in range(bins):
        add_runs(at, runs // bins, generator, sums := at.nothing())
        found.append(at.averages(sums, runs // bins))
    z = {}
    for name, values in exact.items():
        each = np.array([one[name] for one in found])
        z[name] = (each.mean(0) - values) / (each.std(0, ddof=1) / np.sqrt(bins))
    return z


def test_random_runs_agree_with_enumeration(rows):
    exact = averages(rows, 3, P)
    assert set(exact) == set(CLUSTER_QUANTITIES)
    assert all(np.abs(z).max() < 4 for z in deviations(3, P, P, exact, 32_000).values())
    wrong = deviations(3, tuple(1.02 * p for p in P), P, exact, 32_000)
    assert all(np.abs(z).max() > 4 for z in wrong.values()), "a probability that is 2 % off is seen"


def test_early_sites_in_the_order_of_the_lattice_change_no_average():
    L, first, counts = 12, 60, 40
    at = {}
    for early in (0.0, 0.3):
        sums, generator = [], seeded(rng.seed_sequence(1, "synthetic", "early", early))
        for _ in range(40):
            sums.append(np.zeros((5, counts)))
            percolation.run_percolation(L, first, probability_thresholds(np.array(early))[()], 200, generator, sums[-1])
        each = np.array(sums)[:, :3, ::13] / 200
        at[early] = each.mean(0), each.var(0, ddof=1) / 40
    z = (at[0.3][0] - at[0.0][0]) / np.sqrt(at[0.3][1] + at[0.0][1])
    assert np.abs(z).max() < 4
    order, generator = np.empty(L * L, np.int32), seeded(rng.seed_sequence(1, "synthetic", "early"))
    early = percolation.arrange(order, first, probability_thresholds(np.array(0.3))[()], generator)
    assert 20 < early <= first and (np.diff(order[:early]) > 0).all()
    assert np.array_equal(np.sort(order), np.arange(L * L))


P_C = 0.59274605
EXACT = {"wrap_either": 0.690473725, "wrap_both": 0.351642855}
"""M. E. J. Newman and R. M. Ziff (2001), wrapping after H. T. Pinson, J. Stat. Phys. 75 (1994) 1167."""


def test_wrapping_at_the_critical_point_is_pinsons():
    z = deviations(64, (P_C, P_C + 0.01), (P_C,), {k: np.array([v, v]) for k, v in EXACT.items()}, 6400)
    assert all(abs(values[0]) < 4 for values in z.values())
    assert all(values[1] > 10 for values in z.values()), "another p is seen"


def test_where_runs_are_cut_changes_nothing():
    at = Occupations(16, (0.59, 0.6))
    whole, parts = at.nothing(), at.nothing()
    one, other = (seeded(rng.seed_sequence(2, "synthetic", "cut")) for _ in range(2))
    assert add_runs(at, 50, one, whole) == 50
    assert add_runs(at, 17, other, parts) == 17
    assert add_runs(at, 33, other, parts, seconds=0.0) == 1
    add_runs(at, 32, other, parts)
    assert np.array_equal(whole, parts) and np.array_equal(one, other)


def test_windings_of_both_edges_are_told_apart():
    edges = percolation.COLUMN_EDGE, percolation.ROW_EDGE
    for a in (-40, -1, 0, 3):
        for b in (-7, 0, 1, 40):
            assert percolation.windings(a * edges[0] + b * edges[1]) == (a, b)
