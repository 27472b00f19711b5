from __future__ import annotations

import gzip
import io
import sys

import numpy as np
import pytest

from physnn.analysis.curves.tables import Columns
from physnn.errors import InputError
from physnn.store.tables.cells import LARGEST_TABLE, MOST_ROWS
from physnn.store.tables.table import read_covariance, read_table

ROWS = "16 0.4 0.1 0.01\n16 0.5 0.2 0.01\n32 0.4 0.15 0.02\n"


def read(tmp_path, text: str, observable: str | None = None, **asked: str):
    path = tmp_path / "t.txt"
    path.write_text(text)
    return Columns(**read_table(path, asked, observable))


@pytest.mark.parametrize(
    "text",
    [
        ROWS,
        ROWS.replace(" ", ","),
        ROWS.replace(" ", ", "),
        ROWS.replace(" ", "\t"),
        ROWS.replace(" ", ";"),
        "# a comment\n\n" + ROWS.replace("\n", "  # more\n"),
        "L T U4 error\n" + ROWS,
        "# L T U4 error\n" + ROWS,
        "\ufeffL,T,U4,error\r\n" + ROWS.replace(" ", ",").replace("\n", "\r\n"),
        "error T U4 size\n0.01 0.4 0.1 16\n0.01 0.5 0.2 16\n0.02 0.4 0.15 32\n",
    ],
)
def test_tables_of_every_look_are_read(tmp_path, text):
    table = read(tmp_path, text)
    assert table.L.tolist() == [16, 16, 32]
    assert table.x.tolist() == [0.4, 0.5, 0.4]
    assert table.y.tolist() == [0.1, 0.2, 0.15]
    assert table.error.tolist() == [0.01, 0.01, 0.02]
    assert (table.control, table.observable) in (("x", "value"), ("T", "U4"))


def test_errors_may_be_missing_or_have_two_sides(tmp_path):
    assert read(tmp_path, "16 0.4 0.1\n32 0.4 0.2\n").error is None
    table = read(tmp_path, "16 0.4 0.1 0.03 0.04\n32 0.4 0.2 0.01 0.01\n")
    assert table.error.tolist() == pytest.approx([np.sqrt(0.00125), 0.01])
    assert "asymmetric" in table.remarks[0]
    named = read(tmp_path, "L p y error_plus error_minus\n16 0.4 0.1 0.04 0.03\n")
    assert named.error[0] == pytest.approx(np.sqrt(0.00125))


def test_times_are_read_where_they_are_named(tmp_path):
    table = read(tmp_path, "L T t m error\n16 2.0 10 0.5 0.1\n16 2.0 20 0.4 0.1\n")
    assert table.t.tolist() == [10, 20] and table.control == "T" and table.observable == "m"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no rows"),
        ("# nothing\n", "holds no rows"),
        ("L T U4\n", "holds no rows"),
        ("16 0.4\n", "has 2 columns"),
        ("16 0.4 0.1 0.01\n16 0.5 0.1\n", "line 2: not as many columns"),
        ("16 0.4 0.1 0.01\n16 0.5 oops 0.01\n", "line 2: 'oops' is not a number"),
        ("16 0.4 nan 0.01\n", "line 1: a number is missing or not finite"),
        ("16 0.4 0.1 0\n", "line 1: an error must be above 0"),
        ("16 0.4 0.1 -1\n", "line 1: an error must be above 0"),
        ("0 0.4 0.1 0.1\n", "whole number from 1"),
        ("16.5 0.4 0.1 0.1\n", "whole number from 1"),
        ("L T t m error\n16 2.0 0 0.5 0.1\n", "a time must be above 0"),
        ("a b c d e f\n1 2 3 4 5 6\n", "control parameter may be b, c, d, e, f: say which with --control"),
        ("L T samples U4\n16 2 1000 0.4\n", "value may be samples, U4: say which with --value"),
        ("L T U4 chi error\n16 2 0.4 3 0.1\n", "value may be U4, chi: say which with --value"),
        ("L T h m dm\n16 2 0.4 3 0.1\n", "control parameter may be T, h, m: say which with --control"),
        ("16 2.1 NA 0.01\n16 2.2 0.4 0.01\n", "line 1: a number is missing"),
        ("16 2.1 **** 0.01\n16 2.2 0.4 0.01\n", "line 1: a number is missing"),
        ("16 2.1 0.4x 0.01\n16 2.2 0.4 0.01\n", "line 1: '0.4x' is not a number"),
        ("16 2.1 1_0 0.01\n", "line 1: '1_0' is not a number"),
        ("16 2.1 inf 0.01\n", "line 1: a number is missing or not finite"),
        ("16 0.4 0.1(1)\n16 0.5 0.2\n", "line 2: a number is missing"),
        ("L,T,U4\n16,2,1,0,4\n", "decimal commas, separate columns by semicolons"),
        ("L T U4 U4\n16 2 0.4 0.4\n", "two columns are called U4"),
        ("T L=8 L=16 dL=8\n2 0.4 0.5 0.1\n", "some sizes of the wide table have a column of errors"),
        ("L T y\n16 2 3 4\n", "names 3 columns"),
        ("L size T y\n16 16 2 3\n", "mean the same"),
    ],
)
def test_malformed_tables_are_refused_with_the_line(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        read(tmp_path, text)


def test_too_many_rows_and_binary_files_are_refused(tmp_path):
    big = tmp_path / "big.txt"
    big.write_text("".join(f"16 {k} 0.1 0.01\n" for k in range(MOST_ROWS + 1)))
    with pytest.raises(InputError, match="more than 20,000 rows"):
        read_table(big)
    binary = tmp_path / "b.dat"
    for content in (b"\x89PNG\x00\x01\xff", b"\xff\xfe\x00binary", np.random.default_rng(0).bytes(4096)):
        binary.write_bytes(content)
        with pytest.raises(InputError, match="neither a sweep file nor a table"):
            read_table(binary)
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path / "none.txt")
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path)


