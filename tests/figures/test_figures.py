from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib import rcParams

from physnn.answers import fit as report
from physnn.cli.files import plot_command
from physnn.errors import InputError
from physnn.figures.compare import overlay_figure
from physnn.figures.fit import FIT_PANELS, panel_figure, sweep_figure
from physnn.figures.networks import image_figure, training_figure
from physnn.figures.reports.panels import PANEL_CAPTIONS
from physnn.figures.style import clear_legends, covers, new_figure, save, styled
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


def legend_on_data(axes):
    axes.figure.draw_without_rendering()
    return covers(axes, axes.get_legend().get_window_extent())


@pytest.mark.parametrize("draw", ["plot", "scatter", "errorbar", "fill_between", "bar", "text"])
def test_legends_never_lie_on_data(draw):
    x = np.linspace(0, 1, 25)
    figure = new_figure(4, 3)
    axes = figure.subplots()
    for y in x:
        getattr(axes, draw)(*((0.8 * y, 0.93, "words") if draw == "text" else (x, np.full(25, y))))
    axes.plot([], [], label="a name")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper right")
    assert legend_on_data(axes), "the check itself"
    clear_legends(figure)
    assert not legend_on_data(axes)


def test_a_legend_in_a_free_corner_stays_and_guides_are_no_data():
    figure = new_figure(4, 3)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], label="rises")
    axes.axhspan(0, 1, color="0.9")
    axes.axvline(0.9, label="a guide")
    legend = axes.legend(loc="lower right")
    before = legend.get_window_extent()
    clear_legends(figure)
    assert not legend_on_data(axes) and legend._loc == 4 and legend.get_window_extent().width == before.width
    axes.legend(loc="upper right")
    clear_legends(figure)
    assert not legend_on_data(axes)


def test_panels_are_drawn_by_name_and_those_of_no_collapse_are_refused():
    fit = report.fit(SweepFile({}, planted_sizes(0, crosses=True), {}), resamples=40)
    figure = panel_figure(fit, list(FIT_PANELS))
    assert len(figure.axes) >= len(FIT_PANELS) and all(axes.get_ylabel() for axes in figure.axes[: len(FIT_PANELS)])
    assert figure.axes[list(FIT_PANELS).index("residuals")].get_xlabel(), "which that under a collapse leaves out"
    choices = next(param.type.choices for param in plot_command.params if param.name == "panels")
    assert set(choices) == set(FIT_PANELS) == set(PANEL_CAPTIONS)
    without = report.fit(SweepFile({}, planted_sizes(0, crosses=False), {}), resamples=40)
    assert len(panel_figure(without, ["curves", "differences"]).axes) == 2
    with pytest.raises(InputError, match="no collapse to draw cloud of, the verdict is no-crossing"):
        panel_figure(without, ["curves", "cloud"])


def test_files_over_each_other_share_colours_of_sizes_and_differ_in_lines():
    one = report.curves(SweepFile({}, planted_sizes(0, crosses=True), {}))
    axes = overlay_figure({"one": one, "other": one}).axes[0]
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["one", "other", "L = 16", "L = 32", "L = 64"]
    drawn = [line for line in axes.lines if len(line.get_xdata()) > 1]
    assert [line.get_linestyle() for line in drawn] == ["-"] * 3 + ["--"] * 3
    assert [line.get_color() for line in drawn[:3]] == [line.get_color() for line in drawn[3:]]
    with pytest.raises(InputError, match="T and eta; draw them one by one"):
        overlay_figure({"one": one, "other": replace(one, control="T")})


def test_a_style_holds_inside_only_and_an_unknown_one_is_refused():
    size = rcParams["font.size"]
    with styled("fivethirtyeight"):
        assert rcParams["font.size"] != size
    assert rcParams["font.size"] == size
    with (
        pytest.raises(InputError, match=r"neither a style of matplotlib nor a file of one; styles are .*ggplot"),
        styled("none"),
    ):
        pass
