"""Self-test of an installation: every sampler against exact results, as a table of z-scores."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from physnn import rng
from physnn.analysis.statistics.resampling import linear_error
from physnn.errors import InputError
from physnn.exact.ising.lattices import MOST_CONFIGURATIONS, lattice_enumeration
from physnn.exact.ising.oracle import Exact, exact
from physnn.jobs.run import Progress, silent
from physnn.models import Ising, Lattice, LatticeModel, Potts, Tabulated
from physnn.models.tabulated import number_of_colours, tabulated
from physnn.networks.source import code_of_users, imported_class, located, module_digest
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
    """Case of the self-test: a lattice, a temperature and a sampler, with the number of measurements.

    They are shared by ``chains`` with random starts: one that is stuck is then seen in their common autocorrelation.
    """

    model: LatticeModel
    L: int
    T: float
    sampler: str
    sweeps: int
    chains: int = 1


@dataclass(frozen=True)
class SamplerCheck:
    """Comparison of a measurement with an exact result and where that comes from.

    Where there is no error, ``error`` is NaN and ``unknown`` says why; such a row is neither right nor wrong.
    """

    case: SamplerCase
    quantity: str
    value: float
    error: float
    exact: float
    source: str
    unknown: str = ""

    @property
    def z(self) -> float:
        """(value - exact)/error."""
        return (self.value - self.exact) / self.error

    @property
    def right(self) -> bool:
        """Whether the measurement agrees."""
        return abs(self.z) < LARGEST_Z

    @property
    def wrong(self) -> bool:
        """Whether the measurement disagrees."""
        return not self.unknown and not self.right


@dataclass(frozen=True)
class Selftest:
    """Comparisons, and what was left out: sentences with the reason."""

    checks: list[SamplerCheck]
    left_out: tuple[str, ...] = ()


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


HEAVY = 30.0
"""Kurtosis above which rare values are bounded: that of a state of weight 1/30 (convention)."""
CUT_SHARE = 0.01
"""Weight of each tail that is moved to its edge then."""


@dataclass(frozen=True)
class ExactDistribution:
    """Exact distribution of a quantity: values and probabilities of all configurations, and bounds of the values."""

    values: np.ndarray
    probabilities: np.ndarray
    low: float = -math.inf
    high: float = math.inf

    @property
    def mean(self) -> float:
        """Exact average."""
        return float(self.probabilities @ self.values)

    @property
    def spread(self) -> float:
        """Standard deviation."""
        return math.sqrt(float(self.probabilities @ (self.values - self.mean) ** 2))

    @property
    def kurtosis(self) -> float:
        """Fourth central moment over the squared variance; infinite for what is constant."""
        fourth = float(self.probabilities @ (self.values - self.mean) ** 4)
        return fourth / self.spread**4 if self.spread > CONSERVED else math.inf

    def bounded(self) -> ExactDistribution:
        """Distribution itself, or, where rare values decide the average, with values cut at quantiles.

        The error of a mean does not hold if it is due to states that a chain has hardly seen.
        """
        if self.kurtosis <= HEAVY:
            return self
        order = np.argsort(self.values, kind="stable")
        reached = np.cumsum(self.probabilities[order])
        low, high = (float(self.values[order[np.searchsorted(reached, share)]]) for share in (CUT_SHARE, 1 - CUT_SHARE))
        return ExactDistribution(np.clip(self.values, low, high), self.probabilities, low, high)


def distributions_of(case: SamplerCase) -> dict[str, ExactDistribution]:
    """Exact distributions of a model of tables; of Kawasaki's sampler with the numbers of colours it starts from."""
    assert isinstance(case.model, Tabulated)
    found, q = lattice_enumeration(case.model), case.model.q
    counts = (
        tuple(np.bincount(np.arange(case.model.lattice.size) % q, minlength=q)) if case.sampler == "kawasaki" else None
    )
    weight = found.probabilities(case.T, counts)
    return {name: ExactDistribution(found.values[name], weight) for name in ("energy", "m2", "m4")}


def truth_of(case: SamplerCase) -> Exact:
    """Exact averages of a case of nearest neighbours on a square torus."""
    return exact(case.model.name, case.L, case.T, q=case.model.q)


def run_case(case: SamplerCase, seed: int = 0) -> list[SamplerCheck]:
    """Comparisons of one case."""
    energy, m = _series(case, seed)
    distributions = distributions_of(case) if isinstance(case.model, Tabulated) else {}
    truth = None if isinstance(case.model, Tabulated) else truth_of(case)
    found = []
    for name, moments in COMPARED.items():
        measured = moments(energy, m)[0]
        if name in distributions:
            compared = distributions[name].bounded()
            if compared.spread <= CONSERVED:
                continue
            measured = np.clip(measured, compared.low, compared.high)
            label = name if compared.low == -math.inf else f"{name}, {compared.low:.3g} to {compared.high:.3g}"
            found.append(_compared(case, label, measured, compared.mean, "enumeration"))
        elif truth is not None and name in truth.values and np.ptp(measured) > CONSERVED:
            found.append(_compared(case, name, measured, truth.values[name], truth.sources[name]))
    return found


