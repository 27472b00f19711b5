"""Sealed files that say what is not so: changes of meaning, after which the seal is right again."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import h5py
import numpy as np

from physnn.store.claims.kinds import SWEEP_KINDS
from physnn.store.claims.ranges import range_of
from physnn.store.guard import OF_SCALES, TRAILER_LENGTH
from physnn.store.hdf5 import DIMENSION_NAMES, ENCODING
from physnn.store.parts import PARTS
from tests.faults.sealing import sealed

Numbers = np.random.Generator
Lie = Callable[[h5py.File, Numbers], bool]
"""Change of an open file; returns whether there was anything to change."""


def lied(whole: bytes, generator: Numbers) -> tuple[str, bytes]:
    """Name of a lie and the sealed file that tells it."""
    while True:
        body = io.BytesIO(whole[:-TRAILER_LENGTH])
        with h5py.File(body, "r+") as file:
            lies = OF_PARTS if file.attrs["format"] == PARTS.encode() else LIES
            name = one(generator, list(lies))
            told = lies[name](file, generator)
        if told:
            return name, sealed(body.getvalue())


def recipe_of(file: h5py.File) -> dict:
    return json.loads(file.attrs["recipe"])


def kind_of(file: h5py.File) -> str:
    """What the ranges of a file's quantities are listed under."""
    form = file.attrs["format"].decode()
    return recipe_of(file)["kind"] if form == "physnn-sweep" else form


def write_recipe(file: h5py.File, recipe: dict, name: str = "recipe") -> bool:
    file.attrs[name] = np.bytes_(json.dumps(recipe, sort_keys=True).encode())
    return True


def one(generator: Numbers, things: list):
    return things[generator.integers(len(things))]


def groups(file: h5py.File) -> list[h5py.Group]:
    """Groups with arrays: of networks the root."""
    found = [item for item in file.values() if isinstance(item, h5py.Group) and item.name != "/diagnosis"]
    return found or [file]


def dims(item: h5py.Dataset) -> list[str]:
    return json.loads(item.attrs[DIMENSION_NAMES])


def measured(group: h5py.Group) -> list[h5py.Dataset]:
    """Arrays of numbers that are no coordinates."""
    arrays = [item for item in group.values() if isinstance(item, h5py.Dataset) and ENCODING not in item.attrs]
    return [
        item
        for item in arrays
        if item.dtype.kind in "fiu" and item.ndim and item.name.rpartition("/")[2] not in dims(item)
    ]


def put(item: h5py.Dataset, values: np.ndarray, names: list[str] | None = None) -> bool:
    """Put other values, along other axes, in the place of an array."""
    group, name = item.parent, item.name.rpartition("/")[2]
    kept = {key: item.attrs[key] for key in item.attrs if key not in OF_SCALES}
    names = dims(item) if names is None else names
    del group[name]
    new = group.create_dataset(
        name, data=values, chunks=values.shape if values.size else None, fletcher32=values.size > 0
    )
    new.attrs.update(kept | {DIMENSION_NAMES: np.bytes_(json.dumps(names).encode())})
    return True


def any_array(file: h5py.File, generator: Numbers) -> h5py.Dataset:
    return one(generator, measured(one(generator, groups(file))))


def beyond_its_range(file: h5py.File, generator: Numbers) -> bool:
    item, kind = any_array(file, generator), kind_of(file)
    limits = range_of(kind, item.name.rpartition("/")[2])
    wrong = [] if limits.absent or limits.whole else [np.nan, np.inf, -np.inf]
    wrong += (
        [limits.low - 1, limits.low - 1e-3 if not limits.whole else limits.low - 9] if np.isfinite(limits.low) else []
    )
    wrong += [limits.high + 1, 7 * limits.high + 1] if np.isfinite(limits.high) else []
    values, value = item[()], one(generator, wrong) if wrong else None
    if value is None or not values.size or (values.dtype.kind in "u" and value < 0) or value > 2.0**62:
        return False
    if values.dtype.kind in "iu" and not np.iinfo(values.dtype).min <= value <= np.iinfo(values.dtype).max:
        return False
    values.flat[generator.integers(values.size)] = value
    return put(item, values)


def of_another_type(file: h5py.File, generator: Numbers) -> bool:
    item, kind = any_array(file, generator), kind_of(file)
    values = item[()]
    limits = range_of(kind, item.name.rpartition("/")[2])
    types = ["S3", "f8" if values.dtype.kind in "iu" else "i8"] + (
        ["f4"] if not limits.narrow and values.dtype == float else []
    )
    with np.errstate(all="ignore"):
        return put(item, values.astype(one(generator, types)))


def the_other_way_round(file: h5py.File, generator: Numbers) -> bool:
    """Bytes in another order: the same numbers."""
    item = any_array(file, generator)
    return put(item, item[()].astype(item.dtype.newbyteorder(">")))


