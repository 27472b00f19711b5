"""Classifiers trained with labels in the plane beside their classes, each form at its own best learning rate.

A seed draws its images, training and test, the first weights and the labels: errors over seeds are errors over all of
these.  Every arm is trained at every rate on the training images less a fifth, held out, on which the rates of an arm
are compared; the test images are shown once, to the network of the best one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

import numpy as np
from pydantic import Field, field_validator

from physnn.analysis.statistics.power import Power, binomial_scatter, power_table
from physnn.errors import InputError
from physnn.machine import FOR_TRAINING_HERE
from physnn.models.groups.representations import PointGroupName
from physnn.networks.classifiers.drawn import without_held_out
from physnn.networks.classifiers.engines import Diverged, resolve_engine, tested_replicas, train_replicas
from physnn.networks.classifiers.labels import LabelLoss
from physnn.networks.classifiers.replicas import ClassifierRecipe, Optimiser, TrainingEngine
from physnn.networks.classifiers.stacked import replica_bytes
from physnn.networks.device import single_thread
from physnn.networks.forms import LABEL_EFFECTS, OTHER_WEIGHTS, WITHOUT_LABEL
from physnn.networks.tasks.problem import Problem, ProblemRecipe, load_problem
from physnn.samples.base import Growth, Recipe, more, validated
from physnn.samples.sample import Sample
from physnn.samples.tasks import Arrays, Axis, Checkpoint, Measured, Resources, Task
from physnn.store.commit import previous

LABEL_ARMS = (WITHOUT_LABEL, *(kind for kind in get_args(LabelLoss) if kind != "none"), OTHER_WEIGHTS)
"""Arms that there are."""
OTHER_SEEDS = 2**62
"""Number added to seeds of the null."""
LABEL_RATES = (3e-4, 1e-3, 3e-3, 1e-2)
"""Learning rates that are compared by default."""
HALF_WRONG = "independent mistakes, half wrong"
"""Name of the largest scatter that two networks can have whose mistakes have nothing to do with each other."""


class LabelTraining(Recipe):
    """Recipe of classifiers with and without labels in the plane, over seeds and learning rates."""

    size: ClassVar[str] = "side"
    control: ClassVar[str] = "arm"
    draws: ClassVar[str] = "seed"
    grows: ClassVar[Mapping[str, Growth]] = {"arms": more, "seeds": more}
    located: ClassVar[tuple[str, ...]] = ("data",)

    kind: Literal["train-labels"] = "train-labels"
    network: str = "simple"
    arms: Annotated[tuple[Literal[LABEL_ARMS], ...], Field(min_length=1)] = (WITHOUT_LABEL, "u1")  # type: ignore[valid-type]
    label_weight: Annotated[float, Field(ge=0)] = 1.0
    rates: Annotated[tuple[Annotated[float, Field(gt=0, le=100)], ...], Field(min_length=1)] = LABEL_RATES
    optimiser: Optimiser = "adam"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    batch: Annotated[int, Field(ge=2)] = 64
    epochs: Annotated[int, Field(ge=1)] = 30
    augment: PointGroupName = "c1"
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=OTHER_SEEDS)], ...], Field(min_length=1)] = tuple(range(8))
    data: str = "digits"
    train: Annotated[int, Field(ge=1)] | None = None
    test: Annotated[int, Field(ge=1)] | None = None
    side: Annotated[int, Field(ge=1)] | None = None
    data_seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """Draw of the images that all seeds share; None: every seed has its own."""
    engine: TrainingEngine = "auto"
    device: Literal["cpu", "cuda"] = "cpu"
    identity: str = ""
    images: dict[str, int] = Field(default_factory=dict)

    @field_validator("seeds", "rates")
    @classmethod
    def _in_order(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(sorted(set(values)))

    @field_validator("arms")
    @classmethod
    def _once(cls, arms: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(arms))

    def of_arm(self, arm: str, rate: float) -> ClassifierRecipe:
        """Training of an arm at a learning rate."""
        own = ("network", "epochs", "batch", "weight_decay", "augment", "optimiser", "momentum", "label_weight")
        label = "none" if arm in (WITHOUT_LABEL, OTHER_WEIGHTS) else arm
        settings = {name: getattr(self, name) for name in own} | {"lr": rate, "label_loss": label}
        if label == "none":
            del settings["label_weight"]
        return validated(ClassifierRecipe, settings)

    def images_of(self, seed: int) -> ProblemRecipe:
        """Images that a seed draws."""
        own = seed if self.data_seed is None else self.data_seed
        return ProblemRecipe(data=self.data, train=self.train, test=self.test, side=self.side, data_seed=own)

    def resolved(self) -> LabelTraining:
        """Recipe with what the images are and the engine for them.

        Raises
        ------
        InputError
            If the images cannot be read or are too few, or the network has no place for a second output.
        """
        load_problem.cache_clear()  # Images on the disk may have changed since the last call.
        problem = load_problem(self.images_of(0))
        if self.identity not in ("", problem.identity):
            raise InputError(f"the images {self.data} are not those of the recipe; name its file")
        less = without_held_out(problem)[0]
        engine = resolve_engine(self.engine, self.of_arm("u1", 1.0), less, self.device)
        counts = {"train": len(less.images), "test": len(problem.test_images), "side": problem.side}
        return self.model_copy(update={"identity": problem.identity, "images": counts, "engine": engine})

    def comparisons(self) -> int:
        """How many differences are judged together."""
        return max(1, len(self.arms) - 1)

    def power(self) -> tuple[Power, ...]:
        """Seeds that show the effects, in percentage points, before there are data: with the largest scatter."""
        scatter = 100 * binomial_scatter(0.5, self.images.get("test", 1))
        return power_table(LABEL_EFFECTS, {HALF_WRONG: scatter}, len(self.seeds), self.comparisons())


class LabelSample(Sample):
    """Classifiers by arm, learning rate and seed."""

    Recipe = LabelTraining
    recipe: LabelTraining
    watched = True
    keeps = True
    footprint = FOR_TRAINING_HERE
    advice = "fewer --train or --test images, fewer --seeds, or fewer --jobs"

    def sizes(self) -> tuple[int, ...]:
        """Side of the images: all networks are in one group."""
        return (self.recipe.images["side"],)

    def axes(self, size: int) -> dict[str, Axis]:
        """Axes of the arrays by name."""
        return {
            "arm": Axis(self.recipe.arms, meaning="what the second output is drawn to"),
            "seed": Axis(self.recipe.seeds, meaning="seed of images, weights and labels"),
            "rate": Axis(self.recipe.rates, "alpha", "1", "learning rate"),
        }

    def split(self, size: int) -> dict[str, int]:
        """Every task has one seed and one arm; the images of a seed are read for all its arms in turn."""
        return {"seed": 0, "arm": 0}

    def quantities(self, size: int) -> dict[str, Measured]:
        """What is measured of images held out at every rate, and of test images at the best one."""
        every, best = ("arm", "seed", "rate"), ("arm", "seed")
        return {
            "train_loss": Measured("", "1", "mean cross-entropy over the last epoch", every),
            "train_accuracy": Measured("", "1", "share of training images told right", every),
            "validation_accuracy": Measured("", "1", "share of images held out that are told right", every),
            "validation_loss": Measured("", "1", "mean cross-entropy of images held out", every),
            "best_rate": Measured("", "1", "learning rate of the best validation accuracy", best),
            "test_accuracy": Measured("", "1", "share of test images told right at that rate", best),
            "test_loss": Measured("", "1", "mean cross-entropy of test images at that rate", best),
        }

    def label(self, size: int, at: Mapping[str, Any]) -> str:
        """What a table of tasks calls a task."""
        return f"{at['arm']}, seed {at['seed']}"

    def resources(self, size: int, at: Mapping[str, Any]) -> Resources:
        """Memory of images and networks, and images seen, counted as those of side 8."""
        recipe, problem = self.recipe, load_problem(self.recipe.images_of(0))
        held = 4.0 * (problem.images.nbytes + problem.test_images.nbytes)
        one = replica_bytes(recipe.of_arm("u1", 1.0), without_held_out(problem)[0])
        seen = len(recipe.rates) * (recipe.epochs + 1) * recipe.images["train"] + recipe.images["test"]
        return Resources(held + one, float(seen * (size / 8) ** 2))

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """Train an arm from one seed at all rates, or go on with it; test the network of the best rate."""
        arm, seed, rates = task["arm"], task["seed"], self.recipe.rates
        if load_problem(self.recipe.images_of(0)).identity != self.recipe.identity:
            raise InputError(
                f"the images of {self.recipe.data} changed while they were in use; run the same command again"
            )
        whole = load_problem(self.recipe.images_of(seed))
        less, images, labels = without_held_out(whole)
        tuned = replace(less, test_images=images, test_labels=labels)
        rows, best = [], None
        with single_thread(), _states(checkpoint.path, len(rates)) as states:
            for k, rate in enumerate(rates):

                def report(done: int, total: int, loss: float, k: int = k) -> None:
                    checkpoint.note((k + done / total) / len(rates), f"{task.label}: loss {loss:.3g}")

                found = self._trained(arm, rate, tuned, seed, states[k], report, checkpoint)
                rows.append([*_measured(found), rate])
                if found and (best is None or rows[-1][:2] > best[0][:2]):
                    best = rows[-1], found
                checkpoint.due()  # stops here if it is to: the state of this rate is written
            result = self._tested(arm, whole, seed, rows, best)
            checkpoint.finish(result)
        return result

    def _trained(
        self, arm: str, rate: float, problem: Problem, seed: int, state: Path, report: Any, checkpoint: Checkpoint
    ) -> dict[str, np.ndarray] | None:
        """Replica of an arm at a rate; None if it diverged."""
        recipe, own = self.recipe.of_arm(arm, rate), seed + OTHER_SEEDS * (arm == OTHER_WEIGHTS)
        try:
            return train_replicas(
                recipe, problem, (own,), state, self.recipe.engine, self.recipe.device, report, checkpoint.due
            )
        except Diverged:
            return None

    def _tested(self, arm: str, whole: Problem, seed: int, rows: list[list[float]], best: Any) -> dict[str, np.ndarray]:
        """Arrays of a task: what was measured at every rate, and tests at the best one."""
        names = ("validation_accuracy", "validation_loss", "train_accuracy", "train_loss")
        columns = np.array(rows)[:, : len(names)] * (1, -1, 1, 1)
        found = dict(zip(names, columns.T, strict=True))
        tests = {name: np.array(np.nan) for name in ("best_rate", "test_accuracy", "test_loss")}
        if best:
            row, arrays = best
            rate = float(row[-1])
            what = self.recipe.of_arm(arm, rate), whole, (seed,), arrays, self.recipe.engine, self.recipe.device
            seen = tested_replicas(*what)
            tests = {"best_rate": np.array(rate)} | {name: seen[name][0] for name in ("test_accuracy", "test_loss")}
        return found | tests

    def short(self) -> LabelSample:
        """One epoch at one rate of two arms."""
        update = {
            "arms": (WITHOUT_LABEL, "u1"),
            "rates": self.recipe.rates[:1],
            "seeds": self.recipe.seeds[:1],
            "epochs": 1,
        }
        return LabelSample(self.recipe.model_copy(update=update))


def _measured(found: dict[str, np.ndarray] | None) -> list[float]:
    """Accuracy and negative cross-entropy of images held out, and accuracy and cross-entropy of training images."""
    if found is None:
        return [np.nan] * 4
    last = float(found["loss"][0, -1])
    return [float(found["test_accuracy"][0]), -float(found["test_loss"][0]), float(found["train_accuracy"][0]), last]


@contextmanager
def _states(path: Path | None, count: int) -> Iterator[list[Path]]:
    """Places of the states of some trainings of a task, which go once it is finished."""
    if path is None:
        with tempfile.TemporaryDirectory() as folder:
            yield [Path(folder) / f"{k}.h5" for k in range(count)]
        return
    places = [path.with_name(f".{path.stem}-{k}.h5") for k in range(count)]
    yield places
    for place in places:
        place.unlink(missing_ok=True)
        previous(place).unlink(missing_ok=True)
