"""``physnn recall``: images told from the vectors that a network gave of other images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from physnn.cli import options as opt
from physnn.cli.call import Call, finished
from physnn.cli.output import print_json, print_table, told_if_slow
from physnn.errors import InputError

if TYPE_CHECKING:
    from physnn.answers.bottleneck.recall import RecallAnswer

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

    with told_if_slow("searches are timed", call.quiet or call.as_json):
        answer = recall_answer(call.out)
    drawn = plot_recall(call.out, figure, answer)
    if call.as_json:
        print_json({"file": str(call.out), "figure": str(drawn)} | answer.as_json())
        return
    _print_told(answer)
    _print_worth(answer)
    click.echo(f"{answer.sentence}\nfile    {call.out}\nfigure  {drawn}")


def _print_told(answer: RecallAnswer) -> None:
    """Print shares told right of all settings, and of which descriptors pixel vectors differ."""
    header = ["control", "images", "descriptor", "told right", "over classes", "over splits", "vectors", "MB", "ms"]
    rows = []
    for r in answer.rows:
        shares = map(str, (r.right, r.right_by_class, r.right_by_split))
        cost = f"{r.vectors:,}", f"{r.megabytes:.3g}", f"{1e3 * answer.seconds[r.descriptor]:.2g}"
        rows.append([r.condition, str(r.images), r.descriptor, *shares, *cost])
    null = ", classes at random" if answer.shuffled else ""
    title = (
        f"{answer.layer}: {answer.classes} classes, {answer.shown} images of each shown, {answer.splits} splits, "
        f"K = {answer.neighbours}, {answer.metric}{null}; guessing {answer.chance:.3g}"
    )
    print_table(title, header, rows)
    click.echo("ms: of an image, with the most shots in memory, one thread of this machine as it is now")
    header = ["shown as, images", *(f"less {name}" for name in (answer.found[0].differences if answer.found else ()))]
    rows = [[each.setting, *map(str, each.differences.values()), each.verdict] for each in answer.found]
    if rows:
        print_table("pixel vectors, share told right less that of others", [*header, "pixel vectors are"], rows)


def _print_worth(answer: RecallAnswer) -> None:
    """Print what pixel vectors are worth beside averages."""
    header = ["shown as", "gain by images in memory", "memory", "time", "images of equal memory", "gain", "worth it"]
    rows = []
    for w in answer.worth:
        gains = ", ".join(f"{n}: {gain}" for n, gain in w.gain.items())
        equal = str(w.equal_images or "-"), str(w.equal_gain or "-")
        rows.append([w.condition, gains, f"x {w.memory:g}", f"x {w.time:.2g}", *equal, w.verdict])
    if rows:
        print_table("pixel vectors beside averages of the same images, and of more images", header, rows)