def an_axis_less(file: h5py.File, generator: Numbers) -> bool:
    item = any_array(file, generator)
    return item.ndim > 1 and put(item, item[()][0], dims(item)[1:])


def an_axis_twice(file: h5py.File, generator: Numbers) -> bool:
    item = any_array(file, generator)
    return put(item, np.stack([item[()]] * len(item), axis=1) if item.ndim else item[()], [dims(item)[0], *dims(item)])


def turned_round(file: h5py.File, generator: Numbers) -> bool:
    item = any_array(file, generator)
    return item.ndim > 1 and put(item, np.ascontiguousarray(item[()].T), dims(item)[::-1])


def axes_renamed(file: h5py.File, generator: Numbers) -> bool:
    item = any_array(file, generator)
    return len(set(item.shape)) > 1 and put(item, item[()], dims(item)[::-1])


def cut(file: h5py.File, generator: Numbers) -> bool:
    """One array is shorter than others."""
    item = any_array(file, generator)
    there = [k for k, name in enumerate(dims(item)) if item.shape[k] > 1 and name in file_axes(item)]
    if not there:
        return False
    axis = one(generator, there)
    return put(item, item[()].take(range(item.shape[axis] - 1), axis))


def file_axes(item: h5py.Dataset) -> set[str]:
    """Axes of the group of an array that others have too, or that have coordinates."""
    return {name for name in dims(item) if name in item.parent}


def all_cut(file: h5py.File, generator: Numbers) -> bool:
    """An axis is shorter in all arrays, of which its recipe says how long it is."""
    if kind_of(file) not in SWEEP_KINDS:
        return False
    group, recipe = one(generator, groups(file)), recipe_of(file)
    known = [axis for axis, said in SWEEP_KINDS[recipe["kind"]].axes.items() if axis in group and len(group[axis]) > 1]
    known = [axis for axis in known if isinstance(said_of(recipe, axis), list | int)]
    if not known:
        return False
    axis = one(generator, known)
    for item in [item for item in group.values() if isinstance(item, h5py.Dataset) and axis in dims(item)]:
        put(
            item,
            item[()].take(
                range(len(group[axis]) - 1)
                if item.name.rpartition("/")[2] == axis
                else range(item.shape[dims(item).index(axis)] - 1),
                dims(item).index(axis),
            ),
        )
    return True


def said_of(recipe: dict, axis: str):
    said = SWEEP_KINDS[recipe["kind"]].axes[axis]
    return recipe.get(said) if isinstance(said, str) else None


def expected(file: h5py.File, generator: Numbers) -> tuple[h5py.Group, str]:
    """Group of a size and the name of a quantity in it; no name where files may do without that one."""
    group = one(generator, groups(file))
    name = one(generator, measured(group)).name.rpartition("/")[2]
    return group, name if len(groups(file)) > 1 or name in needed(file) else ""


def missing(file: h5py.File, generator: Numbers) -> bool:
    """A quantity that every file has is missing, or one that other sizes have."""
    group, name = expected(file, generator)
    if name:
        del group[name]
    return bool(name)


def renamed(file: h5py.File, generator: Numbers) -> bool:
    """A quantity has another name."""
    group, name = expected(file, generator)
    if name:
        group.move(name, f"{name}_2")
    return bool(name)


def needed(file: h5py.File) -> set[str]:
    kind = kind_of(file)
    if kind in SWEEP_KINDS:
        words = " ".join(SWEEP_KINDS[kind].arrays.values()).split()
        return {word[:-1] for word in words if word.endswith("!")}
    return {"loss", "validation_rmse", "lift", "coupling", "seed", "predictions", "test_accuracy", "train_accuracy"}


def a_size_renamed(file: h5py.File, generator: Numbers) -> bool:
    group = one(generator, groups(file))
    if group.name == "/" or kind_of(file) in ("landscape", "landscape-sampling", "train-eos", "physnn-distances"):
        return False
    number = group.name[2:]
    file.move(group.name, f"/L{int(number) + 100}" if number.isdigit() else f"{group.name}_2")
    return True


def one_group_more(file: h5py.File, generator: Numbers) -> bool:
    group = one(generator, groups(file))
    if group.name == "/" or kind_of(file) in ("landscape", "landscape-sampling", "train-eos", "physnn-distances"):
        return False
    file.copy(group, one(generator, ["L08", "L999", "x", f"{group.name[1:]}0"]))
    return True


def an_array_outside(file: h5py.File, generator: Numbers) -> bool:
    if file.attrs["format"] == b"physnn-networks":
        return False
    file["more"] = np.zeros(3)
    return True


