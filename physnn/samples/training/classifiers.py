"""Ensembles of classifiers: train them, compare them, and measure how far apart their replicas are."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)

from physnn.errors import InputError
from physnn.jobs.executors import parse_engine
from physnn.machine import FOR_TRAINING_HERE, PART, check_bytes
from physnn.models.groups.representations import PointGroup
from physnn.networks.classifiers import stacked
from physnn.networks.classifiers.engines import resolve_engine, step_time_ratio, train_replicas
from physnn.networks.classifiers.replicas import RUNNING_STATISTICS, ClassifierRecipe, TrainingEngine
from physnn.networks.classifiers.users import is_brought
from physnn.networks.device import check_device, single_thread
from physnn.networks.source import located, module_digest
from physnn.networks.symmetry.charges import charge_labels
from physnn.networks.tasks.problem import Problem, ProblemRecipe, load_problem
from physnn.samples import files
from physnn.samples.base import Recipe, validated
from physnn.samples.sample import Sample
from physnn.samples.tasks import Arrays, Axis, Checkpoint, Measured, Resources, Task
from physnn.store.ensemble_file import (
    CHARGED,
    ENSEMBLES,
    MEASURED,
    TUNED,
    Ensemble,
    EnsembleFile,
    read_ensembles,
    write_ensembles,
)
from physnn.store.hdf5 import Group, Variable

GROUP = 8
"""Seeds in one task on a CPU; no result depends on it."""
SHORT_TRAINING = 1e6
"""Images of side 8 seen in a training, up to which `GROUP` seeds share a task: longer ones would leave cores idle."""
NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}", re.ASCII)
"""What an ensemble may be called: its name is that of a group of the file."""


class Member(BaseModel):
    """One ensemble: what is trained on which images, by which engine; what is not given follows from the images."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    recipe: ClassifierRecipe
    problem: ProblemRecipe
    identity: str = ""
    engine: TrainingEngine = "auto"
    images: dict[str, Any] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    """Arrays of one replica, of networks that were brought: their files are put together without running their code."""

    @model_serializer(mode="wrap")
    def _leave_out_shapes(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = handler(self)
        return {name: value for name, value in plain.items() if name != "shapes" or value}

    def resolved(self, device: str) -> Member:
        """Member with the identity of its images, the engine for them, and the digest of a class that was brought."""
        found = load_problem(self.problem)
        if is_brought(self.recipe.network):
            return self._brought(found, device)
        return self._with(found, device)

    def _brought(self, problem: Problem, device: str) -> Member:
        """Member with what is known of a class that was brought."""
        place = located(self.recipe.network)
        digest = module_digest(place)
        if self.recipe.digest not in ("", digest):
            raise InputError(f"{place} has changed since this began; use --restart to begin anew, or another --out")
        recipe = self.recipe.model_copy(update={"network": place, "digest": digest})
        member = self.model_copy(update={"recipe": recipe, "shapes": shapes_of(recipe.build(problem))})
        return member._with(problem, device)

    def _with(self, found: Problem, device: str) -> Member:
        # So that networks can be built, and their first weights made again, without the images.
        images: dict[str, Any] = {"channels": found.channels, "side": found.side, "raw_side": found.raw_side}
        images["classes"] = list(found.classes)
        if self.recipe.charges:
            self.recipe.symmetries(found)  # or it is refused
        engine = resolve_engine(self.engine, self.recipe, found, device)
        return self.model_copy(update={"identity": found.identity, "engine": engine, "images": images})


def shapes_of(network: Any) -> dict[str, tuple[int, ...]]:
    """Shapes of the arrays of one replica by name: trained weights and running statistics."""
    trained = {key for key, _ in network.named_parameters()}
    kept = {key: v for key, v in network.state_dict().items() if key in trained or key.endswith(RUNNING_STATISTICS)}
    return {key: tuple(v.shape) for key, v in kept.items()}


class ClassifierTraining(Recipe):
    """Recipe of ensembles of classifiers, all from the same seeds."""

    size: ClassVar[str] = "ensembles"
    draws: ClassVar[str] = "replica"

    kind: Literal["train-classify"] = "train-classify"
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], Field(min_length=1)]
    device: str = "cpu"
    ensembles: dict[str, Member]

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(seeds)))

    def resolved(self) -> ClassifierTraining:
        """Recipe with the identities of images and the engines.

        Raises
        ------
        InputError
            If a name or the images are not usable, or a network does not suit them.
        """
        for name in self.ensembles:
            if not NAME.fullmatch(name):
                raise InputError(f"an ensemble cannot be called {name!r}; use up to 64 letters, digits, ., +, - and _")
        if not self.ensembles:
            raise InputError("there are no ensembles to train; name at least one network")
        load_problem.cache_clear()  # Images on the disk may have changed since the last call.
        found = {name: member.resolved(self.device) for name, member in self.ensembles.items()}
        return self.model_copy(update={"ensembles": found})


