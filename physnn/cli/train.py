"""``physnn train``: make ensembles of networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from physnn.cli.classify import classify
from physnn.cli.options import (
    ListCommand,
    ListOption,
    Number,
    Whole,
    config_option,
    json_option,
    out_option,
    resolve_device,
    run_options,
)

DEFAULT_OUT = "kuramoto.h5"


@click.group()
def train() -> None:
    """Train an ensemble of networks, one per seed, into one network file."""


train.add_command(classify)


@train.command("kuramoto", cls=ListCommand)
@click.option("--L", "size", type=Whole(1), help="Side of the training images [default: 32].")
@click.option(
    "--family",
    type=click.Choice(["paper", "flow"]),
    help="paper: the published recipe; flow: kept a stable gradient flow [default: paper].",
)
@click.option("--steps", type=Whole(1), help="Depth: number of time steps [default: 15; flow: 30].")
@click.option(
    "--seeds", cls=ListOption, type=Whole(0), metavar="SEED...", example="0 1 2", help="One network each [default: 0]."
)
@click.option("--broken", is_flag=True, help="Break the symmetry x -> -x with a trained constant c.")
@click.option("--bias-sd", type=Number(0), help="Standard deviation of c at the start [default: 0.3].")
@click.option(
    "--symmetry",
    type=click.Choice(["Z2", "U1"]),
    help="Z2: x -> -x, defects are walls; U1: rotations of a plane, defects are vortices [default: Z2].",
)
@click.option(
    "--layers",
    type=click.Choice(["shared", "unshared"]),
    help="unshared: every step has a coupling of its own [default: shared].",
)
@click.option("--components", type=Whole(2), help="N, components of a unit vector [default: 16].")
@click.option("--kernel", type=Whole(1), help="k, side of the coupling kernel [default: 5].")
@click.option("--gamma", type=Number(0), help="Step size [default: 0.25; flow: 0.125].")
@click.option("--stability", type=Number(0), help="flow: largest bound on s = gamma (h - lambda_min)/2 [default: 0.9].")
@click.option("--depth-spread", type=Whole(0), help="flow: loss at a random depth, T +- this many steps [default: 3].")
@click.option(
    "--depth-ramp", type=Number(0), help="flow: share of training over which depth grows to T [default: 0.5]."
)
@click.option("--boundary", type=click.Choice(["periodic", "zero"]), help="Boundary [default: periodic].")
@click.option("--density", type=click.Choice(["matched", "paper"]), help="Density of shapes [default: matched].")
@click.option("--epochs", type=Whole(1), help="Epochs; each ends with a checkpoint [default: 12].")
@click.option("--pairs-per-epoch", type=Whole(1), help="Fresh image pairs per epoch [default: 5632].")
@click.option("--batch", type=Whole(1), help="Images per optimiser step [default: 16].")
@click.option("--lr", type=Number(0), help="Highest learning rate [default: 2e-3].")
@click.option("--dry-run", is_flag=True, help="Say how much time, memory and space it takes; train nothing.")
@out_option(DEFAULT_OUT)
@config_option
@json_option
@run_options
def kuramoto(
    size: int | None,
    seeds: tuple[int, ...],
    broken: bool,
    out: Path | None,
    config: Path | None,
    as_json: bool,
    quiet: bool,
    device: str,
    debug: bool,
    jobs: int | None,
    restart: bool,
    max_time: float | None,
    executor: str,
    insecure: bool,
    dry_run: bool,
    **options: Any,
) -> None:
    """Train Kuramoto networks on the transmogrifier: circle to square to triangle to circle.

    \b
    physnn train kuramoto --L 32 --steps 15 --seeds 0 1 2 --out mine.h5
    physnn sweep-noise --networks mine.h5

    Killed or stopped, the same command continues after the last full epoch of each network.
    """
    from physnn import api
    from physnn.cli.options import read_config
    from physnn.cli.output import progress_bar
    from physnn.networks.kuramoto.recipe import TrainingRecipe
    from physnn.samples.base import check_names

    settings = read_config(config)
    check_names(TrainingRecipe, settings, "seeds", "kind", "device")
    recorded = {key: settings.pop(key, None) for key in ("seeds", "kind", "device")}
    chosen_seeds = seeds or (recorded["seeds"] if recorded["seeds"] is not None else (0,))
    flags = {"L": size, "broken": broken or None, **options}
    settings |= {key: value for key, value in flags.items() if value is not None}
    out = out or Path(DEFAULT_OUT)
    chosen_device = resolve_device(device, recorded["device"]) or "cpu"
    if dry_run:
        _print_plan(api.plan_kuramoto(chosen_seeds, out=out, jobs=jobs, device=chosen_device, **settings), as_json)
        return
    with progress_bar("train kuramoto", quiet) as progress:
        api.train_kuramoto(
            chosen_seeds,
            out=out,
            jobs=jobs,
            device=chosen_device,
            restart=restart,
            max_time=max_time,
            progress=progress,
            executor=executor,
            insecure=insecure,
            **settings,
        )
    _print_trained(out, as_json)


def _print_plan(plan: dict[str, Any], as_json: bool) -> None:
    """Print what a training will take."""
    from physnn.cli.output import print_json

    if as_json:
        print_json(plan)
        return
    click.echo(
        f"{plan['networks']} networks, {plan['jobs']} at a time: about {plan['seconds'] / 60:.3g} min, "
        f"{plan['megabytes']:.0f} MB of memory, a file of {plan['file_megabytes']:.2g} MB"
    )


def _print_trained(out: Path, as_json: bool) -> None:
    """Print what is in a network file."""
    from physnn.cli.output import print_json, print_table
    from physnn.store.network_file import read_networks

    file = read_networks(out)
    if as_json:
        networks = [
            {"seed": seed, "id": network, "validation_rmse": float(rmse), "loss": loss.tolist()}
            for seed, network, rmse, loss in zip(file.seeds, file.ids, file.validation_rmse, file.loss, strict=True)
        ]
        print_json({"file": str(out), "recipe": file.recipe, "networks": networks})
        return
    rows = [
        [str(seed), network, f"{rmse:.4f}"]
        for seed, network, rmse in zip(file.seeds, file.ids, file.validation_rmse, strict=True)
    ]
    print_table("trained networks", ["seed", "identity", "validation RMSE"], rows)
    click.echo(f"networks {out}")
