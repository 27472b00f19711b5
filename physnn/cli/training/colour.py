"""``physnn train colour``: what it trains, and what it prints."""

from __future__ import annotations

from typing import Any

import click

from physnn.cli import options as opt
from physnn.cli.call import Call, finished, resolve_device
from physnn.cli.output import print_json, print_told
from physnn.cli.training.printed import print_core_hours


@click.command("colour", cls=opt.RecipeCommand, recipes=("physnn.samples.training.colour:ColourRecipe",))
@click.option(
    "--paper", is_flag=True, help="A size like the source's: 64 x 64, width 64, 100,000 steps, 8 seeds; for a GPU."
)
@opt.file_options("colour.h5", "arms, seeds or sides")
def colour(paper: bool, **options: Any) -> None:
    """Train diffusion models to colour grey images, in forms of the images side by side.

    \b
    physnn train colour
    physnn train colour --data images.npz --side 32 --arms raw expanded
    physnn train colour --paper --data photographs --device cuda --dry-run

    Expanded images have their pixels at even spacing and a constant between them, which the loss leaves out.  enlarged
    and longer cost as much as expanded.  Losses and errors of all arms are compared over seeds at every mark, beside
    answers that need no network.
    """
    from physnn import api
    from physnn.answers.training.colour import picture_file
    from physnn.machine import check_no_link
    from physnn.samples.training.colour import COLOUR_PAPER, ColourRecipe

    call = Call.of(options, "colour.h5")
    settings = call.settings(ColourRecipe, options, COLOUR_PAPER if paper else {})
    check_no_link(picture_file(call.out.with_suffix(".png")))
    if call.device != "auto" or "device" not in settings:
        settings["device"] = resolve_device(call.device, settings.get("device", "cpu"), call.elsewhere) or "cpu"
    recipe = api.recipe("train-colour", call.out, call.extend, **settings)
    if paper and not call.dry_run:
        print_core_hours(recipe, call)
    elif call.dry_run:
        _print_paper(recipe, settings)
    if finished("train colour", recipe, call, "trainings") is not None:
        print_colour(call)


def _print_paper(recipe: Any, settings: dict[str, Any]) -> None:
    """Print what a size like the source's takes, as many operations as it has at the speed of this one."""
    from physnn.networks.colour.pictures import SHAPES
    from physnn.samples.base import validated
    from physnn.samples.kinds import sample_of
    from physnn.samples.training.colour import COLOUR_PAPER, ColourRecipe

    if recipe.side == COLOUR_PAPER["side"] and recipe.width == COLOUR_PAPER["width"]:
        return
    # The images that are named may be smaller; what they show takes no time.
    large = sample_of(validated(ColourRecipe, settings | COLOUR_PAPER | {"data": SHAPES}).resolved())
    hours = sample_of(recipe).seconds_per_operation() * sum(task.cost for task in large.tasks()) / 3600
    size = large.sizes()[-1]
    memory = large.resources(size, large.example(size).at).bytes / 1e9
    click.echo(
        f"with --paper about {hours:,.2g} core-hours, by its operations, and {memory:.2g} GB of memory a task: "
        f"64 x 64, width 64, 100,000 steps, 8 seeds",
        err=True,
    )


def print_colour(call: Call) -> None:
    """Draw and print losses and errors of all arms in the end, and what may be claimed of them at every mark."""
    from physnn.answers.plots import plot_colour
    from physnn.answers.training.colour import colour_answers
    from physnn.reports.trained import tell_colour

    figures, answers = plot_colour(call.out), colour_answers(call.out)
    if call.as_json:
        names = {"file": str(call.out), "figure": str(figures[0]), "pictures": str(figures[1])}
        print_json(names | {"sides": [each.as_json() for each in answers]})
        return
    for told in tell_colour(call.out):
        print_told(told)
    click.echo(f"networks {call.out}\nfigure   {figures[0]}\npictures {figures[1]}")
