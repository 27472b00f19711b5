"""What ``physnn compare`` prints of trained ground states."""

from __future__ import annotations

from pathlib import Path

import click

from physnn.cli.output import print_json, print_told
from physnn.cli.training.machines import holds_kind, print_compared


def print_trained(a: Path, b: Path | None, figure: Path | None, as_json: bool) -> int | None:
    """Print what trained machines of a file got wrong, beside data or a reference; None of files without any."""
    if b and holds_kind(a, "train-rbm"):
        return print_compared(a, b, figure, as_json)
    return print_beside(a, b, figure, as_json) if holds_kind(a, "ground-state") else None


def print_beside(a: Path, b: Path | None, figure: Path | None, as_json: bool) -> int:
    """Print and draw trained ground states beside a reference and exact values; 3 where they differ from it."""
    from physnn.answers.quantum.beside import draw_beside, networks_beside
    from physnn.reports.pairs import told_beside

    found = networks_beside(a, b)
    drawn = draw_beside(found, figure) if figure else None
    if as_json:
        files, rows = [str(path) for path in (a, b) if path], [row.as_json() for row in found.rows]
        plain = {"files": files, "control": found.control, "rows": rows, "notes": list(found.notes)}
        print_json(plain | {"figure": str(drawn) if drawn else None})
    else:
        print_told(told_beside(found))
        if drawn:
            click.echo(f"figure  {drawn}")
    return 3 if found.apart else 0
