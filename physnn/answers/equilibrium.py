"""Whether chains are in equilibrium: sides of spins, order parameters of unit vectors, sizes that fit together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from physnn.analysis.curves.observables import OBSERVABLES
from physnn.analysis.order.sides import Sides, sides_of_chains
from physnn.store.sweep_file import SweepFile

if TYPE_CHECKING:
    from physnn.samples.equilibrium.recipe import OrderRecord


OF_CLUSTERS = ("wolff", "swendsen-wang")
"""Algorithms whose chains do not hang on their starts."""
SIGNED = frozenset({"m", "order", "energy"})
"""Raw observables that tell the two sides of spins in a field apart; without a field m alone does."""


def sides(sweep: SweepFile, observable: str) -> dict[tuple[int, int], Sides]:
    """Sides of Ising chains, by size and number of the control value, where none crossed m = 0 and an observable minds.

    Moments of even powers of m are alike on both sides.
    """
    recipe, raw = sweep.recipe, OBSERVABLES[observable].raw if observable in OBSERVABLES else ()
    found: dict[tuple[int, int], Sides] = {}
    if recipe.get("model") != "ising" or recipe.get("kind") != "temperature" or not SIGNED & {*raw}:
        return found
    for L, group in sweep.sizes.items():
        m, sites = group["m"], float(group["energy"].attrs.get("sites", L**2))
        for k, value in enumerate(group[m.dims[0]].values.tolist()):
            T, h = (float((recipe | {m.dims[0]: value})[name]) for name in ("T", "field"))
            if h or "m" in raw:
                one = sides_of_chains(m.values[k], T, h, sites)
                found |= {(L, k): one} if one is not None else {}
    return found


def start_remarks(sweep: SweepFile, observable: str) -> tuple[str, ...]:
    """Remarks on chains that show nothing but the side, or the state, in which they began."""
    recipe, told = sweep.recipe, []
    for (L, k), one in sides(sweep, observable).items():
        group = sweep.sizes[L]
        control = group["m"].dims[0]
        if said := one.sentence():
            told.append(f"L = {L}, {control} = {group[control].values[k]:.6g}: {said}")
    more = f"; {len(told)} such points" if len(told) > 1 else ""
    found = [told[0] + more] if told else []
    local = recipe.get("kind") == "temperature" and recipe.get("algorithm") not in OF_CLUSTERS
    if local and recipe.get("chains") == 1 and not recipe.get("tempering"):
        found += (
            "one chain from one start: a metastable state would not be seen; take more --chains, and --start both",
        )
    return tuple(found)


def order_record(sweep: SweepFile) -> OrderRecord | None:
    """Order parameter that an equilibrium sweep was measured on; None for other sweeps."""
    found = sweep.recipe.get("order")
    if not isinstance(found, dict):
        return None
    # A table or another sweep is fitted without the recipes of equilibrium sweeps.
    from physnn.samples.base import validated
    from physnn.samples.equilibrium.recipe import OrderRecord

    return validated(OrderRecord, found)


def fitted_together(sweep: SweepFile) -> tuple[SweepFile, tuple[str, ...]]:
    """Sweep with the sizes, two or more, that hold its order without strain, and remarks on its order."""
    found = order_record(sweep)
    if found is None:
        return sweep, ()
    from physnn.analysis.order.equilibrium import compatible_sizes, drifted, strayed, thermometer

    order = found.order()
    left, said = compatible_sizes(order, list(sweep.sizes))
    remarks = [said] if said else []
    if not found.resolved:
        remarks.append(f"no peak of S(k) was resolved at T = {found.T:.4g} and above: the order parameter is a guess")
    if found.metastable:
        remarks.append(f"metastable starts at the lowest temperature: {'; '.join(found.metastable)}")
    structure = {
        L: (group["T"].values, group["structure"].values) for L, group in sweep.sizes.items() if "structure" in group
    }
    remarks += strayed(order, structure) + drifted(order, structure)
    open_points = [
        f"L = {L}, T = {T:.6g}"
        for L, group in sweep.sizes.items()
        for k, T in enumerate(group["T"].values)
        if thermometer(group["force"].values[k], group["curvature"].values[k], float(T)).verdict == "undecided"
    ]
    if open_points:
        remarks.append(f"too short for the thermometer to tell: {len(open_points)} points, {open_points[0]} first")
    return replace(sweep, sizes={L: sweep.sizes[L] for L in left}), tuple(remarks)
