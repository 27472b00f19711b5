"""``physnn train classify`` and ``physnn replicas``: ensembles of image classifiers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from physnn.cli.options import (
    ListCommand,
    ListOption,
    Number,
    Whole,
    json_option,
    out_option,
    resolve_device,
    run_options,
    seed_option,
    stack,
)

if TYPE_CHECKING:
    from physnn.store.ensemble_file import EnsembleFile

Function = TypeVar("Function", bound=Callable[..., Any])
FIVE = ("simple", "dropout", "batchnorm", "flip", "rotation")
"""The networks that the replica-distance metric was proposed with."""


class Fill(click.ParamType[Any]):
    """A finite number, ``random`` or ``pattern``."""

    name = "VALUE|random|pattern"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number or the word, or fail with one sentence."""
        return value if value in ("random", "pattern") else Number().convert(value, param, ctx)


data_options = stack(
    click.option(
        "--data",
        default="digits",
        show_default=True,
        help="digits (8 x 8, built in), or a path: CIFAR batches, IDX files, class folders, npz.",
    ),
    click.option("--train", "train_images", type=Whole(1), help="Training images [default: all]."),
    click.option("--test", "test_images", type=Whole(1), help="Test images [default: all, or a fifth]."),
    click.option("--data-seed", type=Whole(0), default=0, show_default=True, help="Which images are drawn."),
    click.option("--side", type=Whole(4), help="Resize images of class folders to this side, in pixels."),
)
recipe_options = stack(
    click.option("--batch", type=Whole(2), help="Images per optimiser step [default: 64]."),
    click.option("--lr", type=Number(0), help="Learning rate of Adam [default: 1e-3]."),
    click.option("--weight-decay", type=Number(0), help="Added to the gradient, times the weights [default: 1e-4]."),
    click.option(
        "--engine",
        type=click.Choice(["auto", "compiled", "stacked", "loop"]),
        default="auto",
        show_default=True,
        help="What trains: compiled code, all replicas at once, or torch's loop; equal to rounding.",
    ),
)


@click.command("classify", cls=ListCommand)
@click.option("--network", default="simple", show_default=True, help="One of the zoo: simple, dropout, resnet18, ...")
@click.option(
    "--seeds",
    cls=ListOption,
    type=Whole(0),
    metavar="SEED...",
    example="0 1 2",
    help="One replica each [default: 0 1 2 3 4].",
)
@click.option("--expand", type=click.IntRange(2, 5), help="Train on images expanded by this factor, too.")
@click.option("--fill", type=Fill(), default="0.5", show_default=True, help="Between the pixels of expanded images.")
@click.option(
    "--control/--no-control", default=True, help="With --expand: images enlarged by nearest neighbours, too [default]."
)
@click.option(
    "--pooled/--no-pooled",
    default=True,
    help="With --expand: average the last maps, so that all forms have as many weights [default].",
)
@click.option("--epochs", type=Whole(0), help="Epochs [default: 30].")
@data_options
@recipe_options
@out_option("classify.h5")
@json_option
@run_options
def classify(
    network: str, seeds: tuple[int, ...], expand: int | None, fill: Any, control: bool, pooled: bool,
    data: str, train_images: int | None, test_images: int | None, data_seed: int, side: int | None,
    out: Path | None, as_json: bool, quiet: bool, debug: bool,
    **run: Any,
) -> None:  # fmt: skip
    """Train image classifiers, one for every seed; with --expand on expanded images and a control side by side.

    \b
    physnn train classify --network batchnorm --seeds 0 1 2
    physnn train classify --data cifar-10-batches-py --train 10000 --expand 2 --fill 0.5

    Expanded images keep their pixels at even spacing and have the fill between them.  The control has the same size,
    hence the same work.  Accuracies are compared over seeds by a paired t-test.
    """
    from physnn.cli.output import progress_bar
    from physnn.networks.classifiers.replicas import ClassifierRecipe
    from physnn.networks.tasks.problem import ProblemRecipe
    from physnn.samples.base import validated
    from physnn.samples.training.classifiers import train_ensembles

    recipe = validated(ClassifierRecipe, {"network": network, "pooled": pooled} | _recipe(run))
    images = {"data": data, "train": train_images, "test": test_images, "data_seed": data_seed, "side": side}
    forms = ["raw", *(["expanded"] if expand else []), *(["upsampled"] if expand and control else [])]
    enlarged = {"factor": expand, "fill": fill}
    members = {
        form: (recipe, validated(ProblemRecipe, images | {"form": form} | (enlarged if form != "raw" else {})))
        for form in forms
    }
    out = out or Path("classify.h5")
    with progress_bar("train classify", quiet) as progress:
        file = train_ensembles(members, seeds or tuple(range(5)), out=out, progress=progress, **_running(run))
    _report_forms(file, out, as_json)


