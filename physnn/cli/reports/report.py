"""``physnn report``: files as one page for a browser."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from physnn.cli import options as opt
from physnn.cli.files import check_files, line_option
from physnn.cli.output import print_json, progress_bar


@click.command(cls=opt.ListCommand)
@click.argument("files", nargs=-1, required=True)
@click.option("--observable", help="Observable of curves [default: rmse of networks, binder of lattices].")
@line_option
@opt.out_option("named after the first file, .html")
@click.option("--live", is_flag=True, help="Write the page anew while the run of FILE goes on; an open page follows.")
@click.option(
    "--every", type=opt.Number(0.5), default=5.0, show_default=True, metavar="SECONDS", help="Pause of --live."
)
@opt.plain_options
def report_command(
    files: tuple[str, ...], observable: str | None, at: tuple[str, ...], out: Path | None, live: bool, every: float,
    as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Put all that FILES say on one page for a browser, which needs nothing else and no network.

    FILES are sweeps, trainings, distances, landscapes and what else physnn writes, bundled ensembles, or plain tables.
    The verdict comes first, in one sentence, then figures that can be zoomed, tables that can be sorted, methods with
    BibTeX entries, recipe and provenance, and the commands that repeat it.  Two files are compared, too.

    \b
    physnn report sweep-noise.h5
    physnn report data.csv --out data.html
    physnn report ising.h5 sweep-noise.h5 --out both.html
    physnn report --live sweep-noise.h5   # while physnn sweep-noise runs, in another terminal

    Exit status 0: the page is written; 3: with --live, the run is stopped and not finished.
    """
    opt.limit_threads()
    page = out or Path(f"{Path(files[0]).stem}.html")
    if live:
        return _live(files, page, every, observable, as_json, quiet)
    from physnn.answers.lines import values_at
    from physnn.shipped import resolve

    values = values_at(at)
    check_files(*(resolve(name) for name in files))
    from physnn.reports.report_files import write_report

    with progress_bar("report", quiet) as progress:
        parts = write_report(files, page, observable, values or None, progress)
    if as_json:
        told = [
            {"title": part.title, "sentences": [one.sentence for one in part.told]}
            | {"undecided": any(one.undecided for one in part.told)}
            for part in parts
        ]
        print_json({"page": str(page), "parts": told})
        return 0
    for part in parts:
        for one in part.told:
            click.echo(f"{part.title}: {one.sentence}")
    click.echo(f"page    {page}")
    return 0


def _live(files: tuple[str, ...], page: Path, every: float, observable: str | None, as_json: bool, quiet: bool) -> int:
    """Follow a run until it ends; 0 where its file is finished, else 3."""
    if len(files) > 1:
        raise click.UsageError("--live follows the run of one FILE")
    from physnn.reports.live import follow_run
    from physnn.reports.told import progress_sentence

    told = [0.0]

    def tell(found: dict[str, Any]) -> None:
        # Every half minute is enough of what a browser shows.
        if not quiet and (not told[0] or time.monotonic() - told[0] > 30 or found["state"] != "running"):
            told[0] = time.monotonic()
            click.echo(progress_sentence(found), err=True)

    found = follow_run(Path(files[0]), page, every, observable, tell)
    if as_json:
        print_json({"page": str(page), "state": found["state"]})
    else:
        click.echo(f"page    {page}")
    return 0 if found["state"] == "finished" else 3
