"""Stacked weights are recognised, and what is not stacked over replicas is refused."""

from __future__ import annotations

import numpy as np
import pytest

from physnn.analysis.replicas.layers import Layer, copied, replica_count, trained_arrays
from physnn.errors import InputError

WEIGHTS = {
    "first.weight": np.ones((4, 3, 2)),
    "first.bias": np.ones((4, 3)),
    "norm.weight": np.ones((4, 3)),
    "norm.running_mean": np.ones((4, 3)),
    "norm.running_var": np.ones((4, 3)),
    "norm.num_batches_tracked": np.arange(4),
    "last.weight": np.ones((4, 1, 3)),
}
CHAIN = (Layer("first", norm="norm"), Layer("last", "none"))


def test_replicas_and_trained_arrays():
    assert replica_count(WEIGHTS) == 4
    assert list(trained_arrays(WEIGHTS)) == ["first.weight", "first.bias", "norm.weight", "last.weight"]


@pytest.mark.parametrize(
    "weights", [{}, {"a.weight": np.ones((3, 2)), "a.bias": np.ones(3)}, {"a": np.ones((3, 2)), "b": np.ones((2, 2))}]
)
def test_what_is_not_stacked_is_refused(weights):
    with pytest.raises(InputError, match="leading axis of replicas"):
        replica_count(weights)


def test_diverged_replicas_are_refused():
    with pytest.raises(InputError, match="diverged"):
        replica_count({"a.weight": np.array([[[1.0, np.inf]]])})


@pytest.mark.parametrize(("given", "kept"), [("f4", "f4"), ("f8", "f8"), ("f2", "f4"), ("i8", "f8")])
def test_copies_keep_single_precision(given, kept):
    weights = {k: np.asfortranarray(a.astype(given)) for k, a in WEIGHTS.items()}
    found = copied(weights, CHAIN)
    assert found["first.weight"].dtype == kept and found["first.weight"].flags.c_contiguous
    assert not any(np.shares_memory(found[k], weights[k]) for k in weights)


def test_only_tanh_units_without_max_pooling_have_signs():
    layers = [Layer("x", a, p) for a in ("relu", "tanh") for p in ("none", "max", "mean")]
    assert [layer.signs for layer in layers] == [False] * 3 + [True, False, True]
