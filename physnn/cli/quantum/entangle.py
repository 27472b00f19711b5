"""``physnn entangle``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from physnn.cli import options as opt
from physnn.cli.files import check_files
from physnn.cli.output import print_json, progress_bar
from physnn.cli.reports.paged import page_option, print_computed, put_on_page
from physnn.errors import InputError

if TYPE_CHECKING:
    from physnn.answers.quantum.entanglement import CutTable
    from physnn.models.quantum import QuantumModel

USUAL_RANDOM, USUAL_SPREADS = (8, 10, 12), (0.3, 1.0)
"""Sites of random machines, and spreads of their Gaussian weights."""


@click.command("entangle", cls=opt.ListCommand)
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--model", type=click.Choice(["tfim", "heisenberg", "xxz", "j1j2"]), help="Model [default: tfim].")
@click.option(
    "--L", "L", cls=opt.ListOption, type=opt.Whole(2), example="8 16 32", metavar="L...",
    help="Sites of a chain, or side of a square lattice; of random machines all sites "
    "[default: 8 16 32 of tfim chains, else 8 12 16, or 4; 8 10 12 at random].",
)  # fmt: skip
@click.option("--h", "h", cls=opt.ListOption, type=opt.Number(), example="0.9 1", metavar="H...",
              help="Transverse fields of tfim, in J [default: 1].")  # fmt: skip
@click.option("--delta", type=opt.Number(), help="Anisotropy of xxz [default: 1].")
@click.option("--J2", "J2", type=opt.Number(), help="Coupling of next-nearest neighbours of j1j2, in J1 [default: 0].")
@click.option("--dimension", type=opt.Whole(1, 2), default=1, show_default=True, help="1: chains; 2: square lattices.")
@click.option("--open", "is_open", is_flag=True, help="Let bonds end at the border.")
@click.option(
    "--method", type=click.Choice(["auto", "exact", "free-fermions", "svd", "swap"]), default="auto", show_default=True,
    help="Of models: free-fermions (tfim chains), exact, by diagonalisation, or swap of draws from that state. Of "
    "machines in FILE: svd of all amplitudes, or swap in Monte Carlo.",
)  # fmt: skip
@click.option("--random", "kind", type=click.Choice(["gaussian", "quarter"]),
              help="Random machines: normal complex weights, or 0 and +-i pi/4.")  # fmt: skip
@click.option(
    "--draws",
    type=opt.Whole(2),
    default=100,
    show_default=True,
    help="Random machines of every size; of swaps, draws of a chain.",
)
@click.option(
    "--alpha", type=opt.Whole(1), default=1, show_default=True, help="Hidden units over sites, of random ones."
)
@click.option("--spread", cls=opt.ListOption, type=opt.Number(0), example="0.3 1", metavar="S...",
              help="Standard deviations of Gaussian weights, real and imaginary parts [default: 0.3 1].")  # fmt: skip
@click.option("--reach", type=opt.Whole(0), help="Sites that a random hidden unit reaches to each side [default: all].")
@opt.out_option("none; CSV of all cuts")
@opt.figure_option("Draw entropies by cut, or of random machines by size, here: PNG, PDF or SVG.")
@page_option
@opt.dry_run_option
@opt.seed_option
@opt.plain_options
def entangle_command(file: Path | None, kind: str | None, as_json: bool, quiet: bool, **options: Any) -> int:
    """Entropies of the first l sites with the rest: of exact ground states, of machines in FILE, of random machines.

    All entropies are in nats (natural logarithms).  S is von Neumann's, S_2 Renyi's second.  The central charge is an
    effective one, from the cuts between a quarter and three quarters of a chain.

    \b
    physnn entangle --L 16 64 256 --h 1 --figure cuts.png
    physnn entangle --model heisenberg --L 12 16
    physnn entangle ground-state.h5 --figure machines.png --report machines.html
    physnn entangle --random quarter --L 8 10 12 14
    physnn entangle --random gaussian --spread 0.1 0.3 1 --json

    Nothing is kept on the way: what is interrupted begins anew.  Exit status 0: every cut has an entropy; 3: one is
    undecided.
    """
    dry_run = options.pop("dry_run")
    if file and kind:
        raise InputError("a file and --random exclude each other; leave one out")
    if options["method"] == "svd" and not (file or kind):
        raise InputError("--method svd is for machines in a file; of models it is --method exact")
    if dry_run:
        return _print_plan(file, kind, options, as_json)
    if kind:
        return _print_random(kind, options, as_json, quiet)
    if file:
        return _print_stored(file, options, as_json, quiet)
    from physnn.answers.quantum.entanglement import ground_entropies

    models = _models(options)
    found = []
    with progress_bar("entropies", quiet) as progress:
        for k, model in enumerate(models):
            found.append(ground_entropies(model, options["method"], options["seed"] or 0))
            progress(k + 1, len(models), f"N = {model.N}")
    return _print_cuts(found, options, as_json)


def _print_plan(file: Path | None, kind: str | None, options: dict[str, Any], as_json: bool) -> int:
    """Print what entropies will take."""
    from physnn.answers.quantum.entropy_cost import planned_models, planned_random, planned_stored
    from physnn.cli.answers import print_plans

    if kind:
        spreads = len(options["spread"] or USUAL_SPREADS) if kind == "gaussian" else 1
        found = planned_random(kind, options["L"] or USUAL_RANDOM, options["alpha"], spreads, options["draws"])
    elif file:
        check_files(file)
        found = planned_stored(file, options["method"], options["draws"])
    else:
        found = planned_models(_models(options), options["method"])
    print_plans({"entropies": found}, as_json)
    return 0


def _print_stored(file: Path, options: dict[str, Any], as_json: bool, quiet: bool) -> int:
    """Print entropies of the machines in a file."""
    if named := opt.given({name: options[name] for name in ("model", "L", "h", "delta", "J2", "is_open")}):
        raise InputError(f"the file says which models it holds; leave {', '.join(map(_as_option, named))} out")
    check_files(file)
    from physnn.answers.quantum.stored_waves import stored_entropies

    with progress_bar("entropies", quiet) as progress:
        found = stored_entropies(file, options["method"], options["draws"], options["seed"] or 0, progress)
    return _print_cuts(found, options | {"file": file}, as_json)


def _as_option(name: str) -> str:
    return "--open" if name == "is_open" else f"--{name}"


def _models(options: dict[str, Any]) -> list[QuantumModel]:
    """Models that the options name."""
    from physnn.models.quantum import QuantumModel

    name = options["model"] or "tfim"
    more: dict[str, Any] = opt.given({"delta": options["delta"], "J2": options["J2"]})
    if options["h"] and name != "tfim":
        raise InputError(f"{name} has no transverse field; leave --h out")
    fields: list[dict[str, Any]] = [{"h": h} for h in options["h"] or (1.0,)]
    if name != "tfim":
        fields = [{}]
    sizes = [(L,) * options["dimension"] for L in options["L"] or _usual_sizes(name, options["dimension"])]
    periodic = not options["is_open"]
    return [QuantumModel(name, sides, periodic=periodic, **field, **more) for field in fields for sides in sizes]


def _usual_sizes(name: str, dimension: int) -> tuple[int, ...]:
    """Sizes that can be solved: free fermions have no limit, other states 20 sites."""
    if dimension > 1:
        return (4,)
    return (8, 16, 32) if name == "tfim" else (8, 12, 16)


def _print_cuts(found: Sequence[CutTable], options: dict[str, Any], as_json: bool) -> int:
    """Write, draw and print tables of cuts."""
    from physnn.answers.quantum.entanglement import draw_cuts, write_cuts
    from physnn.reports.computed.cuts import told_cuts

    out = write_cuts(found, options["out"]) if options["out"] else None
    figure = draw_cuts(found, options["figure"]) if options["figure"] else None
    told = told_cuts(found)
    put_on_page(told, [options["file"]] if options.get("file") else [], page := options["page"])
    if as_json:
        places = {"out": _text(out), "figure": _text(figure), "page": _text(page)}
        print_json({"states": [table.as_json() for table in found], **places})
    else:
        print_computed(told, figure, page)
        if out:
            click.echo(f"out     {out}")
    return 3 if told.undecided else 0


def _text(path: Path | None) -> str | None:
    return str(path) if path else None


def _print_random(kind: str, options: dict[str, Any], as_json: bool, quiet: bool) -> int:
    """Make, draw and print the table of random machines."""
    from physnn.answers.quantum.random_machines import draw_random, random_entropies
    from physnn.reports.computed.cuts import told_random

    if options["out"]:
        raise InputError("--out writes cuts of ground states; of random machines use --json")
    with progress_bar("random machines", quiet) as progress:
        found = random_entropies(
            kind,
            options["L"] or USUAL_RANDOM,
            alpha=options["alpha"],
            spreads=options["spread"] or USUAL_SPREADS,
            reach=options["reach"],
            draws=options["draws"],
            seed=options["seed"] or 0,
            progress=progress,
        )
    figure = draw_random(found, options["figure"]) if options["figure"] else None
    told = told_random(found)
    put_on_page(told, [], page := options["page"])
    if as_json:
        print_json(found.as_json() | {"figure": _text(figure), "page": _text(page)})
    else:
        print_computed(told, figure, page)
    return 0
