"""Commands on disks that fail at the n-th call: full, over quota, broken, read-only, gone, or interrupted there."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from physnn.store.guard import is_sealed
from physnn.store.hdf5 import content_digest
from tests.faults.campaign import WALKERS, names_in
from tests.faults.commands import Commands, Ended, Fault

CHANGES = "open|write|name|unlink|mkdir|truncate"
DISKS = {
    "full": Fault("open|write|name|mkdir|truncate", "fail", errno.ENOSPC, lasting=True),
    "over quota, told when closed": Fault("close", "fail", errno.EDQUOT),
    "over quota, told when synced": Fault("sync", "fail", errno.EDQUOT),
    "error at one call": Fault("any", "fail", errno.EIO),
    "read-only": Fault(CHANGES, "fail", errno.EROFS, lasting=True),
    "names lead to another device": Fault("name", "fail", errno.EXDEV, lasting=True),
    "gone": Fault("any", "vanish"),
    "Ctrl-C": Fault("any", "interrupt"),
}
"""What is wrong with a disk from a call on, or at one: the calls of ``steps``, of which the n-th is the first."""
SOON = {"physnn.jobs.stopping:GRACE": 1e-6}
"""A stop is not waited for: it comes in the middle of what is done."""
FORMS = (".h5", ".json", ".csv", ".nc", ".png", ".html")
"""Endings of the files of commands."""
STATUS = {"Ctrl-C": (0, 130), "read-only": (0, 2, 3), "gone": (0, 2, 3)}
"""Statuses with which commands may end, where they are not 0 and 3: a folder that never was is bad input."""


@dataclass(frozen=True)
class Job:
    """A command, its result, and commands that make what it needs in its folder."""

    name: str
    words: tuple[str, ...]
    result: str
    before: tuple[tuple[str, ...], ...] = ()


@dataclass
class Record:
    """What happened to a command: moments that were tried, how often it ended how, and what was not as promised."""

    name: str
    done: list[str] = field(default_factory=list)
    ended: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def count(self, status: int, disk: str = "") -> int:
        """Number of runs that ended with a status, on one disk or all."""
        return sum(n for name, n in self.ended.items() if name.endswith(f": {status}") and name.startswith(disk))


def table(records: Sequence[Record]) -> str:
    """Numbers by command, and of all together."""
    lines = ["| command | failing calls | status 0 | status 2 | status 3 | status 130 | not as promised |"]
    lines.append("|---" * 7 + "|")
    rows = [(len(r.done), *(r.count(status) for status in (0, 2, 3, 130)), len(r.failed)) for r in records]
    names = [f"`{record.name}`" for record in records]
    for name, row in zip([*names, "all"], [*rows, [sum(column) for column in zip(*rows, strict=True)]], strict=True):
        lines.append(f"| {name} | {' | '.join(map(str, row))} |")
    return "\n".join(lines)


@dataclass
class Trial:
    """A command with its undisturbed run, on disks that fail."""

    job: Job
    commands: Commands
    folder: Path
    record: Record = field(default_factory=lambda: Record(""))

    def __post_init__(self) -> None:
        self.record.name = self.job.name
        self.start = self.folder / "start"
        self.start.mkdir(parents=True)
        for words in self.job.before:
            assert self.commands.run(words, self.start).status == 0
        self.commands.warm(self.job.words, self.place("warm"))
        self.where = self.place("whole")
        self.whole = self.commands.run(self.job.words, self.where, settings=SOON)
        assert self.whole.status == 0, self.whole.err
        self.names = names_in(self.where)

    def place(self, name: str) -> Path:
        found = self.folder / name
        shutil.rmtree(found, ignore_errors=True)
        shutil.copytree(self.start, found)
        return found

    def calls(self, kinds: str, run: Ended | None = None) -> list[str]:
        """Calls of some kinds that a run made, the undisturbed one or another."""
        lines = [line for line in (run or self.whole).calls if not line.startswith("read ")]
        return lines if kinds == "any" else [line for line in lines if line.split()[0] in kinds.split("|")]

    def moments(self, kinds: str) -> list[int]:
        """Numbers, from 1, of the first and the last call of some kinds on each kind of file."""
        first: dict[str, int] = {}
        last: dict[str, int] = {}
        for n, line in enumerate(self.calls(kinds), 1):
            name = re.sub("[0-9a-f]{12,}", "*", line)
            first.setdefault(name, n)
            last[name] = n
        return sorted({*first.values(), *last.values()})

    def fail(self, disk: str, n: int) -> None:
        """Run the command on a disk that fails from the n-th call on, look, and run it again on a sound one."""
        fault, where = DISKS[disk], self.place("disk")
        gone = where.with_name("disk.away")
        shutil.rmtree(gone, ignore_errors=True)
        # A folder that is moved away takes along who stands in it.
        there = where if disk == "gone" else Path()
        words = [str(there / word) if Path(word).suffix in FORMS else word for word in self.job.words]
        ended = self.commands.run(
            words,
            where,
            Fault(f"{n} {fault.steps}", fault.action, fault.error, fault.lasting),
            settings=SOON,
        )
        call = "".join(self.calls(fault.steps, ended)[n - 1 : n])
        told = (self.job.name, disk, n, call, ended.status, ended.err)
        assert ended.status in STATUS.get(disk, (0, 2, 3)), told
        if gone.exists():
            shutil.copytree(gone, where, dirs_exist_ok=True)
        # What cannot be removed, because of the fault itself, stays until somebody does.
        stays = disk in ("gone", "read-only") or (call.startswith("unlink") and call.endswith(".tmp"))
        self.check(ended, where, disk, stays, told)
        self.record.ended = dict(Counter(self.record.ended) + Counter([f"{disk}: {ended.status}"]))
        again = self.commands.run(self.job.words, where)
        assert again.status == 0, (told, again.err)
        names = [name for name in names_in(where) if not (stays and name.endswith(".tmp"))]
        assert names == self.names, (told, "the same files, and nothing else", names)
        assert contents(where / self.job.result) == contents(self.where / self.job.result), told

    def fail_everywhere(self, save: Callable[[], None] = lambda: None, every: bool = False) -> None:
        """Fail at `moments`, or at every call, of every disk that are left; what is not as promised is noted."""
        for disk, fault in DISKS.items():
            calls = range(1, len(self.calls(fault.steps)) + 1)
            for n in calls if every else self.moments(fault.steps):
                if (moment := f"{disk} {n}") in self.record.done:
                    continue
                try:
                    self.fail(disk, n)
                except AssertionError as error:
                    self.record.failed.append(" ".join(str(error).split())[:2000])
                self.record.done.append(moment)
                save()

    def check(self, ended: Ended, where: Path, disk: str, stays: bool, told: tuple[object, ...]) -> None:
        """One line that names the error; old data whole, new data whole or absent; no temporary file."""
        assert "Traceback" not in ended.err and "Traceback" not in ended.out, told
        lines = ended.err.strip().splitlines()
        assert len(lines) == (ended.status != 0), told
        if ended.status and DISKS[disk].error:
            assert os.strerror(DISKS[disk].error) in lines[0], told
        for file in where.iterdir():
            if file.is_file() and not file.name.startswith("."):
                allowed = [p / file.name for p in (self.start, self.where) if (p / file.name).exists()]
                assert contents(file) in map(contents, allowed), (told, file)
        assert stays or not list(where.rglob("*.tmp")), told


def contents(file: Path) -> object:
    """What a file holds: numbers of ours by their digest, text, or that it is a whole figure or page."""
    if not file.exists():
        return None
    if is_sealed(file):
        return content_digest(file)
    data = file.read_bytes()
    if file.suffix == ".png":
        return data[:8] + data[-8:]
    if file.suffix == ".html":
        return data[:8] + data[-8:]
    return data


RUN = ("--jobs", "1", "--quiet", "--json")
FEW = ("sweep-temperature", "--L", "4", "6", "--T", "2", "2.2", "2.4", "2.6", "--sweeps", "2000")
FEW = (*FEW, "--chains", "1", "--algorithm", "metropolis", *RUN, "--out", "s.h5")
MORE = (*FEW, "--extend", "--T", "2.3")
JOBS = (
    Job("sweep-temperature", FEW, "s.h5"),
    Job("sweep-temperature --extend", MORE, "s.h5", (FEW,)),
    Job("sweep-temperature --restart", (*FEW, "--restart"), "s.h5", ((*FEW, "--seed", "1"),)),
    Job("count signs", WALKERS, "s.h5"),
    Job("seam", ("seam", "--model", "diagonal", "1", "0", "--L", "4", "6", *RUN, "--out", "s.json"), "s.json"),
    Job("plot", ("plot", "s.h5", "--out", "f.png"), "f.png", (FEW,)),
    Job("report", ("report", "s.h5", "--out", "r.html", "--quiet"), "r.html", (FEW,)),
    Job("export csv", ("export", "s.h5", "--out", "s.csv"), "s.csv", (FEW,)),
    Job("export json", ("export", "s.h5", "--to", "json", "--out", "s.json"), "s.json", (FEW,)),
    Job("export netcdf", ("export", "s.h5", "--to", "netcdf", "--out", "s.nc"), "s.nc", (FEW,)),
    Job("merge", ("merge", "s.h5", "t.h5", "--out", "all.h5"), "all.h5", (FEW, (*FEW[:-1], "t.h5", "--L", "8"))),
    Job("entangle", ("entangle", "--L", "8", "--out", "e.csv", "--figure", "e.png"), "e.csv"),
)
"""Commands that write, of every form of what is written."""
