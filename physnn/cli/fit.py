"""``physnn fit``, ``compare`` and ``decide``: what curves of several sizes show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from physnn.cli import options as opt
from physnn.cli.files import check_files, line_option
from physnn.cli.output import print_json, print_told
from physnn.cli.parts.free import FREE, NumberOrFree
from physnn.cli.quantum.beside import print_trained
from physnn.cli.reports.paged import page_option, print_computed, put_on_page

if TYPE_CHECKING:
    from physnn.analysis.collapse.joint import Joint
    from physnn.store.sweep_file import SweepFile

exponent_options = opt.stack(
    click.option(
        "--zeta", type=FREE, help="Fit zeta/nu or hold it [default: 0; free where y is known to have a dimension]."
    ),
    click.option(
        "--omega",
        "--correction",
        type=NumberOrFree("log", "none"),
        help="Correction L^-omega, fitted or held; log: 1/ln L in its place; none: only where the data demand it "
        "[default: free if y is dimensionless, but none for networks].",
    ),
    opt.resamples_option,
)
COLUMN_ROLES = ("size", "control", "value", "error", "control_error", "time")
"""Roles of a table's columns that have an option."""
column_options = opt.stack(
    *(
        click.option(f"--{role.replace('_', '-')}", metavar="COLUMN", help="Column of a table, by name or number.")
        for role in COLUMN_ROLES
    )
)


@click.command("fit", cls=opt.ListCommand)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--observable",
    help="What to fit of a sweep file or of a table with several values [default: rmse of networks, binder of "
    "lattices, a table's only value].",
)
@column_options
@line_option
@exponent_options
@click.option("--critical-point", type=opt.Number(), help="Hold the critical point at a value.")
@click.option("--inverse-nu", type=opt.Number(1e-6), help="Hold 1/nu at a value.")
@click.option("--covariance", type=click.Path(path_type=Path), help="Covariance of a table's values, text or .npy.")
@click.option(
    "--joint",
    cls=opt.ListOption,
    metavar="NAME...",
    example="overlap",
    help="Further observables of a sweep file, or further tables: one critical point and 1/nu for all.",
)
@click.option("--dynamic", is_flag=True, help="Table with times: y = L^(zeta/nu) F((x - x_c) L^(1/nu), t/L^z).")
@click.option("--z", type=FREE, help="With --dynamic: fit z or hold it [default: free].")
@click.option(
    "--at-criticality",
    is_flag=False,
    flag_value="",
    metavar="[VALUE]",
    help="Fit a power law or a logarithm in L at one control value, as 2.2692 or 2.2692(3): it gives beta/nu or "
    "gamma/nu [default: the only value there is].",
)
@opt.figure_option("Draw the answer here, PNG, PDF or SVG.")
@click.option("--methods", is_flag=True, help="Print a methods paragraph with BibTeX entries of what was used.")
@opt.seed_option
@opt.json_option
@opt.debug_option
def fit_command(
    file: Path, figure: Path | None, methods: bool, dynamic: bool, at_criticality: str | None, joint: tuple[str, ...],
    z: Any, seed: int | None, as_json: bool, **options: Any,
) -> int:  # fmt: skip
    """Critical point and exponents of FILE with errors, or the evidence that there are none.

    FILE is a sweep file, a plain table with columns L, control, value and error (any separator, # comments, a header
    if you like, one column for each size, packed with gzip), or - for a table from the standard input.

    \b
    physnn fit data.csv --json
    physnn fit runs.csv --size N --control beta --value U4 --error dU4
    physnn fit magnetisation.txt --zeta free --figure fit.png
    physnn fit sweep-noise.h5 --observable overlap
    physnn fit fields.h5 --at field=0.1
    physnn fit fields.h5 --control field --at T=2.3
    physnn fit magnetisation.txt --at-criticality 2.2692

    Exit status 0: crossing, merging, first-order or no-crossing, power-law or logarithm; 3: undecided,
    non-equilibrium or no-law.
    """
    opt.limit_threads()
    from physnn.errors import InputError

    check_files(file)
    from physnn.answers.lines import line_of, values_at

    named = {role: name for role in COLUMN_ROLES if (name := options.pop(role)) is not None}
    source, columns = line_of(file, named, at := values_at(options.pop("at")))
    if at_criticality is not None:
        refused = options | {"dynamic": dynamic or None, "z": z, "joint": joint or None, "methods": methods or None}
        wanted = options | {"columns": columns, "seed": seed or 0}
        _refuse("at-criticality", refused, "zeta", "critical_point", "inverse_nu", "dynamic", "z", "joint", "methods")
        return _at_criticality(file, source, at_criticality or True, figure, wanted, as_json)
    if dynamic:
        _refuse("dynamic", {"at": at or None}, "at")
        return _dynamic(file, z, options | {"columns": columns}, seed or 0, as_json)
    if z is not None:
        raise InputError("--z belongs to --dynamic")
    from physnn.analysis.verdict.fit import DECIDED
    from physnn.answers import fit as report

    answer = report.fit(source, columns=columns, seed=seed or 0, **options)
    refused = answer.verdict == "non-equilibrium"
    common = _joint(source, joint, options | {"at": at}, seed or 0) if joint and not refused else None
    drawn, text = None, None
    if figure:
        from physnn.answers import plots

        drawn = plots.plot_fit(answer, figure)
    if methods:
        from physnn.answers import comparisons

        text = comparisons.methods(answer)
    if as_json:
        extra = {"figure": str(drawn) if drawn else None} | ({"methods": text} if text else {})
        extra |= {"joint": common.as_json()} if common else {}
        print_json({"file": str(file), **answer.as_json(), **extra})
    else:
        click.echo(answer)
        if common:
            click.echo(_joint_text(common))
        if drawn:
            click.echo(f"figure  {drawn}")
        if text:
            click.echo(f"\n{text['paragraph']}\n\n{text['bibtex']}")
    return 0 if answer.verdict in DECIDED else 3


