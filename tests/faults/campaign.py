"""Kills of commands that make a file, at named points and at random moments, for every kind of sample.

`aim` and `kill_at_random` go on where a `Tally` says that they were.
"""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from physnn import api, rng
from physnn.samples.base import validated
from physnn.samples.kinds import KINDS
from physnn.store.hdf5 import content_digest
from physnn.store.parts import Parts, read_part
from tests.faults.commands import Commands, Ended, Fault
from tests.samples.smallest import SETTINGS, make_places

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
SENT = "unlink *.try1"
"""Call with which a run sends a task to a worker."""
FIT = "physnn.answers.fit:fit"
"""Function in which the answer is computed, where that is a fit."""


@dataclass(frozen=True)
class Case:
    """A command, with what it needs in its folder: ``before`` is a command that makes it."""

    name: str
    words: tuple[str, ...]
    before: tuple[str, ...] = ()

    @property
    def workers(self) -> bool:
        """Whether tasks run in processes of their own, in whose calls nothing happens."""
        return "--jobs 1" not in " ".join(self.words)


@dataclass
class Tally:
    """What happened to a case: ``points`` says of each whether the run came there, ``failed`` what was not as promised.

    Tasks ``lost`` were finished before a kill and not after it, those run ``again`` were finished before; ``other``
    counts data and answers that are not those of an uninterrupted run.
    """

    name: str
    tasks: int = 0
    points: dict[str, bool] = field(default_factory=dict)
    rounds: int = 0
    random: int = 0
    with_parts: int = 0
    lost: int = 0
    again: int = 0
    other: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def bad(self) -> bool:
        """Whether anything was not as promised."""
        return bool(self.lost or self.again or self.other or self.failed)

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Context in which what is not as promised is written down."""
        try:
            yield
        except AssertionError as error:
            self.failed.append(" ".join(str(error).split())[:2000])


def table(tallies: Sequence[Tally]) -> str:
    """Numbers by kind, and of all together."""
    rows = [(t.tasks, sum(t.points.values()), t.random, t.with_parts, t.lost, t.again, t.other) for t in tallies]
    names = [t.name if "," in t.name else f"`{t.name}`" for t in tallies]
    lines = ["| kind | tasks | points | random kills | with parts | lost | run again | other data |", "|---" * 8 + "|"]
    for name, row in zip([*names, "all"], [*rows, [sum(column) for column in zip(*rows, strict=True)]], strict=True):
        lines.append(f"| {name} | {' | '.join(map(str, row))} |")
    return "\n".join(lines)


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
TWO_JOBS = ("--jobs", "2", *RUN[2:])
CHAINS = ("sweep-temperature", "--L", "4", "6", "--T", "2", "2.2", "2.4", "2.6", "--sweeps", "2000")
CHAINS = (*CHAINS, "--chains", "1", "--algorithm", "metropolis")
ISING = (*CHAINS, *RUN)
COUNT = ("count", "signs", "--points", "8", "--layers")
WALKERS = (*COUNT, "1", "2", "1", "--method", "sampling", "--walkers", "4", "--moves", "20000", *RUN)
BRUTE = (*COUNT, "1", "3", "3", "2", "1", "--method", "brute-force", *RUN)
OTHERS = (
    Case("temperature, extended", (*ISING, "--extend", "--T", "2.3", "2.5"), ISING),
    Case("temperature, longer", (*ISING, "--extend", "--sweeps", "2500"), ISING),
    Case("temperature, restart", (*ISING, "--restart"), (*ISING, "--seed", "1")),
    Case("temperature, pilot", (*ISING, "--target-error", "0.02", "--observable", "binder")),
    Case("temperature, ladder", (*ISING, "--chains", "2", "--tempering", "acceptance")),
    Case("temperature, two jobs", (*CHAINS, "--sweeps", "40000", *TWO_JOBS)),
    Case("landscape, two jobs", (*BRUTE[: -len(RUN)], *TWO_JOBS)),
)
"""Commands that add to a file, replace it, run in stages, or have workers."""


def cases(folder: Path) -> dict[str, Callable[[], Case]]:
    """Makers of all cases by name; what they need goes to a folder."""
    places = functools.cache(lambda: make_places(folder))
    found = {kind: lambda kind=kind: case_of(kind, places(), folder) for kind in KINDS}
    return found | {case.name: lambda case=case: case for case in OTHERS}


def finished(folder: Path) -> set[str]:
    """Keys of tasks whose finished parts lie on the disk; every part is whole.

    Names with a dot in front are states inside a task.
    """
    arrays = {path.stem: read_part(path) for path in Parts(folder / "s.h5").folder.glob("[!.]*.h5")}
    return {key for key, found in arrays.items() if not int(found.get("unfinished", 0))}


def names_in(folder: Path) -> list[str]:
    """Names of what lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


