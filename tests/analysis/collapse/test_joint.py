"""Observables that share x_c and nu are fitted together."""

from __future__ import annotations

import json

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.collapse.exponents import Settings, collapse
from physnn.analysis.collapse.joint import joint
from physnn.analysis.curves.tables import Columns, curves_of_table
from physnn.answers import comparisons, fit
from physnn.errors import InputError
from physnn.store.hdf5 import Variable
from physnn.store.sweep_file import write_sweep
from tests.conftest import planted_sizes


def parts(seed: int, shift: float = 0.0):
    generator = rng.stream(seed, "synthetic", "joint")
    L, x = np.repeat([16.0, 32, 64], 21), np.tile(np.linspace(0.4, 0.6, 21), 3)
    found = []
    for name, x_c, y in (
        ("binder", 0.5, lambda u: 0.4 + 0.2 * np.tanh(u)),
        ("m_abs", 0.5 + shift, lambda u: L**-0.125 * (1.2 + np.tanh(0.7 * u))),
    ):
        mean = y((x - x_c) * L**0.9)
        error = 0.005 * np.abs(mean)
        columns = Columns(L, x, mean + error * generator.standard_normal(len(L)), error, "T", name)
        curves = curves_of_table(columns, None, 300, generator)[0]
        found.append((curves, collapse(curves, Settings(resamples=30), generator)))
    return found, generator


def test_a_common_fit_finds_the_truth_with_errors_that_hold_and_knows_more_than_each():
    z, gain = [], []
    for seed in range(8):
        found, generator = parts(seed)
        answer = joint(found, 30, generator)
        z.append([(answer.critical_point.value - 0.5) / answer.critical_point.error])
        z[-1].append((answer.inverse_nu.value - 0.9) / answer.inverse_nu.error)
        gain.append(answer.inverse_nu.error / max(c.inverse_nu.error for _, c in found))
        assert answer.p_value > 1e-3 and answer.agreement > 1e-3
        assert answer.zeta_over_nu[0].error == 0
        assert abs(answer.zeta_over_nu[1].value + 0.125) < 4 * answer.zeta_over_nu[1].error
    assert (np.abs(z) < 3).all() and np.std(z) > 0.3
    assert np.median(gain) < 0.9
    json.dumps(answer.as_json(), allow_nan=False)


def test_observables_with_critical_points_of_their_own_are_told_apart():
    found, generator = parts(0, shift=0.01)
    assert joint(found, 20, generator).agreement < 1e-6


def test_a_sweep_file_draws_the_same_networks_for_all(tmp_path):
    sizes = planted_sizes(0)
    for group in sizes.values():
        group["overlap"] = Variable(group["rmse"].dims, 2 - group["rmse"].values)
    write_sweep(tmp_path / "p.h5", {"kind": "planted"}, sizes)
    answer = comparisons.fit_joint(tmp_path / "p.h5", ["overlap"], "rmse_per_image", resamples=40)
    # The second observable is the first one turned over: sample by sample it adds nothing.
    alone = fit.fit(tmp_path / "p.h5", "rmse_per_image", resamples=40).collapse
    assert answer.critical_point.error > 0.7 * alone.samples[:, 0].std()
    assert abs(answer.critical_point.value - 0.45) < 4 * answer.critical_point.error
    with pytest.raises(InputError, match="once"):
        comparisons.fit_joint(tmp_path / "p.h5", ["rmse"], "rmse")
