"""Principal components are those of the covariance; UMAP is seeded; too few replicas are refused."""

from __future__ import annotations

import inspect
import sys
from importlib import import_module

import numba
import numpy as np
import pytest
from threadpoolctl import threadpool_info

from physnn import rng
from physnn.analysis.replicas.embedding import Reduction, principal_components, reduced
from physnn.errors import InputError


def points(replicas=30, weights=200, name="points"):
    g = rng.stream(0, "synthetic", "embedding", name)
    return g.normal(size=(replicas, 3)) @ g.normal(size=(3, weights)) * 3 + g.normal(size=(replicas, weights)) + 5


def test_no_reduction_gives_the_points():
    x = points()
    assert reduced(x, Reduction()) is x


@pytest.mark.parametrize("shape", [(30, 200), (30, 20)])
def test_principal_components_are_those_of_the_covariance(shape):
    x = points(*shape)
    scores = reduced(x, Reduction("pca", 5))
    values, vectors = np.linalg.eigh(np.cov(x.T))
    exact = (x - x.mean(axis=0)) @ vectors[:, ::-1][:, :5]
    assert np.allclose(scores.var(axis=0, ddof=1), values[::-1][:5])
    assert np.allclose(np.abs(scores), np.abs(exact), atol=1e-9)
    assert (scores.max(axis=0) > -scores.min(axis=0)).all()
    assert np.allclose(principal_components(x[::-1], 5), scores[::-1], atol=1e-9)


def test_principal_components_of_single_precision():
    x = points()
    single = principal_components(x.astype(np.float32), 3)
    assert single.dtype == np.float64
    assert np.allclose(single, principal_components(x, 3), atol=1e-4)


@pytest.mark.parametrize(
    ("method", "replicas", "most"), [("pca", 100, 99), ("umap", 101, 99), ("pca", 9, 8), ("umap", 9, 7)]
)
def test_too_few_replicas_are_refused(method, replicas, most):
    with pytest.raises(InputError) as caught:
        reduced(points(replicas, 300), Reduction(method))
    message = str(caught.value)
    assert message.startswith(f"100 components of {method} need at least") and "\n" not in message
    assert message.endswith(f"ask for at most {most} components")


def test_as_many_components_as_there_can_be():
    x = points(9, 20)
    scores = reduced(x, Reduction("pca", 8))
    assert scores.shape == (9, 8) and scores.std(axis=0).min() > 0.1


def test_other_refusals():
    with pytest.raises(InputError, match="unknown reduction 'tsne'; known: none, pca, umap"):
        Reduction("tsne")
    with pytest.raises(InputError, match="at least one component"):
        Reduction("pca", 0)
    with pytest.raises(InputError, match="neighbours"):
        Reduction("umap", neighbours=1)
    with pytest.raises(InputError, match="least distance"):
        Reduction("umap", least_distance=2.0)
    with pytest.raises(InputError, match="20 weights do not reduce to 25"):
        reduced(points(30, 20), Reduction("pca", 25))


def test_without_umap_the_way_to_get_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(InputError, match=r"pip install 'physnn\[embed\]'"):
        reduced(points(), Reduction("umap", 3))


@pytest.fixture
def umap(monkeypatch):
    """UMAP whose libraries compile what is called: as they load, half a minute goes into what large sets alone need."""
    compiled = numba.njit
    with monkeypatch.context() as patch:
        # A signature is what asks for code at once; the function, if it is among the arguments, is no signature.
        patch.setattr(numba, "njit", lambda *args, **how: compiled(*filter(inspect.isfunction, args), **how))
        pytest.importorskip("umap")


def test_umap_is_seeded_and_keeps_clusters(umap, monkeypatch):
    """Two clusters far apart stay apart."""
    import_module("torch")
    # Some of its functions take longest to compile and little to run; others are left to start threads.
    for name in ("fast_knn_indices", "smooth_knn_dist", "compute_membership_strengths"):
        compiled = getattr(import_module("umap.umap_"), name)
        monkeypatch.setattr(f"umap.umap_.{name}", getattr(compiled, "py_func", compiled))
    before = {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "openmp"}
    x = points(40, 50, "clusters")
    x[20:] += 100
    way = Reduction("umap", 4, neighbours=8, seed=3)
    one = reduced(x, way)
    assert one.shape == (40, 4) and np.isfinite(one).all()
    assert np.array_equal(one, reduced(x, way))
    assert not np.array_equal(one, reduced(x, Reduction("umap", 4, neighbours=8, seed=4)))
    assert not np.array_equal(one, reduced(x, Reduction("umap", 4, neighbours=12, seed=3)))
    apart = np.linalg.norm(one[:, None] - one, axis=2)
    assert apart[:20, 20:].min() > apart[:20, :20].max()
    # It shares OpenMP with tensor operations, whose results depend on the number of threads.
    assert {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "openmp"} <= before
    # No more neighbours than there are.
    assert reduced(x[:8], Reduction("umap", 3)).shape == (8, 3)
