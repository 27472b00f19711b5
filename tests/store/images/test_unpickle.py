"""Pickles of data are read; pickles that ask for anything else are refused, and nothing in them runs."""

from __future__ import annotations

import os
import pickle
import pickletools
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from physnn.errors import InputError
from physnn.store.images import unpickle
from physnn.store.images.unpickle import PickledArray, unpickle_data

DATA = {
    "images": np.arange(24, dtype=np.uint8).reshape(4, 6),
    "columns": np.asfortranarray(np.arange(6, dtype=">f8").reshape(2, 3)),
    "flags": np.array([True, False]),
    "numbers": [1, 2, -5, 2**70, 300, 70_000, 1.5, None, True, False],
    b"bytes": b"\xff\x00x",
    "none": b"",
    "text": ("é", (1, 2), (), (1, 2, 3, 4)),
    "nested": {"names": [b"a", b"a", "b"]},
}


def reduce(module: str, name: str, *arguments: str) -> bytes:
    """A pickle, protocol 0, that calls a function with text."""
    words = "".join(f"V{a}\n" for a in arguments)
    return f"c{module}\n{name}\n({words}tR.".encode()


@pytest.mark.parametrize("protocol", range(6))
def test_data_survive_every_protocol(protocol):
    out = unpickle_data(pickle.dumps(DATA, protocol))
    for name, value in DATA.items():
        if isinstance(value, np.ndarray):
            made = out[name].array()
            assert made.dtype == value.dtype and np.array_equal(made, value)
        else:
            assert out[name] == value


def test_a_batch_as_python_2_wrote_it():
    rows = np.arange(6, dtype=np.uint8).reshape(2, 3)
    dtype = b"cnumpy\ndtype\nq\x01U\x02u1K\x00K\x01\x87Rq\x02(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02K\x03\x86"
    array += dtype + b"\x89U\x06" + rows.tobytes() + b"tb"
    out = unpickle_data(b"\x80\x02}q\x04(U\x04data" + array + b"U\x06labels]q\x05(K\x06K\x09eu.")
    assert np.array_equal(out[b"data"].array(), rows)
    assert out[b"labels"] == [6, 9]


class Runs:
    """What an attacker pickles: loading it runs a command."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("protocol", range(6))
def test_code_is_refused_and_nothing_runs(tmp_path, protocol):
    mark = tmp_path / "it-ran"
    content = pickle.dumps({"data": DATA["images"], "labels": [Runs(mark)]}, protocol)
    with pytest.raises(InputError, match=r"asks for '(posix|nt)\.system', which is no data"):
        unpickle_data(content)
    assert not mark.exists()
    pickle.loads(content)
    assert mark.exists(), "the pickle must be one that works"


@pytest.mark.parametrize(
    "content",
    [
        reduce("builtins", "eval", "1/0"),
        reduce("builtins", "getattr", "a", "b"),
        reduce("numpy", "load", "x"),
        reduce("numpy.core.multiarray", "scalar", "x"),
        reduce("numpy", "ndarray.tofile", "x"),
        reduce("_codecs", "decode", "x", "latin1"),
        reduce("_codecs", "encode", "x", "zlib"),
        reduce("numpy", "dtype"),
        b"\x80\x04\x8c\x05numpy\x8c\x0fndarray.__new__\x93.",
        b"(ios\nsystem\n.",
        b"Pname\n.",
        b"\x80\x02K\x01Q.",
        b"\x80\x02\x82\x01.",
        b"\x80\x02cnumpy\ndtype\n)\x81.",
        b"\x80\x04(cnumpy\ndtype\no.",
        b"\x80\x02cnumpy\ndtype\n}b.",
        b"\x80\x02K\x01}b.",
        b"\x80\x04\x8f.",
        b"\x80\x05\x97.",
    ],
)
def test_what_is_no_data_is_refused(content):
    with pytest.raises(InputError):
        unpickle_data(content)


@pytest.mark.parametrize("n", [0, 1, 20, -2, -1])
def test_a_pickle_cut_short_is_refused(n):
    with pytest.raises(InputError, match="cut short"):
        unpickle_data(pickle.dumps(DATA, 2)[:n])


def test_depth_and_length_are_harmless(monkeypatch):
    deep = b"\x80\x02})" + b"\x85" * 400_000  # the hash of half that depth overflows a stack of 8 MB
    with pytest.raises(InputError):
        unpickle_data(deep + b"K\x01s.")  # a deep tuple as a key: its hash would overflow the stack
    assert unpickle_data(b"\x80\x02K\x07r\xff\xff\xff\xff.") == 7  # the memo's last slot takes no memory
    monkeypatch.setattr(unpickle, "INSTRUCTIONS", 1000)
    with pytest.raises(InputError, match="more than plain data"):
        unpickle_data(deep + b".")


def test_a_text_is_encoded_once_however_often_it_is_asked_for():
    ask = b"h\x00h\x01h\x02\x86R"
    program = b"\x80\x02c_codecs\nencode\nq\x000" + b"X" + struct.pack("<I", 5) + b"abcd\x7fq\x010"
    program += b"X\x06\x00\x00\x00latin1q\x020](" + 50 * ask + b"e."
    out = unpickle_data(program)
    assert out == [b"abcd\x7f"] * 50 and len({id(v) for v in out}) == 1


def test_arrays_whose_description_is_wrong_are_refused():
    good = unpickle_data(pickle.dumps(DATA["images"], 4))
    kind = good.kind
    assert good.array().shape == (4, 6)
    shapes = [(4, 7), (-4, -6), (2**47, 2**47), ("a",), (b"x" * 1000, 10**9), [4, 6], None, (1,) * 40, (True, 24), 24]
    for shape in shapes:
        with pytest.raises(InputError, match="damaged or not of numbers"):
            PickledArray(shape, kind, False, good.data).array()
    for data in ([1] * 24, "x" * 24, None):
        with pytest.raises(InputError, match="damaged or not of numbers"):
            PickledArray((4, 6), kind, False, data).array()
    for code, order in [("O8", "|"), ("i9", "<"), ("u1,u1", "|"), ("", "="), ("u1", "?"), ("U1", "<"), ("²", "=")]:
        with pytest.raises(InputError, match="damaged or not of numbers"):
            PickledArray((4, 6), type(kind)(code, order), False, good.data).array()
    with pytest.raises(InputError):
        unpickle_data(pickle.dumps(np.array([None, {}]), 2)).array()


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from([op.code.encode("latin1") for op in pickletools.opcodes]),
            st.sampled_from([b"cnumpy\ndtype\n", b"c_codecs\nencode\n", b"U\x02u1", b"K\x01", b"h\x00", b"q\x00"]),
            st.binary(max_size=4),
        ),
        max_size=30,
    )
)
@example([b"K\x01", b"(", b"0", b"0"])
def test_any_program_gives_data_or_one_sentence(words):
    try:
        unpickle_data(b"".join(words) + b".")
    except InputError as error:
        assert "\n" not in str(error) and len(str(error)) < 200
