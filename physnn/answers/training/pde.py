"""Answers of networks trained on differential equations: errors by width and arm, and what may be claimed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physnn.analysis.statistics.claims import Claim, arm_claims, power_of
from physnn.analysis.statistics.estimate import Estimate, mean_over
from physnn.analysis.statistics.frames import Tabled, by_name
from physnn.analysis.statistics.plain import fields_json
from physnn.analysis.statistics.power import Power
from physnn.answers.training.forms import form_arrays
from physnn.errors import InputError
from physnn.samples.training.pde import PdeRecipe
from physnn.store.sweep_file import read_sweep


@dataclass(frozen=True)
class PdeAnswer(Tabled):
    """Arms of a training on a differential equation, for one width.

    ``error``, ``max_error`` and ``loss`` are means over seeds in the end by arm, of seeds whose training stayed finite;
    ``diverged`` counts the others.  ``claims`` judge the error of every arm at every mark, and ``power`` is
    how many seeds would show effects at the last.
    """

    problem: str
    width: int
    seeds: int
    marks: tuple[int, ...]
    error: dict[str, Estimate]
    max_error: dict[str, Estimate]
    loss: dict[str, Estimate]
    diverged: dict[str, int]
    claims: tuple[Claim, ...]
    power: tuple[Power, ...]

    def table_rows(self) -> list[dict[str, object]]:
        """Rows of the arms."""
        found = by_name("arm", error=self.error, max_error=self.max_error, loss=self.loss, diverged=self.diverged)
        return [{"width": self.width, **row} for row in found]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return fields_json(self)


def pde_answers(path: Path | str) -> tuple[PdeAnswer, ...]:
    """What a file of `physnn train pde` says, width by width; raises InputError if it holds something else."""
    sweep = read_sweep(path)
    arms, found = list(sweep.recipe["arms"]), []
    for width, arrays in form_arrays(sweep, "train-pde").items():
        marks = tuple(int(t) for t in arrays["mark"])
        errors = {arm: arrays["error"][k] for k, arm in enumerate(arms)}
        sound = {arm: np.isfinite(each[:, -1]) for arm, each in errors.items()}

        def ends(
            name: str, arrays: dict[str, np.ndarray] = arrays, sound: dict[str, np.ndarray] = sound
        ) -> dict[str, Estimate]:
            rows = ((arm, arrays[name][k, sound[arm], -1].astype(float)) for k, arm in enumerate(arms))
            return {arm: mean_over(row) for arm, row in rows if len(row)}

        diverged = {arm: int((~each).sum()) for arm, each in sound.items()}
        ended = ends("error"), ends("max_error"), ends("loss"), diverged
        # The question is what constants do; all other arms are parts of the answer.
        claimed = arm_claims(errors, marks, every=True, together=not PdeRecipe.judged_alone)
        found.append(
            PdeAnswer(sweep.recipe["problem"], width, len(arrays["seed"]), marks, *ended, claimed, power_of(claimed))
        )
    return tuple(found)


def tabled_arms(answers: Sequence[PdeAnswer]) -> list[str]:
    """Arms whose last errors have errors over seeds at every width: two networks or more stayed finite there."""
    return [
        arm
        for arm in answers[0].error
        if all(arm in answer.error and np.isfinite(answer.error[arm].error) for answer in answers)
    ]


def width_table(answers: Sequence[PdeAnswer]) -> str:
    """Table of the last errors by width, with their errors over seeds, of `tabled_arms`: what `physnn.fit` reads.

    Columns are ``L``, the width, ``control``, the steps, and for every arm its error and ``ARM_error``.

    Raises
    ------
    InputError
        If there is no such arm.
    """
    if not (arms := tabled_arms(answers)):
        raise InputError("a table of widths has errors over seeds: train two seeds or more, as in --extend --seeds 0 1")
    names = [column_of(arm) for arm in arms]
    header = ",".join(["L", "control", *(f"{name},{name}_error" for name in names)])
    lines = ["# L: width; control: steps; relative errors", header]
    for answer in answers:
        found = (f"{answer.error[arm].value:.8g},{answer.error[arm].error:.3g}" for arm in arms)
        lines.append(",".join([str(answer.width), str(answer.marks[-1]), *found]))
    return "\n".join(lines) + "\n"


def column_of(arm: str) -> str:
    """Name of an arm's column in a table of widths."""
    return arm.replace(".", "_")
