"""``physnn ground-state``."""

from __future__ import annotations

from typing import Any

import click

from physnn.cli import options as opt
from physnn.cli.call import Call, finished
from physnn.cli.output import print_json, print_told
from physnn.errors import InputError

GROUND_RECIPE = "physnn.samples.quantum.recipe:GroundState"


@click.command("ground-state", cls=opt.RecipeCommand, recipes=(GROUND_RECIPE,))
@opt.file_options("ground-state.h5", "sizes, parameters or seeds")
def ground_state_command(**options: Any) -> int:
    """Train Boltzmann machines to ground states of quantum spins, and say whether their order has converged.

    \b
    physnn ground-state --model tfim --L 8 16 --h 0.9 0.95 1 1.05 1.1 --out tfim.h5
    physnn ground-state --model heisenberg --dimension 2 --L 4 --symmetry lattice
    physnn ground-state --model j1j2 --L 12 --J2 0.2 0.4 --seeds 0 1 2 3
    physnn ground-state --extend --L 32 --out tfim.h5
    physnn fit tfim.h5

    There is a machine for every size, parameter and seed.  Exit status 3 where order has not converged somewhere; a
    fit of such a file is undecided.
    """
    from physnn import api
    from physnn.samples.quantum.recipe import GroundState

    call = Call.of(options, "ground-state.h5")
    if call.device == "cuda":
        raise InputError("ground states are trained on the CPU; leave --device out")
    settings = call.settings(GroundState, options)
    recipe = api.recipe("ground-state", call.out, call.extend, **settings)
    if finished("ground-state", recipe, call, "trainings") is None:
        return 0
    return print_ground(call)


def print_ground(call: Call) -> int:
    """Print energies, order, and whether it has converged; 0, or 3 where it has not."""
    from physnn.answers.quantum.ground_states import convergences, judged_json
    from physnn.reports.physics import tell_ground
    from physnn.store.hdf5 import content_digest
    from physnn.store.sweep_file import read_sweep

    sweep = read_sweep(call.out, states=False)
    judged = convergences(sweep)
    status = 3 if any(one.reasons for one in judged) else 0
    if call.as_json:
        print_json({"file": str(call.out), "digest": content_digest(call.out), "points": judged_json(judged)})
        return status
    for told in tell_ground(call.out):
        print_told(told)
    click.echo(f"machines {call.out}")
    return status
