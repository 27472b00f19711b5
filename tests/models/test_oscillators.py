from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import cauchy, kstest, norm, uniform

from physnn import rng
from physnn.errors import InputError
from physnn.models.oscillators import Frequencies, Network, graph_of, read_frequencies, read_graph

DENSITIES = {"lorentzian": cauchy(scale=0.5), "gaussian": norm(scale=0.5), "uniform": uniform(-0.5, 1.0)}


@pytest.mark.parametrize("name", DENSITIES)
def test_frequencies_have_their_distribution_and_critical_coupling(name):
    g, found = DENSITIES[name], Frequencies(name, 0.5)
    drawn = found.draw(20_000, rng.stream(0, "synthetic", name))
    assert kstest(drawn, g.cdf).pvalue > 1e-3
    assert kstest(drawn + 0.05, g.cdf).pvalue < 1e-3
    regular = Frequencies(name, 0.5, regular=True).draw(1000, rng.stream(0, "synthetic"))
    assert np.allclose(g.cdf(regular), (np.arange(1000) + 0.5) / 1000)
    assert math.isclose(found.critical_coupling(), 2 / (math.pi * g.pdf(0)))
    for D in (0.1, 2.0):
        # The integral of g(w) D / (D^2 + w^2), with w = D tan(a).
        a = math.pi * ((np.arange(10**6) + 0.5) / 10**6 - 0.5)
        assert math.isclose(found.critical_coupling(D), 2 / (math.pi * g.pdf(D * np.tan(a)).mean()), rel_tol=1e-5)
    assert Frequencies("equal").critical_coupling(0.3) == 0.6
    assert not Frequencies("equal").draw(5, rng.stream(0, "synthetic")).any()


def test_a_graph_is_read_with_its_weights(tmp_path):
    path = tmp_path / "edges.txt"
    path.write_text("# node node weight\n0 1 2\n2, 1, 0.5 # half\n\n")
    graph, digest = read_graph(path)
    assert graph.nodes == 3 and len(digest) == 64
    assert graph.starts.tolist() == [0, 1, 3, 4]
    assert graph.ends.tolist() == [1, 0, 2, 1] and graph.weights.tolist() == [2, 2, 0.5, 0.5]
    path.write_text("0.25\n-1e3\n")
    assert read_frequencies(path)[0].tolist() == [0.25, -1000]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 1\n1 0", "named twice"),
        ("0 0", "to itself"),
        ("0 1.5", "whole numbers"),
        ("0 -1", "from 0"),
        ("0 1 nan", "not a list"),
        ("0 1 2 3", "not a list"),
        ("0 1\n1", "lines have 1 and 2 numbers"),
        ("a b", "cannot be read"),
        ("0 10000", "without gaps"),
        ("", "not a list"),
    ],
)
def test_what_is_no_graph_is_refused(text, said, tmp_path):
    path = tmp_path / "edges.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_graph(path)


def test_what_makes_no_sense_is_refused(tmp_path):
    for settings, said in (({"name": "cauchy"}, "no distribution"), ({"width": -1.0}, "positive")):
        with pytest.raises(InputError, match=said):
            Frequencies(**settings)
    for network, n, said in (
        (Network("square"), 12, "L\\^2"), (Network("square"), 4, "L = 3"), (Network(), 1, "two oscillators"),
        (graph_of(np.array([[0, 1]])), 3, "2 nodes"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said):
            network.check(n)
    with pytest.raises(InputError, match="every edge has one weight"):
        graph_of(np.array([[0, 1]]), np.ones(2))
