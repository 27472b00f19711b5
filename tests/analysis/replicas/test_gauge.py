"""Gauge transformations keep what a network computes; the canonical form is one for all of them; alignment undoes them.

Networks are evaluated by torch, in double precision.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from physnn import rng
from physnn.analysis.replicas.distances import euclid, flatten, wasserstein
from physnn.analysis.replicas.gauge import aligned, canonical, permute_units, scale_units
from physnn.analysis.replicas.layers import Layer
from physnn.errors import InputError
from tests.synthetic.replicas import random_gauge


def conv_chain(activation, pool, norm=False):
    """Two convolutions, one hidden dense layer, one output layer, for images of 2 x 8 x 8."""
    return (
        Layer("first", activation, pool, norm="norms.0" if norm else ""),
        Layer("second", activation, pool, norm="norms.1" if norm else ""),
        Layer("hidden", activation, positions=4),
        Layer("output", "none", norm="norms.2" if norm else ""),
    )


CHAINS = {
    "relu, max": conv_chain("relu", "max"),
    "relu, mean": conv_chain("relu", "mean"),
    "relu, max, norm": conv_chain("relu", "max", norm=True),
    "tanh, mean": conv_chain("tanh", "mean"),
    "tanh, max": conv_chain("tanh", "max"),
    "tanh, mean, norm": conv_chain("tanh", "mean", norm=True),
    "tanh, max, norm": conv_chain("tanh", "max", norm=True),
}
SHAPES = {"first": (5, 2, 3, 3), "second": (6, 5, 3, 3), "hidden": (7, 24), "output": (3, 7)}


def networks(chain, replicas, seed=0):
    g = rng.stream(seed, "synthetic", "gauge", len(chain[0].norm), replicas)
    weights = {}
    for layer in chain:
        shape = (replicas, *SHAPES[layer.name])
        weights[f"{layer.name}.weight"] = g.normal(size=shape) / np.sqrt(np.prod(shape[2:]))
        weights[f"{layer.name}.bias"] = 0.3 * g.normal(size=shape[:2])
        if layer.norm:
            weights |= {f"{layer.norm}.{part}": g.normal(size=shape[:2]) for part in ("weight", "bias", "running_mean")}
            weights[f"{layer.norm}.running_var"] = g.uniform(0.5, 2, shape[:2])
    return weights


def outputs(weights, chain, training=False):
    """Logits of each replica for 20 images, shape (replicas, 20, 3)."""
    images = torch.tensor(rng.stream(9, "synthetic", "images").normal(size=(20, 2, 8, 8)))
    pools = {"max": functional.max_pool2d, "mean": functional.avg_pool2d, "none": lambda x, _: x}
    acts = {"relu": torch.relu, "tanh": torch.tanh, "none": lambda x: x}
    answers = []
    for r in range(len(weights["first.weight"])):
        w = {name: torch.tensor(a[r]) for name, a in weights.items()}
        x = images
        for layer in chain:
            weight, bias = w[f"{layer.name}.weight"], w[f"{layer.name}.bias"]
            x = functional.conv2d(x, weight, bias, padding=1) if weight.ndim == 4 else x.flatten(1) @ weight.T + bias
            if layer.norm:
                parts = [w[f"{layer.norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
                x = functional.batch_norm(x, *parts, training=training)
            x = pools[layer.pool](acts[layer.activation](x), 2)
        answers.append(x.numpy())
    return np.array(answers)


def copies(chain, number, seed=0):
    """Copies of one network, each in a gauge of its own."""
    one = networks(chain, 1, seed)
    same = {name: np.repeat(a, number, axis=0) for name, a in one.items()}
    return same, random_gauge(same, chain, rng.stream(seed, "synthetic", "gauges"))


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("training", [False, True])
def test_a_random_gauge_keeps_the_function(name, training):
    chain = CHAINS[name]
    weights = networks(chain, 4)
    before = outputs(weights, chain, training)
    moved = random_gauge(weights, chain, rng.stream(1, "synthetic", "gauges"))
    assert np.abs(outputs(moved, chain, training) - before).max() < 1e-11 * max(1, np.abs(before).max())
    assert all(np.abs(moved[f"{layer.name}.weight"] - weights[f"{layer.name}.weight"]).max() > 0.05 for layer in chain)


@pytest.mark.parametrize("change", ["signs under max-pooling", "signs of relu", "scales of tanh", "order of one layer"])
def test_what_is_no_symmetry_changes_the_function(change):
    """Negative controls."""
    chain = CHAINS["relu, max"] if "relu" in change else CHAINS["tanh, max"]
    weights = networks(chain, 1)
    before = outputs(weights, chain)
    if "signs" in change:
        scale_units(weights, chain, 0, np.array([[-1.0, 1, 1, 1, 1]]))
    elif "scales" in change:
        scale_units(weights, chain, 0, np.array([[2.0, 1, 1, 1, 1]]))
    else:
        weights["first.weight"] = weights["first.weight"][:, ::-1].copy()
    assert np.abs(outputs(weights, chain) - before).max() > 1e-3


@pytest.mark.parametrize("name", CHAINS)
def test_the_canonical_form_keeps_the_function_and_is_one_for_all_gauges(name):
    chain = CHAINS[name]
    same, moved = copies(chain, 8)
    fixed = canonical(moved, chain)
    assert np.abs(outputs(fixed, chain) - outputs(same, chain)).max() < 1e-11
    for array in fixed.values():
        assert np.abs(array - array[:1]).max() < 1e-11 * max(1, np.abs(array).max())
    again = canonical(fixed, chain)
    assert all(np.allclose(again[k], fixed[k], rtol=1e-12, atol=1e-12) for k in fixed)
    assert euclid(flatten(moved))[0, 1:].min() > 0.1


@pytest.mark.parametrize("norm", [False, True])
def test_the_canonical_form_is_as_described(norm):
    chain = conv_chain("relu", "max", norm)
    fixed = canonical(networks(chain, 3), chain)
    first = [fixed[n] for n in chain[0].affine]
    assert np.allclose(sum(np.sum(a.reshape(3, 5, -1) ** 2, axis=2) for a in first), 1)
    if norm:
        assert all(fixed[f"norms.{k}.weight"].min() >= 0 for k in range(3))
        assert all(not fixed[f"{name}.bias"].any() for name in ("first", "second", "output"))
    key = sum(fixed[n].reshape(3, 5, -1).sum(axis=2) for n in chain[0].trained)
    assert (np.diff(key, axis=1) > 0).all()


def test_signs_of_tanh_units():
    chain = conv_chain("tanh", "mean", norm=True)
    fixed = canonical(networks(chain, 3), chain)
    incoming = fixed["first.weight"].reshape(3, 5, -1)
    assert (incoming.max(axis=2) > -incoming.min(axis=2)).all()
    assert fixed["norms.0.weight"].min() > 0


@pytest.mark.parametrize("name", CHAINS)
def test_alignment_recovers_a_gauge(name):
    """Of copies with a little noise too, where the order of the canonical form may differ."""
    chain = CHAINS[name]
    same, moved = copies(chain, 6)
    assert np.abs(outputs(aligned(moved, chain, 2), chain) - outputs(same, chain)).max() < 1e-11
    assert euclid(flatten(aligned(moved, chain)))[0].max() < 1e-11
    g = rng.stream(3, "synthetic", "noise")
    noisy = {k: a * (1 + 0.02 * g.normal(size=a.shape)) for k, a in same.items()}
    found = euclid(flatten(aligned(random_gauge(noisy, chain, g), chain)))[0, 1:]
    plain = euclid(flatten(random_gauge(noisy, chain, g)))[0, 1:]
    assert found.max() < 0.1 < 0.2 < plain.min()


@pytest.mark.parametrize("name", CHAINS)
def test_alignment_raises_the_overlap(name):
    chain = CHAINS[name]
    weights = networks(chain, 10)
    before, after = (euclid(flatten(f(weights, chain)))[4] for f in (canonical, lambda w, c: aligned(w, c, 4)))
    assert (after <= before + 1e-12).all() and after.sum() < 0.98 * before.sum()


def test_raw_weight_lists_do_not_see_permutations_but_scales():
    chain = CHAINS["relu, max"]
    one, other = networks(chain, 1), networks(chain, 1)
    permute_units(other, chain, 1, np.array([[3, 1, 5, 0, 2, 4]]))
    both = {k: np.concatenate([one[k], other[k]]) for k in one}
    assert wasserstein(flatten(both))[0, 1] < 1e-15
    assert euclid(flatten(both))[0, 1] > 0.1
    scale_units(both, chain, 1, np.array([[1.0] * 6, [3.0] * 6]))
    assert wasserstein(flatten(both))[0, 1] > 0.01


def test_units_without_incoming_weights_are_kept():
    chain = CHAINS["relu, max"]
    weights = networks(chain, 2)
    weights["first.weight"][:, 1], weights["first.bias"][:, 1] = 0, 0
    fixed = canonical(weights, chain)
    assert all(np.isfinite(a).all() for a in fixed.values())
    assert np.allclose(outputs(fixed, chain), outputs(weights, chain), atol=1e-12)


def test_single_precision_and_counters_stay_and_arguments_are_not_changed():
    chain = conv_chain("tanh", "mean", norm=True)
    weights = {k: a.astype(np.float32) for k, a in networks(chain, 3).items()}
    weights["norms.0.num_batches_tracked"] = np.array([7, 8, 9])
    kept = {k: a.copy() for k, a in weights.items()}
    for fixed in (
        canonical(weights, chain),
        aligned(weights, chain),
        random_gauge(weights, chain, rng.stream(0, "figure")),
    ):
        assert {k: a.dtype for k, a in fixed.items()} == {k: a.dtype for k, a in weights.items()}
        assert fixed["norms.0.num_batches_tracked"].tolist() == [7, 8, 9]
        drop = [{k: a for k, a in w.items() if not k.endswith("tracked")} for w in (fixed, weights)]
        double = [{k: a.astype(float) for k, a in w.items()} for w in drop]
        assert np.allclose(outputs(double[0], chain), outputs(double[1], chain), atol=1e-4)
    assert all(np.array_equal(kept[k], weights[k]) for k in weights)


def test_copies_of_units_in_a_group_convolution():
    """Maps of the layer before come in pairs of copies, next to each other: they change places together."""
    chain = (Layer("first"), Layer("second", "none", positions=2))
    g = rng.stream(4, "synthetic", "copies")
    weights = {"first.weight": g.normal(size=(1, 3, 4)), "second.weight": g.normal(size=(1, 2, 6))}
    moved = random_gauge(weights, chain, g)
    x = g.normal(size=(10, 4))

    def output(w):
        hidden = np.maximum(x @ w["first.weight"][0].T, 0)
        return np.stack([hidden, hidden**2 / np.linalg.norm(w["first.weight"][0], axis=1)], 2).reshape(10, 6) @ (
            w["second.weight"][0].T
        )

    assert np.allclose(output(moved), output(weights), atol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w, c: (w, ()), "needs the chain"),
        (lambda w, c: (w, c[:-1]), "no layer of the chain has"),
        (lambda w, c: ({k: a for k, a in w.items() if k != "hidden.weight"}, c), "no hidden.weight"),
        (lambda w, c: (w, (*c[:2], Layer("hidden"), c[3])), "has the shape"),
        (lambda w, c: (w | {"hidden.bias": np.zeros((2, 8))}, c), "has the shape"),
        (lambda w, c: (w, (Layer("first", "gelu"), *c[1:])), "activation 'gelu'"),
        (lambda w, c: (w, (Layer("first", "none"), *c[1:])), "activation 'none'"),
        (lambda w, c: (w, (Layer("first", pool="sum"), *c[1:])), "pooling 'sum'"),
        (lambda w, c: (w, (Layer("first", norm="norm"), *c[1:])), "no norm.weight"),
        (lambda w, c: (w | {"hidden.bias": np.full((2, 7), np.nan)}, c), "not finite"),
        (lambda w, c: (w | {"hidden.bias": np.zeros((3, 7))}, c), "leading axis"),
    ],
)
def test_chains_that_do_not_fit_are_refused(change, message):
    chain = CHAINS["relu, max"]
    weights, wrong = change(networks(chain, 2), chain)
    for fix in (canonical, aligned, lambda w, c: random_gauge(w, c, rng.stream(0, "figure"))):
        with pytest.raises(InputError, match=message):
            fix(weights, wrong)


def test_an_unknown_reference_is_refused():
    chain = CHAINS["relu, max"]
    with pytest.raises(InputError, match="from 0 to 1"):
        aligned(networks(chain, 2), chain, 2)
