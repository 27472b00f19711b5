from __future__ import annotations

import ast
import importlib.util
import io
import pkgutil
import posixpath
import re
import shlex
import subprocess
import sys
import warnings
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import click
import jupytext
import pytest
from nbclient import NotebookClient
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

import physnn
from physnn import rng
from physnn.cli import cli

ROOT = Path(physnn.__file__).resolve().parent.parent
README = ROOT / "README.md"
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.md"))
PAGES = [*sorted((ROOT / "docs").glob("*.md")), *NOTEBOOKS]
SIMS = sorted((ROOT / "sims").glob("*.py"))


def built(folder: Path, **settings: object) -> str:
    """Pages in a folder; returns what Sphinx warned of."""
    docs, trees, heard = ROOT / "docs", folder / "trees", io.StringIO()
    with warnings.catch_warnings(), patch_docutils(docs), docutils_namespace():
        warnings.simplefilter("ignore")  # what its parts deprecate among each other, as the command does
        Sphinx(docs, docs, folder, trees, "html", settings, status=None, warning=heard, freshenv=True).build()
    for page in ("index", "gallery", "notation", "architecture", "file-format", "changelog"):
        assert (folder / f"{page}.html").is_file()
    return heard.getvalue()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Folder of the pages in the plainest theme, and what was warned of; the true theme is the slow test's."""
    folder = tmp_path_factory.mktemp("site")
    plain = {"html_theme": "basic", "html_copy_source": False, "html_use_index": False}
    return folder, built(folder, **plain)


def test_the_documentation_builds_without_a_warning(site):
    assert site[1] == ""


class Page(HTMLParser):
    """What a built page names: `ids` that links lead to, `links`, and `loads`, which a browser fetches by itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids.add(found.get("id", ""))
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        elif tag == "link" and found.get("rel") not in ("next", "prev", "search", "index", "genindex"):
            self.loads.append(found.get("href", ""))
        self.loads += [found[name] for name in ("src", "srcset", "poster", "data") if found.get(name)]


@cache
def pages_of(folder: Path) -> dict[str, Page]:
    return {str(page.relative_to(folder)): Page(page.read_text()) for page in sorted(folder.rglob("*.html"))}


def loaded_from_afar(folder: Path) -> list[tuple[str, str]]:
    """Addresses on the network that pages or their styles load."""
    found = [(name, load) for name, page in pages_of(folder).items() for load in page.loads if "//" in load]
    for style in folder.rglob("*.css"):
        found += [(style.name, url) for url in re.findall(r"url\(['\"]?((?:https?:)?//[^)'\"]*)", style.read_text())]
    return found


def dangling(folder: Path) -> list[tuple[str, str]]:
    """Links and pictures inside the site that lead nowhere."""
    pages, lost = pages_of(folder), []
    for name, page in pages.items():
        for link in page.links + page.loads:
            path, _, anchor = unquote(link).partition("#")
            path = posixpath.normpath(posixpath.join(posixpath.dirname(name), path.partition("?")[0])) if path else name
            if ":" in path or path == "genindex.html":
                continue
            if not (folder / path).is_file() or (anchor and path in pages and anchor not in pages[path].ids):
                lost.append((name, link))
    return lost


def test_a_page_loads_nothing_from_the_network(site):
    assert loaded_from_afar(site[0]) == []


def test_links_between_pages_lead_somewhere(site):
    assert dangling(site[0]) == []


def test_what_is_loaded_and_what_leads_nowhere_is_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<link rel="stylesheet" href="a.css"><script src="https://cdn.org/x.js"></script><img src="//cdn.org/y.png">'
        '<a href="#here" id="there">x</a> <a href="b.html">y</a> <a href="https://physics.org">z</a>'
        '<a href="#there">w</a>'
    )
    (tmp_path / "a.css").write_text("@font-face {src: url('https://cdn.org/font.woff')} p {background: url(own.png)}")
    assert [load for _, load in loaded_from_afar(tmp_path)] == [
        "https://cdn.org/x.js",
        "//cdn.org/y.png",
        "https://cdn.org/font.woff",
    ]
    assert [link for _, link in dangling(tmp_path)] == ["#here", "b.html", "//cdn.org/y.png"]


def test_formulas_are_drawn_without_a_script(site):
    pages = {name: (site[0] / name).read_text() for name in ("notation.html", "lattice.html", "gallery.html")}
    assert pages["notation.html"].count("<math ") > 80
    for name, text in pages.items():
        bare = re.sub(r"<(pre|code).*?</\1>|<[^>]*>", "", text, flags=re.DOTALL)
        assert not re.findall(r"\\(?:frac|langle|mathrm|eta|\()", bare), name


def test_the_gallery_has_every_figure_with_its_lines(site):
    page = pages_of(site[0])["gallery.html"]
    text = re.sub(r"<[^>]*>", "", (site[0] / "gallery.html").read_text())
    shown = {name for p in PAGES for name in re.findall(r"\(figures/([^)]+\.png)\)", p.read_text())}
    assert len(shown) > 50
    assert {Path(load).name for load in page.loads if load.startswith("thumbnails/")} == shown
    assert {Path(link).name for link in page.links if link.startswith("_images/")} == shown
    assert "python sims/noise_sweep.py" in text and "python -m sims.fss_against_truth" in text
    assert max((site[0] / "thumbnails" / name).stat().st_size for name in shown) < 500_000


@pytest.mark.slow
def test_the_documentation_builds_from_the_command_line(tmp_path):
    words = ["-W", "--keep-going", "-q", "-b", "html", str(ROOT / "docs"), str(tmp_path)]
    answer = subprocess.run([sys.executable, "-m", "sphinx", *words], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "furo" in (tmp_path / "index.html").read_text()


def test_the_tutorial_runs_as_a_notebook(tmp_path):
    notebook = jupytext.read(ROOT / "docs" / "tutorial.md")
    assert sum(cell.cell_type == "code" for cell in notebook.cells) >= 10
    done = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT / "docs")}}).execute()
    printed = "".join(out.get("text", "") for cell in done.cells for out in cell.get("outputs", []))
    assert "crossing" in printed and "1/nu = " in printed and "2D Ising" in printed


def test_the_examples_of_the_api_run(tmp_path, monkeypatch, capsys):
    page = (ROOT / "docs" / "api.md").read_text()  # its last part lists columns
    assert all("```python" in part for part in re.split(r"^## ", page, flags=re.MULTILINE)[1:-1])
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)), "api.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "crossing" in printed and "'measurement')" in printed and "wolff" in printed


def test_the_api_lists_what_is_measured_and_fitted(site):
    page = (site[0] / "api.html").read_text()
    text = re.sub(r"<[^>]*>", "", page)
    for word in ("temperature", "structure_y_improved", "largest_ratio", "zeta/nu by default", "cluster wraps"):
        assert word in text, word
    assert text.count("&lt;m&gt;") and page.count("<h2>") > 15


TINY = {
    "ising": "SIZES, SWEEPS = [8, 16, 32], 1500",
    "table": "SIZES, TRIALS = [12, 24, 48], 300",
    "network": "SIZES, NOISE, IMAGES = [20, 24, 28], [0.0, 0.4, 0.8, 1.2], 4",
}
"""First settings of notebooks in place of theirs; replicas and the cluster take longer and are the slow test's."""


