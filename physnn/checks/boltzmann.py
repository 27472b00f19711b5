"""Speed of restricted Boltzmann machines, as ratios against torch, numpy, scikit-learn and rbms in the same run."""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from physnn import rng
from physnn.checks.bench import Case, TimedRow, per_second, report, timed
from physnn.jobs.run import Progress, silent
from physnn.models.boltzmann import Machine
from physnn.models.configurations import columns_of_configurations
from physnn.models.lattice import Ising
from physnn.networks.boltzmann.annealing import random_states
from physnn.networks.boltzmann.chains import GibbsChains, Tables
from physnn.networks.boltzmann.divergence import BoltzmannTraining, TrainingRule, untrained_machine
from physnn.networks.device import single_thread

GIBBS_UNITS, GIBBS_BATCH = 64, 200
"""Units of each layer, and chains, of the machine whose updates are counted."""
PCD_UNITS, PCD_CHAINS, PCD_STEPS = (256, 128), 200, 10
"""Units, chains and snapshots, and Gibbs steps of a step of the training."""
PEER_EPOCHS = 30
"""Epochs of scikit-learn's training."""
RBMS = "rbms (pip install rbms)"
SKLEARN = "scikit-learn (pip install scikit-learn)"


def bench_machines(progress: Progress = silent) -> dict[str, Any]:
    """Gibbs updates and training steps per second on one thread, and seconds of a training to one divergence.

    An update draws one unit.  All draw the same number of units from weights of the same size; plain torch and numpy do
    so by products of matrices.  scikit-learn trains 16 units on 4 x 4 Ising spins at T_c for 30 epochs, and ours until
    its exact divergence is as small.  See `physnn.checks.bench.report`.
    """
    missing: list[str] = []
    with single_thread():
        rows = timed(_gibbs_cases(), progress)
        steps = timed(_step_cases(missing), progress)
        trained = _training_rows(missing)
    ratios = {f"Gibbs updates: ours / {row['name'].split(',')[0]}": rows[0]["value"] / row["value"] for row in rows[1:]}
    ratios |= {f"steps: ours / {row['name'].split(',')[0]}": steps[0]["value"] / row["value"] for row in steps[1:]}
    if trained:
        ratios["training: scikit-learn / ours, seconds"] = trained[0]["value"] / trained[1]["value"]
    return report([*rows, *steps, *trained], ratios, missing)


def _gibbs_cases() -> list[Case]:
    """Updates of both layers by us, torch and numpy."""
    n, chains = GIBBS_UNITS, GIBBS_BATCH
    generator = rng.stream(0, "synthetic", "bench", "rbm")
    weights = (0.1 * generator.standard_normal((n, n))).astype(np.float32)
    machine = Machine(weights.astype(float), np.zeros(n), np.zeros(n))
    tables = Tables.of(machine)
    moving = GibbsChains.begin(
        tables, random_states(machine, chains, generator), rng.seed_sequence(0, "synthetic", "rbm")
    )
    value = per_second(2.0 * n * chains)
    name = f"{n} x {n}, {chains} chains"
    return [
        Case(f"ours, {name}", "updates/s", lambda k: moving.move(tables, k), value),
        Case(f"torch, {name}", "updates/s", _torch_gibbs(weights, chains), value),
        Case(f"numpy, {name}", "updates/s", _numpy_gibbs(weights, chains), value),
    ]


def _torch_gibbs(weights: np.ndarray, chains: int) -> Callable[[int], Any]:
    """Gibbs steps by plain torch."""
    import torch

    w = torch.from_numpy(weights)
    state = torch.sign(torch.randn(chains, len(weights)))

    def run(steps: int) -> Any:
        v = state
        with torch.no_grad():
            for _ in range(steps):
                h = (torch.rand(chains, w.shape[1]) < torch.sigmoid(2 * (v @ w))).float() * 2 - 1
                v = (torch.rand(chains, w.shape[0]) < torch.sigmoid(2 * (h @ w.T))).float() * 2 - 1
        return v

    return run


def _numpy_gibbs(weights: np.ndarray, chains: int) -> Callable[[int], Any]:
    """Gibbs steps by plain numpy."""
    generator = rng.stream(0, "synthetic", "baseline")
    start = np.sign(generator.standard_normal((chains, len(weights)))).astype(np.float32)
    one = np.float32(1)

    def run(steps: int) -> Any:
        v = start
        for _ in range(steps):
            for w in (weights, weights.T):
                u = generator.random((chains, w.shape[1]), np.float32)
                v = np.where(u * (one + np.exp(-2 * (v @ w))) < one, one, -one)
        return v

    return run


def _step_cases(missing: list[str]) -> list[Case]:
    """Steps of persistent contrastive divergence by us, torch and rbms."""
    visible, hidden = PCD_UNITS
    colours = rng.stream(0, "synthetic", "bench", "snapshots").integers(0, 2, (4000, visible), np.int8)
    machine = untrained_machine(visible, 2, hidden, -1.0, (0, "bench"))
    rule = TrainingRule("pcd", PCD_STEPS, 10**9, PCD_CHAINS, PCD_CHAINS, 1e-3, 1e-3, True)
    training = BoltzmannTraining(machine, Tables.of(machine).states_of(colours), rule, (0, "bench"))
    name = f"PCD-{PCD_STEPS} of {visible} x {hidden}, {PCD_CHAINS} chains"
    cases = [
        Case(f"ours, {name}", "steps/s", lambda k: training.train(training.done + k), per_second(1)),
        Case(f"torch, {name}", "steps/s", _torch_steps(colours, hidden), per_second(1)),
    ]
    try:
        cases.append(Case(f"rbms, {name}", "steps/s", _rbms_steps(colours, hidden), per_second(1)))
    except ImportError:
        missing.append(RBMS)
    return cases


