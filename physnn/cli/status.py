"""``physnn status``: how far a run is, from any terminal."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from physnn.cli.options import debug_option, json_option


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@debug_option
def status(file: Path, as_json: bool, debug: bool) -> None:
    """How far the run that makes FILE is: tasks done, time left, who works on it, what failed.

    \b
    physnn status sweep-noise.h5

    Works while it runs and after, for sweeps and trainings, and takes nothing from the run.
    """
    from physnn.cli.output import print_json, print_table
    from physnn.jobs.progress import status as look

    found = look(file)
    if as_json:
        print_json(found)
        return
    click.echo(_headline(found))
    for process in found["processes"]:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(process["since"]))
        click.echo(f"  {process['what']}: process {process['pid']} on {process['host']}, since {since}")
    if found["rows"]:
        rows = [[r["name"], f"{r['done']}/{r['tasks']}", f"{r['percent']:.1f} %"] for r in found["rows"]]
        print_table("tasks", ["of", "done", "of the work"], rows)
    if found["retried"]:
        click.echo(f"{len(found['retried'])} tasks were tried more than once")
    for failure in found["failed"]:
        click.echo(f"failed after {failure['attempts']} attempts: task {failure['task']}: {failure['error']}")


def _headline(found: dict[str, Any]) -> str:
    if found["state"] == "finished":
        return f"{found['file']}: finished"
    done = f"{found['done']} of {found['tasks']} tasks done, {found['percent']:.1f} % of the work"
    left = found["seconds_left"]
    if found["state"] == "stopped":
        return f"{found['file']}: not running; {done}; the same command continues"
    doubt = "" if found["running"] else ", as its lock on another machine says"
    return f"{found['file']}: running{doubt}; {done}" + (f", about {_span(left)} left" if left is not None else "")


def _span(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"
