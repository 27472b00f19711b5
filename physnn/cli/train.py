"""``physnn train`` and ``physnn replicas``: ensembles of networks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from physnn.cli import options as opt
from physnn.cli.call import Call, finished, read_config, resolve_device
from physnn.cli.output import print_json, print_told
from physnn.cli.training.classify import classify
from physnn.cli.training.colour import colour
from physnn.cli.training.equations import eos, pde
from physnn.cli.training.machines import rbm
from physnn.cli.training.printed import print_training_plan
from physnn.cli.training.sentiment import sentiment

if TYPE_CHECKING:
    pass


@click.group()
def train_command() -> None:
    """Train an ensemble of networks, one per seed, into one network file."""


train_command.add_command(classify)
train_command.add_command(eos)
train_command.add_command(pde)
train_command.add_command(rbm)
train_command.add_command(colour)
train_command.add_command(sentiment)


@train_command.command("kuramoto", cls=opt.RecipeCommand, recipes=("physnn.networks.kuramoto.recipe:TrainingRecipe",))
@click.option(
    "--seeds",
    cls=opt.ListOption,
    type=opt.Whole(0),
    metavar="SEED...",
    example="0 1 2",
    help="One network each [default: 0].",
)
@opt.shard_option
@opt.dry_run_option
@opt.out_option("kuramoto.h5")
@opt.config_option
@opt.json_option
@opt.run_options
def kuramoto(seeds: tuple[int, ...], **options: Any) -> None:
    """Train Kuramoto networks on the transmogrifier: circle to square to triangle to circle.

    \b
    physnn train kuramoto --L 32 --steps 15 --seeds 0 1 2 --out mine.h5
    physnn sweep-noise --networks mine.h5

    Killed or stopped, the same command continues after the last full epoch of each network.
    """
    from physnn.networks.kuramoto.recipe import TrainingRecipe
    from physnn.samples.base import check_source, validated

    call = Call.of(options, "kuramoto.h5")
    settings = read_config(call.config)
    recorded = {key: settings.pop(key, None) for key in ("seeds", "kind", "device")}
    check_source(TrainingRecipe, settings, call.config)
    chosen = seeds or (recorded["seeds"] if recorded["seeds"] is not None else (0,))
    settings |= opt.given(options)
    validated(TrainingRecipe, settings)
    device = resolve_device(call.device, recorded["device"]) or "cpu"
    from physnn.machine import available_cores
    from physnn.samples.training.kuramoto import KuramotoTraining, plan_training

    recipe = validated(KuramotoTraining, settings | {"seeds": chosen, "device": device}).resolved()
    if call.dry_run:
        print_training_plan(plan_training(recipe, call.run["jobs"] or available_cores()), call.as_json)
        return
    if finished("train kuramoto", recipe, call, "networks") is not None:
        _print_trained(call.out, call.as_json)


def _print_trained(out: Path, as_json: bool) -> None:
    """Print what is in a network file."""
    from physnn.answers.training.soft import soft_json
    from physnn.reports.networks import tell_networks
    from physnn.store.network_file import read_networks

    file = read_networks(out)
    if as_json:
        networks = [
            {"seed": seed, "id": network, "validation_rmse": float(rmse), "loss": loss.tolist()}
            for seed, network, rmse, loss in zip(file.seeds, file.ids, file.validation_rmse, file.loss, strict=True)
        ]
        print_json({"file": str(out), "recipe": file.recipe, "networks": networks} | soft_json(out))
        return
    for told in tell_networks(out):
        print_told(told)
    click.echo(f"networks {out}")
