"""``physnn compare`` of trained ground states: planted files of exact draws, and of order that is too small."""

from __future__ import annotations

import json

import numpy as np
import pytest

from physnn import rng
from physnn.answers.quantum.beside import networks_beside
from physnn.cli import run
from physnn.errors import InputError
from physnn.exact.quantum import FreeFermions, exact_ground
from physnn.models.quantum import QuantumModel
from physnn.store.hdf5 import Variable
from physnn.store.sweep_file import write_sweep
from tests.frames import assert_framed

FIELDS, L, SEEDS, DRAWS = (0.8, 1.2), 6, 4, 2000


def planted(path, networks: bool, shrink: float = 1.0):
    """File of networks, or of world lines, whose configurations are exact draws; of networks m is ``shrink`` m."""
    group = {"h": Variable(("h",), np.array(FIELDS))}
    rows = {}
    for h in FIELDS:
        ground = exact_ground(QuantumModel("tfim", (L,), h=h))
        generator = rng.stream(1, "synthetic", "beside", h, int(networks))
        states = generator.choice(1 << L, (SEEDS, DRAWS), p=ground.vector() ** 2)
        spins = 1 - 2 * ((states[..., None] >> np.arange(L - 1, -1, -1)) & 1)
        waves = np.abs(spins @ np.exp(2j * np.pi * np.arange(L) / L)) ** 2 / L
        m = spins.mean(axis=-1)
        noise = 0.01 * generator.standard_normal(m.shape)
        found = {"energy": ground.E0 / L + noise}
        if networks:
            found["m"] = shrink * m
            turned = [np.roll(spins, -r, axis=-1) for r in range(L // 2 + 1)]
            found["correlation"] = np.stack([(spins * other).mean(axis=(1, 2)) for other in turned], axis=1)
            stages = np.repeat(found["energy"].mean(axis=1)[:, None], 2, axis=1)
            stages[:, 0] += 0.01
            found |= {"stage_energy": stages, "stage_order2": np.repeat((m**2).mean(axis=1)[:, None], 2, axis=1)}
            exact = {"energy": ground.E0 / L, "gap": ground.gap_symmetric, "order2": ground.m2}
            found |= {f"exact_{name}": np.full(SEEDS, value) for name, value in exact.items()}
        else:
            found["m"] = m
            found |= {"m2_improved": m**2, "m4_improved": m**4, "structure_x_improved": waves}
        for name, values in found.items():
            rows.setdefault(name, []).append(values)
    draw, repeat = ("seed", "measurement") if networks else ("chain", "measurement")
    for name, values in rows.items():
        array = np.array(values)
        last = {"correlation": "distance"}.get(name, "stage" if name.startswith("stage_") else repeat)
        attrs = {"sites": L, "chains": 4} if name == "energy" else {}
        group[name] = Variable(("h", draw, last)[: array.ndim], array, attrs)
    kind = "ground-state" if networks else "path-integral"
    more = {} if networks else {"beta": None, "beta_per_L": 6.0}
    recipe = more | {
        "kind": kind,
        "model": "tfim",
        "L": [L],
        "h": list(FIELDS),
        "dimension": 1,
        "open": False,
        "seed": 0,
    }
    write_sweep(path, recipe, {L: group})
    return path


def test_networks_that_are_right_agree_with_all(tmp_path, capsys):
    networks, lines = planted(tmp_path / "net.h5", True), planted(tmp_path / "ref.h5", False)
    found = networks_beside(networks, lines)
    assert_framed(
        found, len(found.rows), "L", "value", "name", "network", "reference", "exact", value=found.rows[0].network
    )
    assert {row.name for row in found.rows} == {"energy", "m2", "U4", "S(k)", "G(3)"}
    off = [z for row in found.rows for z in row.deviations().values()]
    assert len(off) >= 26 and max(map(abs, off)) < 4 and min(map(abs, off)) > 0 and np.std(off) > 0.3
    gap = exact_ground(QuantumModel("tfim", (L,), h=0.8)).gap_symmetric
    assert found.stages[0].infidelity[0] == pytest.approx(0.01 * L / gap, rel=0.2)
    # World lines at beta = 36/J would hold much of the odd state; these draws do not, but the recipe says so.
    gap = FreeFermions(L, 0.8).gap
    assert len(found.notes) == 1 and f"{1 / (1 + np.exp(6 * L * gap)):.1%}" in found.notes[0]
    run(["compare", str(networks), str(lines), "--json"])
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 10


@pytest.mark.slow
def test_the_figure_is_drawn(tmp_path):
    networks, figure = planted(tmp_path / "net.h5", True), tmp_path / "beside.png"
    run(["compare", str(networks), "--figure", str(figure)])
    assert figure.stat().st_size > 20_000


def test_order_that_is_too_small_is_told(tmp_path, capsys):
    """The negative control: 6 % of m."""
    networks, lines = planted(tmp_path / "net.h5", True, shrink=0.94), planted(tmp_path / "ref.h5", False)
    names = {row.name for row in networks_beside(networks, lines).apart}
    assert "m2" in names and "energy" not in names
    assert run(["compare", str(networks), str(lines)]) == 3
    assert "m2 at L = 6, h = 0.8" in capsys.readouterr().out
    assert run(["compare", str(networks)]) == 3  # exact values alone tell


def test_files_that_do_not_belong_together(tmp_path):
    networks = planted(tmp_path / "net.h5", True)
    with pytest.raises(InputError, match="no world lines"):
        networks_beside(networks, networks)
    lines = planted(tmp_path / "ref.h5", False)
    with pytest.raises(InputError, match="no trained ground states"):
        networks_beside(lines)
