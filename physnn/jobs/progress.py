"""How far a run is, seen from outside: from its lock, the names and times of its parts, and what it recorded."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from physnn.errors import InputError
from physnn.jobs.locks import holders
from physnn.jobs.run import Live, Runnable
from physnn.store.parts import NOTE, Parts, note_down
from physnn.store.sweep_file import kind_of

EVERY = 1.0
"""Seconds between two notes of a task."""


def write_note(path: Path, share: float, text: str = "") -> None:
    """Note how much of the task with the part at ``path`` is done, from 0 to 1."""
    with suppress(OSError):
        note_down(path.with_suffix(NOTE), json.dumps([share, text]))


def read_note(text: str) -> tuple[float, str]:
    """Return what a note says: share done and a short text; nothing done if it is half written."""
    try:
        share, words = json.loads(text)
        return min(1.0, max(0.0, float(share))), str(words)
    except (ValueError, TypeError, RecursionError):
        return 0.0, ""


class Note:
    """Writes the note of one task, once a second at most."""

    def __init__(self, path: Path) -> None:
        self._path, self._latest = path, time.monotonic()

    def __call__(self, share: float, text: str = "") -> None:
        """Note how much is done; a finished task leaves no note."""
        now = time.monotonic()
        if share < 1 and now - self._latest > EVERY:
            self._latest = now
            write_note(self._path, share, text)


def live_notes(parts: Parts, tasks: Sequence[Runnable]) -> Live:
    """Return what tells the loop how far running tasks are."""
    costs = {task.key: task.cost for task in tasks}

    def look(keys: Sequence[str]) -> tuple[float, str]:
        extra, texts = 0.0, []
        for key in keys:
            try:
                share, text = read_note(parts.path(key).with_suffix(NOTE).read_text())
            except OSError:
                continue
            extra += share * costs[key]
            texts += [text] if text else []
        return extra, ", ".join(texts)

    return look


def manifest(tasks: Iterable[Runnable]) -> list[tuple[str, float, str]]:
    """Return (key, cost, label) of tasks; the label is what a table calls them."""
    return [(task.key, task.cost, _label(task)) for task in tasks]


def _label(task: Runnable) -> str:
    L = getattr(task, "L", None)
    return str(getattr(task, "label", "all" if L is None else f"L{L}"))


def status(out: Path) -> dict[str, Any]:
    """Return how far the run that makes the file ``out`` is; no part of it is opened.

    Returns
    -------
    dict
        ``state``: ``"running"``, ``"stopped"`` or ``"finished"``; ``running`` (None where only another machine
        knows); ``processes``: host, pid, since, what of each; ``tasks``, ``done``; ``percent`` of the cost;
        ``rows``: name, tasks, done, percent by size or network; ``seconds_left`` or None; ``failed``: task, error,
        attempts; ``retried``: attempts by task.

    Raises
    ------
    InputError
        If there is neither the file nor an unfinished run of it.
    """
    parts, now = Parts(out), time.time()
    working = holders(out)
    recipe = parts.recipe()
    if recipe is None and out.exists():
        kind = kind_of(out)[0]
        return _facts(out, "finished", working) | {"kind": kind, "percent": 100.0, "seconds_left": 0.0}
    if recipe is None and not working:
        raise InputError(f"there is neither {out} nor an unfinished run of it; check the name")
    tasks = [(str(key), float(cost), str(label)) for found in parts.facts("tasks") for key, cost, label in found]
    times, notes = parts.listing()
    shares = {key: read_note(text) for key, text in notes.items()}
    known = {holder.alive() for holder in working}
    state = "running" if working else "stopped"
    found = _facts(out, state, working) | {"kind": (recipe or {}).get("kind")}
    found["running"] = True if True in known else (None if known else False)
    rows = {}
    for label in dict.fromkeys(label for _, _, label in tasks):
        of_label = [(key, cost) for key, cost, its in tasks if its == label]
        rows[label] = {"name": label, **_progress(of_label, times, shares)}
    total = sum(cost for _, cost, _ in tasks)
    found |= {"rows": list(rows.values()), **_progress([(key, cost) for key, cost, _ in tasks], times, shares)}
    if working:
        begun = min(holder.since for holder in working)
        recent = sum(cost for key, cost, _ in tasks if times.get(key, 0.0) >= begun)
        recent += sum(cost * shares[key][0] for key, cost, _ in tasks if key in shares)
        left = total * (1 - found["percent"] / 100)
        found["seconds_left"] = (now - begun) * left / recent if recent > 0 else None
    accounts = parts.facts("attempts*")
    retried = {key: n for facts in accounts for key, n in facts["attempts"].items() if n > 1}
    failed = [(key, error) for facts in accounts for key, error in facts["failed"].items()]
    found["retried"] = retried
    found["failed"] = [{"task": key, "error": error, "attempts": retried.get(key, 1)} for key, error in failed]
    return found


def _facts(out: Path, state: str, working: list[Any]) -> dict[str, Any]:
    processes = [{"host": h.host, "pid": h.pid, "since": h.since, "what": h.what} for h in working]
    found: dict[str, Any] = {"file": str(out), "state": state, "running": bool(working), "processes": processes}
    found |= {"tasks": None, "done": None, "percent": 0.0, "rows": [], "seconds_left": None}
    return found | {"failed": [], "retried": {}}


def _progress(
    tasks: list[tuple[str, float]], times: dict[str, float], shares: dict[str, tuple[float, str]]
) -> dict[str, Any]:
    """Return how many of some tasks are done, and percent of their cost with what is done of unfinished ones."""
    total = sum(cost for _, cost in tasks)
    done = sum(cost if key in times else cost * shares[key][0] if key in shares else 0.0 for key, cost in tasks)
    percent = 100 * done / total if total else 0.0
    return {"tasks": len(tasks), "done": sum(key in times for key, _ in tasks), "percent": percent}
