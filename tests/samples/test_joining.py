"""Finished sweeps put together, and written for other programs."""

from __future__ import annotations

import json
import shutil

import pandas
import pytest
import xarray

import physnn
from physnn import api
from physnn.cli import run
from physnn.samples import files
from physnn.samples.joining import put_together
from physnn.store.sweep_file import read_sweep, write_sweep

pytestmark = pytest.mark.usefixtures("unrendered")

CHAINS = {"sweeps": 60, "chains": 2, "thermalisation": 20}


def sweep(out, **settings):
    files.run(api.recipe("temperature", out, **CHAINS, **settings), out, jobs=1)
    return out


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("joined")
    small = sweep(folder / "small.h5", L=(4,), T=[2.0, 2.3, 2.6])
    large = sweep(folder / "large.h5", L=(8,), T=[2.0, 2.3, 2.6])
    return small, large


def test_files_together_are_the_file_of_one_run(made, tmp_path, capsys):
    out = tmp_path / "all.h5"
    assert run(["merge", *map(str, made), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"12 tasks in {out}\n"
    before, lock = out.read_bytes(), tmp_path / ".all.h5.lock"
    lock.touch()  # what a call left that was stopped as it ended
    assert put_together(made, out) == 12 and out.read_bytes() == before and not lock.exists(), "a second time"
    whole = sweep(tmp_path / "whole.h5", L=(4, 8), T=[2.0, 2.3, 2.6])
    assert physnn.content_digest(out) == physnn.content_digest(whole)
    sizes = read_sweep(out).sizes
    sizes[4]["m"].values[0, 0, 0] *= 0.5
    write_sweep(out, read_sweep(out).recipe, sizes)
    with pytest.raises(physnn.InputError, match="there already"):
        put_together(made, out)


def test_what_does_not_go_together_is_named(made, tmp_path, capsys):
    small, large = made
    out = tmp_path / "all.h5"
    other = sweep(tmp_path / "other.h5", L=(8,), T=[2.0, 2.3, 2.6], seed=1)
    with pytest.raises(physnn.InputError, match=r"other.h5 does not go with .*seed 0, now 1"):
        put_together([small, other], out)
    warmer = sweep(tmp_path / "warmer.h5", L=(8,), T=[2.9])
    with pytest.raises(physnn.InputError, match=r"2 of 16 tasks .* first L = .*, T = .*--extend"):
        put_together([small, large, warmer], out)
    assert not out.exists()
    assert run(["merge", str(small), str(large)]) == 2
    assert "--out" in capsys.readouterr().err
    with pytest.raises(physnn.InputError, match="is a folder"):
        put_together([tmp_path, large], out)
    for there in (small, warmer, tmp_path / "plain.h5"):
        (tmp_path / "plain.h5").write_bytes(b"not ours")
        shutil.copy(there, out)
        with pytest.raises(physnn.InputError, match="there already"):
            put_together([small, large], out)


def test_curves_of_a_sweep_as_tables(made, tmp_path, capsys):
    found = physnn.curve_table(made[1], ["binder", "m_abs"])
    curves = physnn.answers.fit.curves(made[1], "binder")
    assert list(found) == ["L", "T", "binder", "binder_error", "m_abs", "m_abs_error"]
    assert found["binder"].tolist() == curves.y[8].tolist()
    assert found["binder_error"].tolist() == curves.errors[8].tolist()
    out = tmp_path / "t.csv"
    assert run(["export", str(made[1]), "--observable", "binder", "m_abs", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"3 rows in {out}\n"
    pandas.testing.assert_frame_equal(pandas.read_csv(out), found)
    assert run(["export", str(made[1]), "--to", "json", "--observable", "binder", "--out", str(out)]) == 0
    assert [row["T"] for row in json.loads(out.read_text())] == [2.0, 2.3, 2.6]


def test_an_export_replaces_no_file_of_ours(made, tmp_path, capsys):
    out = tmp_path / "own.h5"
    shutil.copy(made[0], out)
    for form in ("json", "netcdf"):
        assert run(["export", str(out), "--to", form, "--out", str(out)]) == 2
        assert "own.h5 is a file of physnn" in capsys.readouterr().err
    assert out.read_bytes() == made[0].read_bytes()


def test_arrays_of_a_sweep_as_netcdf(made, tmp_path):
    out = tmp_path / "t.nc"
    assert run(["export", str(made[1]), "--to", "netcdf", "--out", str(out)]) == 0
    with xarray.open_datatree(out, engine="h5netcdf") as tree:
        assert (tree["L8"]["energy"].values == physnn.open_datatree(made[1])["L8"]["energy"].values).all()
    assert run(["export", str(made[1]), "--to", "netcdf", "--observable", "binder"]) == 2


def test_a_command_that_is_not_there(capsys):
    assert run(["sweep-nose"]) == 2
    assert "did you mean 'sweep-noise'" in capsys.readouterr().err
    assert run(["qqq"]) == 2
    assert "physnn --help" in capsys.readouterr().err
