"""Links where files are written: refused in one line, and what they lead to stays as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from physnn import api
from physnn.cli import run
from physnn.cli.call import Call
from physnn.errors import InputError
from physnn.figures.style import new_figure, save
from physnn.jobs.locks import read_holder
from physnn.jobs.progress import write_note
from physnn.samples import files
from physnn.store.parts import Parts, note_down

WORDS = ["--L", "4", "--T", "2", "2.4", "--sweeps", "20", "--chains", "1", "--algorithm", "metropolis"]
WORDS += ["--jobs", "1", "--quiet", "--json"]
PRECIOUS = b"what a user would miss"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A file outside the folder that a command works in."""
    path = tmp_path / "mine"
    path.write_bytes(PRECIOUS)
    (tmp_path / "work").mkdir()
    return path


def unfinished(folder: Path) -> tuple[Path, list[str]]:
    """A sweep without its parts, and the keys of its tasks."""
    out = folder / "t.h5"
    settings = {"L": (4,), "T": [2.0, 2.4], "sweeps": 20, "chains": 1, "algorithm": "metropolis"}
    recipe = api.recipe("temperature", out, **settings)
    Parts(out).begin(recipe.canonical())
    return out, [task.key for task in files.sample_of(recipe).tasks()]


PLACES = {
    "lock": ".t.h5.lock",
    "shard's lock": ".t.h5.0-of-2.shard.lock",
    "file": "t.h5",
    "figure": "t.png",
    "part": "t.h5.parts/{key}.h5",
    "checkpoint before": "t.h5.parts/{key}.h5.prev",
    "note": "t.h5.parts/{key}.progress",
    "attempt": "t.h5.parts/{key}.try1",
    "recipe": "t.h5.parts/tasks.json",
}


@pytest.mark.parametrize("kind", [os.symlink, os.link], ids=["symbolic", "hard"])
@pytest.mark.parametrize("place", PLACES)
def test_a_link_is_not_written_through(tmp_path, mine, capsys, place, kind):
    out, keys = unfinished(tmp_path / "work")
    link = out.parent / PLACES[place].format(key=keys[0])
    link.parent.mkdir(exist_ok=True)
    kind(mine, link)
    status = run(["sweep-temperature", *WORDS, "--out", str(out)])
    error = capsys.readouterr().err.strip()
    assert mine.read_bytes() == PRECIOUS and mine.stat().st_nlink <= 2
    if kind is os.symlink or "lock" in place:
        assert status == 2 and len(error.splitlines()) == 1 and link.name in error, error
        assert link.samefile(mine), "it is still there, to be looked at"


def test_a_figure_leaves_what_shares_its_data(tmp_path, mine):
    link = tmp_path / "work" / "t.png"
    os.link(mine, link)
    assert save(new_figure(1, 1), link) == link
    assert mine.read_bytes() == PRECIOUS and link.read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in link.parent.iterdir()] == ["t.png"]
    link.unlink()
    link.symlink_to(mine)
    with pytest.raises(InputError, match="symbolic link"):
        save(new_figure(1, 1), link)


@pytest.mark.parametrize("command", ["sweep-temperature", "merge"])
def test_a_folder_of_parts_that_leads_elsewhere_is_refused(tmp_path, mine, capsys, command):
    out, _ = unfinished(tmp_path / "work")
    there = tmp_path / "elsewhere"
    Parts(out).folder.rename(there)
    before = {f.name: f.read_bytes() for f in there.iterdir()}
    Parts(out).folder.symlink_to(there)
    assert run([command, str(out)] if command == "merge" else [command, *WORDS, "--out", str(out)]) == 2
    assert "is a symbolic link" in capsys.readouterr().err
    assert {f.name: f.read_bytes() for f in there.iterdir()} == before


@pytest.mark.parametrize("kind", [os.symlink, os.link], ids=["symbolic", "hard"])
def test_notes_are_put_into_files_of_their_own(tmp_path, mine, kind):
    kind(mine, tmp_path / "k.progress")
    for write in (lambda: note_down(tmp_path / "k.progress"), lambda: write_note(tmp_path / "k.h5", 0.5)):
        with pytest.raises(InputError, match=r"k\.progress"):
            write()
        assert mine.read_bytes() == PRECIOUS
    (tmp_path / "k.progress").unlink()
    for text in ("longer", "short"):
        note_down(tmp_path / "k.progress", text)
        note_down(tmp_path / "k.progress")
        assert (tmp_path / "k.progress").read_text() == text, "what was said stays"


def test_what_is_no_file_names_nobody_and_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "lock")
    assert read_holder(tmp_path / "lock") is None
    with pytest.raises(InputError, match="is no file of physnn"):
        note_down(tmp_path / "lock")


def test_dangling_links_make_no_file(tmp_path, mine, capsys):
    for name in ("t.h5", ".t.h5.lock", "t.png"):
        link = tmp_path / "work" / name
        link.symlink_to(tmp_path / "new")
        assert run(["sweep-temperature", *WORDS, "--out", str(tmp_path / "work" / "t.h5")]) == 2
        assert "symbolic link" in capsys.readouterr().err and link.is_symlink()
        link.unlink()
    assert not (tmp_path / "new").exists()
    assert run(["sweep-temperature", *WORDS, "--out", str(tmp_path / "work" / "t.h5")]) == 0, "without links it runs"


def test_a_restart_leaves_nothing_in_a_folder_that_parts_link_to(tmp_path, mine):
    parts, there = Parts(tmp_path / "work" / "t.h5"), tmp_path / "elsewhere"
    there.mkdir()
    parts.folder.symlink_to(there)
    with pytest.raises(InputError, match="symbolic link"):
        parts.begin_anew({})
    assert not list(there.iterdir()) and parts.folder.is_symlink()
    parts.folder.unlink()
    parts.folder.write_bytes(PRECIOUS)
    with pytest.raises(InputError, match="look at it and remove it"):
        parts.begin_anew({})
    assert parts.folder.read_bytes() == PRECIOUS


def test_a_linked_file_is_refused_before_its_command_begins(tmp_path, mine):
    for target in (mine, tmp_path / "new"):
        link = tmp_path / "work" / "t.h5"
        link.symlink_to(target)
        with pytest.raises(InputError, match="symbolic link"):
            Call.of({"out": link}, "t.h5")
        recipe = api.recipe("temperature", L=(4,), T=(2.0,), sweeps=4, chains=1, algorithm="metropolis")
        for call in (lambda: files.run(recipe, link, jobs=1), lambda: files.merge(link)):  # noqa: B023
            with pytest.raises(InputError, match="symbolic link"):
                call()
        assert {path.name for path in link.parent.iterdir()} == {"t.h5"}, "nothing was begun"
        link.unlink()
