"""Run of a recipe by a command: the options that are no settings, its plan, or its tasks and answer."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from physnn.cli import options as opt
from physnn.cli.output import print_power, progress_bar, told_if_slow
from physnn.errors import InputError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from physnn.samples.base import Recipe

LARGEST_SETTINGS = 2**22
"""Bytes of a file of settings; those of a sweep over everything have some thousand."""
RUN = ("jobs", "restart", "max_time", "executor", "insecure", "shard")
"""Options that say how tasks are run."""


def read_config(path: Path | None) -> dict[str, Any]:
    """Settings of a file, or none without a file; their validity is checked with the recipe.

    Raises
    ------
    InputError
        If the file is missing or cannot be parsed.
    """
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_SETTINGS + 1)
        if data.startswith(b"\x89HDF"):
            from physnn.store.sweep_file import read_sweep

            return read_sweep(path).recipe
        if len(data) > LARGEST_SETTINGS:
            raise InputError(
                f"{path} is longer than {LARGEST_SETTINGS // 2**20} MB, which no settings are; check the name"
            )
        if path.suffix in (".h5", ".hdf5"):
            begins = " ".join(f"{byte:02x}" for byte in data[:4]) or "nothing"
            raise InputError(
                f"{path} is a damaged HDF5 file, or none: it begins with {begins} at byte 0 where 89 48 44 46 goes; "
                "restore it or make it again"
            )
        found = json.loads(data, object_pairs_hook=_once) if path.suffix == ".json" else tomllib.loads(data.decode())
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check the name") from None
    except (ValueError, RecursionError) as error:
        why = " ".join(str(error).partition("; use sys.")[0].split())[:120]
        why = "it is nested too deeply" if isinstance(error, RecursionError) else why
        raise InputError(f"{path} is not valid {'JSON' if path.suffix == '.json' else 'TOML'}: {why}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path} must hold a table of settings")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Object of JSON whose keys come once, as TOML demands; raises ValueError for others."""
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)[:40]!r} comes twice")
    return dict(pairs)


