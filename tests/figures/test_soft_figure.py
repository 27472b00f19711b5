from __future__ import annotations

import pytest

from physnn import rng
from physnn.analysis.statistics.estimate import Estimate, mean_over
from physnn.answers.training.soft import HARMLESS_BELOW, SoftRow, with_images
from physnn.figures.training.soft import soft_figure


def row(largest: Estimate, cost: Estimate, **other: object) -> SoftRow:
    usual = {"strength": None, "networks": 8, "movable": True} | other
    per_layer = ("all",), (Estimate(1, 0.1),), (largest,)
    counted = usual["networks"], usual["movable"], usual.get("learned")
    return SoftRow("raw", "flip", usual["strength"], *per_layer, largest, cost, *counted)


def test_verdicts_need_deviations_and_costs_beyond_their_errors():
    none, some, much = Estimate(0.001, 0.001), Estimate(0.02, 0.01), Estimate(0.3, 0.02)
    free, dear = Estimate(0.001, 0.01), Estimate(0.8, 0.1)
    assert row(none, free).verdict == "kept" and row(much, dear).verdict == "broken"
    assert row(some, dear).verdict == "undecided", "a deviation that its error does not tell from the limit"
    assert row(much, free).verdict == "undecided", "a deviation that is worth nothing"
    assert row(none, free, networks=2).verdict.startswith("undecided")
    assert row(none, free, strength=1e6).verdict == "given" and row(none, free, movable=False).verdict == "built in"


def test_harmless_needs_a_cost_below_a_margin_that_what_was_learned_gives():
    much, small = Estimate(0.3, 0.02), Estimate(0.001, 0.0005)
    learned = Estimate(0.9, 0.1)
    assert row(much, small, learned=learned).margin == pytest.approx(0.006)
    assert row(much, Estimate(0.001, 0.001), learned=learned).verdict == "harmless"
    assert row(much, Estimate(0.001, 0.002), learned=learned).verdict == "undecided", "too few images to tell"
    assert row(much, Estimate(0.008, 0.001), learned=learned).verdict == "broken", "small, but told from zero"
    assert row(much, Estimate(0.008, 0.003), learned=learned).verdict == "undecided"
    assert row(much, Estimate(-0.01, 0.002), learned=learned).verdict == "harmless", "forcing it helps"
    # A network that has not learned anything loses nothing by a wrong symmetry.
    assert row(much, Estimate(0.0, 1e-6), learned=Estimate(0.2, 0.1)).verdict == "undecided"
    assert row(much, Estimate(0.0, 1e-6)).verdict == "undecided"
    none = Estimate(0.001, 0.001)
    assert row(none, small, learned=learned).verdict == "kept"
    assert row(none, small, learned=Estimate(0.2, 0.1)).verdict == "undecided (nothing learned)"
    assert row(much, Estimate(0.001, 0.001), learned=learned, networks=2).verdict.startswith("undecided")


@pytest.mark.parametrize("sizes", [(0.0, 1.0, 1.0), (0.05, 1.0, 0.3), (0.1, 0.0, 1.0)])
def test_errors_of_costs_cover_and_a_symmetry_that_costs_the_margin_is_not_called_harmless(sizes):
    """Costs scatter by network, by image and by both; all networks see the same images."""
    draw, trials, networks, images, true = rng.stream(0, "synthetic", "costs", *map(str, sizes)), 300, 8, 150, 0.1
    by_network, by_image, by_both = sizes
    costs = (
        true + by_network * draw.normal(size=(trials, networks, 1)) + by_image * draw.normal(size=(trials, 1, images))
    )
    costs = costs + by_both * draw.normal(size=(trials, networks, images))
    covered, alone, wrong = 0, 0, 0
    for one in costs:
        seeds = mean_over(one.mean(1))
        found = with_images(seeds, one.std(1, ddof=1) / images**0.5)
        covered += abs(found.value - true) < found.error
        alone += abs(seeds.value - true) < seeds.error
        at_margin = row(Estimate(0.3, 0.02), found, learned=Estimate(true / HARMLESS_BELOW, 0.0))
        wrong += at_margin.verdict == "harmless"
    assert covered / trials > 0.64 and wrong / trials < 0.02
    if not by_network:
        assert alone / trials < 0.5, "the scatter of networks alone does not know that images are few"


def test_figure_has_a_column_for_every_symmetry_and_leaves_out_layers_that_cannot_deviate():
    values = rng.stream(0, "synthetic", "figure").random((3, 5, 2, 4)) + 0.1
    values[:, :, 0, 1] = 0
    arrays = {"soft_strength": values + 1, "soft_deviation": values}
    figure = soft_figure({"raw": (("flip:auto", "rotation:1"), ("first", "second", "hidden", "output"), arrays)})
    panels = figure.axes
    assert len(panels) == 4 and [len(axes.lines) for axes in panels] == [3, 4, 3, 4]
    assert all(axes.get_yscale() == "log" for axes in panels)
