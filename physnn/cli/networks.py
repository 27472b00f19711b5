"""``physnn diagnose``: what a trained network is, before anything is concluded from it."""

from __future__ import annotations

from pathlib import Path

import click

from physnn.cli.options import Number, Whole, debug_option, json_option, module_option, quiet_option, seed_option


class Window(click.ParamType[tuple[int, int]]):
    """A window of steps ``A:B``."""

    name = "A:B"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return both ends, or fail with one sentence."""
        first, colon, last = str(value).partition(":")
        if not (colon and first.isdecimal() and last.isdecimal() and int(first) < int(last) < 10**9):
            self.fail(f"{value!r} is not a window of steps such as 0:3", param, ctx)
        return int(first), int(last)


@click.command()
@click.argument("networks", required=False)
@module_option
@click.option("--steps", type=Whole(1), help="Depth T [default: that of training, or what the class says].")
@click.option("--images", type=Whole(1), default=32, show_default=True, help="Fresh images shown to each network.")
@click.option("--L", "size", type=Whole(1), help="Side of the images [default: that of training].")
@click.option("--eta", type=Number(0), default=0.02, show_default=True, help="Noise of the damage profile (Langevin).")
@click.option("--noise-steps", type=Window(), help="Noise in the steps A <= t < B only [default: six windows in turn].")
@click.option(
    "--figure",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw a page for every network here; a number is put before the ending.",
)
@seed_option
@json_option
@quiet_option
@debug_option
def diagnose(
    networks: str | None,
    module: str | None,
    steps: int | None,
    images: int,
    size: int | None,
    eta: float,
    noise_steps: tuple[int, int] | None,
    figure: Path | None,
    seed: int | None,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> None:
    """Diagnose networks of a file, a bundled ensemble, or a class of yours: stability, cycle, errors, walls, damage.

    \b
    physnn diagnose kuramoto_symmetric
    physnn diagnose mine.h5 --noise-steps 0:3 --figure mine.png
    physnn diagnose weights.safetensors --module my_net.py:MyNet --steps 8
    """
    from physnn.analysis.order.diagnosis import as_json as plain
    from physnn.analysis.order.diagnosis import table
    from physnn.cli.output import print_json, print_table, progress_bar
    from physnn.samples.diagnosis import diagnose as run

    with progress_bar("diagnose", quiet) as progress:
        found = run(
            networks,
            module=module,
            steps=steps,
            images=images,
            L=size,
            eta=eta,
            noise_steps=noise_steps,
            seed=seed or 0,
            progress=progress,
        )
    pages = []
    if figure:
        from physnn.figures.diagnosis import diagnosis_figure
        from physnn.figures.style import save

        names = [figure.with_stem(f"{figure.stem}-{k}") if len(found) > 1 else figure for k in range(len(found))]
        pages = [str(save(diagnosis_figure(d), name)) for d, name in zip(found, names, strict=True)]
    if as_json:
        print_json(plain(found) | {"figures": pages})
        return
    heading, rows = table(found)
    # The file is in the title; its name in every row would leave no room for numbers.
    shown = [[d.name.rpartition("/")[2], *row[1:-1]] for d, row in zip(found, rows, strict=True)]
    print_table(f"{len(found)} networks of {networks or module}", heading[:-1], shown)
    for d in found:
        click.echo(f"{d.name}: {d.verdict}")
    for page in pages:
        click.echo(f"figure  {page}")
