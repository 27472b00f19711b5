"""Answers as frames: estimates are two columns, and every answer that can be plain data is a frame, too."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas
import pytest

import physnn
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.frames import Tabled, by_name, frame
from physnn.store.sweep_file import write_sweep
from tests.conftest import planted_sizes
from tests.frames import assert_framed

PARTS = {"Decided", "FlowRun", "Compared", "Beside", "NullModel", "Merging", "Joined", "Equality", "Growth"}
PARTS |= {"Collapse", "Decision", "Estimate", "NoiseThreshold", "PooledMean", "Thermometer", "TwoLevel"}
"""Classes that are plain data inside an answer, not one."""


@dataclass(frozen=True)
class Inner:
    value: Estimate
    note: str


@dataclass(frozen=True)
class Row:
    L: int
    y: Estimate | None
    inner: Inner
    by: dict[str, float]
    sizes: tuple[int, ...]
    curve: np.ndarray

    @property
    def verdict(self) -> str:
        return "yes"


@dataclass(frozen=True)
class Answer(Tabled):
    rows: tuple[Row, ...]


def test_a_row_becomes_columns_by_the_kinds_of_its_parts():
    inner = Inner(Estimate(3.0, 0.4), "n")
    row = Row(8, Estimate(1.0, 0.2), inner, {"a": 1.5}, (8, 16), np.zeros(3))
    (found,) = Answer((row,)).to_dataframe().to_dict("records")
    assert found == {
        **{"L": 8, "y": 1.0, "y_error": 0.2, "inner_value": 3.0, "inner_value_error": 0.4, "inner_note": "n"},
        **{"by_a": 1.5, "sizes": "8 16", "verdict": "yes"},
    }
    without = frame([row, {"L": 16, "y": None}])
    assert without["y_error"].isna().tolist() == [False, True] and without["L"].tolist() == [8, 16]
    assert by_name("arm", a={"x": 1}, b={"x": 2, "y": 3}) == [
        {"arm": "x", "a": 1, "b": 2},
        {"arm": "y", "a": None, "b": 3},
    ]
    with pytest.raises(TypeError, match="mapping or a dataclass"):
        frame([3])


@pytest.mark.filterwarnings("ignore:The behavior of DataFrame concatenation:FutureWarning")  # pandas 2
def test_a_fit_is_one_row_that_joins_those_of_other_files(tmp_path):
    write_sweep(tmp_path / "one.h5", {"kind": "planted"}, planted_sizes(1))
    answer = physnn.fit(tmp_path / "one.h5")
    names = ("observable", "control", "verdict", "eta_c", "eta_c_error", "1/nu", "1/nu_error", "chi2/dof", "p")
    assert_framed(answer, 1, *names, value=answer.collapse.critical_point)
    write_sweep(tmp_path / "flat.h5", {"kind": "planted"}, planted_sizes(2, crosses=False))
    both = pandas.concat([found.to_dataframe() for found in (answer, physnn.fit(tmp_path / "flat.h5"))])
    assert both["verdict"].tolist() == ["crossing", "no-crossing"] and both["eta_c"].isna().tolist() == [False, True]


def test_every_answer_is_a_frame():
    """A class of answers with plain data has a frame, or is part of one that has."""
    bare = []
    root = Path(physnn.__file__).parent
    for path in [*(root / "answers").rglob("*.py"), *(root / "analysis").rglob("*.py")]:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and node.name not in PARTS and not node.name.startswith("_"):
                own = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
                bases = {ast.unparse(base) for base in node.bases}
                if own & {"as_json", "to_json"} and not bases & {"Tabled", "Fit"}:
                    bare.append(node.name)
    assert bare == []
