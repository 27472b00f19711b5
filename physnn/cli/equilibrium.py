"""``physnn sweep-noise --mode equilibrium``: long runs of unit vectors with any coupling."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from physnn.cli.options import RUN, ListOption, Number, Whole, stack, taken

DEFAULT_OUT = "sweep-equilibrium.h5"
OF_EQUILIBRIUM = (
    "model", "T", "sampler", "gamma", "rule", "start", "chains", "sweeps", "interval", "thermalisation", "noiseless",
    "clusters",
)  # fmt: skip
"""Options that belong to this mode alone."""
OF_TASKS = ("images", "steps", "steps_scaling", "density", "batch", "target_error")
equilibrium_options = stack(
    click.option(
        "--mode",
        type=click.Choice(["task", "equilibrium"]),
        help="Images shown to networks, or long runs [default: task; equilibrium with --model].",
    ),
    click.option(
        "--model",
        cls=ListOption,
        metavar="NAME...",
        example="xy",
        help="What runs: xy | on N | diagonal K1 K2... | rotated P/Q P/Q | coupling FILE.npy | network FILE[/SEED] "
        "[default: xy].",
    ),
    click.option("--T", "T", cls=ListOption, type=Number(0), metavar="T...", example="0.8 0.9", help="Temperatures."),
    click.option(
        "--sampler", type=click.Choice(["langevin", "metropolis", "mala"]), help="How it moves [default: langevin]."
    ),
    click.option("--gamma", type=Number(0), help="Step of langevin [default: 0.02 over the largest eigenvalue of J]."),
    click.option("--rule", type=click.Choice(["geodesic", "retract"]), help="Step rule [default: geodesic]."),
    click.option(
        "--start",
        type=click.Choice(["both", "ordered", "random", "image"]),
        help="First state; both: half of the chains ordered, half random [default: both].",
    ),
    click.option("--chains", type=Whole(1), help="Chains per size and temperature [default: 4]."),
    click.option("--sweeps", type=Whole(4), help="Measurements per chain [default: 2000]."),
    click.option("--interval", type=Whole(1), help="Moves between measurements [default: grows like L^2 from L = 16]."),
    click.option("--thermalisation", type=Whole(0), help="Measurements dropped first [default: 400]."),
    click.option("--noiseless", is_flag=True, help="Follow the noiseless trajectory of every chain, for overlaps."),
    click.option(
        "--clusters", is_flag=True, help="Reflect clusters before every measurement, for xy, on, diagonal and rotated."
    ),
)


def sweep_equilibrium(
    given: dict[str, Any],
    long: dict[str, Any],
    options: dict[str, Any],
    observable: str | None,
    device: str,
    *,
    out: Path | None,
    config: Path | None,
    as_json: bool,
    dry_run: bool,
    extend: bool,
    quiet: bool,
) -> None:
    """Run an equilibrium sweep from the options of ``sweep-noise``.

    Parameters
    ----------
    given : dict
        ``L``, ``eta``, ``eta_range``, ``convention`` and ``networks``, which mean something in both modes.
    long, options : dict
        The options of `OF_EQUILIBRIUM`, and all others.
    observable, device, out, config, as_json, dry_run, extend, quiet
        As they are.
    """
    from physnn import api
    from physnn.analysis.curves.observables import check_observable
    from physnn.cli.answers import print_plan, run_and_print
    from physnn.cli.options import read_config
    from physnn.errors import InputError
    from physnn.machine import check_folder
    from physnn.samples.base import check_names
    from physnn.samples.equilibrium.recipe import EquilibriumSweep
    from physnn.samples.files import plan

    if wrong := [name for name in OF_TASKS if options.pop(name) is not None]:
        raise InputError(f"--{wrong[0].replace('_', '-')} belongs to --mode task")
    if device == "cuda":
        raise InputError("equilibrium sweeps run on the CPU; leave --device out")
    check_observable(observable or "binder")
    run = taken(options, RUN)
    settings = read_config(config)
    check_names(EquilibriumSweep, settings)
    flags = {"L": given["L"], **long, **options, "T": _temperatures(given, long["T"]), "model": _model(given, long)}
    settings |= {key: value for key, value in flags.items() if value not in (None, (), False)}
    if flags["model"]:
        settings.pop("model_id", None)
        settings.pop("order", None)
    out = out or Path(DEFAULT_OUT)
    check_folder(out)
    if not settings.get("T") and not extend:
        raise InputError("an equilibrium sweep needs temperatures, as in: --T 0.8 0.9 1.0 1.1")
    recipe = api.equilibrium_recipe(out, extend, **settings)
    if dry_run:
        print_plan(plan(recipe, run["jobs"]), as_json)
        return
    run_and_print("sweep-noise", recipe, out, observable, extend, quiet, as_json, **run)


def _temperatures(given: dict[str, Any], T: tuple[float, ...]) -> tuple[float, ...]:
    """Return the temperatures asked for, as such or as noise; none if none are."""
    from physnn.cli.sweep import langevin, noise_range
    from physnn.errors import InputError

    eta, eta_range = given["eta"], given["eta_range"]
    if sum(map(bool, (T, eta, eta_range))) > 1:
        raise InputError("--T, --eta and --eta-range exclude each other; give one")
    values = list(eta) if eta else noise_range(eta_range) if eta_range else []
    if values and given["convention"] not in ("langevin", "temperature"):
        raise InputError("equilibrium sweeps take noise in the langevin or the temperature convention")
    found = T or tuple(float(f"{v**2 / 2:.12g}") for v in langevin(values, given["convention"], ()))
    if found and not (min(found) > 0 and math.isfinite(max(found))):
        raise InputError("temperatures of an equilibrium sweep must be above 0")
    return found


def _model(given: dict[str, Any], long: dict[str, Any]) -> tuple[str, ...]:
    from physnn.errors import InputError

    if given["networks"] and long["model"] not in ((), ("network",)):
        raise InputError("--networks and --model exclude each other; write --model network FILE")
    if len(given["networks"]) > 1:
        raise InputError("an equilibrium sweep has one network: write --model network FILE/SEED")
    return ("network", *given["networks"]) if given["networks"] else long["model"]
