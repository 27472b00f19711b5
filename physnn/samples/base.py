"""Recipes from settings that a person wrote: every mistake in one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from physnn.errors import InputError, NotFinite

Recipe = TypeVar("Recipe", bound=BaseModel)


def validated(kind: type[Recipe], settings: Mapping[str, Any]) -> Recipe:
    """Return a recipe from settings.

    Raises
    ------
    InputError
        Naming all mistakes at once; an unknown key comes with the nearest known one.
    """
    try:
        return kind.model_validate(dict(settings))
    except ValidationError as error:
        mistakes = error.errors()
        # A tuple with a wrong element is also called too short: the element says more.
        deeper = {m["loc"][:k] for m in mistakes for k in range(1, len(m["loc"]))}
        told = [_sentence(kind, m) for m in mistakes if m["loc"] not in deeper]
        raise InputError("; ".join(told)) from None


def check_names(kind: type[BaseModel], settings: Mapping[str, Any], *more: str) -> None:
    """Raise InputError for settings that are no field of a recipe (nor one of ``more``), with suggestions."""
    unknown = [name for name in settings if name not in kind.model_fields and name not in more]
    if unknown:
        validated(kind, {name: settings[name] for name in settings if name not in more})


def _sentence(kind: type[BaseModel], mistake: Any) -> str:
    place = ".".join(str(word) for word in mistake["loc"])
    if mistake["type"] == "extra_forbidden":
        near = difflib.get_close_matches(place, kind.model_fields, n=1)
        return f"unknown setting {place!r}" + (f" (did you mean {near[0]!r}?)" if near else "")
    text = mistake["msg"]
    return f"{place}: {text[0].lower()}{text[1:]}, not {mistake['input']!r}"


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
