"""``physnn sweep-noise`` and ``sweep-temperature``."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from physnn.cli import options as opt
from physnn.cli.call import Call, choose_algorithm, planned, read_config, resolve_device, run_and_print, run_recipe
from physnn.cli.files import line_option
from physnn.errors import InputError

if TYPE_CHECKING:
    from physnn.samples.memory.recipe import MemorySweep
    from physnn.samples.noise.recipe import NoiseSweep

NOISE_RECIPE = "physnn.samples.noise.recipe:NoiseSweep"
EQUILIBRIUM_RECIPE = "physnn.samples.equilibrium.recipe:EquilibriumSweep"
TEMPERATURE_RECIPE = "physnn.samples.temperature.recipe:TemperatureSweep"
CONVENTIONS = ("langevin", "per-step", "increment-std", "increment-variance", "temperature")
OF_SWEEPS = ("rmse", "rmse_per_image", "overlap", "energy")
"""Observables that every noise sweep has."""
OF_OWN_NETWORKS = ("binder", "m_abs")
"""Observables that networks of users have as well, if there is an order parameter."""


@click.command(
    "sweep-noise", cls=opt.RecipeCommand, recipes=(NOISE_RECIPE, EQUILIBRIUM_RECIPE), second="With --mode equilibrium"
)
@opt.eta_range_option("0 0.4 13")
@click.option(
    "--noise-convention",
    type=click.Choice(CONVENTIONS),
    default="langevin",
    show_default=True,
    help="What --eta and --eta-range mean; files always store the Langevin eta.",
)
@opt.module_option
@click.option(
    "--mode",
    type=click.Choice(["task", "equilibrium"]),
    help="Images shown to networks, or long runs [default: task; equilibrium with --model].",
)
@click.option("--observable", help="What to fit at the end, and what --target-error means [default: rmse].")
@click.option(
    "--memory/--no-memory",
    default=True,
    show_default=True,
    help="Measure as well how long the networks keep a domain, into OUT-memory.h5; see physnn memory.",
)
@opt.sweep_options("sweep-noise.h5", "sizes, noise values, images or networks")
def sweep_noise_command(
    mode: str | None, eta_range: tuple[float, ...] | None, noise_convention: str, memory: bool, **options: Any
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
    if mode is None:
        long = options["model"] or read_config(options["config"]).get("kind") == "equilibrium"
        mode = "equilibrium" if long else "task"
    # Noise values and networks mean something in both modes.
    of_tasks = {"module", *opt.described(NOISE_RECIPE)} - {"L", "eta", "networks"}
    of_chains = opt.described(EQUILIBRIUM_RECIPE).keys() - {"L"}
    other, foreign = ("task", of_tasks) if mode == "equilibrium" else ("equilibrium", of_chains)
    taken = {name: options.pop(name) for name in list(options) if name in foreign}
    if wrong := list(opt.given(taken)):
        raise InputError(f"--{wrong[0].replace('_', '-')} belongs to --mode {other}")
    values = noise_given(options.pop("eta"), eta_range)
    if mode == "equilibrium":
        _equilibrium(Call.of(options, "sweep-equilibrium.h5"), options, values, noise_convention)
    else:
        _task(Call.of(options, "sweep-noise.h5"), options, values, noise_convention, memory)


def noise_given(eta: Sequence[float], eta_range: Sequence[float] | None) -> list[float]:
    """Noise values of ``--eta`` or ``--eta-range LO HI N``; none if none are given."""
    if eta and eta_range:
        raise InputError("--eta and --eta-range exclude each other; give one")
    if not eta_range:
        return list(eta)
    from physnn.samples.noise.recipe import noise_values

    low, high, count = eta_range
    if not (high > low and 2 <= count <= 10**5 and count == int(count)):
        raise InputError("--eta-range needs LO < HI and a whole number N >= 2, as in: --eta-range 0 0.4 13")
    return noise_values(low, high, int(count))


def langevin_noise(
    values: list[float], convention: str, networks: Sequence[str], module: str | None = None
) -> list[float]:
    """Convert noise values to the Langevin eta; the step size comes from the networks."""
    if convention == "langevin":
        return values
    if convention == "temperature":
        return [math.sqrt(2 * value) for value in values]
    from physnn.networks.brought import step_sizes
    from physnn.shipped import resolve
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


def _task(call: Call, options: dict[str, Any], values: list[float], convention: str, memory: bool) -> None:
    """Run a noise sweep, print its answer, and then the memory sweep that goes with it."""
    from physnn.analysis.curves.observables import check_observable
    from physnn.shipped import resolve

    check_observable(call.observable or "rmse", OF_SWEEPS + (OF_OWN_NETWORKS if options["module"] else ()))
    settings = _noise_settings(call, options, bool(values))
    names = settings.get("networks", () if settings.get("module") else ("kuramoto_symmetric",))
    if isinstance(names, list | tuple):
        for name in names:
            resolve(str(name))
    settings["device"] = resolve_device(call.device, settings.get("device"), call.elsewhere)
    if values:
        settings["eta"] = langevin_noise(values, convention, names, settings.get("module"))
    from physnn import api
    from physnn.samples.noise.recipe import NoiseSweep

    recipe = api.recipe("noise", call.out, call.extend, **settings)
    if memory and isinstance(recipe, NoiseSweep):
        run_both(recipe, call)
    else:
        run_and_print("sweep-noise", recipe, call)


def _noise_settings(call: Call, options: dict[str, Any], new_eta: bool) -> dict[str, Any]:
    """Settings of a configuration file with options over them."""
    from physnn.samples.noise.recipe import NoiseSweep

    found = call.settings(NoiseSweep, {})
    if found.get("module") and not options["module"]:
        raise InputError(f"these settings run code: allow it with --module {found['module']}")
    dropped = {"module", "module_digest"}
    if found.get("stages") and (new_eta or options["images"] or options["target_error"] is not None):
        # Other values than those that were decided: the record of the decision does not go with them.
        dropped |= {"stages", "asked_images", "target_error", "target_observable"}
    if options["networks"] or options["module"]:
        dropped |= {"network_ids"}
    settings = {key: value for key, value in found.items() if key not in dropped} | opt.given(options)
    return _with_target(call, settings)


def _with_target(call: Call, settings: dict[str, Any]) -> dict[str, Any]:
    """Let a target error that is not decided upon be that of the observable asked for."""
    target = call.observable and settings.get("target_error") is not None and not settings.get("stages")
    return settings | ({"target_observable": call.observable} if target else {})


def run_both(recipe: NoiseSweep, call: Call) -> None:
    """Run a noise sweep and the memory sweep that goes with it; print what each shows as soon as it is there.

    What goes wrong with the second leaves the answer of the first as it is.  One JSON object holds both.
    """
    from physnn.answers.memory import companion_path
    from physnn.cli.answers import Answer, both_answer, no_memory, print_missing, print_plans, sweep_answer

    place = companion_path(call.out)
    if call.dry_run:
        other, lack = _companion(recipe, call)
        plans = {"task": planned(recipe, call)} | ({"memory": planned(other, call)} if other else {})
        print_plans(plans, call.as_json)
        return
    begun = time.monotonic()
    counts = {"task": (call.out, *run_recipe("sweep-noise", recipe, call))}
    task = None
    if call.out.exists() and not counts["task"][2]:
        task = sweep_answer(call.out, call.observable or recipe.target_observable, counts["task"][1])
        if not call.as_json:
            task.print()
    other, lack = _companion(recipe, call)
    if other:
        left = call.run["max_time"] and max(1e-3, call.run["max_time"] - (time.monotonic() - begun))
        own = replace(call, out=place, extend=True, run=call.run | {"max_time": left})
        try:
            counts["memory"] = (place, *run_recipe("memory", other, own))
        except InputError as error:
            other, lack = None, f"memory is not measured: {error}"
    if task is None or (other and (counts["memory"][2] or not place.exists())):
        unsaid = counts if task is None or call.as_json else {"memory": counts["memory"]}
        print_missing(call.run["shard"], unsaid, call.as_json)
        return
    said = both_answer(call.out, place) if other else no_memory(lack)
    Answer(task.plain | said.plain, said.show).print(call.as_json)


def _companion(recipe: NoiseSweep, call: Call) -> tuple[MemorySweep | None, str]:
    """Recipe of the memory sweep that goes with a noise sweep, or why there is none.

    Its runs are as long, and as many, as those of an older one beside the file, which it extends, unless all begins
    anew.
    """
    from physnn import api
    from physnn.answers.memory import companion_path, companion_settings
    from physnn.samples.files import recipe_on_disk
    from physnn.samples.memory.recipe import MemorySweep

    if recipe.device == "cuda":
        return None, "memory is measured on the CPU: physnn memory"
    old = recipe_on_disk(call.out) if call.extend else None
    settings = companion_settings(recipe.model_copy(update={"L": tuple(sorted({*recipe.L, *(old.L if old else ())}))}))
    if settings is None:
        return None, "memory is measured in networks of our own kinds, on lattices of 4 x 4 or more"
    try:
        before = None if call.run["restart"] else recipe_on_disk(companion_path(call.out))
        if isinstance(before, MemorySweep):
            settings |= {"longest": max(settings["longest"], before.longest), "replicas": before.replicas}
        found = api.recipe("memory", **settings)
        assert isinstance(found, MemorySweep)
        return found, ""
    except InputError as error:
        # What a memory sweep cannot do (layers that end, say) is no failure of the noise sweep.
        return None, f"memory is not measured: {error}"


def _equilibrium(call: Call, options: dict[str, Any], values: list[float], convention: str) -> None:
    """Run an equilibrium sweep from the options of ``sweep-noise``."""
    from physnn.analysis.curves.observables import check_observable
    from physnn.samples.equilibrium.recipe import EquilibriumSweep

    if call.device == "cuda":
        raise InputError("equilibrium sweeps run on the CPU; leave --device out")
    check_observable(call.observable or "binder")
    options["T"] = _temperatures(options["T"], values, convention)
    options["model"] = _model(options.pop("networks"), options["model"])
    settings = call.settings(EquilibriumSweep, options)
    if options["model"]:
        settings = {key: value for key, value in settings.items() if key not in ("model_id", "order")}
    if not settings.get("T") and not call.extend:
        raise InputError("an equilibrium sweep needs temperatures, as in: --T 0.8 0.9 1.0 1.1")
    from physnn import api

    run_and_print("sweep-noise", api.recipe("equilibrium", call.out, call.extend, **settings), call)


def _temperatures(T: tuple[float, ...], values: list[float], convention: str) -> tuple[float, ...]:
    """Temperatures asked for, as such or as noise; none if none are."""
    if T and values:
        raise InputError("--T, --eta and --eta-range exclude each other; give one")
    if values and convention not in ("langevin", "temperature"):
        raise InputError("equilibrium sweeps take noise in the langevin or the temperature convention")
    found = T or tuple(float(f"{v**2 / 2:.12g}") for v in langevin_noise(values, convention, ()))
    if found and not (min(found) > 0 and math.isfinite(max(found))):
        raise InputError("temperatures of an equilibrium sweep must be above 0")
    return found


def _model(networks: tuple[str, ...], model: tuple[str, ...]) -> tuple[str, ...]:
    """Words that name the model, which may be a network."""
    if networks and model not in ((), ("network",)):
        raise InputError("--networks and --model exclude each other; write --model network FILE")
    if len(networks) > 1:
        raise InputError("an equilibrium sweep has one network: write --model network FILE/SEED")
    return ("network", *networks) if networks else model


@click.command("sweep-temperature", cls=opt.RecipeCommand, recipes=(TEMPERATURE_RECIPE,), leave=("tempering",))
@click.option("--model", type=click.Choice(["ising", "potts", "clock"]), help="Lattice model [default: ising].")
@click.option(
    "--module",
    metavar="FILE.py:CLASS",
    help="A model of your own in its place: the class, with q and bond_energy(a, b), from a file or an installed "
    "package.module:CLASS.  Its code is run, once.",
)
@click.option(
    "--tempering", is_flag=False, flag_value="given", type=click.Choice(["given", "acceptance", "feedback"]),
    help="Exchange replicas between the temperatures of a size; placed by pilots for equal swap rates or by feedback.",
)  # fmt: skip
@click.option("--observable", help="What to fit at the end, and what --target-error means [default: binder].")
@line_option
@opt.sweep_options("sweep-temperature.h5", "sizes, temperatures, chains or sweeps")
def sweep_temperature_command(**options: Any) -> None:
    """Sweep the temperature of the 2D Ising or Potts model at several sizes; fit, draw and print the answer.

    \b
    physnn sweep-temperature --L 16 32 64 128
    physnn sweep-temperature --model potts --q 3
    physnn sweep-temperature --L 8 --T 2.0 2.5 3.0 4.0 --field 0.1 --algorithm metropolis
    physnn sweep-temperature --extend --sweeps 20000
    physnn sweep-temperature --target-error 0.0001 --out precise.h5
    physnn sweep-temperature --device cuda --L 1024 2048 4096
    physnn sweep-temperature --L 8 --T 1.5 2 2.5 4 --tempering
    physnn sweep-temperature --module my_model.py:BlumeCapel --L 8 16 --T 0.5 0.6 0.7 0.8 --algorithm metropolis

    A rerun continues where an interrupted one stopped.
    """
    from physnn.analysis.curves.observables import check_observable
    from physnn.samples.temperature.recipe import TemperatureSweep

    call = Call.of(options, "sweep-temperature.h5")
    check_observable(call.observable or "binder")
    settings = _with_target(call, call.settings(TemperatureSweep, options))
    if options["model"] and options["module"]:
        raise InputError("--model and --module exclude each other; give one")
    if options["module"] or options["model"]:
        stale = {"model", "module", "module_digest", "tables"} - opt.given(options).keys()
        settings = {name: value for name, value in settings.items() if name not in stale}
    elif settings.get("module") and not settings.get("tables"):
        raise InputError(f"these settings run code: allow it with --module {settings['module']}")
    choose_algorithm(settings, call.device, call.elsewhere)
    from physnn import api

    run_and_print("sweep-temperature", api.recipe("temperature", call.out, call.extend, **settings), call)
