"""Every kind of file that physnn writes has a page with a verdict, tables and figures that could be drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from physnn import rng
from physnn.reports.page import ReportPart
from physnn.reports.report_files import report_parts, write_report
from physnn.samples.kinds import KINDS
from physnn.store.ensemble_file import write_distances
from tests.reports.test_page import assert_inert
from tests.samples.smallest import SETTINGS, made, make_places

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> dict[str, str]:
    """Data that kinds need."""
    return make_places(tmp_path_factory.mktemp("kinds"))


def check_page(out: Path, folder: Path, *more: Path) -> list[ReportPart]:
    """Parts of a page, which is inert and on which every figure is drawn."""
    page = folder / f"{out.stem}.html"
    parts = write_report([out, *more], page)
    seen = assert_inert(page.read_text())
    assert "could not be drawn" not in page.read_text()
    drawn = sum(len(told.figures) for part in parts for told in part.told)
    assert seen.elements.count("svg") >= drawn
    for part in parts:
        for told in part.told:
            assert told.evidence and "no verdict is made of it" not in told.sentence, told
            assert told.sentence[-1] == "." and told.sentence[0] in told.sentence[0].upper(), told.sentence
            assert told.sentence in " ".join(seen.text)
    return parts


@pytest.mark.parametrize("kind", [*SETTINGS, "train-classify"])
def test_a_kind_has_a_page(kind, places):
    out = made(kind, places)
    (part,) = check_page(out, out.parent)
    assert part.recipe["kind"] == kind or kind in ("train-kuramoto", "train-classify")


def test_there_is_no_other_kind():
    assert {*SETTINGS, "train-classify"} == KINDS.keys()


def test_distances_of_replicas_have_a_page(places, tmp_path):
    g, matrices = rng.stream(0, "synthetic", "distances"), {}
    for k, name in enumerate(("near", "far")):
        points = g.normal(size=(9, 3)) * (1 + k)
        matrices[name] = {"wasserstein": abs(points[:, None] - points[None]).sum(-1)}
    write_distances(tmp_path / "replicas.h5", {"kind": "replicas"}, matrices)
    (part,) = check_page(tmp_path / "replicas.h5", tmp_path)
    assert "far > near" in part.told[0].sentence


@pytest.mark.parametrize(("a", "b"), [("train-rbm", "temperature"), ("ground-state", "path-integral")])
def test_two_files_are_told_side_by_side(a, b, places, tmp_path):
    first, second = made(a, places), made(b, places)
    parts = report_parts([first, second])
    assert len(parts) == 2 + (a == "train-rbm") and all(part.told[0].evidence for part in parts)


def test_a_file_whose_data_are_gone_is_listed(places, tmp_path):
    (tmp_path / "machines.h5").write_bytes(made("train-rbm", places).read_bytes())
    data = Path(places["ising"])
    data.rename(data.with_suffix(".away"))
    try:
        (part,) = report_parts([tmp_path / "machines.h5"])
    finally:
        data.with_suffix(".away").rename(data)
    assert "no verdict is made of it" in part.told[0].sentence and str(data) in str(part.told[0].evidence[0])
