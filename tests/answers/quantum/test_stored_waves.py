"""Entropies of machines in a file: swaps in Monte Carlo against singular values, complex weights, sectors."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.answers.quantum.stored_waves import stored_entropies, whole_state
from physnn.errors import InputError
from physnn.models.quantum import QuantumModel
from physnn.networks.quantum.wave import SpinMachine, lattice_symmetries
from physnn.store.hdf5 import Variable
from physnn.store.sweep_file import write_sweep
from tests.frames import assert_framed

L, SEEDS = 8, 3


def planted(path, *parts: int, symmetry: str = "translations", model: str = "tfim", spread: float = 0.15):
    """File with machines of random weights; ``parts`` is (2,) for complex ones."""
    features = 2 if symmetry != "none" else L
    weights = spread * rng.stream(2, "synthetic", "waves").standard_normal((1, SEEDS, features, L, *parts))
    control = {"tfim": "h", "heisenberg": "delta"}[model]
    group = {
        control: Variable((control,), np.ones(1)),
        "energy": Variable((control, "seed", "measurement"), np.zeros((1, SEEDS, 1))),
        "weights": Variable((control, "seed", "feature", "site", "part")[: weights.ndim], weights),
    }
    recipe = {"kind": "ground-state", "model": model, "L": [L], "dimension": 1, "open": False, "seed": 0}
    write_sweep(path, recipe | {"symmetry": symmetry, "complex": bool(parts)}, {L: group})
    return path


def test_swaps_of_chains_are_singular_values(tmp_path):
    """Means over the same machines, whose chains' errors are about 0.004 together; other machines are farther off."""
    path = planted(tmp_path / "waves.h5")
    (exact,), (swapped,) = (stored_entropies(path, method, draws=60) for method in ("svd", "swap"))
    assert_framed(exact, len(exact.cuts), "l", "S", "S_2")
    off = swapped.renyi2 - exact.renyi2[swapped.cuts - 1]
    assert swapped.decided and 0 < np.abs(off).max() < 0.015
    (other,) = stored_entropies(planted(tmp_path / "others.h5", spread=0.1), "svd")
    assert np.abs(swapped.renyi2 - other.renyi2[swapped.cuts - 1]).min() > 0.015
    assert exact.exact is not None and exact.exact[0][3] == pytest.approx(0.635096, abs=1e-6)


def test_complex_machines_and_sums_that_are_conserved(tmp_path):
    path = planted(tmp_path / "waves.h5", 2, symmetry="none", model="heisenberg")
    (found,) = stored_entropies(path)
    assert found.method == "machines, svd" and found.decided and found.own_error[3] > 0
    with pytest.raises(InputError, match="complex weights"):
        stored_entropies(path, "swap")
    with pytest.raises(InputError, match="svd and swap"):
        stored_entropies(path, "free-fermions")
    machine = SpinMachine(np.zeros((1, 4)), np.zeros(0), np.zeros(0), lattice_symmetries((4,), "none"))
    psi = whole_state(QuantumModel("heisenberg", (4,)), machine)
    assert psi.sum() == 6 and psi[0b0011] == 1 and psi[0b0001] == 0
    assert whole_state(QuantumModel("tfim", (4,), h=1.0), machine).sum() == 16
