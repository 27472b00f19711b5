"""Formulas as MathML, written when the pages are built: browsers draw it themselves, without a script or a network."""

from __future__ import annotations

import re
from functools import cache
from html import escape

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)


@cache
def mathml(formula: str, display: str) -> str:
    """Formula as one element ``math``, which carries its LaTeX for those who copy it; raises ValueError."""
    written = convert(formula, display=display)
    unknown = re.search(r"\\[A-Za-z]+", written)
    if unknown:
        raise ValueError(f"no MathML for {unknown[0]} in: {formula}")
    return written.replace("<math ", f'<math alttext="{escape(formula)}" ', 1)


def drawn(self: HTML5Translator, node: nodes.Element, display: str) -> str:
    """MathML of a node; a formula that cannot be written is a warning, which fails a strict build."""
    try:
        return mathml(" ".join(node.astext().split()), display)
    except Exception as error:  # the converter raises classes of its own for each kind of broken LaTeX
        logger.warning("%s: %r", type(error).__name__, error, location=node)
        return f"<code>{escape(node.astext())}</code>"


def inline(self: HTML5Translator, node: nodes.Element) -> None:
    """Formula in a line."""
    self.body.append(f'<span class="math">{drawn(self, node, "inline")}</span>')
    raise nodes.SkipNode


def block(self: HTML5Translator, node: nodes.Element) -> None:
    """Formula of its own, which scrolls where it is wider than the page."""
    self.body.append(f'<div class="math">{drawn(self, node, "block")}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Renderer for ``html_math_renderer = "mathml"``."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
