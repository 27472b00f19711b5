"""``physnn class-angle``: whether the images of a class lie to one side of where all images lie, and why."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from physnn.cli import options as opt
from physnn.cli.files import check_files
from physnn.cli.output import print_json, print_table, progress_bar, told_if_slow
from physnn.cli.parts.grouped import HelpedCommand

if TYPE_CHECKING:
    from physnn.analysis.bottleneck.class_angle import ClassDirection
    from physnn.answers.bottleneck.angles import AngleAnswer


@click.command("class-angle", cls=HelpedCommand)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("other", type=click.Path(path_type=Path), required=False)
@click.option("--layer", help="Layer by name [default: the deepest in FILE].")
@opt.figure_option("Draw the angles here, PNG, PDF or SVG.")
@opt.seed_option
@opt.plain_options
def class_angle_command(
    file: Path, other: Path | None, layer: str | None, figure: Path | None, seed: int | None, as_json: bool,
    quiet: bool,
) -> int:  # fmt: skip
    """Angles of classes in FILE, from `physnn energy-map`: how their centres of energy lie to those of other classes.

    \b
    physnn energy-map --images caltech --layers head --control none mirror crop zero-roll --out maps.h5
    physnn class-angle maps.h5 --figure angles.png
    physnn class-angle maps.h5 maps-of-another-network.h5

    What all classes share, such as an offset by paddings, is no class angle.  Labels are permuted to see what chance
    gives, halves of the images are compared, and false discoveries among classes are held at 5 %.

    Exit status 0: every claim that could be tested has a verdict; 3: one is undecided.
    """
    check_files(file, *((other,) if other else ()))
    from physnn.answers.bottleneck.angles import angle_answer

    with told_if_slow("permuting labels ...", quiet), progress_bar("class-angle", quiet) as progress:
        found = angle_answer(file, layer, other, seed or 0, progress)
    drawn = None
    if figure:
        from physnn.answers.plots import plot_angles

        drawn = plot_angles(found, figure)
    status = 3 if any(each.verdict == "undecided" for each in found.verdicts) else 0
    if as_json:
        print_json({"file": str(file)} | found.as_json() | {"figure": str(drawn) if drawn else None})
        return status
    _print_classes(found)
    _print_conditions(found)
    for each in found.verdicts:
        click.echo(f"{each.claim}: {each.verdict}\n  {each.reason}")
    for text in found.lacking:
        click.echo(f"not measured: {text}")
    if drawn:
        click.echo(f"figure  {drawn}")
    return status


def _print_classes(found: AngleAnswer) -> None:
    x, y = found.angles.common
    title = (
        f"{found.layer} of {found.network}, {found.images:,} images of {len(found.names)} classes; all share x = {x}, "
        f"y = {y} pixels, the grid's middle is at {found.middle[0]:+.1f}, {found.middle[1]:+.1f}"
    )
    rows = [
        [name, str(e.images), degrees_of(e), degrees_of(e, True), str(e.length), f"{e.p_value:.4f}",
         "yes" if e.told else "no"]
        for name, e in zip(found.names, found.angles.directions, strict=True)
    ]  # fmt: skip
    header = ["class", "images", "angle (degrees)", "over images", "away (pixels)", "p", "told"]
    print_table(title, header, rows)


def degrees_of(found: ClassDirection, over_images: bool = False) -> str:
    """Angle of a class with its error, or that it may be any."""
    angle = found.over_images if over_images else found.angle
    return str(angle) if math.isfinite(angle.error) else "any"


def _print_conditions(found: AngleAnswer) -> None:
    """Shares of variances between classes, and what is left under each control."""
    rows = [
        [name, str(each.share), f"{each.chance:.3f}", f"{each.p_value:.4f}"]
        for name, each in found.angles.between.items()
    ]
    print_table("share of the variance between classes", ["of", "share", "by chance", "p"], rows)
    rows = [
        [c.control, str(c.between.share), f"{c.between.p_value:.4f}", str(c.agrees.cosine), str(c.agrees.slope)]
        for c in found.controls
    ]
    if rows:
        header = ["control", "share between classes", "p", "cosine with none", "left of it"]
        print_table("angles under controls, one half of every class with the other", header, rows)
