"""Forms of the input and first layer in which networks are trained side by side, and the loop that trains them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from physnn import rng
from physnn.errors import InputError
from physnn.networks.tasks.expansion_law import expansion_law

ARMS = ("raw", "other", "expanded", "law", "init", "step", "scaled", "standardised")
"""Forms of input and first layer.

``raw`` takes the inputs; ``other`` is raw with other seeds, for the null; ``expanded`` appends constants; ``law`` is
the raw network that follows `physnn.networks.tasks.expansion_law.expansion_law`; ``init`` has only its start and
``step`` only the learning rate of its bias; ``scaled`` and ``standardised`` take the inputs in other units.
"""
BIAS = "bias"
"""Beginning of the names of arms that multiply the learning rate of the first bias: ``bias3`` by 3."""
WITHOUT_LABEL, OTHER_WEIGHTS = "one-hot", "other"
"""Arms without labels in the plane: what others are compared with, and the same from other first weights."""
SOURCE_GAINS = {"the source's mean gain, EfficientNet": 1.6, "the source's mean gain, ResNet-18": 15.5}
"""Means of table 1 of the source of labels in the plane over nine data sets, in percentage points."""
LABEL_EFFECTS = {"a fifth of a point": 0.2} | SOURCE_GAINS
"""Sizes of effects by meaning, in percentage points."""
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class InputForm:
    """Consequences of an arm.

    Attributes
    ----------
    word : str
        Word of the random streams.
    drawn : int
        Constants whose weights are drawn, and that count among the inputs of the first layer.
    appended, start : tuple of float
        Constants that stay inputs, and those whose weights begin in the bias.
    factor : float
        Learning rate of the first bias over that of all other weights.
    """

    word: str
    drawn: int
    appended: tuple[float, ...]
    start: tuple[float, ...]
    factor: float


def form_of(arm: str, constants: tuple[float, ...], more: Sequence[str] = ()) -> InputForm:
    """Consequences of an arm with these constants, where arms of `ARMS` and ``more`` are known.

    Raises
    ------
    InputError
        If there is no such arm.
    """
    if arm not in ARMS and arm not in more:
        raise InputError(f"there is no arm {arm!r}; take some of {', '.join((*ARMS, *more))}")
    return InputForm(
        "other" if arm == "other" else "raw",
        len(constants) if arm in ("expanded", "law", "init") else 0,
        constants if arm == "expanded" else (),
        constants if arm in ("law", "init") else (),
        float(arm.removeprefix(BIAS))
        if arm.startswith(BIAS)
        else expansion_law(constants if arm in ("law", "step") else (), "adam").factor,
    )


def streams_of(seeds: Sequence[int], *words: str) -> list[np.random.Generator]:
    """Stream of a parameter for every seed, by the words of its network and its own name."""
    return [rng.stream(seed, "weights", *words) for seed in seeds]


class Trainee(Protocol):
    """Networks of several seeds in training."""

    def measure(self) -> Arrays:
        """Errors by name, ``(seeds, ...)`` each."""

    def advance(self) -> None:
        """Take a step."""

    def state(self) -> Arrays:
        """Everything that a training goes on from, by names that begin with ``state_``."""

    def restore(self, kept: Arrays) -> None:
        """Put a state back."""


def train_to_marks(
    trainee: Trainee,
    marks: Sequence[int],
    kept: Arrays | None,
    watch: Callable[[int], bool],
    save: Callable[[Arrays], None],
) -> dict[str, np.ndarray]:
    """Errors at every mark by name, ``(seeds, marks, ...)``; the networks are trained in place.

    Parameters
    ----------
    trainee : Trainee
        Networks, as they begin.
    marks : sequence of int
        Steps at which errors are recorded; the last one is the end.
    kept : mapping, optional
        What ``save`` was given last, from which a training goes on.
    watch, save : callable
        Called after every step, and with the state where that says so.
    """
    done, found = 0, dict[str, np.ndarray]()
    if kept is not None:
        own = [name for name in kept if name != "unfinished" and not name.startswith("state_")]
        done, found = int(kept["state_done"]), {name: np.array(kept[name]) for name in own}
        trainee.restore(kept)
    while True:
        if done in marks:
            for name, each in trainee.measure().items():
                if name not in found:
                    found[name] = _not_yet(each, len(marks))
                found[name][:, marks.index(done)] = each
        if done == marks[-1]:
            return found
        trainee.advance()
        done += 1
        if watch(done):
            save(found | dict(trainee.state()) | {"state_done": np.array(done)})


def _not_yet(each: np.ndarray, marks: int) -> np.ndarray:
    """Array for what is measured at every mark: NaN, or 0 where it is whole numbers."""
    shape = len(each), marks, *each.shape[1:]
    return np.full(shape, np.nan) if each.dtype.kind == "f" else np.zeros(shape, each.dtype)
