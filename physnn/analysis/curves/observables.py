"""Observables: how a curve comes from the means of raw measurements."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from physnn.errors import InputError


def _one(L: float, x: np.ndarray) -> np.ndarray:
    return np.ones_like(x)


@dataclass(frozen=True)
class Observable:
    """Rule of a curve: a function of the means of raw quantities over independent draws.

    ``moments`` maps the raw arrays to the quantities that are averaged, ``combine`` their averages to the curve, up to
    the factor that ``scale`` makes of L, or of the number of sites if extensive, and the control values.  If
    dimensionless, zeta = 0 by default; if thermal, the control must be a temperature.
    """

    raw: tuple[str, ...]
    moments: Callable[..., tuple[np.ndarray, ...]]
    combine: Callable[..., np.ndarray]
    symbol: str
    dimensionless: bool = True
    scale: Callable[[float, np.ndarray], np.ndarray] = _one
    thermal: bool = False
    extensive: bool = False

    def factor(self, L: float, x: np.ndarray, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """Factor of the control values and L, or the number of sites: L^2 unless ``arrays`` has ``sites``."""
        return self.scale(float(arrays.get("sites", L**2)) if self.extensive else L, x)


SUBLATTICE_ORDERS = frozenset({"staggered", "stripe"})
"""Raw order parameters besides the uniform one, which are named in observables."""


def _same(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    return arrays


def _cumulant(m2: np.ndarray, m4: np.ndarray) -> np.ndarray:
    """Binder cumulant of second and fourth moments."""
    return np.asarray(1 - m4 / (3 * m2**2))


def _longest_wave(L: float, x: np.ndarray) -> np.ndarray:
    """Factor of a second-moment correlation length over L: 1 over that of the longest wave, 2 L sin(pi/L)."""
    return np.full_like(x, 1 / (2 * L * np.sin(np.pi / L)))


def _susceptibility(order: str, symbol: str) -> Observable:
    """N (<m^2> - <order>^2) / T of N sites."""
    return Observable(
        (order,),
        lambda m: (m, m**2),
        lambda m, m2: m2 - m**2,
        symbol,
        dimensionless=False,
        scale=lambda N, x: N / x,
        thermal=True,
        extensive=True,
    )


OBSERVABLES: dict[str, Observable] = {
    "rmse": Observable(("rmse",), lambda y: (y**2,), np.sqrt, "RMSE (pooled, pixels 0 and 1)"),
    "rmse_per_image": Observable(("rmse",), _same, lambda y: y, "RMSE (mean over images, pixels 0 and 1)"),
    "overlap": Observable(("overlap",), _same, lambda y: y, "overlap q with the noiseless state"),
    "energy": Observable(("energy",), _same, lambda y: y, "energy per site E"),
    "binder": Observable(("m2", "m4"), _same, _cumulant, "Binder cumulant U4"),
    "xi_over_L": Observable(
        ("m2", "s_kmin"),
        _same,
        lambda m2, s: np.sqrt(m2 / s - 1),
        "correlation length xi / L",
        scale=_longest_wave,
        thermal=True,
    ),
    "binder_time": Observable(("m_time2", "m_time4"), _same, _cumulant, "U4 of the mean over imaginary time"),
    "xi_time": Observable(
        ("m_time2", "s_time"),
        _same,
        lambda m2, s: np.sqrt(m2 / s - 1) / (2 * np.pi),
        "correlation length along imaginary time over beta",
    ),
    "xi_space": Observable(
        ("m_time2", "s_space"),
        _same,
        lambda m2, s: np.sqrt(m2 / s - 1),
        "correlation length xi / L at frequency 0",
        scale=_longest_wave,
    ),
    "xi_ratio": Observable(
        ("m_time2", "s_time", "s_space"),
        _same,
        lambda m2, time, space: np.sqrt((m2 / time - 1) / (m2 / space - 1)) / (2 * np.pi),
        "correlation length over beta by that over L",
        scale=lambda L, x: 1 / _longest_wave(L, x),
    ),
    "sigma_x": Observable(("sigma_x",), _same, lambda y: y, "<sigma^x> per site", dimensionless=False),
    "helicity": Observable(
        ("stiffness", "current_sq"),
        _same,
        lambda stiffness, current: stiffness - current,
        "helicity modulus Y / T",
        scale=lambda L, x: 1 / x,
        thermal=True,
    ),
    "r": Observable(("r",), _same, lambda y: y, "order parameter r", dimensionless=False),
    "r_cumulant": Observable(("r2", "r4"), _same, lambda r2, r4: 1 - r4 / (3 * r2**2), "1 - <r^4> / (3 <r^2>^2)"),
    "locked": Observable(("locked",), _same, lambda y: y, "share of entrained oscillators", dimensionless=False),
    "local_order": Observable(("local_order",), _same, lambda y: y, "local order r_loc"),
    "vortices": Observable(("vortices",), _same, lambda y: y, "vortices per plaquette"),
    "walls": Observable(("walls",), _same, lambda y: y, "domain walls per bond"),
    "replica_overlap": Observable(
        ("replica_overlap",), lambda q: (q**2,), lambda q2: q2, "overlap of replicas <q^2>", dimensionless=False
    ),
    "memory": Observable(("memory",), _same, lambda y: y, "memory m of a domain"),
    "wrap_either": Observable(("wrap_either",), _same, lambda y: y, "wrapping probability, either direction"),
    "wrap_one": Observable(
        ("wrap_either", "wrap_both"), _same, lambda e, b: (e + b) / 2, "wrapping probability, a given direction"
    ),
    "wrap_both": Observable(("wrap_both",), _same, lambda y: y, "wrapping probability, both directions"),
    "largest_ratio": Observable(
        ("largest", "largest_sq"), _same, lambda s, s2: s2 / s**2, "<s^2> / <s>^2, largest cluster"
    ),
    "largest": Observable(("largest",), _same, lambda y: y, "share of the largest cluster", dimensionless=False),
    "cluster_size": Observable(("cluster_size",), _same, lambda y: y, "mean cluster size", dimensionless=False),
    "m": Observable(("m",), _same, lambda y: y, "<m>", dimensionless=False),
    "m_abs": Observable(("m_abs",), _same, lambda y: y, "<|m|>", dimensionless=False),
    "c": Observable(
        ("energy",),
        lambda e: (e, e**2),
        lambda e, e2: e2 - e**2,
        "specific heat c per site",
        dimensionless=False,
        scale=lambda N, x: N / x**2,
        thermal=True,
        extensive=True,
    ),
    "chi": _susceptibility("order", "susceptibility chi"),
    "chi_abs": _susceptibility("m_abs", "susceptibility chi of |m|"),
    "chi_m": _susceptibility("m", "susceptibility dm/dh"),
}
"""Observables that can be fitted, by name.

