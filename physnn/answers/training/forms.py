"""Arrays of a file of networks that were trained in several forms."""

from __future__ import annotations

import numpy as np

from physnn.errors import InputError
from physnn.store.sweep_file import SweepFile

HOLDS = {
    "train-pde": "differential equation",
    "train-eos": "equation of state",
    "train-colour": "colouring",
    "train-sentiment": "training on reviews",
}
"""What networks were trained on, by kind of file."""


def form_arrays(sweep: SweepFile, kind: str) -> dict[int, dict[str, np.ndarray]]:
    """Arrays of a file of trained networks of a kind by width and name.

    Raises
    ------
    InputError
        If the file holds something else.
    """
    if sweep.recipe.get("kind") != kind or not sweep.sizes:
        raise InputError(f"this file holds no {HOLDS[kind]}; make one with physnn {kind.replace('-', ' ')}")
    return {width: {name: v.values for name, v in group.items()} for width, group in sorted(sweep.sizes.items())}