def _refuse(option: str, options: dict[str, Any], *names: str) -> None:
    """Refuse options that another one has no use for."""
    for name in names:
        if options[name] is not None:
            raise click.UsageError(f"--{name.replace('_', '-')} cannot be used with --{option}")


def _at_criticality(
    file: Path,
    source: Path | SweepFile,
    value: str | Literal[True],
    figure: Path | None,
    options: dict[str, Any],
    as_json: bool,
) -> int:
    from physnn.analysis.verdict.size_law import DECIDED_LAWS
    from physnn.answers import fit as report

    names = ("observable", "omega", "covariance", "columns", "resamples", "seed")
    answer = report.fit(source, at_criticality=value, **{name: options[name] for name in names})
    drawn = None
    if figure:
        from physnn.answers import plots

        drawn = str(plots.plot_size_law(answer, figure))
    if as_json:
        print_json({"file": str(file), **answer.as_json(), "figure": drawn})
    else:
        click.echo("\n".join([*answer.lines(), *([f"figure  {drawn}"] if drawn else [])]))
    return 0 if answer.verdict in DECIDED_LAWS else 3


def _dynamic(file: Path, z: Any, options: dict[str, Any], seed: int, as_json: bool) -> int:
    from physnn.answers import comparisons

    _refuse("dynamic", options, "omega", "covariance")
    names = ("zeta", "critical_point", "inverse_nu", "observable", "resamples", "columns")
    answer = comparisons.fit_dynamic(file, z=z, seed=seed, **{name: options[name] for name in names})
    if as_json:
        print_json({"file": str(file), **answer.as_json()})
    else:
        click.echo(
            f"dynamic scaling: x_c = {answer.critical_point}, 1/nu = {answer.inverse_nu}, "
            f"zeta/nu = {answer.zeta_over_nu}, z = {answer.z}\n"
            f"  chi2/dof = {answer.chi2_per_dof:.2f}, p = {answer.p_value:.2g}, t >= {answer.t_min:g}"
            + ("" if answer.acceptable else "\n  no window has an acceptable chi2: errors are widened by its root")
        )
    return 0


def _joint(source: Path | SweepFile, others: tuple[str, ...], options: dict[str, Any], seed: int) -> Joint:
    from physnn.answers import comparisons

    _refuse(
        "joint", options | {"at": options["at"] or None}, "at", "zeta", "critical_point", "inverse_nu", "covariance"
    )
    chosen = {name: options[name] for name in ("omega", "resamples")}
    return comparisons.fit_joint(source, others, options["observable"], seed=seed, **chosen)


