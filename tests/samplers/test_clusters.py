"""Clusters on lattices of several words a row, against transfer matrices."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physnn import rng
from physnn.exact.ising.transfer import ising_transfer
from physnn.models import Ising, Potts
from physnn.samplers import SAMPLERS, State, advance, start, thermalise
from tests.samplers.test_exact import WrongSwendsenWang, WrongWolff
from tests.synthetic.lattice_exact import configurations, energy_and_order

CLUSTERS = ["wolff", "swendsen-wang"]
SHAPES = [(3, 64), (2, 65), (4, 130), (130, 3), (5, 193)]
"""One whole word, one bit more, and lattices in which clusters reach over several words."""


def measured(sampler, model, shape, T, n=4000):
    """Measurements of a chain, a sweep apart."""
    state = start(sampler, model, shape, T, rng.seed_sequence(0, "synthetic", "wide", *shape))
    interval = thermalise(sampler, model, T, state, 300)
    return advance(sampler, model, T, state, n, interval)


def z_score(series, exact, bins=50):
    """Distance of a mean from its exact value, in errors from bins."""
    means = series[: len(series) // bins * bins].reshape(bins, -1).mean(axis=1)
    return (means.mean() - exact) / (means.std(ddof=1) / math.sqrt(bins))


@pytest.mark.parametrize("name", CLUSTERS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_clusters_over_several_words_agree_with_transfer_matrices(name, shape):
    T = 1.7
    exact, rows = ising_transfer(shape, T), measured(SAMPLERS[name], Ising(), shape, T)
    assert abs(z_score(rows["energy"], exact["energy"])) < 4
    assert abs(z_score(rows["m2"], exact["m2"])) < 4
    assert abs(z_score(rows["m4"], exact["m4"])) < 4
    longest = "structure_x" if shape[1] > shape[0] else "structure_y"
    assert abs(z_score(rows[longest], exact["s_kmin"])) < 4


@pytest.mark.parametrize("wrong", [WrongWolff(0.98), WrongSwendsenWang(0.98)], ids=["wolff", "swendsen-wang"])
def test_bonds_that_are_a_little_too_weak_are_seen(wrong):
    exact, rows = ising_transfer((4, 130), 1.7), measured(wrong, Ising(), (4, 130), 1.7, 20_000)
    assert abs(z_score(rows["energy"], exact["energy"])) > 6


def two_rows(q, J, length, T):
    """Energy -J per like bond and site of a torus of two rows, each site with two bonds to the other row.

    By its transfer matrix, along the rows.
    """

    def log_z(beta):
        a, b = np.indices((q, q)).reshape(2, -1)
        same = 2 * (a == b)
        bonds = (a[:, None] == a) * 1.0 + (b[:, None] == b) + (same[:, None] + same) / 2
        values = np.linalg.eigvalsh(np.exp(beta * J * bonds))
        top = values.max()
        return length * math.log(top) + math.log(((values / top) ** length).sum())

    step = 1e-4
    return -(log_z(1 / T + step) - log_z(1 / T - step)) / (2 * step) / (2 * length)


@pytest.mark.parametrize("name", CLUSTERS)
@pytest.mark.parametrize("q", [3, 4])
def test_potts_clusters_over_several_words_agree_with_transfer_matrices(name, q):
    T = 0.7
    rows = measured(SAMPLERS[name], Potts(q), (2, 130), T)
    assert abs(z_score(rows["energy"], two_rows(q, 1, 130, T))) < 4
    assert abs(z_score(rows["energy"], two_rows(q, 1, 130, 1.02 * T))) > 6, "two per cent of temperature are seen"


@pytest.mark.parametrize("name", CLUSTERS)
@pytest.mark.parametrize("length", [65, 130])
def test_antiferromagnets_over_several_words_agree_with_transfer_matrices(name, length):
    """An odd length frustrates them."""
    T, model = 1.5, Ising(-1.0)
    rows = measured(SAMPLERS[name], model, (2, length), T)
    assert abs(z_score(rows["energy"], model.offset + two_rows(2, model.bond, length, T))) < 4
    assert abs(z_score(rows["energy"], model.offset + two_rows(2, model.bond, length, 1.02 * T))) > 6


@pytest.mark.parametrize("name", CLUSTERS)
def test_without_disorder_a_lattice_is_one_cluster(name):
    state = start(SAMPLERS[name], Ising(), (5, 70), 1e-3, rng.seed_sequence(0, "synthetic", "frozen"))
    for _ in range(20):
        advance(SAMPLERS[name], Ising(), 1e-3, state, 1)
        assert len(np.unique(state.colours)) == 1


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_state_of_one_generator_is_refused(name):
    state = State(np.zeros((4, 4), np.int8), np.arange(1, 5, dtype=np.uint64))
    with pytest.raises(Exception, match="chain of an earlier version cannot go on"):
        advance(SAMPLERS[name], Ising(), 2.0, state, 1)


def exact_means(model, shape, T):
    """Exact m2, m4, structure_x and structure_y, by enumeration."""
    colours = configurations(model.q, *shape)
    energy, m2 = energy_and_order(model, colours)
    weight = np.exp(-(energy - energy.min()) / T)
    density = np.stack([colours == a for a in range(model.q)])
    waves = (np.abs(np.fft.fft2(density)) ** 2).sum(0) * model.q / (model.q - 1) / math.prod(shape)
    return [float((weight * f).sum() / weight.sum()) for f in (m2, m2**2, waves[:, 0, 1], waves[:, 1, 0])]


IMPROVED = [
    (Ising(), (4, 4), 2.27),
    (Ising(), (2, 5), 3.0),
    (Ising(-1.0), (3, 3), 2.0),
    (Ising(-1.0), (4, 4), 2.5),
    (Potts(3), (3, 3), 1.0),
    (Potts(4), (4, 2), 0.9),
]


@pytest.mark.parametrize(("model", "shape", "T"), IMPROVED, ids=str)
def test_improved_estimators_have_exact_means_and_smaller_errors(model, shape, T):
    rows = measured(SAMPLERS["swendsen-wang"], model, shape, T, 100_000)
    for name, exact in zip(("m2", "m4", "structure_x", "structure_y"), exact_means(model, shape, T), strict=True):
        improved = rows[f"{name}_improved"]
        assert abs(z_score(improved, exact)) < 4
        assert abs(z_score(1.1 * improved, exact)) > 5, "ten per cent are seen"
        assert improved.std() < 0.95 * rows[name].std()


def test_improved_estimators_over_several_words_agree_with_transfer_matrices():
    rows, exact = measured(SAMPLERS["swendsen-wang"], Ising(), (4, 130), 1.7), ising_transfer((4, 130), 1.7)
    for name, value in (("m2", exact["m2"]), ("m4", exact["m4"]), ("structure_x", exact["s_kmin"])):
        assert abs(z_score(rows[f"{name}_improved"], value)) < 4
        assert rows[f"{name}_improved"].std() < 0.95 * rows[name].std()