class ClassifierSample(Sample):
    """Replicas of image classifiers, by ensemble."""

    Recipe = ClassifierTraining
    recipe: ClassifierTraining
    format = ENSEMBLES
    watched = True
    keeps = True
    footprint = FOR_TRAINING_HERE
    advice = "fewer --train or --test images, a smaller --expand, or fewer --jobs"

    def _problem(self, name: str) -> Problem:
        """Images of an ensemble; raises InputError if they are not those of the recipe any more."""
        member = self.recipe.ensembles[name]
        found = load_problem(member.problem)
        if found.identity != member.identity:
            raise InputError(
                f"the images of {member.problem.data} changed while they were in use; run the same command again"
            )
        return found

    @functools.cached_property
    def _weights(self) -> dict[str, dict[str, tuple[int, ...]]]:
        """Shapes of the arrays of one replica, by ensemble and name."""
        return {
            name: member.shapes or shapes_of(member.recipe.build(self._problem(name)))
            for name, member in self.recipe.ensembles.items()
        }

    @functools.cached_property
    def _components(self) -> dict[str, tuple[str, ...]]:
        """What the components of charges of learning are, by ensemble; none where they are not followed."""
        return {
            name: charge_labels(member.recipe.symmetries(self._problem(name))) if member.recipe.charges else ()
            for name, member in self.recipe.ensembles.items()
        }

    def axes(self, size: str) -> dict[str, Axis]:
        """Replicas by seed, and components of charges that are followed."""
        replicas, components = Axis(self.recipe.seeds), self._components[size]
        return {"replica": replicas} | ({"component": Axis(components)} if components else {})

    def quantities(self, size: str) -> dict[str, Measured]:
        """What is measured of replicas, and their weights, by name."""
        arrays = MEASURED | (TUNED if self.recipe.ensembles[size].recipe.soft else {})
        arrays |= CHARGED if self._components[size] else {}
        found = {name: Measured("", "", meaning, dims) for name, (dims, meaning) in arrays.items()}
        for name, shape in self._weights[size].items():
            found[name] = Measured("", "", name, ("replica", *(f"{name}_{k}" for k in range(1, len(shape) + 1))))
        return found

    def split(self, size: str) -> dict[str, int]:
        """Seeds of a task.  Long trainings go one by one, so that the last of them do not leave cores idle."""
        member, problem, count = self.recipe.ensembles[size], self._problem(size), len(self.recipe.seeds)
        if member.engine == "stacked":
            groups = -(-count // stacked.replicas_at_once(member.recipe, problem))
            return {"replica": -(-count // groups)}
        images = member.recipe.epochs * len(problem.images) * (problem.side / 8) ** 2
        return {"replica": GROUP if images < SHORT_TRAINING else 1}

    def label(self, size: str, at: Mapping[str, Any]) -> str:
        """What a table of tasks calls a training."""
        return size

    def resources(self, size: str, at: Mapping[str, Any]) -> Resources:
        """Memory of images and stacks, and images seen: expanded ones as many times as they are larger."""
        member, problem = self.recipe.ensembles[size], self._problem(size)
        images, seeds = problem.images.nbytes + problem.test_images.nbytes, len(at["replica"])
        stack = seeds * stacked.replica_bytes(member.recipe, problem) if member.engine == "stacked" else 0
        larger = 1 if member.problem.form == "raw" else member.problem.factor**2
        shown, views = (len(PointGroup(g).matrices) for g in (member.recipe.augment, member.recipe.average))
        # As they are, with channels last, and turned or flipped; and a little for testing.
        return Resources(3.0 * shown * images + stack, float(larger * views * seeds * (member.recipe.epochs + 1)))

    def need(self, jobs: int) -> float:
        """Bytes of memory needed at most; raises InputError if they are not there."""
        workers = min(jobs, sum(map(self.count, self.sizes())))
        most = max(self.resources(size, self.example(size).at).bytes for size in self.sizes())
        return check_bytes(self.footprint.need(workers, most, 0.0), self.advice, workers)

    def file_bytes(self) -> float:
        """Size of the file, about, in bytes."""
        total = 0.0
        for name, shapes in self._weights.items():
            numbers = sum(int(np.prod(shape)) for shape in shapes.values())
            total += 4.0 * (numbers + len(self._problem(name).test_images))
            total += 16.0 * (self.recipe.ensembles[name].recipe.epochs + 2) * len(self._components[name])
        return total * len(self.recipe.seeds)

    def disk_bytes(self) -> float:
        """Space of each newest state, the one before and one being written, with two averages; then the file."""
        return sum(map(self.count, self.sizes())) * PART + 9 * self.file_bytes()

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """Train the replicas of a task, or go on with them."""
        member, problem, path = self.recipe.ensembles[task.size], self._problem(task.size), checkpoint.path
        assert path is not None

        def report(done: int, total: int, loss: float) -> None:
            checkpoint.note(done / total, f"{task.size}: loss {loss:.3g}")

        with single_thread():
            what = member.recipe, problem, task["replica"], path, member.engine, self.recipe.device
            return train_replicas(*what, report, checkpoint.due)

    def read(self, out: Path) -> Mapping[str, Group]:
        """Arrays of every ensemble of a file."""
        groups = {}
        for name, found in read_ensembles(out).ensembles.items():
            quantities, measured = self.quantities(name), {**found.measured, **found.tuned, **found.charges}
            arrays = {**found.weights, **measured}
            groups[name] = {key: Variable(quantities[key].axes, values) for key, values in arrays.items()}
        return groups

    def write(self, out: Path, groups: Mapping[str, Group]) -> None:
        """Write the ensemble file."""
        ensembles = {}
        for name in self.sizes():
            arrays = {key: variable.values for key, variable in groups[name].items()}
            measured = {key: arrays.pop(key) for key in MEASURED}
            tuned = {key: arrays.pop(key) for key in TUNED if key in arrays}
            charges = {key: arrays.pop(key) for key in CHARGED if key in arrays}
            components, seeds = self._components[name] if charges else (), np.array(self.recipe.seeds, np.int64)
            ensembles[name] = Ensemble(seeds, arrays, measured, tuned, charges, components)
        write_ensembles(out, self.recipe.canonical(), ensembles)


def train_ensembles(
    members: Mapping[str, tuple[ClassifierRecipe, ProblemRecipe]],
    seeds: Sequence[int],
    *,
    out: str | Path,
    engine: TrainingEngine = "auto",
    device: str = "cpu",
    executor: str = "process",
    insecure: bool = False,
    **run: Any,
) -> EnsembleFile:
    """Train one ensemble for every member, all with the same seeds, and write them as one file.

    Parameters
    ----------
    members : mapping
        Name (of letters, digits, ``.``, ``+``, ``-`` and ``_``) to what is trained and on what images.
    seeds : sequence of int
        One replica each; a replica does not depend on the others.
    out : path
        The ensemble file.  Interrupted, the same call continues; a finished file of the same recipe is only read.
    engine : {"auto", "compiled", "stacked", "loop"}
        What trains; see `physnn.networks.classifiers.replicas`.
    device : {"cpu", "cuda"}
        Where it trains.
    executor, insecure, **run
        As in `physnn.api.RunSettings`: ``jobs``, ``restart``, ``max_time``, ``progress``.

    Raises
    ------
    InputError
        If images cannot be read, a network does not suit them, memory is short, or ``out`` holds something else.
    TasksFailed, Unfinished
        If trainings failed, or the run was stopped.
    """
    out = Path(out)
    if out.suffix == ".png":
        raise InputError(f"{out} is where the figure would go; choose an --out that ends in .h5")
    given = {
        name: {"recipe": recipe, "problem": problem, "engine": engine} for name, (recipe, problem) in members.items()
    }
    recipe = validated(ClassifierTraining, {"seeds": tuple(seeds), "device": device, "ensembles": given}).resolved()
    if not out.exists():
        check_device(device)
    files.run(recipe, out, engine=parse_engine(executor, insecure), **run)
    return read_ensembles(out)


def averaging_cost(file: EnsembleFile) -> dict[str, Any] | None:
    """Cost of the average over a group in an ensemble file: evaluations for every image, and the time of a step.

    The time is measured, in units of that of a step without; None where no ensemble averages.
    """
    for given in file.recipe["ensembles"].values():
        member = Member(**given)
        group = member.recipe.average
        if group != "c1":
            with single_thread():
                times = step_time_ratio(member.recipe, load_problem(member.problem))
            return {"group": group, "evaluations": len(PointGroup(group).matrices), "times": times}
    return None
