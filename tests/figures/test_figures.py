from __future__ import annotations

import numpy as np
import pytest

from physnn.answers import fit as report
from physnn.figures.fit import sweep_figure
from physnn.figures.networks import image_figure, training_figure
from physnn.figures.style import save
from physnn.store.sweep_file import SweepFile
from tests.conftest import planted_sizes


@pytest.mark.parametrize("crosses", [True, False])
def test_a_sweep_figure_has_both_panels_with_labels_and_errors(crosses, tmp_path):
    fit = report.fit(SweepFile({}, planted_sizes(0, crosses=crosses), {}), resamples=60)
    figure = sweep_figure(fit)
    left, right = figure.axes
    assert left.get_xlabel() and left.get_ylabel() and right.get_xlabel() and right.get_ylabel()
    assert [t.get_text() for t in left.get_legend().get_texts()][:3] == ["L = 16", "L = 32", "L = 64"]
    assert len(left.collections) >= 3, "bands"
    assert any("_c$ = " in t.get_text() for t in left.get_legend().get_texts()) == crosses
    assert len(right.containers) == (3 if crosses else 2), "error bars"
    assert save(figure, tmp_path / "f.png").stat().st_size > 10_000


def test_images_and_training_curves_are_drawn():
    images = image_figure([("input", np.zeros((8, 8))), ("output", np.ones((8, 8)))])
    assert [a.get_title() for a in images.axes[:2]] == ["input", "output"]
    figure = training_figure({"symmetric": np.full((2, 3), 0.01), "broken": np.full((1, 3), 0.04)}, 1000)
    axes = figure.axes[0]
    assert [line.get_ydata()[0] for line in axes.lines] == pytest.approx([0.1, 0.1, 0.1, 0.2, 0.2])
    assert list(axes.lines[0].get_xdata()) == [1, 2, 3]
