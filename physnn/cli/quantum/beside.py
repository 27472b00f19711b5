"""What ``physnn compare`` prints of trained ground states."""

from __future__ import annotations

from pathlib import Path

import click

from physnn.cli.output import print_json, print_table
from physnn.cli.training.machines import holds_kind, print_compared

HEADER = ["L", "at", "", "networks", "reference", "exact", "net - ref", "net - exact", "ref - exact"]


def print_trained(a: Path, b: Path | None, figure: Path | None, as_json: bool) -> int | None:
    """Print what trained machines of a file got wrong, beside data or a reference; None of files without any."""
    if b and holds_kind(a, "train-rbm"):
        return print_compared(a, b, figure, as_json)
    return print_beside(a, b, figure, as_json) if holds_kind(a, "ground-state") else None


def print_beside(a: Path, b: Path | None, figure: Path | None, as_json: bool) -> int:
    """Print and draw trained ground states beside a reference and exact values; 3 where they differ from it."""
    from physnn.answers.quantum.beside import APART_ERRORS, beside_rows, draw_beside, networks_beside

    found = networks_beside(a, b)
    drawn = draw_beside(found, figure) if figure else None
    if as_json:
        files = [str(path) for path in (a, b) if path]
        rows = [row.as_json() for row in found.rows]
        print_json(
            {
                "files": files,
                "control": found.control,
                "rows": rows,
                "notes": list(found.notes),
                "figure": str(drawn) if drawn else None,
            }
        )
        return 3 if found.apart else 0
    print_table(f"by L and {found.control}; differences in errors", HEADER, beside_rows(found.rows))
    points = [f"{row.name} at L = {row.L}, {found.control} = {row.value:g}" for row in found.apart]
    if points:
        click.echo(f"networks differ by more than {APART_ERRORS:g} errors: {'; '.join(points)}")
    else:
        click.echo(f"no observable of networks differs by more than {APART_ERRORS:g} errors")
    for note in found.notes:
        click.echo(f"note: {note}")
    if drawn:
        click.echo(f"figure  {drawn}")
    return 3 if points else 0
