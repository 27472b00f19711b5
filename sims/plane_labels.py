"""Does a second loss, an angle for every class, improve classifiers?  Or does it move the learning rate that is best?

    python sims/plane_labels.py [FOLDER] [--cifar PATH] [--caltech PATH] [--only STUDY ...] [--long]

Source: section 4.2, table 1 and figure 6 of "U(1) Symmetry-breaking Observed in Generic CNN Bottleneck Layers".  Every
form of the label is trained from the same seeds at several rates; each takes its best on images held out, and test
images are shown once.  Every seed draws images of its own.  Digits are built in; CIFAR-10 is a folder of its batches
and Caltech-101 a folder of its classes, here made squares of 64 pixels.  Trainings are kept in FOLDER (sims/output), so
that it continues, also with more seeds by ``--long``.  Takes 25 minutes of one core; ``--long`` five hours.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from physnn import api
from physnn.answers.bottleneck.labels import LabelAnswer, gain_of, label_answer, plot_labels
from physnn.cli.output import print_table
from physnn.figures.style import errorbar, new_figure, save
from physnn.networks.forms import SOURCE_GAINS
from physnn.networks.tasks.images import load_images

FIGURE = Path(__file__).parents[1] / "docs" / "figures" / "plane_labels.png"
SIDE = 64
"""Side of the Caltech images in pixels."""
ALL = ("one-hot", "u1", "discrete", "uniform", "per-sample", "zero", "other")
"""Labels of the studies that train fast."""
TWO = ("one-hot", "u1")
SHORT = {"train": 500, "epochs": 8, "rates": (3e-4, 3e-3, 3e-2)}
"""Few images and epochs for networks that take longer."""


@dataclass(frozen=True)
class Study:
    """One network on one data set: its settings, and numbers of seeds in the default and the long run."""

    data: str
    seeds: int
    long: int
    settings: dict[str, Any] = field(default_factory=dict)


STUDIES = {
    "digits, Adam": Study("digits", 32, 126, {"arms": ALL, "rates": (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)}),
    "digits, descent": Study(
        "digits", 8, 126, {"arms": ALL, "optimiser": "sgd", "momentum": 0.9, "rates": (3e-3, 1e-2, 3e-2, 1e-1)}
    ),
    "digits, ResNet": Study("digits", 16, 60, {"arms": TWO, "network": "resnet18_small"} | SHORT),
    "digits, EfficientNet": Study("digits", 16, 60, {"arms": TWO, "network": "efficientnet_small"} | SHORT),
    "CIFAR-10": Study(
        "cifar", 16, 126, {"arms": TWO, "train": 625, "test": 1000, "epochs": 8, "rates": (3e-4, 1e-3, 3e-3)}
    ),
    "Caltech": Study("caltech", 8, 60, {"arms": TWO, "train": 300, "epochs": 8, "rates": (1e-4, 3e-4, 1e-3, 3e-3)}),
}


def squares(source: str, folder: Path) -> str:
    """Caltech images as squares, read once."""
    place = folder / f"caltech-{SIDE}.npz"
    if not place.exists():
        images = load_images(source, "all", SIDE)
        np.savez(place, images=images.images, labels=images.labels, classes=np.array(images.classes))
    return str(place)


def trained(name: str, study: Study, data: str, folder: Path, long: bool) -> LabelAnswer:
    """Answer of a study, after the trainings that are missing."""
    out = folder / f"labels-{name.replace(', ', '-')}.h5"
    seeds = tuple(range(study.long if long else study.seeds))
    recipe = api.recipe("train-labels", out, out.exists(), data=data, seeds=seeds, **study.settings)
    start = time.perf_counter()
    api.run(recipe, out, jobs=1, extend=out.exists())
    print(f"{name}: {time.perf_counter() - start:.0f} s, {plot_labels(out)}")
    return label_answer(out)


def printed(name: str, answer: LabelAnswer) -> None:
    """Print the tables of a study."""
    title = f"{name}: {answer.seeds} seeds with images of their own, {answer.images['train']} training images"
    rows = [[arm, *map(str, values)] for arm, values in answer.validation.items()]
    print_table(f"{title}; held out, right in %, by rate", ["label", *(f"{r:g}" for r in answer.rates)], rows)
    rows = []
    for arm in answer.gain:
        by_rate = {c.mark: gain_of(c) for c in answer.at_rates if c.form == arm}
        rows.append([arm, *(str(by_rate.get(k + 1, "-")) for k in range(len(answer.rates)))])
    print_table("less one-hot, points, one rate for both", ["label", *(f"{r:g}" for r in answer.rates)], rows)
    told = {c.form: c for c in answer.claims}
    rows = []
    for arm, right in answer.accuracy.items():
        end = [str(answer.gain[arm]), f"{told[arm].p_value:.2g}", told[arm].verdict] if arm in told else ["", "", ""]
        counts = " ".join(map(str, answer.chosen[arm]))
        rows.append([arm, counts, str(right), *end, str(answer.largest.get(arm, ""))])
    header = ["label", "best rate: how often", "right, %", "less one-hot", "p", "verdict", "best less worst one-hot"]
    print_table(f"{answer.images['test']} test images, each at its own best rate", header, rows)
    rows = [[r.source, f"{r.effect:g}", f"{r.scatter:.2g}", str(r.seeds), f"{r.visible:.2g}"] for r in answer.power]
    print_table("power", ["scatter of", "effect", "scatter", "seeds for 80 %", "these show"], rows)


def drawn(answers: dict[str, LabelAnswer]) -> Path:
    """Figure of what labels do to digits, and what the circle does everywhere."""
    figure = new_figure(14, 4.6)
    axes = figure.subplots(1, 3)
    digits = answers["digits, Adam"]
    for k, (arm, own) in enumerate(digits.validation.items()):
        at = [rate * 1.03 ** (k - 3) for rate in digits.rates]
        style = {"ms": 4, "ls": "-", "lw": 0.8, "label": arm}
        errorbar(axes[0], k, at, [e.value for e in own], [e.error for e in own], **style)
    axes[0].set(ylabel="right answers, digits held out (%)", xlabel="learning rate (Adam), same for all labels")
    for k, (name, answer) in enumerate(answers.items()):
        rates, gains = answer.gains_at_rates("u1")
        at, style = [r * 1.03 ** (k - 3) for r in rates], {"ls": "-", "lw": 0.8, "label": name}
        errorbar(axes[1], k, at, [g.value for g in gains], [g.error for g in gains], ms=4, **style)
        errorbar(axes[2], k, [answer.gain["u1"].value], [k], None, [answer.gain["u1"].error], ms=6)
    axes[1].set(ylabel="circle less one-hot, held out (points)", xlabel="learning rate, same for both")
    axes[1].axhline(0, color="#000000", lw=0.6)
    for style, (name, gain) in zip(("--", ":"), SOURCE_GAINS.items(), strict=True):
        axes[2].axvline(gain, color="#000000", lw=0.8, ls=style, label=name)
    axes[2].axvline(0, color="#000000", lw=0.6)
    axes[2].set_yticks(range(len(answers)), list(answers))
    axes[2].set(xlabel="circle less one-hot, test images (points),\neach at its own best rate")
    axes[2].margins(y=0.2)
    for place in axes[:2]:
        place.set_xscale("log")
    for place in axes:
        place.legend(frameon=False, fontsize=7)
    return save(figure, FIGURE)


def main() -> None:
    """Run the studies for which there are data, print and draw them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default="sims/output")
    parser.add_argument("--cifar")
    parser.add_argument("--caltech")
    parser.add_argument("--only", nargs="+", choices=STUDIES, default=list(STUDIES))
    parser.add_argument("--long", action="store_true")
    given = parser.parse_args()
    folder = Path(given.folder)
    folder.mkdir(parents=True, exist_ok=True)
    places = {"digits": "digits", "cifar": given.cifar}
    places["caltech"] = given.caltech and squares(given.caltech, folder)
    answers = {}
    for name, study in STUDIES.items():
        if name in given.only and places[study.data]:
            answers[name] = trained(name, study, places[study.data], folder, given.long)
            printed(name, answers[name])
    if "digits, Adam" in answers:
        print(drawn(answers))


if __name__ == "__main__":
    main()
