"""How values at one control value depend on L alone: a power law, a logarithm, or neither.

At a critical point an order parameter falls as L^(-beta/nu), its susceptibility grows as L^(gamma/nu), and a specific
heat grows as L^(alpha/nu) above a constant, or as ln L where alpha is 0 (M. E. Fisher and M. N. Barber, Phys. Rev.
Lett. 28 (1972) 1516).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from physnn.analysis.collapse.exponents import FAVOURED
from physnn.analysis.curves.observables import SLOPE
from physnn.analysis.curves.section import Section
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.frames import Tabled
from physnn.analysis.statistics.plain import to_json
from physnn.analysis.verdict.fit import Omega
from physnn.analysis.verdict.size_fits import Family, Law, SizeFit, along, averaged, family
from physnn.errors import InputError

LawVerdict = Literal["power-law", "logarithm", "undecided", "no-law"]
DECIDED_LAWS = ("power-law", "logarithm")
"""Verdicts that answer the question."""
NAMED = {
    "m_abs": ("beta_over_nu", "beta/nu", -1),
    "chi": ("gamma_over_nu", "gamma/nu", 1),
    "chi_abs": ("gamma_over_nu", "gamma/nu", 1),
    "chi_m": ("gamma_over_nu", "gamma/nu", 1),
    "c": ("alpha_over_nu", "alpha/nu", 1),
}
"""Exponent by observable: its name in plain data and in words, and the sign with which L's exponent shows it."""
OF_SLOPES = ("inverse_nu", "1/nu", 1)
"""The same for derivatives by the control of quantities without dimension."""
DOUBT = 2.0
"""Errors within which an exponent may be 0, or a slope against ln L (convention)."""
SEEN = 0.5
"""Weight of corrections to scaling from which they are worth a remark: most of it (convention)."""
RESOLVED_POWER = 0.15
"""Exponent of a power above a constant that must be excluded, by `DOUBT` errors, before values are called a logarithm.

alpha/nu is 2/5 in the 2D Potts model with 3 colours, and 0.17 in the 3D Ising model.
"""


