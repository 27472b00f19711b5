"""Values that are held at a number, or left free."""

from __future__ import annotations

from typing import Any

import click

from physnn.cli import options as opt


class NumberOrFree(click.ParamType[Any]):
    """A finite number, or the word ``free``, or another word."""

    def __init__(self, *others: str) -> None:
        self.words = ("free", *others)
        self.name = "|".join((*self.words, "VALUE"))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Number or a word, or fail with one sentence."""
        if value in self.words or opt.is_number(str(value)):
            return value if value in self.words else opt.Number().convert(value, param, ctx)
        self.fail(f"{value!r} is neither a number nor the word {' or '.join(self.words)}", param, ctx)


FREE = NumberOrFree()
"""A finite number or the word ``free``."""
