"""A sweep file held against its own recipe when it is opened: contradictions, and what no measurement gives.

Only files of a kind of physnn make these claims; of others, which anyone may write, arrays must belong together.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from physnn.errors import InputError
from physnn.store.claims.kinds import SWEEP_KINDS, Kind, Said
from physnn.store.claims.ranges import range_of
from physnn.store.hdf5 import Group, Variable

OF_SIZES = ("components", "units", "symbol", "long_name")
"""Attributes that are the same at every size."""
OF_SOME_SIZES = {"staggered", "stripe"}
"""Quantities of sizes into which their wave fits."""
SHORT = 60
"""Longest value in a message."""
RECIPE_WITHIN = 1e-6
"""Relative difference up to which numbers of a recipe and of a file are one."""
NOT_COUNTED = {"mark", "time", "distance", "order", "level", "seed", "temperature"}
"""Axes with whole numbers that do not count what lies along them."""
SIZE_GROUP = re.compile("L[1-9][0-9]{0,8}")
"""Name of the group of a size."""


def check_sweep(path: object, recipe: Mapping[str, Any], attrs: Mapping[str, Any], groups: Mapping[str, Group]) -> None:
    """Raise InputError if the groups of a sweep file contradict each other, their recipe, or what can be measured."""
    if wrong := _first(_of_file(recipe, attrs, groups)):
        raise InputError(f"{path} contradicts itself: {wrong}; restore the file or make it again")


def check_lengths(path: object, groups: Mapping[str, Group]) -> None:
    """Raise InputError if arrays of a group of any file have other lengths along an axis than others."""
    if wrong := _first(itertools.chain.from_iterable(_lengths(name, group) for name, group in groups.items())):
        raise InputError(f"{path} contradicts itself: {wrong}; restore the file or make it again")


def check_unwritten(path: object, wrong: str) -> None:
    """Raise InputError if something is wrong with a file that is about to be written."""
    if wrong:
        raise InputError(f"{path} is not written, for it would contradict itself: {wrong}; what is saved stays")


def checked_groups(path: object, recipe: Mapping[str, Any], sizes: Mapping[int, Group]) -> Iterator[tuple[int, Group]]:
    """Sizes and groups of a file to be written, so that none is which would be refused.

    Groups are asked for one after the other, and none is kept.  Raises InputError as `check_sweep`.
    """
    kind, first = _kind_of(recipe), dict[int, Group]()
    for L in sorted(sizes):
        group = sizes[L]
        wrong = _first(_lengths(f"L{L}", group))
        if kind is not None and not wrong:
            make = {name: Variable(v.dims, np.empty(0, v.values.dtype), v.attrs) for name, v in group.items()}
            first = first or {L: make}
            wrong = _first(itertools.chain(_of_group(kind, recipe, L, group), _alike(first | {L: make})))
        check_unwritten(path, wrong)
        yield L, group


def _first(contradictions: Iterator[str]) -> str:
    """First contradiction, or nothing."""
    try:
        return next(contradictions, "")
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        return f"its recipe makes no sense ({_short(f'{type(error).__name__}: {error}')})"


def _kind_of(recipe: Mapping[str, Any]) -> Kind | None:
    name = recipe.get("kind")
    return SWEEP_KINDS.get(name) if isinstance(name, str) else None


def _of_file(recipe: Mapping[str, Any], attrs: Mapping[str, Any], groups: Mapping[str, Group]) -> Iterator[str]:
    if attrs.get("root_seed", 0) != recipe.get("seed", 0):
        yield f"its recipe says seed = {_short(recipe.get('seed', 0))}, and it has {_short(attrs.get('root_seed'))}"
    for name in groups:
        if not SIZE_GROUP.fullmatch(name):
            yield f"it holds a group {_short(name)}, which is no size"
    if (kind := _kind_of(recipe)) is None:
        return
    sizes = {int(name[1:]): group for name, group in groups.items()}
    said = _said(kind.size, recipe, 0)
    if said is not None and sorted(sizes) != sorted(said if isinstance(said, list) else [said]):
        yield f"its recipe says {_short(kind.size)} = {_short(said)}, and it holds {_short(sorted(sizes))}"
    for L, group in sizes.items():
        yield from _of_group(kind, recipe, L, group)
    yield from _alike(sizes)


def _of_group(kind: Kind, recipe: Mapping[str, Any], L: int, group: Group) -> Iterator[str]:
    yield from _axes(kind, recipe, L, group)
    own = recipe["kind"] == "temperature" and recipe.get("model") == "own"
    yield from _arrays("own" if own else str(recipe["kind"]), kind, L, group)
    yield from _attributes(kind, recipe, L, group)


def _short(value: object) -> str:
    text = " ".join((value if isinstance(value, str) else repr(value)).split())
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= SHORT else f"{text[: SHORT - 3]}..."


def _lengths(name: str, group: Group) -> Iterator[str]:
    """Arrays of a group that have other lengths along an axis."""
    lengths: dict[str, int] = {}
    for key, variable in group.items():
        if len(set(variable.dims)) < len(variable.dims):
            yield f"{_short(key)} has an axis twice in {_short(name)}"
        for axis, length in zip(variable.dims, variable.values.shape, strict=True):
            if lengths.setdefault(axis, length) != length:
                yield f"{_short(key)} has {length} along {_short(axis)} in {_short(name)}, others {lengths[axis]}"


def _said(said: Said, recipe: Mapping[str, Any], L: int) -> Any:
    """What a recipe says, if it does."""
    if not isinstance(said, str):
        return said(recipe, L)
    found: Any = recipe
    for word in said.split("."):
        found = found.get(word) if isinstance(found, Mapping) else None
    return found


def _axes(kind: Kind, recipe: Mapping[str, Any], L: int, group: Group) -> Iterator[str]:
    """Axes with other values than the recipe has, or with one value twice."""
    lengths = {axis: n for v in group.values() for axis, n in zip(v.dims, v.values.shape, strict=True)}
    for axis, length in lengths.items():
        there = group[axis].values if axis in group and group[axis].dims == (axis,) else None
        said = _said(kind.axes[axis], recipe, L) if axis in kind.axes else None
        if axis in kind.axes and there is not None and _repeated(there):
            yield f"{axis} has a value twice, or one that is not finite, at L = {L}"
        if there is not None and (said is None or isinstance(said, int)) and not _numbered(axis, there):
            yield f"{_short(axis)} is not 0, 1, 2, ... at L = {L}"
        if isinstance(said, bool) or not isinstance(said, int | list | None):
            yield f"its recipe says {_short(said)} for {axis}, which is neither a number nor a list"
        elif said is not None and length != (said if isinstance(said, int) else len(said)):
            yield f"it has {length} along {axis} at L = {L}, where its recipe says {_short(said)}"
        elif isinstance(said, list) and there is not None and not _same(there, said):
            yield f"{axis} is {_short(there.tolist())} at L = {L}, where its recipe says {_short(said)}"


def _repeated(values: np.ndarray) -> bool:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        return True
    # Numbers in a row, as of measurements, are told apart at a glance: sorting thousands of them takes longer.
    in_a_row = values.dtype.kind in "iuf" and bool((values[1:] > values[:-1]).all())
    return not in_a_row and len(np.unique(values)) < len(values)


def _numbered(axis: str, values: np.ndarray) -> bool:
    """Whether whole numbers along an axis count from 0, unless they are times or distances."""
    return values.dtype.kind not in "iu" or axis in NOT_COUNTED or bool((values == np.arange(len(values))).all())


def _same(there: np.ndarray, said: list[Any]) -> bool:
    """Whether values are those of a recipe, numbers but for rounding."""
    if there.dtype.kind == "S":
        return [word.decode(errors="replace") for word in there.tolist()] == said
    numbers = there.dtype.kind in "fiu" and all(type(value) in (int, float) for value in said)
    return numbers and bool(np.allclose(there, np.array(said, float), rtol=RECIPE_WITHIN, atol=0.0))


def _arrays(name: str, kind: Kind, L: int, group: Group) -> Iterator[str]:
    """Quantities that lack, lie along other axes, or hold what no measurement gives."""
    for axes, words in kind.arrays.items():
        dims = tuple(axis.strip("?") for axis in axes.split() if not axis.endswith("?") or _varies(group, axis[:-1]))
        for word in words.split():
            pattern = word.strip("!")
            there = [key for key in group if fnmatchcase(key, pattern)] if "*" in pattern else [pattern]
            for key in there:
                if key in group and not _lies_along(group[key].dims, dims):
                    yield f"{key} lies along {_short(group[key].dims)} at L = {L}, not {_short(dims)}"
                elif key not in group and word != pattern:
                    yield f"it holds no {key} at L = {L}, which every file of kind {name} does"
    for key, variable in group.items():
        if variable.dims != (key,) and (offence := range_of(name, key).offence(variable.values)):
            yield f"{_short(key)} {offence} (L = {L})"


def _lies_along(dims: tuple[str, ...], said: tuple[str, ...]) -> bool:
    """Whether axes are those said, of which a last ``*`` stands for one or more."""
    if said[-1:] == ("*",):
        return len(dims) >= len(said) and dims[: len(said) - 1] == said[:-1]
    return dims == said


def _varies(group: Group, axis: str) -> bool:
    return axis in group and group[axis].dims == (axis,)


def _attributes(kind: Kind, recipe: Mapping[str, Any], L: int, group: Group) -> Iterator[str]:
    """Numbers beside quantities that are not those of the recipe."""
    for (key, attribute), rule in kind.attrs.items():
        there = group[key].attrs.get(attribute) if key in group else None
        said = None if there is None else _said(rule, recipe, L)
        if said is not None and not (
            isinstance(there, int | float | np.number) and np.isclose(there, said, rtol=RECIPE_WITHIN)
        ):
            yield f"{key} has {attribute} {_short(there)} at L = {L}, where its recipe says {_short(said)}"
    for key, variable in group.items():
        n = variable.attrs.get("components", 1)
        if not isinstance(n, int | float | np.number) or not 1 <= n < np.inf:
            yield f"{_short(key)} has {_short(n)} components at L = {L}"


def _alike(sizes: Mapping[int, Group]) -> Iterator[str]:
    """Quantities that one size has and another has not, or otherwise."""
    (first, like), *others = [*sizes.items(), (0, {})][: max(1, len(sizes))]
    for L, group in others:
        lacking = sorted((like.keys() ^ group.keys()) - OF_SOME_SIZES)
        if lacking:
            with_it, without = (first, L) if lacking[0] in like else (L, first)
            yield f"it has {_short(lacking[0])} at L = {with_it} and not at L = {without}"
        for key, variable in group.items():
            if key in like and (wrong := _differ(like[key], variable)):
                yield f"{_short(key)} has other {wrong} at L = {L} than at L = {first}"


def _differ(one: Variable, other: Variable) -> str:
    if one.dims != other.dims:
        return "axes"
    if one.values.dtype.kind != other.values.dtype.kind:
        return "types"
    return next((name for name in OF_SIZES if one.attrs.get(name) != other.attrs.get(name)), "")
