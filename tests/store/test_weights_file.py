from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from physnn.errors import InputError
from physnn.store.network_file import read_networks
from physnn.store.weights_file import read_weights, weights_digest

WEIGHTS = {"J": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array(4), "b": np.array([1.5], np.float64)}


@pytest.fixture
def file(tmp_path) -> Path:
    save_file(WEIGHTS, tmp_path / "mine.safetensors")
    return tmp_path / "mine.safetensors"


def test_weights_come_back_as_they_were_saved(file):
    found = read_weights(file)
    assert list(found) == ["mine"]
    assert found["mine"].keys() == WEIGHTS.keys()
    for name, values in WEIGHTS.items():
        assert found["mine"][name].dtype == values.dtype
        assert np.array_equal(found["mine"][name], values)


def test_our_own_network_files_serve_too(network_file):
    found, file = read_weights(network_file), read_networks(network_file)
    assert list(found) == ["two/0", "two/1"]
    assert np.array_equal(found["two/1"]["coupling"], file.weights["coupling"][1])


def test_a_digest_is_that_of_names_types_shapes_and_numbers(file):
    same = weights_digest(dict(reversed(WEIGHTS.items())))
    assert same == weights_digest(read_weights(file)["mine"]) == weights_digest(WEIGHTS)
    changes = [
        {"J": WEIGHTS["J"].T.copy()},
        {"J": WEIGHTS["J"] + 1},
        {"n": np.array(4, np.int32)},
        {"m": np.array(4)},
    ]
    assert len({same, *(weights_digest(WEIGHTS | change) for change in changes)}) == 5


def test_damaged_and_hostile_files_end_in_one_sentence(file, tmp_path):
    data = file.read_bytes()
    header = json.dumps({"J": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 10**9]}}).encode()
    bf16 = json.dumps({"J": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}).encode()

    class Runs:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    wrong = {
        "empty": b"",
        "cut": data[:-5],
        "huge": (2**62).to_bytes(8, "little") + data[8:],
        "beyond": len(header).to_bytes(8, "little") + header,
        "pickle": pickle.dumps(Runs()),
        "bf16": len(bf16).to_bytes(8, "little") + bf16 + b"\0\0",
    }
    for name, content in wrong.items():
        file.write_bytes(content)
        with pytest.raises(InputError, match=r"not a whole safetensors file|kind that numpy lacks") as caught:
            read_weights(file)
        assert "\n" not in str(caught.value), name
    assert not (tmp_path / "ran").exists()
    with pytest.raises(InputError, match="cannot read"):
        read_weights(tmp_path / "absent.safetensors")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, complex(0, np.nan), complex(0, -np.inf)])
def test_weights_that_are_not_finite_are_refused_whatever_their_type(file, dtype, wrong):
    if np.iscomplex(wrong) and dtype != "complex64":
        wrong = np.imag(wrong)
    save_file(WEIGHTS | {"J": np.array([1.0, 2.0], dtype)}, file)
    assert read_weights(file)["mine"]["J"].dtype == dtype
    save_file(WEIGHTS | {"J": np.array([1.0, wrong], dtype)}, file)
    with pytest.raises(InputError, match="not finite, in J"):
        read_weights(file)


@pytest.mark.parametrize(("name", "nan"), [("BF16", b"\xc0\x7f"), ("F8_E4M3", b"\x7f"), ("F8_E5M2", b"\x7e")])
def test_types_that_numpy_lacks_are_refused(file, name, nan):
    header = json.dumps({"J": {"dtype": name, "shape": [1], "data_offsets": [0, len(nan)]}}).encode()
    file.write_bytes(len(header).to_bytes(8, "little") + header + nan)
    with pytest.raises(InputError, match=f"{name}.*save them as float32"):
        read_weights(file)