def _joint_text(common: Joint) -> str:
    zetas = ", ".join(
        f"zeta/nu of {name} = {zeta}" for name, zeta in zip(common.observables, common.zeta_over_nu, strict=True)
    )
    return (
        f"common fit of {', '.join(common.observables)}: x_c = {common.critical_point}, 1/nu = {common.inverse_nu}\n"
        f"  {zetas}\n  chi2/dof = {common.chi2_per_dof:.2f}, p = {common.p_value:.2g}; "
        f"p = {common.agreement:.2g} that all have one x_c and nu"
    )


@click.command("compare", cls=opt.ListCommand)
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path), required=False)
@click.option("--observable", help="What to fit of both [default: rmse of networks, binder of lattices].")
@click.option("--observable-b", help="What to fit of B, where that is something else.")
@line_option
@exponent_options
@opt.figure_option("Draw both here, PNG, PDF or SVG.")
@opt.seed_option
@opt.json_option
@opt.debug_option
def compare_command(
    a: Path, b: Path | None, at: tuple[str, ...], figure: Path | None, seed: int | None, as_json: bool, **options: Any
) -> int:
    """Exponents of A beside those of known universality classes, and of B: can both belong to one class?

    A and B are sweep files or plain tables, as for physnn fit, from different runs.

    \b
    physnn compare ising.csv sweep-noise.h5 --figure compare.png
    physnn compare data.csv --zeta free --json
    physnn compare rbm.h5 ising.h5   # Boltzmann machines and their data: what they got wrong
    physnn compare ground-state.h5 path-integral.h5   # trained ground states, unbiased reference, exact values

    Exit status 0: the question is answered; 3: undecided, or there is no exponent to compare.
    """
    opt.limit_threads()
    check_files(a, b)
    if b is None and options["observable_b"]:
        raise click.UsageError("--observable-b belongs to a second file; give one, or use --observable")
    if not options["observable"] and (status := print_trained(a, b, figure, as_json)) is not None:
        return status
    from physnn.answers import comparisons
    from physnn.answers.lines import values_at

    found, drawn = comparisons.compare(a, b, at=values_at(at), seed=seed or 0, **options), None
    if figure:
        from physnn.answers import plots

        drawn = plots.plot_compare(found, figure)
    files = [path for path in (a, b) if path]
    if as_json:
        print_json({"files": list(map(str, files))} | found.as_json() | {"figure": str(drawn) if drawn else None})
    else:
        from physnn.reports.pairs import told_comparison

        print_told(told_comparison(found, files))
        if drawn:
            click.echo(f"figure  {drawn}")
    return 0 if found.decided else 3


@click.command("decide", cls=opt.ListCommand)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@line_option
@opt.resamples_option
@page_option
@opt.seed_option
@opt.json_option
@opt.debug_option
def decide_command(
    files: tuple[Path, ...], at: tuple[str, ...], resamples: int, page: Path | None, seed: int | None, as_json: bool
) -> int:
    """Say what kind of transition FILES show: Ising, BKT-like, first order, another continuous one, or none.

    FILES are equilibrium sweeps of one network or model each (sweep-noise --mode equilibrium, sweep-temperature).
    Fixed rules look at the crossings of U4 and xi/L, their common exponent, U4 against xi/L, and what speaks for
    equilibrium; of several files T_c, 1/nu and eta are pooled, with a test of whether they are equal.

    \b
    physnn decide one.h5 two.h5 three.h5
    physnn decide ising.h5 --report ising.html
    physnn decide ising.h5 --json

    Exit status 0: every file is decided; 3: at least one is undecided or not in equilibrium.
    """
    opt.limit_threads()
    check_files(*files)
    from physnn.answers.decide import study
    from physnn.answers.lines import values_at
    from physnn.reports.computed.lattices import drawn_study, told_study

    found = study(files, at=values_at(at), resamples=resamples, seed=seed or 0)
    told = told_study(found, drawn_study(files))
    put_on_page(told, files, page)
    if as_json:
        print_json(found.as_json() | {"page": str(page) if page else None})
    else:
        print_computed(told, None, page)
    return 0 if all(one.decided for one in found.files) else 3
