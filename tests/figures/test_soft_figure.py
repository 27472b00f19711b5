from __future__ import annotations

from physnn import rng
from physnn.analysis.statistics.estimate import Estimate
from physnn.answers.training.soft import SoftRow
from physnn.figures.training.soft import soft_figure


def row(largest: Estimate, cost: Estimate, **other: object) -> SoftRow:
    usual = {"strength": None, "networks": 8, "movable": True} | other
    per_layer = ("all",), (Estimate(1, 0.1),), (largest,)
    return SoftRow("raw", "flip", usual["strength"], *per_layer, largest, cost, usual["networks"], usual["movable"])


def test_verdicts_need_deviations_and_costs_beyond_their_errors():
    none, some, much = Estimate(0.001, 0.001), Estimate(0.02, 0.01), Estimate(0.3, 0.02)
    free, dear = Estimate(0.001, 0.01), Estimate(0.8, 0.1)
    assert row(none, free).verdict == "kept" and row(much, dear).verdict == "broken"
    assert row(some, dear).verdict == "undecided", "a deviation that its error does not tell from the limit"
    assert row(much, free).verdict == "undecided", "a deviation that is worth nothing"
    assert row(none, free, networks=2).verdict.startswith("undecided")
    assert row(none, free, strength=1e6).verdict == "given" and row(none, free, movable=False).verdict == "built in"


def test_figure_has_a_column_for_every_symmetry_and_leaves_out_layers_that_cannot_deviate():
    values = rng.stream(0, "synthetic", "figure").random((3, 5, 2, 4)) + 0.1
    values[:, :, 0, 1] = 0
    arrays = {"soft_strength": values + 1, "soft_deviation": values}
    figure = soft_figure({"raw": (("flip:auto", "rotation:1"), ("first", "second", "hidden", "output"), arrays)})
    panels = figure.axes
    assert len(panels) == 4 and [len(axes.lines) for axes in panels] == [3, 4, 3, 4]
    assert all(axes.get_yscale() == "log" for axes in panels)
