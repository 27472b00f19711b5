"""``physnn show``, ``plot``, ``merge`` and ``verify``: look at files and put them together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from physnn.cli import options as opt
from physnn.cli.output import print_json, print_table
from physnn.reports.told import progress_sentence

line_option = click.option(
    "--at",
    cls=opt.ListOption,
    metavar="NAME=VALUE",
    example="field=0.1",
    help="Line of a file of several parameters.",
)
file_argument = click.argument("file", type=click.Path(path_type=Path))
OF_THEIR_OWN = (
    "memory",
    "train-eos",
    "train-pde",
    "train-rbm",
    "train-colour",
    "train-sentiment",
    "train-labels",
    "energy-map",
    "recall",
)
"""Kinds of sweep files whose figure is one of their own."""


@click.command(cls=opt.ListCommand)
@click.argument("file")
@opt.json_option
@opt.debug_option
def show_command(file: str, as_json: bool) -> None:
    """What FILE (or a bundled ensemble) holds: kind, recipe, shapes, and the digest of its data.

    \b
    physnn show sweep-noise.h5
    physnn show kuramoto_symmetric --json
    """
    from physnn.answers.describe import describe

    facts = describe(file)
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            click.echo(f"{name}:")
            for key, inner in value.items():
                click.echo(f"  {key:16} {inner}")
        else:
            click.echo(f"{name:18} {value}")


@click.command(cls=opt.ListCommand)
@click.argument("files", nargs=-1, required=True)
@click.option("--observable", help="Observable of a sweep file [default: rmse of networks, binder of lattices].")
@click.option(
    "--kind",
    type=click.Choice(["auto", "examples", "structure", "memory", "symmetries"]),
    default="auto",
    show_default=True,
    help="auto: curves of a sweep, training curves of networks; examples: images a network makes; structure: S(k) and "
    "energies of sites of an equilibrium sweep; memory: decay and lifetimes of domains, as auto of a memory sweep; "
    "symmetries: strengths and deviations of symmetries that networks were drawn to.",
)
@click.option("--eta", type=opt.Number(0), default=0.1, show_default=True, help="Noise of the examples.")
@click.option(
    "--panels",
    cls=opt.ListOption,
    type=click.Choice(["curves", "differences", "collapse", "residuals", "windows", "smallest", "cloud", "drift"]),
    metavar="PANEL...",
    help="Panels of a sweep, in a row: curves, differences, collapse, residuals, windows, smallest, cloud, drift "
    "[default: curves with the collapse or the differences].",
)
@click.option("--style", metavar="NAME|FILE", help="Style of matplotlib, or a file of one.")
@click.option("--format", "ending", type=click.Choice(["png", "pdf", "svg"]), help="In place of PNG, without --out.")
@line_option
@opt.out_option("named after the file")
@opt.debug_option
def plot_command(files: tuple[str, ...], kind: str, style: str | None, ending: str | None, **options: Any) -> None:
    """Draw FILES: a sweep's curves and collapse, several sweeps over each other, or the training of networks.

    \b
    physnn plot ising.h5 --observable chi --out chi.png
    physnn plot ising.h5 --panels curves collapse cloud --format pdf
    physnn plot one.h5 other.h5 --style ggplot
    physnn plot kuramoto_symmetric kuramoto_broken
    physnn plot kuramoto_symmetric --kind examples --eta 0.1
    """
    from physnn.figures.style import styled

    if kind != "auto" and len(files) > 1:
        raise click.UsageError(f"--kind {kind} is drawn of one file at a time")
    if options["out"] and ending:
        raise click.UsageError("--out has an ending of its own; leave --format out")
    with styled(style):
        path = _plotted(files, kind, ending, **options)
    click.echo(f"figure  {path}")


def _plotted(
    files: tuple[str, ...],
    kind: str,
    ending: str | None,
    observable: str | None,
    eta: float,
    panels: tuple[str, ...],
    at: tuple[str, ...],
    out: Path | None,
) -> Path:
    """Path of the figure of files of one kind."""
    from physnn.answers import plots
    from physnn.answers.bottleneck.labels import plot_labels
    from physnn.answers.lines import values_at
    from physnn.shipped import resolve
    from physnn.store.sweep_file import kind_of

    first = Path(files[0])
    format_name, attrs = kind_of(resolve(files[0])) if kind == "auto" else (kind, {})
    out = first.with_suffix(f".{ending}") if ending else out
    if len(files) > 1 and format_name == "physnn-sweep":
        if panels:
            raise click.UsageError("--panels are drawn of one file at a time")
        return plots.plot_sweeps([Path(file) for file in files], observable, out, values_at(at))
    if format_name == "physnn-sweep" and observable is None:
        own = [kind for kind in OF_THEIR_OWN if f'"kind": "{kind}"' in str(attrs.get("recipe"))]
        format_name = (own or [format_name])[0]
    drawn = {
        "examples": lambda: plots.plot_examples(files[0], eta, out),
        "structure": lambda: plots.plot_structure(first, out),
        "memory": lambda: plots.plot_memory(first, out),
        "symmetries": lambda: plots.plot_symmetries(resolve(files[0]), out),
        "train-eos": lambda: plots.plot_state(first, out),
        "train-pde": lambda: plots.plot_pde(first, out),
        "train-rbm": lambda: plots.plot_machines(first, out),
        "train-colour": lambda: plots.plot_colour(first, out)[0],
        "train-sentiment": lambda: plots.plot_sentiment(first, out),
        "train-labels": lambda: plot_labels(first, out),
        "energy-map": lambda: plots.plot_maps(first, out)[0],
        "recall": lambda: plots.plot_recall(first, out),
        "physnn-sweep": lambda: plots.plot_sweep(first, observable, out, at=values_at(at), panels=panels),
        "physnn-ensembles": lambda: plots.plot_ensembles(first, out),
    }
    if panels and format_name != "physnn-sweep":
        raise click.UsageError("--panels are those of a sweep with a fit")
    return drawn.get(format_name, lambda: plots.plot_training(files, out))()


@click.command(cls=opt.ListCommand)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="File for what several FILES hold together."
)
@opt.kind_option
@opt.debug_option
def merge_command(files: tuple[Path, ...], out: Path | None, module: Path | None) -> None:
    """Put finished sweeps together, or the finished parts beside one FILE that a run left unfinished.

    \b
    physnn merge small.h5 large.h5 --out all.h5
    physnn merge sweep-temperature.h5

    Sweeps go together where their recipes differ only in what --extend can add: sizes, control values, draws.
    """
    from physnn.samples.files import merge
    from physnn.samples.joining import put_together
    from physnn.samples.kinds import load_kinds

    if module:
        load_kinds(module)
    if len(files) == 1 and out is None:
        click.echo(f"{merge(files[0])} tasks in {files[0]}")
    elif out is None:
        raise click.UsageError("several files are put together into a new one: name it with --out")
    else:
        click.echo(f"{put_together(files, out)} tasks in {out}")


@click.command(cls=opt.ListCommand)
@file_argument
@click.option(
    "--to",
    "form",
    type=click.Choice(["csv", "json", "parquet", "netcdf"]),
    default="csv",
    show_default=True,
    help="csv, json, parquet: a row for every size and control value; netcdf: all arrays, a group for every size.",
)
@click.option(
    "--observable",
    "observables",
    cls=opt.ListOption,
    metavar="NAME...",
    example="binder",
    help="Observables of the table [default: all that the file allows].",
)
@line_option
@opt.out_option("named after the file")
@opt.seed_option
@opt.debug_option
def export_command(
    file: Path, form: str, observables: tuple[str, ...], at: tuple[str, ...], out: Path | None, seed: int | None
) -> None:
    """Write the curves of a sweep FILE with their errors, or its arrays, for other programs.

    \b
    physnn export sweep-temperature.h5
    physnn export sweep-temperature.h5 --observable binder c --out curves.csv
    physnn export sweep-noise.h5 --to netcdf
    """
    opt.limit_threads()
    check_files(file)
    from physnn.answers.formats.export import EXPORTED, export
    from physnn.answers.lines import values_at

    if form == "netcdf" and (observables or at):
        raise click.UsageError("--to netcdf writes all arrays: leave --observable and --at out")
    place = out or file.with_suffix(EXPORTED[form])
    count = export(file, place, form, observables or None, values_at(at) or None, seed or 0)
    click.echo(f"{count} {'sizes' if form == 'netcdf' else 'rows'} in {place}")


@click.command(cls=opt.ListCommand)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--untrusted",
    is_flag=True,
    help="Also read everything in them, each in a process of its own with limits of memory and time.",
)
@opt.json_option
@opt.debug_option
def verify_command(files: tuple[Path, ...], untrusted: bool, as_json: bool) -> None:
    """Check the seal of FILES: whole and unchanged since they were written.

    A seal does not say who wrote a file: for a stranger's, add --untrusted.  Exit status 2 if one is not whole.

    \b
    physnn verify ising.h5 sweep-noise.h5
    physnn verify --untrusted theirs.h5
    """
    from physnn.errors import InputError
    from physnn.store.inspect import check_file, read_untrusted

    found = [read_untrusted(file) if untrusted else check_file(file) for file in files]
    bad = [f.reason for f in found if not f.whole]
    if as_json:
        print_json({"files": [f.as_json() for f in found], "whole": not bad})
    else:
        for one in found:
            if one.whole:
                click.echo(f"{one.file}: whole" + (f", {one.format}, digest {one.digest}" if one.digest else ""))
    if bad:
        raise InputError(f"{len(bad)} of {len(found)} files: {'; '.join(bad)}" if len(found) > 1 else bad[0])


@click.command(cls=opt.ListCommand)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--watch", is_flag=True, help="Show it anew every second until the run ends.")
@opt.json_option
@opt.debug_option
def status_command(file: Path, watch: bool, as_json: bool) -> int:
    """How far the run that makes FILE is: tasks done, time left, who works on it, what failed.

    \b
    physnn status sweep-noise.h5
    physnn status sweep-noise.h5 --watch

    Works while it runs and after, for sweeps and trainings, and takes nothing from the run.  Exit status 3 of --watch:
    the run is stopped and not finished.
    """
    from physnn.cli.reports import watch as watching
    from physnn.jobs.progress import status

    if watch and as_json:
        raise click.UsageError("--watch is for a terminal: leave it or --json out")
    if watch:
        return watching.watch(file, every=1.0)
    found = status(file)
    if as_json:
        print_json(found)
        return 0
    for line in watching.status_lines(found):
        click.echo(line)
    if found["rows"]:
        rows = [[r["name"], f"{r['done']}/{r['tasks']}", f"{r['percent']:.1f} %"] for r in found["rows"]]
        print_table("tasks", ["of", "done", "of the work"], rows)
    return 0


def check_files(*files: Path | None) -> None:
    """Raise InputError for files that are not there, before anything is loaded to read them."""
    from physnn.errors import InputError

    for file in files:
        if file is not None and str(file) != "-" and not file.exists():
            if Path(f"{file}.parts").is_dir():
                from physnn.jobs.progress import status

                raise InputError(f"{progress_sentence(status(file))}; nothing can be fitted before all are")
            raise InputError(f"cannot read {file}: there is no such file; check the name")
