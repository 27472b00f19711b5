"""Kill a writer at any moment, or at each point of a commit: the old state or the new one, never half of one."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from physnn import rng
from physnn.errors import InputError, Unfinished
from physnn.jobs.locks import exclusive
from physnn.store import commit, datasets, hdf5
from physnn.store.commit import previous, temporaries
from physnn.store.parts import Parts, read_checkpoint, read_part, write_part, write_state


def forked(work: Callable[[], None]) -> int:
    """Start a child that does ``work``; a fork, so that many of them take no time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            work()
        os._exit(0)
    return pid


def state(step: int) -> dict[str, np.ndarray]:
    return {"step": np.array(step), "values": np.full(5000, float(step)), "unfinished": np.array(1)}


def sound(found: dict[str, np.ndarray]) -> int:
    assert (found["values"] == float(found["step"])).all()
    return int(found["step"])


def write_for_ever(path: Path, first: int) -> None:
    for step in range(first, 10**6):
        write_part(path, state(step), keep_previous=True)


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_kills_at_random_moments_lose_no_state(tmp_path, kills):
    """Moments by chance; each point of a commit has a kill of its own below."""
    path, generator, last, hits, patience = tmp_path / "c.h5", rng.stream(0, "synthetic", "kills"), -1, 0, 1.0
    for _ in range(kills):
        pid = forked(lambda first=last + 1: write_for_ever(path, first))
        time.sleep(float(generator.uniform(0.002, 0.05)) * patience)
        os.kill(pid, signal.SIGKILL)
        assert os.waitpid(pid, 0)[1] == signal.SIGKILL, "the kill came in time"
        found = read_checkpoint(path)
        # A machine with other things to do takes longer to get to work.
        patience = 1.0 if found is not None and sound(found) > last else 2 * patience
        if found is not None:
            assert sound(found) >= last
            hits += sound(found) > last
            last = sound(found)
            assert not previous(path).exists() or sound(read_part(previous(path))) in (last, last - 1)
    assert hits > kills / 5, "writers were killed at work"
    write_part(path, state(last + 1))
    assert not previous(path).exists(), "a final state needs no other"


POINTS = {
    "before anything": (datasets, "PatientStream"),
    "inside": (hdf5, "write_array"),
    "before the seal": (hdf5, "seal"),
    "before the sync": (os, "fsync"),
    "before the old state gets its second name": (os, "link"),
    "before the rename": (Path, "replace"),
    "after the rename": (commit, "_sync_folder"),
}


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_each_point_of_a_commit_leaves_a_state(tmp_path, point):
    path = tmp_path / "c.h5"
    write_part(path, state(1), keep_previous=True)
    write_part(path, state(2), keep_previous=True)

    def die(*_args: object, **_options: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        setattr(*POINTS[point], die)
        write_part(path, state(3), keep_previous=True)

    assert os.waitpid(forked(work), 0)[1] == signal.SIGKILL
    assert sound(read_checkpoint(path)) == (3 if point == "after the rename" else 2)
    write_part(path, state(4), keep_previous=True)
    assert sound(read_checkpoint(path)) == 4
    assert sound(read_part(previous(path))) == (3 if point == "after the rename" else 2)


def test_where_there_are_no_hard_links_a_state_is_there_all_the_same(tmp_path, monkeypatch):
    def refuse(*_args: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    for step in (1, 2, 3):
        write_part(tmp_path / "c.h5", state(step), keep_previous=True)
    assert sound(read_part(tmp_path / "c.h5")) == 3 and sound(read_part(previous(tmp_path / "c.h5"))) == 2
    (tmp_path / "c.h5").unlink()
    assert sound(read_checkpoint(tmp_path / "c.h5")) == 2


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_the_state_before_serves_where_the_newest_is_damaged(tmp_path, damage):
    parts = Parts(tmp_path / "s.h5")
    parts.begin({})
    path = parts.path("k")
    for step in (1, 2):
        write_part(path, state(step), keep_previous=True)
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(whole[:-7] if damage == "cut" else whole[:600] + bytes([whole[600] ^ 1]) + whole[601:])
        assert not parts.finished("k")
    assert sound(read_checkpoint(path)) == 1
    write_part(path, state(2), keep_previous=True)
    assert path.read_bytes() == whole, "the same state again, to the last byte"


def test_damage_to_both_states_is_said_or_begins_anew(tmp_path):
    path = tmp_path / "c.h5"
    for step in (1, 2):
        write_part(path, state(step), keep_previous=True)
    for file in (path, previous(path)):
        file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match="no physnn seal"):
        read_checkpoint(path)
    path.unlink()
    assert read_checkpoint(path) is None


def test_what_killed_writers_leave_does_not_disturb_and_goes_in_the_end(tmp_path):
    out = tmp_path / "s.h5"
    for name in (".s.h5.0123456789ab.tmp", ".s.h5.4711.tmp"):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / ".other.h5.0123456789ab.tmp").write_bytes(b"half")
    (tmp_path / ".s.h5.lock").write_text("")
    with exclusive(out):
        write_state(out, state(1))
        Parts(out).remove()
    assert sorted(f.name for f in tmp_path.iterdir()) == [".other.h5.0123456789ab.tmp", "s.h5"]


