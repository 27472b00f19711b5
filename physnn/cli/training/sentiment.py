"""``physnn train sentiment``: what it trains, and what it prints."""

from __future__ import annotations

from typing import Any

import click

from physnn.cli import options as opt
from physnn.cli.call import Call, finished, planned, resolve_device
from physnn.cli.output import print_json, print_told
from physnn.cli.training.printed import print_core_hours


@click.command(
    "sentiment", cls=opt.RecipeCommand, recipes=("physnn.samples.training.sentiment:SentimentRecipe",), leave=("data",)
)
@click.argument("data", metavar="DATA")
@click.option(
    "--paper", is_flag=True, help="Size of the source: feed-forward 3072, 256 tokens, 30 epochs of 25,000 reviews."
)
@opt.file_options("sentiment.h5", "arms or seeds")
def sentiment(data: str, paper: bool, **options: Any) -> None:
    """Train transformers on the reviews DATA, with frozen embeddings in several forms side by side.

    \b
    physnn train sentiment imdb.jsonl.xz
    physnn train sentiment aclImdb --arms none linear zeros --seeds 0 1 2 3 4 5 6 7
    physnn train sentiment aclImdb --paper --device cuda --dry-run

    DATA is a folder with train|test/pos|neg/*.txt, or a file of JSON lines {"split": "train", "label": 1, "text":
    "..."}, also packed as .xz or .gz.  Zeros after every component of an embedding, and a linear layer that maps them
    back, are that layer with smaller first weights: a run in which they are not fails.
    """
    from physnn import api
    from physnn.samples.training.sentiment import SENTIMENT_PAPER, SentimentRecipe

    call = Call.of(options, "sentiment.h5")
    settings = call.settings(SentimentRecipe, options) | {"data": data}
    if call.device != "auto" or "device" not in settings:
        settings["device"] = resolve_device(call.device, settings.get("device", "cpu"), call.elsewhere) or "cpu"
    if paper:
        settings = SENTIMENT_PAPER | settings
    recipe = api.recipe("train-sentiment", call.out, call.extend, **settings)
    if paper and not call.dry_run:
        print_core_hours(recipe, call)
    elif call.dry_run and not paper:
        _print_paper(settings, call)
    if finished("train sentiment", recipe, call, "trainings") is not None:
        print_sentiment(call)


def _print_paper(settings: dict[str, Any], call: Call) -> None:
    """Print what the source's size takes, as far as the reviews go."""
    from physnn.samples.base import validated
    from physnn.samples.training.sentiment import SENTIMENT_PAPER, SentimentRecipe

    at_least: dict[str, Any] = {"train": 2, "validation": 2}
    small = validated(SentimentRecipe, settings | at_least).resolved()
    large = small.model_copy(update={**SENTIMENT_PAPER, **at_least})
    plan = planned(large, call)
    hours = plan["seconds"] * plan["jobs"] / 3600
    memory = f"{plan['megabytes']:,.0f} MB of memory"
    size = "feed-forward 3072, 256 tokens, 22,500 steps"
    click.echo(f"with --paper about {hours:,.2g} core-hours, {memory}: {size}", err=True)


def print_sentiment(call: Call) -> None:
    """Draw and print right answers of all arms in the end, and what may be claimed of them at every mark."""
    from physnn.answers.plots import plot_sentiment
    from physnn.answers.training.sentiment import sentiment_answer
    from physnn.reports.trained import tell_sentiment

    answer, figure = sentiment_answer(call.out), plot_sentiment(call.out)
    if call.as_json:
        print_json({"file": str(call.out), "figure": str(figure)} | answer.as_json())
        return
    for told in tell_sentiment(call.out):
        print_told(told)
    click.echo(f"results  {call.out}\nfigure   {figure}")
