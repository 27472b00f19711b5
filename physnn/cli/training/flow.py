"""``physnn flow``: renormalization of what a file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from physnn.cli import options as opt
from physnn.cli.files import check_files, file_argument
from physnn.cli.output import print_json, progress_bar
from physnn.cli.reports.paged import page_option, print_computed, put_on_page
from physnn.cli.training.machines import holds_machines, print_machine_flow
from physnn.errors import InputError


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
@page_option
@opt.seed_option
@opt.plain_options
def flow_command(
    file: Path, block: Any, side: int, shuffle: bool, figure: Path | None, page: Path | None, seed: int | None,
    as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Renormalize the configurations in FILE block by block: exponents, couplings, and whether there is a fixed point.

    FILE is a sweep of the Ising or Potts model that kept configurations, or has Boltzmann machines that were trained on
    one: of these it tells where v -> h -> v leads, and with --shuffle where weights at random places do.

    \b
    physnn sweep-temperature --L 32 64 --T 2.2691853 --snapshots 5 --out ising.h5
    physnn flow ising.h5 --figure flow.png
    physnn flow ising.h5 --block decimation --report flow.html
    physnn flow ising.h5 --shuffle --json
    physnn flow rbm.h5 --figure machines.png

    Exit status 0: every run has a verdict; 3: one is undecided.
    """
    check_files(file)
    if holds_machines(file):
        if page:
            raise InputError("of Boltzmann machines physnn report makes a page; leave --report out")
        return print_machine_flow(file, figure, seed or 0, shuffle, as_json)
    from physnn.answers.flow import lattice_flow
    from physnn.reports.computed.lattices import told_flow

    with progress_bar("flow", quiet) as progress:
        found, drawn = lattice_flow(file, block, side, seed or 0, shuffle, progress), None
    if figure:
        from physnn.answers.plots import plot_flow

        drawn = plot_flow(found, figure)
    told = told_flow(found)
    put_on_page(told, [file], page)
    if as_json:
        paths = {"figure": str(drawn) if drawn else None, "page": str(page) if page else None}
        print_json({"file": str(file)} | found.as_json() | paths)
    else:
        print_computed(told, drawn, page)
    return 3 if told.undecided else 0
