"""Pages: what files say is there, in text that is never obeyed, and nothing from elsewhere is."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import physnn
from physnn.answers.formats.markup import as_text, inline_svg, sort_number
from physnn.cli import run
from physnn.errors import InputError, Unfinished
from physnn.reports.page import ReportPart, policy, report_page
from physnn.reports.report_files import report_parts, written_page
from physnn.reports.told import Telling, ToldTable
from physnn.store.sweep_file import write_sweep
from tests.conftest import planted_sizes

HARMLESS = ("<b>x</b>", "<script>document.title='x'</script>", '"><img src=x onerror=document.title=1>', "</style>")
"""Names that would become elements where they are not shown as text."""


class Seen(HTMLParser):
    """Elements, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self.comments: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)

    def handle_comment(self, data):
        self.comments.append(data)


def assert_inert(page: str) -> Seen:
    """Check that a page has the elements of ours alone, acts by its own script, and asks for nothing."""
    seen = Seen(page)
    assert [seen.elements.count(name) for name in ("script", "style", "b", "iframe", "object", "form")] == [
        1,
        1,
        0,
        0,
        0,
        0,
    ]
    assert "img" not in seen.elements and not seen.comments
    assert not [name for name, _ in seen.attributes if name.startswith("on") or name in ("src", "style", "srcset")]
    places = {str(value)[:1] for name, value in seen.attributes if name in ("href", "xlink:href")}
    assert places <= {"#", "d"}  # parts of itself, and data of its own
    assert f"{policy()}" in [value for name, value in seen.attributes if name == "content"]
    return seen


@pytest.fixture(scope="module")
def crossing(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "a <b>x<b> & 'c'.h5"
    write_sweep(path, {"kind": "planted", "seed": 1, "note": HARMLESS[1], "</table>": HARMLESS[2]}, planted_sizes(1))
    return path


def test_a_page_tells_all_and_obeys_nothing(crossing, capsys):
    page = crossing.with_suffix(".html")
    assert run(["report", str(crossing), "--out", str(page), "--quiet"]) == 0
    said = capsys.readouterr().out
    seen = assert_inert(page.read_text())
    text = " ".join(seen.text)
    fit = physnn.fit(crossing)
    sentence = repr(fit).splitlines()[0]
    assert sentence in text and sentence in said and sentence in fit._repr_html_(), "one sentence in all places"
    assert re.fullmatch(r"There is a transition at eta_c = 0\.45\d*\(\d+\), with 1/nu = 0\.8\d*\(\d+\): .*", sentence)
    for words in (*HARMLESS[1:3], "a <b>x<b> & 'c'.h5", "physnn run", "@software{physnn", "digest of its data"):
        assert words in text
    assert seen.elements.count("svg") == 7 and "table" in seen.elements
    identities = [value for name, value in seen.attributes if name == "id"]
    assert len(identities) == len(set(identities))
    assert {value[1:] for name, value in seen.attributes if name == "href" and value[0] == "#"} <= set(identities)


def test_the_policy_allows_its_own_style_and_script_alone():
    page = report_page([ReportPart("x", [Telling("y", ())], {}, {}, ())], "")
    for name in ("style", "script"):
        inside = re.search(rf"<{name}>(.*?)</{name}>", page, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy()
    assert "default-src 'none'" in policy() and "unsafe" not in policy() and "http" not in policy()


@pytest.mark.parametrize("name", HARMLESS)
def test_names_are_text_everywhere(name):
    told = Telling(name, (name, ToldTable(name, (name, "n"), ((name, "1"),))), ((name, lambda: 1 / 0),), name, name)
    part = ReportPart(name, [told], {name: name}, {name: name}, [(name, name)])
    seen = assert_inert(report_page([part, part], name, 5.0))
    assert sum(name in text for text in seen.text) >= 2 * 10
    assert "could not be drawn (ZeroDivisionError" in " ".join(seen.text)


def test_who_is_told_to_stop_does_not_blame_a_figure():
    def stopped():
        raise Unfinished("stopped (SIGTERM)")

    part = ReportPart("x", [Telling("y.", (), (("z", stopped),))], {}, {}, ())
    with pytest.raises(Unfinished, match="SIGTERM"):
        report_page([part], "")


def test_figures_of_strangers_draw_and_do_nothing_else():
    svg = (
        '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" xmlns:x="http://www.w3.org/1999/xlink" '
        'viewBox="0 0 9 9" onload="a()"><!-- <b>x</b> --><script>a()</script><style>*{}</style>'
        '<defs><path id="m" d="M0 0" style="stroke: #ff0000; background: url(http://a)"/></defs>'
        '<a x:href="http://a"><path d="M1 1"/></a><foreignObject/><use x:href="#m" clip-path="url(#m)"/>'
        '<image x:href="http://a/b.png"/><image x:href="data:image/png;base64,AA=="/><g fill="url(http://a)"/></svg>'
    )
    found = inline_svg(svg, "k-", 'a "b"')
    assert "http" not in found and "a()" not in found and "background" not in found and "<!--" not in found
    for words in ('<path id="k-m" d="M0 0" stroke="#ff0000">', 'href="#k-m"', 'clip-path="url(#k-m)"', "AA=="):
        assert words in found
    assert 'aria-label="a &quot;b&quot;"' in found and found.count("<image") == 2 and found.count("<a") == 0


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        *(("2.26919(4)", 2.26919), ("> 3.1e+03", 3100.0), ("1,234", 1234.0), ("-0.5 %", -0.5), ("1.2(3)e-5", 1.2e-5)),
        *(("converged", None), ("", None), (".5", 0.5), ("L = 8", None), ("3e4 +- 5 %", 3e4)),
    ],
)
def test_cells_are_sorted_by_the_number_they_begin_with(cell, number):
    assert sort_number(cell) == number


