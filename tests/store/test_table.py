from __future__ import annotations

import numpy as np
import pytest

from physnn.analysis.curves.tables import Columns
from physnn.errors import InputError
from physnn.store.table import MOST_ROWS, read_covariance, read_table

ROWS = "16 0.4 0.1 0.01\n16 0.5 0.2 0.01\n32 0.4 0.15 0.02\n"


def read(tmp_path, text: str):
    path = tmp_path / "t.txt"
    path.write_text(text)
    return Columns(**read_table(path))


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
        (ROWS + "16 0.5 0.3 0.1\n", "lines 2 and 4 both give L = 16 at 0.5"),
        ("L T t m error\n16 2.0 0 0.5 0.1\n", "a time must be above 0"),
        ("a b c d e f\n1 2 3 4 5 6\n", "leaves 5 columns"),
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
    with pytest.raises(InputError, match="cannot read"):
        read_table(tmp_path / "none.txt")
    with pytest.raises(InputError, match="cannot read"):
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
