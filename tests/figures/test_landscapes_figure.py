from __future__ import annotations

import numpy as np
import pytest

from physnn.exact.ising.levels import ising_landscape, random_energies
from physnn.exact.landscape import Landscape
from physnn.figures.landscapes import ising_landscape_figure, loss_landscape_figure
from physnn.figures.style import save


def test_the_ising_landscape_shows_energies_counts_and_the_splitting(tmp_path):
    fields = (0.0, 0.1)
    drawn = dict(zip(fields, random_energies((6, 6), fields, configurations=50), strict=True))
    exact = {h: ising_landscape((4, 4), h) for h in fields}
    figure = ising_landscape_figure((6, 6), drawn, exact, (4, 4))
    random, whole, lowest = figure.axes
    assert all(axes.get_xlabel() and axes.get_ylabel() and axes.get_title() for axes in figure.axes)
    assert [t.get_text() for t in whole.get_legend().get_texts()] == ["h/J = 0", "h/J = 0.1"]
    np.testing.assert_array_equal(random.lines[0].get_ydata(), drawn[0.0])
    assert whole.lines[0].get_ydata().sum() == whole.lines[1].get_ydata().sum() == 2**16
    # Two ground states without a field; with it they lie 2 h N apart.
    assert [t.get_text() for t in lowest.texts][:2] == ["2", "32"]
    heights = [line.get_ydata()[0] for line in lowest.lines]
    assert {-32.0, -33.6, -30.4} <= {round(height, 9) for height in heights}
    assert save(figure, tmp_path / "f.png").stat().st_size > 10_000


def test_the_loss_landscape_shows_sorted_losses_and_degeneracies(tmp_path):
    few = Landscape.build(2, np.array([0.5, 0.7]), [1, 3], "brute force")
    many = Landscape.build(2, np.array([0.4, 0.6, 0.7, 0.9]), [1, 1, 1, 1], "brute force")
    figure = loss_landscape_figure({"few": few, "many": many})
    left, right = figure.axes
    assert all(axes.get_xlabel() and axes.get_ylabel() for axes in figure.axes)
    assert [t.get_text() for t in right.get_legend().get_texts()] == [
        "few: $2^{2}$ on 2 levels",
        "many: $2^{2}$ on 4 levels",
    ]
    values, edges, _ = left.patches[0].get_data()
    assert values.tolist() == [0.7, 0.5] and edges == pytest.approx([0, 0.75, 1])
    assert right.lines[0].get_ydata() == pytest.approx([0.75, 0.25])
    assert save(figure, tmp_path / "f.png").stat().st_size > 10_000
