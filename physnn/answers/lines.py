"""Lines through files that vary two control parameters: one varies, the others have one value."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from physnn.errors import InputError
from physnn.store.hdf5 import Group, Variable, is_hdf5
from physnn.store.sweep_file import SweepFile, read_sweep
from physnn.store.tables.cells import STDIN

_REPEATS = ("chain", "measurement")  # the last dimensions of the measurements of chains, after control parameters


def varied(sweep: SweepFile) -> tuple[str, ...]:
    """Control parameters that chains of a sweep lie along, the usual one first; none of other sweeps."""
    group = next(iter(sweep.sizes.values()), {})
    return next((v.dims[:-2] for v in group.values() if v.dims[-2:] == _REPEATS and len(v.dims) > 2), ())


def on_line(
    source: str | Path | SweepFile, control: str | None = None, at: Mapping[str, float] | None = None
) -> SweepFile:
    """Sweep on a line: the control parameter varies, all others have the values ``at``.

    Parameters
    ----------
    source : path or SweepFile
        A sweep of one control parameter or more.
    control : str, optional
        What varies; by default what ``at`` leaves.
    at : mapping of str to float, optional
        Values of the other control parameters, in their units.

    Raises
    ------
    InputError
        If this names no line of the file.
    """
    sweep = source if isinstance(source, SweepFile) else read_sweep(source)
    names, at = varied(sweep), at or {}
    if not names and not control and not at:
        return sweep
    for name in (*at, *([control] if control else [])):
        if name not in names:
            raise InputError(f"{name} does not vary in this file; what does: {', '.join(names) or 'nothing by name'}")
    left = [name for name in names if name not in at]
    if control in at or not left:
        fixed = control or names[0]
        raise InputError(f"{fixed} cannot vary along the line and have one value: leave --at {fixed}=VALUE out")
    if len(left) > 1:
        group, varying = next(iter(sweep.sizes.values())), control or left[0]
        lack = (f"--at {name}=VALUE of {_list(group[name].values)}" for name in left if name != varying)
        raise InputError(f"this file varies {' and '.join(names)}: choose a line, as {' and '.join(lack)}")
    recipe = sweep.recipe | {name: float(value) for name, value in at.items() if name in sweep.recipe}
    return replace(sweep, recipe=recipe, sizes={L: _sliced(g, left[0], at, L) for L, g in sweep.sizes.items()})


def sites_of_rectangle(sweep: SweepFile, L: int) -> int:
    """Sites of a rectangle of a size, of a file that does not tell them; 0 if its sides are alike, or there is none."""
    aspect = sweep.recipe.get("aspect", 1.0)
    return round(L**2 * aspect) if isinstance(aspect, float) and 0 < aspect <= 1e4 and aspect != 1 else 0


def on_their_lines(sources: Sequence[str | Path], at: Mapping[str, float]) -> list[str | Path | SweepFile]:
    """Sources of several files; those that vary several control parameters are taken on the line ``at``.

    Raises
    ------
    InputError
        If this names no line of one of these files, or there is no such file.
    """
    found: list[str | Path | SweepFile] = list(sources)
    if not at:
        return found
    for k, source in enumerate(sources):
        if is_hdf5(Path(source)) and len(varied(sweep := read_sweep(source))) > 1:
            found[k] = on_line(sweep, at=at)
    if not any(isinstance(one, SweepFile) for one in found):
        raise InputError("--at chooses a line of a file that varies several parameters, and there is none here")
    return found


def lines_of(
    names: Sequence[str], values: Mapping[str, Sequence[float]], at: Mapping[str, float]
) -> list[dict[str, float]]:
    """Lines of a file of several control parameters, by the values of those that do not vary along them.

    Parameters
    ----------
    names : sequence of str
        Control parameters, the usual one first.
    values : mapping of str to sequence
        Values of all but the first one, and of that where they are known.
    at : mapping of str to float
        Values that were chosen: only lines with these are returned.  The first name without one varies.

    Raises
    ------
    InputError
        If there is no such parameter or value, or nothing is left to vary.
    """
    for name, value in at.items():
        if name not in names:
            raise InputError(f"{name} does not vary here; what does: {', '.join(names)}")
        if name in values and not np.isclose(values[name], value, rtol=1e-9, atol=1e-12).any():
            raise InputError(f"{name} = {value:g} is not measured: {_list(np.asarray(values[name]))}")
    left = [name for name in names if name not in at]
    if not left:
        raise InputError(f"one parameter varies along a line: leave --at {names[0]}=VALUE out")
    return [dict(at) | dict(zip(left[1:], v, strict=True)) for v in itertools.product(*(values[n] for n in left[1:]))]


def _list(values: np.ndarray) -> str:
    return ", ".join(f"{v:g}" for v in values)


def _sliced(group: Group, control: str, at: Mapping[str, float], L: int) -> dict[str, Variable]:
    place: dict[str, int] = {}
    for name, value in at.items():
        values = group[name].values
        found = np.flatnonzero(np.isclose(values, value, rtol=1e-9, atol=1e-12))
        if not len(found):
            raise InputError(f"{name} = {value:g} is not in the file at L = {L}: {_list(values)}")
        place[name] = int(found[0])
    chosen = {}
    for name, variable in group.items():
        if name in place:
            continue
        dims = tuple(d for d in variable.dims if d not in place)
        values = variable.values[tuple(place.get(d, slice(None)) for d in variable.dims)]
        if control in dims:  # it comes first, as in a file that varies nothing else
            values = np.moveaxis(values, dims.index(control), 0)
            dims = (control, *(d for d in dims if d != control))
        chosen[name] = Variable(dims, values, variable.attrs)
    return chosen


def values_at(words: Sequence[str]) -> dict[str, float]:
    """Values by name from words such as ``T=2.3``; raises InputError for others."""
    found: dict[str, float] = {}
    for word in words:
        before = set(found)
        name, equals, value = word.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            equals = ""
        if not equals or not name:
            raise InputError(f"{word!r} names no value: write NAME=VALUE, as in --at field=0.1")
        if name in before:
            raise InputError(f"--at gives {name} twice: a line has one value of it")
    return found


def line_of(
    source: Path, columns: Mapping[str, str], at: Mapping[str, float]
) -> tuple[Path | SweepFile, Mapping[str, str]]:
    """Source of a fit on its line, and columns of a table: ``control`` of these says what varies in a sweep file."""
    control = columns.get("control")
    if (control or at) and source != STDIN and is_hdf5(source):
        return on_line(source, control, at), {role: name for role, name in columns.items() if role != "control"}
    if at:
        raise InputError("--at chooses a line of a sweep file; a table has one control column")
    return source, columns