def _series(case: SamplerCase, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Energy and magnetisation, (chains, measurements)."""
    sampler = SAMPLERS[case.sampler]
    model = case.model
    if isinstance(model, Tabulated):
        energies: tuple[Any, ...] = (str(model.lattice), str(model.pair), str(model.site))
        shape = model.lattice.shape
    else:
        energies, shape = (model.bond, model.field), (case.L, case.L)
    words = (model.name, model.q, *energies, case.sampler, case.L, case.T)
    chains = []
    for k in range(case.chains):
        sequence = rng.seed_sequence(seed, "chain", *words, "selftest", *([k] if k else []))
        state = start(sampler, model, shape, case.T, sequence)
        interval = thermalise(sampler, model, case.T, state, max(200, case.sweeps // 20))
        rows = advance(sampler, model, case.T, state, case.sweeps // case.chains, interval)
        chains.append((rows["energy"], rows["m"]))
    return np.array([e for e, _ in chains]), np.array([m for _, m in chains])


def _compared(case: SamplerCase, name: str, series: np.ndarray, known: float, source: str) -> SamplerCheck:
    try:
        estimate = linear_error(lambda y: y, series)
    except InputError:
        return SamplerCheck(case, name, float(series.mean()), math.nan, known, source, "too slow")
    unknown = "" if estimate.error > 0 else "never changed"
    return SamplerCheck(case, name, estimate.value, estimate.error, known, source, unknown)


SMALL_LATTICES = ((3, 3), (2, 3), (2, 2))
"""Sides of the square lattices on which a model of a user is compared, the first that can be enumerated."""
HEATINGS = 40
"""Factors of 1.5 by which a temperature is raised at most."""


def cases_of(module: str) -> tuple[list[SamplerCase], tuple[str, ...]]:
    """Cases of a model that a user wrote, and what is left out of them.

    Temperatures are half and all of the range of its bond energies, raised until the energy varies by more than rare
    excitations.

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
    with code_of_users(module):
        model = made()
        q = number_of_colours(model)
        sides = next((s for s in SMALL_LATTICES if q ** math.prod(s) <= MOST_CONFIGURATIONS), (2, 2))
        found = tabulated(model, getattr(model, "lattice", Lattice("square", sides)))
    # Random starts, also below a critical temperature.
    found = replace(found, critical_temperature=0.0)
    unit = float(np.ptp(found.pairs()[: len(found.pair)])) or float(np.ptp(found.site)) or 1.0
    todo, left_out = [], []
    for name in (name for name in SAMPLERS if name != "multispin"):
        for T in (_heated(found, unit / 2), _heated(found, unit)):
            try:
                SAMPLERS[name].check(found, found.lattice.shape, T)
            except InputError as error:
                left_out.append(f"{name}: {error}")
            else:
                todo.append(SamplerCase(found, found.lattice.sides[0], T, name, 40_000, 8))
    if np.ptp(found.order, axis=0).max() <= CONSERVED:
        left_out.append("m, m2 and m4: the order is the same for all colours, so the magnetisation is not checked")
    return todo, tuple(dict.fromkeys(left_out))


def _heated(model: Tabulated, T: float) -> float:
    """Temperature from T up at which the energy is no rare excitation; T itself where it is one at all of them."""
    found = lattice_enumeration(model)
    if np.ptp(found.energy) <= CONSERVED:
        return T
    hottest = ExactDistribution(found.energy, found.probabilities(math.inf)).kurtosis
    for k in range(HEATINGS):
        if ExactDistribution(found.energy, found.probabilities(T * 1.5**k)).kurtosis <= max(HEAVY / 3, 2 * hottest):
            return T * 1.5**k
    return T


def selftest(seed: int = 0, progress: Progress = silent, module: str | None = None) -> Selftest:
    """Comparisons of every sampler with exact results; about a minute.

    ``seed`` is the root seed of the chains; with ``module`` it is those of a model that a user wrote, see `cases_of`.

    Raises
    ------
    InputError
        For what `cases_of` refuses, and if no quantity of any sampler could be compared.
    """
    todo, left_out = (cases(), ()) if module is None else cases_of(module)
    found: list[SamplerCheck] = []
    for k, case in enumerate(todo):
        progress(k, len(todo), f"{case.sampler}, {case.model.name}, L = {case.L}")
        found += run_case(case, seed)
    progress(len(todo), len(todo), "")
    if all(check.unknown for check in found):
        why = "its chains are too slow" if found else "its energy and magnetisation never change"
        raise InputError(f"nothing of {module} could be compared: {why}; give energies nearer to each other")
    return Selftest(found, left_out)
