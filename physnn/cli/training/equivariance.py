"""``physnn equivariance``: how far trained networks are from treating an image and its turned copy alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from physnn.cli import options as opt
from physnn.cli.files import check_files, file_argument
from physnn.cli.output import print_json, print_table, progress_bar

if TYPE_CHECKING:
    from physnn.analysis.statistics.estimate import Estimate

SMALLEST_TOLD = 1e-4
"""Deviation from which on its error is printed."""


@click.command(cls=opt.ListCommand)
@file_argument
@click.option(
    "--group",
    type=click.Choice(["c2", "c4", "d1", "d2", "d4", "so2"]),
    default="d4",
    show_default=True,
    help="What acts on images: turns (c), or turns and reflections (d); d1 is a flip from left to right, so2 rotations "
    "by angles between those of pixels.",
)
@click.option("--images", type=opt.Whole(8), default=300, show_default=True, help="Test images shown.")
@click.option("--replicas", type=opt.Whole(1), default=4, show_default=True, help="Networks of each ensemble.")
@opt.module_option
@opt.figure_option("Draw the deviations here, PNG, PDF or SVG.")
@opt.plain_options
def equivariance_command(
    file: Path, group: str, images: int, replicas: int, module: str | None, figure: Path | None, as_json: bool,
    quiet: bool,
) -> int:  # fmt: skip
    """Measure how equivariant each layer of the networks in FILE is, from `physnn train classify`.

    The deviation is 0 where the values of a turned image are the turned values of the image, and about 1 where both
    have nothing to do with each other.  A layer may do more than move pixels: the rotation of its channels that fits
    best is found on half of the images, and tried on the others.

    \b
    physnn train classify --network d4_fields --seeds 0 1 2 3 --out nets.h5
    physnn equivariance nets.h5 --group d4 --figure equivariance.png

    With so2, images are rotated between pixels, and *interpolated* is the deviation of images that were only rotated
    there and back.

    Exit status 0: every layer has a verdict; 3: one is undecided.
    """
    check_files(file)
    from physnn.answers.training.equivariance import measured_equivariance

    with progress_bar("equivariance", quiet) as progress:
        found, drawn = measured_equivariance(file, group, images, replicas, progress, module), None
    status = 3 if any("undecided" in row.verdict for row in found.rows) else 0
    if figure:
        from physnn.answers.plots import plot_equivariance

        drawn = plot_equivariance(found, figure)
    if as_json:
        print_json({"file": str(file)} | found.as_json() | {"figure": str(drawn) if drawn else None})
        return status
    between = group == "so2"
    columns = [
        (r.still, r.mixed, *(r.interpolated,) * between, r.untrained, r.unrelated, r.replicas) for r in found.rows
    ]
    rows = [[r.ensemble, r.layer, *map(_told, c), r.verdict] for r, c in zip(found.rows, columns, strict=True)]
    header = [
        "network",
        "layer",
        "as it is",
        "rotated",
        *["interpolated"] * between,
        "untrained",
        "unrelated",
        "over replicas",
    ]
    print_table(
        f"deviations under {group}, {found.images} images, {found.replicas} replicas", [*header, "verdict"], rows
    )
    if drawn:
        click.echo(f"figure  {drawn}")
    return status


def _told(estimate: Estimate | None) -> str:
    """Estimate in few letters; what is rounding alone as a power of ten."""
    if estimate is None:
        return "-"
    return str(estimate) if estimate.value >= SMALLEST_TOLD else f"{estimate.value:.0e}"
