"""``physnn sweep-temperature``: lattice models, the yardstick of all transitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from physnn.cli.options import (
    RUN,
    ListCommand,
    ListOption,
    Number,
    Whole,
    config_option,
    json_option,
    out_option,
    run_options,
    seed_option,
    shard_option,
    taken,
)

DEFAULT_OUT = "sweep-temperature.h5"


@click.command("sweep-temperature", cls=ListCommand)
@click.option(
    "--L",
    "L",
    cls=ListOption,
    type=Whole(2),
    metavar="L...",
    example="16 32 64 128",
    help="Sizes: sides of the square torus [default: 16 32 64 128].",
)
@click.option(
    "--T", "T", cls=ListOption, type=Number(0), metavar="T...", example="2.2 2.3", help="Temperatures, J/k_B."
)
@click.option("--points", type=Whole(2), help="Temperatures of every size where --T is not given [default: 13].")
@click.option(
    "--window",
    type=Number(0),
    help="They are T_0 (1 + u/L), |u| up to this; T_0 is the critical temperature to two places [default: 0.8].",
)
@click.option("--model", type=click.Choice(["ising", "potts"]), help="[default: ising]")
@click.option("--q", type=Whole(2), help="Colours of the Potts model, 2 to 4 [default: 3].")
@click.option("--field", type=float, help="Field h of the Ising model [default: 0].")
@click.option("--coupling", type=float, help="Coupling J [default: 1].")
@click.option(
    "--algorithm",
    help="wolff, swendsen-wang, metropolis or heat-bath (even L), metropolis-random, heat-bath-random, or multispin "
    "(L a multiple of 128; with --device cuda of 64) [default: wolff; with --device cuda multispin].",
)
@click.option(
    "--sweeps",
    type=Whole(1),
    help="Measurements per chain, a sweep apart, 20 sweeps for multispin [default: 5000, Potts 20000, and "
    "128/L times as many at L < 128].",
)
@click.option("--thermalisation", type=Whole(0), help="Sweeps before the first measurement [default: 400].")
@click.option("--chains", type=Whole(1), help="Independent chains per size and temperature [default: 4].")
@click.option("--snapshots", type=Whole(0), help="Keep the configuration of every so many measurements [default: 0].")
@click.option("--extend", is_flag=True, help="Add sizes, temperatures, chains or sweeps to a finished file.")
@click.option(
    "--target-error",
    type=Number(0),
    metavar="ERROR",
    help="Measure until the critical temperature has this error (absolute; half its 68 % interval): a pilot with a "
    "quarter of --sweeps decides sweeps, and with --T also temperatures, at most 64 times its cost.",
)
@click.option("--observable", help="What to fit at the end, and what --target-error means [default: binder].")
@shard_option
@click.option("--dry-run", is_flag=True, help="List the tasks with time, memory and file size; run nothing.")
@seed_option
@out_option(DEFAULT_OUT)
@config_option
@json_option
@run_options
def sweep_temperature(
    L: tuple[int, ...],
    T: tuple[float, ...],
    out: Path | None,
    config: Path | None,
    as_json: bool,
    dry_run: bool,
    extend: bool,
    observable: str | None,
    quiet: bool,
    device: str,
    debug: bool,
    **options: Any,
) -> None:
    """Sweep the temperature of the 2D Ising or Potts model at several sizes; fit, draw and print the answer.

    \b
    physnn sweep-temperature --L 16 32 64 128
    physnn sweep-temperature --model potts --q 3
    physnn sweep-temperature --L 8 --T 2.0 2.5 3.0 4.0 --field 0.1 --algorithm metropolis
    physnn sweep-temperature --extend --sweeps 20000
    physnn sweep-temperature --target-error 0.0001 --out precise.h5
    physnn sweep-temperature --device cuda --L 1024 2048 4096

    A rerun continues where an interrupted one stopped.
    """
    from physnn import api
    from physnn.analysis.curves.observables import check_observable
    from physnn.cli.answers import print_plan, run_and_print
    from physnn.cli.options import read_config
    from physnn.errors import InputError
    from physnn.machine import check_folder
    from physnn.samples.base import check_names
    from physnn.samples.files import plan
    from physnn.samples.temperature.recipe import TemperatureSweep

    check_observable(observable or "binder")
    out = out or Path(DEFAULT_OUT)
    if out.suffix == ".png":
        raise InputError(f"{out} is where the figure would go; choose an --out that ends in .h5")
    check_folder(out)
    run = taken(options, RUN)
    settings = read_config(config)
    check_names(TemperatureSweep, settings)
    flags = {"L": L or None, "T": T or None, **options}
    settings |= {key: value for key, value in flags.items() if value is not None}
    _choose_device(settings, device, str(run["executor"]).startswith("dask:"))
    if observable and settings.get("target_error") is not None and not settings.get("stages"):
        settings["target_observable"] = observable
    recipe = api.temperature_recipe(out, extend, **settings)
    if dry_run:
        print_plan(plan(recipe, run["jobs"]), as_json)
        return
    run_and_print("sweep-temperature", recipe, out, observable, extend, quiet, as_json, **run)


def _choose_device(settings: dict[str, Any], device: str, elsewhere: bool) -> None:
    """Put the algorithm for a device into settings: on a GPU it is another one, with random numbers of its own.

    Raises
    ------
    InputError
        If the algorithm asked for does not run on the device.
    Unfinished
        If there is no GPU here, and tasks do not run ``elsewhere``.
    """
    from physnn.errors import InputError
    from physnn.kernels import gpu

    algorithm = settings.get("algorithm")
    if device == "cuda":
        if algorithm not in (None, "multispin", "multispin-gpu"):
            raise InputError(f"{algorithm} does not run on a GPU; leave --device out, or take --algorithm multispin")
        settings["algorithm"] = algorithm = "multispin-gpu"
    if algorithm == "multispin-gpu":
        if device == "cpu":
            raise InputError("multispin-gpu needs a GPU; take --algorithm multispin with --device cpu")
        if not elsewhere:
            gpu.place()
