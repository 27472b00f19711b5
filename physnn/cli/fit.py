"""``physnn fit``: the answer of a sweep file or of a plain table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from physnn.cli.options import (
    ListCommand,
    ListOption,
    Number,
    NumberOrFree,
    Whole,
    debug_option,
    json_option,
    one_thread,
    seed_option,
)

if TYPE_CHECKING:
    from physnn.analysis.collapse.exponents import Collapse
    from physnn.analysis.collapse.joint import Joint
    from physnn.analysis.verdict.fit import Fit

FREE = NumberOrFree()


@click.command("fit", cls=ListCommand)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--observable",
    help="What to fit of a sweep file, or what a table holds [default: rmse of networks, binder of lattices, a "
    "table's header].",
)
@click.option(
    "--zeta", type=FREE, help="Fit zeta/nu or hold it [default: 0; free where y is known to have a dimension]."
)
@click.option(
    "--omega", type=FREE, help="Correction L^-omega, fitted or held [default: only where the data demand it]."
)
@click.option("--critical-point", type=Number(), help="Hold the critical point at a value.")
@click.option("--inverse-nu", type=Number(1e-6), help="Hold 1/nu at a value.")
@click.option("--covariance", type=click.Path(path_type=Path), help="Covariance of a table's values, text or .npy.")
@click.option(
    "--joint",
    cls=ListOption,
    metavar="NAME...",
    example="overlap",
    help="Further observables of a sweep file, or further tables: one critical point and 1/nu for all.",
)
@click.option("--dynamic", is_flag=True, help="Table with times: y = L^(zeta/nu) F((x - x_c) L^(1/nu), t/L^z).")
@click.option("--z", type=FREE, help="With --dynamic: fit z or hold it [default: free].")
@click.option("--resamples", type=Whole(20), default=200, show_default=True, help="Bootstrap samples.")
@click.option(
    "--figure", type=click.Path(path_type=Path, dir_okay=False), help="Draw the answer here, PNG, PDF or SVG."
)
@click.option("--methods", is_flag=True, help="Print a methods paragraph with BibTeX entries of what was used.")
@seed_option
@json_option
@debug_option
def fit(
    file: Path, figure: Path | None, methods: bool, dynamic: bool, joint: tuple[str, ...], z: Any, seed: int | None,
    as_json: bool, debug: bool, **options: Any,
) -> int:  # fmt: skip
    """Critical point and exponents of FILE with errors, or the evidence that there are none.

    FILE is a sweep file, or a plain table with columns L, control, value and error (whitespace or commas, # comments,
    a header if you like).

    \b
    physnn fit data.csv --json
    physnn fit magnetisation.txt --zeta free --figure fit.png
    physnn fit sweep-noise.h5 --observable overlap

    Exit status 0: crossing, merging, first-order or no-crossing; 3: undecided or non-equilibrium.
    """
    one_thread()
    from physnn import plots
    from physnn.analysis.verdict.fit import DECIDED
    from physnn.answers import comparisons
    from physnn.answers import fit as report
    from physnn.cli.output import print_json
    from physnn.errors import InputError

    if options["resamples"] > MOST:
        raise click.UsageError(f"--resamples {options['resamples']} is too many; {MOST} at most")
    if dynamic:
        return _dynamic(file, z, options, seed or 0, as_json)
    if z is not None:
        raise InputError("--z belongs to --dynamic")
    answer = report.fit(file, seed=seed or 0, **options)
    refused = answer.verdict == "non-equilibrium"
    common = _joint(file, joint, options, seed or 0) if joint and not refused else None
    drawn = plots.plot_fit(answer, figure) if figure else None
    text = comparisons.methods(answer) if methods else None
    if as_json:
        extra = {"figure": str(drawn) if drawn else None} | ({"methods": text} if text else {})
        extra |= {"joint": common.as_json()} if common else {}
        print_json({"file": str(file), **answer.as_json(), **extra})
    else:
        click.echo(answer_text(answer))
        if common:
            click.echo(_joint_text(common))
        if drawn:
            click.echo(f"figure  {drawn}")
        if text:
            click.echo(f"\n{text['paragraph']}\n\n{text['bibtex']}")
    return 0 if answer.verdict in DECIDED else 3


MOST = 100_000


def _dynamic(file: Path, z: Any, options: dict[str, Any], seed: int, as_json: bool) -> int:
    from physnn.answers import comparisons
    from physnn.cli.output import print_json

    for name in ("omega", "covariance"):
        if options[name] is not None:
            raise click.UsageError(f"--{name} cannot be used with --dynamic")
    names = ("zeta", "critical_point", "inverse_nu", "observable", "resamples")
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


def _joint(file: Path, others: tuple[str, ...], options: dict[str, Any], seed: int) -> Joint:
    from physnn.answers import comparisons

    for name in ("zeta", "critical_point", "inverse_nu", "covariance"):
        if options[name] is not None:
            raise click.UsageError(f"--{name.replace('_', '-')} cannot be used with --joint")
    chosen = {name: options[name] for name in ("omega", "resamples")}
    return comparisons.fit_joint(file, others, options["observable"], seed=seed, **chosen)


def _joint_text(common: Joint) -> str:
    zetas = ", ".join(
        f"zeta/nu of {name} = {zeta}" for name, zeta in zip(common.observables, common.zeta_over_nu, strict=True)
    )
    return (
        f"common fit of {', '.join(common.observables)}: x_c = {common.critical_point}, 1/nu = {common.inverse_nu}\n"
        f"  {zetas}\n  chi2/dof = {common.chi2_per_dof:.2f}, p = {common.p_value:.2g}; "
        f"p = {common.agreement:.2g} that all have one x_c and nu"
    )


def answer_text(answer: Fit) -> str:
    """Return the answer in words."""
    curves = answer.curves
    text = f"{curves.observable} against {curves.control}: {answer.verdict}\n  {answer.reason}"
    for pair in answer.pairs:
        if pair.x and pair.height:
            text += f"\n  L = {pair.sizes[0]} and {pair.sizes[1]} cross at {pair.x}, height {pair.height}"
    if answer.drift:
        text += (
            f"\n  crossings extrapolate to {answer.drift.critical_point} (drift {answer.drift.drift_error:.1g}), "
            f"height {answer.drift.height} (drift {answer.drift.height_drift_error:.1g})"
        )
    if answer.collapse:
        text += "".join(f"\n  {line}" for line in _collapse_lines(answer.collapse, curves.control))
    if answer.null and answer.null.sentence() not in answer.reason:
        text += f"\n  {answer.null.sentence()}"
    for remark in answer.remarks:
        text += f"\n  note: {remark}"
    if 0 < curves.networks < 5:
        text += f"\n  errors rest on {curves.networks} networks: they hold for these, hardly for all such networks"
    return text


def _collapse_lines(best: Collapse, control: str) -> list[str]:
    answer = f"collapse: {control}_c = {best.critical_point}, 1/nu = {best.inverse_nu}"
    if best.zeta_over_nu.error or best.zeta_over_nu.value:
        answer += f", zeta/nu = {best.zeta_over_nu}"
    if best.omega.value == best.omega.value:
        answer += f", omega = {best.omega}"
    window = best.window
    lines = [
        answer,
        f"best fit: chi2/dof = {best.chi2_per_dof:.2f}, p = {best.p_value:.2g}, S = {best.quality:.2f}, on "
        f"{window[0]:.6g} to {window[1]:.6g} from L = {best.scan.best.smallest}; "
        f"{sum(c.weight > 0.01 for c in best.scan.candidates)} of {len(best.scan.candidates)} fits carry weight",
    ]
    second = best.gaussian_process
    if second:
        from physnn.analysis.statistics.estimate import Estimate

        point, slope = (Estimate(float(second.parameters[k]), float(second.covariance[k, k]) ** 0.5) for k in (0, 1))
        lines.append(f"Gaussian process on the same points: {control}_c = {point}, 1/nu = {slope}")
    if best.networks:
        own = best.networks
        lines.append(
            f"networks one by one: {control}_c = {own.critical_point.mean}, spread {own.critical_point.spread:.2g} "
            f"(p = {own.critical_point.p_value:.2g} for none); 1/nu = {own.inverse_nu.mean}, "
            f"spread {own.inverse_nu.spread:.2g} (p = {own.inverse_nu.p_value:.2g})"
        )
    return lines
