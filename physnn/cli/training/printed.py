"""What commands of networks trained in several forms print alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from physnn.cli.call import Call, planned
from physnn.cli.output import print_json, print_power, print_table


def claim_rows(claims: Sequence[Any]) -> list[list[str]]:
    """Rows of a table of claims; seeds that are not compared are told beside the verdict."""
    told = [f"{c.verdict}; {c.left_out} diverged, left out" if c.left_out else c.verdict for c in claims]
    return [
        [c.form, f"{c.mark:,}", str(c.difference), f"{c.p_value:.2g}", verdict]
        for c, verdict in zip(claims, told, strict=True)
    ]


def print_symmetries(out: Path) -> None:
    """Print what became of symmetries that the networks of a file were drawn to, where there are any."""
    from physnn.answers.training.soft import small, soft_rows

    told = [
        [
            *(row.ensemble, row.symmetry, layer if row.movable else "-", f"{10**strength.value:.2g}"),
            *(small(deviation), small(row.largest), small(row.cost), row.verdict),
        ]
        for row in soft_rows(out)
        for layer, strength, deviation in zip(row.layers, row.log10_strengths, row.deviations, strict=True)
        if deviation.value > 0 or (not row.movable and layer == row.layers[0])
    ]
    if told:
        header = ["networks", "symmetry", "layer", "strength", "deviation", "largest", "cost if forced", "verdict"]
        print_table("symmetries that weights were drawn to, errors over seeds", header, told)


def print_training_plan(plan: dict[str, Any], as_json: bool) -> None:
    """Print what a training will take."""
    if as_json:
        print_json(plan)
        return
    click.echo(
        f"{plan['networks']} networks, {plan['jobs']} at a time: about {plan['seconds'] / 60:.3g} min, "
        f"{plan['megabytes']:.0f} MB of memory, a file of {plan['file_megabytes']:.2g} MB"
    )


def p_header(claims: Sequence[Any]) -> str:
    """Header of p-values: what is judged together."""
    return "p, all marks and arms" if claims[0].comparisons > len({c.mark for c in claims}) else "p, all marks"


def print_claims(told: Sequence[Any], power: Sequence[Any], what: str = "error") -> None:
    """Print a table of claims and how many seeds would have shown effects, where there are any claims.

    ``what`` is judged.
    """
    if rows := claim_rows(told):
        header = ["arm", "steps", f"log10({what} / raw)", p_header(told), f"a smaller {what} than raw"]
        print_table("claims, paired by seed", header, rows)
        print_power(power, f"power after {told[-1].mark:,} steps")


def print_core_hours(recipe: Any, call: Call) -> None:
    """Print what a large run takes, before it begins."""
    plan = planned(recipe, call)
    click.echo(f"about {plan['seconds'] * plan['jobs'] / 3600:.3g} core-hours; stop and go on at any time", err=True)
