"""``physnn train rbm``, and what a comparison of its file with a sweep prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from physnn.cli import options as opt
from physnn.cli.call import Call, finished
from physnn.cli.output import print_json, print_table, print_told
from physnn.errors import InputError


@click.command("rbm", cls=opt.RecipeCommand, recipes=("physnn.samples.boltzmann.recipe:BoltzmannRecipe",))
@opt.file_options("rbm.h5", "seeds")
def rbm(**options: Any) -> int:
    """Train restricted Boltzmann machines on snapshots of a lattice sweep, and judge what they generate.

    \b
    physnn sweep-temperature --L 8 --T 2.269 --sweeps 20000 --snapshots 2 --out ising.h5
    physnn train rbm --data ising.h5 --hidden 64 --seeds 0 1
    physnn train rbm --data ising.h5 --hidden 16 --method exact --steps 4000 --out exact.h5
    physnn train rbm --data ising.h5 --hidden 64 16 --out stack.h5
    physnn train rbm --data ising.h5 --features 2 --whiten --average --k 5 --lr 0.05 --last-lr 0.005 --out s.h5

    There is a machine for every size, temperature and seed.  Energies and magnetisations of what they generate are in
    the file, as those of a sweep: fit reads them, and compare says what they got wrong.

    Exit status 0: done; 3: a training left its way, and its machine is worse than none.
    """
    from physnn import api
    from physnn.samples.boltzmann.recipe import BoltzmannRecipe

    call = Call.of(options, "rbm.h5")
    if call.device == "cuda":
        raise InputError("Boltzmann machines run on the CPU; leave --device out")
    settings = call.settings(BoltzmannRecipe, options)
    if "data" not in settings and not call.extend:
        raise InputError("name the snapshots to train on, as in: --data ising.h5")
    recipe = api.recipe("train-rbm", call.out, call.extend, **settings)
    return 0 if finished("train rbm", recipe, call, "trainings") is None else print_machines(call)


def print_machines(call: Call) -> int:
    """Draw and print machines beside their data; 0, or 3 where a training has left its way."""
    return print_compared(call.out, None, None, call.as_json, deviations=False)


def print_compared(out: Path, data: Path | None, figure: Path | None, as_json: bool, deviations: bool = True) -> int:
    """Draw and print machines beside their data or another sweep; 0, or 3 where one failed, or something deviates."""
    from physnn.answers.plots import plot_machines
    from physnn.answers.training.boltzmann import machine_answers
    from physnn.reports.physics import told_machines

    answers = machine_answers(out, data)
    drawn = plot_machines(out, figure, data, answers)
    status = 3 if any(answer.failed or (deviations and answer.remarks) for answer in answers) else 0
    if as_json:
        plain = {"file": str(out), "figure": str(drawn), "machines": [answer.as_json() for answer in answers]}
        print_json(plain | ({"data": str(data)} if data else {}))
        return status
    print_told(told_machines(answers))
    click.echo(f"machines {out}\nfigure   {drawn}")
    return status


def holds_machines(path: Path) -> bool:
    """Whether a file holds Boltzmann machines; what cannot be read is told by whatever reads it."""
    return holds_kind(path, "train-rbm")


def holds_kind(path: Path, kind: str) -> bool:
    """Whether a file is a sweep of a kind."""
    from physnn.store.hdf5 import is_hdf5
    from physnn.store.sweep_file import kind_of

    if not is_hdf5(path):
        return False
    recipe = kind_of(path)[1].get("recipe", "")
    return f'"kind": "{kind}"' in str(recipe) or f'"kind":"{kind}"' in str(recipe)


def print_machine_flow(file: Path, figure: Path | None, seed: int, random: bool, as_json: bool) -> int:
    """Print where machines lead under v -> h -> v, and what may be claimed; 0, or 3 where starts have not met."""
    from physnn.answers.training.reconstruction import SAME_WITHIN, flow_rows, machine_flows

    flows, drawn = machine_flows(file, seed, random), None
    if figure:
        from physnn.answers.plots import plot_reconstruction

        drawn = plot_reconstruction(flows, figure)
    status = 3 if any(flow.together > SAME_WITHIN for flow in flows) else 0
    if as_json:
        plain = {"file": str(file), "figure": str(drawn) if drawn else None, "random": random}
        print_json(plain | {"flows": [flow.as_json() for flow in flows]})
        return status
    header = ["L", "T trained", "T* by energy", "T* by G(r)", "p of G(r)", "starts apart", "trace", "2nd eigenvalue"]
    title = f"fixed points of v -> h -> v{', weights at random places' if random else ''}"
    print_table(title, header, flow_rows(flows))
    for flow in flows:
        for claim, verdict in flow.claims.items():
            click.echo(f"L = {flow.L}, T = {flow.T:.5g}: {claim}: {verdict}")
    if drawn:
        click.echo(f"figure  {drawn}")
    return status
