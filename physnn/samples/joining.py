"""Finished files of one sample put together: other sizes, other values, further draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from physnn.errors import InputError
from physnn.jobs.locks import exclusive
from physnn.samples.assembly import assemble
from physnn.samples.base import Recipe
from physnn.samples.files import recipe_on_disk, stored
from physnn.samples.kinds import sample_of
from physnn.samples.tasks import Arrays
from physnn.store.parts import Parts, same_arrays


def put_together(files: Sequence[Path], out: Path) -> int:
    """Number of tasks in ``out``, which holds what the files hold together.

    The files have recipes that differ only in what can be extended: sizes, control values, draws.  Since a task has
    a name by what decides its numbers, the new file is the one that a single run of the common recipe would have made.
    Where it is there already, whole, nothing is done: a call that was stopped as it ended can be repeated.

    Raises
    ------
    InputError
        If a file is not finished, recipes differ in more, no file has some tasks, or ``out`` is something else.
    """
    common, done = _finished(files[0])
    for file in files[1:]:
        recipe, more = _finished(file)
        done |= more
        if recipe.kind != common.kind:
            raise InputError(f"{files[0]} holds a {common.kind} sweep and {file} a {recipe.kind} sweep")
        try:
            common = common.merged(recipe, extend=True)
        except InputError as error:
            raise InputError(f"{file} does not go with {files[0]}: {str(error).split(':')[0]}") from None
    sample = sample_of(common)
    lacking = [task for task in sample.tasks() if task.key not in done]
    with exclusive(out):
        if out.exists() and _is_made(out, common, done):
            return len(sample.tasks())
        if out.exists() or Parts(out).recipe() is not None:
            raise InputError(f"{out} is there already, or a run that makes it; choose another --out")
        if lacking:
            first = lacking[0]
            place = ", ".join(f"{name} = {value}" for name, value in {common.size: first.size, **first.at}.items())
            raise InputError(
                f"{len(lacking)} of {len(sample.tasks())} tasks of the common recipe are in none of the files, first "
                f"{place}: measure them with --extend of one of the files"
            )
        assemble(sample, out, done)
    return len(sample.tasks())


def _is_made(out: Path, common: Recipe, done: Mapping[str, Arrays]) -> bool:
    """Whether a file holds what is asked for, and nothing is being added to it."""
    try:
        found = None if Parts(out).recipe() is not None else recipe_on_disk(out)
        if found is None or found.canonical() != common.canonical():
            return False
        there = stored(out)
    except InputError:
        return False
    return there.keys() <= done.keys() and all(same_arrays(there[key], done[key]) for key in there)


def _finished(file: Path) -> tuple[Recipe, dict[str, Any]]:
    """Recipe of a finished file, and its results."""
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "there is no such file"
        raise InputError(f"cannot read {file}: {what}; check the name")
    found = recipe_on_disk(file)
    assert isinstance(found, Recipe)
    done = stored(file)
    if found.undecided or done.keys() < {task.key for task in sample_of(found).tasks()}:
        raise InputError(f"{file} is not finished; run its command again first")
    return found, done
