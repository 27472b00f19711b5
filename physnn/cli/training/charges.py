"""``physnn charges``: what gradient flow would keep, and what became of it in a training."""

from __future__ import annotations

from pathlib import Path

import click

from physnn.cli import options as opt
from physnn.cli.files import check_files, file_argument
from physnn.cli.output import print_json, print_table


@click.command(cls=opt.ListCommand)
@file_argument
@opt.figure_option("Draw the charges along the training here, PNG, PDF or SVG.")
@opt.plain_options
def charges_command(file: Path, figure: Path | None, as_json: bool, quiet: bool) -> int:
    """Compare charges of learning with their predicted motion, in FILE from `physnn train classify --charges`.

    A symmetry of the loss gives a charge that gradient flow keeps: lengths of weights before a normalisation, the
    balance around a ReLU or between linear layers, sums of the weights of logits.  Learning rate, momentum, weight
    decay and the lengths of the steps move it.  How far is predicted exactly: the drift is measured less predicted, in
    its errors over replicas, in those of rounding, and as a share of what the steps could have done.  Adam breaks all.

    \b
    physnn train classify --network batchnorm --optimiser sgd --momentum 0.9 --charges --out sgd.h5
    physnn charges sgd.h5 --figure charges.png

    Exit status 0: every charge has a verdict; 3: one is undecided.
    """
    check_files(file)
    from physnn.answers.symmetry.charges import charge_answer

    found, drawn = charge_answer(file), None
    status = 3 if any("undecided" in row.verdict for row in found.rows) else 0
    if figure:
        from physnn.answers.plots import plot_charges

        drawn = plot_charges(found, figure)
    if as_json:
        print_json({"file": str(file)} | found.as_json() | {"figure": str(drawn) if drawn else None})
        return status
    for name, rule in found.rules.items():
        rows = [
            [
                row.charge,
                *(f"{e.value - row.first.value:.4g}" for e in (row.measured, row.predicted, row.flow)),
                *(str(row.drift), f"{row.in_errors:.1f}", f"{row.roundings:.1g}", f"{row.share:.0e}", row.verdict),
            ]
            for row in found.rows
            if row.ensemble == name
        ]
        training = f"{rule.optimiser}, lr {rule.lr:g}, momentum {rule.momentum:g}, decay {rule.weight_decay:g}"
        header = ["charge", "change", "predicted", "in flow", "drift", "errors", "roundings", "share", "verdict"]
        print_table(f"{name}: {rule.network}, {training}", header, rows)
    if drawn:
        click.echo(f"figure  {drawn}")
    return status
