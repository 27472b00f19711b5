"""Kills of commands that make a file, at named points and at random moments, for every kind of sample."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from physnn import api
from physnn.samples.base import validated
from physnn.store.hdf5 import content_digest
from physnn.store.parts import Parts, read_part
from tests.faults.commands import Commands, Ended, Fault
from tests.samples.smallest import SETTINGS

PART, FILE, FIGURE = "*.parts/*.h5", "*/s.h5", "*/.s.png.*.tmp"
ANSWER = "the answer begins"
ALWAYS = {
    "before the first task": "open *.try1",
    "inside a part": f"name {PART}; 4 write *.parts/.*.h5.*.tmp",
    "a part is whole and has no name": f"2 name {PART}",
    "a part has its name, its folder is not synced": f"2 name {PART}; sync *.parts",
    "between two parts": f"2 name {PART}; open *.try1",
    "all parts are there": "open */.s.h5.*.tmp",
    "inside the assembly": "open */.s.h5.*.tmp; 9 write */.s.h5.*.tmp",
    "the file is whole and has no name": f"name {FILE}",
    "the file has its name, its folder is not synced": f"name {FILE}; sync *",
    "parts are half removed": f"name {FILE}; 3 unlink *.parts/*",
    "before the lock goes": "unlink */.s.h5.lock",
    ANSWER: f"unlink */.s.h5.lock; read {FILE}",
}
"""Steps to points that every run comes to, see `Fault`."""
SOMETIMES = {
    "inside a checkpoint": f"name {PART}; name *.prev",
    "between the two renames of a checkpoint": f"name *.prev; name {PART}",
    "inside the figure": f"write {FIGURE}",
    "the figure is whole and has no name": "name *.png",
}
"""Steps to points of runs that keep checkpoints, or draw."""
EARLY = {*list(ALWAYS)[:-3], *list(SOMETIMES)[:2]}
"""Points from which all that follows has been looked at already: of these the data are compared, not the answer."""
OFTEN = {"physnn.jobs.stopping:CHECKPOINT": -1.0, "physnn.jobs.stopping:LOOK": -1.0}
"""Every moment is one for a checkpoint."""
FIT = "physnn.answers.fit:fit"
"""Function in which the answer is computed, where that is a fit."""


@dataclass(frozen=True)
class Case:
    """A command, with what it needs in its folder: ``before`` is a command that makes it."""

    name: str
    words: tuple[str, ...]
    before: tuple[str, ...] = ()


@dataclass
class Tally:
    """What happened to a case."""

    name: str
    tasks: int = 0
    points: list[str] = field(default_factory=list)
    random: int = 0
    with_parts: int = 0
    lost: int = 0
    again: int = 0
    other: int = 0

    def row(self) -> str:
        return (
            f"{self.name:22} {self.tasks:5} {len(self.points):6} {self.random:6} {self.with_parts:10} "
            f"{self.lost:4} {self.again:5} {self.other:5}"
        )


HEADER = f"{'kind':22} tasks points random with_parts lost again other"


def settings_of(kind: str, places: Mapping[str, str]) -> Any:
    """Resolved recipe of the smallest sample of a kind."""
    if kind == "train-classify":
        from physnn.samples.training.classifiers import ClassifierTraining  # with torch
        from tests.samples.training.test_ensembles import MEMBERS

        given = {name: {"recipe": recipe, "problem": problem} for name, (recipe, problem) in MEMBERS.items()}
        return validated(ClassifierTraining, {"seeds": (0, 1, 2), "device": "cpu", "ensembles": given}).resolved()
    return api.recipe(kind, **{n: v.format(**places) if isinstance(v, str) else v for n, v in SETTINGS[kind].items()})


def case_of(kind: str, places: Mapping[str, str], folder: Path) -> Case:
    """Command that runs a kind from a file of settings."""
    file, recipe = folder / f"{kind}.json", settings_of(kind, places)
    file.write_text(json.dumps(recipe.canonical()))
    words = ("run", str(file), *RUN)
    return Case(kind, words + (("--module", recipe.module) if getattr(recipe, "module", None) else ()))


RUN = ("--jobs", "1", "--quiet", "--json", "--out", "s.h5")
ISING = ("sweep-temperature", "--L", "4", "6", "--T", "2", "2.2", "2.4", "2.6", "--sweeps", "2000")
ISING = (*ISING, "--chains", "1", "--algorithm", "metropolis", *RUN)
COUNT = ("count", "signs", "--points", "8", "--layers")
WALKERS = (*COUNT, "1", "2", "1", "--method", "sampling", "--walkers", "4", "--moves", "20000", *RUN)
BRUTE = (*COUNT, "1", "3", "3", "2", "1", "--method", "brute-force", *RUN)
OTHERS = (
    Case("temperature, extended", (*ISING, "--extend", "--T", "2.3", "2.5"), ISING),
    Case("temperature, longer", (*ISING, "--extend", "--sweeps", "2500"), ISING),
    Case("temperature, restart", (*ISING, "--restart"), (*ISING, "--seed", "1")),
    Case("temperature, pilot", (*ISING, "--target-error", "0.02", "--observable", "binder")),
    Case("temperature, ladder", (*ISING, "--tempering")),
)
"""Commands that add to a file, replace it, or run in stages."""


def finished(folder: Path) -> set[str]:
    """Keys of tasks whose finished parts lie on the disk; every part is whole."""
    arrays = {path.stem: read_part(path) for path in Parts(folder / "s.h5").folder.glob("*.h5")}
    return {key for key, found in arrays.items() if not int(found.get("unfinished", 0))}


def names_in(folder: Path) -> list[str]:
    """Names of what lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


