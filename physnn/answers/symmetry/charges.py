"""What charges of learning did in a training: predicted and measured, ensemble by ensemble."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physnn.analysis.replicas.charges import ChargeCourse, ChargeRow, charge_row
from physnn.analysis.statistics.frames import Tabled, row_parts
from physnn.analysis.statistics.plain import to_json
from physnn.errors import InputError
from physnn.networks.classifiers.replicas import ClassifierRecipe
from physnn.store.ensemble_file import Ensemble, read_ensembles


@dataclass(frozen=True)
class ChargeAnswer(Tabled):
    """Charges of all ensembles of a file along their training.

    Attributes
    ----------
    courses : dict of str to tuple of ChargeCourse
        By ensemble.
    rules : dict of str to ClassifierRecipe
        How each was trained.
    rows : tuple of ChargeRow
        One for each charge of each ensemble.
    """

    courses: dict[str, tuple[ChargeCourse, ...]]
    rules: dict[str, ClassifierRecipe]
    rows: tuple[ChargeRow, ...]

    def table_rows(self) -> list[dict[str, object]]:
        """Rows of the charges, with the drift in its errors."""
        return [{**row_parts(row), "in_errors": row.in_errors} for row in self.rows]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        names = "optimiser", "lr", "momentum", "weight_decay"
        rules = {name: {key: getattr(rule, key) for key in names} for name, rule in self.rules.items()}
        rows = [to_json(row) | {"in_errors": row.in_errors, "verdict": row.verdict} for row in self.rows]
        return {"training": rules, "charges": rows}


def charge_answer(path: Path) -> ChargeAnswer:
    """Charges of learning of the networks of a file, see `ChargeAnswer`.

    Parameters
    ----------
    path : Path
        File of ``physnn train classify --charges``.

    Raises
    ------
    InputError
        If no ensemble of the file has charges, or one took no step.
    """
    file = read_ensembles(path)
    rules = {
        name: ClassifierRecipe(**file.recipe["ensembles"][name]["recipe"])
        for name, ensemble in file.ensembles.items()
        if ensemble.charges
    }
    if not rules:
        raise InputError(f"no charges were followed in {path}; train with: physnn train classify --charges")
    courses = {name: _courses(file.ensembles[name], rule) for name, rule in rules.items()}
    rows = tuple(charge_row(name, course) for name, some in courses.items() for course in some)
    return ChargeAnswer(courses, rules, rows)


def _courses(ensemble: Ensemble, rule: ClassifierRecipe) -> tuple[ChargeCourse, ...]:
    """Charges of an ensemble in the order of its components."""
    words = [component.split(" ", 2) for component in ensemble.components]
    found, arrays = [], ensemble.charges
    decay = 0.0 if rule.optimiser == "adam" else rule.weight_decay * rule.lr / (1 - rule.momentum)
    for kind, place in dict.fromkeys((kind, place) for kind, place, _ in words):
        at = [k for k, word in enumerate(words) if word[:2] == [kind, place]]
        found.append(
            ChargeCourse(
                f"{kind} {place}",
                tuple(words[k][2] for k in at),
                np.asarray(arrays["charge_steps"][0]),
                measured=arrays["charge_measured"][..., at],
                predicted=arrays["charge_predicted"][..., at],
                reach=arrays["charge_reach"][..., at],
                rounding=arrays["charge_rounding"][..., at],
                decay=decay * (1 if kind == "translation" else 2),
            )
        )
    return tuple(found)
