"""``physnn train classify``: image classifiers, on expanded images too, and with labels beside their classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from physnn.cli import options as opt
from physnn.cli.call import Call, finished, resolve_device
from physnn.cli.output import print_json, print_told
from physnn.cli.training.labels import label_options, train_labels
from physnn.errors import InputError

if TYPE_CHECKING:
    from physnn.store.ensemble_file import EnsembleFile

GROUPS_OF_IMAGES = ("c1", "c2", "c4", "d1", "d2", "d4")
"""Point groups: turns (c), or turns and reflections (d); c1 does nothing."""


class FillType(click.ParamType[Any]):
    """A finite number, ``random`` or ``pattern``."""

    name = "VALUE|random|pattern"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Number or the word, or fail with one sentence."""
        return value if value in ("random", "pattern") else opt.Number().convert(value, param, ctx)


data_options = opt.stack(
    click.option(
        "--data",
        default="digits",
        show_default=True,
        help="digits (8 x 8, built in), or a path: CIFAR batches, IDX files, class folders, npz.",
    ),
    click.option("--train", type=opt.Whole(1), help="Training images [default: all]."),
    click.option("--test", type=opt.Whole(1), help="Test images [default: all, or a fifth]."),
    click.option(
        "--data-seed", type=opt.Whole(0), help="Which images are drawn [default: 0; with labels, each seed's own]."
    ),
    click.option("--side", type=opt.Whole(4), help="Resize images of class folders to this side, in pixels."),
)
recipe_options = opt.stack(
    click.option("--batch", type=opt.Whole(2), help="Images per optimiser step [default: 64]."),
    click.option(
        "--optimiser",
        type=click.Choice(["adam", "sgd"]),
        default="adam",
        show_default=True,
        help="Adam, or stochastic gradient descent.",
    ),
    click.option("--momentum", type=opt.Number(0), help="Share of the velocity that sgd keeps [default: 0]."),
    click.option(
        "--weight-decay", type=opt.Number(0), help="Added to the gradient, times the weights [default: 1e-4]."
    ),
    click.option(
        "--augment",
        type=click.Choice(GROUPS_OF_IMAGES),
        help="Show every image as a random element of this group acts on it, drawn anew in every epoch.",
    ),
    click.option(
        "--average",
        type=click.Choice(GROUPS_OF_IMAGES),
        help="Average the logits over the image in all positions of this group, in training and afterwards.",
    ),
    click.option(
        "--engine",
        type=click.Choice(["auto", "compiled", "stacked", "loop"]),
        default="auto",
        show_default=True,
        help="What trains: compiled code, all replicas at once, or torch's loop; equal to rounding.",
    ),
)
lr_option = click.option("--lr", type=opt.Number(0), help="Learning rate [default: 1e-3, 0.05 with sgd].")


@click.command("classify", cls=opt.ListCommand)
@click.option("--network", help="One of the zoo: simple, dropout, resnet18, ... [default: simple].")
@opt.module_option
@click.option(
    "--seeds",
    cls=opt.ListOption,
    type=opt.Whole(0),
    metavar="SEED...",
    example="0 1 2",
    help="One replica each [default: 0 1 2 3 4].",
)
@click.option("--expand", type=opt.Whole(2, 5), help="Train on images expanded by this factor, too.")
@click.option(
    "--fill", type=FillType(), default="0.5", show_default=True, help="Between the pixels of expanded images."
)
@click.option(
    "--control/--no-control", default=True, help="With --expand: images enlarged by nearest neighbours, too [default]."
)
@click.option(
    "--pooled/--no-pooled",
    default=True,
    help="With --expand: average the last maps, so that all forms have as many weights [default].",
)
@click.option("--epochs", type=opt.Whole(0), help="Epochs [default: 30].")
@click.option(
    "--soft-equivariance",
    cls=opt.ListOption,
    metavar="NAME:STRENGTH...",
    example="flip:auto rotation:0.1",
    help="Symmetries that weights are drawn to: translation, flip, half-turn, rotation, d2, d4; auto: as strongly as "
    "images held out ask for.",
)
@click.option("--charges", is_flag=True, help="Follow charges of learning step by step, for: physnn charges.")
@data_options
@recipe_options
@click.option(
    "--lr",
    cls=opt.ListOption,
    type=opt.Number(0),
    metavar="RATE...",
    example="1e-3",
    help="Learning rate [default: 1e-3, 0.05 with sgd]; with --label-loss some, of which every form takes its best.",
)
@label_options
@opt.shard_option
@opt.out_option("classify.h5")
@opt.json_option
@opt.run_options
def classify(
    network: str | None, module: str | None, seeds: tuple[int, ...], expand: int | None, fill: Any, control: bool,
    pooled: bool, label_loss: tuple[str, ...], lr: tuple[float, ...], **options: Any,
) -> None:  # fmt: skip
    """Train image classifiers, one for every seed; with --expand on expanded images and a control side by side.

    \b
    physnn train classify --network batchnorm --seeds 0 1 2
    physnn train classify --data cifar-10-batches-py --train 10000 --expand 2 --fill 0.5
    physnn train classify --module my_net.py:MyNet --average d4
    physnn train classify --soft-equivariance flip:auto rotation:0.1
    physnn train classify --label-loss u1 zero --lr 3e-4 1e-3 3e-3 1e-2

    A class of yours is called with channels, side and classes of the images, and takes images to logits.
    Expanded images keep their pixels at even spacing and have the fill between them.  The control has the same size,
    hence the same work.  Accuracies are compared over seeds by a paired t-test.
    """
    call = Call.of(options, "classify.h5")
    if network and module:
        raise InputError("--network names one of the zoo, --module a class of yours; give one of them")
    if label_loss:
        only = {"--expand": expand, "--module": module, "--average": options["average"]}
        only |= {"--soft-equivariance": options["soft_equivariance"], "--charges": options["charges"]}
        train_labels(label_loss, lr, network, seeds, [name for name, value in only.items() if value], options, call)
        return
    recipe, images = classifier_settings(options | {"lr": one_rate(lr, options, call)})
    recipe |= opt.given({"soft_equivariance": options["soft_equivariance"]})
    charges = {"charges": True} if options["charges"] else {}
    forms = ["raw", *(["expanded"] if expand else []), *(["upsampled"] if expand and control else [])]
    enlarged = images | {"factor": expand, "fill": fill}
    members = {
        form: (
            recipe | {"network": module or network or "simple", "pooled": pooled} | charges,
            (enlarged if form != "raw" else images) | {"form": form},
        )
        for form in forms
    }
    file = train_members("train classify", members, seeds or range(5), call, options["engine"])
    if file:
        _report_forms(file, call)


