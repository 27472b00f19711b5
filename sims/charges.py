"""Charges of learning along trainings: measured, in gradient flow, and as the lengths of the steps predict.

    python sims/charges.py [FOLDER]

Classifiers of digits with batch normalisation, by gradient descent with momentum, with weight decay, and by Adam, which
is to break all.  Then plain gradient descent at three learning rates over equal times: what is left between
a charge and gradient flow is to halve with the learning rate.  Takes 5 min of one core.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from pathlib import Path

import numpy as np

from physnn.analysis.replicas.charges import ChargeCourse
from physnn.analysis.statistics.estimate import Estimate, mean_over
from physnn.answers.symmetry.charges import charge_answer
from physnn.cli.output import print_table
from physnn.figures.style import save
from physnn.figures.training.charges import charges_figure
from physnn.networks.classifiers.replicas import ClassifierRecipe
from physnn.networks.tasks.problem import ProblemRecipe
from physnn.samples.training.classifiers import train_ensembles

SEEDS = tuple(range(8))
EPOCHS = 20
MEMBERS = {
    "momentum": {"optimiser": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.0},
    "decay": {"optimiser": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 2e-3},
    "adam": {"optimiser": "adam", "lr": 1e-3, "weight_decay": 0.0},
}
TITLES = {
    "momentum": "gradient descent, momentum 0.9",
    "decay": "the same, weight decay 0.002",
    "adam": "Adam",
}
DRAWN = ("scale second", "rescaling norms.1-hidden", "rescaling hidden-output", "translation output.weight")
RATES, SHORTEST = (0.1, 0.05, 0.025), 4
"""Learning rates over equal times, and epochs of the largest."""
FIGURE = Path("docs/figures/charges.png")


def trained(folder: Path, name: str, members: dict[str, dict[str, object]]) -> Path:
    """File of ensembles whose charges are followed."""
    out, followed = folder / f"{name}.h5", {"network": "batchnorm", "charges": True}
    recipes = {key: ClassifierRecipe.model_validate(some | followed) for key, some in members.items()}
    train_ensembles({key: (recipe, ProblemRecipe()) for key, recipe in recipes.items()}, SEEDS, out=out, jobs=1)
    return out


def beyond_flow(course: ChargeCourse) -> Estimate:
    """What a charge, summed over its units, changed beyond gradient flow; errors over replicas."""
    return mean_over(course.total(course.measured[:, -1]) - course.flow[:, -1])


def told(folder: Path) -> None:
    """Charges of one network, trained in three ways, and their figure."""
    members = {name: some | {"epochs": EPOCHS} for name, some in MEMBERS.items()}
    found = charge_answer(trained(folder, "batchnorm", members))
    rows = [
        [
            *(row.ensemble, row.charge, f"{row.measured.value - row.first.value:.4g}"),
            *(f"{row.predicted.value - row.first.value:.4g}", f"{row.flow.value - row.first.value:.4g}"),
            *(str(row.drift), f"{row.in_errors:.1f}", f"{row.roundings:.2g}", f"{row.share:.1e}", row.verdict),
        ]
        for row in found.rows
    ]
    header = ["training", "charge", "change", "predicted", "in flow", "drift", "errors", "roundings", "share"]
    print_table(f"{len(SEEDS)} seeds, {EPOCHS} epochs", [*header, "verdict"], rows)
    courses = {name: [c for c in some if c.name in DRAWN] for name, some in found.courses.items()}
    save(charges_figure(courses, TITLES), FIGURE)


def halved(folder: Path) -> None:
    """What is left between charges and gradient flow at equal times, by learning rate."""
    plain = {"optimiser": "sgd", "weight_decay": 0.0}
    longer = {rate: SHORTEST * round(RATES[0] / rate) for rate in RATES}
    members = {f"lr{rate:g}": plain | {"lr": rate, "epochs": longer[rate]} for rate in RATES}
    found = charge_answer(trained(folder, "rates", members))
    left = {
        name: {course.name: beyond_flow(course) for course in some if not course.name.startswith("translation")}
        for name, some in found.courses.items()
    }
    rows = []
    for charge in next(iter(left.values())):
        values = [left[name][charge] for name in members]
        ratios = [
            Estimate(a.value / b.value, abs(a.value / b.value) * float(np.hypot(a.error / a.value, b.error / b.value)))
            for a, b in itertools.pairwise(values)
        ]
        rows.append([charge, *map(str, values), *map(str, ratios)])
    header = ["charge", *(f"lr {rate:g}" for rate in RATES), "ratio", "ratio"]
    print_table("change beyond gradient flow, equal times", header, rows)


def main() -> None:
    """Train, print the tables and draw the figure."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        told(folder)
        halved(folder)


if __name__ == "__main__":
    main()
