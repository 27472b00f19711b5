"""Figures of ensembles of replicas: distances, overlaps, accuracies, and training with expanded images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physnn.analysis.replicas.distances import HEADLINE
from physnn.figures.style import COLOURS, errorbar, look, new_figure

if TYPE_CHECKING:
    from physnn.analysis.replicas.metric import ReplicaMetric
    from physnn.analysis.replicas.overlaps import OverlapDistribution
    from physnn.analysis.statistics.pairs import PairedDifference
    from physnn.answers.replicas import ReplicaStudy

TITLES = {
    "wasserstein": "raw",
    "wasserstein_normalised": "scale\nnormalised",
    "wasserstein_untrained": "before\ntraining",
    "wasserstein_canonical": "gauge\nfixed",
    "sliced": "sliced",
    "euclid": "Euclid",
    "euclid_aligned": "Euclid,\naligned",
}
"""Labels of distances."""


def replicas_figure(study: ReplicaStudy) -> Figure:
    """Figure of replica distances of ensembles: densities, metrics, accuracies, and overlaps P(q)."""
    figure = new_figure(13.5, 8.2)
    (left, right), (low_left, low_right) = figure.subplots(2, 2)
    names = list(study.ensembles)
    draw_densities(left, {n: study.ensembles[n].metrics[HEADLINE] for n in names})
    _draw_kinds(right, study)
    _draw_accuracies(low_left, study)
    draw_class_overlaps(low_right, {n: study.ensembles[n].class_overlap for n in names})
    return figure


def _line(k: int) -> str:
    return "-" if k < len(COLOURS) else "--"


def draw_densities(axes: Axes, metrics: Mapping[str, ReplicaMetric]) -> None:
    """Panel of the smoothed density of distances of every ensemble, with its mean and error."""
    for k, (name, metric) in enumerate(metrics.items()):
        colour, _ = look(k)
        if metric.density is not None:
            x, density, mean = metric.density.x, metric.density.density, metric.estimate
            axes.plot(x, density, _line(k), color=colour, label=f"{name}: {mean}")
            errorbar(axes, k, mean.value, 1.04 * float(density.max()), xerr=mean.error, marker="|", capsize=3)
    axes.set(
        xlabel="1-D Wasserstein distance of two replicas (units of a weight)",
        ylabel="density of pairs",
        title="(a) distances of pairs; marks: mean with error",
    )
    axes.legend(frameon=False, fontsize=9)


def _draw_kinds(axes: Axes, study: ReplicaStudy) -> None:
    """Panel of every metric as a ratio to the mean of all ensembles, so that kinds with other units fit one axis."""
    kinds = [k for k in TITLES if all(k in s.metrics for s in study.ensembles.values())]
    width = 0.6 / max(1, len(study.ensembles))
    for j, kind in enumerate(kinds):
        values = [s.metrics[kind].estimate for s in study.ensembles.values()]
        mean = float(np.mean([v.value for v in values]))
        for k, v in enumerate(values):
            place = j + (k - (len(values) - 1) / 2) * width
            label = None if j else list(study.ensembles)[k]
            errorbar(axes, k, place, v.value / mean, v.error / mean, capsize=2, label=label)
    axes.axhline(1, color="0.7", lw=0.8, zorder=0)
    axes.set_xticks(range(len(kinds)), [TITLES[k] for k in kinds], fontsize=9)
    axes.set(ylabel="metric / mean over networks", title="(b) the same, taken in other ways")
    axes.legend(frameon=False, fontsize=9)


def _draw_accuracies(axes: Axes, study: ReplicaStudy) -> None:
    for k, (name, s) in enumerate(study.ensembles.items()):
        metric, accuracy = s.metrics[HEADLINE].estimate, s.accuracy
        errorbar(axes, k, metric.value, 100 * accuracy.value, 100 * accuracy.error, metric.error, capsize=3, label=name)
    axes.set(
        xlabel="mean distance (units of a weight)",
        ylabel="test accuracy (%)",
        title="(c) does the distance go with accuracy?",
    )
    axes.legend(frameon=False, fontsize=9)


def draw_class_overlaps(axes: Axes, overlaps: Mapping[str, OverlapDistribution]) -> None:
    """Panel of P(q) of predicted classes with errors over replicas."""
    for k, (name, overlap) in enumerate(overlaps.items()):
        centres = (overlap.edges[1:] + overlap.edges[:-1]) / 2
        shown, label = overlap.density > 0, f"{name}: <q> = {overlap.mean}"
        points = centres[shown], overlap.density[shown], overlap.error[shown]
        errorbar(axes, k, *points, ls=_line(k), ms=3, capsize=2, label=label)
    axes.set(
        xlabel="overlap q of predicted classes, less chance (dimensionless)",
        ylabel="P(q)",
        title="(d) overlap of replicas in function space",
    )
    axes.legend(frameon=False, fontsize=9)


def forms_figure(
    accuracies: Mapping[str, np.ndarray],
    losses: Mapping[str, np.ndarray],
    tests: Mapping[tuple[str, str], PairedDifference],
) -> Figure:
    """Figure of training on several forms of the same images: loss curves, accuracies by seed, and differences.

    By form: test accuracies ``(seeds,)`` and mean cross-entropies ``(seeds, epochs)``; by two forms, the accuracy of
    the first less that of the second.
    """
    figure = new_figure(12.5 if tests else 9, 4.2)
    curves, points, *rest = figure.subplots(1, 3 if tests else 2)
    for k, (form, loss) in enumerate(losses.items()):
        epochs = np.arange(1, loss.shape[1] + 1)
        mean, (colour, _) = loss.mean(0), look(k)
        curves.plot(epochs, mean, color=colour, label=form)
        if len(loss) > 1:
            error = loss.std(0, ddof=1) / np.sqrt(len(loss))
            curves.fill_between(epochs, mean - error, mean + error, color=colour, alpha=0.3, lw=0)
    curves.set(xlabel="epoch", ylabel="training cross-entropy (nats)", yscale="log", title="(a) training")
    curves.legend(frameon=False, fontsize=9)
    _draw_seeds(points, accuracies)
    for bars in rest:
        _draw_tests(bars, tests)
    return figure


def _draw_seeds(axes: Axes, accuracies: Mapping[str, np.ndarray]) -> None:
    table = np.array(list(accuracies.values()))
    x = np.arange(len(table))
    for column in table.T:
        axes.plot(x, 100 * column, color="0.7", lw=0.8, marker=".", zorder=0)
    for k, row in enumerate(table):
        error = 100 * row.std(ddof=1) / np.sqrt(len(row)) if len(row) > 1 else 0
        errorbar(axes, k, k, 100 * row.mean(), error, capsize=3)
    axes.set_xticks(x, list(accuracies))
    axes.set(ylabel="test accuracy (%)", title="(b) accuracy; grey: one seed each")
    axes.margins(x=0.2)


def _draw_tests(axes: Axes, tests: Mapping[tuple[str, str], PairedDifference]) -> None:
    for k, test in enumerate(tests.values()):
        value, error = 100 * test.estimate.value, 100 * test.estimate.error
        axes.errorbar(k, value, error, color=COLOURS[6], marker="o", capsize=3)
        axes.annotate(f"p = {test.p_value:.2g}", (k, value), (8, 0), textcoords="offset points", fontsize=9)
    axes.axhline(0, color="0.5", lw=0.8)
    axes.set_xticks(range(len(tests)), [f"{a}\n- {b}" for a, b in tests])
    axes.set(ylabel="difference of accuracy (percentage points)", title="(c) paired by seed")
    axes.set_xlim(-0.4, len(tests) - 0.3)
