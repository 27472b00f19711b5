"""Markov chains of a sweep as one xarray Dataset: their series, and estimates with errors."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray

from physnn.analysis.curves.observables import Observable, available, components_of, rule_of
from physnn.analysis.order.sides import Sides
from physnn.analysis.statistics.resampling import linear_part
from physnn.analysis.statistics.series import SHORTEST_CHAIN, estimate_time, share_unseen
from physnn.answers.equilibrium import sides
from physnn.answers.fit import sampled_arrays
from physnn.answers.lines import on_line, varied
from physnn.errors import InputError
from physnn.store.sweep_file import SweepFile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ESTIMATED = {
    "value": "estimate of an observable",
    "error": "its standard error, from the autocorrelations of its linear part; NaN where it is unknown",
    "tau": "integrated autocorrelation time of that, 1/2 for independent measurements; in measurements",
    "note": "what is wrong with an estimate; empty where nothing is",
}
"""Meaning of the variables along the dimension ``observable``."""
SURPRISING = 1e-4
"""Probability below which a slow mode is worth a note, a convention: one false alarm in 100 tables of 100 numbers.

Errors allow for all slow modes, from `physnn.analysis.statistics.series.DISAGREEMENT` on.
"""


def estimates(sweep: SweepFile) -> xarray.Dataset:
    """Series and estimates of the Markov chains of a sweep.

    Raw series have the dimensions (L, control, chain, measurement).  `ESTIMATED` are variables along (observable, L,
    control), for every name of `physnn.analysis.curves.observables.OBSERVABLES` that the series allow.  Further control
    parameters, as ``field``, are dimensions after the first one.

    Raises
    ------
    InputError
        If these are no Markov chains, or sizes differ in control values or in length.
    """
    control, *names = varied(sweep) or ("",)
    if not names:
        return _on_its_line(sweep)
    group = next(iter(sweep.sizes.values()))
    lines = []
    for values in itertools.product(*(group[name].values.tolist() for name in names)):
        at = dict(zip(names, values, strict=True))
        lines.append(_on_its_line(on_line(sweep, at=at)).expand_dims({name: [value] for name, value in at.items()}))
    found = xarray.combine_by_coords(lines, combine_attrs="override")
    assert isinstance(found, xarray.Dataset)
    found = found.transpose("observable", "L", control, *names, "chain", "measurement")
    found = found.assign_coords({name: found[name].assign_attrs(group[name].attrs) for name in names})
    return found.assign_attrs(recipe=json.dumps(sweep.recipe))


def _on_its_line(sweep: SweepFile) -> xarray.Dataset:
    """Series and estimates of a sweep of one control parameter, see `estimates`."""
    control, sizes = sampled_arrays(sweep)
    kinds = {v.dims[1:] for group in sweep.sizes.values() for v in group.values() if len(v.dims) == 3}
    if ("chain", "measurement") not in kinds:
        raise InputError("these are no Markov chains: take a sweep of temperatures or of equilibrium")
    shapes = {(tuple(x.tolist()), next(iter(arrays.values())).shape) for x, arrays in sizes.values()}
    if len(shapes) > 1:
        raise InputError("sizes differ in control values or in measurements: take one size at a time")
    x = next(iter(sizes.values()))[0]
    first, *others = [available(arrays, control) for _, arrays in sizes.values()]
    names = [name for name in first if all(name in other for other in others)]
    arrays = [own for _, own in sizes.values()]
    stated = {name: int(v.attrs.get("components", 1)) for name, v in next(iter(sweep.sizes.values())).items()}
    held = [sides(sweep, name) for name in names]
    rules = [rule_of(name, control, *arrays, components=components_of(name, stated)) for name in names]
    points = [
        [[_point(rule, L, x, k, arrays, where) for k in range(len(x))] for L, (_, arrays) in sizes.items()]
        for rule, where in zip(rules, held, strict=True)
    ]
    along = ("observable", "L", control)
    found = {
        name: (along, np.array([[[each[i] for each in row] for row in block] for block in points]), {"long_name": text})
        for i, (name, text) in enumerate(ESTIMATED.items())
    }
    return xarray.Dataset(
        _series(sweep, control) | found,
        {"observable": names, "L": list(sizes), control: x},
        {"recipe": json.dumps(sweep.recipe)},
    )


def _point(
    rule: Observable,
    L: int,
    x: np.ndarray,
    k: int,
    arrays: Mapping[str, np.ndarray],
    held: Mapping[tuple[int, int], Sides],
) -> tuple[float, float, float, str]:
    """Value, error, autocorrelation time and note of an observable at one size and control value."""
    moments = rule.moments(*(np.asarray(arrays[name][k], float) for name in rule.raw))
    scale = float(rule.factor(float(L), x[k : k + 1], arrays)[0])
    try:
        value, projected = linear_part(rule.combine, *moments)
    except InputError as error:
        return math.nan, math.nan, math.nan, str(error)
    time, note = estimate_time(projected), ""
    if math.isnan(time.tau.value):
        note = f"never changed: its error is unknown; other values have a share below {share_unseen(time.samples):.2g}"
    elif time.note and not (time.bin and time.p_value > SURPRISING):
        note = time.note
    elif projected.shape[1] < SHORTEST_CHAIN * time.tau.value:
        note = f"chains are shorter than {SHORTEST_CHAIN:.0f} tau: take more sweeps"
    if (L, k) in held and not math.isnan(time.tau.value) and (said := held[L, k].sentence()):
        note = said
    return scale * value, abs(scale) * time.mean.error, time.tau.value, note


def _series(sweep: SweepFile, control: str) -> dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, object]]]:
    """Raw series of all sizes by name."""
    groups = list(sweep.sizes.values())
    dims = (control, "chain", "measurement")
    names = [name for name, v in groups[0].items() if v.dims == dims and v.values.dtype.kind == "f"]
    return {
        name: (("L", *dims), np.stack([group[name].values for group in groups]), dict(groups[0][name].attrs))
        for name in names
        if all(name in group for group in groups)
    }


@xarray.register_dataset_accessor("physnn")
class ChainView:
    """What a Dataset of `estimates` can draw, as ``data.physnn``; ``data.plot`` is xarray's own."""

    def __init__(self, data: xarray.Dataset) -> None:
        self._data = data

    def plot(self, *observables: str) -> Figure:
        """Figure of estimates with errors, a panel for each observable, a curve for each size.

        Parameters
        ----------
        *observables : str
            Names along ``observable``, by default energy, order parameter, specific heat and susceptibility.

        Returns
        -------
        matplotlib.figure.Figure
            Its ``savefig("chi.png")`` writes it.

        Raises
        ------
        InputError
            If there is no such observable, or this Dataset has no estimates.
        """
        from physnn.figures.estimates import estimates_figure

        if not {"observable", "L", "value", "error"} <= set(self._data.variables):
            raise InputError("this Dataset has no estimates of chains to draw; physnn.sample makes one that has")
        # One observable that was chosen is a dimension again.
        data = self._data if "observable" in self._data.dims else self._data.expand_dims("observable")
        known = data["observable"].values.tolist()
        names = list(observables) or [name for name in ("energy", "m_abs", "c", "chi") if name in known] or known[:1]
        if unknown := [name for name in names if name not in known]:
            raise InputError(f"there is no observable {unknown[0]!r}; choose one of {', '.join(known)}")
        varying = [str(name) for name in data["value"].dims if name not in ("observable", "L")]
        if len(varying) > 1:
            raise InputError(f"{' and '.join(varying)} vary: draw a line, as data.sel({varying[1]}=...).physnn.plot()")
        control = varying[0] if varying else next(str(name) for name in data.coords if name not in ("observable", "L"))
        sizes, x = (np.atleast_1d(data[name].values) for name in ("L", control))
        curves = {
            name: tuple(
                data[part].sel(observable=name).values.reshape(len(sizes), len(x)) for part in ("value", "error")
            )
            for name in names
        }
        return estimates_figure(control, x, sizes, curves)
