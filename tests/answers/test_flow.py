"""Renormalization of sampled configurations: known exponents at T_c, and controls that must not give them."""

from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pytest

from physnn import api
from physnn.analysis.renormalization.judgement import AWAY, FIXED
from physnn.answers.flow import lattice_flow
from physnn.cli import run as command
from physnn.errors import InputError
from physnn.kernels.blocks import majority
from physnn.samples import files
from physnn.store.hdf5 import Variable
from physnn.store.snapshots import AXES, read_snapshots
from physnn.store.sweep_file import write_sweep
from tests.frames import assert_framed
from tests.store.test_hostile import edited, put
from tests.store.test_snapshots import written

pytestmark = pytest.mark.usefixtures("unrendered")

ISING, POTTS = 2 / math.log(1 + math.sqrt(2)), 1 / math.log(1 + math.sqrt(3))


def made(out, L, T, **settings):
    files.run(api.recipe("temperature", out, L=L, T=T, **settings), out, jobs=1)
    return out


@pytest.fixture(scope="module")
def ising(tmp_path_factory):
    """Two sizes at T_c, the larger one with three block steps."""
    return made(tmp_path_factory.mktemp("flow") / "ising.h5", (16, 32), (ISING,), sweeps=1200, chains=4, snapshots=3)


def test_blocks_at_the_critical_point_have_known_exponents(ising):
    found = lattice_flow(ising)
    assert_framed(
        found, len(found.runs), "L", "T", "steps", "y_t", "y_h", "verdict", value=found.runs[-1].judgement.y_t
    )
    run = found.runs[1]
    assert [step.side for step in run.steps] == [16, 8, 4] and found.exact == {"y_t": 1.0, "y_h": 1.875}
    for name in ("y_t", "y_h"):
        value = getattr(run.judgement, name)
        assert abs(value.value - found.exact[name]) < 4 * value.error + 0.01 < 0.15
    assert run.judgement.verdict != AWAY
    first = run.levels[0].couplings.estimates
    assert all(abs(k.value - exact) < 4 * k.error for k, exact in zip(first, (1 / ISING, 0, 0, 0, 0), strict=True))
    (match,) = found.matchings
    assert abs(match.critical_temperature.value - ISING) < 4 * match.critical_temperature.error < 0.1


def test_permuted_sites_are_not_called_critical(ising):
    found = lattice_flow(ising, shuffled=True)
    assert found.runs[1].judgement.verdict == AWAY and not found.matchings


def test_the_command_prints_and_draws(ising, tmp_path, capsys, rendered):
    figure = tmp_path / "flow.png"
    status = command(["flow", str(ising), "--block", "decimation", "--json", "--quiet", "--figure", str(figure)])
    found = json.loads(capsys.readouterr().out)
    assert status in (0, 3) and figure.stat().st_size > 10_000
    assert found["runs"][1]["judgement"]["verdict"] == AWAY, "decimation of nearest neighbours has no fixed point"
    assert found["runs"][1]["couplings"][1]["values"][0]["value"] < 0.3
    assert command(["flow", str(ising), "--side", "3"]) == 2
    assert "16 x 16" not in capsys.readouterr().out


def test_ties_are_drawn_evenly_among_the_most_frequent():
    colours = np.array([[0, 1], [2, 1]], np.int8), np.array([[0, 2], [2, 0]], np.int8)
    blocks = [majority(np.tile(c, (3000, 1, 1)), 2, 3, np.random.default_rng(0)).ravel() for c in colours]
    assert (blocks[0] == 1).all()
    shares = np.bincount(blocks[1], minlength=3) / 3000
    assert shares[1] == 0 and abs(shares[0] - 0.5) < 0.04


@pytest.mark.parametrize(
    ("recipe", "why"),
    [
        ({"model": "clock"}, "clock model"),
        ({"lattice": "triangular"}, "square torus"),
        ({"field": 0.1}, "has a field"),
        ({"coupling": -1.0}, "antiferromagnet"),
        ({"coupling": 1.0}, "larger lattices"),
    ],
)
def test_what_has_no_blocks_is_refused(tmp_path, recipe, why):
    with pytest.raises(InputError, match=why):
        lattice_flow(written(tmp_path / "s.h5", **recipe))


def test_two_colours_of_a_potts_model_are_spins(ising, tmp_path):
    held = read_snapshots(ising)
    for name, scale in (("ising", 1), ("potts", 2)):
        groups = {
            L: {"T": Variable(("T",), one.T / scale), "snapshots": Variable(AXES, one.colours[:, :, ::4])}
            | {
                column: Variable((*AXES[:2], "measurement"), np.zeros((*one.colours.shape[:2], 1)))
                for column in ("m", "energy")
            }
            for L, one in held.items()
        }
        recipe = {"kind": "temperature", "model": name, "q": 2, "coupling": 1.0}
        write_sweep(tmp_path / f"{name}.h5", recipe, groups)
    spins, colours = (lattice_flow(tmp_path / f"{name}.h5", block="decimation") for name in ("ising", "potts"))
    assert colours.model == "potts" and colours.operators == spins.operators and colours.exact == spins.exact
    a, b = (answer.runs[1].as_json() for answer in (spins, colours))
    assert all(json.dumps(a[name]) == json.dumps(b[name]) for name in ("steps", "couplings", "judgement"))
    assert None not in [first["value"] for first in b["couplings"][0]["values"]]
    (left,), (right,) = (lattice_flow(tmp_path / f"{name}.h5").matchings for name in ("ising", "potts"))
    near = right.critical_temperature
    assert abs(2 * near.value - left.critical_temperature.value) < 3 * near.error < 0.1 and right.T == ISING / 2


def test_too_few_configurations_are_said_to_be_that(ising, tmp_path):
    few = edited(shutil.copy(ising, tmp_path / "s.h5"), put("L32/snapshots", np.zeros((1, 4, 1, 32, 32), np.int8)))
    with pytest.raises(InputError, match=r"keeps 1 configurations of a chain, .* smaller --snapshots"):
        lattice_flow(few)


@pytest.mark.slow
def test_fixed_points_are_found_at_the_critical_point_alone(tmp_path):
    long = {"sweeps": 10_000, "chains": 8, "snapshots": 5}
    at = lattice_flow(made(tmp_path / "at.h5", (32, 64), (ISING,), **long))
    assert [run.judgement.verdict for run in at.runs] == [FIXED, FIXED]
    again = lattice_flow(tmp_path / "at.h5")
    assert json.dumps(again.as_json()) == json.dumps(at.as_json()), "ties are drawn from keyed streams"
    away = lattice_flow(made(tmp_path / "away.h5", (64,), (2.2, 2.35), **long))
    assert [run.judgement.verdict for run in away.runs] == [AWAY, AWAY]
    potts = {"model": "potts", "q": 3, "sweeps": 20_000, "chains": 8, "snapshots": 10}
    (run,) = lattice_flow(made(tmp_path / "potts.h5", (64,), (POTTS,), **potts)).runs
    assert abs(run.judgement.y_t.value / 1.2 - 1) < 0.02 and abs(run.judgement.y_h.value / (28 / 15) - 1) < 0.02
    assert run.judgement.verdict != AWAY
