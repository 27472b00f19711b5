"""``physnn train classify --label-loss``: what it trains, and what it prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from physnn.cli import options as opt
from physnn.cli.call import Call, finished, resolve_device
from physnn.cli.output import print_json, print_power, print_table
from physnn.errors import InputError

label_options = opt.stack(
    click.option(
        "--label-loss",
        cls=opt.ListOption,
        type=click.Choice(["u1", "discrete", "uniform", "per-sample", "zero", "other"]),
        metavar="KIND...",
        example="u1 zero",
        help="Compare classifiers with and without a second output, drawn to a place in the plane for every class: on "
        "a circle, at corners, anywhere; per-sample and zero know no classes; other: without, from other weights.",
    ),
    click.option("--label-weight", type=opt.Number(0), help="Weight of the second output's loss [default: 1]."),
    opt.extend_option("forms or seeds, with --label-loss,"),
    opt.dry_run_option,
)
LABEL_SETTINGS = (
    *("epochs", "batch", "optimiser", "momentum", "weight_decay", "augment", "label_weight"),
    *("train", "test", "side"),
)
"""Options that are settings of the recipe."""


def train_labels(
    kinds: Sequence[str],
    rates: Sequence[float],
    network: str | None,
    seeds: Sequence[int],
    refused: Sequence[str],
    options: dict[str, Any],
    call: Call,
) -> None:
    """Train classifiers with and without labels in the plane, and print what these do.

    Raises
    ------
    InputError
        If an option is given that has no meaning with them.
    """
    if refused:
        raise InputError(f"{refused[0]} is not for trainings with labels; leave it out, or --label-loss")
    from physnn import api

    settings = opt.given({name: options[name] for name in LABEL_SETTINGS} | {"network": network})
    settings |= opt.given({"rates": tuple(rates), "seeds": tuple(seeds), "data_seed": options["data_seed"]})
    settings |= {} if call.extend and options["data"] == "digits" else {"data": options["data"]}
    settings |= {} if call.extend and options["engine"] == "auto" else {"engine": options["engine"]}
    settings["arms"] = ("one-hot", *kinds)
    if call.device != "auto" or not call.extend:
        settings["device"] = resolve_device(call.device, elsewhere=call.elsewhere) or "cpu"
    recipe = api.recipe("train-labels", call.out, call.extend, **settings)
    if finished("train classify", recipe, call, "trainings") is not None:
        print_labels(call)


def print_labels(call: Call) -> None:
    """Draw and print right answers of all arms, at each one's own best rate and at rates in common."""
    from physnn.answers.bottleneck.labels import gain_of, label_answer, plot_labels

    answer, figure = label_answer(call.out), plot_labels(call.out)
    if call.as_json:
        print_json({"file": str(call.out), "figure": str(figure)} | answer.as_json())
        return
    over = "seeds and draws of images" if answer.own_images else "seeds"
    n = answer.images
    rows = [
        [arm, *(f"{e} ({count})" for e, count in zip(answer.validation[arm], answer.chosen[arm], strict=True))]
        for arm in answer.validation
    ]
    title = f"{answer.seeds} pairs, {n['train']:,} training images; right answers of images held out in %, by rate"
    print_table(f"{title} (how often it was the best)", ["arm", *(f"{rate:g}" for rate in answer.rates)], rows)
    print_table(
        f"{n['test']:,} test images, each at its own best rate; errors over {over}",
        ["arm", "right", "cross-entropy", "less one-hot, points", "p, all arms", "fewer wrong than one-hot"],
        _tested_rows(answer),
    )
    rows = [
        [c.form, f"{answer.rates[c.mark - 1]:g}", str(gain_of(c)), f"{c.p_value:.2g}", c.verdict]
        for c in answer.at_rates
    ]
    if rows:
        header = ["arm", "rate of both", "less one-hot, points", "p, all", "fewer wrong than one-hot"]
        print_table("at one rate for both, images held out", header, rows)
    for arm, most in answer.largest.items():
        click.echo(f"{arm} at its best rate less one-hot at its worst: {most} points")
    print_power(answer.power, "power, by the measured scatter")
    click.echo(f"results  {call.out}\nfigure   {figure}")


def _tested_rows(answer: Any) -> list[list[str]]:
    """Rows of a table of arms on test images; pairs that are not compared are told beside the verdict."""
    told = {claim.form: claim for claim in answer.claims}
    rows = []
    for arm, right in answer.accuracy.items():
        row = [arm, f"{right} %", str(answer.loss[arm]), str(answer.gain.get(arm, ""))]
        if claim := told.get(arm):
            lost = f"; {claim.left_out} diverged, left out" if claim.left_out else ""
            row += [f"{claim.p_value:.2g}", claim.verdict + lost]
        rows.append(row)
    return rows