def test_letters_that_turn_text_around_are_told_by_number():
    assert as_text("a\u202eb\x00\ud800") == "a\\u202eb\\u0000\\ud800"


def test_curves_without_a_crossing_and_tables_have_pages(tmp_path):
    write_sweep(tmp_path / "flat.h5", {"kind": "planted"}, planted_sizes(2, crosses=False))
    lines = [f"{L} {x} {0.5 - L * x / 100} 0.001" for L in (8, 16, 32) for x in np.linspace(-0.4, 0.4, 9)]
    (tmp_path / "table.csv").write_text("L x binder error\n" + "\n".join(lines) + "\n")
    beside, first, second = report_parts([tmp_path / "flat.h5", tmp_path / "table.csv"])
    assert first.told[0].sentence == "No transition is seen: curves of rmse against eta do not cross."
    assert "curves of binder against x" in second.told[0].sentence
    assert beside.title == "flat.h5 beside table.csv" and beside.told[0].undecided


def test_one_size_alone_is_shown_and_a_file_without_an_answer_is_listed(tmp_path):
    sizes = planted_sizes(1)
    write_sweep(tmp_path / "one.h5", {"kind": "planted"}, {16: sizes[16]})
    (part,) = report_parts([tmp_path / "one.h5"])
    assert part.told[0].undecided and "nothing to compare" in part.told[0].evidence[0]
    odd = {16: {name: sizes[16][name] for name in ("eta", "network")}}
    write_sweep(tmp_path / "odd.h5", {"kind": "odd"}, odd)
    (part,) = report_parts([tmp_path / "odd.h5"])
    assert "no verdict is made of it" in part.told[0].sentence and any("16" in str(e) for e in part.told[0].evidence)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["none.h5"], "there is no file none.h5"),
        (["{file}", "--out", "page.png"], "ends in .html"),
        (["{file}", "--observable", "none"], "none"),
        (["{file}", "--at", "T=1"], "does not vary"),
        (["--live", "none.h5"], "there is neither none.h5 nor an unfinished run of it"),
    ],
)
def test_bad_input_is_one_line(crossing, words, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["report", *(word.format(file=crossing) for word in words), "--quiet"]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and says in captured.err and not list(tmp_path.iterdir())


def test_a_file_is_not_replaced_by_its_report(crossing, tmp_path):
    data = tmp_path / "data.html"
    data.write_bytes(crossing.read_bytes())
    for source in (data, crossing):
        with pytest.raises(InputError):
            written_page(source, out=data)
    assert data.read_bytes() == crossing.read_bytes()
