"""Answers of classifiers trained with labels in the plane: at each arm's own best rate, and at rates in common."""

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
from physnn.networks.forms import LABEL_EFFECTS, OTHER_WEIGHTS, WITHOUT_LABEL
from physnn.store.sweep_file import SweepFile, read_sweep

MATTERS_POINTS = 1.0
"""Smallest difference of right answers that matters, in percentage points; less than any mean gain of the source."""
MAY_DO_AS_WELL = {
    "u1": ("zero", "per-sample", "discrete", "uniform"),
    "discrete": ("zero", "per-sample"),
    "uniform": ("zero", "per-sample"),
}
"""Labels that may be explained by others, and by which: those that say nothing about classes first."""


@dataclass(frozen=True)
class LabelAnswer(Tabled):
    """Arms of a training with labels in the plane; shares are in percent, differences in percentage points.

    Attributes
    ----------
    seeds : int
        Pairs, each with images of its own unless these were fixed.
    own_images : bool
        Whether every seed has its own draw of images, so that errors are over these, too.
    images : dict of int
        Numbers of training and test images, and their side.
    rates : tuple of float
        Learning rates.
    validation : dict of tuple of Estimate
        Right answers of images held out by arm at every rate; without a value where fewer than two trainings held.
    chosen : dict of tuple of int
        How often a rate was the best one, by arm.
    accuracy, loss : dict of Estimate
        Of test images at each seed's best rate, by arm.
    gain : dict of Estimate
        Right answers of an arm less those of ``one-hot``, test images, paired, each at its own best rate.
    claims : tuple of Claim
        Judgements of wrong answers less those of ``one-hot``, in points, on test images.
    at_rates : tuple of Claim
        The same on images held out with both at one rate; ``mark`` is the number of the rate, from 1.
    largest : dict of Estimate
        Gain of an arm at the rate where ``one-hot`` is worst, both held out, by arm: the arm at its best rate there is.
    power : tuple of Power
        Seeds that show effects, by the scatter that was measured.
    """

    seeds: int
    own_images: bool
    images: dict[str, int]
    rates: tuple[float, ...]
    validation: dict[str, tuple[Estimate, ...]]
    chosen: dict[str, tuple[int, ...]]
    accuracy: dict[str, Estimate]
    loss: dict[str, Estimate]
    gain: dict[str, Estimate]
    claims: tuple[Claim, ...]
    at_rates: tuple[Claim, ...]
    largest: dict[str, Estimate]
    power: tuple[Power, ...]

    def table_rows(self) -> list[dict[str, object]]:
        """Rows of the arms."""
        return by_name("arm", accuracy=self.accuracy, loss=self.loss, gain=self.gain, largest=self.largest)

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return fields_json(self)

    def gains_at_rates(self, arm: str) -> tuple[list[float], list[Estimate]]:
        """Rates, and gains on images held out with both at that rate, of an arm."""
        own = [claim for claim in self.at_rates if claim.form == arm]
        return [self.rates[claim.mark - 1] for claim in own], [gain_of(claim) for claim in own]


def gain_of(claim: Claim) -> Estimate:
    """Right answers less those of the baseline, from a claim about wrong ones."""
    return Estimate(-claim.difference.value, claim.difference.error, claim.difference.dof)


def label_answer(path: Path | str) -> LabelAnswer:
    """What a file of `physnn train classify --label-loss` says; raises InputError if it holds something else."""
    return label_answer_of(read_sweep(path))


def label_answer_of(sweep: SweepFile) -> LabelAnswer:
    """What a file that has been read says."""
    ((_, found),) = form_arrays(sweep, "train-labels").items()
    arms, rates = list(sweep.recipe["arms"]), tuple(float(r) for r in sweep.recipe["rates"])
    held = {arm: 100 * found["validation_accuracy"][k] for k, arm in enumerate(arms)}
    test = {arm: 100 * found["test_accuracy"][k] for k, arm in enumerate(arms)}
    rest = [arm for arm in arms if arm != WITHOUT_LABEL and WITHOUT_LABEL in arms]
    settings: dict[str, Any] = {
        "baseline": WITHOUT_LABEL,
        "controls": MAY_DO_AS_WELL,
        "matters": MATTERS_POINTS,
        "logs": False,
    }
    claimed = arm_claims({arm: 100 - each[:, None] for arm, each in test.items()}, (1,), True, **settings)
    at_rates = _at_rates(held, rates, settings)
    choices = {arm: found["best_rate"][k] for k, arm in enumerate(arms)}
    return LabelAnswer(
        len(found["seed"]),
        sweep.recipe["data_seed"] is None,
        dict(sweep.recipe["images"]),
        rates,
        {arm: tuple(_over_sound(column) for column in each.T) for arm, each in held.items()},
        {arm: tuple(int(np.isclose(own, rate).sum()) for rate in rates) for arm, own in choices.items()},
        {arm: _over_sound(each) for arm, each in test.items()},
        {arm: _over_sound(found["test_loss"][k]) for k, arm in enumerate(arms)},
        {arm: _over_sound(test[arm] - test[WITHOUT_LABEL]) for arm in rest},
        claimed,
        at_rates,
        {arm: _largest(held[arm], held[WITHOUT_LABEL]) for arm in rest if arm != OTHER_WEIGHTS},
        power_of(claimed, LABEL_EFFECTS),
    )


def plot_labels(path: Path, out: Path | None = None) -> Path:
    """Draw right answers by learning rate, and what labels in the plane add to them; return the PNG's path."""
    from physnn.figures.style import save
    from physnn.figures.training.labels import label_figure

    sweep = read_sweep(path)
    answer, recipe = label_answer_of(sweep), sweep.recipe
    gains = {arm: answer.gains_at_rates(arm) for arm in answer.gain}
    over = "seeds and draws of images" if answer.own_images else "seeds"
    trained = f"{Path(recipe['data']).name}, {recipe['network']}, {recipe['optimiser']}"
    title = f"{trained}: {answer.seeds} pairs, errors over {over}"
    figure = label_figure(answer.rates, answer.validation, gains, answer.gain, title)
    return save(figure, out or path.with_suffix(".png"))


def _at_rates(held: dict[str, np.ndarray], rates: tuple[float, ...], settings: dict[str, Any]) -> tuple[Claim, ...]:
    """Claims at every rate at which two pairs or more did not diverge."""
    found: list[Claim] = []
    wrong = {arm: 100 - each for arm, each in held.items()}
    # A rate at which trainings diverge is left out for the arm, not the seeds for all rates.
    kept = [k for k in range(len(rates)) if all(np.isfinite(each[:, k]).all() for each in wrong.values())]
    if kept:
        marks = [k + 1 for k in kept]
        found += arm_claims({arm: each[:, kept] for arm, each in wrong.items()}, marks, True, **settings)
    return tuple(found)


def _over_sound(values: np.ndarray) -> Estimate:
    """Mean of the finite ones; not a number for fewer than two."""
    sound = values[np.isfinite(values)]
    return mean_over(sound) if len(sound) > 1 else Estimate(float(sound.mean()) if len(sound) else np.nan, np.nan)


def _largest(arm: np.ndarray, plain: np.ndarray) -> Estimate:
    """Largest gain that two rates can make: the arm's best one, and the one where plain networks are worst."""
    ours, theirs = (np.where(np.isfinite(each).all(0), each.mean(0), np.nan) for each in (arm, plain))
    if np.isnan(ours).all() or np.isnan(theirs).all():
        return Estimate(np.nan, np.nan)
    return _over_sound(arm[:, np.nanargmax(ours)] - plain[:, np.nanargmin(theirs)])
