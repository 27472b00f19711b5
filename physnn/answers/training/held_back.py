"""Fits of trained networks that are held back: of points whose training did not do what it was for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from physnn.analysis.quantum.convergence import NOT_CONVERGED
from physnn.analysis.verdict.fit import Fit
from physnn.answers.quantum.ground_states import TRAINED_GROUND, convergences
from physnn.store.hdf5 import is_hdf5
from physnn.store.sweep_file import SweepFile, kind_of, read_sweep
from physnn.store.tables.cells import STDIN

MACHINES = "train-rbm"
"""Kind of files of Boltzmann machines."""
FAILED = "trainings failed"
"""Why a fit is undecided where machines have left their way."""
Places = Sequence[tuple[int, float, str]]
"""Sizes, control values and reasons."""


def held_back(answer: Fit, source: str | Path | SweepFile) -> Fit:
    """Answer of a fit, undecided where it rests on trainings that failed, or on order that has not converged."""
    if not isinstance(source, SweepFile):
        path = Path(source)
        said = str(kind_of(path)[1].get("recipe", "")) if path != STDIN and is_hdf5(path) else ""
        known = TRAINED_GROUND in said or MACHINES in said
        return held_back(answer, read_sweep(path)) if known else answer
    if source.recipe.get("kind") == MACHINES:
        from physnn.answers.training.boltzmann import lost_trainings

        return _undecided(answer, FAILED, lost_trainings(source))
    points = [(one.L, one.value, one.reasons[0]) for one in convergences(source) if one.reasons]
    return _undecided(answer, NOT_CONVERGED, points)


def _undecided(answer: Fit, why: str, points: Places) -> Fit:
    """Answer that rests on points which are not what they should be, if there are any."""
    if not points:
        return answer
    name = answer.curves.control
    places = ", ".join(f"L = {L}, {name} = {value:g}" for L, value, _ in points[:3])
    more = f" and {len(points) - 3} more points" if len(points) > 3 else ""
    reason = f"{why} at {places}{more}: {points[0][2]}"
    said = f"without this rule the verdict would be {answer.verdict}: {answer.reason}"
    return replace(
        answer, verdict="undecided", reason=reason, collapse=None, drift=None, merging=None,
        remarks=(*answer.remarks, said),
    )  # fmt: skip
