"""Sweeps of two control parameters: one file, fitted along lines."""

from __future__ import annotations

import json

import numpy as np
import pytest

import physnn
from physnn import api
from physnn.answers import fit
from physnn.answers.lines import lines_of, on_line
from physnn.cli import run as command
from physnn.cli.call import check_measured
from physnn.errors import InputError
from physnn.exact.ising.enumeration import ising_enumeration
from physnn.samples import files
from physnn.store.hdf5 import content_digest
from physnn.store.sweep_file import read_sweep

pytestmark = pytest.mark.usefixtures("unrendered")

SMALL = {"T": (2.0, 2.5, 3.0, 4.0), "sweeps": 300, "thermalisation": 30, "chains": 2, "algorithm": "metropolis"}
FIELDS = (-0.2, 0.0, 0.3)


def run(out, extend=False, jobs=1, **settings):
    return files.run(api.recipe("temperature", out, extend, **settings), out, extend=extend, jobs=jobs)


@pytest.mark.parametrize("tempering", [None, "given"])
def test_a_line_of_a_file_is_the_file_of_the_line(tmp_path, tempering, workers):
    settings = SMALL | {"L": (4, 6), "tempering": tempering}
    both = tmp_path / "both.h5"
    assert run(both, jobs=workers, **settings, field=FIELDS) == 2 * 3 * 2 * (1 if tempering else 4)
    group = read_sweep(both).sizes[6]
    assert group["energy"].dims == ("T", "field", "chain", "measurement")
    assert group["field"].values.tolist() == list(FIELDS) and group["field"].attrs["symbol"] == "h"
    for h in FIELDS:
        one = tmp_path / f"{h}.h5"
        run(one, **settings, field=h)
        alone, line = read_sweep(one).sizes[6], on_line(read_sweep(both), at={"field": h}).sizes[6]
        for name, variable in alone.items():
            if name in line:
                assert variable.dims == line[name].dims and np.array_equal(variable.values, line[name].values), name
        assert alone.keys() <= line.keys()
    at_T = on_line(read_sweep(both), "field", {"T": 2.5}).sizes[6]
    assert at_T["energy"].dims == ("field", "chain", "measurement")
    assert np.array_equal(at_T["energy"].values, group["energy"].values[1])


def test_the_coupling_of_next_nearest_neighbours_is_an_axis(tmp_path):
    out, settings = tmp_path / "j.h5", SMALL | {"L": (4,), "tempering": "given"}
    assert run(out, **settings, J2=(-0.8, -0.6)) == 2 * 2
    group = read_sweep(out).sizes[4]
    assert group["stripe"].dims == ("T", "J2", "chain", "measurement")
    run(tmp_path / "one.h5", **settings, J2=-0.6)
    alone, line = read_sweep(tmp_path / "one.h5").sizes[4], on_line(read_sweep(out), at={"J2": -0.6}).sizes[4]
    for name in ("energy", "stripe", "replica", "swap_rate"):
        assert np.array_equal(alone[name].values, line[name].values)
    with pytest.raises(InputError, match="leave 0 out"):
        api.recipe("temperature", **settings, J2=(-0.6, 0.0))


def test_values_are_added_and_one_value_makes_no_axis(tmp_path):
    parts, whole = tmp_path / "parts.h5", tmp_path / "whole.h5"
    settings = SMALL | {"L": (4,)}
    run(parts, **settings, field=FIELDS[:2])
    assert run(parts, extend=True, field=FIELDS) == 4 * 2
    run(whole, **settings, field=FIELDS)
    assert content_digest(parts) == content_digest(whole)
    run(tmp_path / "one.h5", **settings, field=(0.3,))
    run(tmp_path / "plain.h5", **settings, field=0.3)
    assert content_digest(tmp_path / "one.h5") == content_digest(tmp_path / "plain.h5")
    with pytest.raises(InputError, match=r"another recipe .*have no axis"):
        run(tmp_path / "plain.h5", extend=True, field=FIELDS)


def test_one_value_alone_is_added_from_the_command_too(tmp_path, capsys):
    parts, whole = tmp_path / "parts.h5", tmp_path / "whole.h5"
    run(parts, **SMALL | {"L": (4,)}, field=FIELDS[:2])
    words = ["sweep-temperature", "--extend", "--out", str(parts), "--jobs", "1", "--quiet"]
    assert command([*words, "--field", "0.3"]) == 0
    run(whole, **SMALL | {"L": (4,)}, field=FIELDS)
    assert content_digest(parts) == content_digest(whole)
    both = SMALL | {"L": (4,), "T": (2.0, 3.0), "sweeps": 8}
    run(tmp_path / "j.h5", **both, J2=(-0.2, -0.1), field=(0.0, 0.1))
    with pytest.raises(InputError, match="leave 0 out"):
        run(tmp_path / "j.h5", extend=True, J2=0.0)
    capsys.readouterr()
    assert command([*words[:3], str(tmp_path / "j.h5"), "--quiet"]) == 0
    line = capsys.readouterr().out.strip().splitlines()[-1]
    assert line.endswith("j.h5 --at field=0 --at J2=-0.2")
    at = {name: float(value) for name, _, value in (word.partition("=") for word in line.split() if "=" in word)}
    assert on_line(tmp_path / "j.h5", at=at).sizes[4]["m"].dims[0] == "T"
    with pytest.raises(InputError, match=r"as --at field=VALUE of 0, 0.1 and --at J2=VALUE of -0.2, -0.1"):
        on_line(tmp_path / "j.h5")


