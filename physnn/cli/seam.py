"""``physnn seam``: what a line of bonds turned from J to -J costs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from physnn.cli.options import (
    ListCommand,
    ListOption,
    Number,
    Whole,
    debug_option,
    json_option,
    quiet_option,
    seed_option,
)

SMALL = 1e-3
"""Ratios below are written with a power of ten."""


@click.command("seam", cls=ListCommand)
@click.argument("networks", required=False)
@click.option(
    "--model",
    cls=ListOption,
    metavar="NAME...",
    example="xy",
    help="Instead of networks: xy | on N | diagonal K1 K2... | rotated P/Q P/Q | coupling FILE.npy.",
)
@click.option(
    "--L", "L", cls=ListOption, type=Whole(2), metavar="L...", example="8 16", help="Sides [default: 8 12 16]."
)
@click.option(
    "--T", "T", cls=ListOption, type=Number(0), metavar="T...", example="0.5 1", help="Temperatures besides T = 0."
)
@click.option("--axis", type=click.Choice(["0", "1", "both"]), default="both", show_default=True)
@click.option("--twist", is_flag=True, help="Give both boundaries the twist of least energy first.")
@click.option(
    "--measurements", type=Whole(2), default=4000, show_default=True, help="At each temperature and strength."
)
@click.option("--interval", type=Whole(1), default=2, show_default=True, help="Sweeps before each measurement.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep results here (JSON) as they are found; the same command continues.",
)
@seed_option
@json_option
@quiet_option
@debug_option
def seam(
    networks: str | None,
    model: tuple[str, ...],
    L: tuple[int, ...],
    T: tuple[float, ...],
    axis: str,
    twist: bool,
    measurements: int,
    interval: int,
    out: Path | None,
    seed: int | None,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> None:
    """Energy (T = 0) and free energy of a seam, a line across which bonds carry -J, in networks or in a model.

    \b
    physnn seam kuramoto_symmetric --L 8 16
    physnn seam --model diagonal 1 0 --L 8 16 32 --T 0.5 0.7

    Growing like L it is a wall's, constant it is that of a twist, and in a disordered phase it vanishes.
    """
    from physnn.cli.output import print_json, progress_bar
    from physnn.errors import InputError
    from physnn.samples.named import load_model
    from physnn.samples.seam import models_of, seams, stiffness_of

    if bool(networks) == bool(model):
        raise InputError("physnn seam needs either networks or --model NAME")
    chosen = models_of(networks) if networks else {(m := load_model(model)).name: m}
    axes = (0, 1) if axis == "both" else (int(axis),)
    settings = {"twist": twist, "measurements": measurements, "interval": interval, "seed": seed or 0}
    with progress_bar("seam", quiet) as progress:
        found = seams(chosen, L or (8, 12, 16), T, axes, progress, out, **settings)
    if as_json:
        print_json({"seams": found, "stiffness": stiffness_of(found)})
        return
    _print(found, stiffness_of(found))
    if out:
        click.echo(f"results  {out}")


def _print(rows: list[dict[str, Any]], stiffnesses: list[dict[str, Any]]) -> None:
    from physnn.cli.output import print_table

    table = []
    for row in rows:
        first, zero = [row["name"], str(row["L"]), str(row["axis"])], row["T0"]
        table.append([*first, "0", f"{zero['cost']:.6g}", f"{zero['sharp']:.6g}", f"{zero['spread']:.6g}", ""])
        table += [[*first, f"{at['T']:g}", _number(at["cost"]), "", "", _number(at["ratio"])] for at in row["T"]]
    heading = ["model", "L", "axis", "T", "Delta F", "sharp", "spread", "P_anti/P_per"]
    print_table("free energy of a seam", heading, table)
    rows_ = [[s["name"], str(s["axis"]), f"{s['T']:g}", _number(s["theta"])] for s in stiffnesses if s["theta"]]
    if rows_:
        print_table("Delta F ~ L^theta: 1 for walls, 0 for a twist", ["model", "axis", "T", "theta"], rows_)
    for name, c in {row["name"]: row["c"] for row in rows if row["c"]}.items():
        click.echo(f"{name}: |c| = {c:.3g} breaks the symmetry x -> -x; Delta F is no wall's")


def _number(found: dict[str, Any]) -> str:
    from physnn.analysis.statistics.estimate import Estimate

    value, error = found["value"], found["error"]
    if 0 < value < SMALL:
        power = math.floor(math.log10(value))
        return f"{Estimate(value / 10**power, error / 10**power)}e{power}"
    return str(Estimate(value, error))
