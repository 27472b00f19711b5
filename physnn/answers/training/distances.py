"""Networks trained in several forms as replicas: how far apart those of one form end."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physnn.analysis.replicas.distances import HEADLINE, replica_distances
from physnn.analysis.replicas.layers import Layer
from physnn.analysis.replicas.metric import MetricComparison, ReplicaMetric, compare_metrics, replica_metric
from physnn.analysis.replicas.overlaps import OverlapDistribution, overlap_distribution, vector_overlaps
from physnn.analysis.statistics.estimate import Estimate, mean_over
from physnn.analysis.statistics.frames import Tabled
from physnn.errors import InputError
from physnn.jobs.run import Progress, silent
from physnn.networks.pde.problems import PROBLEMS
from physnn.store.ensemble_file import write_distances
from physnn.store.sweep_file import SweepFile, read_sweep

KINDS_OF_DISTANCE = {
    HEADLINE: ("wasserstein", "raw"),
    "euclid": ("euclid", "raw"),
    "euclid_aligned": ("euclid", "aligned"),
}
"""Distances by name: their kind, and the gauge of the weights; the last one only where layers make a chain."""
ERROR_OF = {"train-pde": "error", "train-eos": "loss"}
"""Error of trained networks by kind of file."""


@dataclass(frozen=True)
class FormReplicas(Tabled):
    """Replicas of one form: distances ``(seeds, seeds)`` and their metrics by kind, overlaps, and the last error."""

    distances: dict[str, np.ndarray]
    metrics: dict[str, ReplicaMetric]
    weight_overlap: OverlapDistribution
    error: Estimate

    def table_rows(self) -> list[dict[str, object]]:
        """Row of the form: its distances and its error."""
        return [{**{kind: metric.estimate for kind, metric in self.metrics.items()}, "error": self.error}]


def chain_of(
    recipe: Mapping[str, Any], width: int, flat: np.ndarray
) -> tuple[dict[str, np.ndarray], tuple[Layer, ...]]:
    """Weights by layer, ``(seeds, units, inputs)``, of networks of a file, and the chain of their layers.

    Networks of the equation of state are no chain: all their weights are one array.

    Parameters
    ----------
    recipe : mapping
        Of the file.
    width : int
        Of the networks.
    flat : ndarray, shape (seeds, weights)
        As the file has them.
    """
    if recipe["kind"] != "train-pde":
        return {"all.weight": flat[:, :, None]}, ()
    problem, depth = PROBLEMS[recipe["problem"]], int(recipe["depth"])
    sizes, begin = [len(problem.inputs), *[width] * depth, len(problem.outputs)], 0
    weights = {}
    for k, (inputs, units) in enumerate(itertools.pairwise(sizes)):
        middle, end = begin + inputs * units, begin + (inputs + 1) * units
        weights[f"{k}.weight"] = flat[:, begin:middle].reshape(-1, inputs, units).swapaxes(1, 2)
        weights[f"{k}.bias"] = flat[:, middle:end]
        begin = end
    return weights, tuple(Layer(str(k), "tanh" if k < depth else "none") for k in range(depth + 1))


def form_replicas(path: Path | str, seed: int = 0, progress: Progress = silent) -> dict[str, FormReplicas]:
    """Distances between networks of every form of a file, by form, with the width where there are several.

    Parameters
    ----------
    path : path
        A file of ``physnn train pde`` or ``physnn train eos``.
    seed : int
        Root seed of resamples.
    progress : callable, optional
        Called with (done, total, text).

    Raises
    ------
    InputError
        If the file holds something else, or a form has fewer than 8 networks, or one whose training diverged.
    """
    sweep = read_sweep(path)
    kind = str(sweep.recipe.get("kind"))
    if kind not in ERROR_OF:
        raise InputError(f"{path} holds no trained networks to compare; name a file of physnn train")
    found, arms = {}, list(sweep.recipe["arms"])
    for done, (width, row, arm) in enumerate((w, k, arm) for w in sorted(sweep.sizes) for k, arm in enumerate(arms)):
        progress(done, len(sweep.sizes) * len(arms), f"distances of {arm}")
        name = f"{arm}-{width}" if len(sweep.sizes) > 1 else arm
        found[name] = _replicas(sweep, width, row, name, ERROR_OF[kind], seed)
    return found


def _replicas(sweep: SweepFile, width: int, row: int, name: str, error: str, seed: int) -> FormReplicas:
    group = sweep.sizes[width]
    flat = group["weights"].values[row]
    weights, layers = chain_of(sweep.recipe, width, flat)
    distances = {
        key: replica_distances(weights, layers, kind, gauge, seed=seed)
        for key, (kind, gauge) in KINDS_OF_DISTANCE.items()
        if layers or gauge == "raw"
    }
    metrics = {key: replica_metric(matrix, seed=seed, name=name) for key, matrix in distances.items()}
    overlap = overlap_distribution(vector_overlaps(flat))
    return FormReplicas(distances, metrics, overlap, mean_over(group[error].values[row, :, -1].astype(float)))


def compared(found: Mapping[str, FormReplicas]) -> MetricComparison | None:
    """Comparison of the headline metric over forms; None for a single one."""
    metrics = {name: each.metrics[HEADLINE] for name, each in found.items()}
    return compare_metrics(metrics) if len(metrics) > 1 else None


def save_replicas(found: Mapping[str, FormReplicas], source: Path, out: Path) -> None:
    """File of the distance matrices of forms."""
    recipe = {"kind": "replicas", "ensembles": read_sweep(source).recipe}
    write_distances(out, recipe, {name: each.distances for name, each in found.items()})