def test_covariances_are_read_and_checked(tmp_path):
    path = tmp_path / "c.txt"
    path.write_text("2 1\n1 2\n")
    assert read_covariance(path, 2).tolist() == [[2, 1], [1, 2]]
    np.save(tmp_path / "c.npy", np.eye(3))
    assert read_covariance(tmp_path / "c.npy", 3).shape == (3, 3)
    with pytest.raises(InputError, match="2 x 2") as _:
        read_covariance(tmp_path / "c.npy", 2)
    path.write_text("2 1\n0 2\n")
    with pytest.raises(InputError, match="not symmetric"):
        read_covariance(path, 2)
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="no matrix"):
        read_covariance(tmp_path / "o.npy", 1)


LONG = ([16, 16, 32], [0.4, 0.5, 0.4], [0.1, 0.2, 0.15])


@pytest.mark.parametrize(
    ("text", "control", "observable", "said"),
    [
        # An index that pandas writes, with and without a place in the header.
        (",L,T,U4,dU4\n0,16,0.4,0.1,0.01\n1,16,0.5,0.2,0.01\n2,32,0.4,0.15,0.02\n", "T", "U4", "counts rows"),
        ("   L    T    U4  dU4\n0 16 0.4 0.1 0.01\n1 16 0.5 0.2 0.01\n2 32 0.4 0.15 0.02\n", "T", "U4", "counts rows"),
        # Decimal commas.
        ("L;T;U4;dU4\n16;0,4;0,1;0,01\n16;0,5;0,2;0,01\n32;0,4;0,15;0,02\n", "T", "U4", "decimal commas"),
        ("16 0,4 0,1 0,01\n16 0,5 0,2 0,01\n32 0,4 0,15 0,02\n", "x", "value", "decimal commas"),
        ("16\t0,4\t0,1\t0,01\n16\t0,5\t0,2\t0,01\n32\t0,4\t0,15\t0,02\n", "x", "value", "decimal commas"),
        # Exponents of Fortran, errors in brackets and behind a sign.
        ("16 4.0D-01 1d-1 1.0D-02\n16 0.5 0.2 0.01\n32 0.4 0.15 0.02\n", "x", "value", ""),
        ("16 0.4 0.100(10)\n16 0.5 2.00(10)e-1\n32 0.4 0.15(2)\n", "x", "value", ""),
        ("16 0.4 0.10(0.01)\n16 0.5 0.2(0.01)\n32 0.4 0.15(0.02)\n", "x", "value", ""),
        ("16 0.4 0.1+-0.01\n16 0.5 0.2+/-1e-2\n32 0.4 0.15\u00b10.02\n", "x", "value", ""),
        # Names of errors, a reduced temperature, columns that nobody needs.
        ("L t U4 dU4\n16 0.4 0.1 0.01\n16 0.5 0.2 0.01\n32 0.4 0.15 0.02\n", "t", "U4", ""),
        ("L,beta,U4,U4_err\n16,0.4,0.1,0.01\n16,0.5,0.2,0.01\n32,0.4,0.15,0.02\n", "beta", "U4", ""),
        ("L p n R R_std\n16 0.4 9 0.1 0.01\n16 0.5 9 0.2 0.01\n32 0.4 9 0.15 0.02\n", "p", "R", "not used: n"),
        # Wide tables, with and without errors and gaps.
        ("T L=16 L=32 dL=16 dL=32\n0.4 0.1 0.15 0.01 0.02\n0.5 0.2 - 0.01 -\n", "T", "value", "a wide table"),
        ("T,16,32\n0.4,0.1(0.01),0.15(0.02)\n0.5,0.2(0.01),\n", "T", "value", "1 empty cells are no points"),
        # Prose is no header, names in a comment are one.
        ("# four words of prose\n" + ROWS, "x", "value", ""),
        ("# errors for all L\n" + ROWS, "x", "value", ""),
        ("# L p U4 dU4\n" + ROWS, "p", "U4", ""),
        # Repeated rows: weights 1/error^2.
        (
            "16 0.4 0.11 0.02\n16 0.4 0.0966666666 0.011547005\n16 0.5 0.2 0.01\n32 0.4 0.15 0.02\n",
            "x",
            "value",
            "averaged",
        ),
    ],
)
def test_anyones_table_is_read_and_said_how(tmp_path, text, control, observable, said):
    table = read(tmp_path, text)
    order = np.lexsort((table.x, table.L))
    assert table.L[order].tolist() == LONG[0] and table.x[order].tolist() == LONG[1]
    assert table.y[order] == pytest.approx(LONG[2], rel=1e-8)
    assert table.error[order] == pytest.approx([0.01, 0.01, 0.02], rel=1e-6)
    assert (table.control, table.observable) == (control, observable)
    assert any(said in remark for remark in table.remarks) if said else not table.remarks


