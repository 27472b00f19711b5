"""Whole commands in processes of their own, which end, or in which a call fails, at a named point.

`Commands` starts a process that loads the libraries once and becomes a copy of itself for every command: there `main`
runs as it would in a process of its own, with `faulty.c` between it and the C library.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest

from tests.faults import noting

KINDS = {"open": 1, "write": 2, "sync": 4, "name": 8, "unlink": 16, "mkdir": 32, "close": 64, "truncate": 128}
KINDS |= {"any": 255, "read": 256}
"""Calls that change a folder, and opening a file to read it."""
ACTIONS = ("count", "kill", "fail", "interrupt", "vanish")
TOLD = ("out", "err", "calls", "ran")
"""Files with what a command printed, its calls, and its tasks."""
PATIENCE = 300.0
"""Seconds that a command may take."""
LIBRARIES = ("numba", "scipy.optimize", "scipy.stats", "h5py", "matplotlib.figure", "matplotlib.backends.backend_agg")
LIBRARIES += ("rich.table", "physnn.api", "physnn.cli.recipes", "physnn.cli.call", "physnn.cli.answers")


@dataclass(frozen=True)
class Fault:
    """What happens at a call under the folder of a command, and when.

    Attributes
    ----------
    steps : str
        What is waited for, one after the other: ``"2 name *.parts/*.h5; sync *.parts"`` is the first sync of a folder
        of parts after the second part was given its name.  It happens before the last call.
    action : {"kill", "fail", "interrupt", "vanish", "count"}
        End the process, let the call fail, send it Ctrl-C, move the folder away.
    error : int
        Number with which the call fails.
    lasting : bool
        Whether all later calls of the last step fail, too.
    """

    steps: str
    action: str = "kill"
    error: int = 0
    lasting: bool = False


@dataclass(frozen=True)
class Ended:
    """How a command ended: its status, negative by a signal, what it printed, its calls, and tasks that it began."""

    status: int
    out: str
    err: str
    calls: list[str]
    ran: list[str]
    seconds: float


@dataclass
class Commands:
    """Process from which commands begin; `torch` loads torch as well, for a second that every command then saves."""

    torch: bool = False
    scratch: Path = field(init=False)

    def __enter__(self) -> Self:
        if not (compiler := shutil.which("cc")):
            pytest.skip("faults in the C library need a C compiler")
        self.scratch = Path(tempfile.mkdtemp(prefix="physnn-faults-"))
        library = self.scratch / "faulty.so"
        source = Path(__file__).with_name("faulty.c")
        subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        words = [sys.executable, "-m", "tests.faults.commands", str(library), *(["torch"] if self.torch else [])]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
            env=os.environ | {"LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.communicate(timeout=PATIENCE)  # it may still be loading its libraries
        shutil.rmtree(self.scratch)

    def warm(self, words: Sequence[str], folder: Path) -> None:
        """Run a command in the process that becomes others: it loads what is compiled for all of them."""
        self._ask({"words": list(words), "folder": str(folder), "warm": True})

    def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._process.stdin.write(json.dumps(asked | {"scratch": str(self.scratch)}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def run(
        self, words: Sequence[str], folder: Path, fault: Fault | None = None, *, kill_after: float | None = None,
        inside: str = "", settings: dict[str, Any] | None = None,
    ) -> Ended:  # fmt: skip
        """Run a command in a folder.

        Parameters
        ----------
        fault : Fault, optional
            What happens at a call.
        kill_after : float, optional
            Seconds after which it is killed.
        inside : str
            Function, ``MODULE:NAME``, in which it is killed.
        settings : dict, optional
            Values of names, ``MODULE:NAME``, in this process alone.
        """
        asked = {"words": list(words), "folder": str(folder), "fault": asdict(fault) if fault else None}
        asked |= {"kill_after": kill_after, "inside": inside, "settings": settings or {}}
        answer = self._ask(asked)
        texts = [(self.scratch / name).read_text(errors="surrogateescape") for name in TOLD]
        return Ended(answer["status"], *texts[:2], texts[2].splitlines(), texts[3].split(), answer["seconds"])


def _serve(library: str, torch: bool) -> None:
    """Run commands that are asked for on stdin, one after the other."""
    for name in (*LIBRARIES, *(["torch"] if torch else [])):
        importlib.import_module(name)
    faulty = ctypes.CDLL(library)
    for line in sys.stdin:
        asked = json.loads(line)
        begun = time.monotonic()
        if asked.get("warm"):
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                os.chdir(asked["folder"])
                importlib.import_module("physnn.cli").run(asked["words"])
            print("{}", flush=True)
            continue
        for name in TOLD:
            (Path(asked["scratch"]) / name).write_bytes(b"")  # it may be killed before it has written anything
        pid = os.fork()
        if pid == 0:
            _become(asked, faulty)
        end = begun + (PATIENCE if asked["kill_after"] is None else asked["kill_after"])
        while (found := os.waitpid(pid, os.WNOHANG))[0] == 0:
            if time.monotonic() > end:
                for kill in (os.killpg, os.kill):  # it may have no group yet
                    with contextlib.suppress(ProcessLookupError):
                        kill(pid, signal.SIGKILL)
                found = os.waitpid(pid, 0)
                break
            time.sleep(0.001)
        _end_workers(pid)
        print(json.dumps({"status": os.waitstatus_to_exitcode(found[1]), "seconds": time.monotonic() - begun}))
        sys.stdout.flush()


def _end_workers(pid: int) -> None:
    """Kill what is left of a process's group, and wait until it is gone."""
    end = time.monotonic() + 20
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < end:
            os.killpg(pid, signal.SIGKILL)
            time.sleep(0.005)