def test_decisions_and_comparisons_are_of_a_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    settings = SMALL | {"L": (4, 8), "T": (2.0, 2.2, 2.4, 2.6), "sweeps": 1000, "thermalisation": 100}
    run(tmp_path / "f.h5", **settings, field=(0.0, 0.1))
    run(tmp_path / "g.h5", **settings, field=0.1)
    answers = []
    for words in ("decide f.h5 --at field=0.1", "decide g.h5", "decide f.h5 --at field=0"):
        assert command([*words.split(), "--json"]) in (0, 3)
        found = json.loads(capsys.readouterr().out)["files"][0]
        answers.append({name: value for name, value in found.items() if name != "file"})
    assert answers[0] == answers[1] != answers[2]
    assert command(["compare", "--at", "field=0", "f.h5", "g.h5", "--json"]) in (0, 3)
    assert json.loads(capsys.readouterr().out)["files"] == ["f.h5", "g.h5"]
    assert command(["decide", "g.h5", "--at", "field=0.1"]) == 2
    assert "there is none here" in capsys.readouterr().err


def test_curves_along_both_parameters_are_exact(tmp_path):
    out = tmp_path / "f.h5"
    run(out, **SMALL | {"L": (4,), "T": (2.5, 4.0), "sweeps": 20_000}, field=(0.0, 0.2, 0.5))
    sweep = read_sweep(out)
    for control, at, points in (
        ("field", {"T": 2.5}, [(2.5, h) for h in (0.0, 0.2, 0.5)]),
        ("T", {"field": 0.2}, [(2.5, 0.2), (4.0, 0.2)]),
    ):
        for name in ("energy", "m_abs"):
            found = fit.curves(on_line(sweep, control, at), name)
            exact = np.array([ising_enumeration((4, 4), T, h=h)[name] for T, h in points])
            assert found.control == control
            assert np.abs((found.y[4] - exact) / found.errors[4]).max() < 4
            assert np.abs((found.y[4][::-1] - exact) / found.errors[4]).max() > 4, "another order would be seen"


