"""What commands of networks trained in several forms print alike."""

from __future__ import annotations

from typing import Any

import click

from physnn.cli.call import Call, planned
from physnn.cli.output import print_json


def print_training_plan(plan: dict[str, Any], as_json: bool) -> None:
    """Print what a training will take."""
    if as_json:
        print_json(plan)
        return
    click.echo(
        f"{plan['networks']} networks, {plan['jobs']} at a time: about {plan['seconds'] / 60:.3g} min, "
        f"{plan['megabytes']:.0f} MB of memory, a file of {plan['file_megabytes']:.2g} MB"
    )


def print_core_hours(recipe: Any, call: Call) -> None:
    """Print what a large run takes, before it begins."""
    plan = planned(recipe, call)
    click.echo(f"about {plan['seconds'] * plan['jobs'] / 3600:.3g} core-hours; stop and go on at any time", err=True)
