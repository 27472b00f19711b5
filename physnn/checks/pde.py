"""Speed of a training step on differential equations, as ratios against plain torch and DeepXDE in the same run."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from physnn import rng
from physnn.checks.bench import Case, report, timed
from physnn.jobs.run import Progress, silent
from physnn.machine import single_blas_thread
from physnn.networks.adam import Adam
from physnn.networks.device import single_thread
from physnn.networks.pde.descent import PdeNetworks, PdeTraining
from physnn.networks.pde.equations import Derivative, PointSet, Reference
from physnn.networks.pde.jets import KernelEngine
from physnn.networks.pde.problems import PROBLEMS
from physnn.networks.pde.streams import point_table

LAYER_WIDTH, HIDDEN_LAYERS, STEP_SIZE = 100, 5, 1e-3
"""Width and number of tanh layers, and the learning rate."""
PDE_CASES = (("burgers", 1536), ("burgers", 12288), ("poisson-nd", 1536))
"""Equations, and how many points they shall hold at."""
TIMED_STEPS = (24, 8)
"""Timed steps at few points and at many, of which the fastest counts."""
MANY_POINTS = 4096
PRODUCT_SIDE = 1000
"""Rows and columns of the matrices whose product sets the floor."""
STEPS_A_SECOND = "steps/s"
DEEPXDE = "DeepXDE (pip install deepxde)"

Way = tuple[Callable[[], object], float]
"""Step of a training, and the loss at its beginning."""


def bench_pde(progress: Progress = silent) -> dict[str, Any]:
    """Steps per second of training one network with Adam on all points, on one thread, by processor time.

    ``kernel`` is what `physnn train pde` does; ``torch`` has the same network as tensors and nested automatic
    differentiation; DeepXDE's own step has the residual that its examples have.

    Returns
    -------
    dict
        See `physnn.checks.bench.report`.  Rows of training have the loss before the first step, which is the same for
        the same work.  Ratios are speeds over those of plain torch and, where it is installed, of DeepXDE.  The share
        of the floor is the time that the products of matrices of a step would take, forwards and twice back, at the
        rate of large ones by BLAS, over the time of the kernel's step.
    """
    missing: list[str] = []
    with single_thread(), single_blas_thread():
        works = {case: PdeWork(*case) for case in PDE_CASES}
        cases = [one for work in works.values() for one in work.cases(missing)]
        rows = timed([*cases, _product()], progress)
    value = {row["name"]: row["value"] for row in rows}
    ratios = {}
    for work in works.values():
        for name in ("torch", "DeepXDE"):
            if f"{name}, {work.label}" in value:
                ratios[f"kernel / {name}, {work.label}"] = (
                    value[f"kernel, {work.label}"] / value[f"{name}, {work.label}"]
                )
        speed = work.billions * value[f"kernel, {work.label}"]
        ratios[f"GFLOP/s of products, {work.label}"] = speed
        ratios[f"share of the floor, {work.label}"] = speed / value["product"]
    return report(rows, ratios, sorted(set(missing)))


class PdeWork:
    """Equation with its points and one network, to be trained in several ways.

    Parameters
    ----------
    problem : str
        Name of the differential equation.
    points : int
        Number of points inside its domain, where it shall hold.
    """

    def __init__(self, problem: str, points: int) -> None:
        self.problem, self.label = PROBLEMS[problem], f"{problem}, {points} points"
        self.networks = PdeNetworks(self.problem, "raw", (0,), LAYER_WIDTH, HIDDEN_LAYERS, ())
        low, high = self.problem.low, self.problem.high
        draw = rng.stream(0, "synthetic", "bench", problem).uniform(low, high, (points, len(low)))
        self.points = draw.astype(np.float32).astype(float)
        self.set = PointSet("domain", self.points, self.problem.sets(self.problem.paper)[0].equations)
        self.engine = KernelEngine([point_table(self.set, self.problem.space_axes)])
        network = self.networks.network()
        self.layers = [
            (network[f"layer.{k}.weight"][0].copy(), network[f"layer.{k}.bias"][0].copy())
            for k in range(HIDDEN_LAYERS + 1)
        ]
        weights = sum(weight.size for weight, _ in self.layers)
        self.billions = 1e-9 * 3 * 2 * self.engine.streams[0] * points * weights
        self.rounds = TIMED_STEPS[points > MANY_POINTS]

    def cases(self, missing: list[str]) -> list[Case]:
        """Ways of training; those that are not there are added to ``missing``."""
        found = [self._case("kernel", self.kernel()), self._case("torch", self.plain())]
        if self.problem.name == "burgers":
            way = self.deepxde()
            if way is None:
                missing.append(DEEPXDE)
            else:
                found.append(self._case("DeepXDE", way))
        return found

    @property
    def _viscosity(self) -> float:
        """Viscosity of Burgers' equation."""
        terms = {term.factors: term.coefficient for term in self.set.equations[0].terms}
        return -float(terms[Derivative(0, 0, 2),])  # type: ignore[arg-type]

    def _case(self, name: str, way: Way) -> Case:
        step, loss = way
        step()  # Memory is found.

        def run(steps: int) -> None:
            for _ in range(steps):
                step()

        return Case(
            f"{name}, {self.label}",
            STEPS_A_SECOND,
            run,
            lambda seconds, _: 1 / seconds,
            pieces=1,
            rounds=self.rounds,
            clock=time.process_time,
            more=lambda _: {"loss": loss},
        )

    def kernel(self) -> Way:
        """Step of `physnn train pde`."""
        training = PdeTraining(self.networks, self.engine, Reference(self.points, self.points, ""), STEP_SIZE)
        losses, _ = self.engine.losses_and_gradients(self.networks.network())
        return training.advance, float(losses.sum())

    def plain(self) -> Way:
        """Step in torch, by nested automatic differentiation."""
        layers = [tuple(torch.tensor(each, requires_grad=True) for each in layer) for layer in self.layers]
        weights = [each for layer in layers for each in layer]
        adam, x = Adam(weights, STEP_SIZE), torch.tensor(self.points, dtype=torch.float32, requires_grad=True)
        target = torch.tensor(point_table(self.set, self.problem.space_axes).targets[0], dtype=torch.float32)

        def loss() -> Tensor:
            u = x
            for k, (weight, bias) in enumerate(layers):
                u = torch.addmm(bias, torch.tanh(u) if k else u, weight)
            return ((self._residual(u[:, 0], x) - target) ** 2).mean()

        def step() -> None:
            adam.zero_grad()
            loss().backward()
            adam.step()

        return step, loss().item()

    def _residual(self, u: Tensor, x: Tensor) -> Tensor:
        def slopes(y: Tensor) -> Tensor:
            return torch.autograd.grad(y, x, torch.ones_like(y), create_graph=True)[0]

        first = slopes(u)
        if self.problem.name == "burgers":
            steady: Tensor = u * first[:, 0] - self._viscosity * slopes(first[:, 0])[:, 0]
            return first[:, 1] + steady
        return torch.stack([slopes(first[:, k])[:, k] for k in range(x.shape[1])]).sum(0)

    def deepxde(self) -> Way | None:
        """Step of DeepXDE with its backend torch, or None where it is not installed."""
        os.environ.setdefault("DDE_BACKEND", "pytorch")
        try:
            dde = importlib.import_module("deepxde")
        except ImportError:
            return None

        def residual(x: Tensor, u: Tensor) -> Tensor:
            along, by_time = dde.grad.jacobian(u, x, i=0, j=0), dde.grad.jacobian(u, x, i=0, j=1)
            found: Tensor = by_time + u * along - self._viscosity * dde.grad.hessian(u, x, i=0, j=0)
            return found

        line, times = dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 1)
        domain = dde.geometry.GeometryXTime(line, times)
        data = dde.data.TimePDE(domain, residual, [], num_domain=0, anchors=self.points.astype(np.float32))
        network = dde.nn.FNN([2, *[LAYER_WIDTH] * HIDDEN_LAYERS, 1], "tanh", "Glorot normal")
        with torch.no_grad():
            for linear, (weight, bias) in zip(network.linears, self.layers, strict=True):
                linear.weight.copy_(torch.tensor(weight.T))
                linear.bias.copy_(torch.tensor(bias))
        model = dde.Model(data, network)
        model.compile("adam", lr=STEP_SIZE, verbose=0)
        batch = data.train_next_batch()
        return lambda: model.train_step(*batch), model.outputs_losses_train(*batch)[1].sum().item()


def _product() -> Case:
    """Product of large matrices by BLAS, in GFLOP/s."""
    a, b = (
        rng.stream(0, "synthetic", "bench", "product").normal(size=(2, PRODUCT_SIDE, PRODUCT_SIDE)).astype(np.float32)
    )

    def run(times: int) -> None:
        for _ in range(times):
            a @ b

    return Case("product", "GFLOP/s", run, lambda seconds, _: 2e-9 * PRODUCT_SIDE**3 / seconds, clock=time.process_time)