def test_a_lock_is_held_by_the_living_only(tmp_path):
    out = tmp_path / "s.h5"

    def hold() -> None:
        with exclusive(out):
            (tmp_path / "held").touch()
            time.sleep(60)

    pid = forked(hold)
    while not (tmp_path / "held").exists():
        time.sleep(0.005)
    with pytest.raises(InputError, match="another process is writing"), exclusive(out):
        pass
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with exclusive(out):
        pass


def test_clocks_and_folders_do_not_matter(tmp_path):
    """A state with a time in the future, in a folder that was moved, is read like any other."""
    (tmp_path / "a").mkdir()
    write_part(tmp_path / "a" / "c.h5", state(1), keep_previous=True)
    write_part(tmp_path / "a" / "c.h5", state(2), keep_previous=True)
    os.utime(tmp_path / "a" / "c.h5.prev", (4e9, 4e9))
    os.utime(tmp_path / "a" / "c.h5", (0, 0))
    (tmp_path / "a").rename(tmp_path / "b")
    assert sound(read_checkpoint(tmp_path / "b" / "c.h5")) == 2


@pytest.mark.parametrize(
    "name", ["x" * 250 + ".h5", "ä" * 120 + ".h5", "Größe 32 \N{GREEK SMALL LETTER ETA}.h5", "a b'\".h5"]
)
def test_long_and_odd_names(tmp_path, name):
    write_part(tmp_path / name, state(1))
    assert sound(read_part(tmp_path / name)) == 1
    assert not temporaries(tmp_path / name)


@pytest.mark.parametrize(("name", "kind"), [("y" * 300, InputError), ("no/folder.h5", InputError)])
def test_impossible_names_are_said_in_one_sentence(tmp_path, name, kind):
    with pytest.raises(kind, match="cannot write"):
        write_part(tmp_path / name, state(1))


