"""Errors of means over pairs cover; errors that take pairs for independent do not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from physnn import rng
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.pairs import (
    LEAST_REPLICAS,
    as_pairs,
    pair_mean,
    pair_values,
    resampled_means,
    variances,
    weighted_means,
)
from physnn.analysis.statistics.resampling import redrawn
from physnn.errors import InputError

SETS = 1000


def location(g, R):
    """Distances of normal numbers: most of the scatter is common to all pairs of a replica."""
    return squareform(pdist(g.normal(size=(R, 1)), "cityblock")), 2 / np.sqrt(np.pi)


def widths(g, R):
    """Distances of |a^2 - b^2|: heavy tails."""
    return squareform(pdist(g.normal(size=(R, 1)) ** 2, "cityblock")), 4 / np.pi


def overlaps(g, R):
    """Cosines of random vectors, each pair's independent of all others'."""
    x = g.normal(size=(R, 30))
    x /= np.linalg.norm(x, axis=1)[:, None]
    return x @ x.T, 0.0


def single(g, R):
    """A number of its own for every pair."""
    return squareform(g.normal(size=R * (R - 1) // 2)) + 5, 5.0


def ensembles(make, R, seed):
    g = rng.stream(seed, "synthetic", "pairs", make.__name__, R)
    return [make(g, R) for _ in range(SETS)]


LEVELS = {location: (0.64, 0.72), widths: (0.52, 0.69), overlaps: (0.65, 0.79), single: (0.65, 0.79)}


@pytest.mark.parametrize("R", [10, 30])
@pytest.mark.parametrize("make", LEVELS)
def test_errors_cover(make, R):
    """1000 ensembles: 68.3 +- 1.5 %; of heavy tails less, as for every mean; more where only pairs scatter."""
    found = [(pair_mean(matrix), exact) for matrix, exact in ensembles(make, R, 1)]
    z = np.array([(f.value - exact) / f.error for f, exact in found])
    assert LEVELS[make][0] < np.mean(np.abs(z) < 1) < LEVELS[make][1]
    inside = [f.interval()[0] < exact < f.interval()[1] for f, exact in found]
    assert (0.74 if make is widths else 0.87) < np.mean(inside) < 0.995


def test_the_variance_has_no_bias():
    """Of 1000 ensembles of 10 normal numbers: within 3 sigma of the scatter of their means."""
    found = [pair_mean(matrix) for matrix, _ in ensembles(location, 10, 1)]
    scatter = np.var([f.value for f in found], ddof=1)
    stated = (np.array([f.error for f in found]) / Estimate.student(0, 1, 9).error) ** 2
    error = np.hypot(stated.std() / np.sqrt(SETS), scatter * np.sqrt(2 / SETS))
    assert abs(stated.mean() - scatter) < 3 * error


@pytest.mark.parametrize("R", [10, 30])
@pytest.mark.parametrize("make", [location, widths])
def test_errors_over_pairs_do_not_cover(make, R):
    """Negative control: the standard error of R (R - 1) / 2 numbers, as if they were independent."""
    covered = []
    for matrix, exact in ensembles(make, R, 2):
        data = pair_values(matrix)
        covered.append(abs(data.mean() - exact) < data.std(ddof=1) / np.sqrt(len(data)))
    assert np.mean(covered) < (0.45 if R == 10 else 0.3)


def test_plain_resampling_is_too_wide_where_only_pairs_scatter():
    """Negative control for the scaling of resamples: sqrt(3) times the error, for overlaps of random vectors."""
    R, g = 30, rng.stream(3, "bootstrap", "plain")
    exact = 1 / np.sqrt(30 * R * (R - 1) / 2)
    spreads = []
    for matrix, _ in ensembles(overlaps, R, 3)[:200]:
        scaled, plain = resampled_means(matrix, 200, g), weighted_means(as_pairs(matrix), redrawn(R, 200, g))
        spreads.append([scaled.var(), plain.var()])
    scaled, plain = np.sqrt(np.mean(spreads, axis=0)) / exact
    assert 0.95 < scaled < 1.25 and 1.6 < plain < 1.9


def test_the_error_is_that_of_redrawn_replicas():
    """Where replicas scatter, for 100 of them: the bootstrap without scaling agrees to 10 %."""
    d, _ = location(rng.stream(3, "synthetic", "bootstrap"), 100)
    plain = weighted_means(as_pairs(d), redrawn(100, 4000, rng.stream(3, "bootstrap", "pairs"))).std()
    assert abs(plain / pair_mean(d).error - 1) < 0.1


def test_errors_of_functions_cover():
    """The variance of distances, from two means over pairs."""
    z = []
    for d, _ in ensembles(location, 60, 4)[:500]:
        found = pair_mean(d, d * d, function=lambda m1, m2: m2 - m1**2)
        z.append((found.value - (2 - 4 / np.pi)) / found.error)
    assert 0.6 < np.mean(np.abs(z) < 1) < 0.74


def test_the_mean_is_over_pairs_and_resamples_spread_by_the_error():
    d, _ = location(rng.stream(5, "synthetic", "mean"), 25)
    found, samples = pair_mean(d), resampled_means(d, 1000, rng.stream(5, "bootstrap", "pairs"))
    assert np.isclose(found.value, pair_values(d).mean(), rtol=1e-14)
    assert found.dof == 24
    assert np.isclose(Estimate.student(0, samples.std(ddof=1), 24).error, found.error, rtol=0.02)
    assert abs(samples.mean() - found.value) < 0.2 * found.error


def test_weights_count_replicas():
    """A replica that counts twice is as two replicas, but for the pair that they make."""
    d, _ = location(rng.stream(6, "synthetic", "weights"), 8)
    counts = np.array([[2.0, 1, 1, 1, 1, 1, 1, 0]])
    rows = [0, 0, 1, 2, 3, 4, 5, 6]
    twice = d[np.ix_(rows, rows)]
    keep = ~np.eye(8, dtype=bool)
    keep[0, 1] = keep[1, 0] = False
    assert np.isclose(weighted_means(d, counts)[0], twice[keep].mean())


def test_the_variance_proper_to_pairs():
    g = rng.stream(7, "synthetic", "residual")
    r = 3 * g.normal(size=60)
    c = squareform(g.normal(size=60 * 59 // 2))
    d = 10 + r[:, None] + r + 0.5 * c
    np.fill_diagonal(d, 0)
    of_replicas, of_pairs = variances(d)
    assert abs(of_pairs / 0.25 - 1) < 4 * np.sqrt(2 / (60 * 57 / 2))
    assert np.isclose(of_replicas, r.var(ddof=1), rtol=0.05)
    only = 10 + r[:, None] + r
    np.fill_diagonal(only, 0)
    assert np.allclose(variances(only), (r.var(ddof=1), 0), atol=1e-12)


def test_equal_pairs_have_no_error():
    for value in (0.0, 2.5):
        equal = np.full((10, 10), value)
        assert pair_mean(equal).value == value and pair_mean(equal).error < 1e-15
        assert np.allclose(resampled_means(equal, 10, rng.stream(8, "bootstrap", "pairs")), value, atol=1e-14)


def test_resamples_of_one_replica_alone_are_drawn_again():
    d, _ = location(rng.stream(9, "synthetic", "alone"), LEAST_REPLICAS)
    assert np.isfinite(resampled_means(d, 100, Alone(rng.stream(9, "bootstrap", "pairs")))).all()


class Alone:
    """A generator whose first table of counts begins with two rows of one replica."""

    def __init__(self, generator):
        self.generator, self.first = generator, True

    def multinomial(self, n, p, size):
        counts = self.generator.multinomial(n, p, size=size)
        if self.first:
            counts[:2] = 0
            counts[:2, 3] = n
        self.first = False
        return counts


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((9, 8)), "square"),
        (np.ones(9), "square"),
        (np.ones((7, 7)), "too few"),
        (np.triu(np.ones((9, 9))), "symmetric"),
        (np.full((9, 9), np.nan), "finite"),
    ],
)
def test_what_is_no_matrix_over_pairs_is_refused(matrix, message):
    with pytest.raises(InputError, match=message):
        as_pairs(matrix)


def test_matrices_over_other_pairs_and_too_few_resamples_are_refused():
    with pytest.raises(InputError, match="same pairs"):
        pair_mean(np.ones((9, 9)), np.ones((10, 10)))
    with pytest.raises(InputError, match="2 resamples"):
        resampled_means(np.ones((9, 9)), 1, rng.stream(0, "bootstrap", "pairs"))
