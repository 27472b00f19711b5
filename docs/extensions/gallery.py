"""Gallery of all figures, made in every build: from `sims/README.md`, the sims and the pages that show them."""

from __future__ import annotations

import ast
import re
from html import escape
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

DOCS = Path(__file__).resolve().parents[1]
SIMS = DOCS.parent / "sims"
MARK = "<!-- gallery -->"
SIDE = 480
"""Largest side of a thumbnail, in pixels."""


class Sim(NamedTuple):
    """A file in `sims/` as its row in `sims/README.md` has it."""

    name: str
    call: str
    question: str
    time: str


class Shown(NamedTuple):
    """A figure on a page: file name, description, page and the page's title."""

    figure: str
    text: str
    page: str
    title: str


def sims() -> list[Sim]:
    """Rows of the table of sims."""
    rows = re.findall(r"^\| `((\w+\.py)[^`]*)` \| (.*?) \| (.*?) \|$", (SIMS / "README.md").read_text(), re.MULTILINE)
    return [Sim(name, call, question, time) for call, name, question, time in rows]


def shown() -> dict[str, Shown]:
    """Figures by name, in the order of the pages; a figure belongs to the page that shows it first."""
    index = re.findall(r"^[\w-]+$", (DOCS / "index.md").read_text(), re.MULTILINE)
    found: dict[str, Shown] = {}
    for page in (name for name in index if (DOCS / f"{name}.md").is_file()):
        text = (DOCS / f"{page}.md").read_text()
        title = re.search(r"^# (.*)$", text, re.MULTILINE)
        for alt, name in re.findall(r"!\[([^\]]*)\]\(figures/([^)]+\.png)\)", text):
            found.setdefault(name, Shown(name, alt, page, title[1] if title else page))
    return found


def maker(figure: str) -> Sim:
    """Sim that writes a figure: the one whose text names the file."""
    makers = [sim for sim in sims() if re.search(rf"(?<![\w-]){re.escape(figure)}", (SIMS / sim.name).read_text())]
    if len(makers) != 1:
        raise ValueError(f"{figure} is named by {len(makers)} files in sims/, not by one")
    return makers[0]


def lines_of(sim: str) -> str:
    """Constants of a sim and its last steps: what it runs and what it draws."""
    text = (SIMS / sim).read_text()
    body = ast.parse(text).body
    mains = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == "main"]
    last = mains or [node for node in body if isinstance(node, ast.If)]
    kept = [node for node in body if isinstance(node, ast.Assign)] + last
    return "\n\n".join(ast.get_source_segment(text, node) or "" for node in kept)


def called(sim: Sim) -> str:
    """Command line of a sim; those that read synthetic data from the tests are modules."""
    if "from tests." in (SIMS / sim.name).read_text():
        return f"python -m sims.{sim.name[:-3]}"
    return f"python sims/{sim.call}"


def card(sim: Sim, figures: list[Shown]) -> str:
    """Figures of a sim with its question, its command and its lines, in Markdown."""
    pictures = "\n".join(
        f'<a href="_images/{f.figure}"><img src="thumbnails/{f.figure}" alt="{escape(f.text)}" loading="lazy"></a>'
        for f in figures
    )
    question = sim.question if sim.question[1:2] == "_" else sim.question[:1].upper() + sim.question[1:]
    return f"""### {question}

<div class="pictures">
{pictures}
</div>

`{called(sim)}`: {sim.time}.

<details><summary>{sim.name}: constants and main</summary>

```python
{lines_of(sim.name)}
```

</details>
"""


def gallery() -> str:
    """All figures, grouped by the page that tells of them and by the sim that makes them."""
    groups: dict[str, dict[Sim, list[Shown]]] = {}
    titles = {}
    for figure in shown().values():
        titles[figure.page] = figure.title
        groups.setdefault(figure.page, {}).setdefault(maker(figure.figure), []).append(figure)
    return "\n".join(
        f"## [{titles[page]}]({page}.md)\n\n" + "\n".join(card(sim, figures) for sim, figures in made.items())
        for page, made in groups.items()
    )


def filled(app: Sphinx, page: str, source: list[str]) -> None:
    """Gallery in place of its mark."""
    if page == "gallery":
        source[0] = source[0].replace(MARK, gallery())


def thumbnails(app: Sphinx, env: BuildEnvironment) -> None:
    """Small copies of the figures beside the pages."""
    folder = Path(app.outdir) / "thumbnails"
    folder.mkdir(exist_ok=True)
    for name in shown():
        target, figure = folder / name, DOCS / "figures" / name
        if not target.is_file() or target.stat().st_mtime < figure.stat().st_mtime:
            with Image.open(figure) as image:
                image.convert("RGB").reduce(max(1, max(image.size) // SIDE)).save(target)


def changed(app: Sphinx, env: BuildEnvironment, docs: list[str]) -> None:
    """Gallery read anew in every build, since it depends on files that Sphinx does not know."""
    docs.append("gallery")


def setup(app: Sphinx) -> dict[str, bool]:
    """Events of a build."""
    app.connect("source-read", filled)
    app.connect("env-before-read-docs", changed)
    app.connect("env-updated", thumbnails)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
