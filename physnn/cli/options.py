"""Option types, options made from the fields of recipes, and the options that several commands share."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from importlib import import_module
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args, get_origin

import click

from physnn.cli.parts.grouped import HelpedCommand

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

Function = TypeVar("Function", bound=Callable[..., Any])


class ListOption(click.Option):
    """An option that takes one or more values: ``--L 32 64``, ``--L 32 --L 64`` or ``--L 32,64``."""

    def __init__(self, *args: Any, example: str = "VALUE", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs | {"multiple": True})
        self.example = example

    def takes(self, word: str) -> bool:
        """Whether a word after the first value is of the list: a choice, a number, NAME=VALUE if meant, any text."""
        if "=" in self.example:
            return "=" in word
        first, chosen = word.split(",", maxsplit=1)[0], getattr(self.type, "choices", ())
        return first in chosen or isinstance(self.type, click.types.StringParamType) or is_number(first)

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Split comma lists of numbers, then convert each value."""
        if value and not isinstance(self.type, click.types.StringParamType):
            value = tuple(part for word in value for part in (word.split(",") if isinstance(word, str) else [word]))
        return super().type_cast_value(ctx, value)


def is_number(word: str) -> bool:
    """Whether a word reads as a number, a negative one or ``1e-3`` too."""
    try:
        float(word)
    except ValueError:
        return False
    return True


class ListCommand(HelpedCommand):
    """A command whose `ListOption` options take several values in a row."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Write ``--L 32 64`` as ``--L=32 --L=64``, which click understands."""
        lists = {name: p for p in self.get_params(ctx) if isinstance(p, ListOption) for name in p.opts}
        words, result = list(args), []
        while words:
            word = words.pop(0)
            if word == "--":
                result += [word, *words]
                break
            name, equals, first = word.partition("=")
            option = lists.get(name)
            if option is None:
                result.append(word)
                continue
            values = [first] if equals else []
            while words and words[0] != "--" and _is_value(words[0]) and (not values or option.takes(words[0])):
                values.append(words.pop(0))
            if not values and not ctx.resilient_parsing:
                raise click.UsageError(f"{name} needs at least one value, as in: {name} {option.example}", ctx)
            result += [f"{name}={value}" for value in values]
        return super().parse_args(ctx, result)


def _is_value(word: str) -> bool:
    return not re.match(r"-\S", word) or is_number(word.split(",", maxsplit=1)[0])


class Number(click.ParamType[float]):
    """A finite number not below a least one."""

    name = "number"

    def __init__(self, least: float = -math.inf) -> None:
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Number, or fail with one sentence."""
        try:
            number = float(value)
        except (TypeError, ValueError):
            self.fail(f"{value!r} is not a number", param, ctx)
        if not (math.isfinite(number) and number >= self.least):
            limit = f"at least {self.least:g}" if math.isfinite(number) else "a finite number"
            self.fail(f"must be {limit}, not {value}", param, ctx)
        return number


class Whole(click.ParamType[int]):
    """A whole number between a least and a most one."""

    name = "integer"

    def __init__(self, least: int, most: int = 10**18) -> None:
        self.least, self.most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Number, or fail with one sentence."""
        text = str(value)
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text) or int(text) < self.least:
            self.fail(f"{text[:30]!r} is not a whole number >= {self.least}", param, ctx)
        if int(text) > self.most:
            self.fail(f"{text} is too many; {self.most} at most", param, ctx)
        return int(text)


class Duration(click.ParamType[float]):
    """A time span ``HH:MM:SS``, ``MM:SS`` or seconds."""

    name = "HH:MM:SS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds, or fail with one sentence."""
        if isinstance(value, float):
            return value
        fields = str(value).split(":")
        if not re.fullmatch(r"([0-9]{1,7}:){0,2}[0-9]{1,7}", str(value)) or not any(int(field) for field in fields):
            self.fail(f"{value!r} is not a time span such as 01:30:00", param, ctx)
        return float(sum(int(field) * 60**k for k, field in enumerate(reversed(fields))))


