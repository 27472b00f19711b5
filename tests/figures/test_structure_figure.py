from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.order.equilibrium import whole_zone
from physnn.figures.structure import structure_figure
from physnn.figures.style import save


@pytest.mark.parametrize("L", [5, 8])
def test_halves_of_the_zone_make_the_whole(L):
    x = rng.stream(0, "synthetic", "zone").normal(size=(L, L))
    full = np.abs(np.fft.fft2(x)) ** 2
    assert np.allclose(whole_zone(full[:, : L // 2 + 1]), full)


def test_a_page_shows_structure_factors_and_energies_with_labels(tmp_path):
    T, L = np.array([0.5, 0.7, 0.9, 1.1]), 8
    structure = np.ones((4, 2, L, L // 2 + 1))
    structure[:, :, 1, 2] = 50.0
    structure[:, :, -1, 2] = 2.0
    figure = structure_figure(L, T, structure, np.zeros((4, 2, L, L)), [(Fraction(1, 8), Fraction(1, 4))])
    panels = [a for a in figure.axes if a.get_xlabel()]
    assert len(panels) == 6
    assert all(a.get_ylabel() for a in panels)
    assert [a.get_title() for a in panels[:3]] == [f"L = 8, T = {t}" for t in (0.5, 0.9, 1.1)]
    zone = panels[0].images[0]
    row, column = np.unravel_index(np.argmax(zone.get_array()), (L, L))
    left, right, _, _ = zone.get_extent()
    place = [left + (index + 0.5) * (right - left) / L for index in (row, column)]
    circles = panels[0].lines[0].get_xydata()[:, ::-1]
    assert np.abs(circles - place).max(1).min() < 1e-9, "the circle is where S(k) is largest"
    assert save(figure, tmp_path / "page.png").stat().st_size > 10_000
