"""Option types and the options that several commands share."""

from __future__ import annotations

import json
import math
import os
import re
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from physnn.errors import InputError


def read_config(path: Path | None) -> dict[str, Any]:
    """Return the settings of a file, or none without a file; their validity is checked with the recipe.

    Raises
    ------
    InputError
        If the file is missing or cannot be parsed.
    """
    if path is None:
        return {}
    try:
        data = path.read_bytes()
        if data.startswith(b"\x89HDF"):
            from physnn.store.sweep_file import read_sweep

            return read_sweep(path).recipe
        found = json.loads(data) if path.suffix == ".json" else tomllib.loads(data.decode())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check the name") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid {'JSON' if path.suffix == '.json' else 'TOML'}: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path} must hold a table of settings")
    return found


Function = TypeVar("Function", bound=Callable[..., Any])


class ListOption(click.Option):
    """An option that takes one or more values: ``--L 32 64``, ``--L 32 --L 64`` or ``--L 32,64``."""

    def __init__(self, *args: Any, example: str = "VALUE", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs | {"multiple": True})
        self.example = example

    def takes(self, word: str) -> bool:
        """Whether a word after the first value still belongs to the list: anything for text, else numbers."""
        return isinstance(self.type, click.types.StringParamType) or is_number(word.split(",", maxsplit=1)[0])

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


class ListCommand(click.Command):
    """A command whose `ListOption` options take several values in a row."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Write ``--L 32 64`` as ``--L=32 --L=64``, which click understands."""
        lists = {name: p for p in self.params if isinstance(p, ListOption) for name in p.opts}
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
        """Return the number, or fail with one sentence."""
        try:
            number = float(value)
        except (TypeError, ValueError):
            self.fail(f"{value!r} is not a number", param, ctx)
        if not math.isfinite(number) or number < self.least:
            self.fail(f"{value} is not a finite number >= {self.least:g}", param, ctx)
        return number


class NumberOrFree(click.ParamType[Any]):
    """A finite number, or the word ``free``."""

    name = "free|VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number or ``"free"``, or fail with one sentence."""
        if value == "free" or (is_number(str(value)) and math.isfinite(float(value))):
            return value if value == "free" else float(value)
        self.fail(f"{value!r} is neither a number nor the word free", param, ctx)


class Whole(click.ParamType[int]):
    """A whole number not below a least one."""

    name = "integer"

    def __init__(self, least: int) -> None:
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or fail with one sentence."""
        text = str(value)
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text) or int(text) < self.least:
            self.fail(f"{text[:30]} is not a whole number >= {self.least}", param, ctx)
        return int(text)


class Duration(click.ParamType[float]):
    """A time span ``HH:MM:SS``, ``MM:SS`` or seconds."""

    name = "HH:MM:SS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds, or fail with one sentence."""
        if isinstance(value, float):
            return value
        fields = str(value).split(":")
        if not re.fullmatch(r"([0-9]{1,7}:){0,2}[0-9]{1,7}", str(value)) or not any(int(field) for field in fields):
            self.fail(f"{value!r} is not a time span such as 01:30:00", param, ctx)
        return float(sum(int(field) * 60**k for k, field in enumerate(reversed(fields))))


def stack(*decorators: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Return one decorator that applies several, the first one listed first in the help text."""

    def apply(function: Function) -> Function:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


def one_thread() -> None:
    """Let linear algebra run on one thread, if numpy is not loaded yet.

    A fit makes thousands of decompositions of small matrices, and threads would wait for each other longer than they
    work.
    """
    if "numpy" not in sys.modules:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(name, "1")


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, nothing else.")
seed_option = click.option("--seed", type=Whole(0), help="Root seed of all random streams [default: 0].")


def out_option(default: str) -> Callable[[Function], Function]:
    """Return the ``--out`` option of a command, with its default named in the help text."""
    path = click.Path(path_type=Path, dir_okay=False)
    return click.option("--out", type=path, help=f"File to write [default: {default}].")


quiet_option = click.option("--quiet", is_flag=True, help="No progress.")
debug_option = click.option("--debug", is_flag=True, help="Show a traceback on errors.")

RUN = ("jobs", "restart", "max_time", "executor", "insecure", "shard")
"""How a sweep is run; what is left of a command's options says what is measured."""


def taken(options: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Take options out of a command's, and return them."""
    return {name: options.pop(name) for name in names}


run_options = stack(
    click.option("--jobs", type=Whole(1), help="Worker processes [default: one per core]."),
    click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda"]),
        default="auto",
        show_default=True,
        help="Where networks run; part of the recipe.",
    ),
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


def resolve_device(device: str, recorded: object = None, elsewhere: bool = False) -> str | None:
    """Return the device to record in a recipe: the one asked for, else the recorded one, else CUDA if there is any.

    Raises
    ------
    Unfinished
        If CUDA is asked for and there is none, and tasks do not run ``elsewhere``.
    """
    if device == "auto" and isinstance(recorded, str):
        device = recorded
    if device == "cpu":
        return device
    if device == "cuda" and elsewhere:
        return device
    from physnn.networks.device import check_device, has_cuda

    if device == "cuda":
        check_device(device)
    return "cuda" if has_cuda() else None
