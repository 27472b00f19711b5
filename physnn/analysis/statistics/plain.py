"""Plain data of answers: what JSON holds, from frozen dataclasses with estimates and arrays in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from physnn.analysis.statistics.estimate import Estimate


def to_json(found: Any, *left_out: str) -> Any:
    """Dictionaries, lists, numbers and strings of an answer, without some fields of the outermost dataclass.

    An object with an ``as_json`` of its own gives that, another dataclass its fields; an estimate without a value gives
    null.
    """
    if isinstance(found, Estimate):
        return found.as_json() if math.isfinite(found.value) else None
    if hasattr(found, "as_json"):
        return found.as_json()
    if is_dataclass(found) and not isinstance(found, type):
        return fields_json(found, *left_out)
    if isinstance(found, Mapping):
        return {str(name): to_json(value) for name, value in found.items()}
    if isinstance(found, list | tuple):
        return [to_json(value) for value in found]
    return found.tolist() if isinstance(found, np.ndarray | np.generic) else found


def fields_json(found: Any, *left_out: str) -> dict[str, Any]:
    """Fields of a dataclass by name as plain data, without those left out: the body of its ``as_json``."""
    return {f.name: to_json(getattr(found, f.name)) for f in fields(found) if f.name not in left_out}