def one_rate(rates: Sequence[float], options: dict[str, Any], call: Call) -> float | None:
    """Learning rate of a training without labels; raises InputError for what only those take."""
    weight = options["label_weight"] is not None
    for name, given in (("--extend", call.extend), ("--dry-run", call.dry_run), ("--label-weight", weight)):
        if given:
            raise InputError(f"{name} belongs to trainings with labels; add --label-loss u1")
    if len(rates) > 1:
        raise InputError(f"{len(rates)} learning rates are compared with --label-loss alone; give one --lr")
    return rates[0] if rates else None


def classifier_settings(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of classifiers and of their images among a command's options; those not given stay at their defaults."""
    names = "epochs", "batch", "optimiser", "lr", "momentum", "weight_decay", "augment", "average"
    recipe = {name: options[name] for name in names}
    return opt.given(recipe), opt.given(
        {name: options[name] for name in ("data", "train", "test", "data_seed", "side")}
    )


def train_members(
    title: str,
    members: dict[str, tuple[dict[str, Any], dict[str, Any]]],
    seeds: Sequence[int],
    call: Call,
    engine: str,
) -> EnsembleFile | None:
    """Ensembles, by name the settings of a classifier and of its images, trained into the file of a call.

    None where other shards are missing, which is printed.
    """
    from physnn.networks.classifiers.replicas import ClassifierRecipe
    from physnn.networks.tasks.problem import ProblemRecipe
    from physnn.samples.base import validated
    from physnn.samples.training.classifiers import ClassifierTraining
    from physnn.store.ensemble_file import read_ensembles

    ensembles = {
        name: {
            "recipe": validated(ClassifierRecipe, one),
            "problem": validated(ProblemRecipe, images),
            "engine": engine,
        }
        for name, (one, images) in members.items()
    }
    chosen = {"seeds": tuple(seeds), "device": resolve_device(call.device) or "cpu"}
    recipe = validated(ClassifierTraining, chosen | {"ensembles": ensembles}).resolved()
    _tell_cost(recipe, call)
    return None if finished(title, recipe, call, "networks") is None else read_ensembles(call.out)


def _tell_cost(recipe: Any, call: Call) -> None:
    """Print what averages over groups cost, before anything runs."""
    from physnn.models.groups.representations import PointGroup

    groups = {member.recipe.average for member in recipe.ensembles.values()} - {"c1"}
    for group in sorted(groups) if not (call.quiet or call.as_json) else ():
        views = len(PointGroup(group).matrices)
        click.echo(f"averages over {group}: {views} evaluations for every image, {views} times the work", err=True)


def _report_forms(file: EnsembleFile, call: Call) -> None:
    """Print accuracies by form, their differences to raw images, and draw them."""
    from physnn.analysis.statistics.estimate import mean_over
    from physnn.answers.plots import plot_ensembles
    from physnn.answers.training.forms import paired_tests
    from physnn.answers.training.soft import soft_json
    from physnn.reports.networks import tell_ensembles
    from physnn.samples.training.classifiers import averaging_cost

    measured = {name: e.measured for name, e in file.ensembles.items()}
    n = len(file.recipe["seeds"])
    tests, cost = paired_tests(file), averaging_cost(file)
    figure = plot_ensembles(call.out)
    if call.as_json:
        rows = [
            {
                "form": name,
                "accuracy": mean_over(m["test_accuracy"]).as_json(),
                "test_loss": mean_over(m["test_loss"]).as_json(),
                "train_accuracy": float(m["train_accuracy"].mean()),
                "by_seed": m["test_accuracy"].tolist(),
            }
            for name, m in measured.items()
        ]
        differences = [
            {"first": a, "second": b, **test.estimate.as_json(), "p_value": test.p_value, "n": n}
            for (a, b), test in tests.items()
        ]
        found = {"recipe": file.recipe, "forms": rows, "differences": differences} | ({"cost": cost} if cost else {})
        print_json({"file": str(call.out), "figure": str(figure)} | found | soft_json(call.out))
        return
    for told in tell_ensembles(call.out):
        print_told(told)
    if cost:
        click.echo(
            f"averaged over {cost['group']}: {cost['evaluations']} evaluations for every image, and a training step "
            f"takes {cost['times']:.2g} times as long as without (measured now)"
        )
    click.echo(f"networks {call.out}\nfigure   {figure}")