Averages over networks are taken after ``combine``, averages over images or bins before.
``c`` is N (<e^2> - <e>^2) / T^2 of N sites, ``chi_m`` is dm/dh = N (<m^2> - <m>^2) / T, and ``chi_abs`` has <|m|> in
place of <m>; ``chi`` is ``chi_m`` in a field and ``chi_abs`` without, where <m> of a finite lattice is 0.
``xi_over_L`` is the second-moment correlation length sqrt(S(0)/S(k_min) - 1) / (2 sin(pi/L)) over L, S(k_min) averaged
over axes of length L; of unit vectors it is that about k*.  ``binder_``, ``m_`` and ``chi_`` before ``staggered`` and
``stripe`` are the same of these orders.  In percolation as many directions wrap as ``wrap_either`` and ``wrap_both``
say together, so a given one wraps with their mean; ``cluster_size`` leaves the largest cluster out.  ``helicity`` is
(<H''> - <H'^2> / T) / (V T) for a twist per site, averaged over both axes.
"""

for _order in sorted(SUBLATTICE_ORDERS):
    OBSERVABLES |= {
        f"binder_{_order}": replace(
            OBSERVABLES["binder"], raw=(f"{_order}2", f"{_order}4"), symbol=f"Binder cumulant U4 of {_order} order"
        ),
        f"m_{_order}": replace(OBSERVABLES["m_abs"], raw=(_order,), symbol=f"<m>, {_order} order"),
        f"chi_{_order}": replace(OBSERVABLES["chi"], raw=(_order,), symbol=f"chi, {_order} order"),
    }

KINK_PRODUCT = "_kinks"
"""What the names of products with the number of kinks over h end with, from which derivatives by h follow."""


def _derivative(base: Observable) -> Observable:
    """Derivative of an observable by the transverse field: d<Q>/dh = <Q n/h> - <Q> <n/h>, n the number of kinks.

    A step along the imaginary axis gives that of the function of means without cancellation (W. Squire and G. Trapp,
    SIAM Rev. 40, 110 (1998)).
    """

    def combine(*moments: np.ndarray) -> np.ndarray:
        k = len(base.raw)
        slopes = [product - moments[k] * value for value, product in zip(moments[:k], moments[k + 1 :], strict=True)]
        moved = base.combine(*(m + 1e-30j * s for m, s in zip(moments[:k], slopes, strict=True)))
        return np.asarray(1e30 * moved.imag)

    raw = (*base.raw, KINK_PRODUCT[1:], *(f"{name}{KINK_PRODUCT}" for name in base.raw))
    return replace(base, raw=raw, combine=combine, symbol=f"d/dh of {base.symbol}", dimensionless=False)


SLOPE = "slope_"
"""What the names of derivatives by the transverse field begin with."""
for _name in ("binder_time", "xi_time", "xi_space", "xi_ratio"):
    OBSERVABLES[f"{SLOPE}{_name}"] = _derivative(OBSERVABLES[_name])

TEMPERATURE: dict[str, Callable[[np.ndarray], np.ndarray]] = {"T": lambda T: T, "eta": lambda eta: eta**2 / 2}
"""Temperature that belongs to a control parameter, where one does."""


def check_observable(name: str, known: Collection[str] = tuple(OBSERVABLES)) -> None:
    """Raise InputError if there is no such observable."""
    if name not in known:
        raise InputError(f"there is no observable {name!r}; choose one of {', '.join(known)}")


def available(arrays: Mapping[str, np.ndarray], control: str = "") -> list[str]:
    """Observables that the raw arrays of a file allow."""
    return [
        name
        for name, rule in OBSERVABLES.items()
        if all(raw in arrays for raw in rule.raw) and (control == "T" or not rule.thermal)
    ]


def components_of(name: str, stated: Mapping[str, int]) -> int:
    """Number of components of the order parameter of an observable, from those of raw arrays by name, 1 by default.

    Staggered and stripe order have their own.
    """
    own = {name.removeprefix("binder_")} & SUBLATTICE_ORDERS & set(stated) or set(stated) - SUBLATTICE_ORDERS
    return max((stated[raw] for raw in own), default=1)


def rule_of(name: str, control: str, *sizes: Mapping[str, np.ndarray], components: int = 1) -> Observable:
    """Rule of an observable for the raw arrays of every size.

    ``components`` is the number n of components of the order parameter: U4 = 1 - n <m^4> / ((n + 2) <m^2>^2).
    """
    check_observable(name)
    allowed = [o for o in available(sizes[0], control) if all(o in available(arrays, control) for arrays in sizes)]
    if name not in allowed:
        raise InputError(f"{name} needs {', '.join(OBSERVABLES[name].raw)}; this file allows: {', '.join(allowed)}")
    if not name.startswith("binder") or components == 1:
        return OBSERVABLES[name]
    share = components / (components + 2)
    return replace(OBSERVABLES[name], combine=lambda m2, m4: 1 - share * m4 / m2**2)


IMPROVED = "_improved"
"""What the names of improved estimators end with."""


def with_moments(
    arrays: Mapping[str, np.ndarray], L: int, field: bool = False, sites: int = 0
) -> dict[str, np.ndarray]:
    """Raw arrays of a lattice with what follows: m2, m4, m_abs, the same of orders, S(k_min) over sites, what orders.

    What orders, ``order``, is m in a field, which gives it a sign, and its modulus without.  Improved estimators, where
    there are any, take the place of powers of m, but not in susceptibilities: what their two terms share cancels.
    There are L^2 sites unless their number is given.
    """
    improved = {name.removesuffix(IMPROVED): values for name, values in arrays.items() if name.endswith(IMPROVED)}
    found = dict(arrays) | improved | ({"sites": np.array(sites)} if sites else {})
    for order in sorted(SUBLATTICE_ORDERS):
        if order in found:
            square = np.asarray(found[order], float) ** 2
            found = {f"{order}2": square, f"{order}4": square**2} | found
    if "m" in found:
        m2 = np.asarray(found["m"], float) ** 2
        found = {"m_abs": np.sqrt(m2), "m2": m2, "m4": m2**2} | found
    elif "m2" in found:
        m2 = np.asarray(found["m2"], float)
        found = {"m_abs": np.sqrt(m2), "m4": m2**2} | found
    if "m_abs" in found:
        found.setdefault("order", found["m" if field and "m" in found else "m_abs"])
    along = [found[name] for name in ("structure_x", "structure_y", "structure_z") if name in found]
    if along:
        found.setdefault("s_kmin", sum(along[1:], along[0]) / (len(along) * (sites or L**2)))
    return found