def _recipe(run: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of the recipe among a command's options; those not given stay at their defaults."""
    names = ("epochs", "batch", "lr", "weight_decay")
    return {name: run[name] for name in names if run[name] is not None}


def _running(run: dict[str, Any]) -> dict[str, Any]:
    """Return what decides how a training runs."""
    return {
        "engine": run["engine"],
        "jobs": run["jobs"],
        "device": resolve_device(run["device"]) or "cpu",
        "restart": run["restart"],
        "max_time": run["max_time"],
        "executor": run["executor"],
        "insecure": run["insecure"],
    }


def _report_forms(file: EnsembleFile, out: Path, as_json: bool) -> None:
    """Print accuracies by form, their differences to raw images, and draw them."""
    from physnn.analysis.statistics.estimate import mean_over
    from physnn.cli.output import print_json, print_table
    from physnn.samples.training.classifiers import paired_tests, plot_ensembles

    measured = {name: e.measured for name, e in file.ensembles.items()}
    n = len(file.recipe["seeds"])
    tests = paired_tests(file)
    figure = plot_ensembles(file, out.with_suffix(".png"))
    if as_json:
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
        found = {"recipe": file.recipe, "forms": rows, "differences": differences}
        print_json({"file": str(out), "figure": str(figure)} | found)
        return
    table = []
    for name, m in measured.items():
        table.append(
            [
                name,
                f"{mean_over(100 * m['test_accuracy'])} %",
                str(mean_over(m["test_loss"])),
                f"{100 * m['train_accuracy'].mean():.2f} %",
            ]
        )
    header = ["images", "test accuracy", "test loss", "training accuracy"]
    print_table(f"{n} seeds, errors over seeds", header, table)
    for (a, b), test in tests.items():
        click.echo(f"{a} - {b}: {_percent(test.estimate)} percentage points, p = {test.p_value:.2g} (paired t-test)")
    click.echo(f"networks {out}\nfigure   {figure}")


def _percent(estimate: Any) -> Any:
    from physnn.analysis.statistics.estimate import Estimate

    return Estimate(100 * estimate.value, 100 * estimate.error, estimate.dof)


@click.command(cls=ListCommand)
@click.option(
    "--networks",
    cls=ListOption,
    metavar="NAME...",
    example="simple dropout",
    help=f"Networks of the zoo, or one ensemble file [default: {' '.join(FIVE)}].",
)
@click.option("--replicas", "count", type=Whole(8), default=50, show_default=True, help="Replicas of each network.")
@click.option("--epochs", type=Whole(0), default=200, show_default=True, help="Epochs of training.")
@data_options
@recipe_options
@click.option(
    "--reduction",
    type=click.Choice(["none", "pca", "umap"]),
    default="none",
    show_default=True,
    help="Take distances of reduced weights, too.",
)
@click.option("--components", type=Whole(1), default=100, show_default=True, help="Coordinates of a reduction.")
@seed_option
@out_option("replicas.h5")
@json_option
@run_options
def replicas(
    networks: tuple[str, ...], count: int, epochs: int, data: str, train_images: int | None, test_images: int | None,
    data_seed: int, side: int | None, reduction: str, components: int, seed: int | None, out: Path | None,
    as_json: bool, quiet: bool, debug: bool, **run: Any,
) -> None:  # fmt: skip
    """How far apart replicas of a network end: the replica-distance metric, with errors over replicas.

    \b
    physnn replicas
    physnn replicas --networks simple dropout --data cifar-10-batches-py --replicas 200
    physnn replicas --networks replicas-networks.h5 --reduction pca --components 40

    Each network is trained from many seeds on the same few images (100 unless --train says otherwise).  Trained
    networks are kept beside --out, so that the same command continues, and other measurements need no training.
    """
    from physnn.analysis.replicas.embedding import Reduction
    from physnn.answers.replicas import MEASUREMENTS, save_distances, study_replicas, with_reduction
    from physnn.answers.replicas import as_json as plain
    from physnn.cli.output import print_json, progress_bar
    from physnn.figures.replicas import replicas_figure
    from physnn.figures.style import save

    out = out or Path("replicas.h5")
    images = {"data": data, "train": train_images or 100, "test": test_images, "data_seed": data_seed, "side": side}
    measurements = with_reduction(MEASUREMENTS, Reduction(reduction, components, seed=seed or 0))
    with progress_bar("replicas", quiet) as progress:
        file, kept = _ensembles(networks or FIVE, count, {"epochs": epochs, **run}, images, out, progress)
        study = study_replicas(file, measurements, seed or 0, progress)
    save_distances(study, file, out)
    figure = save(replicas_figure(study), out.with_suffix(".png"))
    if as_json:
        print_json({"file": str(out), "ensembles": str(kept), "figure": str(figure)} | plain(study))
        return
    _print_study(study)
    click.echo(f"distances {out}\nnetworks  {kept}\nfigure    {figure}")


def _ensembles(
    networks: tuple[str, ...], count: int, run: dict[str, Any], images: dict[str, Any], out: Path, progress: Any
) -> tuple[EnsembleFile, Path]:
    """Return the ensembles of a file, or train those of the zoo, and where they are."""
    from physnn.networks.classifiers.replicas import ClassifierRecipe
    from physnn.networks.tasks.problem import ProblemRecipe
    from physnn.samples.base import validated
    from physnn.samples.training.classifiers import train_ensembles
    from physnn.store.ensemble_file import read_ensembles

    if len(networks) == 1 and networks[0].endswith(".h5"):
        return read_ensembles(networks[0]), Path(networks[0])
    problem = validated(ProblemRecipe, images)
    settings = _recipe(run)
    members = {name: (validated(ClassifierRecipe, {"network": name} | settings), problem) for name in networks}
    kept = out.with_name(f"{out.stem}-networks.h5")
    return train_ensembles(members, range(count), out=kept, progress=progress, **_running(run)), kept


def _print_study(study: Any) -> None:
    from physnn.cli.output import print_table

    names = study.comparison.names if study.comparison else tuple(study.ensembles)
    kinds = ["wasserstein", "wasserstein_untrained", "wasserstein_normalised", "euclid_aligned"]
    kinds += [k for s in study.ensembles.values() for k in s.metrics if "pca" in k or "umap" in k]
    kinds = [k for k in dict.fromkeys(kinds) if any(k in s.metrics for s in study.ensembles.values())]
    rows = []
    for name in names:
        s = study.ensembles[name]
        found = [str(s.metrics[k].estimate) if k in s.metrics else "" for k in kinds]
        rows.append([name, *found, str(s.class_overlap.mean), f"{_percent(s.accuracy)} %"])
    n = next(iter(study.ensembles.values())).metrics["wasserstein"].replicas
    header = ["network", *(k.replace("_", " ") for k in kinds), "overlap of classes", "test accuracy"]
    print_table(f"mean distance of {n} replicas, errors over replicas", header, rows)
    if study.comparison:
        order, probability = next(iter(study.comparison.orderings.items()))
        click.echo(f"ordering {' > '.join(order)} in {probability:.0%} of the resamples of replicas")
        for (a, b), d in study.differences.items():
            if b == names[names.index(a) + 1]:
                click.echo(f"  {a} - {b}: {d}, {d.value / d.error:.1f} errors")
