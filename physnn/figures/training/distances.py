"""Figure of networks trained in several forms as replicas: distances of pairs, and overlaps of their weights."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from physnn.analysis.replicas.metric import ReplicaMetric
from physnn.analysis.statistics.estimate import Estimate
from physnn.figures.replicas import draw_densities
from physnn.figures.style import errorbar, new_figure


def distances_figure(metrics: Mapping[str, ReplicaMetric], errors: Mapping[str, Estimate]) -> Figure:
    """Figure of distances between networks of every form, and of their means beside the last errors.

    Parameters
    ----------
    metrics : mapping
        Metric of the headline distance by form.
    errors : mapping
        Mean of the last error by form.
    """
    figure = new_figure(12, 4.6)
    left, right = figure.subplots(1, 2)
    draw_densities(left, metrics)
    for k, (name, metric) in enumerate(metrics.items()):
        distance, error = metric.estimate, errors[name]
        errorbar(right, k, distance.value, error.value, error.error, distance.error, label=name)
    right.set(
        xlabel="mean distance of two networks (units of a weight)",
        ylabel="last error (dimensionless)",
        title="(b) how far apart networks end, and how good they are",
    )
    right.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure
