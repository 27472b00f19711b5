"""What is told of a file: one plain sentence first, then the evidence in lines, tables and figures."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

Draw = Callable[[], Sequence[str]]
"""Draws when it is called, and gives SVG texts."""
Figures = tuple[tuple[str, Draw], ...]
"""Captions, and what draws."""


@dataclass(frozen=True)
class ToldTable:
    """Table of words, with a title and a heading for every column."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Telling:
    """Answer of a file in words.

    Attributes
    ----------
    sentence : str
        The verdict, in one plain sentence.
    evidence : tuple of str or ToldTable
        What it rests on, in the order in which it is told.
    figures : tuple of (str, Draw)
        Captions, and what draws.
    paragraph, bibtex : str
        Methods, where there is a paragraph on them.
    undecided : bool
        Whether something is left open: a command ends with status 3.
    """

    sentence: str
    evidence: tuple[str | ToldTable, ...]
    figures: Figures = ()
    paragraph: str = ""
    bibtex: str = ""
    undecided: bool = False


def told_table(title: str, header: Iterable[str], rows: Iterable[Iterable[str]]) -> tuple[ToldTable, ...]:
    """Table in a tuple of its own, or nothing where it has no rows."""
    cells = tuple(tuple(row) for row in rows)
    return (ToldTable(title, tuple(header), cells),) if cells else ()


def drawn_by(plot: str, *args: Any, **options: Any) -> Draw:
    """SVG texts of a function of `physnn.answers.plots` by name, or ``module:function``, that takes ``out``.

    What draws is loaded when it is asked for: a terminal shows no figures.
    """

    def draw() -> Iterator[str]:
        module, _, name = plot.rpartition(":")
        function = getattr(import_module(module or "physnn.answers.plots"), name)
        with tempfile.TemporaryDirectory() as folder:
            found = function(*args, **options, out=Path(folder) / "figure.svg")
            for path in found if isinstance(found, tuple) else (found,):
                yield path.read_text()

    return lambda: tuple(draw())


def progress_sentence(found: dict[str, Any]) -> str:
    """Sentence on how far a run is, from `physnn.jobs.progress.status`."""
    if found["state"] == "finished":
        return f"{found['file']}: finished"
    done = f"{found['done']} of {found['tasks']} tasks done, {found['percent']:.1f} % of the work"
    left = found["seconds_left"]
    if found["state"] == "stopped":
        return f"{found['file']}: not running; {done}; the same command continues"
    doubt = "" if found["running"] else ", as its lock on another machine says"
    return f"{found['file']}: running{doubt}; {done}" + (f", about {_span(left)} left" if left is not None else "")


def _span(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"
