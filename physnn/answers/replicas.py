"""Answers of ensembles of replicas: distances, their metric with errors, overlaps, and accuracies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from physnn.analysis.replicas.distances import HEADLINE, flatten, replica_distances
from physnn.analysis.replicas.embedding import NO_REDUCTION, Reduction
from physnn.analysis.replicas.layers import Layer
from physnn.analysis.replicas.metric import MetricComparison, ReplicaMetric, compare_metrics, replica_metric
from physnn.analysis.replicas.overlaps import OverlapDistribution, class_overlaps, overlap_distribution, vector_overlaps
from physnn.analysis.statistics.estimate import Estimate, mean_over
from physnn.analysis.statistics.frames import Tabled
from physnn.analysis.statistics.pairs import pair_mean
from physnn.jobs.run import Progress, silent
from physnn.networks.classifiers.equivariant import GROUP_ORDERS, TiedCNN
from physnn.networks.classifiers.replicas import ClassifierRecipe, ImageShape, untrained
from physnn.networks.classifiers.users import is_brought
from physnn.networks.classifiers.zoo import BatchNormCNN, SimpleCNN
from physnn.store.ensemble_file import Ensemble, EnsembleFile, write_distances


@dataclass(frozen=True)
class Measurement:
    """Settings of a distance: arguments of `replica_distances`, and trained or untrained weights."""

    kind: str = "wasserstein"
    gauge: str = "raw"
    normalise: bool = False
    untrained: bool = False
    reduction: Reduction = field(default=NO_REDUCTION)


STUDY_DISTANCES: dict[str, Measurement] = {
    HEADLINE: Measurement(),
    "wasserstein_normalised": Measurement(normalise=True),
    "wasserstein_untrained": Measurement(untrained=True),
    "wasserstein_canonical": Measurement(gauge="canonical"),
    "sliced": Measurement("sliced"),
    "euclid": Measurement("euclid"),
    "euclid_aligned": Measurement("euclid", gauge="aligned"),
}
"""Distances that are taken of every ensemble: of lists of all weights; of lists in units of their root mean square;
of the lists before training; after the gauge is fixed; of units as points; place by place."""


@dataclass(frozen=True)
class EnsembleStudy:
    """Distances and their metrics by measurement, overlaps, accuracy and loss of one ensemble.

    Distances are ``(replicas, replicas)``, in units of a weight.  The overlaps are P(q) of weights (cosine) and of
    predicted classes (share of agreement less that of chance).  Accuracy is the mean over replicas of that on the test
    set, loss the mean cross-entropy of the last epoch of training.
    """

    distances: dict[str, np.ndarray]
    metrics: dict[str, ReplicaMetric]
    weight_overlap: OverlapDistribution
    class_overlap: OverlapDistribution
    accuracy: Estimate
    loss: Estimate


@dataclass(frozen=True)
class ReplicaStudy(Tabled):
    """Ensembles side by side, by name in the order of the file.

    The comparison is of the headline metric, None for a single ensemble; differences are those of the headline metric,
    first of two names less second, replicas paired by their seeds.
    """

    ensembles: dict[str, EnsembleStudy]
    comparison: MetricComparison | None
    differences: dict[tuple[str, str], Estimate]

    def table_rows(self) -> list[dict[str, object]]:
        """Rows of the ensembles: their distances, accuracy and loss."""
        return [
            {"network": name, **{kind: metric.estimate for kind, metric in each.metrics.items()}}
            | {"accuracy": each.accuracy, "loss": each.loss}
            for name, each in self.ensembles.items()
        ]


def layer_chain(recipe: ClassifierRecipe, images: ImageShape) -> tuple[Layer, ...]:
    """Chain of layers of a network whose gauge can be fixed; an empty one for the others."""
    if is_brought(recipe.network):
        return ()
    network = recipe.build(images)
    if isinstance(network, TiedCNN):
        n = GROUP_ORDERS[network.group]
        return (
            Layer("first", pool="max"),
            Layer("second", pool="max", positions=n),
            Layer("hidden", positions=n),
            Layer("output", "none"),
        )
    if not isinstance(network, SimpleCNN):
        return ()
    places = (network.grid or images.side // 4) ** 2
    norms = ("norms.0", "norms.1") if isinstance(network, BatchNormCNN) else ("", "")
    return (
        Layer("first", pool="max", norm=norms[0]),
        Layer("second", pool="max", norm=norms[1]),
        Layer("hidden", positions=places),
        Layer("output", "none"),
    )


def study_replicas(
    file: EnsembleFile,
    measurements: Mapping[str, Measurement] = STUDY_DISTANCES,
    seed: int = 0,
    progress: Progress = silent,
) -> ReplicaStudy:
    """Distances, overlaps and accuracies of all ensembles of a file.

    Parameters
    ----------
    file : EnsembleFile
        Trained replicas.
    measurements : mapping
        Name to how distances are taken; the headline ``wasserstein`` must be among them.  Where a network's gauge
        cannot be fixed, measurements that need it are left out.
    seed : int
        Root seed of resamples and directions.
    progress : callable, optional
        Called with (done, total, text).

    Raises
    ------
    InputError
        If an ensemble has fewer than 8 replicas, or weights that are not finite.
    """
    total = len(file.ensembles) * len(measurements)
    studies = {}
    for k, (name, ensemble) in enumerate(file.ensembles.items()):
        member = file.recipe["ensembles"][name]

        def show(done: int, name: str = name, k: int = k) -> None:
            progress(k * len(measurements) + done, total, f"distances of {name}")

        recipe, images = ClassifierRecipe(**member["recipe"]), ImageShape(**member["images"])
        distances = _distances(ensemble, recipe, images, measurements, seed, show)
        studies[name] = _study(name, ensemble, distances, seed)
    headline = {name: s.metrics[HEADLINE] for name, s in studies.items()}
    comparison = compare_metrics(headline) if len(studies) > 1 else None
    order = comparison.names if comparison else ()
    differences = {
        (a, b): pair_mean(studies[a].distances[HEADLINE] - studies[b].distances[HEADLINE])
        for i, a in enumerate(order)
        for b in order[i + 1 :]
    }
    return ReplicaStudy(studies, comparison, differences)


def _distances(
    ensemble: Ensemble,
    recipe: ClassifierRecipe,
    images: ImageShape,
    measurements: Mapping[str, Measurement],
    seed: int,
    show: Any,
) -> dict[str, np.ndarray]:
    layers = layer_chain(recipe, images)
    found = {}
    for done, (name, m) in enumerate(measurements.items()):
        show(done)
        if (m.gauge != "raw" and not layers) or (m.untrained and is_brought(recipe.network)):
            continue  # first weights of a class that was brought would need its code
        seeds = [int(s) for s in ensemble.seeds]
        weights = untrained(recipe.build(images), seeds).weights if m.untrained else ensemble.weights
        found[name] = replica_distances(weights, layers, m.kind, m.gauge, m.normalise, m.reduction, seed)
    return found


def _study(name: str, ensemble: Ensemble, distances: dict[str, np.ndarray], seed: int) -> EnsembleStudy:
    metrics = {kind: replica_metric(matrix, seed=seed, name=name) for kind, matrix in distances.items()}
    return EnsembleStudy(
        distances,
        metrics,
        overlap_distribution(vector_overlaps(flatten(ensemble.weights))),
        overlap_distribution(class_overlaps(ensemble.measured["predictions"], subtract_chance=True)),
        mean_over(ensemble.measured["test_accuracy"]),
        mean_over(ensemble.measured["loss"][:, -1]) if ensemble.measured["loss"].shape[1] else Estimate(np.nan, np.nan),
    )


def save_distances(study: ReplicaStudy, file: EnsembleFile, out: Path) -> None:
    """File of the distance matrices of a study."""
    matrices = {name: s.distances for name, s in study.ensembles.items()}
    write_distances(out, {"kind": "replicas", "ensembles": file.recipe}, matrices)


def study_json(study: ReplicaStudy) -> dict[str, Any]:
    """Plain data of a study: networks with mean, error and n, orderings with probabilities, differences."""
    networks = [
        {
            "name": name,
            "mean": s.metrics[HEADLINE].estimate.value,
            "error": s.metrics[HEADLINE].estimate.error,
            "n": s.metrics[HEADLINE].replicas,
            "accuracy": s.accuracy.as_json(),
            "loss": s.loss.as_json(),
            "metrics": {kind: m.estimate.as_json() for kind, m in s.metrics.items()},
            "weight_overlap": s.weight_overlap.mean.as_json(),
            "class_overlap": s.class_overlap.mean.as_json(),
        }
        for name, s in study.ensembles.items()
    ]
    orderings = study.comparison.orderings if study.comparison else {}
    return {
        "networks": networks,
        "ordering": list(study.comparison.names) if study.comparison else [],
        "orderings": [{"names": list(names), "probability": p} for names, p in orderings.items()],
        "differences": [
            {"first": a, "second": b, **estimate.as_json()} for (a, b), estimate in study.differences.items()
        ],
    }


def with_reduction(measurements: Mapping[str, Measurement], reduction: Reduction) -> dict[str, Measurement]:
    """Measurements with those of reduced weights added: Wasserstein and Euclid, raw and after gauge fixing."""
    if reduction.method == "none":
        return dict(measurements)
    added = {
        f"{kind}_{reduction.method}{suffix}": Measurement(kind, gauge, reduction=reduction)
        for kind in ("wasserstein", "euclid")
        for gauge, suffix in (("raw", ""), ("aligned", "_aligned"))
    }
    return {**measurements, **added}
