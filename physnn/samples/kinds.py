"""Kinds of samples by the name in their recipe: a row each, loaded where it is used."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from physnn.errors import InputError, naming_extras
from physnn.samples.base import Recipe, check_source, cut_short, validated
from physnn.samples.sample import Sample

KINDS: dict[str, str | type[Sample]] = {
    "noise": "physnn.samples.noise.work:NoiseSample",
    "temperature": "physnn.samples.temperature.work:TemperatureSample",
    "percolation": "physnn.samples.percolation.work:PercolationSample",
    "coupling": "physnn.samples.coupling.work:CouplingSample",
    "path-integral": "physnn.samples.quantum.reference:PathIntegralSample",
    "equilibrium": "physnn.samples.equilibrium.work:EquilibriumSample",
    "memory": "physnn.samples.memory.work:MemorySample",
    "seam": "physnn.samples.seam:SeamSample",
    "ground-state": "physnn.samples.quantum.work:GroundStateSample",
    "landscape": "physnn.samples.landscape.brute_force:SignCountSample",
    "landscape-sampling": "physnn.samples.landscape.walkers:SignSamplingSample",
    "train-kuramoto": "physnn.samples.training.kuramoto:KuramotoSample",
    "train-eos": "physnn.samples.training.equation_of_state:StateSample",
    "train-pde": "physnn.samples.training.pde:PdeSample",
    "train-rbm": "physnn.samples.boltzmann.work:BoltzmannSample",
    "train-colour": "physnn.samples.training.colour:ColourSample",
    "train-sentiment": "physnn.samples.training.sentiment:SentimentSample",
    "train-labels": "physnn.samples.training.labels:LabelSample",
    "energy-map": "physnn.samples.bottleneck.work:EnergyMapSample",
    "recall": "physnn.samples.recall.work:RecallSample",
    "train-classify": "physnn.samples.training.classifiers:ClassifierSample",
}
"""Class of every kind, as ``MODULE:CLASS`` or itself."""


def register(sample: type[Sample]) -> type[Sample]:
    """Add a kind to `KINDS` for the rest of this process, and return its class; it may decorate the class."""
    KINDS[sample.Recipe.model_fields["kind"].default] = sample
    return sample


def class_of(kind: str, out: Path) -> type[Sample]:
    """Class of a kind; raises InputError, which names ``out``, if there is none."""
    place = KINDS.get(kind)
    if place is None:
        near = difflib.get_close_matches(kind, KINDS, n=3)
        raise InputError(
            f"{out} does not belong to a sample that physnn can run: its kind is {cut_short(kind)!r}"
            f"{', not ' + ' or '.join(near) if near else ''}; name one of physnn's, add --module FILE.py, or choose "
            "another --out"
        )
    if isinstance(place, str):
        module, _, name = place.partition(":")
        with naming_extras():
            place = getattr(import_module(module), name)
    assert isinstance(place, type)
    return place


def sample_of(recipe: Recipe) -> Sample:
    """Sample of a resolved recipe."""
    return class_of(recipe.kind, Path("this recipe"))(recipe)


def recipe_from(plain: Mapping[str, Any], out: Path) -> Recipe:
    """Recipe that a file records; raises InputError, which names the file, if it makes no sense."""
    kind = class_of(str(plain.get("kind")), out).Recipe
    check_source(kind, plain, out)
    return validated(kind, plain)


def load_kinds(file: Path) -> None:
    """Import a module of kinds that are brought, which it adds with `register`; its code is run.

    Raises
    ------
    InputError
        If there is no such file, or it cannot be imported.
    """
    place = file.resolve()
    if not place.is_file() or place.suffix != ".py":
        raise InputError(f"there is no module {file}; name a file that ends in .py")
    if str(place.parent) not in sys.path:
        sys.path.insert(0, str(place.parent))  # workers, which find a class by its module, take the path over
    try:
        with naming_extras():
            import_module(place.stem)
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # whatever the code of others does
        raise InputError(f"{file} cannot be imported ({type(error).__name__}: {error})") from None
