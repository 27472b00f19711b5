"""Option ``--report`` of commands that compute an answer: the answer on a page for a browser, as it is printed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from physnn.cli.output import print_told

if TYPE_CHECKING:
    from physnn.reports.told import Telling


def _checked(context: click.Context, parameter: click.Parameter, page: Path | None) -> Path | None:
    """Page that can be written, before anything is computed."""
    if page is not None and not context.resilient_parsing:
        from physnn.reports.report_files import check_page

        check_page(page, [])
    return page


def page_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Option ``--report`` of a command."""
    text = "Put the answer on a page for a browser here, .html."
    kind = click.Path(path_type=Path, dir_okay=False)
    return click.option("--report", "page", type=kind, metavar="FILE", callback=_checked, help=text)(function)


def put_on_page(told: Telling, files: Sequence[Path], page: Path | None) -> None:
    """Write an answer on a page, where one is asked for."""
    if page is not None:
        from physnn.reports.report_files import write_told

        write_told([told], files, page, f"physnn {shlex.join(sys.argv[1:])}")


def print_computed(told: Telling, figure: Path | None, page: Path | None) -> None:
    """Print an answer in words, and where its figure and its page are."""
    print_told(told)
    for word, path in (("figure", figure), ("page", page)):
        if path:
            click.echo(f"{word:7} {path}")