@dataclass(frozen=True)
class Call:
    """Options of a command that are no settings of its recipe: file, how tasks are run, form of the answer."""

    out: Path
    run: dict[str, Any]
    config: Path | None = None
    observable: str | None = None
    device: str = "auto"
    extend: bool = False
    dry_run: bool = False
    as_json: bool = False
    quiet: bool = False
    at: tuple[str, ...] = ()

    @classmethod
    def of(cls, options: dict[str, Any], out: str) -> Call:
        """Take these options out of a command's; without ``--out`` the file is ``out``.

        Raises
        ------
        InputError
            If no file can be made there.
        """
        from physnn.machine import check_folder, check_no_link

        run = {name: options.pop(name) for name in RUN if name in options}
        own = {f.name: options.pop(f.name) for f in fields(cls) if f.name in options}
        own["out"] = own["out"] or Path(out)
        check_folder(own["out"])
        check_no_link(own["out"])
        check_no_link(own["out"].with_suffix(".png"))  # the figure's
        if own.get("observable") == "":
            raise InputError("--observable is empty; name one, or leave it out")
        if own["out"].suffix == ".png":
            raise InputError(f"{own['out']} is where the figure would go; choose an --out that ends in .h5")
        return cls(run=run, **own)

    @property
    def elsewhere(self) -> bool:
        """Whether tasks run on a scheduler that somebody else started."""
        return str(self.run["executor"]).startswith("dask:")

    def lines(self, recipe: Any) -> list[dict[str, float]]:
        """Lines of a recipe to answer for, those of ``--at`` or all; none where it has one control parameter.

        Raises
        ------
        InputError
            If there is no such line, before anything runs.
        """
        from physnn.answers.lines import lines_of, values_at

        if not recipe.several and not self.at:
            return []
        whole = self._grown(recipe)
        values = {name: getattr(whole, name) for name in whole.several}
        own = getattr(whole, whole.control, None)
        if whole.several and own:
            values[whole.control] = own
        return lines_of((whole.control, *whole.several), values, values_at(self.at))

    def _grown(self, recipe: Any) -> Any:
        """Recipe of the file once this one is added to it."""
        from physnn.samples.files import recipe_on_disk

        old = recipe_on_disk(self.out) if self.extend else None
        return recipe if old is None or old.kind != recipe.kind else old.merged(recipe, extend=True)

    def settings(
        self, recipe: type[BaseModel], options: dict[str, Any], preset: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Settings of the configuration file, over them those that one option stands for, and options that were given.

        ``preset`` are those of a flag such as ``--paper``.
        """
        from physnn.samples.base import check_source

        settings = read_config(self.config)
        check_source(recipe, settings, self.config)
        return settings | (preset or {}) | opt.given(options)


def run_recipe(title: str, recipe: Any, call: Call) -> tuple[int, int]:
    """Run a recipe, or one shard of it; return how many tasks were run, and how many of other shards are missing."""
    from physnn import api
    from physnn.cli.answers import announce
    from physnn.jobs.run import silent
    from physnn.samples.files import missing

    said = call.quiet or call.as_json
    with progress_bar(title, call.quiet) as show:

        def progress(done: float, total: float, text: str) -> None:
            nonlocal said
            if not said:  # not before everything is checked: what is refused is refused in one line
                said = True
                click.echo(f"{title}: {_sizes(recipe)}into {call.out}; Ctrl-C keeps what is done", err=True)
            show(done, total, text)

        how: Any = call.run | {
            "progress": silent if call.quiet else progress,
            "announce": None if call.quiet else announce,
        }
        count = api.run(recipe, call.out, extend=call.extend, **how)
        return count, missing(call.out)


def _sizes(recipe: Any) -> str:
    """What a recipe is about, in a few words: its sizes, and how many control values there are."""
    sizes, values = getattr(recipe, recipe.size, None), getattr(recipe, recipe.control, None)
    text = f"{recipe.size} = {' '.join(map(str, sizes))}, " if isinstance(sizes, tuple) else ""
    return text + (f"{len(values)} values of {recipe.control}, " if isinstance(values, tuple) and values else "")


def planned(recipe: Any, call: Call) -> dict[str, Any]:
    """Tasks, seconds, memory and file size of a recipe, see `physnn.samples.cost.plan`."""
    from physnn.analysis.statistics.plain import to_json
    from physnn.samples.cost import plan

    power = {"power": to_json(recipe.power())} if hasattr(recipe, "power") else {}
    with told_if_slow("a short task is timed; kernels are compiled the first time", call.quiet):
        return plan(recipe, call.run["jobs"]) | power


def check_measured(recipe: Recipe, observable: str) -> None:
    """Raise InputError if the file of a recipe will not have what an observable needs, before anything runs."""
    import numpy as np

    from physnn.analysis.curves.observables import rule_of, with_moments
    from physnn.samples.kinds import KINDS, sample_of
    from physnn.store.sweep_file import FORMAT

    sample, repeats = sample_of(recipe), (recipe.draws, recipe.repeats)
    if sample.format != FORMAT or not isinstance(KINDS[recipe.kind], str):
        return  # kinds that are brought may derive further arrays from those of their tasks
    sizes = []
    for L in sample.sizes():
        names = [name for name, quantity in sample.quantities(L).items() if quantity.axes[-2:] == repeats]
        sizes.append(with_moments(dict.fromkeys(names, np.ones(1)), 1))
    rule_of(observable, recipe.control, *sizes)


def finished(title: str, recipe: Any, call: Call, name: str = "task") -> int | None:
    """Number of tasks run for a file that is whole; None after printing a plan, or how many others shards lack."""
    from physnn.cli.answers import print_missing, print_plans

    if call.observable:
        check_measured(recipe, call.observable)
    if hasattr(recipe, "power") and not (call.as_json or call.quiet):
        print_power(recipe.power(), "power before data", before=not call.dry_run)
    if call.dry_run:
        print_plans({name: planned(recipe, call)}, call.as_json)
        return None
    count, missing = run_recipe(title, recipe, call)
    if missing:
        print_missing(call.run["shard"], {name: (call.out, count, missing)}, call.as_json)
        return None
    return count


def run_and_print(title: str, recipe: Any, call: Call) -> None:
    """Run a sweep, or one shard of it, and print its answer; with ``--dry-run`` print what it will take."""
    lines = call.lines(recipe)
    count = finished(title, recipe, call)
    if count is not None:
        print_answer(recipe, call, count, lines, call.observable or recipe.target_observable)


def print_answer(recipe: Any, call: Call, count: int, lines: list[dict[str, float]], observable: str | None) -> None:
    """Print the answer of a finished sweep: of its only line, or of every one of some lines."""
    from physnn.answers.fit import default_observable
    from physnn.answers.lines import on_line
    from physnn.cli.answers import sweep_answer
    from physnn.store.sweep_file import read_sweep

    at_first = lines[0] if lines else None
    name = observable or default_observable(on_line(read_sweep(call.out, states=False), at=at_first))
    if not lines:
        sweep_answer(call.out, name, count).print(call.as_json)
    elif call.as_json:
        _print_lines(recipe, call, count, [{"at": at} | sweep_answer(call.out, name, count, at).plain for at in lines])
    else:
        for at in lines:
            click.echo(f"\n{', '.join(f'{name} = {value:g}' for name, value in at.items())}")
            sweep_answer(call.out, name, count, at).print()
        _print_lines(recipe, call, count, [])


def _print_lines(recipe: Any, call: Call, count: int, lines: list[dict[str, Any]]) -> None:
    """Print what a file of several control parameters holds, and how to fit a line; as one object with the answers."""
    from physnn.cli.output import print_json
    from physnn.store.hdf5 import content_digest

    names = [recipe.control, *recipe.several]
    if call.as_json:
        shared = {"file": str(call.out), "sizes": recipe.L, "control": names, "tasks_run": count}
        print_json(shared | {"digest": content_digest(call.out), "lines": lines})
        return
    example = " ".join(f"--at {name}={getattr(recipe, name)[0]:g}" for name in recipe.several)
    click.echo(f"\n{' and '.join(names)} vary; a line by itself: physnn fit {call.out} {example}")


def resolve_device(device: str, recorded: object = None, elsewhere: bool = False) -> str | None:
    """Device to record in a recipe: the one asked for, else the recorded one, else CUDA if there is any.

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
    if device == "auto" and _without_cuda():
        return None
    from physnn.networks.device import check_device, has_cuda

    if device == "cuda":
        check_device(device)
    return "cuda" if has_cuda() else None


def _without_cuda() -> bool:
    """Whether torch is missing or built for CPUs alone, by its version: to load it takes over a second."""
    try:
        return metadata.version("torch").endswith("+cpu")
    except metadata.PackageNotFoundError:
        return True


def choose_algorithm(settings: dict[str, Any], device: str, elsewhere: bool) -> None:
    """Put the algorithm for a device into settings: on a GPU it is another one, with random numbers of its own.

    Raises
    ------
    InputError
        If the algorithm asked for does not run on the device.
    Unfinished
        If there is no GPU here, and tasks do not run ``elsewhere``.
    """
    algorithm = settings.get("algorithm")
    if device == "cuda":
        if algorithm not in (None, "multispin", "multispin-gpu"):
            raise InputError(f"{algorithm} does not run on a GPU; leave --device out, or take --algorithm multispin")
        settings["algorithm"] = algorithm = "multispin-gpu"
    if algorithm == "multispin-gpu":
        if device == "cpu":
            raise InputError("multispin-gpu needs a GPU; take --algorithm multispin with --device cpu")
        if not elsewhere:
            from physnn.kernels import gpu

            gpu.place()
