from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.order.diagnosis import Diagnosis, diagnoses_json, period, table
from physnn.analysis.order.spectrum import Spectrum, spectrum


def away(values: list[float]) -> np.ndarray:
    return 1 - np.array(values)


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        ([1e-7] * 12, 1),
        ([0.4, 1e-3, 0.4, 2e-3, 0.4, 3e-3], 2),
        ([0.4, 0.5, 1e-4, 0.4, 0.5, 2e-4], 3),
        ([1e-4, 4e-4, 9e-4, 1.6e-3], 0),
        ([0.1, 0.2, 0.3, 0.2], 0),
    ],
    ids=["rest", "two", "three", "drift", "none"],
)
def test_periods_are_told_from_rest_and_drift(moved, expected):
    assert period(away(moved)) == expected


def waves(q: tuple[float, float]) -> np.ndarray:
    """A kernel of two components whose largest eigenvalue, 4, has the wave vector +-q and the vector (1, 0)."""
    J = np.zeros((2, 2, 3, 3))
    r = np.arange(-1, 2)
    J[0, 0] = np.where(np.abs(r[:, None]) + np.abs(r) == 1, np.cos(q[0] * r)[:, None] * np.cos(q[1] * r), 0)
    J[1, 1, 1, 1] = -3
    return J


def test_leading_modes_have_wave_vector_and_overlap_with_the_lift():
    found = spectrum(waves((np.pi, np.pi)), np.array([3.0, 4.0]), 8)
    top = found.leading[0]
    assert np.abs(np.abs(top.wave_vector) - np.pi).max() < 1e-12
    assert top.lift_overlap == pytest.approx(0.36)
    assert abs(top.vector[0]) == pytest.approx(1)
    assert found.lambda_min == pytest.approx(-4)
    assert found.lambda_max == pytest.approx(found.bands.max()) == pytest.approx(top.eigenvalue)


def test_every_leading_mode_is_listed_once_of_q_and_minus_q():
    J = rng.stream(0, "synthetic", "kernel").normal(size=(3, 3, 3, 3))
    J = (J + J[:, :, ::-1, ::-1].swapaxes(0, 1)) / 2
    for L in (7, 8):
        found = spectrum(J, np.ones(3), L)
        near = found.bands >= 0.95 * found.lambda_max
        own = sum(
            2 - all(abs(2 * q / (2 * np.pi) - round(2 * q / (2 * np.pi))) < 1e-9 for q in m.wave_vector)
            for m in found.leading
        )
        assert own == near.sum()
        assert all(m.eigenvalue >= 0.95 * found.lambda_max for m in found.leading)


def healthy() -> Diagnosis:
    """A network with nothing wrong, T = 4."""
    T = 4
    measured = {
        "rmse": np.full(4 * T + 13, 0.02),
        "energy": np.linspace(0, -2, 4 * T + 13),
        "energy_rise": np.full(4 * T + 12, -0.01),
        "pair_energy": np.linspace(0, -2, 4 * T + 12),
        "overlaps_at_depth": np.ones(12),
        "overlaps_far": np.ones(12),
        "field_mean": np.array(4.0),
        "field_max": np.array(4.5),
        "moving_sites": np.array(0.0),
        "target_sd": np.array(0.23),
        "wall_profile": np.ones((2, 8)),
        "wall_energy": np.ones(2),
        "bulk_energy": np.full(2, -2.0),
        "windows": np.array([[0, 2], [2, 4]]),
        "damage": np.array([3e-4, 1e-4]),
        "damage_all": np.array(4e-4),
        "eta": np.array(0.02),
    }
    return Diagnosis("planted", "flow", 0.2, T, 0.0, spectrum(waves((0, 0)), np.ones(2), 8), measured)


def with_measured(**changes) -> Diagnosis:
    return replace(healthy(), measured=healthy().measured | {k: np.asarray(v) for k, v in changes.items()})


def error(**at: float) -> np.ndarray:
    values = np.full(29, 0.02)
    for depth, value in at.items():
        values[int(depth[1:])] = value
    return values


def test_a_healthy_network_has_nothing_to_be_said_against_it():
    d = healthy()
    assert d.s == pytest.approx(0.2 * (4 - d.spectrum.lambda_min) / 2)
    assert set(d.findings) == {"fixed_point", "gradient", "uniform", "lasting"}
    assert d.period == 1 and d.symmetric and d.energy_rise == 0
    assert d.damage_shares == pytest.approx([0.75, 0.25])


@pytest.mark.parametrize(
    ("changed", "keyword"),
    [
        (with_measured(overlaps_far=1 - np.tile([0.4, 1e-3], 6)), "cycle"),
        (with_measured(overlaps_far=1 - 1e-3 * np.arange(1, 13) ** 2), "moving"),
        (replace(healthy(), gamma=0.26), "overshoots"),
        (with_measured(field_max=9.0), "locally_overshoots"),
        (with_measured(energy_rise=np.full(28, 1e-3)), "energy_rises"),
        (with_measured(rmse=error(t5=0.05)), "one_depth"),
        (with_measured(rmse=error(t8=0.05)), "fades"),
        (with_measured(rmse=np.full(29, 0.229)), "constant"),
        (with_measured(wall_energy=[1.0, -0.1]), "no_tension"),
        (replace(healthy(), c=0.5), "broken"),
        (replace(healthy(), spectrum=spectrum(waves((np.pi, 0)), np.ones(2), 8)), "wave"),
    ],
)
def test_every_fault_has_its_word(changed, keyword):
    assert keyword not in healthy().findings
    assert keyword in changed.findings
    assert changed.findings[keyword] in changed.verdict


def test_the_json_form_has_the_agreed_keys():
    row = json.loads(json.dumps(diagnoses_json([healthy()]), allow_nan=False))["networks"][0]
    assert {"name", "family", "symmetric", "s", "lambda_min", "h", "period", "rmse"} <= set(row)
    assert {"T-1", "T", "T+1"} <= set(row["rmse"])
    assert isinstance(row["period"], int) and row["symmetric"] is True
    headings, rows = table([healthy()])
    assert [len(r) for r in rows] == [len(headings)]


def test_a_spectrum_reports_its_range():
    assert Spectrum(np.array([[[-1.0, 2.0]]]), ()).lambda_max == 2
