"""``physnn train eos`` and ``physnn train pde``: what they train, and what they print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from physnn.cli import options as opt
from physnn.cli.call import Call, finished, resolve_device
from physnn.cli.output import print_json, print_table, print_told, progress_bar
from physnn.cli.training.printed import print_core_hours
from physnn.errors import InputError


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
        print_state(call)


def print_state(call: Call) -> None:
    """Draw and print errors of all arms in the end, and what may be claimed of them at every mark."""
    from physnn.answers.plots import plot_state
    from physnn.answers.training.equation_of_state import state_answer
    from physnn.reports.trained import tell_state

    out, figure, answer = call.out, plot_state(call.out), state_answer(call.out)
    if call.as_json:
        print_json({"file": str(out), "figure": str(figure)} | answer.as_json())
        return
    for told in tell_state(out):
        print_told(told)
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
    from physnn.machine import check_no_link
    from physnn.networks.pde.problems import PROBLEMS
    from physnn.samples.training.pde import PAPER, PdeRecipe

    if problem not in PROBLEMS:
        raise InputError(f"there is no problem {problem!r}; take one of {', '.join(PROBLEMS)}")
    call = Call.of(options, f"pde-{problem}.h5")
    preset = PAPER | {"points": PROBLEMS[problem].paper.domain} if paper else {}
    settings = call.settings(PdeRecipe, options, preset)
    if settings.setdefault("problem", problem) != problem:
        raise InputError(f"the settings are of {settings['problem']}, not of {problem}; name one of them")
    if call.device != "auto" or "device" not in settings:
        settings["device"] = resolve_device(call.device, settings.get("device", "cpu"), call.elsewhere) or "cpu"
    recipe = api.recipe("train-pde", call.out, call.extend, **settings)
    check_no_link(widths_of(call.out))
    if paper and not call.dry_run:
        print_core_hours(recipe, call)
    if finished(f"train pde {problem}", recipe, call, "trainings") is not None:
        print_pde(call)


def widths_of(out: Path) -> Path:
    """Table of last errors by width beside a file of networks."""
    return out.with_name(f"{out.stem}-widths.csv")


def print_pde(call: Call) -> None:
    """Draw and print errors of all arms in the end, and what may be claimed of them at every mark."""
    from physnn.answers.plots import plot_pde
    from physnn.answers.training.pde import column_of, pde_answers, tabled_arms, width_table
    from physnn.reports.trained import tell_pde
    from physnn.store.hdf5 import write_bytes

    out, figure, answers = call.out, plot_pde(call.out), pde_answers(call.out)
    widths, tabled = widths_of(out), tabled_arms(answers) if len(answers) > 1 else []
    if tabled:
        write_bytes(widths, width_table(answers).encode())
    if call.as_json:
        print_json({"file": str(out), "figure": str(figure), "widths": [each.as_json() for each in answers]})
        return
    for told in tell_pde(out):
        print_told(told)
    click.echo(f"networks {out}\nfigure   {figure}")
    if tabled:
        law = f"physnn fit {widths} --observable {column_of(tabled[0])} --at-criticality"
        click.echo(f"widths   {widths}\nlaw      {law}")
    elif len(answers) > 1:
        click.echo("widths   no table: errors of the widths need two seeds or more, as in --extend --seeds 0 1")


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
