"""Self-test of an installation: every sampler against exact results, as a table of z-scores."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from physnn import rng
from physnn.analysis.statistics.resampling import linear_error
from physnn.errors import InputError
from physnn.exact.ising.lattices import MOST_CONFIGURATIONS, lattice_enumeration
from physnn.exact.ising.oracle import Exact, exact
from physnn.jobs.run import Progress, silent
from physnn.models import Ising, Lattice, LatticeModel, Potts, Tabulated
from physnn.models.tabulated import mirrors, tabulated
from physnn.networks.source import imported_class, located, module_digest
from physnn.samplers import SAMPLERS, advance, start, thermalise

LARGEST_Z = 4.5
"""|z| from which a result counts as wrong: in 100 right ones it is exceeded with a probability of 0.0007."""
CONSERVED = 1e-9
"""Range of a series below which a quantity is conserved, and not compared."""
COMPARED: dict[str, Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, ...]]] = {
    "energy": lambda e, m: (e,),
    "m_abs": lambda e, m: (np.abs(m),),
    "m2": lambda e, m: (m**2,),
    "m4": lambda e, m: (m**4,),
}
"""Compared quantities: functions of the series of energy and magnetisation, by the name of the exact result."""


@dataclass(frozen=True)
class SamplerCase:
    """Case of the self-test: a lattice, a temperature and a sampler, with the number of measurements."""

    model: LatticeModel
    L: int
    T: float
    sampler: str
    sweeps: int


@dataclass(frozen=True)
class SamplerCheck:
    """Comparison of a measurement with an exact result and where that comes from."""

    case: SamplerCase
    quantity: str
    value: float
    error: float
    exact: float
    source: str

    @property
    def z(self) -> float:
        """(value - exact)/error."""
        return (self.value - self.exact) / self.error

    @property
    def right(self) -> bool:
        """Whether the measurement agrees."""
        return abs(self.z) < LARGEST_Z


def cases() -> list[SamplerCase]:
    """Cases of the self-test: small lattices by enumeration, larger ones by transfer matrix and Kaufman's sum."""
    found = []
    for name in SAMPLERS:
        if name == "kawasaki":
            found.append(SamplerCase(tabulated(Ising(), Lattice("kagome", (2, 2))), 2, 2.0, name, 40_000))
            continue
        if name == "multispin":
            found += [SamplerCase(Ising(), 128, T, name, 4000) for T in (2.0, 2.5)]
            continue
        found += [SamplerCase(Ising(), 4, T, name, 40_000) for T in (1.8, 2.27, 3.0)]
        found += [
            SamplerCase(Ising(), 8, Ising().critical_temperature, name, 40_000),
            SamplerCase(Ising(), 32, 2.5, name, 8000),
        ]
        frustrated = tabulated(Ising(-1.0), Lattice("triangular", (3, 3)), 0.4)
        found.append(SamplerCase(frustrated, 3, 2.0, name, 40_000))
        # An odd side is no checkerboard.
        side = 3 if name in ("wolff", "swendsen-wang") or name.endswith("random") else 2
        found.append(SamplerCase(Potts(3), side, 1.0, name, 40_000))
    return found


def truth_of(case: SamplerCase) -> Exact:
    """Exact averages of a case; of Kawasaki's sampler with the numbers of colours that it starts from."""
    if not isinstance(case.model, Tabulated):
        return exact(case.model.name, case.L, case.T, q=case.model.q)
    found, q = lattice_enumeration(case.model), case.model.q
    counts = tuple(np.bincount(np.arange(case.model.lattice.size) % q)) if case.sampler == "kawasaki" else None
    values = {name: found.average(name, case.T, counts) for name in ("energy", "m2", "m4")}
    return Exact(values, dict.fromkeys(values, "enumeration"))


def run_case(case: SamplerCase, seed: int = 0) -> list[SamplerCheck]:
    """Comparisons of one case."""
    sampler = SAMPLERS[case.sampler]
    model = case.model
    if isinstance(model, Tabulated):
        energies: tuple[Any, ...] = (str(model.lattice), str(model.pair), str(model.site))
        shape = model.lattice.shape
    else:
        energies, shape = (model.bond, model.field), (case.L, case.L)
    words = (model.name, model.q, *energies, case.sampler, case.L, case.T)
    state = start(sampler, model, shape, case.T, rng.seed_sequence(seed, "chain", *words, "selftest"))
    interval = thermalise(sampler, case.model, case.T, state, max(200, case.sweeps // 20))
    rows = advance(sampler, case.model, case.T, state, case.sweeps, interval)
    truth = truth_of(case)
    found = []
    for name, moments in COMPARED.items():
        if name in truth.values and np.ptp(moments(rows["energy"], rows["m"])[0]) > CONSERVED:
            estimate = linear_error(lambda y: y, *moments(rows["energy"], rows["m"]))
            known = truth.values[name], truth.sources[name]
            found.append(SamplerCheck(case, name, estimate.value, estimate.error, *known))
    return found


SMALL_LATTICES = ((3, 3), (2, 3), (2, 2))
"""Sides of the square lattices on which a model of a user is compared, the first that can be enumerated."""


def cases_of(module: str) -> list[SamplerCase]:
    """Cases of a model that a user wrote, at temperatures of half and all of the range of its bond energies.

    Parameters
    ----------
    module : str
        ``FILE.py:CLASS`` or ``PACKAGE.MODULE:CLASS``; the class is what `physnn.models.on_lattice` takes, made without
        arguments, and may have a ``lattice`` of its own.

    Raises
    ------
    InputError
        If it cannot be made, is no such model, or has too many configurations on its lattice.
    """
    place = located(module)
    made = imported_class(place, module_digest(place))
    try:
        model = made()
        sides = next((s for s in SMALL_LATTICES if int(model.q) ** math.prod(s) <= MOST_CONFIGURATIONS), (2, 2))
        found = tabulated(model, getattr(model, "lattice", Lattice("square", sides)))
    except InputError:
        raise
    except Exception as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"{module} is no model of colours: {told}; it needs q and bond_energy(a, b)") from error
    lattice_enumeration(found)
    names = [name for name in SAMPLERS if name != "multispin"]
    try:
        mirrors(found)
    except InputError:
        names = [name for name in names if name not in ("wolff", "swendsen-wang")]
    unit = float(np.ptp(found.pairs()[: len(found.pair)])) or 1.0
    temperatures = (unit / 2, unit)
    return [SamplerCase(found, found.lattice.sides[0], T, name, 40_000) for name in names for T in temperatures]


def selftest(seed: int = 0, progress: Progress = silent, module: str | None = None) -> list[SamplerCheck]:
    """Comparisons of every sampler with exact results; about a minute.

    ``seed`` is the root seed of the chains; with ``module`` it is those of a model that a user wrote, see `cases_of`.
    """
    todo = cases_of(module) if module else cases()
    found: list[SamplerCheck] = []
    for k, case in enumerate(todo):
        progress(k, len(todo), f"{case.sampler}, {case.model.name}, L = {case.L}")
        found += run_case(case, seed)
    progress(len(todo), len(todo), "")
    return found
