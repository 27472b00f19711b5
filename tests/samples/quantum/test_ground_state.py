"""Trained ground states as samples: continued after a kill, exact energies, fits that are held back."""

from __future__ import annotations

import numpy as np
import pytest

from physnn.answers import fit
from physnn.answers.quantum.ground_states import convergences, judged_json, judged_rows
from physnn.answers.training.held_back import held_back
from physnn.errors import InputError
from physnn.exact.quantum.ground import exact_ground
from physnn.models.quantum import QuantumModel
from physnn.samples import files
from physnn.samples.quantum.recipe import GroundState
from physnn.samples.quantum.work import GroundStateSample, spin_order, two_point_along
from physnn.samples.tasks import Checkpoint
from physnn.store.sweep_file import read_sweep

SMALL = {"L": (4,), "alpha": 1, "samples": 32, "doublings": 1, "steps": 24, "measurements": 256, "seeds": (0, 1, 2, 3)}


def sample_of(**settings) -> GroundStateSample:
    return GroundStateSample(GroundState(**(SMALL | settings)).resolved())


class Killed(Checkpoint):
    """Checkpoint that ends a run once it has been saved for the second time."""

    def __init__(self, arrays=None):
        super().__init__(None)
        self.arrays, self.saved = arrays, 0

    def due(self):
        return True

    def save(self, arrays):
        self.arrays, self.saved = arrays, self.saved + 1
        if self.saved == 2:
            raise KeyboardInterrupt


def test_a_training_that_is_killed_goes_on_to_the_same_end():
    sample = sample_of(h=(1.0,))
    task = sample.tasks()[0]
    whole = sample.run(task, Checkpoint(None))
    killed = Killed()
    with pytest.raises(KeyboardInterrupt):
        sample.run(task, killed)
    again = sample.run(task, Killed(killed.arrays))
    for name, values in whole.items():
        assert np.array_equal(again[name], values), name
    assert not np.array_equal(sample.run(sample.tasks()[1], Checkpoint(None))["weights"], whole["weights"])


def test_complex_machines_reach_energies_of_matrices():
    sample = sample_of(model="j1j2", J2=(0.3,), L=(6,), alpha=2, steps=100, doublings=2, symmetry="lattice")
    assert sample.recipe.complex
    found = sample.run(sample.tasks()[0], Checkpoint(None))
    exact = exact_ground(QuantumModel("j1j2", (6,), J2=0.3)).E0 / 6
    assert found["stage_energy"][-1] == pytest.approx(exact, abs=2e-3)
    assert found["weights"].shape == (2, 6, 2)
    assert found["exact_energy"] == pytest.approx(exact)
    assert found["correlation"][0] == 1


def test_order_and_two_point_functions_are_those_of_patterns():
    chain = QuantumModel("heisenberg", (6,), marshall=True)
    staggered = np.array([[1, -1] * 3])
    assert spin_order(chain, staggered) == pytest.approx(1)
    assert two_point_along(chain, staggered) == pytest.approx([1, -1, 1, -1])
    square = QuantumModel("tfim", (4, 4), h=1.0, periodic=False)
    half = np.repeat([[1, 1, -1, -1]], 4, axis=0).ravel()[None]
    assert spin_order(square, half) == pytest.approx(0)
    assert two_point_along(square, half) == pytest.approx([1, (1 / 3 + 1) / 2, 0])


def test_a_fit_of_what_has_not_converged_is_undecided(tmp_path):
    out = tmp_path / "few.h5"
    recipe = GroundState(**SMALL | {"L": (4, 6), "h": (0.8, 0.95, 1.05, 1.2), "doublings": 0, "steps": 4}).resolved()
    assert files.run(recipe, out, jobs=1) == 32
    sweep = read_sweep(out)
    judged = convergences(sweep)
    assert len(judged) == 8
    assert all(one.verdict == "undecided" for one in judged)
    answer = fit.fit(out, "binder", resamples=40)
    assert answer.verdict == "undecided"
    assert "order not converged" in answer.reason
    assert held_back(answer, tmp_path / "table.csv") is answer
    energies, orders = judged_rows(judged, sweep)
    assert len(energies) == len(orders) == len(judged_json(judged)) == 8


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model": "heisenberg", "h": (1.0,)}, "no h"),
        ({"model": "heisenberg", "L": (5,)}, "even"),
        ({"model": "j1j2", "J2": (0.4,), "L": (24,)}, "at most 20"),
        ({"model": "j1j2", "J2": (0.4,), "complex": False}, "must be complex"),
        ({"open": True, "symmetry": "translations"}, "no translations"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, said):
    with pytest.raises(InputError, match=said):
        sample_of(**settings)
