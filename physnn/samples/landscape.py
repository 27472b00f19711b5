"""Loss landscapes with what a command needs around them: checkpoints of a long count, and figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from physnn.errors import InputError
from physnn.exact.landscape import Landscape
from physnn.jobs.locks import exclusive
from physnn.jobs.run import Progress, silent
from physnn.machine import check_bytes, check_seconds
from physnn.models.signs import SignNetwork, Threshold
from physnn.store.commit import previous
from physnn.store.parts import read_checkpoint, write_state

if TYPE_CHECKING:
    from physnn.exact.signs.brute import Tally

WALKER = 8e6
"""Bytes of a walker's tables."""
OF_FUNCTIONS = 700.0
"""Bytes for each point when functions are counted; measured at 20,000 and 60,000 points."""


def brute_force_signs(
    network: SignNetwork,
    task: Threshold,
    *,
    threads: int = 1,
    checkpoint: Path | None = None,
    progress: Progress = silent,
) -> Landscape:
    """Return the landscape of a +-1 network by brute force, continued from a checkpoint where there is one.

    Parameters
    ----------
    network, task, threads, progress
        As in `physnn.exact.signs.brute.brute_force`.
    checkpoint : path, optional
        What has been counted is saved here every half minute; removed when all is counted.

    Raises
    ------
    InputError
        If the checkpoint belongs to another count, is damaged, or is in use; and as `brute_force`.
    """
    from physnn.exact.signs.brute import BIN_COLUMNS, brute_force

    if checkpoint is None:
        return brute_force(network, task, threads, progress)
    words = json.dumps({**asdict(network), **asdict(task)}, sort_keys=True).encode()
    recipe = np.frombuffer(words, np.uint8)

    def keep(tally: Tally) -> None:
        columns = {name: getattr(tally, name) for name in BIN_COLUMNS}
        write_state(checkpoint, {**columns, "done": np.array(tally.done), "recipe": recipe}, keep_previous=True)

    with exclusive(checkpoint):
        resume = _resume(checkpoint, recipe)
        found = brute_force(network, task, threads, progress, resume, keep)
        checkpoint.unlink(missing_ok=True)
        previous(checkpoint).unlink(missing_ok=True)
    return found


def check_signs(
    layers: Sequence[int], points: int, method: str, walkers: int = 0, moves: int = 0, threads: int = 1
) -> None:
    """Raise InputError if a count needs more memory than there is, or years; before any of its arrays is made.

    Parameters
    ----------
    layers : sequence of int
        Units of every layer.
    points : int
        Points of the data set.
    method : {"functions", "brute-force", "sampling"}
        How is counted.
    walkers, moves : int
        Of sampling.
    threads : int
        Compute threads.
    """
    widest = max((abs(n) for n in layers), default=1) + 2
    if method == "sampling":
        activations = 16.0 * (len(layers) + 1) * widest * points
        check_bytes(walkers * (WALKER + activations), "fewer --walkers or --points")
        # Every move evaluates the points again behind the weight that flips: a nanosecond each is fast.
        check_seconds(2e-9 * walkers * moves * points / threads, "fewer --moves, --walkers or --points")
    elif method == "functions":
        check_bytes(OF_FUNCTIONS * points, "fewer --points")
    else:
        check_bytes(8.0 * points * sum(2.0 ** min(n + 2, 22) for n in layers[:-1]), "fewer --points")


def _resume(checkpoint: Path, recipe: np.ndarray) -> Tally | None:
    from physnn.exact.signs.brute import BIN_COLUMNS, Tally

    arrays = read_checkpoint(checkpoint)
    if arrays is None:
        return None
    if not np.array_equal(arrays.get("recipe", np.empty(0)), recipe):
        raise InputError(f"{checkpoint} belongs to another count: remove it, or choose another --checkpoint")
    return Tally(int(arrays["done"]), *(arrays[name] for name in BIN_COLUMNS))


def plot_losses(landscapes: Mapping[str, Landscape], loss: str, out: Path) -> Path:
    """Draw sorted losses and degeneracies of networks; return the figure's path."""
    from physnn.figures.landscapes import loss_landscape_figure

    return _save(lambda: loss_landscape_figure(landscapes, loss), out)


def plot_ising(L: int, fields: tuple[float, ...], seed: int, out: Path) -> Path:
    """Draw the Ising landscape of an L x L torus without field and in the fields; return the figure's path."""
    from physnn.exact.ising.levels import ising_landscape, random_energies
    from physnn.figures.landscapes import ising_landscape_figure

    every = tuple(dict.fromkeys((0.0, *fields)))
    drawn = dict(zip(every, random_energies((L, L), every, seed=seed), strict=True))
    exact = {h: ising_landscape((L, L), h) for h in every}
    return _save(lambda: ising_landscape_figure((L, L), drawn, exact, (L, L)), out)


def _save(draw: Callable[[], object], out: Path) -> Path:
    from physnn.figures.style import save
    from physnn.machine import check_figure

    check_figure(out)
    return save(draw(), out)  # type: ignore[arg-type]
