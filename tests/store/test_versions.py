"""Files of every version that ever was load for ever; those of later versions are refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from physnn.answers import fit
from physnn.errors import InputError
from physnn.samples.files import stored
from physnn.samples.kinds import sample_of
from physnn.samples.noise.work import NoiseSample
from physnn.samples.temperature.work import TemperatureSample
from physnn.store import guard, hdf5
from physnn.store.ensemble_file import read_distances, read_ensembles
from physnn.store.hdf5 import content_digest
from physnn.store.inspect import read_everything
from physnn.store.network_file import read_networks
from physnn.store.parts import Parts, read_part
from physnn.store.sweep_file import open_datatree, read_sweep

FIXTURES = Path(__file__).parent / "fixtures" / "v1"
DIGESTS = {
    "distance": ("physnn-distances", "f4dbf25bc324"),
    "ensemble": ("physnn-ensembles", "0b492926e64c"),
    "network": ("physnn-networks", "99969de0311c"),
    "part": ("physnn-part", "a1a62ef6aec6"),
    "sweep": ("physnn-sweep", "d90606fdcc03"),
    "temperature": ("physnn-sweep", "636b4656f781"),
}
"""Kind and first digits of the digest of the files that physnn 0.1.0 wrote; never to be changed."""


@pytest.mark.parametrize("name", DIGESTS)
def test_files_of_version_1_load(name):
    found = read_everything(FIXTURES / f"{name}.h5")
    assert found.whole, found.reason
    assert (found.format, found.version, found.digest[:12]) == (DIGESTS[name][0], 1, DIGESTS[name][1])


def test_what_files_of_version_1_hold_is_understood():
    sweep = read_sweep(FIXTURES / "sweep.h5")
    assert list(sweep.sizes) == [20, 24]
    assert sweep.sizes[20]["rmse"].dims == ("eta", "network", "image")
    assert sweep.sizes[20]["eta"].values.tolist() == [0.0, 0.1, 0.2, 0.3]
    assert np.isclose(sweep.sizes[20]["rmse"].values.mean(), open_datatree(FIXTURES / "sweep.h5")["L20"]["rmse"].mean())
    # Text was stored in a form that h5netcdf gives as bytes.
    assert open_datatree(FIXTURES / "sweep.h5")["L20"].to_dataset().sel(network="1d3c2b5e7d94a011")["rmse"].ndim == 2
    chains = read_sweep(FIXTURES / "temperature.h5").sizes[6]
    assert chains["energy"].dims == ("T", "chain", "measurement")
    assert chains["state_colours"].dims == ("T", "chain", "row", "column")
    networks = read_networks(FIXTURES / "network.h5")
    assert networks.ids == ("3f35a74ffe803e0f", "1d3c2b5e7d94a011")
    ensembles = read_ensembles(FIXTURES / "ensemble.h5").ensembles
    assert ensembles["simple"].weights["first.weight"].shape == (2, 3, 2)
    matrices = read_distances(FIXTURES / "distance.h5")[1]
    assert np.array_equal(matrices["simple"]["wasserstein"], 2 * matrices["simple"]["euclid"])
    assert int(read_part(FIXTURES / "part.h5")["unfinished"]) == 1
    assert fit.default_observable(sweep) == "rmse"


@pytest.mark.parametrize(("name", "kind"), [("sweep", NoiseSample), ("temperature", TemperatureSample)])
def test_sweeps_of_version_1_can_be_extended(name, kind):
    """Every task of the file is known by the key that the present code gives it."""
    recipe = kind.Recipe.model_validate(read_sweep(FIXTURES / f"{name}.h5").recipe)
    known = stored(FIXTURES / f"{name}.h5")
    sample = sample_of(recipe)
    assert isinstance(sample, kind)
    assert set(known) == {task.key for task in sample.tasks()}
    assert sum(map(sample.count, sample.sizes())) == len(known)


def with_version(name: str, version: int, path: Path) -> Path:
    whole = (FIXTURES / f"{name}.h5").read_bytes()
    path.write_bytes(whole[: -guard.TRAILER_LENGTH])
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = version
        file.attrs["physnn_version"] = np.bytes_(b"7.5.0")
    guard.seal(path)
    return path


@pytest.mark.parametrize("name", DIGESTS)
def test_newer_files_are_refused_by_name(tmp_path, name):
    path = with_version(name, 2, tmp_path / "new.h5")
    found = read_everything(path)
    assert not found.whole
    assert "new.h5 was written by a newer physnn (physnn 7.5.0, format 2; this one reads up to 1)" in found.reason
    assert "upgrade" in found.reason


@pytest.mark.parametrize("version", [0, -1])
def test_versions_that_never_were_are_refused(tmp_path, version):
    with pytest.raises(InputError, match="never was"):
        read_sweep(with_version("sweep", version, tmp_path / "odd.h5"))


def test_a_part_of_a_newer_physnn_is_not_thrown_away(tmp_path):
    parts = Parts(tmp_path / "s.h5")
    parts.begin({})
    with_version("part", 2, parts.path("k"))
    with pytest.raises(InputError, match="newer"):
        parts.finished("k")
    assert parts.path("k").exists()


def test_dimensions_of_new_files_need_no_references(tmp_path):
    """Old files name dimensions by references, which damaged files can turn into loops; new ones say them in text."""
    sweep = read_sweep(FIXTURES / "sweep.h5")
    hdf5.write_sealed(
        tmp_path / "n.h5", {f"/L{L}": g for L, g in sweep.sizes.items()}, {"format": "x", "format_version": 1}
    )
    with h5py.File(tmp_path / "n.h5") as file:
        assert json.loads(file["L20/rmse"].attrs["dimensions"]) == ["eta", "network", "image"]
    assert content_digest(tmp_path / "n.h5").startswith(DIGESTS["sweep"][1])
