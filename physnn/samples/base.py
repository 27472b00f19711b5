"""Recipes: what decides the numbers of a sample, made from settings that a person wrote."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from physnn.errors import InputError, NotFinite

Model = TypeVar("Model", bound=BaseModel)
OF_TYPES = re.compile(r"[\[-]|^(float|int|str|bool)$")
"""Words by which pydantic names one of several types of a field."""
LONGEST_TOLD = 240
"""Letters of a message about several mistakes; of more only the first is told."""
Growth = Callable[[Any, Any], Any]
"""Value of a field for a file that has an old one, where a new one is asked for; None where that is no growth."""


def more(old: tuple[Any, ...] | None, new: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    """Union of values: numbers in order, names as they come."""
    if old is None or new is None:
        return None
    union = dict.fromkeys((*old, *new))
    return tuple(union) if any(isinstance(value, str) for value in union) else tuple(sorted(union))


def most(old: int, new: int) -> int:
    """Larger number of independent draws."""
    return max(old, new)


def longer(old: int, new: int) -> int | None:
    """Length of series that go on, for which a longer one is run anew from where the shorter one ended."""
    return new if new >= old else None


class Recipe(BaseModel):
    """Everything that decides the numbers of a sample; the same recipe gives the same file.

    Attributes
    ----------
    size, control, draws, repeats : str
        Axes by role: the field with the sizes, and the dimensions of the file along which the control parameter
        varies, along which draws are independent, and along which one draw is measured again.
    further : tuple of str
        Fields of other control parameters: each is an axis of the file where it has several values.
    grows : mapping of str to Growth
        Fields that may be extended in a file that exists, each with its rule; all others are fixed.
    located : tuple of str
        Fields that say where something lies; what it is, is in other fields.
    decides : str
        Number that a pilot decides along with the control values, where there can be a target error.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: str
    size: ClassVar[str] = "L"
    control: ClassVar[str] = ""
    draws: ClassVar[str] = ""
    repeats: ClassVar[str] = ""
    further: ClassVar[tuple[str, ...]] = ()
    grows: ClassVar[Mapping[str, Growth]] = {}
    located: ClassVar[tuple[str, ...]] = ()
    decides: ClassVar[str] = ""

    def check_apart(self, out: Path) -> None:
        """Raise InputError if a file to write is one that the recipe reads: a restart would replace it."""
        for place in (getattr(self, name) for name in self.located):
            if isinstance(place, str) and out.exists() and Path(place).exists() and out.samefile(place):
                raise InputError(f"{out} is what the run reads: choose another --out")

    def resolved(self) -> Self:
        """Recipe with everything filled in that follows from what is given; raises InputError if it makes no sense."""
        return self

    def unused(self) -> set[str]:
        """Fields that a file does not record, because they mean nothing in this recipe."""
        if not self.decides:
            return set()
        of_stages = {f"asked_{self.decides}", "stages"}
        if getattr(self, "target_error", None) is None:
            return of_stages | {"target_error", "target_observable"}
        return set() if getattr(self, "stages", ()) else of_stages

    def canonical(self) -> dict[str, Any]:
        """Recipe as plain data for JSON, as files record it."""
        return self.model_dump(mode="json", exclude=self.unused())

    @property
    def undecided(self) -> bool:
        """Whether a pilot must decide what to measure."""
        return bool(self.decides) and getattr(self, "target_error", None) is not None and not _stages(self)

    @property
    def several(self) -> tuple[str, ...]:
        """Further control parameters that have several values."""
        return tuple(name for name in self.further if isinstance(getattr(self, name), tuple))

    def at(self, values: Mapping[str, Any]) -> Self:
        """Recipe with one value of every further control parameter."""
        return self.model_copy(update={name: values[name] for name in self.several})

    @property
    def first(self) -> Self:
        """Recipe with the first value of every further control parameter."""
        return self.at({name: getattr(self, name)[0] for name in self.several})

    def extended(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Settings of a file that holds this recipe with those given over them; values on its further axes are added.

        Raises
        ------
        InputError
            If these cannot be added, whatever else is given.
        """
        added = {n: more(getattr(self, n), np.atleast_1d(given[n]).tolist()) for n in self.several if n in given}
        return self.model_dump() | dict(given) | added

    def merged(self, new: Self, extend: bool) -> Self:
        """Recipe to run where a file holds this one and ``new`` is asked for.

        Raises
        ------
        InputError
            If they differ and ``extend`` is off, or differ in more than the fields that grow.
        """
        new = self._as_asked(new)
        rules = {**self.grows, **dict.fromkeys((n for n in self.several if n in new.several), more)}
        grown = {name: rule(getattr(self, name), getattr(new, name)) for name, rule in rules.items()}
        before, after = self.canonical(), new.canonical()
        names = [name for name in {**before, **after} if name not in self.located]
        different = [name for name in names if before.get(name) != after.get(name)]
        fixed = [name for name in different if grown.get(name) is None]
        if fixed or (different and not extend):
            advice = "use --restart to begin anew, or another --out"
            advice = advice if fixed else "add --extend to add to it, or --restart"
            name = min(fixed or different, key=lambda name: name != "target_error")
            if extend and name in self.further and name not in self.several:
                advice = "data with one value have no axis along which more can be added, so use another --out"
            change = f"{name} {_short(before.get(name))}, now {_short(after.get(name))}"
            raise InputError(f"the file holds another recipe ({change}): {advice}")
        places = {name: grown.get(name, getattr(new, name)) for name in self.located}
        return self.model_copy(update=places | {name: grown[name] for name in different})

    def _as_asked(self, new: Self) -> Self:
        """Recipe that is asked for, with what a pilot decided in place of what was asked for at that time."""
        stages = _stages(self)
        if not stages:
            return new
        count = f"asked_{self.decides}"
        asked = {self.control: getattr(stages[0], self.control), self.decides: getattr(self, count)}
        same = [name for name, value in asked.items() if getattr(new, name) == value]
        if not _stages(new) and getattr(new, "target_error", None) == getattr(self, "target_error", None):
            same += ["stages", count]
        return new.model_copy(update={name: getattr(self, name) for name in same})

    def content(self) -> dict[str, Any]:
        """Part of the recipe that the numbers of one task depend on: without values of axes, places and stages."""
        outside = {name for name, rule in self.grows.items() if rule is not longer} | {*self.located}
        outside |= {*self.several, "target_error", "target_observable", f"asked_{self.decides}", "stages"}
        return {name: value for name, value in self.canonical().items() if name not in outside}


def _stages(recipe: Recipe) -> tuple[Any, ...]:
    return getattr(recipe, "stages", ())


def _short(value: object) -> str:
    return cut_short(json.dumps(value))


def validated(kind: type[Model], settings: Mapping[str, Any]) -> Model:
    """Return a recipe from settings.

    Raises
    ------
    InputError
        Naming all mistakes at once; an unknown key comes with the nearest known one.
    """
    try:
        return kind.model_validate(dict(settings))
    except ValidationError as error:
        raise InputError(_sentences(kind, error.errors())) from None


def check_source(kind: type[BaseModel], settings: Mapping[str, Any], source: Path | None) -> None:
    """Raise InputError, which names their file, for settings that are no values of their own fields."""
    try:
        kind.model_validate(dict(settings))
    except ValidationError as error:
        own = [m for m in error.errors() if m["type"] != "missing" and m["loc"] and m["loc"][0] in settings]
        if own and source is not None:
            raise InputError(f"{source}: {_sentences(kind, own)}") from None


def _sentences(kind: type[BaseModel], mistakes: list[Any]) -> str:
    """What is wrong with settings: as many mistakes as fit into a message."""
    # A tuple with a wrong element is also called too short: the element says more.
    deeper = {m["loc"][:k] for m in mistakes for k in range(1, len(m["loc"]))}
    left = [m for m in mistakes if m["loc"] not in deeper]
    told = [_sentence(kind, m) for m in left if not (_other_form(m) and _of_one_field(m, left) > 1)]
    fit = [k for k in range(1, len(told)) if len("; ".join(told[: k + 1])) <= LONGEST_TOLD]
    shown = told[: 1 + len(fit)]
    return "; ".join(shown + ([f"and {len(told) - len(shown)} more"] if len(told) > len(shown) else []))


def _other_form(mistake: Any) -> bool:
    """Whether a field that takes a number or several was given the other one of the two forms."""
    return mistake["type"] == "tuple_type" or (
        mistake["type"] in ("float_type", "int_type") and isinstance(mistake["input"], list | tuple)
    )


def _of_one_field(mistake: Any, mistakes: list[Any]) -> int:
    return sum(other["loc"][:1] == mistake["loc"][:1] for other in mistakes)


def _sentence(kind: type[BaseModel], mistake: Any) -> str:
    # Between names and numbers of values are types, which nobody wrote.
    words = [word for word in mistake["loc"] if isinstance(word, int) or not OF_TYPES.search(word)]
    place = ", ".join(f"value {word + 1}" if isinstance(word, int) else word for word in words)
    if mistake["type"] == "extra_forbidden":
        near = difflib.get_close_matches(place, kind.model_fields, n=1)
        return f"unknown setting {cut_short(place)!r}" + (f" (did you mean {near[0]!r}?)" if near else "")
    text = mistake["msg"]
    return f"{cut_short(place)}: {text[0].lower()}{cut_short(text[1:], 120)}, not {cut_short(repr(mistake['input']))}"


def cut_short(text: str, most: int = 60) -> str:
    """Text as it can stand in a message: its beginning where it is long."""
    return text if len(text) <= most else text[: most - 3] + "..."


def check_finite(columns: Mapping[str, np.ndarray], where: str, axis: str, first: int = 0) -> None:
    """Look at what a task measured, before it is stored.

    Parameters
    ----------
    columns : mapping of str to ndarray
        What was measured, by name; the last axis of each counts what ``axis`` names.
    where : str
        Which task it is, for the message.
    axis : str
        ``measurement`` or ``image``.
    first : int
        Number of the first one of these.

    Raises
    ------
    NotFinite
        If a number is NaN or infinite; the message names the first one.
    """
    for name, values in columns.items():
        if values.dtype.kind == "f" and not (sound := np.isfinite(values)).all():
            place = int(np.argmin(sound.reshape(-1, sound.shape[-1]).all(axis=0)))
            number = values[..., place][~sound[..., place]].flat[0]
            raise NotFinite(
                f"{name} is {number} at {axis} {first + place} ({where}); what was saved before stays, and nothing "
                "after it is stored: check the couplings, the step size and the noise"
            )
