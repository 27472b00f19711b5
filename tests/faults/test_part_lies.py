"""Parts that say what is not so, sealed anew: refused in one line before anything is written."""

from __future__ import annotations

import shutil
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from physnn import api, rng
from physnn.errors import InputError, TasksFailed
from physnn.samples.kinds import sample_of
from physnn.samples.seam import SeamSample
from physnn.samples.temperature.work import TemperatureSample
from physnn.store.hdf5 import content_digest
from physnn.store.parts import Parts, read_part, write_state
from physnn.store.sweep_file import read_sweep
from tests.faults.fuzz import LONGEST
from tests.samples.smallest import SETTINGS, make_places

ISING = {"L": (2, 3), "T": (2.0, 3.0), "sweeps": 20, "chains": 2, "thermalisation": 5}


def cut(values: np.ndarray) -> np.ndarray | None:
    return values[:-1] if values.ndim and len(values) else None


def of_another_type(values: np.ndarray) -> np.ndarray:
    return values.astype("f8" if values.dtype.kind in "iub" else "i8") if values.dtype.kind != "S" else np.zeros(3)


def text(values: np.ndarray) -> np.ndarray:
    return np.full(values.shape, b"x")


def an_axis_more(values: np.ndarray) -> np.ndarray:
    return values[None]


def missing(_values: np.ndarray) -> np.ndarray:
    return np.empty(0, "S9")  # left out, see `told`


LIES = (cut, of_another_type, text, an_axis_more, missing)


class Kept:
    """A file with the parts it was made of."""

    def __init__(self, kind: str, settings: dict, folder: Path) -> None:
        self.recipe, self.out = api.recipe(kind, **settings), folder / "s.h5"
        with mock.patch.object(Parts, "remove", lambda _: None):
            api.run(self.recipe, self.out, jobs=1)
        self.digest = content_digest(self.out)
        self.parts = self.out.with_name("kept")
        shutil.copytree(Parts(self.out).folder, self.parts)
        self.keys = sorted(file.stem for file in self.parts.glob("*.h5"))

    def told(self, key: str, name: str, lie) -> str:
        """What becomes of a lie that a part tells of an array: ``same``, ``other``, or what is said."""
        shutil.rmtree(Parts(self.out).folder, ignore_errors=True)
        shutil.copytree(self.parts, Parts(self.out).folder)
        self.out.unlink(missing_ok=True)
        path = Parts(self.out).path(key)
        arrays = dict(read_part(path))
        with np.errstate(invalid="ignore"):
            values = lie(arrays.pop(name))
        if values is None:
            return ""
        path.unlink()
        write_state(path, arrays if lie is missing else arrays | {name: values})
        try:
            api.run(self.recipe, self.out, jobs=1)
        except (InputError, TasksFailed) as error:
            assert not self.out.exists()
            said = str(error).replace(str(self.out.parent), "")
            assert len(said.splitlines()) == 1 and len(said) < LONGEST, said
            return said
        return "same" if content_digest(self.out) == self.digest else "other"


@pytest.fixture(scope="module")
def ising(tmp_path_factory):
    return Kept("temperature", ISING, tmp_path_factory.mktemp("lies"))


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("name", ["m", "updates"])
def test_a_part_that_lies_is_refused(ising, name, lie):
    said = ising.told(next(task.key for task in sample_of(ising.recipe).tasks_of(2)), name, lie)
    assert "(L = 2) hold" in said or "L = 2 has other axes" in said or (lie, name, said) == (cut, "updates", ""), said


def test_a_checkpoint_without_its_state_names_its_task(ising):
    def unfinished(_values: np.ndarray) -> np.ndarray:
        return np.array(1)

    key = ising.keys[0]
    arrays = {"unfinished": np.array(1), "m": np.zeros(3)}
    with mock.patch(f"{__name__}.read_part", lambda _: arrays):
        said = ising.told(key, "unfinished", unfinished)
    assert f"task {key}" in said


def test_texts_of_tasks_may_have_any_length(tmp_path):
    """A single text comes back from a part as long as it is."""
    words = {"wall": ("diagonal", "1", "0")}
    recipe = api.recipe("seam", words=words, L=(4,), T=(0.4,), axes=(0, 1), measurements=800)
    names, run = iter((b"cooled 0", b"wave (-0, 1)", b"spread -1")), SeamSample.run
    with mock.patch.object(
        SeamSample, "run", lambda *words: run(*words) | {"from_periodic": np.array(next(names), "S64")}
    ):
        api.run(recipe, tmp_path / "s.h5", jobs=1)
    found = read_sweep(tmp_path / "s.h5").sizes[4]["from_periodic"].values
    assert sorted(found.ravel().tolist()) == [b"cooled 0", b"wave (-0, 1)"]


def test_an_error_of_a_kind_from_outside_stays_what_it_is(tmp_path):
    def wrong(*_words: object) -> dict:
        return {"z": np.zeros(3) + np.zeros(4)}

    recipe = api.recipe("temperature", **ISING)
    for module, kind in (("json", ValueError), ("physnn.samples", InputError)):
        with (
            mock.patch.object(TemperatureSample, "derived", wrong),
            mock.patch.object(TemperatureSample, "__module__", module),
            pytest.raises(ValueError, match="could not be broadcast together") as error,
        ):
            api.run(recipe, tmp_path / f"{module}.h5", jobs=1)
        assert error.type is kind and ("use --restart" in str(error.value)) == (kind is InputError)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_part_of_any_kind_gets_through_with_a_lie(tmp_path):
    places = make_places(tmp_path)
    for kind, settings in SETTINGS.items():
        (tmp_path / kind).mkdir()
        given = {n: v.format(**places) if isinstance(v, str) else v for n, v in settings.items()}
        kept, found = Kept(kind, given, tmp_path / kind), []
        for k in range(16):
            generator = rng.stream(0, "synthetic", "lies of parts", kind, k)
            key = kept.keys[generator.integers(len(kept.keys))]
            name = sorted(read_part(kept.parts / f"{key}.h5"))
            found.append(kept.told(key, name[generator.integers(len(name))], LIES[generator.integers(len(LIES))]))
        print(kind, found.count("same"), sum(len(said) > 5 for said in found))
        assert "other" not in found and any(len(said) > 5 for said in found), (kind, found)