def _become(asked: dict[str, Any], faulty: ctypes.CDLL) -> None:
    """Be the process of a command."""
    os.setsid()
    os.chdir(asked["folder"])
    files = {name: os.open(f"{asked['scratch']}/{name}", os.O_RDWR | os.O_APPEND) for name in TOLD}
    os.environ[noting.FILE] = f"{asked['scratch']}/ran"
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(files["out"], 1)
    os.dup2(files["err"], 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name, value in asked["settings"].items():
        module, _, attribute = name.partition(":")
        setattr(importlib.import_module(module), attribute, value)
    importlib.import_module("physnn.samples.files").work = noting.work
    if asked["inside"]:
        module, _, attribute = asked["inside"].partition(":")
        setattr(importlib.import_module(module), attribute, lambda *_a, **_k: os.kill(os.getpid(), signal.SIGKILL))
    _arm(asked, faulty, files["calls"])
    from physnn.cli import main

    sys.argv = ["physnn", *asked["words"]]
    status = 99
    try:
        main(asked["words"])
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        os._exit(status)


def _arm(asked: dict[str, Any], faulty: ctypes.CDLL, log: int) -> None:
    fault = asked["fault"] or {"steps": "", "action": "count", "error": 0, "lasting": False}
    for step in filter(None, map(str.strip, fault["steps"].split(";"))):
        words = step.split()
        count = int(words.pop(0)) if words[0].isdigit() else 1
        mask = sum(KINDS[kind] for kind in words[0].split("|"))
        faulty.faulty_step(ctypes.c_long(count), mask, (words[1] if len(words) > 1 else "*").encode())
    where, action = asked["folder"].encode(), ACTIONS.index(fault["action"])
    faulty.faulty_arm(where, where + b".away", action, fault["error"], int(fault["lasting"]), log)


@contextmanager
def commands(torch: bool = False) -> Iterator[Commands]:
    """Context with `Commands`; the test is skipped where there is no C compiler."""
    with Commands(torch) as found:
        yield found


if __name__ == "__main__":
    _serve(sys.argv[1], "torch" in sys.argv[2:])
