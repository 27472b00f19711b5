"""Does the replica-distance metric order networks as claimed, does it predict accuracy, and does the order survive?

Source: section 4.2 and figure 8 of "Symmetry Breaking in Neural Network Optimization: Insights from Input Dimension
Expansion": five convolutional networks trained on 100 images of CIFAR-10 for 200 epochs from 200 seeds; mean 1-D
Wasserstein distance of their weights, flip > rotation > dropout > batch normalisation > simple.  What the paper did not
ask: errors over replicas; other seeds, images, epochs, weight decay; distances in units of each replica's weight
scale, before training, and after the gauge is fixed; networks that are equivariant by construction.

    python sims/replica_distance.py                              digits, 8 networks, 50 replicas
    python sims/replica_distance.py cifar-10-batches-py          CIFAR-10 as in the paper, 200 replicas; an hour or more

Trained ensembles are kept in ``sims/output`` (or the folder named by a second argument), so that it continues.
"""

import sys
from pathlib import Path

import numpy as np
from scipy import stats

from physnn.analysis.replicas.distances import HEADLINE
from physnn.analysis.replicas.embedding import Reduction
from physnn.analysis.replicas.metric import MetricComparison, compare_metrics
from physnn.analysis.statistics.estimate import mean_over
from physnn.answers.replicas import STUDY_DISTANCES, Measurement, ReplicaStudy, study_replicas
from physnn.errors import InputError
from physnn.figures.replicas import replicas_figure
from physnn.figures.style import look, new_figure, save
from physnn.networks.classifiers.replicas import ClassifierRecipe
from physnn.networks.tasks.problem import ProblemRecipe
from physnn.samples.training.classifiers import train_ensembles

PAPER = ("simple", "dropout", "batchnorm", "flip", "rotation")
TIED = ("flip_tied", "rotation_tied", "quarter_tied")
CLAIMED = ("flip", "rotation", "dropout", "batchnorm", "simple")
REPLICAS = {"digits": 50, "cifar": 200}
CONDITIONS = {
    "as above": ({}, {}, 0),
    "other seeds": ({}, {}, 1000),
    "other images": ({}, {"data_seed": 1}, 0),
    "50 epochs": ({"epochs": 50}, {}, 0),
    "800 epochs": ({"epochs": 800}, {}, 0),
    "no decay": ({"weight_decay": 0.0}, {}, 0),
    "decay 1e-3": ({"weight_decay": 1e-3}, {}, 0),
}
"""Changes of the recipe and of the images, and the first seed."""
FOLDER = Path("docs/figures")


def trained(out: Path, networks, recipe, images, seeds):
    """Return ensembles of networks, trained or read."""
    recipe = {"epochs": 200, **recipe}
    problem = ProblemRecipe(**{"train": 100, **images})
    members = {n: (ClassifierRecipe(network=n, **recipe), problem) for n in networks}
    return train_ensembles(members, seeds, out=out)


def report(title: str, study: ReplicaStudy) -> None:
    """Print every metric of every network, and the ordering."""
    print(f"\n{title}")
    for name, s in study.ensembles.items():
        kinds = ", ".join(f"{k} {m.estimate}" for k, m in s.metrics.items())
        accuracy = mean_over(np.array([s.accuracy.value]))
        print(f"  {name:14} accuracy {100 * accuracy.value:.2f}({100 * s.accuracy.error:.2f}) %, {kinds}")
        print(f"  {'':14} overlap of weights {s.weight_overlap.mean}, of classes {s.class_overlap.mean}")
    for (a, b), d in study.differences.items():
        print(f"  {a} - {b}: {d} ({d.value / d.error:+.1f} errors)")


def ordering(study: ReplicaStudy, kind: str) -> MetricComparison:
    """Return the comparison by one kind of distance, over the networks that have it."""
    return compare_metrics({n: s.metrics[kind] for n, s in study.ensembles.items() if kind in s.metrics})


def rank_correlation(study: ReplicaStudy, kind: str, accuracy) -> tuple[float, float, float]:
    """Return Spearman's correlation of metric and accuracy over networks, with the 95 % range over resamples."""
    names = [n for n, s in study.ensembles.items() if kind in s.metrics]
    a = [accuracy[n] for n in names]
    value = stats.spearmanr([study.ensembles[n].metrics[kind].estimate.value for n in names], a).statistic
    samples = np.array([study.ensembles[n].metrics[kind].samples for n in names])
    drawn = [stats.spearmanr(column, a).statistic for column in samples.T[:400]]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(value), float(low), float(high)


def tell(name: str, study: ReplicaStudy, kind: str, accuracy) -> None:
    """Print the ordering by one kind of distance, how sure it is, and whether it goes with accuracy."""
    found = ordering(study, kind)
    order, p = next(iter(found.orderings.items()))
    claimed = [n for n in found.names if n in CLAIMED]
    agreement = stats.kendalltau([claimed.index(n) for n in CLAIMED], range(len(CLAIMED))).statistic
    rho, low, high = rank_correlation(study, kind, accuracy)
    print(
        f"  {name:28} {' > '.join(order)} ({p:.0%}); Kendall's tau with the paper's order {agreement:+.2f}; "
        f"rank correlation with accuracy {rho:+.2f} [{low:+.2f}, {high:+.2f}]"
    )


