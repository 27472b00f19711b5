"""Answers that commands compute from files: printed with a sentence first, and the same on a page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from physnn.cli import run
from tests.reports.chromium import BROWSER, browser_page
from tests.reports.test_page import assert_inert

ENTANGLE = ["entangle", "--L", "8", "16", "--h", "1", "--quiet"]


def page_of(words: list[str], page: Path, capsys, statuses: tuple[int, ...] = (0,)) -> list[str]:
    """Lines that a command prints, whose first is on its page, as are all its figures and tables."""
    assert run([*words, "--report", str(page)]) in statuses
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    seen = assert_inert(page.read_text())
    text = " ".join(seen.text)
    assert lines[0] in text and lines[0][0].isupper() and lines[0].endswith("."), "the sentence comes first"
    assert lines[-1] == f"page    {page}"
    assert "could not be drawn" not in text and "svg" in seen.elements and "table" in seen.elements
    return lines


def test_an_answer_is_printed_and_put_on_a_page(tmp_path, capsys):
    lines = page_of(ENTANGLE, tmp_path / "cuts.html", capsys)
    assert lines[0].startswith("Entropies are known at every cut of 2 states; the central charge of tfim, L = 16")
    assert run([*ENTANGLE, "--json", "--report", str(tmp_path / "again.html")]) == 0
    assert json.loads(capsys.readouterr().out)["page"] == str(tmp_path / "again.html")


@pytest.mark.parametrize("name", ["cuts.png", "nowhere/cuts.html"])
def test_a_page_that_cannot_be_is_refused_before_anything_is_computed(name, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("physnn.answers.quantum.entanglement.ground_entropies", lambda *_: pytest.fail("computed"))
    assert run([*ENTANGLE, "--report", str(tmp_path / name)]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Small files of all kinds that something is computed from."""
    folder = tmp_path_factory.mktemp("computed")
    ising = ["sweep-temperature", "--L", "8", "16", "--sweeps", "400", "--chains", "4", "--snapshots", "4", "--quiet"]
    assert run([*ising, "--T", "2.2", "2.27", "2.35", "--out", str(folder / "ising.h5"), "--jobs", "1"]) == 0
    nets = ["train", "classify", "--seeds", "0", "1", "--epochs", "2", "--train", "100", "--quiet", "--jobs", "1"]
    charges = [*nets, "--network", "batchnorm", "--optimiser", "sgd", "--charges", "--out", str(folder / "nets.h5")]
    assert run(charges) == 0
    return folder


COMPUTED = {
    "decide": ["decide", "ising.h5", "--resamples", "40"],
    "flow": ["flow", "ising.h5", "--quiet"],
    "diagnose": ["diagnose", "kuramoto_symmetric", "--images", "2", "--quiet"],
    "charges": ["charges", "nets.h5", "--quiet"],
    "equivariance": ["equivariance", "nets.h5", "--images", "20", "--quiet"],
    "entangle": ["entangle", "--random", "quarter", "--L", "4", "6", "--draws", "3", "--quiet"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPUTED)
def test_every_computed_answer_has_a_page(name, made, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(made)
    page = tmp_path / f"{name}.html"
    page_of(COMPUTED[name], page, capsys, (0, 3))
    if BROWSER is None:
        return
    with browser_page() as shown:
        for width in (1280, 390):
            shown.open(page, width)
            assert shown.value("document.documentElement.scrollWidth") <= width, "nothing sticks out"
            assert shown.value("document.querySelector('.verdict').getBoundingClientRect().top") < 300
            shown.click("document.querySelector('.tools button')")
            asked = {address for address in shown.requests if not address.startswith("data:")}
            assert not shown.complaints and asked == {page.as_uri()}
            assert shown.picture(tmp_path / f"{name}-{width}.png").stat().st_size > 10_000
