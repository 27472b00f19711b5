"""Arrays of a file of networks that were trained in several forms, and differences between forms of images."""

from __future__ import annotations

import numpy as np

from physnn.analysis.statistics.pairs import PairedDifference, paired_difference
from physnn.errors import InputError
from physnn.store.ensemble_file import EnsembleFile
from physnn.store.sweep_file import SweepFile

HOLDS = {
    "train-pde": "differential equation",
    "train-eos": "equation of state",
    "train-colour": "colouring",
    "train-sentiment": "training on reviews",
    "train-labels": "training with labels in the plane",
}
"""What networks were trained on, by kind of file."""
MADE_BY = {"train-labels": "train classify --label-loss u1"}
"""Commands that make files of a kind, where their names differ."""
PAIRS = (("expanded", "raw"), ("upsampled", "raw"), ("expanded", "upsampled"))
"""Forms of images whose accuracies are compared."""


def form_arrays(sweep: SweepFile, kind: str) -> dict[int, dict[str, np.ndarray]]:
    """Arrays of a file of trained networks of a kind by width and name.

    Raises
    ------
    InputError
        If the file holds something else.
    """
    if sweep.recipe.get("kind") != kind or not sweep.sizes:
        raise InputError(
            f"this file holds no {HOLDS[kind]}; make one with physnn {MADE_BY.get(kind, kind.replace('-', ' '))}"
        )
    return {width: {name: v.values for name, v in group.items()} for width, group in sorted(sweep.sizes.items())}


def paired_tests(file: EnsembleFile) -> dict[tuple[str, str], PairedDifference]:
    """Differences of test accuracy between forms of images, the first of two less the second, over seeds."""
    measured = {name: e.measured["test_accuracy"] for name, e in file.ensembles.items()}
    return {
        (a, b): paired_difference(measured[a], measured[b])
        for a, b in PAIRS
        if a in measured and b in measured and len(measured[a]) > 1
    }
