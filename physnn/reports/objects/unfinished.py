"""What the finished tasks of a run that goes on have measured: curves at the control values where all is there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from physnn.analysis.verdict.fit import Fit
from physnn.answers.fit import curve_rows, curves, default_observable
from physnn.errors import InputError
from physnn.reports.curves import fit_panels
from physnn.reports.told import Telling, told_table
from physnn.samples.kinds import recipe_from, sample_of
from physnn.samples.sample import Sample
from physnn.store.hdf5 import Variable
from physnn.store.parts import Parts, read_part
from physnn.store.sweep_file import SweepFile

LIVE_RESAMPLES = 50
"""Bootstrap samples of curves that are drawn anew while a run goes on."""


def finished_results(sample: Sample, parts: Parts, size: Any) -> dict[str, Mapping[str, np.ndarray]]:
    """Arrays of the finished tasks of one size by key; nothing on the disk is touched."""
    found: dict[str, Mapping[str, np.ndarray]] = {}
    for task in sample.tasks_of(size):
        try:
            arrays = read_part(parts.path(task.key))
        except (InputError, OSError):
            continue  # not there yet, or being written
        if not int(arrays.get("unfinished", 0)):
            found[task.key] = arrays
    return found


def measured_so_far(source: Path) -> SweepFile | None:
    """Sweep of the finished tasks of a run, or None where no size has a control value with all its tasks."""
    parts = Parts(source)
    recipe = recipe_from(parts.recipe() or {}, source)
    sample, sizes = sample_of(recipe), {}
    for size in sample.sizes():
        control, found = str(recipe.control), finished_results(sample, parts, size)
        if found and control and (group := _whole(sample, size, control, found)):
            sizes[int(size)] = group
    return SweepFile(recipe.canonical(), sizes, {}) if sizes else None


def _whole(
    sample: Sample, size: Any, control: str, found: Mapping[str, Mapping[str, np.ndarray]]
) -> dict[str, Variable]:
    """Group of a size at the control values of which all tasks are finished; nothing where there are none."""
    tasks, values = sample.tasks_of(size), list(sample.axes(size)[control].numbers())
    there = np.ones(len(values), bool)
    for task in tasks:
        if task.key not in found:
            at = task.at.get(control, tuple(values))
            lacking = set(at if isinstance(at, tuple) else (at,))
            there &= np.array([value not in lacking for value in values])
    if not there.any():
        return {}
    # What is missing is filled with anything of its shape, and cut away.
    any_of = next(iter(found.values()))
    group = sample.assemble(size, {task.key: found.get(task.key, any_of) for task in tasks})
    return {name: _cut(variable, control, there) for name, variable in group.items()}


def _cut(variable: Variable, control: str, there: np.ndarray) -> Variable:
    if control not in variable.dims:
        return variable
    values = np.compress(there, np.asarray(variable.values), axis=variable.dims.index(control))
    return Variable(variable.dims, values, variable.attrs)


def tell_so_far(source: Path, observable: str | None = None) -> tuple[Telling, ...]:
    """Curves of a run that goes on, in words and drawn; nothing where there are none yet, or never will be."""
    try:
        sweep = measured_so_far(source)
        if sweep is None:
            return ()
        name = observable or default_observable(sweep)
        found = curves(sweep, name, resamples=LIVE_RESAMPLES)
    except (InputError, ArithmeticError, LookupError, ValueError):
        return ()  # few data of kinds that are no sweeps: the page of a run does not end with what they cannot say
    told = ", ".join(f"{len(found.x[L])} at L = {L}" for L in found.sizes)
    header = [found.control, *(f"L = {L}" for L in found.sizes)]
    alone = Fit(found, [], "undecided", "the run goes on", 1.0)
    sentence = f"Curves of {name} so far, of {found.control} values: {told}."
    return (Telling(sentence, told_table(name, header, curve_rows(found)), fit_panels(alone), undecided=True),)