@dataclass(frozen=True, repr=False)
class SizeLaw(Tabled):
    """The answer to "how does y depend on L alone?".

    Attributes
    ----------
    section : Section
        What was fitted.
    verdict, reason : str
        ``power-law``, ``logarithm``, ``undecided`` between both or with too few sizes, ``no-law`` where neither fits.
    exponent : Estimate or None
        Exponent p of L; -beta/nu of a magnetisation, gamma/nu of a susceptibility, alpha/nu of a specific heat.
    slope : Estimate or None
        Slope b of y = a + b ln L.
    fits : tuple of SizeFit
        Every fit with its weight, those along omega one by one.
    remarks : tuple of str
        What a reader must know.
    """

    section: Section
    verdict: LawVerdict
    reason: str
    exponent: Estimate | None = None
    slope: Estimate | None = None
    fits: tuple[SizeFit, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def best(self) -> tuple[SizeFit, ...]:
        """Fit with the largest weight of each kind in the answer, power law first."""
        found = [[f for f in self.fits if f.weight and (f.law.name == "logarithm") == log] for log in (False, True)]
        return tuple(max(each, key=lambda f: f.weight) for each in found if each)

    def named(self) -> tuple[str, Estimate] | None:
        """Name of the exponent in words and its value, with the sign of the name."""
        if self.exponent is None:
            return None
        _, name, sign = _names(self.section.observable)
        return name, replace(self.exponent, value=sign * self.exponent.value)

    def table_rows(self) -> list[dict[str, object]]:
        """Rows of the values that were fitted."""
        s = self.section
        return [
            {"L": int(L), s.observable: Estimate(float(y), float(e))} for L, y, e in zip(s.L, s.y, s.error, strict=True)
        ]

    def __repr__(self) -> str:
        """Answer in words, as ``physnn fit`` prints it."""
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Answer in words."""
        lines = [f"{self.section.observable} at {self.section.place()}: {self.verdict}", f"  {self.reason}"]
        if named := self.named():
            lines.append(f"  {named[0]} = {named[1]}")
        if self.slope:
            lines.append(f"  y = a + b ln L: b = {self.slope}")
        for fit in self.best:
            test = f"chi2/dof = {fit.chi2 / fit.dof:.2f}, p = {fit.p_value:.2g}, " if fit.dof else ""
            lines.append(f"  best fit: {fit.law}, {test}from L = {fit.smallest}")
        return lines + [f"  note: {remark}" for remark in self.remarks]

    def as_json(self) -> dict[str, Any]:
        """Answer as plain data; estimates are null where the verdict does not allow them."""
        s, named = self.section, self.named()
        key = _names(s.observable)[0]
        return {
            "observable": s.observable,
            "control": s.control,
            "method": "power laws and logarithms in L at one control value, averaged over forms and smallest sizes",
            "verdict": self.verdict,
            "reason": self.reason,
            "at": to_json(s.at),
            "exponent": to_json(self.exponent),
            **({key: to_json(named[1]) if named else None} if key else {}),
            "slope": to_json(self.slope),
            "sizes": [int(L) for L in s.L],
            "values": [{"L": int(L), "value": y, "error": e} for L, y, e in zip(s.L, s.y, s.error, strict=True)],
            "fits": [
                {"form": str(f.law), "L_min": f.smallest, "omega": f.omega, "chi2": f.chi2, "dof": f.dof}
                | {"slope" if f.law.name == "logarithm" else "exponent": f.value, "error": f.deviation}
                | {"p_value": f.p_value, "weight": f.weight}
                for f in self.fits
            ],
            "warnings": list(self.remarks),
        }


def _names(observable: str) -> tuple[str, str, int]:
    """Name in plain data ("" if there is none), in words, and sign of the exponent that an observable shows."""
    if observable.startswith(SLOPE):
        return OF_SLOPES
    return NAMED.get(observable, ("", "exponent of L", 1))


def size_law(found: Section, omega: Omega = None) -> SizeLaw:
    """Power law or logarithm that values at one control value follow, with the exponent and its error.

    Parameters
    ----------
    found : Section
        The values.
    omega : float, "free", "log" or "none", optional
        Correction to the law, L^-omega held or fitted, or 1/ln L in its place; fitted by default, and with ``"none"``
        only where the data demand it.

    Raises
    ------
    InputError
        If the covariance is not positive definite, or 1/ln L is asked for at L = 1.
    """
    if omega == "log" and found.L[0] < 2:
        raise InputError("1/ln L has no value at L = 1: leave this size out, or hold omega at a value")
    if len(found.L) < 3:
        return _two_sizes(found)
    term = "free" if omega is None else None if omega == "none" else omega
    signed = (found.y > 0).all() or (found.y < 0).all()
    alone = [Law("power"), *([Law("power", term)] if term else [])] if signed else []
    above = [Law("background")] if found.observable != "m_abs" else []
    # A specific heat has a regular part; other constants are there where the data demand them.
    regular = found.observable == "c"
    power = family(
        found, [*above, *alone[1:]] if regular else alone, [*above, *([Law("power", "free")] if signed else [])]
    )
    corrected = [Law("logarithm", term or "free")]
    logarithm = family(found, [Law("logarithm"), *(corrected if term else [])], corrected)
    if not _grows(logarithm, found):
        logarithm = Family([], np.inf, logarithm.p_value)
    if not power.fits and not logarithm.fits:
        best = np.nanmax([power.p_value, logarithm.p_value])
        reason = (
            f"neither a power law nor a logarithm agrees with the values over half of the sizes' range (p = {best:.1g} "
            f"at best): {found.place()} is not critical, or errors are too small"
        )
        return SizeLaw(found, "no-law", reason, remarks=found.remarks)
    if not logarithm.fits:
        return _answer(found, *_alone(found, power), power, None)
    rival = np.inf if regular else averaged(found, alone).criterion
    beside = power if regular and power.fits else family(found, above, [Law("background", term or "free")])
    verdict, reason = _told_apart(power, logarithm, rival, beside, found.dof)
    return _answer(found, verdict, reason, power, logarithm)


def _alone(s: Section, power: Family) -> tuple[LawVerdict, str]:
    """Verdict where no logarithm agrees with the values."""
    exponent, best = power.estimate(s.dof), max(power.fits, key=lambda f: f.weight)
    constant = best.law.name == "background" or s.observable == "c"
    if constant and exponent.value < DOUBT * exponent.error:
        return "undecided", (
            f"values may tend to a constant, p = {exponent}: a singularity that stays finite, or none at all"
        )
    return "power-law", f"a power law agrees with the values from L = {best.smallest} on, and no logarithm does"


def _told_apart(power: Family, logarithm: Family, rival: float, above: Family, dof: float) -> tuple[LawVerdict, str]:
    """Verdict between a power law and a logarithm that agrees with the values.

    The rival is the criterion of power laws without a constant.  Those above a constant contain the logarithm as their
    exponent goes to 0, so it must be known not to be another one.
    """
    if logarithm.criterion - power.criterion >= FAVOURED:
        return "power-law", "a power law agrees with the values, and far better than a logarithm"
    if rival - logarithm.criterion < FAVOURED:
        return "undecided", "a power law and a logarithm agree with the values alike: larger sizes tell them apart"
    if np.isnan(above.p_value):
        return "undecided", "a logarithm agrees with the values; too few sizes to exclude a power law above a constant"
    if not above.fits:
        return "logarithm", "a logarithm agrees with the values, and no power law does"
    exponent = above.estimate(dof)
    text = f"a logarithm agrees with the values; a power law above a constant has the exponent {exponent}"
    if abs(exponent.value) + DOUBT * exponent.error <= RESOLVED_POWER:
        return "logarithm", f"{text}, near the 0 of a logarithm"
    return "undecided", f"{text}, so that both are possible"


def _answer(s: Section, verdict: LawVerdict, reason: str, power: Family, logarithm: Family | None) -> SizeLaw:
    """Answer with the estimates that its verdict allows."""
    kept = [power if verdict != "logarithm" and power.fits else None, logarithm if verdict != "power-law" else None]
    exponent, slope = (family.estimate(s.dof) if family and family.fits else None for family in kept)
    fits = tuple(f for family in kept if family for f in family.fits)
    remarks = list(s.remarks)
    if not all(family.acceptable for family in kept if family):
        remarks.append("no fit has an acceptable chi2 (p > 0.05): errors are widened by sqrt(chi2/dof)")
    if kept[0]:
        corrected = sum(f.weight for f in power.fits if f.law.omega is not None)
        constant = sum(f.weight for f in power.fits if f.law.name == "background")
        if constant > 0 and s.observable != "c":
            remarks.append(f"a constant beside the power law is seen: fits with it carry {constant:.0%} of the weight")
        if corrected > SEEN:
            remarks.append(f"fits with corrections to scaling carry {corrected:.0%} of the weight")
        if not any(f.law.omega is not None for f in power.fits):
            remarks.append("corrections to scaling are not in these fits: the exponent holds as far as there are none")
    return SizeLaw(s, verdict, reason, exponent, slope, fits, tuple(remarks))


def _two_sizes(s: Section) -> SizeLaw:
    """Answer of two sizes, which every form of two numbers goes through."""
    fits = tuple(
        replace(f, weight=1.0)
        for law in (Law("power"), Law("logarithm"))
        for f, _ in along(law, s, float(s.L[0]))
        if law.name == "logarithm" or (s.y > 0).all() or (s.y < 0).all()
    )
    reason = "two sizes agree with every law of two numbers: neither the form nor corrections to scaling can be checked"
    known = {f.law.name: Estimate.student(f.value, f.deviation, s.dof) for f in fits}
    return SizeLaw(s, "undecided", reason, known.get("power"), known.get("logarithm"), fits, s.remarks)


def _grows(logarithm: Family, s: Section) -> bool:
    """Whether values grow with L beyond doubt: a logarithm that falls changes its sign, one of slope 0 is none."""
    if not logarithm.fits:
        return False
    slope = logarithm.estimate(s.dof)
    return float(np.sign(s.y[-1])) * slope.value > DOUBT * slope.error
