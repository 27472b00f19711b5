"""``physnn train eos`` and ``physnn train pde``: networks in several forms of the input, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from physnn.cli import options as opt
from physnn.cli.call import Call, finished, planned
from physnn.cli.output import print_json, print_table
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
    from physnn.answers.plots import plot_state
    from physnn.samples.training.equation_of_state import StateTraining

    call = Call.of(options, "eos.h5")
    if call.device == "cuda":
        raise InputError("networks this small run on the CPU; leave --device out")
    from physnn import api

    recipe = api.recipe("train-eos", call.out, call.extend, **call.settings(StateTraining, options))
    if finished("train eos", recipe, call, "trainings") is not None:
        _print_state(call.out, plot_state(call.out), call.as_json)


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
        settings["device"] = "cuda" if call.device == "cuda" else "cpu"
    recipe = api.recipe("train-pde", call.out, call.extend, **settings)
    if paper and not call.dry_run:
        _print_core_hours(recipe, call)
    if finished(f"train pde {problem}", recipe, call, "trainings") is not None:
        from physnn.answers.plots import plot_pde

        _print_pde(call.out, plot_pde(call.out), call.as_json)


def _print_core_hours(recipe: Any, call: Call) -> None:
    """Print what a large run takes, before it begins."""
    plan = planned(recipe, call)
    click.echo(f"about {plan['seconds'] * plan['jobs'] / 3600:.3g} core-hours; stop and go on at any time", err=True)


def _print_pde(out: Path, figure: Path, as_json: bool) -> None:
    """Print errors of all arms in the end, and what may be claimed of them at every mark."""
    from physnn.answers.training.pde import pde_answers

    answers = pde_answers(out)
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


CLAIM_HEADER = ["arm", "steps", "log10(error / raw)", "p, all marks", "a smaller error than raw"]
"""Columns of a table of claims."""


def claim_rows(claims: Sequence[Any]) -> list[list[str]]:
    """Rows of a table of claims."""
    return [[c.form, f"{c.mark:,}", str(c.difference), f"{c.p_value:.2g}", c.verdict] for c in claims]
