"""Trained ground states: which points have converged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from physnn.analysis.quantum.convergence import Convergence, converged_order, mean_of_machines
from physnn.analysis.statistics.plain import to_json
from physnn.store.sweep_file import SweepFile

TRAINED_GROUND = "ground-state"
"""Kind of the files."""


def convergences(sweep: SweepFile) -> list[Convergence]:
    """Judgements of every size and parameter of a file of ground states; none of other files."""
    if sweep.recipe.get("kind") != TRAINED_GROUND:
        return []
    found, points = [], sum(len(group["stage_order2"].values) for group in sweep.sizes.values())
    for L, group in sweep.sizes.items():
        order2 = group["stage_order2"]
        sites = float(group["energy"].attrs["sites"])
        each = {name: np.asarray(group[name].values, float) for name in group if name.startswith(("stage_", "exact_"))}
        for k, value in enumerate(group[order2.dims[0]].values.tolist()):
            excess = sites * (each["stage_energy"][k, :, -1] - each["exact_energy"][k]).mean()
            found.append(
                converged_order(
                    L,
                    value,
                    each["stage_order2"][k],
                    each["stage_pull"][k, :, -1],
                    each["stage_variance"][k],
                    (float(excess), float(each["exact_gap"][k].mean())),
                    points,
                    round(sites),
                )
            )
    return found


def judged_rows(judged: Sequence[Convergence], sweep: SweepFile) -> tuple[list[list[str]], list[list[str]]]:
    """Rows of two tables: energies and what they bound; order, how it moves, and the verdict."""
    energies, orders = [], []
    for one in judged:
        group = sweep.sizes[one.L]
        k = group[group["stage_order2"].dims[0]].values.tolist().index(one.value)
        energy = mean_of_machines(np.asarray(group["stage_energy"].values[k, :, -1], float))
        exact, order2 = (float(np.mean(group[name].values[k])) for name in ("exact_energy", "exact_order2"))
        point = [str(one.L), f"{one.value:g}"]
        above = (energy.value - exact) / abs(exact)
        energies.append(
            [*point, str(energy), _shown(above, f"{above:.1e}"), f"{one.variance:.1e}", f"{one.infidelity:.1e}"]
        )
        pull, extrapolated = f"{one.pull}{' *' if one.assumed else ''}", one.extrapolated
        moves = [_shown(one.drift.value, str(one.drift)), pull, _shown(extrapolated.value, str(extrapolated))]
        orders.append([*point, str(one.order2), _shown(order2, f"{order2:.5g}"), *moves, one.verdict])
    return energies, orders


def _shown(value: float, text: str) -> str:
    return text if math.isfinite(value) else "-"


def judged_json(judged: Sequence[Convergence]) -> list[dict[str, Any]]:
    """Judgements as plain data."""
    return [
        {"L": one.L, "value": one.value, "verdict": one.verdict, "reasons": list(one.reasons)}
        | {name: to_json(getattr(one, name)) for name in ("order2", "drift", "pull", "extrapolated")}
        | {"variance": one.variance, "assumed_gap": one.assumed}
        | {"infidelity": one.infidelity}
        for one in judged
    ]