MANY = "N T samples U4 dU4 chi dchi\n16 2.0 9 0.1 0.01 1 0.1\n16 2.1 9 0.2 0.01 2 0.1\n"


def test_columns_are_chosen_by_name_number_and_observable(tmp_path):
    for asked in ({"size": "N", "value": "chi"}, {"size": "1", "control": "T", "value": "6"}):
        table = read(tmp_path, MANY, **asked)
        assert (table.control, table.observable, table.L.tolist()) == ("T", "chi", [16, 16])
        assert table.y.tolist() == [1, 2] and table.error.tolist() == [0.1, 0.1]
        assert table.remarks == ("columns read: " + table.remarks[0][14:],) and "not used: samples" in table.remarks[0]
    table = read(tmp_path, MANY, "binder", size="n")
    assert table.observable == "U4" and table.error.tolist() == [0.01, 0.01]
    table = read(tmp_path, ROWS.replace("\n", "\n"), size="1", control="2", value="4")
    assert table.y.tolist() == [0.01, 0.01, 0.02] and table.error is None
    table = read(tmp_path, "L T dT U4 dU4\n16 2.0 0.1 0.5 0.1\n16 2.1 0.2 0.5 0.1\n")
    assert table.x_error.tolist() == [0.1, 0.2] and table.error.tolist() == [0.1, 0.1]


@pytest.mark.parametrize(
    ("asked", "observable", "words"),
    [
        ({}, "susceptibility", "there is no column susceptibility; columns are N, T, samples, U4, dU4, chi, dchi"),
        ({"value": "u5"}, None, "no single column 'u5'.*did you mean U4"),
        ({"value": "8"}, None, "no single column '8'"),
        ({"size": "N", "control": "N"}, None, "two roles"),
    ],
)
def test_columns_that_are_not_there_are_refused(tmp_path, asked, observable, words):
    with pytest.raises(InputError, match=words):
        read(tmp_path, MANY, observable, **asked)


def test_an_observable_names_what_has_no_name_of_its_own(tmp_path):
    assert read(tmp_path, ROWS, "chi").observable == "chi"
    assert (
        read(tmp_path, "L T value\n" + ROWS.replace(" 0.01\n", "\n").replace(" 0.02\n", "\n"), "chi").observable
        == "chi"
    )


def test_repeated_rows_that_scatter_too_much_widen_their_errors_and_give_errors_where_there_are_none(tmp_path):
    g = np.random.default_rng(1)
    keys = [(L, x) for L in (16, 32) for x in (0.1, 0.2, 0.3, 0.4)]
    rows = [(L, x, x + 0.03 * g.normal()) for L, x in keys for _ in range(20)]
    table = read(tmp_path, "".join(f"{L} {x} {y} 0.01\n" for L, x, y in rows))
    assert any("repeated rows scatter" in remark for remark in table.remarks)
    assert table.error == pytest.approx(0.03 / np.sqrt(20), rel=0.15)
    table = read(tmp_path, "".join(f"{L} {x} {y}\n" for L, x, y in rows))
    assert table.error == pytest.approx(0.03 / np.sqrt(20), rel=0.2) and "scatter of repeated rows" in table.remarks[-1]
    right = read(tmp_path, "".join(f"{L} {x} {y} 0.03\n" for L, x, y in rows))
    assert right.error == pytest.approx(0.03 / np.sqrt(20)) and len(right.remarks) == 1
    assert read(tmp_path, "16 0.4 0.1\n16 0.4 0.2\n16 0.5 0.1\n").error is None


def test_packed_tables_and_the_standard_input_are_read(tmp_path, monkeypatch):
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress(ROWS.encode()))
    assert read_table(packed)["y"].tolist() == [0.1, 0.2, 0.15]
    packed.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(InputError, match="cut off"):
        read_table(packed)
    packed.write_bytes(gzip.compress(b"1" * (LARGEST_TABLE + 1)))
    with pytest.raises(InputError, match="more than 64 MB"):
        read_table(packed)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(ROWS.encode())))
    assert read_table(type(packed)("-"))["y"].tolist() == [0.1, 0.2, 0.15]
