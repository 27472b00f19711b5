"""Compiled losses and gradients of differential equations against nested automatic differentiation in torch."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from physnn import rng
from physnn.networks.pde.equations import ALL_SPACE, Derivative, Equation, PointSet, Sizes, Term, laplacian
from physnn.networks.pde.jets import KernelEngine
from physnn.networks.pde.operators import folded, operator_of
from physnn.networks.pde.problems import PROBLEMS
from physnn.networks.pde.stacked_jets import StackedEngine
from physnn.networks.pde.streams import point_table

U, V = Derivative(0), Derivative(1)
TOLERANCE = {"float64": 1e-12, "float32": 2e-6}
"""Distance of gradients over their norm."""
DTYPES = ["float32", pytest.param("float64", marks=pytest.mark.slow)]
"""What is trained with by default, and what takes seconds to compile once more."""


def drawn(widths, seeds=1):
    generator = rng.stream(0, "synthetic", "pde jets", *map(str, widths))
    weights = {}
    for k, (a, b) in enumerate(pairwise(widths)):
        weights[f"layer.{k}.weight"] = generator.normal(size=(seeds, a, b)) / np.sqrt(a)
        weights[f"layer.{k}.bias"] = 0.1 * generator.normal(size=(seeds, b))
    return weights


def by_autograd(sets, space_axes, weights, r=0):
    """Losses of sets and the gradients of their sum for one seed, every derivative by torch, in double precision."""
    own = {name: torch.tensor(np.asarray(w[r], float), requires_grad=True) for name, w in weights.items()}

    def outputs(x):
        h = x
        for k in range(len(own) // 2):
            h = (torch.tanh(h) if k else h) @ own[f"layer.{k}.weight"] + own[f"layer.{k}.bias"]
        return h

    def known(what, points):
        return torch.tensor(np.broadcast_to(what(points) if callable(what) else what, len(points)).astype(float))

    def loss(one):
        x = torch.tensor(one.points, requires_grad=True)
        y = outputs(x)

        def derivative(d):
            def along(axis, order):
                found = y[:, d.output]
                for _ in range(order):
                    found = torch.autograd.grad(found.sum(), x, create_graph=True)[0][:, axis]
                return found

            return sum(along(a, 2) for a in space_axes) if d.axis == ALL_SPACE else along(d.axis, d.order)

        total = 0
        for equation in one.equations:
            row = -known(equation.target, one.points)
            for term in equation.terms:
                product = torch.stack([derivative(d) for d in term.factors]).prod(0)
                row = row + known(term.coefficient, one.points) * (torch.sin(product) if term.sine else product)
            total = total + one.weight * (row**2).mean()
        return total

    losses = [loss(one) for one in sets]
    sum(losses).backward()
    return [each.item() for each in losses], {name: w.grad.numpy() for name, w in own.items()}


def distance(found, wanted, r=0):
    """Distance between gradients over the norm of those wanted."""
    pairs = [(found[name][r].astype(float), wanted[name]) for name in wanted]
    return np.sqrt(sum(((a - b) ** 2).sum() for a, b in pairs) / sum((b**2).sum() for _, b in pairs))


def agrees(sets, space_axes, weights, dtype):
    own = {name: w.astype(dtype) for name, w in weights.items()}
    cut = [PointSet(s.name, s.points.astype(dtype).astype(float), s.equations, s.weight) for s in sets]
    engine = KernelEngine([point_table(one, space_axes) for one in cut], dtype)
    losses, gradients = engine.losses_and_gradients(own)
    for r in range(len(losses)):
        wanted, slopes = by_autograd(cut, space_axes, own, r)
        assert losses[r] == pytest.approx(wanted, rel=TOLERANCE[dtype])
        assert distance(gradients, slopes, r) < TOLERANCE[dtype]
    return engine


# Value, derivatives that occur in products or below those of the operator, and the operator.
STREAMS = {"burgers": 3, "kuramoto-sivashinsky": 5, "poisson-nd": 7, "lid-driven": 4, "wave": 4, "heat-long": 4}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PROBLEMS)
def test_every_problem(name, dtype):
    problem = PROBLEMS[name]
    sets = problem.sets(Sizes(17, 12, 7))
    weights = drawn((len(problem.inputs), 9, 20, len(problem.outputs)), 2)
    engine = agrees(sets, problem.space_axes, weights, dtype)
    if name in STREAMS:
        assert engine.streams[0] == STREAMS[name]


@pytest.mark.parametrize("widths", [(1,), (7, 1, 3), (100, 100), (4, 5, 6, 7, 8)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_odd_sizes(widths, dtype):
    points = rng.stream(0, "synthetic", "pde jets", "points").uniform(-1, 1, (61, 3))
    wave = lambda p: np.sin(p.sum(1))  # noqa: E731
    equations = (
        Equation(
            (Term(1.0, (Derivative(0, 2, 1),)), Term(wave, (U, V, laplacian(0))), Term(-0.2, (laplacian(1),))), wave
        ),
        Equation((Term(0.5, (U, U), sine=True), Term(wave, (Derivative(1, 2, 3),)))),
    )
    for n in (1, 61):
        one = PointSet("domain", points[:n], equations, 2.5)
        agrees([one], (0, 1), drawn((3, *widths, 2)), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_wrong_sign_is_noticed(dtype):
    problem = PROBLEMS["kuramoto-sivashinsky"]
    sets, weights = problem.sets(Sizes(17, 12, 7)), drawn((2, 9, 20, 1))
    engine = KernelEngine([point_table(one, problem.space_axes) for one in sets], dtype)
    weights = {name: w.astype(dtype) for name, w in weights.items()}
    wanted = by_autograd(sets, problem.space_axes, weights)[1]
    assert distance(engine.losses_and_gradients(weights)[1], wanted) < TOLERANCE[dtype]
    engine.sets[0].residuals.factors[0] *= -1
    assert distance(engine.losses_and_gradients(weights)[1], wanted) > 1e-3


def test_operators():
    table = lambda *equations: point_table(PointSet("", np.zeros((3, 2)), equations), (0,))  # noqa: E731
    d = Derivative
    heat = Equation((Term(2.0, (d(0, 1, 1),)), Term(-6.0, (laplacian(),)), Term(1.0, (U, U))))
    t = table(heat, Equation((Term(-1.0, (d(1, 1, 1),)), Term(3.0, (laplacian(1),)))))
    assert {(t.axes[k], t.orders[k]): c for k, c in operator_of(t).items()} == {(1, 1): 2.0, (ALL_SPACE, 2): -6.0}
    streams, residuals = folded(t, "float64")
    assert streams.operator == 2 and streams.coefficients.tolist() == [[0, -6, 0, 0], [2, 0, 0, 0]]
    assert residuals.terms[:, :3].tolist() == [[0, 0, 0], [0, 2, 0], [1, 2, 1]]
    assert residuals.factors[:, 0].tolist() == [1.0, 1.0, -0.5]
    # Another proportion in the other output, a product or a function as coefficient: the Laplacian goes alone.
    other = Equation((Term(-1.0, (d(1, 1, 1),)), Term(4.0, (laplacian(1),))))
    product = Equation((Term(1.0, (U, d(0, 1, 1))), Term(3.0, (laplacian(),))))
    varied = Equation((Term(lambda p: np.arange(len(p)), (d(0, 1, 1),)), Term(3.0, (laplacian(),))))
    for t in (table(heat, other), table(product), table(varied)):
        assert [t.axes[k] for k in operator_of(t)] == [ALL_SPACE]
        assert folded(t, "float64")[0].orders.tolist() == [[1, 2], [1, 1]]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_replicas_side_by_side_on_a_gpu():
    problem = PROBLEMS["burgers"]
    tables = [point_table(one, problem.space_axes) for one in problem.sets(Sizes(170, 120, 70))]
    weights = drawn((2, 32, 32, 1), seeds=5)
    wanted, slopes = KernelEngine(tables, "float64").losses_and_gradients(weights)
    for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-5)):
        losses, gradients = StackedEngine(tables, dtype, "cuda").losses_and_gradients(weights)
        assert losses == pytest.approx(wanted, rel=tolerance)
        for r in range(5):
            assert distance(gradients, {name: each[r] for name, each in slopes.items()}, r) < tolerance
