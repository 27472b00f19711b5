"""Values that a shell completes: algorithms, observables of the file that is named, bundled networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

CALLED_WITH = "physnn.words"
"""Where a context keeps the words of its command."""


def _observables(ctx: click.Context) -> Iterable[str]:
    """Observables of the sweep that the words before name; all where there is none."""
    from physnn.analysis.curves.observables import OBSERVABLES, available
    from physnn.answers.fit import sampled_arrays
    from physnn.errors import InputError
    from physnn.store.sweep_file import read_sweep

    for word in ctx.meta.get(CALLED_WITH, ()):
        try:
            control, sizes = sampled_arrays(read_sweep(Path(word), states=False))
        except InputError:
            continue
        return available(next(iter(sizes.values()))[1], control)
    return OBSERVABLES


def _algorithms(_: click.Context) -> Iterable[str]:
    from physnn.samples.temperature.recipe import algorithms

    return algorithms()


def _networks(_: click.Context) -> Iterable[str]:
    from physnn.shipped import bundled

    return [path.stem for path in bundled()]


COMPLETED: dict[str, Callable[[click.Context], Iterable[str]]] = {
    "observable": _observables,
    "observables": _observables,
    "observable_b": _observables,
    "algorithm": _algorithms,
    "networks": _networks,
}
"""What names the values of an option, by its name; files are completed beside."""


class Known(click.types.StringParamType):
    """Any word, with values that a shell completes."""

    def __init__(self, values: Callable[[click.Context], Iterable[str]]) -> None:
        self.values = values

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Values that begin so, and files where networks are asked for."""
        found = [CompletionItem(value) for value in self.values(ctx) if value.startswith(incomplete)]
        return [*found, CompletionItem(incomplete, type="file")] if param.name == "networks" else found


def with_values(params: Iterable[click.Parameter]) -> None:
    """Give options whose values are known the type that completes them."""
    for param in params:
        if param.name in COMPLETED and param.type is click.STRING:
            param.type = Known(COMPLETED[param.name])
