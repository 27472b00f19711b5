"""Commands made from recipes: ``run``, ``sweep-percolation``, ``sweep-coupling``, ``train eos`` and ``train pde``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from physnn.cli import options as opt
from physnn.cli.call import Call, finished, planned, print_answer, read_config, resolve_device, run_and_print
from physnn.cli.files import line_option
from physnn.cli.output import print_json, print_table, progress_bar
from physnn.errors import InputError

COUPLING_RECIPE = "physnn.samples.coupling.recipe:CouplingSweep"
PERCOLATION_RECIPE = "physnn.samples.percolation.recipe:PercolationSweep"
OF_PERCOLATION = ("wrap_either", "wrap_one", "wrap_both", "largest_ratio", "largest", "cluster_size")
"""Observables of percolation; the first one is fitted by default."""
OF_OSCILLATORS = ("r", "r_cumulant", "locked", "local_order", "vortices")
"""Observables of oscillators; the first one is fitted by default."""


@click.command("run")
@click.argument("settings", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--module",
    metavar="FILE.py[:CLASS]",
    help="Where a kind is defined that physnn does not have, or a network or model of your own; its code is run.",
)
@click.option("--observable", help="What to fit at the end [default: what the file allows first].")
@line_option
@opt.extend_option("what its kind allows")
@opt.shard_option
@opt.dry_run_option
@opt.out_option("run.h5")
@opt.json_option
@opt.run_options
def run_command(settings: Path, module: str | None, **options: Any) -> None:
    """Run a recipe of any kind: SETTINGS is a file of them, TOML or JSON, or a file that physnn wrote.

    \b
    physnn run percolation.toml --module percolation.py --jobs 2 --out percolation.h5

    A rerun continues where an interrupted one stopped.
    """
    from physnn.networks.source import located
    from physnn.samples.kinds import class_of, load_kinds, recipe_from
    from physnn.samples.temperature.own_model import own_model
    from physnn.store.sweep_file import FORMAT

    call = Call.of(options, "run.h5")
    found = read_config(settings)
    if "kind" not in found:
        raise InputError(f'{settings} does not say its kind, as in: kind = "temperature"')
    if module and module.endswith(".py"):
        load_kinds(Path(module))
    elif module:
        found |= {"module": located(module)} if found["kind"] != "temperature" else own_model(module)
    elif found.get("module") and not found.get("tables"):
        raise InputError(f"these settings run code: allow it with --module {found['module']}")
    recipe = recipe_from(found, settings).resolved()
    lines = call.lines(recipe)
    count = finished("run", recipe, call)
    if count is None:
        return
    if recipe.kind in ("train-eos", "train-pde"):
        _print_trained(recipe.kind, call)
    elif class_of(recipe.kind, call.out).format != FORMAT:
        click.echo(f"{count} tasks run\nfile    {call.out}")
    else:
        print_answer(recipe, call, count, lines, call.observable)


@click.command("sweep-percolation", cls=opt.RecipeCommand, recipes=(PERCOLATION_RECIPE,))
@click.option("--observable", type=click.Choice(OF_PERCOLATION), help=f"What to fit [default: {OF_PERCOLATION[0]}].")
@opt.sweep_options("sweep-percolation.h5", "sizes, probabilities or series")
def sweep_percolation_command(**options: Any) -> None:
    """Sweep the occupation probability p of site percolation on square tori; fit, draw and print the answer.

    All p share the runs of a size.

    \b
    physnn sweep-percolation --L 16 32 64 128
    physnn sweep-percolation --L 32 64 --p 0.58 0.59 0.6 0.61 --runs 50000 --out fine.h5
    physnn sweep-percolation --extend --L 256 --series 16
    physnn sweep-percolation --observable largest_ratio

    A rerun continues where an interrupted one stopped.
    """
    from physnn.samples.percolation.recipe import PercolationSweep

    _sweep_on_cpu("percolation", PercolationSweep, OF_PERCOLATION[0], "percolation runs", options)


@click.command("sweep-coupling", cls=opt.RecipeCommand, recipes=(COUPLING_RECIPE,))
@click.option("--observable", type=click.Choice(OF_OSCILLATORS), help=f"What to fit [default: {OF_OSCILLATORS[0]}].")
@opt.sweep_options("sweep-coupling.h5", "sizes, couplings or series")
def sweep_coupling_command(**options: Any) -> None:
    """Sweep the coupling K of Kuramoto oscillators at several sizes; fit, draw and print the answer.

    All K share the frequencies of a realisation.

    \b
    physnn sweep-coupling --N 200 800 3200
    physnn sweep-coupling --N 1000 4000 --K 0.8 1 1.2 1.4 --frequencies gaussian --out gaussian.h5
    physnn sweep-coupling --frequencies equal --noise 0.5 --observable r_cumulant
    physnn sweep-coupling --network square --N 256 1024 --K 1 2 3 4
    physnn sweep-coupling --network edges.txt --K 0.5 1 1.5
    physnn sweep-coupling --extend --N 12800 --series 16

    A rerun continues where an interrupted one stopped.
    """
    from physnn.samples.coupling.recipe import CouplingSweep

    _sweep_on_cpu("coupling", CouplingSweep, OF_OSCILLATORS[0], "oscillators run", options)


def _sweep_on_cpu(kind: str, recipe: type[Any], observable: str, runs: str, options: dict[str, Any]) -> None:
    """Run a sweep of a kind that has no kernel for a GPU, and print its answer."""
    from physnn import api

    command = f"sweep-{kind}"
    call = Call.of(options, f"{command}.h5")
    call = replace(call, observable=call.observable or observable)
    if call.device == "cuda":
        raise InputError(f"{runs} on the CPU; leave --device out")
    settings = call.settings(recipe, options)
    run_and_print(command, api.recipe(kind, call.out, call.extend, **settings), call)


@click.command("eos", cls=opt.RecipeCommand, recipes=("physnn.samples.training.equation_of_state:StateTraining",))
@opt.file_options("eos.h5", "arms or seeds")
def eos(**options: Any) -> None:
    """Train masses of quasi-particles on the equation of state of quarks and gluons, in forms side by side.

    \b
    physnn train eos --arms raw expanded law --seeds 0 1 2 3 4 5 6 7
    physnn train eos --steps 20000 --seeds 8 9 10 11 12 13 14 15 --out long.h5

    Constants that are appended to the temperature change the bias of the first layer, see physnn.expansion_law; the
    other arms tell its parts.  Errors of all arms are compared over seeds at every mark of the training.
    """
    from physnn.samples.training.equation_of_state import StateTraining

    call = Call.of(options, "eos.h5")
    if call.device == "cuda":
        raise InputError("networks this small run on the CPU; leave --device out")
    from physnn import api

    recipe = api.recipe("train-eos", call.out, call.extend, **call.settings(StateTraining, options))
    if finished("train eos", recipe, call, "trainings") is not None:
        _print_trained(recipe.kind, call)


def _print_trained(kind: str, call: Call) -> None:
    """Draw and print the answer of networks that were trained in several forms."""
    from physnn.answers import plots

    if kind == "train-pde":
        _print_pde(call.out, plots.plot_pde(call.out), call.as_json)
    else:
        _print_state(call.out, plots.plot_state(call.out), call.as_json)


def _print_state(out: Path, figure: Path, as_json: bool) -> None:
    """Print errors of all arms in the end, and what may be claimed of them at every mark."""
    from physnn.answers.training.equation_of_state import state_answer

    answer = state_answer(out)
    if as_json:
        print_json({"file": str(out), "figure": str(figure)} | answer.as_json())
        return
    rows = [[arm, str(answer.loss[arm]), str(answer.chi2[arm]), f"{answer.bag[arm].value:.1%}"] for arm in answer.loss]
    header = ["arm", "mean squared deviation", "chi2/n", "largest share of dm/dT in e"]
    print_table(f"{answer.seeds} seeds after {answer.marks[-1]:,} steps, errors over seeds", header, rows)
    if told := claim_rows(answer.claims):
        print_table("claims, paired by seed", CLAIM_HEADER, told)
    click.echo(f"networks {out}\nfigure   {figure}")


@click.command("pde", cls=opt.RecipeCommand, recipes=("physnn.samples.training.pde:PdeRecipe",), leave=("problem",))
@click.argument("problem", metavar="NAME")
@click.option("--paper", is_flag=True, help="Size of the source: 5 x 100, 20,000 steps, its points, 30 seeds.")
@opt.file_options("pde-NAME.h5", "arms, seeds or widths")
def pde(problem: str, paper: bool, **options: Any) -> None:
    """Train networks to solve the differential equation NAME, in forms of the input side by side.

    \b
    physnn train pde burgers
    physnn train pde poisson --arms raw other expanded --width 16 32 64
    physnn train pde wave --paper --dry-run

    NAME is burgers, heat-long, heat-multiscale, kuramoto-sivashinsky, lid-driven, poisson, poisson3d,
    poisson-boltzmann, poisson-nd or wave.  Residuals at points are trained away; errors against a known solution are
    compared over seeds at every mark of the training.
    """
    from physnn import api
    from physnn.networks.pde.problems import PROBLEMS
    from physnn.samples.training.pde import PAPER, PdeRecipe

    if problem not in PROBLEMS:
        raise InputError(f"there is no problem {problem!r}; take one of {', '.join(PROBLEMS)}")
    call = Call.of(options, f"pde-{problem}.h5")
    settings = call.settings(PdeRecipe, options)
    if settings.setdefault("problem", problem) != problem:
        raise InputError(f"the settings are of {settings['problem']}, not of {problem}; name one of them")
    if paper:
        settings = PAPER | {"points": PROBLEMS[problem].paper.domain} | settings
    if call.device != "auto" or "device" not in settings:
        settings["device"] = resolve_device(call.device, settings.get("device", "cpu"), call.elsewhere) or "cpu"
    recipe = api.recipe("train-pde", call.out, call.extend, **settings)
    if paper and not call.dry_run:
        _print_core_hours(recipe, call)
    if finished(f"train pde {problem}", recipe, call, "trainings") is not None:
        _print_trained(recipe.kind, call)


def _print_core_hours(recipe: Any, call: Call) -> None:
    """Print what a large run takes, before it begins."""
    plan = planned(recipe, call)
    click.echo(f"about {plan['seconds'] * plan['jobs'] / 3600:.3g} core-hours; stop and go on at any time", err=True)


def _print_pde(out: Path, figure: Path, as_json: bool) -> None:
    """Print errors of all arms in the end, and what may be claimed of them at every mark."""
    from physnn.answers.training.pde import pde_answers, width_table
    from physnn.store.hdf5 import write_bytes

    answers = pde_answers(out)
    widths = out.with_name(f"{out.stem}-widths.csv")
    if several := len(answers) > 1:
        write_bytes(widths, width_table(answers).encode())
    if as_json:
        print_json({"file": str(out), "figure": str(figure), "widths": [each.as_json() for each in answers]})
        return
    for answer in answers:
        rows = [
            [arm, *(str(found.get(arm, "-")) for found in (answer.error, answer.max_error, answer.loss)), str(lost)]
            for arm, lost in answer.diverged.items()
        ]
        header = ["arm", "relative L2 error", "largest error", "loss", "diverged"]
        title = f"{answer.problem}, width {answer.width}: {answer.seeds} seeds after {answer.marks[-1]:,} steps"
        print_table(f"{title}, errors over seeds", header, rows)
        if told := claim_rows(answer.claims):
            print_table("claims, paired by seed", CLAIM_HEADER, told)
    click.echo(f"networks {out}\nfigure   {figure}")
    if several:
        click.echo(f"widths   {widths}\nlaw      physnn fit {widths} --observable raw --at-criticality")


CLAIM_HEADER = ["arm", "steps", "log10(error / raw)", "p, all marks", "a smaller error than raw"]
"""Columns of a table of claims."""


def claim_rows(claims: Sequence[Any]) -> list[list[str]]:
    """Rows of a table of claims; seeds that are not compared are told beside the verdict."""
    told = [f"{c.verdict}; {c.left_out} diverged, left out" if c.left_out else c.verdict for c in claims]
    return [
        [c.form, f"{c.mark:,}", str(c.difference), f"{c.p_value:.2g}", verdict]
        for c, verdict in zip(claims, told, strict=True)
    ]


def print_form_replicas(source: Path, seed: int, call: Call) -> None:
    """Print how far apart networks of every form of a file end, and draw it."""
    from physnn.analysis.replicas.distances import HEADLINE
    from physnn.answers.training.distances import KINDS_OF_DISTANCE, compared, form_replicas, save_replicas
    from physnn.figures.style import save
    from physnn.figures.training.distances import distances_figure

    with progress_bar("replicas", call.quiet) as progress:
        found = form_replicas(source, seed, progress)
    save_replicas(found, source, call.out)
    headline = {name: each.metrics[HEADLINE] for name, each in found.items()}
    drawn = distances_figure(headline, {name: each.error for name, each in found.items()})
    figure = save(drawn, call.out.with_suffix(".png"))
    if call.as_json:
        plain = [
            {"name": name, "n": len(next(iter(each.distances.values()))), "error": each.error.as_json()}
            | {"metrics": {kind: metric.estimate.as_json() for kind, metric in each.metrics.items()}}
            | {"weight_overlap": each.weight_overlap.mean.as_json()}
            for name, each in found.items()
        ]
        print_json({"file": str(call.out), "networks": str(source), "figure": str(figure), "forms": plain})
        return
    rows = [
        [
            name,
            *(str(each.metrics[kind].estimate) if kind in each.metrics else "" for kind in KINDS_OF_DISTANCE),
            str(each.weight_overlap.mean),
            str(each.error),
        ]
        for name, each in found.items()
    ]
    header = ["form", *(kind.replace("_", " ") for kind in KINDS_OF_DISTANCE), "overlap of weights", "last error"]
    n = len(next(iter(next(iter(found.values())).distances.values())))
    print_table(f"mean distance of {n} networks, errors over networks", header, rows)
    if comparison := compared(found):
        order, probability = next(iter(comparison.orderings.items()))
        click.echo(f"ordering {' > '.join(order)} in {probability:.0%} of the resamples of networks")
    click.echo(f"distances {call.out}\nfigure    {figure}")
