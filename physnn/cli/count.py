"""``physnn count``: exact loss landscapes of +-1 networks, and the energy landscape of the Ising model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from physnn.cli import options as opt
from physnn.cli.output import print_json, print_table, print_told, progress_bar

if TYPE_CHECKING:
    from physnn.exact.landscape import Landscape
    from physnn.exact.signs.sampling import SampledLandscape
    from physnn.samples.landscape.recipe import SignCount

SOLVED = ("solutions", "solutions_of_all")
"""Numbers of weights that are right on the images of the loss, and on all."""
landscape_figure = opt.figure_option("Draw it here, PNG, PDF or SVG.")


@click.group()
def count_command() -> None:
    """Count configurations level by level, exactly: +-1 networks by their loss, Ising lattices by their energy."""


@count_command.command(cls=opt.ListCommand)
@click.option(
    "--layers",
    cls=opt.ListOption,
    type=opt.Whole(1),
    metavar="N...",
    example="1 3 3 2 1",
    help="Units of every layer, input and output with it [default: 1 3 3 2 1].",
)
@click.option("--constant", type=opt.Number(), help="Add an input that always has this value.")
@click.option("--bias", type=click.Choice(["first", "all"]), help="Add biases +-1 to the first layer, or to all.")
@click.option("--hidden", type=click.Choice(["tanh", "sign", "relu"]), default="tanh", show_default=True)
@click.option("--output", type=click.Choice(["linear", "tanh"]), default="linear", show_default=True)
@click.option("--loss", type=click.Choice(["mse", "cross-entropy"]), default="mse", show_default=True)
@click.option(
    "--points", type=opt.Whole(1), default=64, show_default=True, help="Numbers x in (0, 1), labelled x > 0.5."
)
@click.option("--grid", is_flag=True, help="Evenly spaced numbers instead of random ones.")
@click.option(
    "--method",
    type=click.Choice(["functions", "brute-force", "sampling"]),
    default="functions",
    show_default=True,
    help="Count functions layer by layer, visit every configuration, or estimate by Wang-Landau walkers.",
)
@click.option("--walkers", type=opt.Whole(2), default=16, show_default=True, help="Independent walkers of sampling.")
@click.option(
    "--moves",
    type=opt.Whole(1),
    default=4_000_000,
    show_default=True,
    help="Moves of every walker while it learns, and again while it measures.",
)
@click.option(
    "--out",
    "--checkpoint",
    "out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Keep brute force or walkers here as they go on, run by worker processes; the same command continues.",
)
@landscape_figure
@opt.seed_option
@opt.extend_option("walkers")
@opt.shard_option
@opt.json_option
@opt.job_options
def signs(layers: tuple[int, ...], method: str, walkers: int, moves: int, figure: Path | None, **options: Any) -> None:
    """Loss levels of a fully connected network with weights +-1, each with its number of configurations.

    \b
    physnn count signs --layers 1 3 3 2 1
    physnn count signs --layers 1 3 3 2 1 --constant 0.5
    physnn count signs --layers 1 3 3 2 1 --bias first --method brute-force

    Without --out, brute force and walkers take --jobs threads, and nothing is kept.
    """
    from physnn.exact.signs.count import count_signs
    from physnn.machine import available_cores
    from physnn.samples.base import validated
    from physnn.samples.landscape.recipe import SignCount, SignSampling, check_signs

    names = ("constant", "bias", "hidden", "output", "loss", "points", "grid", "seed")
    settings = opt.given({name: options.pop(name) for name in names} | {"layers": layers})
    recipe = validated(SignCount, settings)
    check_signs(recipe.layers, recipe.points, method, walkers, moves, options["jobs"] or available_cores())
    of_file = opt.given({name: options[name] for name in ("extend", "shard", "restart", "max_time", "insecure")})
    if options["out"] and method == "functions":
        raise click.UsageError("--out belongs to --method brute-force or sampling: functions are counted in seconds")
    if not options["out"] and (of_file or options["executor"] != "process"):
        raise click.UsageError("runs that are shared, stopped or continued have a file: name it with --out")
    if method == "sampling":
        if figure:
            raise click.UsageError("--figure draws exact counts: leave it or --method sampling out")
        recipe = validated(SignSampling, settings | {"walkers": walkers, "moves": moves})
    if method == "functions":
        found: Any = count_signs(recipe.network, recipe.problem)
    elif options["out"]:
        found = _filed(recipe, options)
    else:
        found = _threaded(recipe, options["jobs"] or available_cores(), options["quiet"])
    name = "-".join(str(n) for n in recipe.layers)
    if method == "sampling" and found:
        _print_sampled(found, options["as_json"])
    elif found:
        _print({name: found}, "loss", options["as_json"], _drawn({name: found}, recipe.loss, figure))


def _threaded(recipe: SignCount, threads: int, quiet: bool) -> Landscape | SampledLandscape:
    """Landscape by brute force or walkers, in threads of this process."""
    from physnn.exact.signs.brute import brute_force
    from physnn.exact.signs.sampling import sample_landscape
    from physnn.samples.landscape.recipe import SignSampling

    network, task = recipe.network, recipe.problem
    with progress_bar("count signs", quiet) as progress:
        if not isinstance(recipe, SignSampling):
            return brute_force(network, task, threads, progress)
        return sample_landscape(
            network, task, walkers=recipe.walkers, moves=recipe.moves, measured=recipe.moves, seed=recipe.seed,
            threads=threads, progress=progress,
        )  # fmt: skip


def _filed(recipe: SignCount, options: dict[str, Any]) -> Landscape | SampledLandscape | None:
    """Landscape by brute force or walkers, from a file that is made or finished; None while shards are missing."""
    from physnn.cli.answers import print_missing
    from physnn.cli.call import Call, run_recipe
    from physnn.samples.landscape.brute_force import counted_signs
    from physnn.samples.landscape.recipe import SignSampling
    from physnn.samples.landscape.walkers import sampled_signs

    call = Call.of(dict(options), "")
    count, missing = run_recipe("count signs", recipe.resolved(), call)
    if missing:
        print_missing(options["shard"], {"count": (call.out, count, missing)}, call.as_json)
        return None
    return sampled_signs(call.out) if isinstance(recipe, SignSampling) else counted_signs(call.out)


def _print_sampled(found: SampledLandscape, as_json: bool) -> None:
    """Print the landscape that walkers estimate."""
    from physnn.reports.counted import SHOWN_LEVELS, told_walkers

    if as_json:
        print_json(found.as_json())
        return
    print_told(told_walkers(found, SHOWN_LEVELS))


@count_command.command(cls=opt.ListCommand)
@click.option("--L", "L", type=opt.Whole(2), default=4, show_default=True, help="Side of the square torus.")
@click.option("--field", "h", cls=opt.ListOption, type=click.STRING, metavar="h...", example="0.1", help="Fields h.")
@click.option("--coupling", default="1", show_default=True, help="Coupling J, in the units of h.")
@click.option(
    "--method",
    type=click.Choice(["auto", "enumeration", "transfer", "kaufman"]),
    default="auto",
    show_default=True,
    help="Visit all, transfer-matrix polynomials, or Kaufman's formula without field.",
)
@click.option("--magnetisation", is_flag=True, help="Count by energy and magnetisation: g(E, M) without field.")
@landscape_figure
@opt.seed_option
@opt.json_option
@opt.debug_option
def ising(
    L: int, h: tuple[str, ...], coupling: str, method: str, magnetisation: bool, figure: Path | None,
    seed: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Energy levels of the 2D Ising model on an L x L torus, each with its exact number of configurations.

    \b
    physnn count ising --L 6
    physnn count ising --L 4 --field 0.1
    physnn count ising --L 5 --magnetisation --json
    """
    from physnn.exact.ising.levels import exact_number, ising_landscape

    J = exact_number(coupling, "--coupling")
    if magnetisation:
        _print_joint(L, method, J, as_json)
        return
    fields = [exact_number(text, "--field") for text in h] or [exact_number("0", "--field")]
    found = {f"L = {L}, h = {text or 0}": ising_landscape((L, L), f, J, method)
             for text, f in zip(h or ("",), fields, strict=True)}  # fmt: skip
    if figure and not J:
        raise click.UsageError("the figure has energies in units of J: leave --figure or --coupling 0 out")
    drawn = _drawn_ising(L, tuple(float(f / J) for f in fields), seed or 0, figure) if figure else None
    _print(found, "energy", as_json, drawn)


