"""Are symmetries of data found by weights that are drawn to them, and what are a right and a wrong one worth?

    python sims/soft_equivariance.py [FOLDER] [part ...]

Four classes of noisy images whose symmetry is known by construction.  ``study``: test accuracy of plain, soft, rightly
and wrongly tied weights by the number of images, on images that may be flipped and whose classes differ by a quarter
turn.  ``planted``: what soft symmetries find on such images, on images without a symmetry, and on images in all
positions.  ``dose``: what is found where flips tell classes apart in a share of the images alone, beside what tied
weights cost in place of free ones.  ``kuramoto``: the same as ``planted`` for couplings on the transmogrifier, whose
shapes are symmetric under flips, and whose triangles are not under turns.  ``trained``: deviations of trained
equivariant networks.  Trainings are kept in FOLDER, and continue.  Takes about 6 min of one core.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from physnn import rng
from physnn.analysis.statistics.estimate import mean_over
from physnn.analysis.statistics.pairs import paired_difference
from physnn.answers.training.equivariance import measured_equivariance
from physnn.answers.training.soft import drawn_rows, soft_rows
from physnn.cli.output import print_table
from physnn.figures.style import errorbar, look, new_figure, save
from physnn.models.groups.soft import TWO_CONVOLUTIONS
from physnn.networks.classifiers.engines import train_replicas
from physnn.networks.classifiers.replicas import ClassifierRecipe
from physnn.networks.tasks.problem import Problem, ProblemRecipe
from physnn.samples import files
from physnn.samples.training.classifiers import train_ensembles
from physnn.samples.training.kuramoto import KuramotoTraining

FIGURE = Path(__file__).parents[1] / "docs" / "figures" / "soft_equivariance.png"
SEEDS = tuple(range(8))
SIZES = (100, 200, 400)
TESTS, MANY = 2000, 20000
"""Images to test on, and as many as costs of a hundredth of what was learned need."""
NOISE = 3.0
"""Standard deviation of the noise, in units of that of the shapes."""
TRAINING = {"epochs": 40, "batch": 32}
ARMS = {
    "plain": (),
    "soft, tuned": ("flip:auto", "rotation:auto"),
    "flip, hard": ("flip:1e6",),
    "flip and turns, hard": ("flip:1e6", "rotation:1e6"),
}
"""Symmetries by arm; strengths of 10^6 leave no deviation after any step."""
KINDS = {"flip": "flips", "none": "no symmetry", "all": "flips and turns"}
DOSES = (0.0, 0.1, 0.2, 0.4)
"""Shares of images whose flip tells the class; the others are flipped at random."""


def pictures(part: str, n: int, kind: str, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Images of shapes, in units of their height, and their classes.

    These are kept by flips alone, by nothing, or by flips and turns.  In a share of the images of kind ``flip`` every
    second class is flipped, and no other.
    """
    draw = rng.stream(0, "synthetic", "oriented", kind, *part.split())
    shapes = np.round(rng.stream(5, "synthetic", "shapes").normal(size=(4, 4, 4))).repeat(2, 1).repeat(2, 2)
    labels = draw.integers(0, 4, n)
    flips, turns = (draw.integers(0, m, n) for m in (2, 4))
    told = rng.stream(0, "synthetic", "oriented", "told", *part.split()).random(n) < share
    flips = np.where(told, labels % 2, flips)
    images = np.empty((n, 1, 8, 8), np.float32)
    for image, c, flip, turn in zip(images, labels, flips, turns, strict=True):
        shape, turned, flipped = {
            "flip": (shapes[c // 2], c % 2, flip),
            "none": (shapes[0][:, :: 1 - 2 * (c // 2)], c % 2, 0),
            "all": (shapes[c], turn, flip),
        }[kind]
        image[0] = np.rot90(shape, turned)[:, :: 1 - 2 * flipped]
    images += NOISE * draw.normal(size=images.shape)
    return images, labels


def oriented(n: int, kind: str, share: float = 0.0, tests: int = TESTS) -> Problem:
    """Images to train on, and so many to test on; see `pictures`."""
    images, labels = pictures("", TESTS + max(SIZES), kind, share)
    more, theirs = pictures("more", tests - TESTS, kind, share)
    scale = images[:TESTS].std()
    unseen, answers = np.concatenate([images[:TESTS], more]) / scale, np.concatenate([labels[:TESTS], theirs])
    seen, classes = images[TESTS : TESTS + n] / scale, labels[TESTS : TESTS + n]
    return Problem(seen, classes, unseen, answers, ("a", "b", "c", "d"), 8, f"{kind} {n} {share} {tests}")


def trained(folder: Path, kind: str, n: int, arm: str, share: float = 0.0, tests: int = TESTS) -> dict[str, np.ndarray]:
    """Replicas of an arm on so many images."""
    recipe = ClassifierRecipe(**TRAINING, soft_equivariance=ARMS[arm])
    place = folder / f"{kind}{share or ''}-{n}-{tests}-{arm.replace(' ', '_')}.npz"
    return train_replicas(recipe, oriented(n, kind, share, tests), SEEDS, place, engine="compiled")


def study(folder: Path) -> None:
    """Accuracies by arm and number of images, with a figure."""
    figure = new_figure(10.5, 4.2)
    left, right = figure.subplots(1, 2)
    rows, found = [], {}
    for k, arm in enumerate(ARMS):
        found[arm] = [trained(folder, "flip", n, arm)["test_accuracy"] for n in SIZES]
        means = [mean_over(v) for v in found[arm]]
        errorbar(left, k, SIZES, [m.value for m in means], [m.error for m in means], ls="-", lw=1, ms=6, label=arm)
        cells = [f"{mean_over(100 * v)}" for v in found[arm]]
        rows.append([arm, *cells])
    for arm in list(ARMS)[1:]:
        tests = [paired_difference(v, w) for v, w in zip(found[arm], found["plain"], strict=True)]
        rows.append(
            [f"{arm} - plain", *(f"{100 * t.estimate.value:+.1f}({100 * t.estimate.error:.1f})" for t in tests)]
        )
    left.set(xscale="log", xlabel="training images, held out ones included", ylabel="test accuracy")
    left.set_xticks(SIZES, [str(n) for n in SIZES])
    left.minorticks_off()
    left.legend(frameon=False, fontsize=9)
    for k, kind in enumerate(KINDS):
        arrays = trained(folder, kind, SIZES[-1], "soft, tuned")["soft_deviation"].max(-1)
        for s, (style, name) in enumerate((("-", "flip"), ("--", "rotation"))):
            logs = np.log10(np.maximum(arrays[:, :, s], 1e-9))
            mean, error = logs.mean(0), logs.std(0, ddof=1) / np.sqrt(len(logs))
            epochs, colour = 1 + np.arange(len(mean)), look(k)[0]
            right.plot(epochs, 10**mean, style, color=colour, label=f"{KINDS[kind]}: {name}")
            right.fill_between(epochs, 10 ** (mean - error), 10 ** (mean + error), color=colour, alpha=0.2, lw=0)
    right.set(xlabel="epoch", ylabel="largest deviation of a layer (1: as at random)", yscale="log")
    figure.legend(*right.get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=9)
    print_table("test accuracy in %, errors over 8 seeds", ["weights", *map(str, SIZES)], rows)
    print(save(figure, FIGURE))


def planted(folder: Path) -> None:
    """What is found on images of every kind."""
    rows = []
    for kind, told in KINDS.items():
        arrays = trained(folder, kind, SIZES[-1], "soft, tuned", tests=MANY)
        found = drawn_rows(kind, (ARMS["soft, tuned"], TWO_CONVOLUTIONS, arrays))
        for s, row in enumerate(found):
            largest, strength = arrays["soft_deviation"][:, -1, s].max(-1), np.log10(arrays["soft_strength"][:, -1, s])
            cells = [f"{mean_over(v)}" for v in (strength.min(-1), strength.max(-1))]
            below = f"{np.sum(largest < 0.01)} of {len(largest)}"
            margin = f"{row.margin:.4f}" if row.margin else "-"
            rows.append([told, row.symmetry, *cells, str(row.largest), str(row.cost), margin, below, row.verdict])
    header = ["images keep", "symmetry", "log10 least strength", "largest", "deviation", "cost if forced", "margin"]
    title = f"soft symmetries of {SIZES[-1]} images, errors over 8 seeds and {MANY} images"
    print_table(title, [*header, "below 0.01", "verdict"], rows)


def dose(folder: Path) -> None:
    """What is found where flips tell the class in a share of the images, and what tied weights cost there."""
    rows = []
    for share in DOSES:
        soft, free, tied = (
            trained(folder, "flip", SIZES[-1], arm, share, MANY) for arm in ("soft, tuned", "plain", "flip, hard")
        )
        row = drawn_rows("flip", (ARMS["soft, tuned"], TWO_CONVOLUTIONS, soft))[0]
        apart = paired_difference(tied["test_loss"], free["test_loss"]).estimate
        gain = paired_difference(tied["test_accuracy"], free["test_accuracy"]).estimate
        margin = f"{row.margin:.4f}" if row.margin else "-"
        cells = [str(row.largest), str(row.cost), margin, row.verdict]
        rows.append([f"{share:g}", *cells, str(apart), f"{100 * gain.value:+.1f}({100 * gain.error:.1f})"])
    header = [
        "share",
        "deviation",
        "cost if forced",
        "margin",
        "verdict",
        "loss, tied - free",
        "accuracy, tied - free (%)",
    ]
    print_table(f"flips that tell classes apart in a share of {SIZES[-1]} images", header, rows)


def kuramoto(folder: Path) -> None:
    """What is found for couplings on the transmogrifier."""
    words = ("translation:auto", "flip:auto", "rotation:auto")
    size = {"L": 20, "steps": 4, "components": 4, "epochs": 8, "pairs_per_epoch": 320, "validation_pairs": 128}
    recipe = KuramotoTraining(**size, soft_equivariance=words, seeds=(0, 1, 2, 3)).resolved()
    out = folder / "soft-kuramoto.h5"
    files.run(recipe, out, jobs=1)
    for row in soft_rows(out):
        print(f"{row.symmetry}: {row.sentence()}")


def deviations(folder: Path) -> None:
    """Largest deviation of logits under D4, before and after training, of networks that have it and one without."""
    recipes = {name: ClassifierRecipe(network=name, epochs=5) for name in ("simple", "d4_fields", "d4_averaged")}
    out = folder / "equivariant.h5"
    train_ensembles({name: (r, ProblemRecipe(train=400)) for name, r in recipes.items()}, (0, 1), out=out, jobs=1)
    rows = [r for r in measured_equivariance(out, "d4", 200, 2).rows if r.layer == "output of the network"]
    cells = [[r.ensemble, *(f"{e.value:.1e}" for e in (r.still, r.unrelated)), r.verdict] for r in rows]
    print_table("logits of trained networks under D4", ["network", "deviation", "unrelated images", "verdict"], cells)


PARTS = {"study": study, "planted": planted, "dose": dose, "kuramoto": kuramoto, "trained": deviations}


def main() -> None:
    """Run the parts that are named, or all."""
    words = [word for word in sys.argv[1:] if word not in PARTS]
    folder = Path(words[0] if words else "soft-equivariance")
    folder.mkdir(exist_ok=True)
    for name in [word for word in sys.argv[1:] if word in PARTS] or list(PARTS):
        start = time.process_time()
        PARTS[name](folder)
        print(f"{name}: {time.process_time() - start:.0f} s of one core")


if __name__ == "__main__":
    main()