class RecipeCommand(ListCommand):
    """A command with an option for every described field of its recipes, made when its options are first needed.

    Parameters
    ----------
    recipes : sequence of str
        Recipe classes, ``module:Class``; of fields with one name the first one counts.
    leave : sequence of str
        Fields that are no options of this command, or have one in words of its own.
    second : str
        Heading in the help of the fields that the first recipe does not have.
    """

    def __init__(
        self, *args: Any, recipes: Sequence[str], leave: Sequence[str] = (), second: str = "", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.recipes, self.leave, self.second = recipes, leave, second

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Arguments, options of the fields, then those that are written by hand."""
        if self.recipes:
            fields: dict[str, FieldInfo] = {}
            for recipe in self.recipes:
                new = {name: field for name, field in described(recipe).items() if name not in fields}
                self.headings = dict.fromkeys(new, self.second) if fields and self.second else {}
                fields |= new
            made = [field_option(name, field) for name, field in fields.items() if name not in self.leave]
            self.recipes = ()
            self.params.sort(key=lambda param: not isinstance(param, click.Argument))
            place = sum(isinstance(param, click.Argument) for param in self.params)
            self.params[place:place] = made
        return super().get_params(ctx)


def described(recipe: str) -> dict[str, FieldInfo]:
    """Fields of a recipe class, ``module:Class``, that have a description: those that a person may choose."""
    module, _, name = recipe.partition(":")
    fields: dict[str, FieldInfo] = getattr(import_module(module), name).model_fields
    return {name: field for name, field in fields.items() if field.description}


def field_option(name: str, field: FieldInfo) -> click.Option:
    """Option of a recipe's field: its type, limits, default and description; title and examples where it has them.

    The option's own value is None, or empty, where it is not given, so that settings of a file can stand below it.
    """
    kind, many = _type_of(field.annotation, field.metadata)
    text, default = field.description or "", field.get_default()
    if given({name: default}) and not field.is_required() and "[default" not in text:
        shown = " ".join(map(str, default)) if isinstance(default, tuple) else default
        shown = f"{default:g}" if isinstance(default, float) else shown
        text = f"{text.removesuffix('.')} [default: {shown}]."
    names = [f"--{name.replace('_', '-')}", name]
    if kind is click.BOOL:
        return click.Option(names, is_flag=True, help=text)
    if not many:
        return click.Option(names, type=kind, metavar=field.title, help=text)
    example = str((field.examples or [" ".join(map(str, default or ()))])[0])
    return ListOption(names, type=kind, metavar=field.title or f"{name.upper()}...", example=example, help=text)


def _type_of(annotation: Any, limits: Sequence[Any] = ()) -> tuple[click.ParamType[Any], bool]:
    """Type of an option for values of an annotation within limits, and whether there are many of them."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_of(inner[0], [limit for note in inner[1:] for limit in note.metadata])
    if origin is tuple:
        return _type_of(inner[0])[0], True
    if origin is Literal:
        return click.Choice(inner), False
    if inner:  # nothing, or one value or several
        return _type_of(inner[0], limits)[0], NoneType not in inner or _type_of(inner[0])[1]
    least = [getattr(limit, name) for limit in limits for name in ("ge", "gt") if hasattr(limit, name)]
    plain: dict[Any, click.ParamType[Any]] = {bool: click.BOOL, str: click.STRING}
    return plain.get(annotation) or (Whole if annotation is int else Number)(*least), False


class FigureFile(click.Path):
    """A file that a figure can be written to: refused before anything is computed, where it is none."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Path, or fail with one sentence."""
        from physnn.machine import check_figure

        check_figure(Path(value))
        return super().convert(value, param, ctx)


def stack(*decorators: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """One decorator that applies several, the first one listed first in the help text."""
    return lambda function: reduce(lambda made, decorator: decorator(made), reversed(decorators), function)


def limit_threads() -> None:
    """Let linear algebra run on one thread, if numpy is not loaded yet.

    A fit makes thousands of decompositions of small matrices, and threads would wait for each other longer than they
    work.
    """
    if "numpy" not in sys.modules:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(name, "1")


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, nothing else.")
kind_option = click.option(
    "--module",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.py",
    help="Where a kind is defined that physnn does not have; its code is run.",
)
seed_option = click.option("--seed", type=Whole(0), help="Root seed of all random streams [default: 0].")


def out_option(default: str) -> Callable[[Function], Function]:
    """Option ``--out`` of a command, with its default named in the help text."""
    path = click.Path(path_type=Path, dir_okay=False)
    return click.option("--out", type=path, help=f"File to write [default: {default}].")


def figure_option(text: str) -> Callable[[Function], Function]:
    """Option ``--figure`` of a command."""
    return click.option("--figure", type=FigureFile(), metavar="FILE", help=text)


def extend_option(what: str) -> Callable[[Function], Function]:
    """Option ``--extend`` of a command, with what can be added named in the help text."""
    return click.option("--extend", is_flag=True, help=f"Add {what} to a finished file.")


def eta_range_option(default: str) -> Callable[[Function], Function]:
    """Option ``--eta-range`` of a command, with its default named in the help text."""
    text = f"N evenly spaced noise values [default: {default}]."
    return click.option("--eta-range", nargs=3, type=Number(0), metavar="LO HI N", help=text)


resamples_option = click.option(
    "--resamples", type=Whole(20, 100_000), default=200, show_default=True, help="Bootstrap samples."
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="List the tasks with time, memory and file size; run nothing."
)
quiet_option = click.option("--quiet", is_flag=True, help="No progress.")
debug_option = click.option("--debug", is_flag=True, expose_value=False, help="Show a traceback on errors.")
"""Taken out of the words by `physnn.cli.main`."""


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that were given."""
    return {name: value for name, value in options.items() if value is not None and value is not False and value != ()}


device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where networks run; part of the recipe.",
)
job_options = stack(
    click.option("--jobs", type=Whole(1), help="Worker processes [default: one per core]."),
    click.option(
        "--executor",
        default="process",
        show_default=True,
        metavar="process|dask|dask:ADDRESS|dask:FILE",
        help="What runs tasks: processes here, Dask here, or a Dask scheduler by tls:// address or scheduler file.",
    ),
    click.option("--insecure", is_flag=True, help="Use a Dask scheduler on another machine without encryption."),
    click.option("--restart", is_flag=True, help="Throw away what --out holds and begin anew."),
    click.option(
        "--max-time",
        type=Duration(),
        help="Stop after this time; the same command continues [default: a minute before the end of a Slurm job].",
    ),
    quiet_option,
    debug_option,
)
run_options = stack(device_option, job_options)
module_option = click.option(
    "--module",
    metavar="FILE.py:CLASS",
    help="Networks of your own: the class, from a file or an installed package.module:CLASS. Its code is run.",
)
shard_option = click.option(
    "--shard", metavar="i/n", help="Run share i (from 0) of n, for job arrays; the last one puts the file together."
)
config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Settings from a TOML or JSON file, or the recipe inside a sweep file; flags override.",
)
plain_options = stack(json_option, quiet_option, debug_option)


def sweep_options(out: str, more: str) -> Callable[[Function], Function]:
    """Options of commands that run a recipe with a seed into a file, by default ``out``, that takes ``more``."""
    return stack(seed_option, file_options(out, more))


def file_options(out: str, more: str) -> Callable[[Function], Function]:
    """Options of commands that run a recipe into a file, by default ``out``, that takes ``more``."""
    own = extend_option(more), shard_option, dry_run_option, out_option(out), config_option, json_option
    return stack(*own, run_options)