def reductions(components: int) -> dict[str, Measurement]:
    """Return measurements of weights reduced by PCA, and by UMAP at several settings."""
    found = {"pca": Measurement(reduction=Reduction("pca", components))}
    for neighbours, least in ((15, 0.1), (5, 0.1), (50, 0.1), (15, 0.0), (15, 0.5)):
        for seed in (0, 1) if (neighbours, least) == (15, 0.1) else (0,):
            key = f"umap_n{neighbours}_d{least:g}_s{seed}"
            found[key] = Measurement(reduction=Reduction("umap", components, neighbours, least, seed))
    return found


def with_reductions(file, components: int) -> ReplicaStudy:
    """Return a study with reductions, without UMAP where it is not installed."""
    kinds = STUDY_DISTANCES | reductions(components)
    try:
        return study_replicas(file, kinds)
    except InputError as error:
        print(f"({error})")
        return study_replicas(file, {k: m for k, m in kinds.items() if "umap" not in k})


def draw_conditions(studies: dict[str, ReplicaStudy], path: Path) -> None:
    """Draw the metric of every network under every condition, as a ratio to the mean over networks."""
    figure = new_figure(11, 4.6)
    axes = figure.subplots()
    names = list(next(iter(studies.values())).ensembles)
    for j, study in enumerate(studies.values()):
        values = [study.ensembles[n].metrics[HEADLINE].estimate for n in names]
        mean = np.mean([v.value for v in values])
        for k, v in enumerate(values):
            x = j + (k - (len(names) - 1) / 2) * 0.09
            colour, marker = look(k)
            style = {"color": colour, "marker": marker, "capsize": 2, "ls": "none"}
            label = names[k] if j == 0 else None
            hollow = {"mfc": "white"} if k >= 5 else {}
            axes.errorbar(x, v.value / mean, yerr=v.error / mean, label=label, **style, **hollow)
    axes.axhline(1, color="0.7", lw=0.8, zorder=0)
    axes.set_xticks(range(len(studies)), list(studies))
    axes.set(ylabel="mean distance / mean over networks")
    figure.legend(loc="outside upper center", frameon=False, fontsize=9, ncols=len(names))
    print(save(figure, path))


def digits(folder: Path) -> None:
    """Measure the metric on digits under several conditions, and whether it goes with accuracy of full training."""
    full = trained(
        folder / "digits_full.h5", PAPER + TIED, {"epochs": 30}, {"train": None}, range(10)
    )  # all 1,438 training images
    accuracy = {n: float(e.measured["test_accuracy"].mean()) for n, e in full.ensembles.items()}
    for n, e in full.ensembles.items():
        print(f"{n:14} trained on all digits, 10 seeds: {mean_over(100 * e.measured['test_accuracy'])} %")
    studies = {}
    for name, (recipe, images, first) in CONDITIONS.items():
        seeds = range(first, first + REPLICAS["digits"])
        file = trained(folder / f"digits_{name.replace(' ', '_')}.h5", PAPER + TIED, recipe, images, seeds)
        if name == "as above":
            studies[name] = with_reductions(file, 40)
            report("digits, 100 images, 200 epochs", studies[name])
            print(save(replicas_figure(studies[name]), FOLDER / "replica_distance.png"))
            for kind in studies[name].ensembles["simple"].metrics:
                tell(kind, studies[name], kind, accuracy)
        else:
            studies[name] = study_replicas(file, {HEADLINE: Measurement()})
        tell(f"raw distance, {name}", studies[name], HEADLINE, accuracy)
    draw_conditions(studies, FOLDER / "replica_distance_conditions.png")


def cifar(path: str, folder: Path) -> None:
    """Measure the metric as the paper did, with errors."""
    file = trained(folder / "cifar5.h5", PAPER, {}, {"data": path, "test": 2000}, range(REPLICAS["cifar"]))
    full = trained(folder / "cifar_full.h5", PAPER, {"epochs": 30}, {"data": path, "train": 10_000}, range(3))
    accuracy = {n: float(e.measured["test_accuracy"].mean()) for n, e in full.ensembles.items()}
    for n, e in full.ensembles.items():
        found = mean_over(100 * e.measured["test_accuracy"])
        print(f"{n:14} trained on 10,000 images for 30 epochs, 3 seeds: {found} %")
    study = with_reductions(file, 100)
    report("CIFAR-10, 100 images, 200 epochs, 200 replicas", study)
    for kind in study.ensembles["simple"].metrics:
        tell(kind, study, kind, accuracy)
    print(save(replicas_figure(study), FOLDER / "replica_distance_cifar.png"))


def main() -> None:
    """Run on digits, or on CIFAR-10 if its path is given."""
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else "sims/output")
    folder.mkdir(exist_ok=True)
    if len(sys.argv) > 1 and sys.argv[1] != "digits":
        cifar(sys.argv[1], folder)
    else:
        digits(folder)


if __name__ == "__main__":
    main()
