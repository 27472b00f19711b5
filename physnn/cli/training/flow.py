"""``physnn flow``: renormalization of what a file holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from physnn.cli import options as opt
from physnn.cli.files import check_files, file_argument
from physnn.cli.output import print_json, print_table, progress_bar
from physnn.cli.training.machines import holds_machines, print_machine_flow

if TYPE_CHECKING:
    from physnn.answers.flow import FlowAnswer, FlowRun


@click.command(cls=opt.ListCommand)
@file_argument
@click.option(
    "--block",
    type=click.Choice(["majority", "decimation"]),
    default="majority",
    show_default=True,
    help="What a block becomes: its most frequent colour, ties drawn, or the colour of its first site.",
)
@click.option("--side", type=opt.Whole(2, 16), default=2, show_default=True, help="Side b of a block.")
@click.option("--shuffle", is_flag=True, help="Permute the sites of every configuration first: a control.")
@opt.figure_option("Draw exponents and couplings by block step here, PNG, PDF or SVG.")
@opt.seed_option
@opt.plain_options
def flow_command(
    file: Path, block: Any, side: int, shuffle: bool, figure: Path | None, seed: int | None, as_json: bool, quiet: bool
) -> int:
    """Renormalize the configurations in FILE block by block: exponents, couplings, and whether there is a fixed point.

    FILE is a sweep of the Ising or Potts model that kept configurations, or has Boltzmann machines that were trained on
    one: of these it tells where v -> h -> v leads, and with --shuffle where weights at random places do.

    \b
    physnn sweep-temperature --L 32 64 --T 2.2691853 --snapshots 5 --out ising.h5
    physnn flow ising.h5 --figure flow.png
    physnn flow ising.h5 --block decimation
    physnn flow ising.h5 --shuffle --json
    physnn flow rbm.h5 --figure machines.png

    Exit status 0: every run has a verdict; 3: one is undecided.
    """
    check_files(file)
    if holds_machines(file):
        return print_machine_flow(file, figure, seed or 0, shuffle, as_json)
    from physnn.answers.flow import lattice_flow

    with progress_bar("flow", quiet) as progress:
        found, drawn = lattice_flow(file, block, side, seed or 0, shuffle, progress), None
    if figure:
        from physnn.answers.plots import plot_flow

        drawn = plot_flow(found, figure)
    if as_json:
        print_json({"file": str(file)} | found.as_json() | {"figure": str(drawn) if drawn else None})
    else:
        _print_flow(found)
        if drawn:
            click.echo(f"figure  {drawn}")
    return 0 if found.decided else 3


def _print_flow(found: FlowAnswer) -> None:
    """Print the exponents of the last step of every run with its verdict, and all steps of the main one."""
    exact = [f"{found.exact[name]:.4g}" if found.exact else "-" for name in ("y_t", "y_h")]
    rows = [
        [str(r.L), f"{r.T:g}", str(len(r.steps)), str(r.judgement.y_t), str(r.judgement.y_h), r.judgement.verdict]
        for r in found.runs
    ]
    shuffled = ", sites permuted" if found.shuffled else ""
    title = f"{found.model}, {found.block} of {found.b} x {found.b}{shuffled}: largest exponents in the last block step"
    print_table(title, ["L", "T", "steps", "y_t", "y_h", "verdict"], [*rows, ["exact", "", "", *exact, ""]])
    for run in found.runs:
        click.echo(f"L = {run.L}, T = {run.T:g}: {run.judgement.verdict}: {'; '.join(run.judgement.reasons)}")
    _print_steps(found, found.main)
    for match in found.matchings:
        sizes = " and ".join(map(str, match.sizes))
        click.echo(f"T_c = {match.critical_temperature} where blocks of L = {sizes} match, measured at T = {match.T:g}")


def _print_steps(found: FlowAnswer, run: FlowRun) -> None:
    """Print exponents by step and number of operators, and couplings by level."""
    names = found.operators
    for symbol, kind in (("y_t", "even"), ("y_h", "odd")):
        rows = [
            [
                f"{step.level + 1}, to {step.side} x {step.side}",
                *(str(each.estimates[0]) for each in getattr(step, kind)),
            ]
            for step in run.steps
        ]
        header = ["step", *(name if k == 0 else f"+ {name}" for k, name in enumerate(names[kind]))]
        title = f"{symbol} by block step and {kind} operators, L = {run.L}, T = {run.T:g}"
        print_table(title, header, [[*row, *[""] * (len(header) - len(row))] for row in rows])
    rows = [
        [f"{level.side} x {level.side}", *(map(str, level.couplings.estimates) if level.couplings else [level.note])]
        for level in run.levels
    ]
    header = ["blocks", *names["even"]]
    print_table("couplings by level", header, [[*row, *[""] * (len(header) - len(row))] for row in rows])
