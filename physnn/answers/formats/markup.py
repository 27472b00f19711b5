"""Markup for pages: text that stays text, tables that can be sorted, and figures without anything that acts.

Names and words come from files, which may be a stranger's.  Nothing of them reaches a page but through `as_text`, and
figures are written anew from a list of elements and attributes that only draw.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from xml.etree import ElementTree

LISTED_WORDS = re.compile(r"[\w-]+")
"""Words of a list."""
DRAWING = LISTED_WORDS.findall(
    "svg g defs path use rect circle polygon polyline line ellipse image clipPath pattern linearGradient stop"
)
"""Elements of SVG that a page takes over: they draw, and do nothing else."""
PLACED = LISTED_WORDS.findall(
    "id d x y x1 y1 x2 y2 cx cy r rx ry width height points transform viewBox preserveAspectRatio patternUnits "
    "patternTransform gradientUnits gradientTransform offset clip-path clip-rule clipPathUnits"
)
"""Attributes that a page takes over as they are."""
PAINTED = LISTED_WORDS.findall(
    "fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-linecap stroke-linejoin stroke-dasharray "
    "stroke-dashoffset stroke-miterlimit opacity image-rendering stop-color stop-opacity display visibility"
)
"""Properties that a page takes over from styles, as attributes: a page allows no style of its parts."""
LEADING = re.compile(r"[<>~ ]*([+-]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")
"""Beginning of a cell that is a number: what follows is its error or its unit."""
SHIFTED = re.compile(r"\)e([+-]?\d+)")
"""Power of ten behind a value with its error, as in 1.2(3)e-5."""


def as_text(value: object) -> str:
    """Any value as text of a page: markup, quotes and characters that change how text runs are shown, not obeyed."""
    return html.escape("".join(map(_shown, str(value))), quote=True)


def _shown(letter: str) -> str:
    """A letter itself, or its number where it would control what is around it."""
    if letter in "\n\t" or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co", "Cn"):
        return letter
    return f"\\u{ord(letter):04x}"


def sort_number(cell: str) -> float | None:
    """Number that a cell is sorted by: that which it begins with; None of words."""
    found = LEADING.match(cell)
    if not found:
        return None
    power = SHIFTED.search(cell)
    return float(found[1].replace(",", "") + (f"e{power[1]}" if power else ""))


def html_table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Table of a page; a number is kept beside each cell that begins with one, for sorting."""
    heads = "".join(f'<th scope="col">{as_text(name)}</th>' for name in header)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    caption = f"<caption>{as_text(title)}</caption>" if title else ""
    return f'<div class="table"><table>{caption}<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(cell: str) -> str:
    number = sort_number(cell)
    kept = "" if number is None else f' data-number="{number!r}"'
    return f"<td{kept}>{as_text(cell)}</td>"


def inline_svg(text: str, prefix: str, label: str) -> str:
    """Figure as an element of a page: what draws, with identities of its own, and without styles, scripts and links.

    Parameters
    ----------
    text : str
        SVG that matplotlib wrote; what texts of a file became in it are outlines and comments, and comments are left
        out.
    prefix : str
        Begins its identities, so that figures of one page do not share them.
    label : str
        What it shows, for readers that do not see it.
    """
    root = ElementTree.fromstring(text[text.index("<svg") :])  # noqa: S314  (written here, without entities)
    return "".join(_element(root, prefix, f' role="img" aria-label="{as_text(label)}" stroke-linejoin="round"'))


def _element(element: ElementTree.Element, prefix: str, more: str = "") -> Iterator[str]:
    """Parts of the text of an element and of those in it."""
    name = _local(element.tag)
    if name not in DRAWING:
        return
    yield f"<{name}{more}{''.join(_attributes(element, prefix))}>"
    for child in element:
        yield from _element(child, prefix)
    yield f"</{name}>"


def _local(name: object) -> str:
    return str(name).rpartition("}")[2]


def _attributes(element: ElementTree.Element, prefix: str) -> Iterator[str]:
    """Attributes of an element that draw."""
    for name, value in element.attrib.items():
        own = _local(name)
        if own == "style":
            for part in value.split(";"):
                key, _, word = part.partition(":")
                if key.strip() in PAINTED:
                    yield f' {key.strip()}="{_inside(word.strip(), prefix)}"'
        elif own == "href" and value.startswith(("#", "data:image/png;base64,")):
            yield f' href="{f"#{prefix}{value[1:]}" if value.startswith("#") else as_text(value)}"'
        elif own == "id":
            yield f' id="{prefix}{as_text(value)}"'
        elif own in PLACED or own in PAINTED:
            yield f' {own}="{_inside(value, prefix)}"'


def _inside(value: str, prefix: str) -> str:
    """Value of an attribute whose references, if any, lie in this figure."""
    if "url(" not in value:
        return as_text(value)
    found = re.fullmatch(r"url\(#([\w.-]+)\)", value.replace('"', ""))
    return f"url(#{prefix}{found[1]})" if found else "none"
