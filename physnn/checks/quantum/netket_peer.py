"""Speed of NetKet on one core: a program that an environment of its own runs, and prints numbers as JSON.

It imports nothing of this package.  Each number is the best of several settings.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

PEER_CHAINS = (16, 128, 512)
"""Numbers of chains, of which the best one counts."""
PEER_SETTINGS = ("QGTJacobianDense", "QGTOnTheFly", "VMC_SR", "VMC_SR, matrices")
"""Ways to a step, of which the best one counts: conjugate gradients with derivatives kept or found again; LAPACK."""
FEW_CHAINS = 16
"""Number of chains whose iterations are not timed: their proposals are the slowest."""
PEER_STEPS = 5
"""Iterations of a timed call."""
PEER_ROUNDS = 8
"""Timed calls of a setting, of which the fastest counts."""


def fastest(call: Callable[[], Any], rounds: int = PEER_ROUNDS) -> float:
    """Least CPU time of a call in seconds; what it compiles is made in a first one."""
    call()
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        call()
        best = min(best, time.process_time() - began)
    return best


def per_step(driver: Any) -> float:
    """CPU seconds of an iteration."""
    return fastest(lambda: driver.run(PEER_STEPS, out=None, show_progress=False), PEER_ROUNDS // 2) / PEER_STEPS


def driver_of(nk: Any, setting: str, energy: Any, state: Any) -> Any:
    """Stochastic reconfiguration of NetKet with one of `PEER_SETTINGS`."""
    slow = nk.optimizer.Sgd(0.01)
    if setting == "VMC_SR":
        return nk.driver.VMC_SR(energy, slow, variational_state=state, diag_shift=0.01)
    if setting == "VMC_SR, matrices":
        by_samples = state.n_parameters > state.n_samples
        ways = {"use_ntk": by_samples, "on_the_fly": False}
        return nk.driver.VMC_SR(energy, slow, variational_state=state, diag_shift=0.01, **ways)
    solver = nk.optimizer.SR(qgt=getattr(nk.optimizer.qgt, setting), diag_shift=0.01)
    return nk.driver.VMC(energy, slow, variational_state=state, preconditioner=solver)


def parts_of(nk: Any, jnp: Any, case: dict[str, Any]) -> tuple[Any, Any, Callable[[int], Any]]:
    """Energy, machine, and the sampler of a number of chains, of a case of `physnn.checks.quantum.ground`."""
    N, exchange, symmetric = case["N"], case["model"] == "heisenberg", case["symmetric"]
    graph = nk.graph.Chain(N, pbc=True)
    space = nk.hilbert.Spin(0.5, N, total_sz=0) if exchange else nk.hilbert.Spin(0.5, N)
    if exchange:
        energy = nk.operator.Heisenberg(space, graph, J=0.25, sign_rule=True).to_jax_operator()
    else:
        energy = nk.operator.IsingJax(space, graph, h=1.0, J=-1.0)
    kind = nk.models.RBMSymm if symmetric else nk.models.RBM
    own = {"symmetries": graph.translation_group()} if symmetric else {}
    # Weights are real, and without biases and fields, as those they are compared with.
    bare = {"use_hidden_bias": False, "use_visible_bias": False}
    machine = kind(alpha=case["alpha"], param_dtype=jnp.float32, **own, **bare)

    def sampler(chains: int) -> Any:
        settings = {"n_chains": chains, "sweep_size": N, "dtype": jnp.int8}
        if exchange:
            return nk.sampler.MetropolisExchange(space, graph=graph, **settings)
        return nk.sampler.MetropolisLocal(space, **settings)

    return energy, machine, sampler


def time_netket() -> None:
    """Print CPU seconds of a proposal and of an iteration, by name, and until the first iteration of a new process."""
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["JAX_PLATFORMS"] = "cpu"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    jnp, nk = import_module("jax.numpy"), import_module("netket")
    found: dict[str, float] = {}
    for case in json.loads(sys.argv[1]):
        N, samples = case["N"], case["samples"]
        energy, machine, sampler = parts_of(nk, jnp, case)

        def state_of(chains: int, parts: tuple[Any, Any, int] = (sampler, machine, samples)) -> Any:
            return nk.vqs.MCState(parts[0](chains), parts[1], n_samples=parts[2], n_discard_per_chain=0, seed=1)

        if not found:
            driver_of(nk, PEER_SETTINGS[0], energy, state_of(FEW_CHAINS)).run(1, out=None, show_progress=False)
            found["first"] = time.process_time()
        proposals, iterations = [], []
        for chains in PEER_CHAINS:
            state = state_of(chains)

            def sample(state: Any = state) -> None:
                state.reset()
                state.sample().block_until_ready()

            if case["proposals"]:
                proposals.append(fastest(sample) / (samples * N))
            if case["iteration"] and chains != FEW_CHAINS:
                iterations += [per_step(driver_of(nk, way, energy, state_of(chains))) for way in PEER_SETTINGS]
        found |= {f"{case['name']}: proposal": min(proposals)} if proposals else {}
        found |= {f"{case['name']}: iteration": min(iterations)} if iterations else {}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    time_netket()
