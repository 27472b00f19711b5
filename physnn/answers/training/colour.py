"""Answers of diffusion models that colour images: losses and errors by arm, bars, and what may be claimed."""

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
from physnn.store.sweep_file import SweepFile, read_sweep

JUDGED = ("loss", "error", "crps")
"""What claims are made of: the mean loss over noise levels, the error of one sample, and a score for distributions."""
SAME_WORK = {"expanded": ("enlarged", "longer")}
"""Arms that take as many operations as another, and may explain it."""


@dataclass(frozen=True)
class ColourAnswer(Tabled):
    """Arms of a training on colour images, for one side.

    Means over seeds in the end by arm, of seeds whose training stayed finite; ``diverged`` counts the others.

    Attributes
    ----------
    loss, by_level : dict
        Mean squared error of the noise of original pixels, averaged over noise levels, and at each level.
    error, mean_error, diversity, crps : dict
        Mean absolute error of a sample and of the mean of all, mean absolute difference of two samples, and
        ``error - diversity / 2``, the continuous ranked probability score: pixels from 0 to 1.
    bars : dict
        Mean absolute errors of grey images, of the mean chroma and of a ridge regression; their score is the same.
    claims : dict
        Judgements by name of `JUDGED`, of every arm at every mark.
    power : dict
        How many seeds would show effects at the last mark, by the same names.
    """

    data: str
    side: int
    seeds: int
    marks: tuple[int, ...]
    loss: dict[str, Estimate]
    by_level: dict[str, tuple[Estimate, ...]]
    error: dict[str, Estimate]
    mean_error: dict[str, Estimate]
    diversity: dict[str, Estimate]
    crps: dict[str, Estimate]
    diverged: dict[str, int]
    bars: dict[str, float]
    claims: dict[str, tuple[Claim, ...]]
    power: dict[str, tuple[Power, ...]]

    def table_rows(self) -> list[dict[str, object]]:
        """Rows of the arms."""
        means = {name: getattr(self, name) for name in ("loss", "error", "mean_error", "diversity", "crps", "diverged")}
        return [{"side": self.side, **row} for row in by_name("arm", **means)]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return fields_json(self)


def picture_file(figure: Path) -> Path:
    """Path of a sheet of pictures beside a figure."""
    return figure.with_name(f"{figure.stem}-pictures{figure.suffix}")


def colour_arrays(sweep: SweepFile) -> dict[int, dict[str, np.ndarray]]:
    """Arrays of a training on colour images by side and name, with the score ``crps``.

    Raises
    ------
    InputError
        If the file holds something else.
    """
    found = form_arrays(sweep, "train-colour")
    return {side: each | {"crps": each["error"] - each["diversity"] / 2} for side, each in found.items()}


def colour_answers(path: Path | str) -> tuple[ColourAnswer, ...]:
    """What a file of `physnn train colour` says, side by side; raises InputError if it holds something else."""
    sweep = read_sweep(path)
    return tuple(_answer(sweep.recipe, side, each) for side, each in colour_arrays(sweep).items())


def _answer(recipe: dict[str, Any], side: int, arrays: dict[str, np.ndarray]) -> ColourAnswer:
    arms, marks = list(recipe["arms"]), tuple(int(t) for t in arrays["mark"])
    levels, whole = arrays["loss"], arrays | {"loss": arrays["loss"].mean(-1)}
    sound = np.isfinite(np.stack([whole[name][:, :, -1] for name in JUDGED])).all(0)
    kept = {arm: k for k, arm in enumerate(arms) if sound[k].any()}

    def ends(name: str) -> dict[str, Estimate]:
        return {arm: mean_over(whole[name][k, sound[k], -1]) for arm, k in kept.items()}

    by_level = {
        arm: tuple(mean_over(levels[k, sound[k], -1, n]) for n in range(levels.shape[-1])) for arm, k in kept.items()
    }
    names = [name.decode() if isinstance(name, bytes) else str(name) for name in arrays["bar"]]
    told = {
        name: arm_claims({arm: whole[name][k] for k, arm in enumerate(arms)}, marks, controls=SAME_WORK)
        for name in JUDGED
    }
    return ColourAnswer(
        recipe["data"],
        side,
        len(arrays["seed"]),
        marks,
        ends("loss"),
        by_level,
        ends("error"),
        ends("mean_error"),
        ends("diversity"),
        ends("crps"),
        {arm: int((~sound[k]).sum()) for k, arm in enumerate(arms)},
        dict(zip(names, arrays["bar_error"].tolist(), strict=True)),
        told,
        {name: power_of(claims) for name, claims in told.items()},
    )
