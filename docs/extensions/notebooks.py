"""Notebook files beside the pages: the same cells as `.ipynb`, to be opened in Jupyter."""

from __future__ import annotations

from pathlib import Path

import jupytext
from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parents[1]
LINK = '\n\nThis page is a notebook: <a href="{name}.ipynb" download>download {name}.ipynb</a>.\n'


def linked(app: Sphinx, page: str, source: list[str]) -> None:
    """Link to the notebook file below the title of its page."""
    folder, _, name = page.rpartition("/")
    if folder == "notebooks":
        head, title, rest = source[0].partition("\n# ")
        first, _, rest = rest.partition("\n")
        source[0] = f"{head}{title}{first}{LINK.format(name=name)}{rest}"


def written(app: Sphinx, error: Exception | None) -> None:
    """Notebook files in the folder of their pages."""
    folder = Path(app.outdir) / "notebooks"
    for page in sorted((DOCS / "notebooks").glob("*.md")) if folder.is_dir() and not error else ():
        jupytext.write(jupytext.read(page), folder / f"{page.stem}.ipynb")


def setup(app: Sphinx) -> dict[str, bool]:
    """Events of a build."""
    app.connect("source-read", linked)
    app.connect("build-finished", written)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
