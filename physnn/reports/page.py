"""One page of HTML that stands alone: verdict, tables, figures, recipe, provenance, and how to repeat it."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from physnn.answers.formats.markup import as_text, html_table, inline_svg
from physnn.errors import Unfinished
from physnn.reports.told import Telling, ToldTable

WIDE_FIGURE = 500
"""Width in points above which a figure, of several panels, takes the whole width of a page."""


@dataclass(frozen=True)
class ReportPart:
    """File, or files side by side, on a page.

    Attributes
    ----------
    title : str
        Name of the file.
    told : sequence of Telling
        What it says.
    recipe, provenance : mapping
        Settings, and where the file comes from, by name.
    commands : sequence of (str, str)
        What a command does, and its line.
    """

    title: str
    told: Sequence[Telling]
    recipe: Mapping[str, Any]
    provenance: Mapping[str, str]
    commands: Sequence[tuple[str, str]]


@cache
def _asset(name: str) -> str:
    """Text of a file of the package, and nothing else, so that its hash is known."""
    return files("physnn.reports").joinpath(name).read_text(encoding="utf-8")


def _hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def policy() -> str:
    """Content security policy of a page: its own style and script, pixels within it, and nothing from elsewhere."""
    style, script = _hashed(_asset("page.css")), _hashed(_asset("page.js"))
    own = f"style-src {style}; script-src {script}; img-src data:"
    return f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"


def report_page(parts: Sequence[ReportPart], made: str, refresh: float = 0.0, progress: str = "") -> str:
    """Text of a page.

    Parameters
    ----------
    parts : sequence of ReportPart
        What it tells, in this order.
    made : str
        When and with what it was made.
    refresh : float
        Seconds after which the page loads itself anew; 0: never.
    progress : str
        Markup on a run that is under way.
    """
    title = parts[0].title if len(parts) == 1 else f"{len(parts)} answers"
    # Browsers read whole seconds here, and 0 would be at once.
    again = f'<meta http-equiv="refresh" content="{math.ceil(refresh)}">' if refresh else ""
    contents = "".join(_lines(parts)) if len(parts) > 1 else ""
    body = "".join("".join(_part(part, k, len(parts) == 1)) for k, part in enumerate(parts))
    heading = "" if len(parts) == 1 else f"<h1>{as_text(title)}</h1>"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{as_text(policy())}">{again}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer"><link rel="icon" href="data:,">'
        f"<title>{as_text(title)}</title><style>{_asset('page.css')}</style></head>\n"
        f'<body>{heading}{contents}{progress}{body}<p class="soft">{as_text(made)}</p>'
        f"<script>{_asset('page.js')}</script></body></html>\n"
    )


def _lines(parts: Sequence[ReportPart]) -> Iterator[str]:
    """Contents of a page of several parts."""
    yield "<ul>"
    for k, part in enumerate(parts):
        sentences = " ".join(told.sentence for told in part.told)
        yield f'<li><a href="#part-{k}">{as_text(part.title)}</a>: {as_text(sentences)}</li>'
    yield "</ul>"


def _part(part: ReportPart, k: int, alone: bool) -> Iterator[str]:
    level = "h1" if alone else "h2"
    yield f'<section id="part-{k}"><{level}>{as_text(part.title)}</{level}>'
    for n, told in enumerate(part.told):
        yield from _told(told, f"f{k}-{n}-")
    if part.commands:
        yield "<h3>How to repeat it</h3>"
        for what, line in part.commands:
            yield f"<p>{as_text(what)}</p><pre>{as_text(line)}</pre>"
    for name, rows in (("Recipe", part.recipe), ("Provenance", part.provenance)):
        if rows:
            table = html_table("", ("", "value"), [(key, str(value)) for key, value in rows.items()])
            yield f"<details><summary>{name}</summary>{table}</details>"
    yield "</section>"


def _told(told: Telling, prefix: str) -> Iterator[str]:
    """Sentence, figures, evidence and methods of an answer."""
    yield f'<p class="verdict">{as_text(told.sentence)}</p>'
    if told.figures:
        yield '<div class="figures">'
        for k, (caption, draw) in enumerate(told.figures):
            yield from _figure(caption, draw, f"{prefix}{k}-")
        yield "</div>"
    lines: list[str] = []
    if told.evidence:
        yield "<h3>What it rests on</h3>"
    for one in (*told.evidence, None):
        if isinstance(one, str):
            lines.append(f"<li>{as_text(one)}</li>")
            continue
        if lines:
            yield f'<ul class="evidence">{"".join(lines)}</ul>'
            lines = []
        if isinstance(one, ToldTable):
            yield html_table(one.title, one.header, one.rows)
    if told.paragraph:
        yield f"<h3>Methods</h3><p>{as_text(told.paragraph)}</p>"
        yield f"<details><summary>BibTeX</summary><pre>{as_text(told.bibtex)}</pre></details>"


def _figure(caption: str, draw: Any, prefix: str) -> Iterator[str]:
    """Figure that can be zoomed, or the reason why it is not there: an answer does not depend on its picture."""
    try:
        drawn = [inline_svg(text, f"{prefix}{k}-", caption) for k, text in enumerate(draw())]
    except Unfinished:
        raise  # told to stop: that is no fault of the figure
    except Exception as error:  # whatever a library makes of names and numbers of a file
        yield f"<p>{as_text(f'{caption}: this figure could not be drawn ({type(error).__name__}: {error})')}</p>"
        return
    for svg in drawn:
        wide = ' class="wide"' if _breadth(svg) > WIDE_FIGURE else ""
        yield f'<figure{wide}><div class="frame">{svg}</div><figcaption>{as_text(caption)}</figcaption></figure>'


def _breadth(svg: str) -> float:
    """Width of a figure in points, from its view box."""
    return float(svg.partition('viewBox="')[2].partition('"')[0].split()[2])
