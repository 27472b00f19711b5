"""``physnn path-integral``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from physnn.cli import options as opt
from physnn.cli.call import Call, run_and_print
from physnn.errors import InputError

PATH_RECIPE = "physnn.samples.quantum.reference_recipe:PathIntegral"
OF_WORLD_LINES = ("binder", "binder_time", "xi_time", "xi_space", "m_abs", "energy", "sigma_x")
"""Observables of world lines; the first one is fitted by default."""


@click.command("path-integral", cls=opt.RecipeCommand, recipes=(PATH_RECIPE,))
@click.option("--observable", type=click.Choice(OF_WORLD_LINES), help=f"What to fit [default: {OF_WORLD_LINES[0]}].")
@opt.sweep_options("path-integral.h5", "sizes, fields, chains or sweeps")
def path_integral_command(**options: Any) -> None:
    """Sample Ising spins in a transverse field h without bias, in space and imaginary time; fit, draw and print.

    Clusters of world lines are turned; there is no grid in time, and no error besides that of statistics.
    Temperatures follow the size, so that the ground state is near and z = 1 keeps the shape.

    \b
    physnn path-integral --L 8 16 32 --h 0.9 0.95 1 1.05 1.1 --out tfim-reference.h5
    physnn path-integral --dimension 2 --L 4 6 8 12 --out square.h5
    physnn path-integral --L 16 --h 0.5 1 1.5 --beta 2 --open
    physnn path-integral --extend --L 64 --sweeps 20000
    physnn path-integral --observable xi_time

    A rerun continues where an interrupted one stopped.
    """
    from physnn import api
    from physnn.samples.quantum.reference_recipe import PathIntegral

    call = Call.of(options, "path-integral.h5")
    call = replace(call, observable=call.observable or OF_WORLD_LINES[0])
    if call.device == "cuda":
        raise InputError("world lines move on the CPU; leave --device out")
    settings = call.settings(PathIntegral, options)
    run_and_print("path-integral", api.recipe("path-integral", call.out, call.extend, **settings), call)
