"""Recipes of loss landscapes of +-1 networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from physnn.machine import available_cores, check_bytes, check_seconds
from physnn.models.signs import Activation, Bias, SignNetwork, Threshold
from physnn.samples.base import Growth, Recipe, most

WALKER = 8e6
"""Bytes of a walker's tables."""
OF_FUNCTIONS = 700.0
"""Bytes for each point when functions are counted; measured at 20,000 and 60,000 points."""


class SignCount(Recipe):
    """Recipe of the loss levels of a +-1 network by brute force; ``grid`` has evenly spaced points, not random ones."""

    size: ClassVar[str] = "weights"
    control: ClassVar[str] = "part"

    kind: Literal["landscape"] = "landscape"
    layers: tuple[int, ...] = (1, 3, 3, 2, 1)
    hidden: Activation = "tanh"
    output: Literal["linear", "tanh"] = "linear"
    constant: float | None = None
    bias: Bias | None = None
    loss: Literal["mse", "cross-entropy"] = "mse"
    points: Annotated[int, Field(ge=1)] = 64
    grid: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    @property
    def weights(self) -> tuple[int]:
        """Number of weights: the one size."""
        return (self.network.weights,)

    @property
    def network(self) -> SignNetwork:
        """Network; raises InputError if there is none."""
        return SignNetwork(self.layers, self.hidden, self.output, self.constant, self.bias)

    @property
    def problem(self) -> Threshold:
        """Data and loss."""
        return Threshold(self.points, None if self.grid else self.seed, self.loss)

    def resolved(self) -> Self:
        """Recipe itself; raises InputError if brute force cannot reach it."""
        from physnn.exact.signs.brute import refuse  # loads numba

        refuse(self.network)
        return self


class SignSampling(SignCount):
    """Recipe of the same by Wang-Landau walkers, with ``moves`` while each learns and again while it measures."""

    control: ClassVar[str] = ""
    draws: ClassVar[str] = "walker"
    grows: ClassVar[Mapping[str, Growth]] = {"walkers": most}

    kind: Literal["landscape-sampling"] = "landscape-sampling"  # type: ignore[assignment]
    walkers: Annotated[int, Field(ge=2)] = 16
    moves: Annotated[int, Field(ge=1)] = 4_000_000

    def resolved(self) -> Self:
        """Recipe itself; raises InputError if there is no such network, or it is beyond waiting for."""
        check_signs(self.network.layers, self.points, "sampling", self.walkers, self.moves, available_cores())
        return self


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
    if method == "sampling":
        check_bytes(walkers * walker_bytes(layers, points), "fewer --walkers or --points")
        # Every move evaluates the points again behind the weight that flips: a nanosecond each is fast.
        check_seconds(2e-9 * walkers * moves * points / threads, "fewer --moves, --walkers or --points")
    elif method == "functions":
        check_bytes(OF_FUNCTIONS * points, "fewer --points")
    else:
        check_bytes(table_bytes(layers, points), "fewer --points")


def walker_bytes(layers: Sequence[int], points: int) -> float:
    """Bytes of a walker: its tables and activations."""
    widest = max((abs(n) for n in layers), default=1) + 2
    return WALKER + 16.0 * (len(layers) + 1) * widest * points


def table_bytes(layers: Sequence[int], points: int) -> float:
    """Bytes of the tables of brute force: activations of every unit for all its weights."""
    return 8.0 * points * sum(2.0 ** min(n + 2, 22) for n in layers[:-1])
