"""Printing: one JSON object, tables, and progress on stderr with the time left."""

from __future__ import annotations

import json
import math
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from physnn.analysis.statistics.power import Power
    from physnn.jobs.run import Progress
    from physnn.reports.told import Telling, ToldTable

FIRST_LINE, PLAIN_INTERVAL = 3.0, 30.0
"""Seconds until the first line of progress, and between lines, where stderr is no terminal."""
SILENT = 2.0
"""Seconds that work may take without a word."""


def print_json(data: dict[str, Any]) -> None:
    """Print one JSON object on stdout; what is not finite becomes null."""
    click.echo(json.dumps(_finite(data), allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def told_if_slow(text: str, quiet: bool) -> Iterator[None]:
    """Context of work that shows no progress: after two seconds a line on stderr says what it is."""
    timer = threading.Timer(SILENT, click.echo, (text,), {"err": True})
    timer.daemon = True
    if not quiet:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def progress_bar(title: str, quiet: bool) -> Iterator[Progress]:
    """Yield a progress callback: a bar on a terminal, a line every half minute elsewhere, both with the time left."""
    if quiet:
        from physnn.jobs.run import silent

        yield silent
    elif sys.stderr.isatty():
        with _terminal_bar(title) as show:
            yield show
    else:
        yield _plain_lines(title)


@contextmanager
def _terminal_bar(title: str) -> Iterator[Progress]:
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("left"),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[rate]} {task.fields[text]}"),
    )
    with progress.Progress(*columns, console=Console(stderr=True)) as bar:
        row = bar.add_task(title, total=None, rate="", text="")

        def show(done: float, total: float, text: str) -> None:
            bar.update(row, completed=done, total=total, text=text)
            bar.update(row, rate=rate_in_words((bar.tasks[row].speed or 0.0) / total) if total else "")

        yield show


def rate_in_words(rate: float) -> str:
    """Rate of work, a share of all of it per second, in words; none where nothing is known of it."""
    return f"{6000 * rate:.2g} % a minute" if rate > 0 else ""


def _plain_lines(title: str) -> Progress:
    start = latest = time.monotonic()
    begun: float | None = None

    def show(done: float, total: float, text: str) -> None:
        nonlocal latest, begun
        now = time.monotonic()
        begun = done if begun is None else begun
        if now - latest < (PLAIN_INTERVAL if latest > start else FIRST_LINE):
            return
        latest = now
        rate = (done - begun) / (now - start)
        left = f", {rate_in_words(rate / total)}, {(total - done) / rate:.0f} s left" if rate > 0 else ""
        more = f", {text}" if text else ""
        click.echo(f"{title}: {done / total:.0%} after {now - start:.0f} s{left}{more}", err=True)

    return show


def print_table(title: str, header: list[str], rows: list[list[str]], err: bool = False) -> None:
    """Print a table on stdout, or on stderr."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    click.echo(title, err=err)
    table = Table(*header, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*row)
    width = None if (sys.stderr if err else sys.stdout).isatty() else 110
    Console(width=width, stderr=err).print(table)


def print_told(told: Telling) -> None:
    """Print an answer: its sentence, and then what it rests on."""
    click.echo(told.sentence)
    print_parts(told.evidence)


def print_parts(evidence: Iterable[str | ToldTable], err: bool = False) -> None:
    """Print lines and tables of an answer on stdout, or on stderr."""
    for one in evidence:
        if isinstance(one, str):
            click.echo(one, err=err)
        else:
            print_table(one.title, list(one.header), [list(row) for row in one.rows], err)


def print_power(rows: Sequence[Power], title: str, before: bool = False) -> None:
    """Print how many seeds show effects; ``before`` an answer that is for stdout, on stderr."""
    from physnn.reports.curves import told_power

    print_parts(told_power(tuple(rows), title), before)
