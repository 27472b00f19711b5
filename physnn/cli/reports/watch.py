"""``physnn status --watch``: a run followed in the terminal until it ends."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from physnn.cli.output import PLAIN_INTERVAL
from physnn.jobs.progress import status
from physnn.reports.told import progress_sentence


def status_lines(found: dict[str, Any]) -> list[str]:
    """Lines on a run: how far it is, who works on it, and what failed."""
    lines = [progress_sentence(found)]
    for process in found["processes"]:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(process["since"]))
        lines.append(f"  {process['what']}: process {process['pid']} on {process['host']}, since {since}")
    if found["retried"]:
        lines.append(f"{len(found['retried'])} tasks were tried more than once")
    for failure in found["failed"]:
        lines.append(f"failed after {failure['attempts']} attempts: task {failure['task']}: {failure['error']}")
    return lines


def watch(file: Path, every: float) -> int:
    """Show the status of a run anew until it ends; 0 where its file is finished, 3 where it is stopped, 130 on Ctrl-C.

    On a terminal the lines are replaced in place, elsewhere a line is printed every half minute.
    """
    first = status(file)  # what is not there is refused before anything is shown
    try:
        found = _on_terminal(file, first, every) if sys.stdout.isatty() else _plainly(file, first, every)
    except KeyboardInterrupt:
        return 130  # the run goes on: nothing is to be said of it
    return 0 if found["state"] == "finished" else 3


def _on_terminal(file: Path, found: dict[str, Any], every: float) -> dict[str, Any]:
    from rich.console import Group
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    def shown() -> Group:
        rows = (f"  {r['name']:>12} {r['done']}/{r['tasks']} {r['percent']:5.1f} %" for r in found["rows"])
        bar = ProgressBar(total=100, completed=found["percent"], width=40)
        return Group(bar, Text("\n".join([*status_lines(found), *rows])))

    with Live(shown(), auto_refresh=False) as live:
        while found["state"] == "running":
            time.sleep(every)
            found = status(file)
            live.update(shown(), refresh=True)
    return found


def _plainly(file: Path, found: dict[str, Any], every: float) -> dict[str, Any]:
    latest = -PLAIN_INTERVAL
    while True:
        now = time.monotonic()
        if found["state"] != "running" or now - latest >= PLAIN_INTERVAL:
            latest = now
            click.echo("\n".join(status_lines(found)))
        if found["state"] != "running":
            return found
        time.sleep(every)
        found = status(file)
