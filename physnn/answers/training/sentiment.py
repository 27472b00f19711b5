"""Answers of transformers trained on reviews: shares of right answers with errors, and what may be claimed of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physnn.analysis.statistics.claims import Claim, arm_claims, power_of
from physnn.analysis.statistics.estimate import Estimate, mean_over
from physnn.analysis.statistics.frames import Tabled, by_name
from physnn.analysis.statistics.plain import fields_json
from physnn.analysis.statistics.power import Power, draws_needed
from physnn.answers.training.forms import form_arrays
from physnn.samples.training.sentiment import PAPER_POINTS, SentimentRecipe
from physnn.store.sweep_file import SweepFile, read_sweep

MAY_EXPLAIN = {"zeros": ("linear-small", "linear"), "constants": ("linear-small", "linear")}
"""Forms that may be explained by others, and by which."""


@dataclass(frozen=True)
class SentimentAnswer(Tabled):
    """Forms of the embedding in a training on reviews.

    Shares are in percent and differences in percentage points, by arm, after the last step: ``accuracy`` and ``loss``
    (cross-entropy) of test reviews with errors over seeds, ``over_reviews`` and ``loss_over_reviews`` the same means
    with errors over reviews, ``chosen`` the accuracy at the mark where the validation's is largest.  ``difference`` is
    that of ``accuracy`` to the arm ``none``, paired, with its error over seeds, and ``difference_over_reviews`` over
    reviews; ``reviews_needed`` as many as would show the source's gain in a mean over these seeds.  ``bars`` are
    simple models with errors over reviews, ``identity`` the largest difference of logits of ``zeros`` and
    ``linear-small`` in the first steps, relative.  ``claims`` judge errors in percentage points at every mark.
    """

    seeds: int
    reviews: int
    marks: tuple[int, ...]
    accuracy: dict[str, Estimate]
    over_reviews: dict[str, Estimate]
    chosen: dict[str, Estimate]
    loss: dict[str, Estimate]
    loss_over_reviews: dict[str, Estimate]
    difference: dict[str, Estimate]
    difference_over_reviews: dict[str, Estimate]
    reviews_needed: dict[str, int]
    bars: dict[str, Estimate]
    identity: float | None
    claims: tuple[Claim, ...]
    power: tuple[Power, ...]

    def table_rows(self) -> list[dict[str, object]]:
        """Rows of the arms."""
        names = ("accuracy", "over_reviews", "chosen", "loss", "difference", "difference_over_reviews")
        return by_name("arm", **{name: getattr(self, name) for name in names})

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return fields_json(self)


def sentiment_arrays(sweep: SweepFile) -> dict[str, np.ndarray]:
    """Arrays of a training on reviews by name.

    Raises
    ------
    InputError
        If the file holds something else.
    """
    return next(iter(form_arrays(sweep, "train-sentiment").values()))


def sentiment_answer(path: Path | str) -> SentimentAnswer:
    """What a file of `physnn train sentiment` says; raises InputError if it holds something else."""
    sweep = read_sweep(path)
    found, arms = sentiment_arrays(sweep), list(sweep.recipe["arms"])
    marks = tuple(int(t) for t in found["mark"])
    errors = {arm: 100 * (1 - found["test_accuracy"][k]) for k, arm in enumerate(arms)}
    claimed = arm_claims(errors, marks, True, "none", MAY_EXPLAIN, PAPER_POINTS, logs=False)
    # Mean over seeds of right answers, review by review, in percent.
    right = {arm: 100 * found["right"][k, :, -1].mean(0) for k, arm in enumerate(arms)}
    last = {arm: 100 * found["test_accuracy"][k, :, -1] for k, arm in enumerate(arms)}
    best = found["validation_accuracy"].argmax(-1)
    chosen = np.take_along_axis(found["test_accuracy"], best[..., None], -1)[..., 0]
    rest = [arm for arm in arms if arm != "none" and "none" in arms]
    apart = {arm: right[arm] - right["none"] for arm in rest}
    identity = found["identity"][np.isfinite(found["identity"])]
    names = [name.decode() if isinstance(name, bytes) else str(name) for name in found["bar"]]
    return SentimentAnswer(
        len(found["seed"]),
        found["right"].shape[-1],
        marks,
        {arm: mean_over(each) for arm, each in last.items()},
        {arm: mean_over(each) for arm, each in right.items()},
        {arm: mean_over(100 * chosen[k]) for k, arm in enumerate(arms)},
        {arm: mean_over(found["test_loss"][k, :, -1]) for k, arm in enumerate(arms)},
        {
            arm: Estimate(float(found["test_loss"][k, :, -1].mean()), float(found["test_loss_error"][k, :, -1].mean()))
            for k, arm in enumerate(arms)
        },
        {arm: mean_over(last[arm] - last["none"]) for arm in rest},
        {arm: mean_over(each) for arm, each in apart.items()},
        {arm: draws_needed(float(each.std(ddof=1)), PAPER_POINTS) for arm, each in apart.items()},
        {name: mean_over(100.0 * each) for name, each in zip(names, found["bar_right"], strict=True)},
        float(identity.max()) if len(identity) else None,
        claimed,
        power_of(claimed, SentimentRecipe.effects),
    )
