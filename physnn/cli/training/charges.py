"""``physnn charges``: what gradient flow would keep, and what became of it in a training."""

from __future__ import annotations

from pathlib import Path

import click

from physnn.cli import options as opt
from physnn.cli.files import check_files, file_argument
from physnn.cli.output import print_json
from physnn.cli.reports.paged import page_option, print_computed, put_on_page


@click.command(cls=opt.ListCommand)
@file_argument
@opt.figure_option("Draw the charges along the training here, PNG, PDF or SVG.")
@page_option
@opt.plain_options
def charges_command(file: Path, figure: Path | None, page: Path | None, as_json: bool, quiet: bool) -> int:
    """Compare charges of learning with their predicted motion, in FILE from `physnn train classify --charges`.

    A symmetry of the loss gives a charge that gradient flow keeps: lengths of weights before a normalisation, the
    balance around a ReLU or between linear layers, sums of the weights of logits.  Learning rate, momentum, weight
    decay and the lengths of the steps move it.  How far is predicted exactly: the drift is measured less predicted, in
    its errors over replicas, in those of rounding, and as a share of what the steps could have done.  Adam breaks all.

    \b
    physnn train classify --network batchnorm --optimiser sgd --momentum 0.9 --charges --out sgd.h5
    physnn charges sgd.h5 --figure charges.png --report charges.html

    Exit status 0: every charge has a verdict; 3: one is undecided.
    """
    check_files(file)
    from physnn.answers.symmetry.charges import charge_answer
    from physnn.reports.computed.layers import told_charges

    found, drawn = charge_answer(file), None
    if figure:
        from physnn.answers.plots import plot_charges

        drawn = plot_charges(found, figure)
    told = told_charges(found)
    put_on_page(told, [file], page)
    if as_json:
        paths = {"figure": str(drawn) if drawn else None, "page": str(page) if page else None}
        print_json({"file": str(file)} | found.as_json() | paths)
    else:
        print_computed(told, drawn, page)
    return 3 if told.undecided else 0