def answer(ended: Ended) -> dict[str, Any]:
    """What a command printed, without what depends on the moment."""
    found = json.loads(ended.out)
    return {name: value for name, value in found.items() if name not in ("tasks_run", "seconds")}


@dataclass
class Bench:
    """A case with its uninterrupted run."""

    case: Case
    commands: Commands
    folder: Path
    tally: Tally = field(init=False)

    def __post_init__(self) -> None:
        self.start = self.folder / "start"
        self.start.mkdir(parents=True)
        if self.case.before:
            assert self.commands.run(self.case.before, self.start).status == 0
        self.old = content_digest(self.start / "s.h5") if self.case.before else ""
        self.commands.warm(self.case.words, self.new_folder("warm"))
        where = self.new_folder("whole")
        self.whole = self.commands.run(self.case.words, where)
        assert self.whole.status == 0, self.whole.err
        self.answer, self.names = answer(self.whole), names_in(where)
        self.digest = content_digest(where / "s.h5")
        self.tally = Tally(self.case.name, len(set(self.whole.ran)))
        assert self.tally.tasks >= 3, "as many parts as points need"

    def new_folder(self, name: str) -> Path:
        place = self.folder / name
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.start, place)
        return place

    def check_rerun(self, where: Path, before: set[str], answered: bool = True, **how: Any) -> None:
        """The same command again: the same data and answer, nothing lost, nothing done twice, nothing left over.

        Where it is not ``answered`` it ends once the data are there, for an answer takes most of the time.
        """
        there = content_digest(where / "s.h5") if (where / "s.h5").exists() else ""
        done = there == self.digest
        self.tally.other += there not in (self.old, self.digest)
        ended = self.commands.run(self.again(where), where, None if answered else Fault(ALWAYS[ANSWER]), **how)
        assert ended.status == (0 if answered else -9), (self.case.name, ended.err)
        self.tally.again += len(before & set(ended.ran)) + (len(ended.ran) if done else 0)
        self.tally.other += content_digest(where / "s.h5") != self.digest
        names = [name for name in names_in(where) if not name.startswith(".s.png.")]
        assert set(names) <= set(self.names), (self.case.name, "left over", names)
        if answered:
            self.tally.other += answer(ended) != self.answer
            assert names == self.names, (self.case.name, "the same files", names)

    def kill_at(self, point: str, steps: str, inside: str = "", **how: Any) -> bool:
        """Kill at a point and check; return whether the run came there."""
        where = self.new_folder("killed")
        ended = self.commands.run(self.case.words, where, Fault(steps) if steps else None, inside=inside, **how)
        if ended.status == 0:
            return False
        assert ended.status == -9, (self.case.name, point, ended.err)
        self.check_rerun(where, finished(where), point not in EARLY, **how)
        self.tally.points.append(point)
        return True

    def kill_at_random(self, generator: np.random.Generator, kills: int) -> None:
        """Kill some times in a row, each time the run that continues, then let it come to its end.

        Every other kill is at a random call, the others at a random moment: the answer takes longer than all tasks.
        """
        calls = sum(not line.startswith("read ") for line in self.whole.calls)
        left = kills
        while left:
            where, known = self.new_folder("random"), set()
            for _ in range(min(left, 4)):
                share = 1 - len(known) / self.tally.tasks
                how: dict[str, Any] = {"kill_after": float(generator.uniform(0, self.whole.seconds))}
                if left % 2:
                    how = {"fault": Fault(f"{generator.integers(1, max(2, int(share * calls)))} any")}
                ended = self.commands.run(self.again(where), where, **how)
                if ended.status == 0:
                    break
                assert ended.status == -9, (self.case.name, ended.err)
                now = finished(where)
                if not (where / "s.h5").exists() or content_digest(where / "s.h5") == self.old:
                    self.tally.lost += len(known - now)
                    self.tally.again += len(known & set(ended.ran))
                known, left = now, left - 1
                self.tally.random += 1
                self.tally.with_parts += bool(known)
            self.check_rerun(where, known, answered=False)

    def again(self, where: Path) -> tuple[str, ...]:
        """Words of the command; a restart that has begun, or is done, goes on without its option."""
        out = where / "s.h5"
        begun = Parts(out).anew or (out.exists() and content_digest(out) == self.digest)
        return tuple(word for word in self.case.words if word != "--restart" or not begun)


def aim(bench: Bench) -> None:
    """Kill at every point that a case comes to."""
    for point, steps in ALWAYS.items():
        assert bench.kill_at(point, steps), f"{bench.case.name} does not come to: {point}"
    for point, steps in SOMETIMES.items():
        bench.kill_at(point, steps, settings=OFTEN)
    bench.kill_at("inside the fit", "", FIT)


def check(tallies: list[Tally]) -> None:
    """Assert that nothing was lost, done twice, or came out otherwise."""
    print(HEADER, *(tally.row() for tally in tallies), sep="\n")
    for tally in tallies:
        assert not (tally.lost or tally.again or tally.other), tally.row()
