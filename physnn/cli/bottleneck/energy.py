"""``physnn energy-map``: where the energy of a network's layers lies in the image, and what puts it there."""

from __future__ import annotations

from typing import Any

import click

from physnn.cli import options as opt
from physnn.cli.call import Call, finished, resolve_device
from physnn.cli.output import print_json, print_told, told_if_slow
from physnn.errors import InputError

MAPS_RECIPE = "physnn.samples.bottleneck.recipe:EnergyMaps"


@click.command(cls=opt.RecipeCommand, recipes=(MAPS_RECIPE,), leave=("conditions",))
@click.option(
    "--control",
    "conditions",
    cls=opt.ListOption,
    metavar="NAME...",
    example="none zero-roll circular circular-roll",
    help="What is done to images, paddings or weights: none, zero-roll, circular, circular-roll, untrained, "
    "untrained-circular, noise, noise-circular, constant, shuffled, mirror, crop, grain, blur [default: none].",
)
@click.option(
    "--module",
    metavar="FILE.py:CLASS",
    help="A network of your own: a class that is called with its weights and gives a torch.nn.Module; its code is run.",
)
@opt.sweep_options("maps.h5", "controls")
def energy_map_command(**options: Any) -> None:
    """Show images to a network and keep |I(x, y)|^2 of its layers, with moments and harmonics, image by image.

    \b
    physnn energy-map --network efficientnet-lite0 --images caltech --out maps.h5
    physnn energy-map --images caltech --layers head --control none zero-roll circular circular-roll
    physnn energy-map --images caltech --out maps.h5 --extend --control noise constant
    physnn energy-map --module my_net.py:MyNet --network weights.safetensors --images photographs
    physnn energy-map --network ensembles.h5:simple/0 --images digits

    With the four controls of the second line the answer says how much of a map is made by padding, and how much by
    what images show.  Cells lie where paddings and strides put them, and maps are drawn in image coordinates.

    A rerun continues where an interrupted one stopped.
    """
    from physnn import api
    from physnn.answers.bottleneck.energy import sheet_file
    from physnn.machine import check_no_link
    from physnn.samples.bottleneck.recipe import EnergyMaps

    call = Call.of(options, "maps.h5")
    check_no_link(sheet_file(call.out.with_suffix(".png")))
    settings = call.settings(EnergyMaps, options)
    if settings.get("module") and not options["module"]:
        raise InputError(f"these settings run code: allow it with --module {settings['module']}")
    if call.device != "auto" or "device" not in settings:
        settings["device"] = resolve_device(call.device, settings.get("device", "cpu"), call.elsewhere) or "cpu"
    recipe = api.recipe("energy-map", call.out, call.extend, **settings)
    if finished("energy-map", recipe, call, "batches of images") is not None:
        print_maps(call)


def print_maps(call: Call) -> None:
    """Draw and print what a finished file says."""
    from physnn.answers.bottleneck.energy import energy_answer
    from physnn.answers.plots import plot_maps
    from physnn.reports.physics import told_maps

    with told_if_slow("energy-map: reading the file, telling classes by their vectors and drawing", call.quiet):
        answer, (figure, sheet) = energy_answer(call.out), plot_maps(call.out)
    if call.as_json:
        print_json({"file": str(call.out), "figure": str(figure), "sheet": str(sheet)} | answer.as_json())
        return
    print_told(told_maps(answer))
    click.echo(f"maps    {call.out}\nfigure  {figure}\nsheet   {sheet}")
