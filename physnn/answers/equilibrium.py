"""Answers of equilibrium sweeps: the order parameter, and the sizes that can be fitted together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from physnn.store.sweep_file import SweepFile

if TYPE_CHECKING:
    from physnn.samples.equilibrium.recipe import OrderRecord


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
