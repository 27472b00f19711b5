"""The comparison's figure shows both collapses on one scale, and the exponents beside the classes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.curves.tables import fit_arrays
from physnn.analysis.verdict.fit import Fit
from physnn.analysis.verdict.universality import CLASSES, compare_fits
from physnn.figures.compare import compare_figure
from physnn.figures.style import save


@cache
def planted(
    seed: int, inverse_nu: float = 1.0, zeta: float = 0.0, rising: float = -1.0, scale: float = 1.0, **kwargs
) -> Fit:
    """The same curve in other units, with other exponents, rising or falling."""
    generator = rng.stream(seed, "synthetic", "compared")
    L = np.repeat([16.0, 32.0, 64.0], 13)
    u = np.tile(np.linspace(-3, 3, 13), 3)
    y, error = scale * (0.2 + 0.6 / (1 + np.exp(-1.5 * rising * u))) * L**zeta, scale * 0.004 * L**zeta
    values = y + error * generator.normal(size=len(L))
    return fit_arrays(L, scale * (0.5 + u * L**-inverse_nu), values, error, resamples=25, **kwargs)


def drawn(axes) -> list[np.ndarray]:
    """Points with error bars."""
    return [np.array(c.lines[0].get_xydata()) for c in axes.containers]


@pytest.mark.parametrize("rising", [-1.0, 1.0])
def test_collapses_of_one_curve_in_other_units_lie_on_each_other(rising, tmp_path):
    figure = compare_figure(compare_fits(planted(0), planted(1, 0.75, rising=rising, scale=3.0), ("a", "b")))
    left, right = figure.axes
    points = drawn(left)
    assert len(points) == 6
    first, second = np.concatenate(points[:3]), np.concatenate(points[3:])
    first = first[np.argsort(first[:, 0])]
    apart = np.interp(second[:, 0], first[:, 0], first[:, 1]) - second[:, 1]
    assert np.abs(apart).max() < 0.06
    assert np.abs(np.interp(second[:, 0] * 1.5, first[:, 0], first[:, 1]) - second[:, 1]).max() > 0.06, "control"
    labels = [t.get_text() for t in left.get_legend().get_texts()]
    assert labels[0] == "a, L = 16"
    assert ("y turned over" in labels[-1]) == (rising > 0), "a rising curve against a falling one is turned"
    assert "width of each transition" in left.get_xlabel()
    assert "[0, 1]" in left.get_ylabel()
    assert len(right.containers) == 2
    assert save(figure, tmp_path / "c.png").stat().st_size > 10_000


def test_exponents_stand_beside_the_names_of_all_classes():
    figure = compare_figure(compare_fits(planted(0), planted(1, 0.75)))
    right = figure.axes[1]
    names = {t.get_text().replace("$", "") for t in right.texts}
    assert names == {c.name for c in CLASSES if c.inverse_nu}
    lines = {round(float(line.get_ydata()[0]), 6) for line in right.lines}
    assert {1.0, 0.75, 1.2} <= lines
    heights = sorted(t.xyann[1] for t in right.texts)
    assert (np.diff(heights) > 0.05).all(), "names do not overlap"
    colours = {t.get_text(): t.get_color() for t in right.texts}
    assert len({colours["2D Ising"], colours["2D percolation"], colours["3D Ising"]}) == 3


def test_a_fitted_zeta_has_a_panel_of_its_own():
    fits = planted(0, zeta=-0.125, observable="m_abs"), planted(1)
    figure = compare_figure(compare_fits(*fits))
    assert len(figure.axes) == 3
    zeta = figure.axes[2]
    assert len(zeta.containers) == 1
    assert all(line.get_ydata()[0] < 0 for line in zeta.lines), "an order parameter is compared with -beta/nu"


def test_what_has_no_collapse_is_drawn_as_curves_with_a_note(tmp_path):
    flat = replace(planted(1), verdict="no-crossing", collapse=None)
    figure = compare_figure(compare_fits(planted(0), flat, ("one", "two $ and a very long name")))
    top, bottom, right = figure.axes
    assert any("no collapse: no-crossing" in t.get_text() for t in bottom.texts)
    assert not top.texts
    assert any("no exponent" in t.get_text() for t in right.texts)
    assert save(figure, tmp_path / "c.pdf").stat().st_size > 10_000


def test_one_fit_alone_is_drawn_with_the_classes(tmp_path):
    figure = compare_figure(compare_fits(planted(0)))
    assert len(figure.axes) == 2
    assert len(figure.axes[1].containers) == 1
    assert save(figure, tmp_path / "c.svg").stat().st_size > 10_000
