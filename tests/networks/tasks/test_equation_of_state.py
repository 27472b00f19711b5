"""Quasi-particles: integrals against Bessel functions, consistent thermodynamics, and arms that share streams."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import kn

from physnn.networks.tasks.equation_of_state import (
    DEGENERACY,
    Masses,
    chi2_of,
    deviation_of,
    ideal_gas,
    inputs_of,
    lattice,
    state_of,
)


def by_bessel(r: float, boson: bool) -> float:
    """P(r) as a sum over K_2, term by term of the logarithm's series."""
    k = np.arange(1, 40_000)
    signs = 1.0 if boson else -((-1.0) ** k)
    return r**2 / (2 * math.pi**2) * float(np.sum(signs * kn(2, k * r) / k**2))


def test_integrals_are_those_of_bessel_functions():
    for boson in (True, False):
        for r in (0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0):
            value, slope = (float(v) for v in ideal_gas(torch.tensor(r, dtype=torch.float64), boson))
            assert value == pytest.approx(by_bessel(r, boson), rel=1e-12)
            h = 1e-4 * r
            by_steps = (by_bessel(r + h, boson) - by_bessel(r - h, boson)) / (2 * h)
            assert slope == pytest.approx(by_steps, rel=1e-6)
    # The negative control: Gauss's rule of as many points is a million times worse.
    x, w = np.polynomial.laguerre.laggauss(50)
    gauss = -np.sum(w * np.exp(x) * x**2 * np.log(-np.expm1(-np.sqrt(x**2 + 0.01)))) / (2 * math.pi**2)
    assert abs(gauss / by_bessel(0.1, True) - 1) > 1e-9


def test_particles_without_mass_have_the_pressure_of_stefan_and_boltzmann():
    T, none = torch.tensor([0.2, 0.3], dtype=torch.float64), torch.zeros(3, 2, dtype=torch.float64)
    state = state_of(T, none, none)
    assert state["p"].numpy() == pytest.approx(95 * math.pi**2 / 180, rel=1e-14)
    assert state["e"].numpy() == pytest.approx(3 * 95 * math.pi**2 / 180, rel=1e-14)
    assert sum(DEGENERACY) == 52


@pytest.mark.parametrize("arm", ["raw", "expanded", "scaled", "standardised"])
def test_the_entropy_is_the_total_derivative_of_the_pressure(arm):
    model = Masses(arm, (0, 1), (0.265, -0.5))
    T = torch.linspace(0.13, 0.4, 7, dtype=torch.float64).requires_grad_()
    masses, slopes = model(T)
    assert masses.shape == (3, 2, 7)
    state = state_of(T, masses, slopes)
    (by_T,) = torch.autograd.grad((state["p"] * T**4).sum(), T)
    assert (state["s"] * T**3).sum(0).detach().numpy() == pytest.approx(by_T.numpy(), rel=1e-10)
    # The negative control: without the bag it is not.
    wrong = ((state["s"] - state["bag"]) * T**3).sum(0).detach().numpy()
    assert np.abs(wrong / by_T.numpy() - 1).max() > 1e-4


def test_seeds_side_by_side_are_seeds_alone_and_arms_share_streams():
    both, one = Masses("raw", (3, 8), ()), Masses("raw", (8,), ())
    T = torch.from_numpy(lattice().T)
    assert both(T)[0][:, 1].detach().numpy() == pytest.approx(one(T)[0][:, 0].detach().numpy(), rel=1e-13)
    expanded = Masses("expanded", (8,), (0.265, 0.1))
    assert torch.equal(expanded.weights[3], one.weights[3]) and torch.equal(expanded.last, one.last)
    assert expanded.first.detach().numpy() == pytest.approx(one.first.detach().numpy() / math.sqrt(3))
    other = Masses("other", (8,), ())
    assert not torch.equal(other.weights[3], one.weights[3])
    assert both.effective().shape == (2, one.effective().size)
    law = Masses("law", (8,), (0.265, 0.1))
    assert law.effective() == pytest.approx(expanded.effective(), rel=1e-13)
    assert inputs_of("standardised", T)[0].std(unbiased=False) == pytest.approx(1)


def test_errors_are_those_of_the_table():
    known = lattice()
    state = {name: torch.from_numpy(known.values[:, k]) for k, name in enumerate(("p", "e"))}
    assert float(deviation_of(state)) == 0 and float(chi2_of(state)) == 0
    off = {name: values + torch.from_numpy(known.errors[:, k]) for k, (name, values) in enumerate(state.items())}
    assert float(chi2_of(off)) == pytest.approx(1)
    assert known.T[0] == 0.13 and known.values[0].tolist() == [0.439, 2.33] and len(known.T) == 55
