"""Answers of networks trained on the equation of state: errors by arm, what may be claimed, and how good it is."""

from __future__ import annotations

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
from physnn.store.sweep_file import read_sweep


@dataclass(frozen=True)
class StateAnswer(Tabled):
    """Arms of a training on the equation of state.

    ``loss`` and ``chi2`` are means over seeds of the final mean squared deviation and chi^2/n, ``bag`` of the largest
    share of the energy density that comes from dm/dT, by arm; ``claims`` judge every arm at every mark, and
    ``power`` is how many seeds would show effects at the last.
    """

    seeds: int
    marks: tuple[int, ...]
    loss: dict[str, Estimate]
    chi2: dict[str, Estimate]
    bag: dict[str, Estimate]
    claims: tuple[Claim, ...]
    power: tuple[Power, ...]

    def table_rows(self) -> list[dict[str, object]]:
        """Rows of the arms."""
        return by_name("arm", loss=self.loss, chi2=self.chi2, bag=self.bag)

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return fields_json(self)


def state_answer(path: Path | str) -> StateAnswer:
    """What a file of `physnn train eos` says; raises InputError if it holds something else."""
    sweep = read_sweep(path)
    (found,), arms = form_arrays(sweep, "train-eos").values(), list(sweep.recipe["arms"])
    marks = tuple(int(t) for t in found["mark"])
    errors = {arm: found["loss"][k] for k, arm in enumerate(arms)}
    share = np.abs(found["bag"] / found["e"]).max(-1)
    claimed = arm_claims(errors, marks)
    return StateAnswer(
        len(found["seed"]),
        marks,
        {arm: mean_over(errors[arm][:, -1]) for arm in arms},
        {arm: mean_over(found["chi2"][k, :, -1]) for k, arm in enumerate(arms)},
        {arm: mean_over(share[k]) for k, arm in enumerate(arms)},
        claimed,
        power_of(claimed),
    )
