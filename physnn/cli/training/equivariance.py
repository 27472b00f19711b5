"""``physnn equivariance``: how far trained networks are from treating an image and its turned copy alike."""

from __future__ import annotations

from pathlib import Path

import click

from physnn.cli import options as opt
from physnn.cli.files import check_files, file_argument
from physnn.cli.output import print_json, progress_bar
from physnn.cli.reports.paged import page_option, print_computed, put_on_page


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
@page_option
@opt.plain_options
def equivariance_command(
    file: Path, group: str, images: int, replicas: int, module: str | None, figure: Path | None,
    page: Path | None, as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Measure how equivariant each layer of the networks in FILE is, from `physnn train classify`.

    The deviation is 0 where the values of a turned image are the turned values of the image, and about 1 where both
    have nothing to do with each other.  A layer may do more than move pixels: the rotation of its channels that fits
    best is found on half of the images, and tried on the others.

    \b
    physnn train classify --network d4_fields --seeds 0 1 2 3 --out nets.h5
    physnn equivariance nets.h5 --group d4 --figure equivariance.png --report equivariance.html

    With so2, images are rotated between pixels, and *interpolated* is the deviation of images that were only rotated
    there and back.

    Exit status 0: every layer has a verdict; 3: one is undecided.
    """
    check_files(file)
    from physnn.answers.training.equivariance import measured_equivariance
    from physnn.reports.computed.layers import told_equivariance

    with progress_bar("equivariance", quiet) as progress:
        found, drawn = measured_equivariance(file, group, images, replicas, progress, module), None
    if figure:
        from physnn.answers.plots import plot_equivariance

        drawn = plot_equivariance(found, figure)
    told = told_equivariance(found)
    put_on_page(told, [file], page)
    if as_json:
        paths = {"figure": str(drawn) if drawn else None, "page": str(page) if page else None}
        print_json({"file": str(file)} | found.as_json() | paths)
    else:
        print_computed(told, drawn, page)
    return 3 if told.undecided else 0
