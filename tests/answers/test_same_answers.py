"""The same answer on every machine: kernels of linear algebra, orders, units and rounding change no estimate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import physnn
from physnn import api, rng
from physnn.analysis.collapse.dynamic import dynamic_scaling
from physnn.analysis.curves.points import Points
from physnn.analysis.order.seam import seam_cost
from physnn.answers.decide import study
from tests.analysis.collapse.test_dynamic import planted
from tests.analysis.memory.test_contrast import planted as planted_memories
from tests.analysis.order import test_seam as seams
from tests.answers.test_tables import corrected, precise
from tests.frames import assert_framed

KERNELS = ["Haswell", *(pytest.param(name, marks=pytest.mark.slow) for name in ("Nehalem", "SkylakeX", "Zen"))]
"""Kernels of the linear-algebra library; one by default, those that a processor lacks fall back on others."""


def answers(change=None) -> list[tuple[float, float]]:
    """Estimates and errors of two tables, each changed before it is fitted."""
    found = []
    for table in (corrected(1, omega=50.0), precise(2.0, digits=6)):
        columns = [np.asarray(column, float) for column in table]
        best = physnn.fit_arrays(*(change(columns) if change else columns), resamples=50).collapse
        found += [(e.value, e.error) for e in (best.critical_point, best.inverse_nu, best.omega)]
    return found


def other_fits(folder: Path, change=None) -> list[tuple[float, float]]:
    """Estimates and errors of a common fit and of a dynamic one, from tables changed before."""
    tables = []
    for seed in (1, 2):
        columns = [np.asarray(column, float) for column in corrected(seed, omega=50.0)]
        rows = np.column_stack(change(columns) if change else columns).tolist()
        tables.append(folder / f"{seed}.csv")
        tables[-1].write_text("L,x,y,error\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows))
    joint = physnn.fit_joint(tables[0], [str(tables[1])], resamples=50)
    assert_framed(joint, 1, "observables", "critical_point", "inverse_nu", value=joint.critical_point)
    points = planted(0)
    columns = [points.L, points.x, points.y, points.error, points.t]
    L, x, y, error, t = change(columns) if change else columns
    moved = dynamic_scaling(
        Points(L, x, y, error, t=t), (None,) * 4, 0, generator=rng.stream(0, "bootstrap", "dynamic")
    )
    found = [
        joint.critical_point,
        joint.inverse_nu,
        moved.critical_point,
        moved.inverse_nu,
        moved.zeta_over_nu,
        moved.z,
    ]
    return [(e.value, e.error) for e in found]


def shifted(one, other) -> float:
    """Largest difference of estimates, in errors."""
    return max(abs(a[0] - b[0]) / a[1] for a, b in zip(one, other, strict=True))


def worst(one, other) -> float:
    """Largest difference of two lists of answers, in errors."""
    return max(abs(a[0] - b[0]) / a[1] + abs(b[1] / a[1] - 1) for a, b in zip(one, other, strict=True) if a[1])


@pytest.fixture(scope="module")
def usual():
    return answers()


def test_order_units_and_a_jitter_of_rounding_change_no_answer(usual):
    g = rng.stream(0, "synthetic", "jitter")
    order, jitter = g.permutation(90), 1 + 1e-12 * g.standard_normal(90)
    moved = answers(lambda c: [column[order] for column in (c[0], c[1], 8 * c[2] * jitter, 8 * c[3])])
    assert worst(usual, moved) < 0.02
    # The negative control: a change of a tenth of the errors is seen.
    assert worst(usual, answers(lambda c: [c[0], c[1], c[2] + 0.1 * c[3] * g.standard_normal(90), c[3]])) > 0.02


def test_order_units_and_a_jitter_change_no_common_or_dynamic_fit(tmp_path):
    g = rng.stream(0, "synthetic", "jitter of other fits")

    def jittered(c):
        order = g.permutation(len(c[0]))
        return [
            column[order]
            for column in (*c[:2], 8 * c[2] * (1 + 1e-12 * g.standard_normal(len(order))), 8 * c[3], *c[4:])
        ]

    def shaken(c):
        return [*c[:2], c[2] + 0.1 * c[3] * g.standard_normal(len(c[2])), *c[3:]]

    before = other_fits(tmp_path)
    assert shifted(before, other_fits(tmp_path, jittered)) < 0.02
    assert shifted(before, other_fits(tmp_path, shaken)) > 0.02, "the negative control"


def seam_and_memory() -> tuple[list[tuple[float, float]], list[str]]:
    """Estimates and errors of a seam and of lifetimes, and the verdicts of their growth."""
    found, memories = seam_cost(seams.T, seams.STRENGTHS, seams.planted(2000)), planted_memories()
    grown = [row.growth for row in memories.rows]
    estimates = [found.cost, found.ratio, *(one.z for one in grown if one.z)]
    return [(e.value, e.error) for e in estimates], [one.verdict for one in grown]


def decided(sweep: Path) -> tuple[list[tuple[float, float]], list[str]]:
    """Estimates and errors of a decision on a sweep, and its verdict."""
    found = study([sweep], resamples=40)
    assert_framed(found, 1, "file", "k* / 2 pi", "n", "L", "T_c", "1/nu", "eta", "verdict")
    one = found.files[0]
    estimates = [one.evidence.critical_point, one.evidence.inverse_nu, one.evidence.eta]
    return [(e.value, e.error) for e in estimates if e], [one.decision.kind]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    out = tmp_path_factory.mktemp("same") / "ising.h5"
    api.sweep_temperature((6, 12, 24), out=out, T=np.linspace(2.14, 2.46, 7).tolist(), sweeps=1000, jobs=1)
    return out


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_of_linear_algebra_change_no_answer(usual, sweep, kernel, tmp_path):
    code = (
        "import json; from pathlib import Path\n"
        "from tests.answers.test_same_answers import answers, decided, other_fits, seam_and_memory\n"
        f"folder, sweep = Path({str(tmp_path)!r}), Path({str(sweep)!r})\n"
        "print(json.dumps([answers(), other_fits(folder), seam_and_memory(), decided(sweep)]))"
    )
    env = os.environ | {"OPENBLAS_CORETYPE": kernel}
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=root, capture_output=True, text=True, check=True)
    single, others, *rest = json.loads(done.stdout)
    assert worst(usual, single) < 0.02 and shifted(other_fits(tmp_path), others) < 0.02
    for (before, verdicts), (after, again) in zip((seam_and_memory(), decided(sweep)), rest, strict=True):
        assert len(before) >= 2 and verdicts == again and shifted(before, after) < 0.02
