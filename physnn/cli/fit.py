"""``physnn fit``: the answer of a sweep file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from physnn.cli.options import debug_option, json_option, seed_option

if TYPE_CHECKING:
    from physnn.analysis.fit import Fit

DECIDED = ("crossing", "merging", "first-order", "no-crossing")


@click.command("fit")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--observable", default="rmse", show_default=True, help="What to fit.")
@click.option(
    "--zeta",
    type=click.Choice(["free", "0"]),
    help="Fit zeta/nu or fix it at 0 [default: 0 where the observable is dimensionless].",
)
@click.option(
    "--resamples", type=click.IntRange(20, 100_000), default=200, show_default=True, help="Bootstrap samples."
)
@seed_option
@json_option
@debug_option
def fit(
    file: Path, observable: str, zeta: str | None, resamples: int, seed: int | None, as_json: bool, debug: bool
) -> int:
    """Critical point and exponents of a sweep FILE, with errors, or the evidence that there are none.

    \b
    physnn fit sweep-noise.h5 --observable overlap --json

    Exit status 0: crossing, merging, first-order or no-crossing; 3: undecided.
    """
    from physnn import report
    from physnn.cli.output import print_json

    answer = report.fit(file, observable, zeta=zeta, resamples=resamples, seed=seed or 0)
    if as_json:
        print_json({"file": str(file), **answer.as_json()})
    else:
        click.echo(answer_text(answer))
    return 0 if answer.verdict in DECIDED else 3


def answer_text(answer: Fit) -> str:
    """Return the answer in words."""
    curves = answer.curves
    text = f"{curves.observable} against {curves.control}: {answer.verdict}\n  {answer.reason}"
    for pair in answer.pairs:
        if pair.x and pair.height:
            text += f"\n  L = {pair.sizes[0]} and {pair.sizes[1]} cross at {pair.x}, height {pair.height}"
    if best := answer.collapse:
        text += f"\n  collapse: {curves.control}_c = {best.critical_point}, 1/nu = {best.inverse_nu}"
        text += f", zeta/nu = {best.zeta_over_nu}" if best.zeta_over_nu.error else ""
        text += f", chi2/dof = {best.chi2_per_dof:.2f} on {best.window[0]:.3g} to {best.window[1]:.3g}"
    if curves.networks < 5:
        text += f"\n  errors rest on {curves.networks} networks: they hold for these, hardly for all such networks"
    return text
