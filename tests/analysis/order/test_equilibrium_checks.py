"""Evidence for equilibrium: chains that never changed are unknown, not in agreement."""

from __future__ import annotations

import json

import numpy as np

from physnn import rng
from physnn.analysis.order.equilibrium import check_rows, checks
from tests.frames import assert_framed


def test_chains_that_never_changed_are_unknown():
    generator = rng.stream(0, "synthetic", "equilibrium checks")
    noise = {name: 1 + 0.01 * generator.normal(size=(1, 4, 500)) for name in ("force", "curvature", "energy", "m2")}
    still = noise | {"m2": np.ones((1, 4, 500))}
    stuck = noise | {"m2": np.tile([[0.25], [1.0], [0.25], [1.0]], (1, 1, 500))}
    found = checks({L: (np.array([1.0]), arrays) for L, arrays in ((4, noise), (8, still), (12, stuck))}, both=True)
    assert_framed(found[0], 1, "L", "T", "tau", "effective_samples", value=found[0].thermometer.ratio)
    assert 0.3 < found[0].tau < 0.8 and abs(found[0].hot_cold) < 4
    assert np.isnan([found[1].tau, found[1].hot_cold]).all()
    assert found[2].tau > 250 and np.isnan(found[2].hot_cold), "each half is stuck, so its error is unknown"
    plain = [json.loads(json.dumps(one.as_json(), allow_nan=False)) for one in found]
    assert plain[0]["tau"] > 0 and plain[1]["tau"] is plain[1]["effective_samples"] is None
    assert check_rows(found)[1][1][3:5] == ["unknown", "unknown"]
