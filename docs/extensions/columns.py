"""Tables of what is measured and of what can be fitted, written from the package when the pages are built."""

from __future__ import annotations

from pathlib import Path

from sphinx.application import Sphinx

from physnn.analysis.curves.observables import OBSERVABLES
from physnn.samples.kinds import class_of

KINDS: dict[str, dict[str, object]] = {
    "temperature": {"algorithm": "swendsen-wang"},
    "percolation": {},
    "coupling": {},
    "path-integral": {"slopes": True},
    "equilibrium": {"model": ("xy",), "L": (8,), "T": (1.0,)},
    "noise": {"L": (32,), "eta": (0.1,)},
    "memory": {"L": (16,), "eta": (0.1,), "model": ("xy",)},
    "seam": {"L": (4,), "T": (0.4,), "words": {"xy": ("xy",)}},
    "ground-state": {},
    "landscape": {},
    "landscape-sampling": {},
    "train-eos": {},
    "train-pde": {"problem": "burgers"},
    "train-colour": {},
    "train-labels": {},
}
"""Kinds of samples whose default recipe says what is measured, with settings that measure most."""


def cell(text: str) -> str:
    """Text as a cell of a table."""
    return text.replace("|", "\\|").replace("<", "&lt;") or "-"


def quantities() -> str:
    """Tables of what a task of each kind measures."""
    parts = []
    for kind, settings in KINDS.items():
        sample_class = class_of(kind, Path(kind))
        recipe = sample_class.Recipe(**settings).resolved()
        sample = sample_class(recipe)
        rows = [
            f"| `{name}` | {cell(m.symbol)} | {cell(m.unit)} | {cell(m.meaning)} | {', '.join(m.axes)} |"
            for name, m in sample.quantities(sample.sizes()[0]).items()
        ]
        header = ["| array | symbol | unit | meaning | axes |", "|---|---|---|---|---|"]
        parts.append("\n".join([f"### {kind}", "", *header, *rows, ""]))
    return "\n".join(parts)


def observables() -> str:
    """Table of what curves can be made of."""
    rows = [
        f"| `{name}` | {cell(o.symbol)} | {', '.join(f'`{raw}`' for raw in o.raw)} | "
        f"{'0' if o.dimensionless else 'free'} |"
        for name, o in OBSERVABLES.items()
    ]
    return "\n".join(["| observable | is | from arrays | zeta/nu by default |", "|---|---|---|---|", *rows])


def filled(app: Sphinx, page: str, source: list[str]) -> None:
    """Tables in place of their marks."""
    if page == "api":
        source[0] = source[0].replace("<!-- quantities -->", quantities())
        source[0] = source[0].replace("<!-- observables -->", observables())


def setup(app: Sphinx) -> dict[str, bool]:
    """Events of a build."""
    app.connect("source-read", filled)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
