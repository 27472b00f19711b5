"""How far running tasks are: small files beside their parts.  Losing one costs nothing, so they are not synced."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from physnn.jobs.run import Live, Task
from physnn.store.parts import NOTE, Parts

EVERY = 1.0
"""Seconds between two notes of a task."""


def write_note(path: Path, share: float, text: str = "") -> None:
    """Note how much of the task with the part at ``path`` is done, from 0 to 1."""
    with suppress(OSError):
        path.with_suffix(NOTE).write_text(json.dumps([share, text]))


def read_note(text: str) -> tuple[float, str]:
    """Return what a note says: share done and a short text; nothing done if it is half written."""
    try:
        share, words = json.loads(text)
        return min(1.0, max(0.0, float(share))), str(words)
    except (ValueError, TypeError):
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


def live_notes(parts: Parts, tasks: Sequence[Task]) -> Live:
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
