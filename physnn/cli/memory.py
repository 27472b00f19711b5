"""``physnn memory``: how long a domain written into a network survives noise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from physnn.cli.options import (
    RUN,
    ListCommand,
    ListOption,
    Number,
    Whole,
    config_option,
    json_option,
    one_thread,
    out_option,
    run_options,
    seed_option,
    shard_option,
    taken,
)

if TYPE_CHECKING:
    from physnn.analysis.memory.contrast import MemoryAnswer
    from physnn.store.sweep_file import SweepFile

DEFAULT_OUT = "memory.h5"
SCANS = (0.0, 1.0, 2.0)
"""Exponents z at which curves m(t = c L^z) are compared unless others are asked for."""


@click.command("memory", cls=ListCommand)
@click.argument("networks", nargs=-1)
@click.option(
    "--model",
    cls=ListOption,
    metavar="NAME...",
    example="diagonal 1 0",
    help="Instead of networks: xy | on N | diagonal K1 K2... | coupling FILE.npy.",
)
@click.option("--gamma", type=Number(0), help="Step of --model [default: 0.16 over the largest eigenvalue of J].")
@click.option(
    "--L", "L", cls=ListOption, type=Whole(4), metavar="L...", example="16 32", help="[default: 16 32 64 128]"
)
@click.option("--eta", cls=ListOption, type=Number(0), metavar="ETA...", example="0.3 0.5", help="Noise values.")
@click.option("--eta-range", nargs=3, type=Number(0), metavar="LO HI N", help="N noise values [default: 0.2 1 9].")
@click.option("--pattern", type=click.Choice(["half", "box"]), help="Half-plane, or box of side L/2 [default: half].")
@click.option("--replicas", type=Whole(2), help="Runs with noise of their own [default: 8].")
@click.option("--longest", type=Whole(2), help="Steps after which a run ends [default: 2048].")
@click.option("--steps", type=Whole(1), help="Steps in which walls form first [default: the trained depth].")
@click.option(
    "--scaling", type=Number(0), metavar="Z", help="memory of the file is m at steps (L / training L)^Z [default: 1]."
)
@click.option("--z", cls=ListOption, type=Number(0), metavar="Z...", example="0 1 2", help="Scan t = c L^z at these z.")
@click.option("--after", type=Number(0), metavar="C", help="c of the scan at the training L, steps [default: --steps].")
@click.option(
    "--table",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write L, eta, t, m and error here, for: physnn fit FILE --dynamic.",
)
@click.option("--extend", is_flag=True, help="Add sizes, noise values, networks or length to a finished file.")
@shard_option
@click.option("--dry-run", is_flag=True, help="List the tasks with time, memory and file size; run nothing.")
@seed_option
@out_option(DEFAULT_OUT)
@config_option
@json_option
@run_options
def memory(
    networks: tuple[str, ...],
    eta: tuple[float, ...],
    eta_range: tuple[float, ...] | None,
    z: tuple[float, ...],
    after: float | None,
    table: Path | None,
    extend: bool,
    dry_run: bool,
    out: Path | None,
    config: Path | None,
    as_json: bool,
    quiet: bool,
    device: str,
    debug: bool,
    **options: Any,
) -> None:
    """Write a domain into NETWORKS (files, FILE/SEED, or bundled ensembles), add noise, and see how long it lasts.

    \b
    physnn memory kuramoto_symmetric --L 16 32 64 128
    physnn memory kuramoto_broken --L 16 32 64 --pattern box
    physnn memory --model diagonal 1 0 --L 8 16 32 64 --eta 1 1.4 1.8 --longest 20000

    Lifetimes are steps until half of the contrast between inside and outside is gone; runs that end before count as
    such.  A rerun continues where an interrupted one stopped.
    """
    one_thread()
    from physnn import api
    from physnn.cli.answers import print_missing, print_plan, run_sweep_or_shard
    from physnn.cli.sweep import noise_range
    from physnn.errors import InputError
    from physnn.machine import check_folder
    from physnn.samples.files import plan

    if device == "cuda":
        raise InputError("memory sweeps run on the CPU; leave --device out")
    if eta and eta_range:
        raise InputError("--eta and --eta-range exclude each other; give one")
    run = taken(options, RUN)
    values = tuple(eta) or tuple(noise_range(eta_range) if eta_range else ())
    settings = _settings(config, {**options, "networks": networks, "eta": values})
    out = out or Path(DEFAULT_OUT)
    check_folder(out)
    recipe = api.memory_recipe(out, extend, **settings)
    if dry_run:
        print_plan(plan(recipe, run["jobs"]), as_json)
        return
    count, missing = run_sweep_or_shard("memory", recipe, out, extend, quiet, **run)
    if missing:
        print_missing(run["shard"], {"memory": (out, count, missing)}, as_json)
    else:
        _print(out, count, z or SCANS, after, table, as_json)


def _settings(config: Path | None, flags: dict[str, Any]) -> dict[str, Any]:
    from physnn.cli.options import read_config
    from physnn.samples.base import check_names
    from physnn.samples.memory.recipe import MemorySweep

    settings = read_config(config)
    check_names(MemorySweep, settings)
    settings |= {key: value for key, value in flags.items() if value not in (None, ())}
    if flags["networks"] or flags["model"]:
        other = "model" if flags["networks"] else "networks"
        settings = {key: value for key, value in settings.items() if key not in ("network_ids", other)}
        settings |= {other: flags[other]} if flags[other] else {}
    return settings


def _print(
    out: Path, count: int, exponents: tuple[float, ...], c: float | None, table: Path | None, as_json: bool
) -> None:
    """Print and draw what a finished memory sweep says."""
    from physnn import plots
    from physnn.answers.memory import curve_rows, memory_of
    from physnn.cli.output import print_json, print_table
    from physnn.store.hdf5 import content_digest
    from physnn.store.sweep_file import read_sweep

    sweep = read_sweep(out)
    answer = memory_of(sweep)
    assert answer is not None
    scans = [_scan(sweep, z, c) for z in exponents]
    figure = str(plots.plot_memory(out, answer=answer))
    if table:
        rows = [" ".join(f"{value:.10g}" for value in row) for row in curve_rows(sweep)]
        table.write_text("\n".join(["L eta t memory error", *rows]) + "\n")
    if as_json:
        found = {"file": str(out), "figure": figure, "table": str(table) if table else None, "tasks_run": count}
        print_json(found | {"digest": content_digest(out), **answer.as_json(), "scans": scans})
        return
    click.echo(f"{count} tasks run" if count else "all is done: nothing was left to run")
    print_table("lifetimes in steps", *lifetime_rows(answer))
    for row in answer.rows:
        click.echo(f"eta = {row.eta:.4g}: {row.growth.verdict}. {row.growth.reason}")
    for name, control in zip(answer.networks, answer.controls, strict=True):
        click.echo(f"network {name} without noise: {control}")
    for scan in scans:
        click.echo(f"m at t = c L^{scan['z']:g} against eta: {scan['verdict'] or 'no curves'}. {scan['reason']}")
    click.echo(answer.verdict)
    click.echo(f"data    {out}\nfigure  {figure}" + (f"\ntable   {table}" if table else ""))


def _scan(sweep: SweepFile, z: float, c: float | None) -> dict[str, Any]:
    """Return where curves m(t = c L^z) of all sizes cross, if they do."""
    from physnn.answers import fit as report
    from physnn.answers.memory import after
    from physnn.errors import InputError

    try:
        fit = report.fit(after(sweep, z, c), "memory")
    except InputError as error:
        return {"z": z, "verdict": None, "reason": str(error), "critical_point": None}
    point = fit.collapse.critical_point.as_json() if fit.collapse else None
    return {"z": z, "verdict": fit.verdict, "reason": fit.reason, "critical_point": point}


def lifetime_rows(answer: MemoryAnswer) -> tuple[list[str], list[list[str]]]:
    """Return heading and rows of the table of lifetimes."""
    rows = []
    for row in answer.rows:
        cells = []
        for cell in row.lifetimes.values():
            text = f"> {cell.tau:.3g}" if cell.bound else f"{cell.tau:.3g} +- {100 * cell.log_tau.error:.0f} %"
            cells.append(text)
        rows.append([f"{row.eta:.4g}", *cells, str(row.growth.z or "-"), row.growth.verdict])
    return ["eta", *(f"L = {L}" for L in answer.sizes), "z", "growth"], rows
