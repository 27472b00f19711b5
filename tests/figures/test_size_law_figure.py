from __future__ import annotations

import numpy as np
import pytest

import physnn
from physnn.figures.size_law import size_law_figure
from physnn.figures.style import save

L = np.array([8.0, 12, 16, 24, 32, 64])


@pytest.mark.parametrize(
    ("y", "observable", "verdict", "lines"),
    [
        (L**-0.125, "m_abs", "power-law", 1),
        (1 + 0.5 * np.log(L), "c", "logarithm", 1),
        (L[:2] ** 0.5, "value", "undecided", 2),
        (1 - np.exp(-L / 12), "value", "no-law", 0),
    ],
)
def test_a_figure_has_values_with_errors_curves_residuals_and_fits(y, observable, verdict, lines, tmp_path):
    answer = physnn.fit_arrays(L[: len(y)], None, y, 1e-3 * y, observable=observable, at_criticality=True)
    assert answer.verdict == verdict
    figure = size_law_figure(answer)
    top, bottom, right = figure.axes
    assert len(top.containers) == 1 and len(top.get_legend().get_texts()) == 1 + lines
    assert top.get_ylabel() and bottom.get_xlabel() == "L" and bottom.get_ylabel()
    assert top.get_yscale() == ("log" if verdict in ("power-law", "undecided") else "linear")
    residuals = [line for line in bottom.lines if line.get_linestyle() == "None"]
    assert len(residuals) == lines
    assert all(np.abs(line.get_ydata()).max() < 1 for line in residuals), "values without noise lie on the curve"
    assert bool(right.get_ylabel()) == (verdict != "no-law")
    assert save(figure, tmp_path / "f.png").stat().st_size > 10_000
