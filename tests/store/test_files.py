from __future__ import annotations

from unittest import mock

import h5py
import numpy as np
import pytest
import xarray

import physnn
from physnn.errors import InputError
from physnn.store.hdf5 import Variable
from physnn.store.network_file import network_id, read_networks, write_networks
from physnn.store.parts import Parts, read_part, write_part
from physnn.store.sweep_file import read_sweep, write_sweep
from tests.conftest import make_networks, planted_sizes


def test_a_sweep_file_opens_in_xarray_without_physnn(tmp_path):
    path = tmp_path / "s.h5"
    write_sweep(path, {"kind": "planted", "seed": 3}, planted_sizes(0))
    with xarray.open_datatree(path) as tree:
        assert set(tree.children) == {"L16", "L32", "L64"}
        assert tree["L32"]["rmse"].dims == ("eta", "network", "image")
        assert np.array_equal(tree["L32"]["eta"], np.linspace(0, 1, 15))
        assert tree.attrs["format"] == "physnn-sweep"
        assert tree.attrs["root_seed"] == 3
        assert tree.attrs["physnn_version"] == physnn.__version__
    again = read_sweep(path)
    assert list(again.sizes) == [16, 32, 64]
    assert np.array_equal(again.sizes[64]["rmse"].values, planted_sizes(0)[64]["rmse"].values)


ENGINES = sorted({"h5netcdf", "netcdf4"} & set(xarray.backends.list_engines()))


def with_text():
    names = np.char.encode(["kuramoto/1", "eigen/é"], "utf-8")
    places = np.array([["a", "bb", "ccc"], ["", "y", "z"]], "S")
    return {
        "eta": Variable(("eta",), np.array([0.1, 0.2])),
        "network": Variable(("network",), names, {"long_name": "identity"}),
        "rmse": Variable(("eta", "network", "image"), np.arange(12.0).reshape(2, 2, 3)),
        "place": Variable(("network", "image"), places),
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_text_is_text_whatever_xarray_reads_it_with(tmp_path, engine):
    path = tmp_path / "s.h5"
    write_sweep(path, {"seed": 3}, {16: with_text(), 32: with_text()})
    with xarray.open_datatree(path, engine=engine) as tree:
        for L in "L16", "L32":
            one = tree[L].to_dataset().sel(network="eigen/é")
            assert one["rmse"].values.tolist() == [[3, 4, 5], [9, 10, 11]]
            assert one["place"].values.tolist() == ["", "y", "z"]
            assert set(tree[L].dims) == {"eta", "network", "image"}
        found = physnn.open_datatree(path)
        assert found.equals(tree) and found.attrs == tree.attrs
        assert found["L16"]["network"].attrs == {"long_name": "identity"}


def test_text_comes_back_as_it_was_written(tmp_path):
    path = tmp_path / "s.h5"
    write_sweep(path, {"seed": 3}, {16: with_text()})
    again = read_sweep(path).sizes[16]
    assert set(again) == {*with_text(), "image"}
    for name, variable in with_text().items():
        assert again[name].dims == variable.dims and again[name].attrs == variable.attrs
        assert again[name].values.dtype == variable.values.dtype
        assert np.array_equal(again[name].values, variable.values)
    with h5py.File(path) as file:  # as netCDF says: bytes along a last dimension that is no variable
        assert file["L16/network"].dtype == "S1" and file["L16/network"].attrs["_Encoding"] == b"utf-8"


def test_a_sweep_is_read_without_its_states(tmp_path):
    group = {
        "T": Variable(("T",), np.array([1.0, 2.0])),
        "m": Variable(("T", "chain"), np.ones((2, 3))),
        "state_colours": Variable(("T", "chain", "row"), np.ones((2, 3, 4), np.int8)),
    }
    write_sweep(tmp_path / "s.h5", {"seed": 0}, {4: group})
    whole, light = (read_sweep(tmp_path / "s.h5", states=states) for states in (True, False))
    assert whole.sizes[4].keys() - light.sizes[4].keys() >= {"state_colours"} and "m" in light.sizes[4]
    assert np.array_equal(light.sizes[4]["m"].values, whole.sizes[4]["m"].values) and light.recipe == whole.recipe


def test_a_network_keeps_its_identity(tmp_path):
    first, second = make_networks(tmp_path / "a.h5", (0, 1)), make_networks(tmp_path / "b.h5", (1,))
    a, b = read_networks(first), read_networks(second)
    assert a.ids[1] == b.ids[0] != a.ids[0]
    weights = {name: w[0].copy() for name, w in b.weights.items()}
    weights["coupling"][0, 0, 0, 0] += 1e-3
    assert network_id(b.architecture, weights) != b.ids[0]


def test_weights_of_wrong_shape_or_not_finite_are_refused(tmp_path, network_file):
    good = read_networks(network_file)
    bad = np.full(16, np.nan, np.float32)
    for architecture, change in (({"components": 8}, {}), ({"broken": True}, {}), ({}, {"readout": bad})):
        trained = {k: w[0] for k, w in good.weights.items()} | {"loss": np.zeros(1), "validation_rmse": np.array(0.1)}
        how = good.architecture | architecture, good.recipe, (0,), [trained | change]
        (tmp_path / "bad.h5").unlink(missing_ok=True)
        if architecture:
            with pytest.raises(InputError, match="not written, for it would contradict itself"):
                write_networks(tmp_path / "bad.h5", *how)
            assert not (tmp_path / "bad.h5").exists()
        with mock.patch("physnn.store.network_file.check_unwritten"):
            write_networks(tmp_path / "bad.h5", *how)
        with pytest.raises(InputError, match="not a valid network file"):
            read_networks(tmp_path / "bad.h5")


def test_parts_are_whole_or_made_again(tmp_path):
    parts = Parts(tmp_path / "s.h5")
    assert parts.recipe() is None
    parts.begin({"a": 1})
    assert parts.recipe() == {"a": 1}
    write_part(parts.path("k"), {"y": np.arange(3), "z": np.array(2.5)})
    assert parts.finished("k") and not parts.finished("other")
    assert read_part(parts.path("k"))["z"] == 2.5
    data = parts.path("k").read_bytes()
    parts.path("k").write_bytes(data[:-5])
    assert not parts.finished("k")
    assert not parts.path("k").exists()
    write_part(parts.path("long"), {"unfinished": np.array(3)})
    assert not parts.finished("long")
    assert parts.path("long").exists(), "a checkpoint is kept"