def another_recipe(file: h5py.File, generator: Numbers) -> bool:
    """A value or a number of values that the arrays contradict."""
    recipe, kind = recipe_of(file), kind_of(file)
    fields = {"seed"} if "root_seed" in file.attrs and "seed" in recipe else set()
    if kind in SWEEP_KINDS:
        group = groups(file)[0]
        fields |= {said for axis, said in SWEEP_KINDS[kind].axes.items() if isinstance(said, str) and axis in group}
        fields |= {SWEEP_KINDS[kind].size} if isinstance(SWEEP_KINDS[kind].size, str) else set()
    else:
        fields |= {"physnn-networks": {"seeds", "epochs", "components", "kernel", "gamma", "broken"}}.get(
            kind, {"seeds"}
        )
    there = sorted(name for name in fields if recipe.get(name) is not None)
    if not there:
        return False
    name = one(generator, there)
    recipe[name] = other(recipe[name], generator)
    return write_recipe(file, recipe)


def other(value, generator: Numbers):
    """Another value: of a list one is dropped, changed, repeated or added."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return one(generator, [value + 1, 10 * value + 7, -value - 1, str(value), float(value) + 0.5, {}])
    if isinstance(value, str):
        return value + "x"
    k = int(generator.integers(len(value)))
    return one(
        generator,
        [
            value[:k] + value[k + 1 :],
            [*value, value[k]],
            [*value[:k], other(value[k], generator), *value[k + 1 :]],
            "x",
            {},
        ],
    )


def another_kind(file: h5py.File, generator: Numbers) -> bool:
    recipe = recipe_of(file)
    if kind_of(file) not in SWEEP_KINDS:
        return False
    recipe["kind"] = one(generator, sorted(SWEEP_KINDS.keys() - {recipe["kind"]}))
    return write_recipe(file, recipe)


def no_recipe(file: h5py.File, generator: Numbers) -> bool:
    file.attrs["recipe"] = np.bytes_(
        one(
            generator,
            [
                b"",
                b"{",
                b"[]",
                b"3",
                b"[" * 9000,
                b"\xff",
                b'{"kind": [1]}' if kind_of(file) not in SWEEP_KINDS else b"null",
            ],
        )
    )
    return True


def another_attribute(file: h5py.File, generator: Numbers) -> bool:
    """Numbers beside a quantity, names of axes, or what the file is."""
    found = [
        (item, name)
        for group in groups(file)
        for item in group.values()
        for name in item.attrs
        if name in ("components", "sites", "beta", DIMENSION_NAMES)
    ]
    found += [(file, name) for name in ("format", "format_version", "root_seed", "architecture") if name in file.attrs]
    item, name = one(generator, found)
    if name in ("components", "sites", "beta") and kind_of(file) in ("train-rbm", "equilibrium", "ground-state"):
        item.attrs[name] = one(generator, [0, -1, np.nan, np.bytes_(b"x"), np.arange(2)])
        return name == "components"
    old = item.attrs[name]
    new = [
        np.bytes_(b"x"),
        0 if name != "root_seed" else 5,
        -1,
        np.nan,
        10**6,
        np.arange(3),
        np.bytes_(b"[" * 5000),
        np.bytes_(b"[1]"),
    ]
    item.attrs[name] = one(generator, new)
    return np.ndim(item.attrs[name]) > 0 or item.attrs[name] != old


def twice(file: h5py.File, generator: Numbers) -> bool:
    """A value of an axis, or a seed, comes twice."""
    group, kind = one(generator, groups(file)), kind_of(file)
    axes = [*SWEEP_KINDS[kind].axes] if kind in SWEEP_KINDS else ["seed"]
    there = [group[axis] for axis in axes if axis in group and len(group[axis]) > 1]
    if not there:
        return False
    item = one(generator, there)
    values = item[()]
    values[1] = values[0]
    return put(item, values)


LIES: dict[str, Lie] = {
    lie.__name__.replace("_", " "): lie
    for lie in (
        beyond_its_range, of_another_type, the_other_way_round, an_axis_less, an_axis_twice, turned_round,
        axes_renamed, cut, all_cut, missing, renamed, a_size_renamed, one_group_more, an_array_outside,
        another_recipe, another_kind, no_recipe, another_attribute, twice,
    )
}  # fmt: skip
"""Lies by name."""


def of_another_task(file: h5py.File, generator: Numbers) -> bool:
    file.attrs["task"] = one(generator, [np.bytes_(b"x"), 7, np.arange(3)])
    return True


def of_another_version(file: h5py.File, generator: Numbers) -> bool:
    file.attrs["format_version"] = one(generator, [0, 99, np.bytes_(b"x"), np.nan, np.arange(2)])
    return True


OF_PARTS: dict[str, Lie] = {"of another task": of_another_task, "of another version": of_another_version}
"""Those that a part tells: what its arrays mean is known where they are put together."""
