"""Values with their derivatives by the field: planted critical points, and derivatives that are wrong."""

from __future__ import annotations

import numpy as np
import pytest

import physnn
from physnn import rng
from physnn.analysis.collapse.exponents import Settings
from physnn.analysis.curves.curves import Curves
from physnn.analysis.curves.observables import OBSERVABLES
from physnn.analysis.quantum.slopes import sharpened, with_slopes
from physnn.analysis.verdict.fit import fit_curves
from physnn.models.quantum import QuantumModel
from tests.synthetic.quantum_thermal import moments_in_time

H_C, INVERSE_NU = 1.0, 1.02
NOISE, SLOPE_NOISE, DRAWS = 4e-4, 2e-3, 1000


def planted(words, spoil=1.0):
    """Curves 0.6 - 0.3 tanh(u / 2) of four sizes and their derivatives, with correlated errors."""
    generator, found = rng.stream(5, "synthetic", "slopes", *words), []
    x, y, errors, samples, slopes, slope_samples = {}, {}, {}, {}, {}, {}
    for k, L in enumerate((4, 8, 16, 32)):
        # Fields of their own: a curve through values at the same u for all sizes may bend as it likes between them.
        x[L] = H_C + (np.linspace(-1, 2, 5) + 0.1 * k) / L
        u = (x[L] - H_C) * L**INVERSE_NU
        shared, own = generator.standard_normal((2, DRAWS + 1, 5))
        values = 0.6 - 0.3 * np.tanh(u / 2) + NOISE * shared
        steps = -0.15 * L**INVERSE_NU * spoil / np.cosh(u / 2) ** 2 + SLOPE_NOISE * L * (0.6 * shared + 0.8 * own)
        y[L], slopes[L], samples[L], slope_samples[L] = values[0], steps[0], values[1:], steps[1:]
        samples[L] += y[L] - samples[L].mean(0)
        slope_samples[L] += slopes[L] - slope_samples[L].mean(0)
        errors[L] = samples[L].std(0)
    for values, drawn in ((y, samples), (slopes, slope_samples)):
        found.append(Curves(tuple(x), x, values, drawn, errors, 0, 0, "h", "binder_time", "U4", chains=4, bins=128))
    return found


def test_slopes_sharpen_a_planted_exponent_and_wrong_ones_are_rejected():
    settings = Settings(omega=None, resamples=40)
    values, slopes = planted(("right",))
    without, with_them = (
        fit_curves(values, settings, rng.stream(5, "synthetic", "fit"), "", sharper).collapse
        for sharper in (None, with_slopes(values, slopes))
    )
    nu, h = with_them.inverse_nu, with_them.critical_point
    assert abs(nu.value - INVERSE_NU) < 4 * nu.error and abs(h.value - H_C) < 4 * h.error
    assert without.gaussian_process and not with_them.gaussian_process, "noise of single points cannot judge pairs"
    assert nu.error < 0.6 * without.inverse_nu.error, (nu, without.inverse_nu)
    wrong = fit_curves(values, settings, rng.stream(5, "synthetic", "fit"), "", with_slopes(*planted(("wrong",), 1.1)))
    right, spoilt = (each.scan.candidates[0].solution.p_value for each in (with_them, wrong.collapse))
    assert right > 1e-3 and spoilt < 1e-9


def test_values_at_two_fields_carry_value_and_derivative():
    values, slopes = planted(("pairs",))
    pairs = with_slopes(values, slopes)
    x, y = pairs.x[8].reshape(-1, 2), pairs.y[8].reshape(-1, 2)
    assert np.allclose(y.mean(1), values.y[8]) and np.allclose(np.diff(y)[:, 0] / np.diff(x)[:, 0], slopes.y[8])
    spread = np.array([[-1.0, 1.0]]) / np.diff(x)[2]
    deviation = np.sqrt(spread @ pairs.covariance[14:16, 14:16] @ spread.T)[0, 0]
    assert deviation == pytest.approx(SLOPE_NOISE * 8, rel=0.15)


def test_derivatives_are_those_of_the_function_of_means():
    rule, d = OBSERVABLES["slope_xi_time"], 1e-6
    m2, s, n, by_h = 0.5, 0.1, 30.0, (-0.2, 0.05)
    moments = (m2, s, n, m2 * n + by_h[0], s * n + by_h[1])
    plain = OBSERVABLES["xi_time"].combine
    expected = (plain(m2 + d * by_h[0], s + d * by_h[1]) - plain(m2 - d * by_h[0], s - d * by_h[1])) / (2 * d)
    assert rule.combine(*map(np.array, moments)) == pytest.approx(expected, rel=1e-8)
    nothing = {4: (np.array([1.0]), {"m_time2": np.zeros((1, 1, 4))})}
    assert sharpened(nothing, "binder_time", "h", 10, lambda: rng.stream(1, "synthetic", "none")) is None


def exact_slope(L, beta, d=1e-3):
    """Derivative of U4 of the mean over sites and imaginary time by h, at h = 1."""

    def cumulant(h):
        m2, m4 = moments_in_time(QuantumModel("tfim", (L,), h=h), beta)
        return OBSERVABLES["binder_time"].combine(m2, m4)

    return float(cumulant(1 + d) - cumulant(1 - d)) / (2 * d)


@pytest.mark.parametrize(("beta_per_L", "low", "high"), [(0.5, 0.998, 1.003), (1.0, 0.95, 0.98)])
def test_exact_slopes_at_criticality_have_inverse_nu_where_space_and_time_are_alike(beta_per_L, low, high):
    sizes = np.array([4, 5, 6, 7])
    y = np.array([exact_slope(int(L), beta_per_L * L) for L in sizes])
    law = physnn.fit_arrays(
        sizes, None, y, 1e-4 * abs(y), observable="slope_binder_time", at_criticality=True, omega=1.75
    )
    name, found = law.named()
    assert name == "1/nu" and low < found.value < high, law
    assert law.as_json()["inverse_nu"]["value"] == found.value
