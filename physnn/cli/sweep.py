"""``physnn sweep-noise``: the main job."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from physnn.cli.companion import run_and_print_both
from physnn.cli.equilibrium import OF_EQUILIBRIUM, equilibrium_options, sweep_equilibrium
from physnn.cli.options import (
    RUN,
    ListCommand,
    ListOption,
    Number,
    Whole,
    config_option,
    json_option,
    module_option,
    out_option,
    resolve_device,
    run_options,
    seed_option,
    shard_option,
    taken,
)

CONVENTIONS = ("langevin", "per-step", "increment-std", "increment-variance", "temperature")
DEFAULT_OUT = "sweep-noise.h5"
OF_SWEEPS = ("rmse", "rmse_per_image", "overlap", "energy")
OF_ORDER = ("binder", "m_abs")
"""What networks of users allow as well, if they have an order parameter."""


@click.command("sweep-noise", cls=ListCommand)
@click.option(
    "--L",
    "sizes",
    cls=ListOption,
    type=Whole(1),
    metavar="L...",
    example="32 64 128",
    help="Sizes, in pixels [default: 32 64 128].",
)
@click.option("--eta", cls=ListOption, type=Number(0), metavar="ETA...", example="0 0.1 0.2", help="Noise values.")
@click.option(
    "--eta-range", nargs=3, type=Number(0), metavar="LO HI N", help="N evenly spaced noise values [default: 0 0.4 13]."
)
@click.option(
    "--noise-convention",
    type=click.Choice(CONVENTIONS),
    default="langevin",
    show_default=True,
    help="What --eta and --eta-range mean; files always store the Langevin eta.",
)
@click.option(
    "--networks",
    cls=ListOption,
    metavar="FILE...",
    example="mine.h5",
    help="Network files, or names of bundled ensembles [default: kuramoto_symmetric; with --module: none].",
)
@module_option
@click.option("--images", type=Whole(1), help="Images per network and size [default: 32].")
@click.option("--steps", type=Whole(1), help="Depth [default: the trained one].")
@click.option(
    "--steps-scaling",
    type=Number(0),
    metavar="Z",
    help="Let the depth grow like (L / training L)^Z, in whole periods of the networks.",
)
@equilibrium_options
@click.option("--density", type=click.Choice(["matched", "paper"]), help="Density of shapes [default: matched].")
@click.option("--batch", type=Whole(1), help="Images evolved together; part of the recipe [default: 8].")
@click.option("--extend", is_flag=True, help="Add sizes, noise values, images or networks to a finished file.")
@click.option(
    "--target-error",
    type=Number(0),
    metavar="ERROR",
    help="Measure until the critical point has this error, in units of the Langevin eta (absolute; half its 68 % "
    "interval): a pilot with a quarter of --images decides noise values and images, at most 64 times its cost.",
)
@click.option("--observable", help="What to fit at the end, and what --target-error means [default: rmse].")
@click.option(
    "--memory/--no-memory",
    default=True,
    show_default=True,
    help="Measure as well how long the networks keep a domain, into OUT-memory.h5; see physnn memory.",
)
@shard_option
@click.option("--dry-run", is_flag=True, help="List the tasks with time, memory and file size; run nothing.")
@seed_option
@out_option(DEFAULT_OUT)
@config_option
@json_option
@run_options
def sweep_noise(
    sizes: tuple[int, ...],
    eta: tuple[float, ...],
    eta_range: tuple[float, ...] | None,
    noise_convention: str,
    networks: tuple[str, ...],
    out: Path | None,
    config: Path | None,
    as_json: bool,
    dry_run: bool,
    extend: bool,
    observable: str | None,
    quiet: bool,
    device: str,
    debug: bool,
    mode: str | None,
    memory: bool,
    **options: Any,
) -> None:
    """Sweep the noise in trained networks at several sizes; fit, draw and print the answer.

    The task's error is compared with a null model without critical point, and the noise at which the task is lost with
    that at which a domain written into the network is.

    \b
    physnn sweep-noise --L 32 64 128
    physnn sweep-noise --L 32 64 --eta-range 0 0.2 21 --images 64 --out fine.h5
    physnn sweep-noise --out fine.h5 --extend --L 256
    physnn sweep-noise --eta-range 0 0.2 11 --target-error 0.001 --out point.h5

    With --mode equilibrium there is no task: long runs of unit vectors at temperatures T = eta^2 / 2, with the coupling
    of a network or another one.

    \b
    physnn sweep-noise --mode equilibrium --model xy --L 16 32 64 --T 0.85 0.9 0.95 1 --sampler metropolis
    physnn sweep-noise --mode equilibrium --model coupling J.npy --L 12 24 --T 0.5 0.6 0.7 0.8
    physnn sweep-noise --mode equilibrium --model network kuramoto_symmetric/0 --L 16 32 --T 0.1 0.2 0.3 0.4

    A rerun continues where an interrupted one stopped.
    """
    from physnn import api
    from physnn.analysis.curves.observables import check_observable
    from physnn.cli.options import read_config
    from physnn.errors import InputError
    from physnn.machine import check_folder

    if out is not None and out.suffix == ".png":
        raise InputError(f"{out} is where the figure would go; choose an --out that ends in .h5")
    long = {name: options.pop(name) for name in OF_EQUILIBRIUM}
    if mode is None:
        same_kind = long["model"] or read_config(config).get("kind") == "equilibrium"
        mode = "equilibrium" if same_kind else "task"
    if mode == "equilibrium":
        given = {"L": sizes, "eta": eta, "eta_range": eta_range, "convention": noise_convention, "networks": networks}
        place: dict[str, Any] = {"out": out, "config": config, "as_json": as_json, "dry_run": dry_run, "extend": extend}
        sweep_equilibrium(given, long, options, observable, device, quiet=quiet, **place)
        return
    if wrong := [name for name, value in long.items() if value]:
        raise InputError(f"--{wrong[0].replace('_', '-')} belongs to --mode equilibrium")
    check_observable(observable or "rmse", OF_SWEEPS + (OF_ORDER if options["module"] else ()))
    run = taken(options, RUN)
    flags = {"L": sizes or None, "networks": networks or None, **options}
    found = read_config(config)
    resolved = resolve_device(device, found.get("device"), str(run["executor"]).startswith("dask:"))
    settings = _settings(found, flags | {"device": resolved}, observable, bool(eta or eta_range))
    if eta and eta_range:
        raise InputError("--eta and --eta-range exclude each other; give one")
    values = list(eta) if eta else noise_range(eta_range) if eta_range else None
    if values is not None:
        names = settings.get("networks", () if settings.get("module") else ("kuramoto_symmetric",))
        settings["eta"] = langevin(values, noise_convention, names, settings.get("module"))
    out = out or Path(DEFAULT_OUT)
    check_folder(out)
    recipe = api.noise_recipe(out, extend, **settings)
    place = {"extend": extend, "quiet": quiet, "as_json": as_json}
    run_and_print_both(recipe, out, observable, memory=memory, dry_run=dry_run, **place, **run)


def _settings(settings: dict[str, Any], flags: dict[str, Any], observable: str | None, new_eta: bool) -> dict[str, Any]:
    """Return the settings of a configuration file with flags over them."""
    from physnn.errors import InputError
    from physnn.samples.base import check_names
    from physnn.samples.noise.recipe import NoiseSweep

    check_names(NoiseSweep, settings)
    if settings.get("module") and not flags["module"]:
        raise InputError(f"these settings run code: allow it with --module {settings['module']}")
    settings = {key: value for key, value in settings.items() if key not in ("module", "module_digest")}
    if settings.get("stages") and (new_eta or flags["images"] or flags["target_error"] is not None):
        # Other values than those that were decided: the record of the decision does not go with them.
        dropped = ("stages", "asked_images", "target_error", "target_observable")
        settings = {key: value for key, value in settings.items() if key not in dropped}
    settings = settings | {key: value for key, value in flags.items() if value is not None}
    if flags["networks"] or flags["module"]:
        settings.pop("network_ids", None)
    if observable and settings.get("target_error") is not None and not settings.get("stages"):
        settings["target_observable"] = observable
    return settings


def noise_range(given: Sequence[float]) -> list[float]:
    """Return the noise values of ``--eta-range LO HI N``."""
    from physnn.errors import InputError
    from physnn.samples.noise.recipe import noise_values

    low, high, count = given
    if not (high > low and 2 <= count <= 10**5 and count == int(count)):
        raise InputError("--eta-range needs LO < HI and a whole number N >= 2, as in: --eta-range 0 0.4 13")
    return noise_values(low, high, int(count))


def langevin(values: list[float], convention: str, networks: Sequence[str], module: str | None = None) -> list[float]:
    """Convert noise values to the Langevin eta; the step size comes from the networks."""
    if convention == "langevin":
        return values
    if convention == "temperature":
        return [math.sqrt(2 * value) for value in values]
    from physnn.bundled import resolve
    from physnn.errors import InputError
    from physnn.networks.brought import step_sizes
    from physnn.store.network_file import read_networks

    if module:
        steps = step_sizes(module, tuple(networks))
    else:
        steps = {float(read_networks(resolve(name)).architecture["gamma"]) for name in networks}
    if len(steps) != 1:
        found = f"step sizes {sorted(steps)}" if steps else "no attribute gamma"
        raise InputError(f"the networks have {found}: give the noise in the langevin convention")
    gamma = steps.pop()
    rules = {
        "per-step": lambda a: a * math.sqrt(gamma),
        "increment-std": lambda s: s / math.sqrt(gamma),
        "increment-variance": lambda v: math.sqrt(v / gamma),
    }
    return [rules[convention](value) for value in values]
