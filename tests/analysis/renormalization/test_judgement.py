"""Verdicts on planted flows: what comes to rest, what runs away, and what is not known well enough."""

from __future__ import annotations

import numpy as np
import pytest

from physnn.analysis.renormalization.couplings import Couplings
from physnn.analysis.renormalization.judgement import AWAY, FIXED, OPEN, Step, judge
from physnn.analysis.renormalization.linearised import Exponents


def planted(centres, error, generator, bins=64):
    """Values of all data and of all but each bin, for every centre, with a jackknife error that is about ``error``."""
    own = error * np.sqrt(bins) * generator.standard_normal((bins, len(centres)))
    mean = own.mean(0)
    return np.concatenate([[centres + mean], centres + (own.sum(0) - own) / (bins - 1)])


def flow(y_t, y_h, nearest, error=0.005):
    generator = np.random.default_rng(4)
    steps = []
    for n, (t, h) in enumerate(zip(y_t, y_h, strict=True)):
        even, odd = (Exponents(planted(np.array([y, -1.0]), error, generator)) for y in (t, h))
        steps.append(Step(n, 2 ** (6 - n), (even, even), (odd, odd)))
    couplings = [Couplings(planted(np.array([k, 0.09]), error, generator)) for k in nearest]
    return judge(steps, couplings)


SETTLED = ((0.98, 1.0, 1.005), (1.88, 1.875, 1.874), (0.44, 0.365, 0.355, 0.353))


@pytest.mark.parametrize(
    ("change", "verdict", "why"),
    [
        ({}, FIXED, "y_t changes"),
        ({1: (1.86, 1.83, 1.72)}, AWAY, "y_h changes"),
        ({1: (1.8973, 1.9066, 1.94)}, AWAY, "more than by"),
        ({0: (0.9, 0.4, -0.3)}, AWAY, "nothing there is relevant"),
        ({2: (0.44, 0.42, 0.38, 0.25)}, AWAY, "couplings change"),
        ({0: (0.9, 1.0, np.nan)}, AWAY, "no real number"),
        ({2: (0.44, 0.36)}, OPEN, "fewer than three levels"),
        ({"error": 0.05}, OPEN, "not known well enough"),
    ],
)
def test_flows_are_judged_by_whether_they_come_to_rest(change, verdict, why):
    series = [change.get(k, each) for k, each in enumerate(SETTLED)]
    found = flow(*series, error=change.get("error", 0.002))
    assert found.verdict == verdict and any(why in reason for reason in found.reasons)


def test_one_step_is_no_flow():
    assert flow((1.0,), (1.875,), (0.44, 0.36)).verdict == OPEN