def _print_joint(L: int, method: str, J: Any, as_json: bool) -> None:
    """Print g(E, M)."""
    from physnn.exact.ising.levels import ising_counts
    from physnn.exact.landscape import exact_json

    found = ising_counts((L, L), True, method)
    assert found.magnetisation is not None
    rows: list[dict[str, Any]] = [
        {"energy": float(-J * int(b)), "magnetisation": int(m), "count": exact_json(int(g))}
        for b, m, g in zip(found.bonds, found.magnetisation, found.counts, strict=True)
    ]
    rows.sort(key=lambda row: (row["energy"], row["magnetisation"]))
    if as_json:
        print_json({"L": L, "method": found.method, "levels": rows})
        return
    table = [[f"{r['energy']:g}", str(r["magnetisation"]), f"{int(r['count']):,}"] for r in rows]
    print_table(f"configurations of the {L} x {L} torus", ["E", "M", "configurations"], table)


@count_command.command(cls=opt.ListCommand)
@click.option(
    "--variant",
    type=click.Choice(["baseline", "dropout", "batch-norm", "equivariant", "wrong-equivariant", "invariant"]),
    help="[default: the first five]",
)
@click.option(
    "--mask-seed", type=opt.Whole(0), help="Dropout with one mask of this seed [default: the mean over masks]."
)
@click.option("--data", type=click.Choice(["all", "half"]), help="Half: one of every two images that are flips.")
@click.option("--average", type=click.Choice(["c2", "c4", "d1", "d2", "d4"]), help="Average logits over this group.")
@click.option("--images", is_flag=True, help="Print the twelve images with their labels, and count nothing.")
@landscape_figure
@opt.json_option
@opt.debug_option
def cnn(
    variant: str | None, mask_seed: int | None, data: str | None, average: str | None, images: bool,
    figure: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Loss levels of convolutional networks with weights +-1 on twelve images of 2 x 2 pixels.

    \b
    physnn count cnn --variant baseline
    physnn count cnn --variant baseline --average d2
    physnn count cnn --figure cnn.png

    With --variant the answers are counted, too: weights that are right on the images of the loss, and on all.
    """
    from physnn.exact.signs.cnn import cnn_landscape, solutions
    from physnn.models.sign_cnn import SIGN_CNN_VARIANTS, SignCNN, images_table

    if images:
        click.echo(images_table())
        return
    if mask_seed is not None and variant != "dropout":
        raise click.UsageError("--mask-seed belongs to --variant dropout")
    if (data or average) and variant is None:
        raise click.UsageError("--data and --average change one network: name it with --variant")
    how: Any = opt.given({"data": data, "average": average})
    networks = [SignCNN(name, mask_seed, **how) for name in ([variant] if variant else SIGN_CNN_VARIANTS)]
    found = {network.variant: cnn_landscape(network) for network in networks}
    solved = solutions(networks[0]) if variant not in (None, "dropout", "batch-norm") else ()
    _print(found, "loss", as_json, _drawn(found, "cross-entropy", figure), dict(zip(SOLVED, solved, strict=False)))
    if solved and not as_json:
        click.echo(f"right on all images of the loss: {solved[0]:,} configurations; on all twelve: {solved[1]:,}")


def _drawn(found: dict[str, Landscape], loss: str, figure: Path | None) -> Path | None:
    """Figure of sorted losses and degeneracies, if one is asked for."""
    if figure is None:
        return None
    from physnn.figures.landscapes import loss_landscape_figure
    from physnn.figures.style import save

    words = {"mse": "mean squared error (dimensionless)", "cross-entropy": "cross-entropy (nats)"}
    return save(loss_landscape_figure(found, words[loss]), figure)


def _drawn_ising(L: int, fields: tuple[float, ...], seed: int, figure: Path) -> Path:
    """Figure of the Ising landscape of an L x L torus without field and in the fields."""
    from physnn.exact.ising.levels import ising_landscape, random_energies
    from physnn.figures.landscapes import ising_landscape_figure
    from physnn.figures.style import save

    every = tuple(dict.fromkeys((0.0, *fields)))
    drawn = dict(zip(every, random_energies((L, L), every, seed=seed), strict=True))
    exact = {h: ising_landscape((L, L), h) for h in every}
    return save(ising_landscape_figure((L, L), drawn, exact, (L, L)), figure)


def _print(found: dict[str, Landscape], level: str, as_json: bool, figure: Path | None, more: Any = None) -> None:
    """Print one landscape with its levels, or several; the JSON has ``more``."""
    drawn = ({"figure": str(figure)} if figure else {}) | (more or {})
    if as_json:
        every = {name: landscape.as_json(level) for name, landscape in found.items()}
        print_json((next(iter(every.values())) if len(every) == 1 else {"landscapes": every}) | drawn)
        return
    if len(found) == 1:
        (only,) = found.values()
        from physnn.reports.counted import SHOWN_LEVELS, told_landscape

        print_told(told_landscape(next(iter(found)), only, level, SHOWN_LEVELS))
    else:
        header = ["", "configurations", "levels", "largest", "entropy", f"lowest {level}", "share of it"]
        rows = [
            [
                name,
                f"2^{g.weights}",
                f"{g.distinct:,}",
                f"{g.max_degeneracy:,}",
                f"{g.entropy:.4f}",
                f"{g.levels[0]:.6g}",
                f"{g.minimum_fraction:.3g}",
            ]
            for name, g in found.items()
        ]
        print_table("exact counts (entropy of the distribution over levels in nats)", header, rows)
    if figure:
        click.echo(f"figure  {figure}")
