"""Which way of putting a symmetry in changes the landscape?  Data, ties and averages, by replicas and by exact counts.

The symmetry are turns by 90 degrees, c4.  The five networks that replica distances were proposed with are trained as
they are, on images in random positions (``augment``), and with logits averaged over all positions (``average``); the
first one with tied weights, too.  ``flip`` and ``rotation`` show flipped and turned images themselves.  An invariant
network does not see that images are turned, so that ``rotation`` is ``simple`` under averages, which is checked.
Images are pieces of four pixels in random positions and noise, whose symmetry is exact.  Ensembles of 8 replicas;
accuracy, distances, overlaps P(q) of predicted classes, and how far logits are from invariant.

Then all networks with weights +-1 that tell rows from columns are counted, four ways again: levels of the loss, weights
that are right on the images of the loss and on all, overlaps of the best ones.

The first network learns digits in all ways, too: turns by 90 degrees are no symmetry of theirs, as nobody writes them
lying down, and 6 turned twice is 9.

    python sims/symmetric_landscape.py            all; some 12 minutes of one core
    python sims/symmetric_landscape.py counts     counts alone
    python sims/symmetric_landscape.py replicas
    python sims/symmetric_landscape.py digits

Trained ensembles are kept in ``sims/output``, so that it continues.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from physnn import rng
from physnn.analysis.replicas.distances import HEADLINE
from physnn.analysis.replicas.overlaps import class_overlaps
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.pairs import pair_mean, paired_difference
from physnn.answers.replicas import EnsembleStudy, Measurement, study_replicas
from physnn.answers.training.equivariance import measured_equivariance
from physnn.cli.output import print_table
from physnn.exact.landscape import Landscape
from physnn.exact.signs.cnn import cnn_answers, cnn_landscape, solutions
from physnn.figures.landscapes import LINES
from physnn.figures.replicas import draw_class_overlaps
from physnn.figures.style import COLOURS, errorbar, new_figure, save
from physnn.models.sign_cnn import SignCNN, filter_margins
from physnn.networks.classifiers.loop import LoopTrainer
from physnn.networks.classifiers.replicas import ClassifierRecipe, untrained
from physnn.networks.tasks.problem import ProblemRecipe, load_problem
from physnn.samples.training.classifiers import train_ensembles
from physnn.store.ensemble_file import Ensemble, read_ensembles

FIVE = ("simple", "dropout", "batchnorm", "flip", "rotation")
AVERAGED, GROUP = FIVE[:4], "c4"
"""Networks whose logits are averaged, at four times the work; ``rotation`` would be ``simple``."""
REPLICAS, SIDE, NOISE, SEEN, UNSEEN = 8, 8, 0.2, 100, 1000
"""Replicas; pixels; standard deviation of the noise on pieces of height 1; images to train and to test on."""
PIECES = ("####", "##/##", "###/.#.", "###/#..")
"""Four pixels each, as rows; the last one differs from its mirror image."""
EPOCHS, RATE, SURE = 100, 3e-3, 3.0
"""Epochs and learning rate; errors from which on a difference counts."""
WAYS = ("plain", "augmented", "tied", "averaged")
COUNTED = {
    "plain": SignCNN(data="half"),
    "augmented": SignCNN(),
    "tied filter": SignCNN("equivariant"),
    "tied": SignCNN("invariant"),
    "averaged": SignCNN(average="d2"),
    "averaged, wrong": SignCNN(average="c4"),
}
"""Networks with weights +-1; the last one is averaged over turns that change the label."""
FOLDER, FIGURES = Path("sims/output/symmetric_landscape"), Path("docs/figures")


@dataclass(frozen=True)
class Result:
    """An ensemble, its distances and overlaps, and the deviation of its logits from invariant, 0 to about 1."""

    ensemble: Ensemble
    study: EnsembleStudy
    logits: Estimate | None


def pieces() -> Path:
    """Return a file of images of pieces in random positions, turned and reflected, with noise."""
    path = FOLDER / "pieces.npz"
    if path.exists():
        return path
    shapes = [np.array([[c == "#" for c in row] for row in piece.split("/")], np.float32) for piece in PIECES]
    parts = {}
    for part, n in (("train", SEEN), ("test", UNSEEN)):
        generator = rng.stream(0, "synthetic", "pieces", part)
        labels = np.arange(n) % len(shapes)
        images = generator.normal(0, NOISE, (n, SIDE, SIDE)).astype(np.float32)
        for image, label in zip(images, labels, strict=True):
            turned = np.rot90(shapes[label][:, :: generator.choice((1, -1))], generator.integers(4))
            r, c = ((SIDE - extent + generator.integers(2)) // 2 for extent in turned.shape)
            image[r : r + turned.shape[0], c : c + turned.shape[1]] += turned
        parts |= {f"x_{part}": images, f"y_{part}": labels}
    np.savez(path, **parts)
    return path


def members(
    images: dict[str, object], names: tuple[str, ...]
) -> dict[str, dict[str, tuple[ClassifierRecipe, ProblemRecipe]]]:
    """Return what is trained, by way and by network."""
    problem = ProblemRecipe(train=SEEN, **images)
    settings = {
        "plain": {name: {"network": name} for name in FIVE},
        "augmented": {name: {"network": name, "augment": GROUP} for name in FIVE},
        "tied": {"simple": {"network": "quarter_tied"}},
        "averaged": {name: {"network": name, "average": GROUP} for name in AVERAGED},
    }
    return {
        way: {
            name: (ClassifierRecipe(epochs=EPOCHS, lr=RATE, **one), problem)
            for name, one in found.items()
            if name in names
        }
        for way, found in settings.items()
    }


def same_as_simple(problem: ProblemRecipe) -> tuple[float, float]:
    """Return the largest differences of the loss of averaged ``rotation`` and ``flip`` to averaged ``simple``.

    Over two epochs, in units of the loss; a flip is no turn.  Weights differ by more: where a gradient is rounding,
    Adam takes full steps.
    """
    images, losses = load_problem(problem), []
    for name in ("simple", "rotation", "flip"):
        recipe = ClassifierRecipe(network=name, average=GROUP)
        losses.append(LoopTrainer.advance(recipe, images, untrained(recipe.build(images), [0]), 2)[1][0])
    rotation, flip = np.abs(np.array(losses[1:]) / losses[0] - 1).max(axis=1).tolist()
    return rotation, flip


def train(name: str, images: dict[str, object], names: tuple[str, ...]) -> None:
    """Train every network in every way, what is not there yet."""
    found = members(images, names)
    for network in names:
        for way in WAYS:
            if network in found[way]:
                begun, path = time.perf_counter(), FOLDER / f"{name}_{way}_{network}.h5"
                train_ensembles({network: found[way][network]}, range(REPLICAS), out=path, jobs=1)
                print(f"{path.stem}: {time.perf_counter() - begun:.0f} s", flush=True)


def studied(name: str, images: dict[str, object], names: tuple[str, ...]) -> dict[str, dict[str, Result]]:
    """Return what is found of trained networks, by way and network."""
    kinds = {HEADLINE: Measurement(), "wasserstein_normalised": Measurement(normalise=True)}
    results: dict[str, dict[str, Result]] = {}
    for way, found in members(images, names).items():
        results[way] = {}
        for network in found:
            path = FOLDER / f"{name}_{way}_{network}.h5"
            file = read_ensembles(path)
            # Of the network that all ways have, as it takes its time.
            logits = measured_equivariance(path, GROUP, 100, 2).rows[-1].still if network == FIVE[0] else None
            study = study_replicas(file, kinds).ensembles[network]
            results[way][network] = Result(file.ensembles[network], study, logits)
    return results


def report(name: str, results: dict[str, dict[str, Result]]) -> None:
    """Print what is found of every network, and differences to the network as it is."""
    rows, apart = [], []
    for way, found in results.items():
        for network, r in found.items():
            s, plain = r.study, results["plain"][network]
            train = Estimate.student(*mean_and_error(100 * r.ensemble.measured["train_accuracy"]))
            accuracy = Estimate(100 * s.accuracy.value, 100 * s.accuracy.error, s.accuracy.dof)
            distances = [str(m.estimate) for m in s.metrics.values()]
            overlap = s.class_overlap
            told = "-" if r.logits is None else f"{r.logits}" if r.logits.value > 1e-4 else f"{r.logits.value:.0e}"
            rows.append(
                [way, network, str(train), str(accuracy), *distances, str(overlap.mean), str(overlap.variance), told]
            )
            if way == "plain":
                continue
            first, second = (100 * one.ensemble.measured["test_accuracy"] for one in (r, plain))
            gained = paired_difference(first, second).estimate
            agreed = pair_mean(overlaps(r) - overlaps(plain))
            moved = pair_mean(
                *(one.study.distances["wasserstein_normalised"] for one in (r, plain)), function=np.subtract
            )
            cells = [f"{d} ({sure(d)})" for d in (gained, agreed, moved)]
            apart.append([way, network, *cells])
    header = ["way", "network", "train %", "test %", "W1", "W1 / rms", "<q>", "var q", "logits move"]
    print_table(f"{name}, {REPLICAS} replicas, {SEEN} images", header, rows)
    header = ["way", "network", "accuracy, points", "overlap of classes", "W1 / rms"]
    print_table(f"{name}: less the network as it is, paired by seed (errors)", header, apart)


def mean_and_error(values: np.ndarray) -> tuple[float, float, int]:
    """Return mean, standard error and degrees of freedom."""
    return float(values.mean()), float(values.std(ddof=1)) / len(values) ** 0.5, len(values) - 1


def overlaps(result: Result) -> np.ndarray:
    """Return the overlaps of predicted classes of all pairs of replicas, less chance."""
    return class_overlaps(result.ensemble.measured["predictions"], subtract_chance=True)


def sure(difference: Estimate) -> str:
    """Return a difference in errors, and whether it counts."""
    errors = difference.value / difference.error if difference.error else 0.0
    return f"{errors:+.1f}{', counts' if abs(errors) > SURE else ''}"


def draw(row: np.ndarray, name: str, results: dict[str, dict[str, Result]], names: tuple[str, ...]) -> None:
    """Draw accuracy, overlap, distance by network and way, and P(q) of the first network."""
    panels = {
        "test accuracy (%)": lambda s: Estimate(100 * s.accuracy.value, 100 * s.accuracy.error),
        r"overlap of classes $\langle q \rangle$": lambda s: s.class_overlap.mean,
        "distance $W_1$ / rms weight": lambda s: s.metrics["wasserstein_normalised"].estimate,
    }
    for axes, (label, value) in zip(row, panels.items(), strict=False):
        for k, (way, found) in enumerate(results.items()):
            x = [FIVE.index(network) + 0.14 * (k - 1.5) for network in found]
            y = [value(r.study) for r in found.values()]
            errorbar(axes, k, x, [one.value for one in y], [one.error for one in y], capsize=2, ms=5, label=way)
        axes.set_xticks(range(len(names)), names, rotation=20)
        axes.set(ylabel=label, title=name)
        axes.margins(y=0.12)
    last: Axes = row[-1]
    draw_class_overlaps(last, {way: found["simple"].study.class_overlap for way, found in results.items()})
    last.set(title=f"{name}: simple", xlabel="overlap q of predicted classes, less chance", ylim=(0, None))
    last.set_ylim(top=1.5 * last.get_ylim()[1])  # room for the legend


def replicas() -> None:
    """Train, report and draw."""
    images: dict[str, object] = {"data": str(pieces()), "test": UNSEEN}
    train("pieces", images, FIVE)
    rotation, flip = same_as_simple(ProblemRecipe(train=SEEN, **images))
    print(f"averaged: rotation learns as simple does, to {rotation:.0e} of the loss; flip does not, {flip:.0e}")
    figure = new_figure(17, 4.2)
    results = studied("pieces", images, FIVE)
    report("pieces", results)
    row = figure.subplots(1, 4)
    draw(row, "pieces", results, FIVE)
    row[0].legend(frameon=False, fontsize=9)
    print(save(figure, FIGURES / "symmetric_landscape.png"))


def digits() -> None:
    """Train the first network on digits, and report."""
    train("digits", {}, FIVE[:1])
    report("digits", studied("digits", {}, FIVE[:1]))


def best(network: SignCNN) -> tuple[int, np.ndarray, np.ndarray, float]:
    """Return fewest errors on the images of the loss, answers and counts of such weights, and their overlap.

    The overlap is the mean cosine of the weights of two of them, drawn independently.
    """
    rows, counts = cnn_answers(network)
    missed = (rows[:, network.shown] <= 0).sum(axis=1)
    chosen = missed == missed.min()
    total, every = 0.0, network.free_weights - network.filter_weights
    for number in range(2**network.filter_weights):
        halves = filter_margins(network, number).halves[:, 0]
        found = np.flatnonzero((halves[:, network.shown] <= 0).sum(axis=1) == missed.min())
        parts = network.weights((number << every) + found)
        total = total + np.concatenate([w.sum(axis=0).ravel() for w in parts])
    mean = total / counts[chosen].sum()
    return int(missed.min()), rows[chosen], counts[chosen], float(mean @ mean) / len(mean)


def function_overlaps(rows: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return all shares of images with the same answer, and how likely each is for two drawn weights, exact."""
    same = (rows[:, None] == rows).sum(axis=-1)
    share = counts / counts.sum()
    return np.arange(rows.shape[1] + 1) / rows.shape[1], np.bincount(
        same.ravel(), np.outer(share, share).ravel(), rows.shape[1] + 1
    )