@pytest.mark.parametrize("number", [5, 13, 24, 27, 28, 30, 122])
@pytest.mark.parametrize("moment", ["write", "flush", "fsync", "link", "replace"])
def test_errors_of_the_disk_stop_with_the_old_state_intact(tmp_path, monkeypatch, number, moment):
    path = tmp_path / "c.h5"
    write_part(path, state(1), keep_previous=True)
    whole = path.read_bytes()

    def fail(*_args: object, **_options: object) -> None:
        raise OSError(number, os.strerror(number))

    class Full:
        """A file on a disk that is full."""

        def __init__(self, stream: object) -> None:
            self.stream = stream

        def __getattr__(self, name: str) -> object:
            return fail if name == moment else getattr(self.stream, name)

    with monkeypatch.context() as patch:
        if moment in ("write", "flush"):
            original = datasets.PatientStream
            patch.setattr(datasets, "PatientStream", lambda stream: original(Full(stream)))
        else:
            patch.setattr(*((os, moment) if moment != "replace" else (Path, "replace")), fail)
        if moment == "link":
            write_part(path, state(2), keep_previous=True)  # a second name that cannot be had is done without
            assert sound(read_part(path)) == 2 and sound(read_part(previous(path))) == 1
            return
        with pytest.raises(Unfinished, match=r"cannot write .*what was finished is saved"):
            write_part(path, state(2), keep_previous=True)
    assert path.read_bytes() == whole
    assert not temporaries(path)


@pytest.mark.parametrize("moment", ["seek", "write", "flush"])
def test_a_signal_inside_a_write_waits_until_the_library_is_done(tmp_path, monkeypatch, moment):
    """An exception inside its callbacks leaves it in disorder: text on the terminal, or the end of the process."""
    path, lost, handlers = tmp_path / "c.h5", [], [signal.getsignal(n) for n in commit.HELD_SIGNALS]
    monkeypatch.setattr(sys, "unraisablehook", lost.append)
    write_part(path, state(1), keep_previous=True)
    whole, call = path.read_bytes(), getattr(datasets.PatientStream, moment)

    def interrupted(*given: object) -> object:
        os.kill(os.getpid(), signal.SIGINT)
        return call(*given)

    with monkeypatch.context() as patch:
        patch.setattr(datasets.PatientStream, moment, interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_part(path, state(2), keep_previous=True)
    assert not lost and path.read_bytes() == whole and not temporaries(path)
    assert [signal.getsignal(n) for n in commit.HELD_SIGNALS] == handlers
    write_part(path, state(2), keep_previous=True)
    assert sound(read_part(path)) == 2


def test_what_killed_writers_left_goes_with_the_next_write_unless_somebody_writes(tmp_path):
    path = tmp_path / "f.csv"

    def write_for_ever(temporary: Path) -> None:
        (tmp_path / "begun").touch()
        time.sleep(60)

    pid = forked(lambda: commit.commit(path, write_for_ever))
    while not (tmp_path / "begun").exists():
        time.sleep(0.005)
    hdf5.write_bytes(path, b"first")
    assert len(temporaries(path)) == 1, "that of a living writer"
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    hdf5.write_bytes(path, b"second")
    assert not temporaries(path) and path.read_bytes() == b"second"


def test_parts_of_a_restart_do_not_replace_the_new_file_where_their_removal_is_cut_short(tmp_path, monkeypatch):
    parts = Parts(tmp_path / "s.h5")
    parts.begin_anew({})
    assert parts.anew
    monkeypatch.setattr(shutil, "rmtree", lambda *_a, **_k: None)  # a kill after the first step
    parts.remove()
    assert not parts.anew


@pytest.mark.parametrize("moment", ["close", "unlink", "rmdir"])
def test_ctrl_c_waits_until_parts_are_removed(tmp_path, monkeypatch, moment):
    """What comes as a folder is closed would be lost for an error of its own, and half of the parts stay."""
    parts, call = Parts(tmp_path / "s.h5"), getattr(os, moment)
    parts.begin({})

    def interrupted(*given: object, **how: object) -> None:
        call(*given, **how)
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(os, moment, interrupted)
        with pytest.raises(KeyboardInterrupt):
            parts.remove()
    assert not parts.folder.exists()


def test_a_folder_of_parts_that_cannot_be_closed_is_no_failure_of_a_finished_run(tmp_path, monkeypatch):
    parts, close = Parts(tmp_path / "s.h5"), os.close
    parts.begin({})

    def failing(file: int) -> None:
        close(file)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "close", failing)
        parts.remove()
    parts.remove()
    assert not parts.folder.exists()
