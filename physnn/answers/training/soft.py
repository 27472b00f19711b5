"""What became of symmetries that the weights of networks were drawn to: kept, harmless, broken, or undecided."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physnn.analysis.statistics.estimate import Estimate, mean_over
from physnn.analysis.statistics.plain import to_json
from physnn.models.groups.soft import DRAWN_LAYERS, TWO_CONVOLUTIONS, soft_symmetries
from physnn.store.ensemble_file import ENSEMBLES, read_ensembles
from physnn.store.network_file import NETWORKS, read_networks
from physnn.store.sweep_file import kind_of

KEPT_BELOW = 0.01
"""Largest deviation of a symmetry that is kept: a hundredth of that of random weights; a convention."""
SURE_BY = 3.0
"""Errors over networks beyond which a deviation or a cost is told from a limit."""
HARMLESS_BELOW = 0.01
"""Largest cost of a symmetry that is harmless, in units of what was learned: a hundredth; a convention."""
FEWEST = 3
"""Networks without which there is no verdict."""


@dataclass(frozen=True)
class SoftRow:
    """One symmetry of one ensemble; errors are over networks.

    Attributes
    ----------
    strength : float or None
        As it was given; None if it was tuned.
    log10_strengths, deviations : tuple of Estimate
        Of every layer, after training.
    largest : Estimate
        Largest deviation of a layer, 0 (equivariant) to about 1 (as at random).
    cost : Estimate
        Rise of the loss on fresh images if the symmetry is forced on all trained weights; its error is over networks
        and, where that is known, over images.
    networks : int
        How many there are.
    movable : bool
        Whether any weight can deviate.
    learned : Estimate or None
        By how much the loss is below that of guessing classes by their shares; None where that is not known.
    """

    ensemble: str
    symmetry: str
    strength: float | None
    layers: tuple[str, ...]
    log10_strengths: tuple[Estimate, ...]
    deviations: tuple[Estimate, ...]
    largest: Estimate
    cost: Estimate
    networks: int
    movable: bool
    learned: Estimate | None = None

    @property
    def margin(self) -> float | None:
        """Largest cost of a symmetry that is harmless; none where nothing was learned for certain.

        It follows from the loss of the networks as they are, whatever forcing a symmetry costs.
        """
        least = self.learned.value - SURE_BY * self.learned.error if self.learned else 0.0
        return HARMLESS_BELOW * least if least > 0 else None

    @property
    def verdict(self) -> str:
        """``kept``, ``harmless``, ``broken``, ``built in``, ``given`` or ``undecided``.

        Where no weight can deviate, a symmetry is built in, and where its strength was given, data were not asked.
        Else it is kept where the largest deviation is below `KEPT_BELOW`, and broken where it is above and forcing it
        on the weights raises the loss, each by `SURE_BY` errors.  It is harmless where weights deviate, but the cost is
        below the `margin` by as many errors: not that it is zero is claimed, but that it is small.
        """
        if not self.movable:
            return "built in"
        if self.strength is not None:
            return "given"
        if self.networks < FEWEST:
            return f"undecided ({FEWEST} seeds needed)"
        if self.largest.value + SURE_BY * self.largest.error < KEPT_BELOW:
            # Weights begin without deviations: before anything is learned there are none.
            return "kept" if self.learned is None or self.margin else "undecided (nothing learned)"
        above = self.largest.value - SURE_BY * self.largest.error > KEPT_BELOW
        if above and self.cost.value > SURE_BY * self.cost.error:
            return "broken"
        most, margin = self.cost.value + SURE_BY * self.cost.error, self.margin
        return "harmless" if margin is not None and most < margin else "undecided"

    def sentence(self) -> str:
        """Verdict, and what it rests on, in one line."""
        strengths = ", ".join(f"{name} {10**e.value:.2g}" for name, e in self._moved(self.log10_strengths))
        return (
            f"{self.verdict}; deviation {small(self.largest)}, cost {small(self.cost)}; strengths: {strengths or '-'}"
        )

    def _moved(self, values: tuple[Estimate, ...]) -> list[tuple[str, Estimate]]:
        """Layers that can deviate, with values of theirs."""
        rows = zip(self.layers, values, self.deviations, strict=True)
        return [(name, value) for name, value, deviation in rows if deviation.value > 0 or not self.movable]


def small(estimate: Estimate) -> str:
    """Estimate in few letters; what is next to nothing as a power of ten."""
    return str(estimate) if abs(estimate.value) >= KEPT_BELOW**2 else f"{estimate.value:.0e}"


DrawnTo = tuple[tuple[str, ...], tuple[str, ...], dict[str, np.ndarray]]
"""Words of symmetries, names of layers, and arrays."""


def soft_arrays(path: Path) -> dict[str, DrawnTo]:
    """Words of symmetries, names of layers, and arrays of an ensemble or network file, by ensemble; empty if none."""
    kind = kind_of(path)[0]
    if kind == NETWORKS:
        one = read_networks(path)
        count = one.tuned["soft_strength"].shape[-1] if one.tuned else 0
        layers = tuple(f"step {k + 1}" for k in range(count)) if count > 1 else ("all steps",)
        return {path.stem: (tuple(one.recipe["soft_equivariance"]), layers, one.tuned)} if one.tuned else {}
    if kind != ENSEMBLES:
        return {}
    file, found = read_ensembles(path), dict[str, DrawnTo]()
    for name, ensemble in file.ensembles.items():
        if ensemble.tuned:
            recipe = file.recipe["ensembles"][name]["recipe"]
            layers = DRAWN_LAYERS.get(recipe["network"], TWO_CONVOLUTIONS)
            found[name] = tuple(recipe["soft_equivariance"]), layers, ensemble.tuned
    return found


def soft_rows(path: Path) -> tuple[SoftRow, ...]:
    """Rows of all symmetries that networks of a file were drawn to; none if they were not, or not trained.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    return tuple(row for name, drawn in soft_arrays(path).items() for row in drawn_rows(name, drawn))