def counts() -> None:
    """Count the networks with weights +-1, print and draw."""
    figure, rows, closest = new_figure(14.5, 4.4), [], []
    below, levels, alike = figure.subplots(1, 3)
    for k, (name, network) in enumerate(COUNTED.items()):
        landscape: Landscape = cnn_landscape(network)
        seen, every = solutions(network)
        missed, answers, many, weights = best(network)
        q, p = function_overlaps(answers, many)
        right = float(many @ (answers > 0).mean(axis=1) / many.sum())
        bits = np.log2(float(landscape.counts[0]))
        rows.append(
            [name, f"2^{network.free_weights}", f"{landscape.distinct:,}", f"{landscape.levels[0]:.5f}",
             f"{landscape.counts[0]:,}", f"{bits:.2f}", f"{seen:,}", f"{every:,}"]
        )  # fmt: skip
        wrong = f"{missed} of {len(network.shown)}"
        closest.append(
            [name, wrong, f"{many.sum():,}", str(len(many)), f"{right:.3f}", f"{q @ p:.3f}", f"{weights:.3f}"]
        )
        style = {"color": COLOURS[k], "ls": LINES[k % len(LINES)], "label": name}
        share = (landscape.cumulative / landscape.configurations).astype(float)
        below.step(landscape.levels, share, where="post", **style)
        entropy = np.log2(landscape.counts.astype(float)) / network.free_weights
        errorbar(levels, k, landscape.levels, entropy, ms=4, mfc="none", label=name)
        shown = p > 0
        errorbar(alike, k, q[shown] + 0.006 * (k - 2), p[shown], ms=6, ls=LINES[k % len(LINES)], lw=0.8, label=name)
    header = ["way", "weights", "levels", "lowest loss", "there", "bits", "right where seen", "right on all"]
    print_table("networks with weights +-1, counted", header, rows)
    header = ["way", "wrong", "weights", "answers", "right of all 12", "q of answers", "q of weights"]
    print_table("those with fewest wrong on the images of the loss", header, closest)
    up_to = 0, 1.03 * np.log(2)
    below.set(xlabel="loss E (nats)", ylabel="share of weights with loss up to E", yscale="log", xlim=up_to)
    levels.set(xlabel="loss E (nats)", ylabel="entropy of a level / number of weights (bits)", xlim=up_to)
    alike.set(xlabel="share q of images with the same answer", ylabel="P(q) of two of the best", ylim=(0, 1.05))
    for axes, title in zip((below, levels, alike), ("(a) levels", "(b) entropies", "(c) overlaps"), strict=True):
        axes.set_title(title)
    handles, labels = below.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", frameon=False, fontsize=9, ncols=len(labels))
    print(save(figure, FIGURES / "symmetric_counts.png"))


def main() -> None:
    """Run what is named, or all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, do in (("counts", counts), ("replicas", replicas), ("digits", digits)):
        if name in sys.argv[1:] or len(sys.argv) == 1:
            do()


if __name__ == "__main__":
    main()
