from __future__ import annotations

import pytest

from physnn.analysis.statistics.estimate import Estimate


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (2.2691853, 0.00004, "2.26919(4)"),
        (2.2691853, 0.000014, "2.269185(14)"),
        (0.0046, 0.00096, "0.00460(96)"),
        (0.0046, 0.0009, "0.0046(9)"),
        (123.4, 5.0, "123(5)"),
        (1234.0, 150.0, "1234(150)"),
        (-1.5, 0.3, "-1.5(3)"),
        (1.5, 0.0, "1.5"),
        (1.5, float("nan"), "1.5"),
    ],
)
def test_printing(value, error, text):
    assert str(Estimate(value, error)) == text
