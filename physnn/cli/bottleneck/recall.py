"""``physnn recall``: images told from the vectors that a network gave of other images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from physnn.cli import options as opt
from physnn.cli.call import Call, finished
from physnn.cli.output import print_json, print_told, told_if_slow
from physnn.errors import InputError

RECALL_RECIPE = "physnn.samples.recall.recipe:Recall"


@click.command(cls=opt.RecipeCommand, recipes=(RECALL_RECIPE,), leave=("conditions",))
@click.option(
    "--control",
    "conditions",
    cls=opt.ListOption,
    metavar="NAME...",
    example="none grain blur",
    help="Controls of the file under which images are shown [default: those that change the image alone].",
)
@opt.figure_option("Where the figure goes [default: beside --out].")
@opt.sweep_options("recall.h5", "controls and splits")
def recall_command(figure: Path | None, **options: Any) -> None:
    """Tell images from a memory of other images: by the densities of classes among the nearest vectors.

    \b
    physnn energy-map --images caltech --layers head --control none grain blur --vectors --out vectors.h5
    physnn recall --data vectors.h5
    physnn recall --data vectors.h5 --shots 1 --descriptors pixel average --classes butterfly starfish
    physnn recall --data vectors.h5 --shuffled --out null.h5

    The answer says which descriptor tells best, with errors over splits and classes, and what memory and time it takes.

    A rerun continues where an interrupted one stopped.
    """
    from physnn import api
    from physnn.samples.recall.recipe import Recall

    call = Call.of(options, "recall.h5")
    if call.device == "cuda":
        raise InputError("vectors are compared on the CPU; leave --device out")
    settings = call.settings(Recall, options)
    if "data" not in settings and not call.extend:
        raise InputError("name the file of vectors, as in: --data vectors.h5")
    recipe = api.recipe("recall", call.out, call.extend, **settings)
    if finished("recall", recipe, call, "splits") is not None:
        print_recall(call, figure)


def print_recall(call: Call, figure: Path | None = None) -> None:
    """Draw and print what a finished file says."""
    from physnn.answers.bottleneck.recall import recall_answer
    from physnn.answers.plots import plot_recall
    from physnn.reports.recalled import told_recall

    with told_if_slow("searches are timed", call.quiet or call.as_json):
        answer = recall_answer(call.out)
    drawn = plot_recall(call.out, figure, answer)
    if call.as_json:
        print_json({"file": str(call.out), "figure": str(drawn)} | answer.as_json())
        return
    print_told(told_recall(answer))
    click.echo(f"file    {call.out}\nfigure  {drawn}")
