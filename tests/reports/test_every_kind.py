"""Every kind of file that physnn writes has a page with a verdict, tables and figures that could be drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from physnn import api, rng
from physnn.reports.page import ReportPart
from physnn.reports.report_files import report_parts, write_report
from physnn.samples.kinds import KINDS
from physnn.samples.training.classifiers import train_ensembles
from physnn.store.ensemble_file import write_distances
from tests.reports.test_page import assert_inert
from tests.samples.bottleneck.test_energy_maps import NET
from tests.samples.training.test_ensembles import MEMBERS
from tests.samples.training.test_sentiment import SMALL as REVIEWS
from tests.samples.training.test_sentiment import WORDS

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

ISING = {"L": (2, 3), "T": (2.0, 3.0), "sweeps": 400, "chains": 2, "snapshots": 2, "thermalisation": 50}
FEW = {"hidden": (8,), "steps": 100, "batch": 50, "chains": 50, "samples": 200, "thin": 2, "keep": 10, "anneal": 10}
SETTINGS = {
    "noise": {"L": (20, 24), "eta": (0.0, 0.1, 0.2, 0.3), "images": 5, "networks": ["kuramoto_symmetric"]},
    "temperature": ISING,
    "percolation": {"L": (4, 6), "p": (0.5, 0.59, 0.7), "runs": 64, "series": 2},
    "coupling": {"N": (9, 16), "K": (0.5, 1.5), "duration": 2.0, "series": 2, "realisations": 2, "step": 0.1},
    "path-integral": {"L": (3, 4), "h": (0.8, 1.3), "sweeps": 200, "thermalisation": 5, "chains": 2},
    "equilibrium": {
        "L": (4, 6),
        "T": (0.9, 1.1),
        "model": ("xy",),
        "sweeps": 1000,
        "thermalisation": 50,
        "interval": 5,
    },
    "memory": {"L": (8, 12), "eta": (1.0, 3.0), "model": ("diagonal", "1", "0"), "replicas": 4, "longest": 300},
    "seam": {"L": (4, 8), "T": (0.4,), "axes": (0,), "measurements": 400, "words": {"wall": ("diagonal", "1", "0")}},
    "ground-state": {
        **{"model": "tfim", "L": (4,), "h": (0.5, 1.0), "alpha": 1, "samples": 32, "doublings": 1, "steps": 24},
        **{"measurements": 256, "seeds": (0, 1, 2, 3)},
    },
    "landscape": {"layers": (1, 3, 3, 2, 1), "points": 8},
    "landscape-sampling": {"layers": (1, 2, 2, 1), "points": 8, "walkers": 2, "moves": 25_000},
    "train-kuramoto": {
        **{"L": 20, "steps": 2, "epochs": 2, "pairs_per_epoch": 8, "batch": 4, "validation_pairs": 8, "seeds": (0, 1)},
        "device": "cpu",
    },
    "train-eos": {"arms": ("raw", "expanded", "law"), "seeds": (0, 1), "steps": 20, "constants": (2.0, -1.0)},
    "train-pde": {
        **{"problem": "burgers", "arms": ("raw", "expanded"), "seeds": (0, 1), "steps": 20, "points": 16, "depth": 2},
        **{"width": (6, 8), "constants": (2.0, -1.0), "engine": "torch"},
    },
    "train-rbm": {"data": "{ising}", **FEW},
    "train-colour": {
        **{"arms": ("raw", "expanded", "longer"), "seeds": (0, 1), "steps": 2, "side": (4,), "width": 4, "levels": 1},
        **{"images": 8, "test": 1, "batch": 2, "times": 20, "samples": 2, "sampling_steps": 3},
    },
    "train-sentiment": {"data": "{reviews}", **REVIEWS},
    "train-labels": {"train": 110, "test": 40, "epochs": 1, "seeds": (0, 1), "rates": (1e-2,), "engine": "loop"},
    "recall": {"data": "{vectors}", "splits": 3, "shots": (1, 2)},
    "energy-map": {"module": "{net}:Net", "images": "{images}", "batch": 6, "conditions": ("none", "mirror")},
}
"""Smallest settings of every kind; names in braces are files of the fixture."""


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> dict[str, str]:
    """Data that kinds need."""
    folder, g = tmp_path_factory.mktemp("kinds"), rng.stream(0, "synthetic", "reviews")
    api.run(api.recipe("temperature", **ISING), folder / "ising.h5", jobs=1)
    lines = []
    for part in ("train", "test"):
        for k in range(40):
            text = " ".join([*g.choice(WORDS, 6), ("awful", "great")[k % 2]])
            lines.append(json.dumps({"split": part, "label": k % 2, "text": text}))
    (folder / "reviews.jsonl").write_text("\n".join(lines))
    (folder / "net.py").write_text(NET)
    for name in ("blue", "red"):
        (folder / "images" / name).mkdir(parents=True)
        for n in range(6):
            values = g.integers(0, 255, (20, 24, 3)).astype("uint8")
            Image.fromarray(values).save(folder / "images" / name / f"{n}.png")
    names = {"ising": "ising.h5", "reviews": "reviews.jsonl", "net": "net.py", "images": "images"}
    found = {name: str(folder / place) for name, place in names.items()} | {"folder": str(folder)}
    vectors = folder / "vectors.h5"
    how = {"module": f"{found['net']}:Net", "images": found["images"], "vectors": True}
    api.run(api.recipe("energy-map", conditions=("none", "grain"), **how), vectors, jobs=1)
    return found | {"vectors": str(vectors)}


def made(kind: str, places: dict[str, str]) -> Path:
    """File of a kind."""
    out = Path(places["folder"]) / f"{kind}.h5"
    if not out.exists() and kind == "train-classify":
        train_ensembles(MEMBERS, (0, 1, 2), out=out, jobs=1)
    elif not out.exists():
        given = {n: v.format(**places) if isinstance(v, str) else v for n, v in SETTINGS[kind].items()}
        api.run(api.recipe(kind, **given), out, jobs=1)
    return out


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
