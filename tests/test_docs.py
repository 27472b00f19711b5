from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import jupytext
from nbclient import NotebookClient

import physnn
from physnn import rng

ROOT = Path(physnn.__file__).resolve().parent.parent


def test_the_documentation_builds_without_a_warning(tmp_path):
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        str(ROOT / "docs"),
        str(tmp_path),
    ]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    for page in ("index", "notation", "architecture", "file-format", "changelog"):
        assert (tmp_path / f"{page}.html").is_file()


def test_the_tutorial_runs_as_a_notebook(tmp_path):
    notebook = jupytext.read(ROOT / "docs" / "tutorial.md")
    assert sum(cell.cell_type == "code" for cell in notebook.cells) >= 10
    done = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT / "docs")}}).execute()
    printed = "".join(out.get("text", "") for cell in done.cells for out in cell.get("outputs", []))
    assert "crossing" in printed and "1/nu = " in printed and "2D Ising" in printed


def test_the_table_of_streams_is_complete():
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert all(f"`{name}`" in text for name in rng.STREAMS)


def test_the_changelog_knows_this_version():
    assert re.search(
        rf"^## {re.escape(physnn.__version__)}", (ROOT / "docs" / "changelog.md").read_text(), re.MULTILINE
    )


def test_every_figure_of_readme_and_docs_is_made_by_a_sim():
    made = "\n".join(f.read_text() for f in (ROOT / "sims").glob("*.py"))
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for image in re.findall(r"!\[[^\]]*\]\(([^)]+\.png)\)", page.read_text()):
            assert (page.parent / image).is_file()
            assert Path(image).name in made, f"{page.name}: {image}"