def _torch_steps(colours: np.ndarray, hidden: int) -> Callable[[int], Any]:
    """Centred steps by plain torch, with units of -1 and 1."""
    import torch

    data = torch.from_numpy(1.0 - 2.0 * colours).float()
    n = data.shape[1]
    w, a, b = torch.randn(n, hidden) * 0.01, torch.zeros(n), torch.zeros(hidden)
    chain = data[:PCD_CHAINS].clone()

    def run(steps: int) -> Any:
        nonlocal w, a, b, chain
        with torch.no_grad():
            for _ in range(steps):
                v = data[torch.randint(0, len(data), (PCD_CHAINS,))]
                m = torch.tanh(v @ w + b)
                for _ in range(PCD_STEPS):
                    h = (torch.rand(PCD_CHAINS, hidden) < torch.sigmoid(2 * (chain @ w + b))).float() * 2 - 1
                    chain = (torch.rand(PCD_CHAINS, n) < torch.sigmoid(2 * (h @ w.T + a))).float() * 2 - 1
                k = torch.tanh(chain @ w + b)
                mu, nu = v.mean(0), m.mean(0)
                gradient = ((v - mu).T @ (m - nu) - (chain - mu).T @ (k - nu)) / PCD_CHAINS
                dv, dh = mu - chain.mean(0), nu - k.mean(0)
                w, a, b = w + 1e-3 * gradient, a + 1e-3 * (dv - gradient @ nu), b + 1e-3 * (dh - mu @ gradient)
        return w

    return run


def _rbms_steps(colours: np.ndarray, hidden: int) -> Callable[[int], Any]:
    """Steps by the package rbms (units of 0 and 1); raises ImportError where it is not installed."""
    import torch

    make = importlib.import_module("rbms.bernoulli_bernoulli.classes").BBRBM
    step = importlib.import_module("rbms.training.pcd").fit_batch_pcd
    data = torch.from_numpy(1.0 - colours).float()
    n, ones = data.shape[1], torch.ones(PCD_CHAINS, 1)
    params = make(torch.randn(n, hidden) * 0.01, torch.zeros(n), torch.zeros(hidden))
    for each in params.parameters():
        each.grad = torch.zeros_like(each)  # it writes gradients where there are some
    optimiser = torch.optim.SGD(params.parameters(), lr=1e-3, maximize=True)
    chains = params.init_chains(PCD_CHAINS, None, data[:PCD_CHAINS].clone())

    def run(steps: int) -> Any:
        nonlocal chains
        for _ in range(steps):
            batch = data[torch.randint(0, len(data), (PCD_CHAINS,))], ones
            chains, _ = step(batch, chains, params, PCD_STEPS, 1.0)
            optimiser.step()
        return chains

    return run


def _training_rows(missing: list[str]) -> list[TimedRow]:
    """Seconds of this thread of scikit-learn's training, and of ours to the same divergence."""
    try:
        make = importlib.import_module("sklearn.neural_network").BernoulliRBM
    except ImportError:
        missing.append(SKLEARN)
        return []
    start = untrained_machine(16, 2, 16, -1.0, (0, "bench"))
    states = (start.states("visible") < 0).astype(np.int8)
    model = Ising()
    energy = 16 * columns_of_configurations(model, states.reshape(-1, 4, 4))["energy"]
    truth = np.exp(-energy / model.critical_temperature)
    truth /= truth.sum()
    drawn = states[rng.stream(0, "synthetic", "bench", "ising").choice(len(states), 5000, p=truth)]

    def divergence(machine: Machine) -> float:
        return float((truth * (np.log(truth) - np.log(machine.probabilities()))).sum())

    peer = make(n_components=16, learning_rate=0.05, batch_size=100, n_iter=PEER_EPOCHS, random_state=0)
    began = time.thread_time()
    peer.fit(1 - drawn)
    theirs = time.thread_time() - began
    goal = divergence(Machine(peer.components_.T, peer.intercept_visible_, peer.intercept_hidden_, 0.0))
    rule = TrainingRule("cd", 1, 10**6, 100, 100, 0.05, 0.05, False)
    training, ours, reached = (
        BoltzmannTraining(start, Tables.of(start).states_of(drawn), rule, (0, "bench")),
        0.0,
        math.inf,
    )
    while reached > goal and training.done < 100_000:
        began = time.thread_time()
        training.train(training.done + 20)
        ours += time.thread_time() - began
        reached = divergence(training.machine)
    name = f"to a divergence of {goal:.2g} nats, 4 x 4"
    return [
        {"name": f"scikit-learn, {name}", "value": theirs, "unit": "s", "threads": 1},
        {"name": f"ours, {name}", "value": ours if reached <= goal else math.inf, "unit": "s", "threads": 1},
    ]
