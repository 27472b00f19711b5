"""Transitions of unit vectors that are known: from the sampler to the verdict of a fit."""

import numpy as np
import pytest

import physnn
from physnn.answers.comparisons import fit_joint
from physnn.answers.fit import curves
from physnn.api import sweep_equilibrium

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]
ISING_T = (1.22, 1.24, 1.26, 1.28, 1.30, 1.32, 1.34)
XY_T = (0.80, 0.85, 0.893, 0.94, 1.00, 1.05, 1.10)
LENGTH = {
    "sampler": "metropolis",
    "interval": 2,
    "sweeps": 4000,
    "thermalisation": 200,
    "chains": 4,
    "clusters": True,
    "jobs": 2,
}


def swept(folder, L, T, *model, **changes):
    out = folder / f"{'-'.join(model)}-{changes.get('sampler', '')}.h5".replace("/", "_")
    sweep_equilibrium(L, T=T, model=model, out=out, **LENGTH | changes)
    return out


def worst(one, other, observables=("energy", "binder", "xi_over_L")):
    """Largest difference of two sweeps at any size and temperature, in errors."""
    found = []
    for observable in observables:
        a, b = curves(one, observable), curves(other, observable)
        found += [np.abs((a.y[L] - b.y[L]) / np.hypot(a.errors[L], b.errors[L])).max() for L in a.sizes]
    return max(found)


def test_one_coupled_component_is_in_the_ising_class_whatever_its_sign(tmp_path):
    paths = [swept(tmp_path, (8, 16, 32, 48), ISING_T, "diagonal", sign, "0") for sign in ("1", "-1")]
    answers = [fit_joint(path, ["xi_over_L"], "binder") for path in paths]
    for path, answer in zip(paths, answers, strict=True):
        assert physnn.fit(path, "binder").verdict == physnn.fit(path, "xi_over_L").verdict == "crossing"
        assert answer.inverse_nu.error <= 0.07
        assert abs(answer.inverse_nu.value - 1) < 3 * answer.inverse_nu.error
    one, other = (answer.critical_point for answer in answers)
    assert abs(one.value - other.value) < 3 * np.hypot(one.error, other.error)
    assert max(one.error, other.error) < 0.005
    assert [physnn.read_sweep(path).recipe["order"]["wave_vectors"] for path in paths] == [
        [["0", "0"]],
        [["1/2", "1/2"]],
    ]


def test_xy_curves_merge_and_a_rotated_lattice_is_the_same(tmp_path):
    L = (8, 16, 32, 48)
    xy, rotated = swept(tmp_path, L, XY_T, "xy"), swept(tmp_path, L, XY_T, "rotated", "1/8", "0")
    for path in (xy, rotated):
        assert physnn.fit(path, "xi_over_L").verdict == "merging"
    assert worst(xy, rotated) < 4.5
    c = curves(xy, "m_abs")
    at = XY_T.index(0.893)
    slope = np.polyfit(np.log(L[1:]), np.log([c.y[size][at] for size in L[1:]]), 1)[0]
    assert -2 * slope == pytest.approx(0.25, abs=0.03)


def test_langevin_steps_go_to_what_metropolis_samples(tmp_path):
    """A step of 0.002 is biased by less than the errors; one fifty times as large is not."""
    T, L = (1.22, 1.28, 1.34), (8, 16)
    reference = swept(tmp_path, L, T, "diagonal", "1", "0", sweeps=3000)
    small = {"sampler": "langevin", "gamma": 0.002, "interval": 125}
    assert worst(reference, swept(tmp_path, L, T, "diagonal", "1", "0", sweeps=1500, **small)) < 4.5
    large = {"sampler": "langevin", "gamma": 0.1, "interval": 10}
    (tmp_path / "large").mkdir()
    out = swept(tmp_path / "large", L, T, "diagonal", "1", "0", sweeps=3000, **large)
    assert worst(reference, out) > 6
