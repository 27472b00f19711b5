"""Page of a run that is under way: how far it is, made anew until the file is there, and then its report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from physnn.answers.formats.markup import as_text, html_table
from physnn.errors import InputError
from physnn.jobs.progress import status
from physnn.reports.objects.unfinished import tell_so_far
from physnn.reports.page import ReportPart, report_page
from physnn.reports.report_files import check_page, made_now, write_report
from physnn.reports.told import Telling, progress_sentence
from physnn.store.hdf5 import write_bytes
from physnn.store.parts import Parts

CURVES_SECONDS = 20.0
"""Seconds between two drawings of the curves so far: a run is not to be slowed down by who looks at it."""
LEAST_SECONDS = 0.5
"""Seconds between two pages at least: an open page loads itself as often."""


def follow_run(
    source: Path,
    out: Path,
    every: float = 5.0,
    observable: str | None = None,
    told: Callable[[dict[str, Any]], None] = lambda found: None,
    wait: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Last status of a run, whose page at ``out`` is written anew until it has ended.

    While it runs the page loads itself anew, too; then it is the report of the file.  The page is replaced as a whole.

    Parameters
    ----------
    source : Path
        File that a run makes, or has made.
    every : float
        Seconds between two pages.
    observable : str, optional
        What of curves, in the report at the end.
    told : callable
        Called with every status, see `physnn.jobs.progress.status`.
    wait : callable
        Waits for some seconds.

    Raises
    ------
    InputError
        If there is neither the file nor an unfinished run of it, or ``out`` cannot be a page.
    """
    if not every >= LEAST_SECONDS:
        raise InputError(f"a page is made every {LEAST_SECONDS:g} s at most often, not every {every:g} s")
    check_page(out, [source])
    done, drawn = -1, -CURVES_SECONDS
    shown: tuple[Telling, ...] = ()
    while True:
        found = status(source)
        told(found)
        if found["state"] == "finished":
            write_report([source], out, observable)
            return found
        if found["done"] != done and time.monotonic() - drawn >= CURVES_SECONDS:
            done, drawn, shown = found["done"], time.monotonic(), tell_so_far(source, observable)
        write_bytes(out, running_page(source, found, every, shown).encode(errors="backslashreplace"))
        if found["state"] != "running":
            return found
        wait(every)


def running_page(source: Path, found: dict[str, Any], every: float, shown: Sequence[Telling] = ()) -> str:
    """Text of the page of an unfinished run with what it has ``shown``; it loads itself anew every so many seconds."""
    rows = [[r["name"], f"{r['done']}/{r['tasks']}", f"{r['percent']:.1f} %"] for r in found["rows"]]
    progress = (
        f'<p class="verdict">{as_text(progress_sentence(found))}</p>'
        f'<progress max="100" value="{found["percent"]:.2f}">{found["percent"]:.1f} %</progress>'
    )
    if rows:
        progress += html_table("tasks", ("of", "done", "of the work"), rows)
    for failure in found["failed"]:
        text = f"failed after {failure['attempts']} attempts: task {failure['task']}: {failure['error']}"
        progress += f"<p>{as_text(text)}</p>"
    running = found["state"] == "running"
    recipe = {name: str(value) for name, value in (Parts(source).recipe() or {}).items() if value is not None}
    part = ReportPart(source.name, shown, recipe, {}, ())
    return report_page([part], made_now(), every if running else 0.0, progress)
