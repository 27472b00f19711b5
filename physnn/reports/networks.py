"""Trained networks and distances between them, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from physnn.analysis.replicas.distances import HEADLINE
from physnn.analysis.replicas.metric import compare_metrics, replica_metric
from physnn.analysis.statistics.estimate import Estimate, mean_over
from physnn.analysis.statistics.pairs import LEAST_REPLICAS
from physnn.answers.training.forms import paired_tests
from physnn.answers.training.soft import small, soft_rows
from physnn.errors import InputError
from physnn.reports.told import Figures, Telling, ToldTable, drawn_by, told_table
from physnn.store.ensemble_file import read_distances, read_ensembles
from physnn.store.network_file import read_networks


def tell_networks(path: Path) -> list[Telling]:
    """What a file of trained Kuramoto networks holds: how far each is from its task."""
    file = read_networks(path)
    rows = [
        [str(seed), network, f"{rmse:.4f}"]
        for seed, network, rmse in zip(file.seeds, file.ids, file.validation_rmse, strict=True)
    ]
    n, rmse = len(file.seeds), mean_over(file.validation_rmse)
    told = str(rmse) if n > 1 else f"{rmse.value:.4f}"
    sentence = f"{n} network{'s are' if n > 1 else ' is'} trained to a validation RMSE of {told}."
    evidence = told_table("trained networks", ["seed", "identity", "validation RMSE"], rows) + told_symmetries(path)
    figures = (("Training curves", drawn_by("plot_training", [str(path)])),)
    return [Telling(sentence, evidence, figures + _drawn_symmetries(path))]


def told_symmetries(path: Path) -> tuple[ToldTable, ...]:
    """Table of what became of symmetries that the networks of a file were drawn to, where there are any."""
    told = [
        [
            *(row.ensemble, row.symmetry, layer if row.movable else "-", f"{10**strength.value:.2g}"),
            *(small(deviation), small(row.largest), small(row.cost), row.verdict),
        ]
        for row in soft_rows(path)
        for layer, strength, deviation in zip(row.layers, row.log10_strengths, row.deviations, strict=True)
        if deviation.value > 0 or (not row.movable and layer == row.layers[0])
    ]
    header = ["networks", "symmetry", "layer", "strength", "deviation", "largest", "cost if forced", "verdict"]
    return told_table("symmetries that weights were drawn to, errors over seeds", header, told)


def _drawn_symmetries(path: Path) -> Figures:
    caption = "Strengths of symmetries, and deviations from them, during the training"
    return ((caption, drawn_by("plot_symmetries", path)),) if soft_rows(path) else ()


def tell_ensembles(path: Path) -> list[Telling]:
    """What a file of classifiers says: accuracies by form, and differences over seeds."""
    file = read_ensembles(path)
    measured, n = {name: e.measured for name, e in file.ensembles.items()}, len(file.recipe["seeds"])
    rows = [
        [
            name,
            f"{mean_over(100 * m['test_accuracy'])} %",
            str(mean_over(m["test_loss"])),
            f"{100 * m['train_accuracy'].mean():.2f} %",
        ]
        for name, m in measured.items()
    ]
    header = ["images", "test accuracy", "test loss", "training accuracy"]
    evidence: tuple[str | ToldTable, ...] = told_table(f"{n} seeds, errors over seeds", header, rows)
    tests = paired_tests(file)
    evidence += tuple(
        f"{a} - {b}: {percent(test.estimate)} percentage points, p = {test.p_value:.2g} (paired t-test)"
        for (a, b), test in tests.items()
    )
    sentence = f"{_accuracies(rows)}{_sure(tests)}."
    figures = (("Training curves, accuracies by seed and their differences", drawn_by("plot_ensembles", path)),)
    return [Telling(sentence, evidence + told_symmetries(path), figures + _drawn_symmetries(path))]


def _accuracies(rows: list[list[str]]) -> str:
    """Accuracies in words; of many ensembles the best."""
    if len(rows) > 4:
        return f"{len(rows)} ensembles are trained"
    return "Test images are told right in " + ", ".join(f"{row[1]} by {row[0]}" for row in rows)


def _sure(tests: Any) -> str:
    """Which differences are significant, all of them together."""
    if not tests:
        return ""
    sure = [(a, b, t) for (a, b), t in tests.items() if t.p_value * len(tests) < 0.05]
    if not sure:
        return "; no difference is significant"
    better = (f"{a} is {'better' if t.estimate.value > 0 else 'worse'} than {b}" for a, b, t in sure)
    return f"; significantly, {' and '.join(better)}"


def percent(estimate: Any) -> Estimate:
    """A share in percent."""
    return Estimate(100 * estimate.value, 100 * estimate.error, estimate.dof)


def tell_distances(path: Path) -> list[Telling]:
    """What a file of distances between replicas says: their means with errors over replicas, and how these order."""
    found = read_distances(path)[1]
    kinds = list(dict.fromkeys(kind for matrices in found.values() for kind in matrices))
    n = min(len(matrix) for matrices in found.values() for matrix in matrices.values())
    if n < LEAST_REPLICAS:
        raise InputError(f"{path} has distances of {n} replicas; their mean has an error from {LEAST_REPLICAS} on")
    metrics = {
        name: {kind: replica_metric(matrix, name=name) for kind, matrix in matrices.items()}
        for name, matrices in found.items()
    }
    rows = [
        [name, *(str(each[kind].estimate) if kind in each else "" for kind in kinds)] for name, each in metrics.items()
    ]
    header = ["network", *(kind.replace("_", " ") for kind in kinds)]
    evidence: tuple[str | ToldTable, ...] = told_table(
        f"mean distance of {n} replicas, errors over replicas", header, rows
    )
    headline = {name: each[HEADLINE] for name, each in metrics.items() if HEADLINE in each}
    if len(headline) < 2:
        told = ", ".join(f"{metric.estimate} ({name})" for name, metric in headline.items()) or "in the table"
        return [Telling(f"Replicas end a mean distance apart of: {told}.", evidence)]
    order, probability = next(iter(compare_metrics(headline).orderings.items()))
    words = f"{' > '.join(order)}, in {probability:.0%} of the resamples of replicas"
    return [Telling(f"Ordered by how far their replicas end apart, networks are {words}.", evidence)]
