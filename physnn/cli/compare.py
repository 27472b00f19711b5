"""``physnn compare``: exponents of two files side by side, and beside those of known classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from physnn.cli.options import NumberOrFree, Whole, debug_option, json_option, one_thread, seed_option

if TYPE_CHECKING:
    from physnn.analysis.statistics.estimate import Estimate
    from physnn.analysis.verdict.universality import Comparison, Equality

FREE = NumberOrFree()
MOST = 100_000


@click.command("compare")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path), required=False)
@click.option(
    "--observable", help="What to fit of both [default: rmse of networks, binder of lattices; a table's header]."
)
@click.option("--observable-b", help="What to fit of B, where that is something else.")
@click.option(
    "--zeta", type=FREE, help="Fit zeta/nu or hold it [default: 0; free where y is known to have a dimension]."
)
@click.option(
    "--omega", type=FREE, help="Correction L^-omega, fitted or held [default: only where the data demand it]."
)
@click.option("--resamples", type=Whole(20), default=200, show_default=True, help="Bootstrap samples.")
@click.option("--figure", type=click.Path(path_type=Path, dir_okay=False), help="Draw both here, PNG, PDF or SVG.")
@seed_option
@json_option
@debug_option
def compare(
    a: Path, b: Path | None, figure: Path | None, seed: int | None, as_json: bool, debug: bool, **options: Any
) -> int:
    """Exponents of A beside those of known universality classes, and of B: can both belong to one class?

    A and B are sweep files or plain tables, as for physnn fit, and rest on different runs.

    \b
    physnn compare ising.csv sweep-noise.h5 --figure compare.png
    physnn compare data.csv --zeta free --json

    Exit status 0: the question is answered; 3: undecided, or there is no exponent to compare.
    """
    one_thread()
    from physnn import plots
    from physnn.answers import comparisons as fits
    from physnn.cli.output import print_json

    if options["resamples"] > MOST:
        raise click.UsageError(f"--resamples {options['resamples']} is too many; {MOST} at most")
    if b is None and options["observable_b"] is not None:
        raise click.UsageError("--observable-b belongs to a second file; give one, or use --observable")
    found = fits.compare(a, b, seed=seed or 0, **options)
    drawn = plots.plot_compare(found, figure) if figure else None
    if as_json:
        files = {"files": [str(path) for path in (a, b) if path]}
        print_json(files | found.as_json() | {"figure": str(drawn) if drawn else None})
    else:
        _print(found, [path for path in (a, b) if path])
        if drawn:
            click.echo(f"figure  {drawn}")
    return 0 if found.decided else 3


def _print(found: Comparison, files: list[Path]) -> None:
    """Print the estimates, the classes and the verdict."""
    from physnn.analysis.verdict.universality import class_verdict
    from physnn.cli.output import print_table

    fits, names = list(found.fits.values()), list(found.names[: len(found.fits)])
    for name, file, fit in zip(names, files, fits, strict=True):
        click.echo(f"{name}  {file}: {fit.curves.observable} against {fit.curves.control}, {fit.verdict}")
    header = ["", *names, *(["difference", "ratio", "sigma"] if found.b else [])]
    print_table("", header, _rows(found))
    if header_and_rows := _classes(found):
        print_table("sigmas from known classes", *header_and_rows)
    if found.b:
        for name, fit in zip(names, fits, strict=True):
            click.echo(f"{name}: {class_verdict(fit)[0]}")
    for remark in found.remarks:
        click.echo(f"note: {remark}")
    click.echo(found.verdict)


def _rows(found: Comparison) -> list[list[str]]:
    """Return critical point and exponents of the fits with what they differ by."""
    from physnn.analysis.verdict.universality import exponents

    fits = list(found.fits.values())
    known = [exponents(fit) for fit in fits]
    points = [
        fit.collapse.critical_point if fit.collapse else fit.merging.best.critical_point if fit.merging else None
        for fit in fits
    ]
    rows = [["critical point", *map(_text, points), *(["not universal", "", ""] if found.b else [])]]
    for name, k, equality in (("1/nu", 0, found.inverse_nu), ("zeta/nu", 1, found.zeta_over_nu)):
        if any(pair[k] for pair in known):
            rows.append([name, *(_text(pair[k]) for pair in known), *(_equality(equality) if found.b else [])])
    return rows


def _text(estimate: Estimate | None) -> str:
    return str(estimate) if estimate else "-"


def _equality(found: Equality | None) -> list[str]:
    if found is None:
        return ["-", "-", "-"]
    return [str(found.difference), str(found.ratio[0]) if found.ratio else "unbounded", f"{found.z_score:+.1f}"]


def _classes(found: Comparison) -> tuple[list[str], list[list[str]]] | None:
    """Return header and rows of all classes against the fits that have exponents; None where none has."""
    from physnn.analysis.verdict.universality import CLASSES, scores

    tables = {name: scores(fit) for fit, name in zip(found.fits.values(), found.names, strict=False)}
    columns: list[tuple[str, list[str]]] = []
    for name, table in tables.items():
        if table and table[0].inverse_nu is not None:
            columns.append((f"{name}: 1/nu", [f"{s.inverse_nu:+.1f}" for s in table]))
        if table and table[0].order_parameter is not None:
            # Of -beta/nu and gamma/nu the closer one.
            closer = [min(s.order_parameter or 0.0, s.susceptibility or 0.0, key=abs) for s in table]
            columns.append((f"{name}: zeta/nu", [f"{z:+.1f}" for z in closer]))
    columns += [(f"{name} is", [s.standing for s in table]) for name, table in tables.items() if table]
    if not columns:
        return None
    own = [c for c in CLASSES if c.inverse_nu]
    columns = [
        ("class", [c.name for c in own]),
        ("1/nu", [f"{c.inverse_nu.value:.4g}" for c in own if c.inverse_nu]),
        *columns,
    ]
    return [title for title, _ in columns], [list(row) for row in zip(*(cells for _, cells in columns), strict=True)]