def answer(ended: Ended) -> dict[str, Any]:
    """What a command printed, without what depends on the moment."""
    found = json.loads(ended.out)
    for one in found.get("worth", ()):
        del one["time"]  # a ratio of times that were measured
    return {name: value for name, value in found.items() if name not in ("tasks_run", "seconds")}


@dataclass
class Bench:
    """A case with its uninterrupted run."""

    case: Case
    commands: Commands
    folder: Path
    tally: Tally = field(default_factory=lambda: Tally(""))

    def __post_init__(self) -> None:
        self.tally.name = self.case.name
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
        self.tally.tasks = len(set(self.whole.ran))
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
        # That of a figure goes with the next figure, which comes with the answer.
        names = [name for name in names_in(where) if answered or not name.endswith(".tmp") or ".png." not in name]
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
        return True

    def kill_in_a_row(self, kills: int) -> None:
        """Kill some times in a row, each time the run that continues, then let it come to its end.

        Every other kill is at a random call, the others at a random moment: the answer takes longer than all tasks.
        """
        calls, call = sum(not line.startswith("read ") for line in self.whole.calls), "any"
        if self.case.workers:
            calls, call = self.tally.tasks, SENT
        generator = rng.stream(0, "synthetic", "kills of all kinds", self.case.name, self.tally.rounds)
        self.tally.rounds += 1
        where, known = self.new_folder("random"), set()
        for k in range(kills):
            share = 1 - len(known) / self.tally.tasks
            how: dict[str, Any] = {"kill_after": float(generator.uniform(0, self.whole.seconds))}
            if k % 2 == 0:
                n = int(generator.integers(1, max(2, int(share * calls))))
                how = {"fault": Fault(f"{n} {call}")}
            ended = self.commands.run(self.again(where), where, **how)
            if ended.status == 0:
                break
            assert ended.status == -9, (self.case.name, ended.err)
            now = finished(where)
            if not (where / "s.h5").exists() or content_digest(where / "s.h5") == self.old:
                self.tally.lost += len(known - now)
                self.tally.again += len(known & set(ended.ran))
            known = now
            self.tally.random += 1
            self.tally.with_parts += bool(known)
        self.check_rerun(where, known, answered=False)

    def again(self, where: Path) -> tuple[str, ...]:
        """Words of the command; a restart that has begun, or is done, goes on without its option."""
        out = where / "s.h5"
        begun = Parts(out).anew or (out.exists() and content_digest(out) == self.digest)
        return tuple(word for word in self.case.words if word != "--restart" or not begun)


POINTS = {point: (steps, "", {}) for point, steps in ALWAYS.items()}
POINTS |= {point: (steps, "", {"settings": OFTEN}) for point, steps in SOMETIMES.items()}
POINTS |= {"inside the fit": ("", FIT, {})}
"""Steps, function and settings by point."""
Save = Callable[[], None]
"""Called when there is something to keep of a tally."""


def aim(bench: Bench, save: Save = lambda: None) -> None:
    """Kill at every point that a case comes to, of those that are left."""
    tally, case = bench.tally, bench.case
    for point, (steps, inside, how) in POINTS.items():
        if point in tally.points:
            continue
        with tally.noting():
            tally.points[point] = bench.kill_at(point, steps, inside, **how)
            assert tally.points[point] or point not in ALWAYS or case.workers, f"it does not come to: {point}"
        save()


def kill_at_random(bench: Bench, kills: int, save: Save = lambda: None) -> None:
    """Kill at random until there were so many kills, or something is not as promised."""
    while bench.tally.random < kills and not bench.tally.bad:
        with bench.tally.noting():
            bench.kill_in_a_row(min(4, kills - bench.tally.random))
        save()


def check(tallies: list[Tally]) -> None:
    """Assert that nothing was lost, done twice, or came out otherwise."""
    print(table(tallies))
    for tally in tallies:
        assert not tally.bad, tally
