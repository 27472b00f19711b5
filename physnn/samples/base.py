"""Recipes from settings that a person wrote: every mistake in one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from physnn.errors import InputError

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