def drawn_rows(name: str, drawn: DrawnTo) -> list[SoftRow]:
    """Rows of all symmetries of one ensemble, as `soft_rows` has them."""
    words, layers, arrays = drawn
    strength, deviation, cost = (arrays[f"soft_{key}"] for key in ("strength", "deviation", "cost"))
    rows = []
    for s, one in enumerate(soft_symmetries(words) if strength.shape[1] else ()):
        last, logs = deviation[:, -1, s], np.log10(np.maximum(strength[:, -1, s], 1e-300))
        per_layer = tuple(_over(v) for v in logs.T), tuple(_over(v) for v in last.T)
        movable = bool(deviation[:, :, s].any())
        by_image = arrays["soft_cost_error"][:, s] if "soft_cost_error" in arrays else np.zeros(len(last))
        learned = _over(arrays["soft_learned"]) if "soft_learned" in arrays else None
        whole = _over(last.max(axis=1)), with_images(_over(cost[:, s]), by_image)
        rows.append(SoftRow(name, *one, layers, *per_layer, *whole, len(last), movable, learned))
    return rows


def _over(values: np.ndarray) -> Estimate:
    """Mean over networks with its error; without an error for one of them."""
    return mean_over(values) if len(values) > 1 else Estimate(float(values[0]), 0.0)


def with_images(cost: Estimate, errors: np.ndarray) -> Estimate:
    """Mean cost over networks whose error has the scatter of images, too, from the errors of every network.

    All networks see the same images, so that more networks do not make that part smaller.  It is at most the root mean
    square of theirs.
    """
    return Estimate(cost.value, math.hypot(cost.error, math.sqrt(float(np.mean(np.square(errors))))), cost.dof)


def soft_json(path: Path) -> dict[str, Any]:
    """Rows as plain data, with their verdicts: ``{"symmetries": [...]}``, or nothing where there are none."""
    rows = [to_json(row) | {"verdict": row.verdict} for row in soft_rows(path)]
    return {"symmetries": json.loads(json.dumps(rows))} if rows else {}
