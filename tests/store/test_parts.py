from __future__ import annotations

import os

import numpy as np
import pytest

from physnn.errors import Contested, InputError
from physnn.store import parts as store
from physnn.store.parts import Parts, read_part, write_part, write_state

FIRST = {"x": np.arange(3.0), "nan": np.array(np.nan), "text": np.array(b"sharp 0", "S64")}


@pytest.fixture(params=[True, False], ids=["links", "no links"])
def parts(tmp_path, monkeypatch, request) -> Parts:
    """A parts folder on a file system with hard links, and on one without."""
    if not request.param:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(PermissionError(1, "no links")))
    found = Parts(tmp_path / "s.h5")
    found.begin({})
    return found


def names(parts: Parts) -> list[str]:
    return sorted(p.name for p in parts.folder.iterdir() if p.name != "recipe.json")


def test_a_second_delivery_leaves_one_result(parts):
    path = parts.path("k")
    write_part(path, FIRST)
    before = path.stat()
    write_part(path, FIRST)
    assert path.stat().st_ino == before.st_ino and path.stat().st_mtime_ns == before.st_mtime_ns
    assert names(parts) == ["k.h5"] and parts.finished("k") and not parts.contested()


@pytest.mark.parametrize(
    "second",
    [
        FIRST | {"x": np.array([0, 1, 2.0000000000000004])},
        FIRST | {"x": np.arange(3)},
        FIRST | {"text": np.array(b"sharp 1", "S64")},
        {"x": np.arange(3.0)},
    ],
    ids=["last bit", "another type", "another text", "one missing"],
)
def test_a_different_second_result_is_an_error_that_names_the_task_and_keeps_both(parts, second):
    write_part(parts.path("k"), FIRST)
    with pytest.raises(Contested, match=r"task k was done twice with different results"):
        write_part(parts.path("k"), second)
    assert names(parts) == ["k.h5", "k.mismatch"] and parts.contested() == {"k"}
    assert np.array_equal(read_part(parts.path("k"))["x"], FIRST["x"])
    assert set(read_part(parts.folder / "k.mismatch")) == set(second)


def test_a_checkpoint_never_replaces_a_result_and_a_result_replaces_checkpoints(parts, monkeypatch):
    path = parts.path("k")
    for step in (1, 2):
        write_part(path, FIRST | {"step": np.array(step), "unfinished": np.array(1)})
        assert int(read_part(path)["step"]) == step and not parts.finished("k")
        assert parts.listing() == ({}, {"k": ""})
    monkeypatch.setattr(store, "_written", {})  # as in another process that began from the same checkpoint
    write_part(path, FIRST | {"unfinished": np.array(0)})
    assert parts.finished("k") and list(parts.listing()[0]) == ["k"]
    write_part(path, FIRST | {"step": np.array(3), "unfinished": np.array(1)})
    assert parts.finished("k")


def test_a_damaged_result_is_replaced(parts):
    write_part(parts.path("k"), FIRST)
    parts.path("k").write_bytes(b"nothing")
    write_part(parts.path("k"), FIRST)
    assert parts.finished("k")


def test_a_process_need_not_read_its_own_checkpoints(parts, monkeypatch):
    monkeypatch.setattr(store, "read_part", lambda _: pytest.fail("read"))
    for step in range(3):
        write_part(parts.path("k"), {"step": np.array(step), "unfinished": np.array(1)})
    write_part(parts.path("k"), {"step": np.array(3)})
    write_part(parts.path("other"), FIRST)


def test_a_state_is_simply_replaced(tmp_path):
    for k in range(3):
        write_state(tmp_path / "state.h5", {"k": np.array(k)})
    assert int(read_part(tmp_path / "state.h5")["k"]) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["state.h5"]


def test_parts_that_exchange_their_names_are_refused(tmp_path):
    parts = Parts(tmp_path / "s.h5")
    parts.begin({})
    one, other = parts.path("one"), parts.path("other")
    for path in (one, other):
        write_part(path, FIRST)
    one.rename(tmp_path / "spare")
    other.rename(one)
    (tmp_path / "spare").rename(other)
    for key, task in (("one", "other"), ("other", "one")):
        with pytest.raises(InputError, match=f"is the part of task '{task}'"):
            parts.finished(key)
        assert parts.path(key).exists(), "somebody else's result is not removed"
    (tmp_path / "other").mkdir()
    one.rename(tmp_path / "other" / "other.h5")
    assert np.array_equal(read_part(tmp_path / "other" / "other.h5")["x"], FIRST["x"]), "the folder does not matter"
