"""``physnn matches``: where the vectors of an image find their nearest ones, in the same class and in another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from physnn.cli import options as opt
from physnn.cli.bottleneck.angles import degrees_of
from physnn.cli.files import check_files, file_argument
from physnn.cli.output import print_json, print_table, progress_bar
from physnn.cli.parts.grouped import HelpedCommand

if TYPE_CHECKING:
    from physnn.answers.bottleneck.matches import MatchAnswer

MATCH_NUMBERS = {
    "stays": "matched at the same place",
    "square": "mean squared distance (pixels^2)",
    "radial": "variance to and from the middle (pixels^2)",
    "tangential": "variance around the middle (pixels^2)",
    "radius": "closest match from the middle (pixels)",
    "distance": "distance of vectors of length 1",
}
"""What numbers of matches are, by name."""


@click.command("matches", cls=HelpedCommand)
@file_argument
@click.option("--layer", help="Layer by name [default: the deepest in FILE].")
@click.option("--images", type=opt.Whole(4), default=60, show_default=True, help="Images of every class, at most.")
@opt.figure_option("Draw the matches here, PNG, PDF or SVG.")
@opt.seed_option
@opt.plain_options
def matches_command(
    file: Path, layer: str | None, images: int, figure: Path | None, seed: int | None, as_json: bool, quiet: bool
) -> int:
    """Match every vector I(x_i) in FILE, from `physnn energy-map --vectors`, with the nearest one of other images.

    \b
    physnn energy-map --images caltech --layers head --vectors --out vectors.h5
    physnn matches vectors.h5 --figure matches.png

    p(x_nn | x_i) is told for a memory of images of the same class, and for one of another class that is as large: how
    far matches lie, along which direction, and whether those of a class drift to one side.

    Exit status 0: every claim has a verdict; 3: one is undecided.
    """
    check_files(file)
    from physnn.answers.bottleneck.matches import match_answer

    with progress_bar("matches", quiet) as progress:
        found = match_answer(file, layer, images, seed or 0, progress)
    drawn = None
    if figure:
        from physnn.answers.plots import plot_matches

        drawn = plot_matches(found, figure)
    status = 3 if any(each.verdict == "undecided" for each in found.verdicts) else 0
    if as_json:
        print_json({"file": str(file)} | found.as_json() | {"figure": str(drawn) if drawn else None})
        return status
    _print_matches(found)
    if drawn:
        click.echo(f"figure  {drawn}")
    return status


def _print_matches(found: MatchAnswer) -> None:
    title = f"{found.layer} of {found.network}, {found.images} images of each of {len(found.names)} classes"
    rows = [
        [MATCH_NUMBERS[name], str(each.same), str(each.other), str(each.difference), f"{each.chance:.3g}"]
        for name, each in found.numbers.items()
    ]
    print_table(f"matches: {title}, errors over classes", ["", "same class", "another", "difference", "chance"], rows)
    rows = [
        [name, *(cell for each in both for cell in (degrees_of(each), str(each.length), f"{each.p_value:.4f}"))]
        for name, *both in zip(found.names, found.directions, found.closest, strict=True)
    ]
    header = ["class", "all (degrees)", "pixels", "p", "closest (degrees)", "pixels", "p"]
    print_table("where matches in the same class drift, and where the closest ones are", header, rows)
    for verdict in found.verdicts:
        click.echo(f"{verdict.claim}: {verdict.verdict}\n  {verdict.reason}")