def test_commands_choose_a_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = "sweep-temperature --L 4 8 --T 2 2.2 2.4 2.6 --field 0 0.1 --sweeps 2000 --algorithm metropolis --jobs 1"
    assert command([*words.split(), "--out", "f.h5", "--quiet", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["control"] == ["T", "field"] and [line["at"] for line in found["lines"]] == [
        {"field": 0},
        {"field": 0.1},
    ]
    assert command([*words.split(), "--out", "f.h5", "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "physnn fit f.h5 --at field=0" in said and "field = 0.1\n" in said and "f-field-0.1.png" in said
    # One line, along the other parameter, and a recipe in a file.
    assert command([*words.split(), "--out", "f.h5", "--quiet", "--at", "T=2.4", "--observable", "m_abs"]) == 0
    assert "m_abs of 4 chains" in (said := capsys.readouterr().out) and "binder" not in said
    settings = {"kind": "temperature", "L": [4, 8], "T": [2, 2.2, 2.4, 2.6], "field": [0, 0.1], "sweeps": 2000}
    (tmp_path / "s.json").write_text(json.dumps(settings | {"algorithm": "metropolis"}))
    assert command(["run", "s.json", "--out", "f.h5", "--quiet", "--json", "--at", "field=0.1"]) == 0
    assert [line["fit"] for line in json.loads(capsys.readouterr().out)["lines"]] == [found["lines"][1]["fit"]]
    assert command(["fit", "f.h5", "--at", "field=0.1", "--json"]) in (0, 3)
    assert json.loads(capsys.readouterr().out)["control"] == "T"
    assert command(["fit", "f.h5", "--control", "field", "--at", "T=2.4", "--observable", "m_abs", "--json"]) in (
        0,
        2,
        3,
    )
    capsys.readouterr()
    assert command(["show", "f.h5"]) == 0
    assert "T and field; fit and plot a line with --at" in capsys.readouterr().out
    assert command(["plot", "f.h5", "--at", "field=0"]) == 0
    assert (tmp_path / "f-field-0.png").is_file()
    tree = physnn.open_datatree("f.h5")
    assert tree["L4"]["m"].sel(field=0.1, T=2.4).shape == (4, 2000)
    assert isinstance(physnn.fit(physnn.on_line("f.h5", at={"field": 0.0})).verdict, str)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("fit f.h5", "choose a line, as --at field=VALUE of 0, 0.1"),
        ("fit f.h5 --at field=0.3", "field = 0.3 is not in the file at L = 4: 0, 0.1"),
        ("fit f.h5 --at h=0.3", "h does not vary in this file"),
        ("fit f.h5 --at field", "write NAME=VALUE"),
        ("fit f.h5 --control field", "choose a line, as --at T=VALUE of 2, 2.5"),
        ("fit f.h5 --at field=0 --at field=0.1", "--at gives field twice"),
        ("fit f.h5 --control T --at T=2 --at field=0", "leave --at T=VALUE out"),
        ("compare f.h5", "choose a line"),
        ("sweep-temperature --L 4 6 --T 2 2.5 --field 0 0.1 --algorithm metropolis --at field=0.2", "not measured: 0"),
        ("sweep-temperature --L 4 6 --T 2 2.5 --field 0 0.1 --algorithm metropolis --at J2=1", "J2 does not vary"),
        ("sweep-temperature --L 4 6 --T 2 2.5 --at T=2", "leave --at T=VALUE out"),
        ("plot f.h5", "choose a line"),
        ("decide f.h5", "choose a line"),
        ("sweep-temperature --L 4 8 --T 2 3 --field 0 0.1 --algorithm wolff", "no field"),
        ("sweep-temperature --L 4 8 --field 0 0.1 --algorithm metropolis", "--T"),
        ("sweep-temperature --L 4 8 --T 2 3 4 5 --field 0 0.1 --target-error 0.1", "one value of --field"),
    ],
)
def test_lines_that_are_none_are_one_sentence_and_exit_2(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run(tmp_path / "f.h5", **SMALL | {"L": (4, 6), "T": (2.0, 2.5), "sweeps": 8, "chains": 1}, field=(0.0, 0.1))
    assert command(words.split()) == 2
    assert said in capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("sweep-temperature --L 4 6 --T 2 2.2 2.4 2.6 --observable binder_stripe", "binder_stripe needs stripe2"),
        ("sweep-temperature --L 4 6 --T 2 2.2 --algorithm metropolis --field 0 0.1 --observable walls", "needs walls"),
        ("sweep-coupling --N 20 40 --observable vortices", "vortices needs vortices"),
        ("sweep-coupling --N 20 40 --observable local_order --dry-run", "local_order needs local_order"),
    ],
)
def test_an_observable_that_is_not_measured_is_refused_before_anything_runs(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command([*words.split(), "--out", "none.h5", "--quiet"]) == 2
    assert said in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_observables_of_other_orders_are_measured_with_their_couplings():
    check_measured(api.recipe("temperature", L=(4,), T=(2.0,), algorithm="metropolis", J2=(-0.7, -0.6)), "m_stripe")
    check_measured(api.recipe("coupling", N=(16, 64), K=(1.0, 2.0), network="square"), "vortices")
    with pytest.raises(InputError, match="needs stripe"):
        check_measured(api.recipe("temperature", L=(4,), T=(2.0,), algorithm="metropolis"), "m_stripe")


def test_curves_that_are_too_few_to_compare_are_drawn(tmp_path, monkeypatch, capsys, rendered):
    monkeypatch.chdir(tmp_path)
    run(tmp_path / "two.h5", **SMALL | {"L": (4, 6), "T": (2.0, 2.2, 2.4)})
    assert command(["plot", "two.h5"]) == 0
    assert (tmp_path / "two.png").stat().st_size > 5000
    assert command(["plot", "two.h5", "--observable", "walls"]) == 2


def test_a_temperature_that_is_not_measured_is_refused_before_anything_runs(tmp_path, capsys):
    out = tmp_path / "f.h5"
    words = f"sweep-temperature --L 4 --T 2.1 2.3 --field 0 0.1 --sweeps 4 --algorithm metropolis --jobs 1 --out {out}"
    assert command([*words.split(), "--quiet", "--at", "T=9"]) == 2
    assert "T = 9 is not measured: 2.1, 2.3" in capsys.readouterr().err
    assert not out.exists() and not list(tmp_path.glob("*.parts"))
    run(out, **SMALL | {"L": (4,), "T": (2.1, 2.3), "sweeps": 4}, field=(0.0, 0.1))
    before = out.read_bytes()
    more = [*words.replace("2.1 2.3", "2.5").split(), "--extend", "--quiet"]
    assert command([*more, "--at", "T=9"]) == 2
    assert "T = 9 is not measured: 2.1, 2.3, 2.5" in capsys.readouterr().err and out.read_bytes() == before
    assert lines_of(("T", "field"), {"T": (0.1 + 0.2,), "field": (0.0, 0.1)}, {"T": 0.3}) == [{"T": 0.3}]
