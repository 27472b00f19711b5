"""``physnn decide``: what kind of transition equilibrium sweeps show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from physnn.cli.options import Whole, debug_option, json_option, one_thread, seed_option

if TYPE_CHECKING:
    from physnn.answers.decide import Study

MOST = 100_000


@click.command("decide")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--resamples", type=Whole(20), default=200, show_default=True, help="Bootstrap samples.")
@seed_option
@json_option
@debug_option
def decide(files: tuple[Path, ...], resamples: int, seed: int | None, as_json: bool, debug: bool) -> int:
    """Say what kind of transition FILES show: Ising, BKT-like, first order, another continuous one, or none.

    FILES are equilibrium sweeps of one network or model each (sweep-noise --mode equilibrium, sweep-temperature).
    Fixed rules look at the crossings of U4 and xi/L, their common exponent, U4 against xi/L, and what speaks for
    equilibrium; of several files T_c, 1/nu and eta are pooled, with a test of whether they are equal.

    \b
    physnn decide one.h5 two.h5 three.h5
    physnn decide ising.h5 --json

    Exit status 0: every file is decided; 3: at least one is undecided or not in equilibrium.
    """
    one_thread()
    from physnn.answers.decide import study
    from physnn.cli.output import print_json

    if resamples > MOST:
        raise click.UsageError(f"--resamples {resamples} is too many; {MOST} at most")
    found = study(files, resamples=resamples, seed=seed or 0)
    if as_json:
        print_json(found.as_json())
    else:
        _print(found)
    return 0 if all(one.decided for one in found.files) else 3


def _print(found: Study) -> None:
    from physnn.cli.output import print_table

    rows = [
        [
            one.name,
            one.order,
            str(one.evidence.components),
            " ".join(map(str, one.evidence.sizes)),
            str(one.evidence.critical_point or "-"),
            str(one.evidence.inverse_nu or "-"),
            str(one.evidence.eta or "-"),
            one.decision.kind,
        ]
        for one in found.files
    ]
    print_table("", ["file", "k* / 2 pi", "n", "L", "T_c", "1/nu", "eta", "verdict"], rows)
    for one in found.files:
        click.echo(f"{one.name}: {one.decision.kind}. {one.decision.reason}")
        for plane in (one.evidence.planes or {}).values():
            if plane.points:
                click.echo(
                    f"  U4 against xi/L at L = {plane.L}, plane of {plane.plane}: {plane.verdict}, "
                    f"largest difference {plane.largest:+.3f}"
                )
    for name, common in (("T_c", found.critical_point), ("1/nu", found.inverse_nu), ("eta", found.eta)):
        if common:
            click.echo(f"{name} of all: {common}")