def test_every_notebook_is_run():
    assert {page.stem for page in NOTEBOOKS} == {*TINY, "replicas", "cluster"}


@pytest.mark.parametrize("name", TINY)
def test_a_notebook_runs_in_small(name, tmp_path, monkeypatch, capsys):
    cells = jupytext.read(ROOT / "docs" / "notebooks" / f"{name}.md").cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    small, found = re.subn(r"^[A-Z, ]+ = .*$", TINY[name], code, count=1, flags=re.MULTILINE)
    assert found == 1
    monkeypatch.chdir(tmp_path)
    exec(compile(small, name, "exec"), {"__name__": name})
    assert capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("page", NOTEBOOKS, ids=lambda page: page.stem)
def test_a_notebook_runs_as_it_stands(page, tmp_path):
    NotebookClient(jupytext.read(page), timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()


def test_the_table_of_streams_is_complete():
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert all(f"`{name}`" in text for name in rng.STREAMS)


def test_the_changelog_knows_this_version():
    assert re.search(
        rf"^## {re.escape(physnn.__version__)}", (ROOT / "docs" / "changelog.md").read_text(), re.MULTILINE
    )


def test_every_figure_of_readme_and_docs_is_made_by_a_sim():
    made = "\n".join(f.read_text() for f in SIMS)
    for page in [README, *PAGES]:
        for image in re.findall(r"!\[[^\]]*\]\(([^)]+\.png)\)", page.read_text()):
            assert (page.parent / image).is_file()
            assert Path(image).name in made, f"{page.name}: {image}"


@pytest.mark.parametrize("page", [README, *PAGES, *SIMS], ids=lambda page: page.name)
def test_every_name_that_is_told_exists(page):
    text = page.read_text()
    names = set(re.findall(r"(?<![\w.])physnn(?:\.[A-Za-z_]\w*)+", text))  # data.physnn is an accessor of xarray
    for module, imported_names in re.findall(r"^\s*from (physnn[\w.]*) import ([\w, ]+)$", text, re.MULTILINE):
        names |= {f"{module}.{name.split()[0]}" for name in imported_names.split(",")}
    for name in sorted(names):
        if not name.endswith((".h5", ".py")):
            pkgutil.resolve_name(name)


def commands(page: Path) -> list[list[str]]:
    """Words of the command lines on a page that call physnn."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in re.split(r"\n|;|&&", block.replace("\\\n", " "))]
    split = [shlex.split(line, comments=True) for line in lines if line.strip().startswith("physnn ")]
    return [[word for word in words[1:] if word not in ("&", "--help")] for words in split]


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.name)
def test_every_command_line_is_understood(page):
    for line in commands(page):
        words, command = line, cli
        context = click.Context(command)
        while words and isinstance(command, click.Group):
            name, command, words = command.resolve_command(context, words)
        if not isinstance(command, click.Group):
            command.make_context(name, words)


def imported(sim: Path, monkeypatch) -> ModuleType:
    """Module of a sim, which does not run."""
    monkeypatch.chdir(ROOT)
    spec = importlib.util.spec_from_file_location(f"sim_{sim.stem}", sim)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("sim", SIMS, ids=lambda sim: sim.stem)
def test_a_sim_finds_what_it_uses(sim, monkeypatch):
    module = imported(sim, monkeypatch)
    for node in ast.walk(ast.parse(sim.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used = getattr(module, node.value.id, None)
            assert not isinstance(used, ModuleType) or hasattr(used, node.attr), f"{node.value.id}.{node.attr}"


def test_every_sim_has_a_line():
    named = re.findall(r"^\| `(\w+)\.py", (ROOT / "sims" / "README.md").read_text(), re.MULTILINE)
    assert sorted(named) == [sim.stem for sim in SIMS]


def test_planted_bugs_fit_the_source(monkeypatch):
    for bug in imported(ROOT / "sims" / "mutation_score.py", monkeypatch).BUGS:
        assert bug.line in (ROOT / "physnn" / bug.module).read_text(), bug
        assert all((ROOT / test).is_file() for test in bug.tests), bug


def printed_columns() -> set[str]:
    """Words of the headers of all tables that commands print: lists given to `print_table`, or named as headers."""
    found = set()
    texts = (file.read_text() for room in ("cli", "reports") for file in sorted((ROOT / "physnn" / room).rglob("*.py")))
    for text in (text for text in texts if "_table(" in text):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
                "print_table",
                "told_table",
                "html_table",
            ):
                where = node.args[1:2]
            elif isinstance(node, ast.Assign) and "head" in getattr(node.targets[0], "id", "").lower():
                where = [node.value]
            else:
                continue
            constants = [c.value for part in where for c in ast.walk(part) if isinstance(c, ast.Constant)]
            found |= {c.strip() for c in constants if isinstance(c, str) and "<" not in c} - {"", "_", "+"}
    return found


def test_the_glossary_has_every_column_that_is_printed():
    text = (ROOT / "docs" / "glossary.md").read_text()
    told = "\n".join(re.findall(r"`([^`]+)`", text))
    columns = printed_columns()
    assert {"T* by G(r)", "P_anti/P_per", "seeds for 80 %"} <= columns
    assert sorted(column for column in columns if column not in told) == []


LONGEST = 35
"""A sentence has fewer words than this."""


def sentences(text: str) -> list[list[str]]:
    """Words of every sentence outside code blocks, tables and displayed formulas; inline ones count as one word."""
    for pattern, instead in (
        (r"\A---\n.*?\n---\n", ""),
        (r"^```.*?^```[^\n]*$", "\n\n"),
        (r"\$\$.*?\$\$|\$[^$]*\$", " formula "),
        (r"`[^`]*`", " code "),
        (r"!\[[^\]]*\]\([^)]*\)", " "),
        (r"\]\([^)]*\)", "]"),
        (r"^\s*\|.*$", "\n"),
        (r"^(?=\s*(?:[-*#]|\d+\.) |#)", "\n"),
    ):
        text = re.sub(pattern, instead, text, flags=re.MULTILINE | re.DOTALL if ".*?" in pattern else re.MULTILINE)
    paragraphs = (" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text))
    found = (s for paragraph in paragraphs for s in re.split(r"(?<=[.!?])[\"*)\]]*\s+", paragraph))
    return [re.findall(r"[A-Za-z0-9][\w'.,%-]*", sentence) for sentence in found]


def test_sentences_are_short():
    pages = [README, *PAGES]
    long = [(page.name, " ".join(s)) for page in pages for s in sentences(page.read_text()) if len(s) >= LONGEST]
    assert long == []


def test_words_of_sentences_are_counted():
    text = "Two words.  Three $x + y$ `of code`!\n\n| a | table |\n\n```python\ncode here\n```\n- an item\n- another\n"
    assert [len(words) for words in sentences(text) if words] == [2, 3, 2, 1]
