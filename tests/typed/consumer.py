"""Every public name as someone else's checked script uses it: no result is of type Any.  Read by mypy, never run."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import numpy as np
import xarray

import physnn
from physnn.analysis.collapse.dynamic import DynamicFit
from physnn.analysis.collapse.joint import Joint
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.verdict.fit import Fit
from physnn.analysis.verdict.size_law import SizeLaw
from physnn.analysis.verdict.universality import Comparison
from physnn.networks.tasks.expansion_law import ExpansionLaw
from physnn.samples.base import Recipe
from physnn.store.network_file import NetworkFile
from physnn.store.sweep_file import SweepFile


def answers() -> None:
    fit = physnn.fit("ising.h5", "binder", omega="log")
    assert_type(fit, Fit)
    assert_type(fit.verdict == "crossing", bool)
    if fit.collapse:
        assert_type(fit.collapse.critical_point, Estimate)
        assert_type(fit.collapse.critical_point.interval(0.95), tuple[float, float])
    assert_type(physnn.fit("ising.h5", "m_abs", at_criticality=True), SizeLaw)
    assert_type(physnn.fit_arrays(np.arange(3), np.arange(3), np.arange(3), np.ones(3)), Fit)
    assert_type(physnn.fit_dynamic("memory.txt", z="free"), DynamicFit)
    assert_type(physnn.fit_joint("ising.h5", ["xi_over_L"], "binder"), Joint)
    assert_type(physnn.compare("ising.h5", "other.h5"), Comparison)
    assert_type(physnn.on_line("fields.h5", at={"field": 0.1}), SweepFile)
    assert_type(physnn.report("ising.h5", out="ising.html"), Path)
    assert_type(physnn.expansion_law([0.5], "adam"), ExpansionLaw)
    sweep = physnn.Sweep("ising.h5")
    assert_type(sweep.data, xarray.DataTree)
    assert_type(sweep.fit("binder"), Fit | SizeLaw)
    assert_type(sweep.report(), Path)
    sweep.plot(panels=["curves"]).savefig("curves.pdf")
    sweep.to_dataframe(["binder"]).to_csv("curves.csv")
    physnn.curve_table("ising.h5").to_csv("all.csv")
    fit.to_dataframe().to_csv("fit.csv")


def files() -> None:
    assert_type(physnn.sample("ising", L=[4, 8], T=[2.0, 2.5]), xarray.Dataset)
    recipe = physnn.recipe("temperature", L=(8,), T=(2.0,))
    assert_type(recipe, Recipe)
    assert_type(physnn.run(recipe, Path("ising.h5"), jobs=2), int)
    for tree in (
        physnn.sweep("percolation", L=(8, 16)),
        physnn.sweep_noise([32, 64], eta=[0.0, 0.1]),
        physnn.sweep_temperature([8, 16]),
        physnn.sweep_percolation([8, 16]),
        physnn.sweep_coupling([100, 200]),
        physnn.sweep_memory([32, 64]),
        physnn.open_datatree("ising.h5"),
    ):
        assert_type(tree, xarray.DataTree)
    assert_type(physnn.train_kuramoto([0, 1], out="networks.h5"), Path)
    found = physnn.read_sweep("ising.h5")
    assert_type(found, SweepFile)
    value = found.sizes[8]["energy"]
    assert_type(value, physnn.Variable)
    physnn.write_sweep(Path("copy.h5"), found.recipe, found.sizes)
    assert_type(physnn.export(Path("ising.h5"), Path("curves.csv"), "csv"), int)
    assert_type(physnn.content_digest("ising.h5"), str)
    assert_type(physnn.bundled(), list[Path])
    assert_type(physnn.read_networks(physnn.bundled()[0]), NetworkFile)
    assert_type(physnn.stream(0, "user", "x"), np.random.Generator)
    assert_type(physnn.__version__, str)
    try:
        physnn.fit("nothing.h5")
    except physnn.InputError as error:
        print(error)
