"""Universality classes: which ones a fit agrees with, and whether two fits can belong to one class.

Finite-size scaling y = L^(zeta/nu) F((x - x_c) L^(1/nu)) gives 1/nu, and zeta/nu = -beta/nu for an order parameter or
+gamma/nu for its susceptibility.  A difference becomes a two-sided p-value by Student's distribution of its error
(B. L. Welch, Biometrika 34 (1947) 28, where two errors enter), and that the sigmas of a normal variable.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from scipy import special

from physnn.analysis.statistics.estimate import Estimate, deviation, ratio, sigmas, significance
from physnn.analysis.statistics.frames import Tabled
from physnn.analysis.verdict.fit import Fit

DOUBTFUL_SIGMAS = 2.0
"""Sigmas from which a class, or equality, is in doubt (convention)."""
EXCLUDED = 3.0
"""Sigmas from which a class, or equality, is excluded (convention of the field)."""
RESOLVED = 0.3
"""Relative difference of exponents that must have shown at `EXCLUDED` sigma before they are called equal.

Neighbouring classes in two dimensions differ by 20 to 33 %: 3/4, 1, 6/5 and 3/2.
"""


@dataclass(frozen=True)
class UniversalityClass:
    """Exponents of a class as finite-size scaling shows them, error 0 where exact; None for a form without exponents.

    ``dimension`` is d in 2 beta/nu + gamma/nu = d, ``z`` the dynamic exponent where the class has one, ``note`` what a
    comparison must know.
    """

    name: str
    dimension: int | None
    inverse_nu: Estimate | None
    beta_over_nu: Estimate | None
    gamma_over_nu: Estimate | None
    source: str
    note: str = ""
    z: Estimate | None = None


def _number(text: str) -> Estimate:
    """Estimate that is written as ``5/48`` or ``0.67169(7)``."""
    found = re.fullmatch(r"(\d+\.(\d+))\((\d+)\)", text)
    if found is None:
        return Estimate(float(Fraction(text)), 0.0)
    return Estimate(float(found[1]), int(found[3]) * 10.0 ** -len(found[2]))


def _row(
    name: str, dimension: int, inverse_nu: str, beta: str, gamma: str, source: str, note: str = "", z: str = ""
) -> UniversalityClass:
    own = (_number(inverse_nu), _number(beta), _number(gamma))
    return UniversalityClass(name, dimension, *own, source, note, _number(z) if z else None)


POTTS = "F. Y. Wu, Rev. Mod. Phys. 54 (1982) 235"
MEAN_FIELD = "R. Botet, R. Jullien and P. Pfeuty, Phys. Rev. Lett. 49 (1982) 478"
VOLUME = (
    "all coupled with all, or periodic boundaries above the upper critical dimension: width N^(-1/nu_bar) in the "
    "number of sites N = L^d, nu_bar = 2; so 1/nu is d/2, not the 2 of the correlation length, and beta/nu is d/4"
)
DIRECTED = "L is the size in space, nu is nu_perp; gamma is that of steady fluctuations, d nu_perp - 2 beta"
CLASSES = (
    _row("2D Ising", 2, "1", "1/8", "7/4", "L. Onsager, Phys. Rev. 65 (1944) 117; C. N. Yang, ibid. 85 (1952) 808",
         "also the Ising chain in a transverse field where beta grows as L, z = 1"),
    _row("3-state Potts (2D)", 2, "6/5", "2/15", "26/15", POTTS),
    _row("4-state Potts (2D)", 2, "3/2", "1/8", "7/4", f"{POTTS}; J. Salas and A. Sokal, J. Stat. Phys. 88 (1997) 567",
         "strong logarithmic corrections: fits at accessible sizes give other exponents"),
    _row("2D percolation", 2, "3/4", "5/48", "43/24", "S. Smirnov and W. Werner, Math. Res. Lett. 8 (2001) 729"),
    _row("3D Ising", 3, "1.58737473(30)", "0.518148806(24)", "1.963702388(48)",
         "C.-H. Chang et al., arXiv:2411.15300: nu = 0.62997097(12), eta = 0.036297612(48)",
         "also the Ising model in a transverse field in two dimensions where beta grows as L, z = 1"),
    _row("3D XY", 3, "1.48878(16)", "0.51905(4)", "1.96190(8)",
         "M. Hasenbusch, Phys. Rev. B 100 (2019) 224517: nu = 0.67169(7), eta = 0.03810(8)"),
    _row("3D Heisenberg", 3, "1.40520(20)", "0.518920(25)", "1.96216(5)",
         "M. Hasenbusch, Phys. Rev. B 102 (2020) 024406: nu = 0.71164(10), eta = 0.03784(5)"),
    _row("directed percolation 1+1", 1, "0.911698(3)", "0.252072(7)", "0.495856(15)",
         "I. Jensen, J. Phys. A 32 (1999) 5233: beta = 0.276486(8), nu_perp = 1.096854(4), nu_par = 1.733847(6)",
         DIRECTED, "1.580745(10)"),
    _row("directed percolation 2+1", 2, "1.3717(19)", "0.796(6)", "0.409(11)",
         "J. Wang et al., Phys. Rev. E 88 (2013) 042102: beta = 0.580(4), nu_perp = 0.729(1), nu_par = 1.287(2)",
         DIRECTED, "1.765(4)"),
    _row("mean field (L sites)", 1, "1/2", "1/4", "1/2", MEAN_FIELD, VOLUME),
    _row("mean field (L^2 sites)", 2, "1", "1/2", "1", MEAN_FIELD, VOLUME),
    _row("mean field (L^3 sites)", 3, "3/2", "3/4", "3/2", MEAN_FIELD, VOLUME),
    UniversalityClass(
        "Kosterlitz-Thouless (2D XY)", None, None, None, None, "J. M. Kosterlitz, J. Phys. C 7 (1974) 1046",
        "a form, no exponent: curves merge, the correlation length is exp(b / sqrt t)",
    ),
)  # fmt: skip
"""Universality classes that fits are compared with."""


@dataclass(frozen=True)
class Score:
    """One class against a fit.

    ``inverse_nu``, ``order_parameter`` and ``susceptibility`` are the z-scores of 1/nu, and of zeta/nu against -beta/nu
    and +gamma/nu, None where it was not fitted.  ``p_value`` (twice the smaller one where 1/nu and zeta/nu were fitted;
    of zeta/nu what belongs to the observable, or the larger one where that is not known) gives ``sigma`` and
    ``standing``: ``consistent`` below `DOUBTFUL_SIGMAS`, ``excluded`` above `EXCLUDED`, else ``doubtful``.
    """

    name: str
    inverse_nu: float | None
    order_parameter: float | None
    susceptibility: float | None
    p_value: float
    sigma: float
    standing: str


def exponents(fit: Fit) -> tuple[Estimate | None, Estimate | None]:
    """1/nu and zeta/nu of curves that cross, None where held or where they do not cross."""
    if fit.collapse is None or fit.verdict != "crossing":
        return None, None
    held = fit.collapse.scan.best.form.fixed
    found = (fit.collapse.inverse_nu, fit.collapse.zeta_over_nu)
    known = [e if h is None and e.error > 0 else None for e, h in zip(found, held[1:3], strict=True)]
    return known[0], known[1]


def scores(fit: Fit) -> tuple[Score, ...]:
    """Every class with exponents against a fit; empty where the fit has none."""
    inverse_nu, zeta = exponents(fit)
    found = []
    for c in CLASSES if inverse_nu or zeta else ():
        if c.inverse_nu is None or c.beta_over_nu is None or c.gamma_over_nu is None:
            continue
        order = Estimate(-c.beta_over_nu.value, c.beta_over_nu.error)
        pairs = ((inverse_nu, c.inverse_nu), (zeta, order), (zeta, c.gamma_over_nu))
        nu, beta, gamma = (significance(e - value) if e else None for e, value in pairs)
        tests = [nu[1]] if nu else []
        if beta and gamma:
            closer = max(beta[1], gamma[1])
            known = {"m_abs": beta[1], "chi": gamma[1], "chi_abs": gamma[1], "chi_m": gamma[1]}
            tests.append(known.get(fit.curves.observable, closer))
        p = min(1.0, len(tests) * min(tests))
        standing = "consistent" if sigmas(p) < DOUBTFUL_SIGMAS else "excluded" if sigmas(p) > EXCLUDED else "doubtful"
        z_nu, z_beta, z_gamma = (test[0] if test else None for test in (nu, beta, gamma))
        found.append(Score(c.name, z_nu, z_beta, z_gamma, p, sigmas(p), standing))
    return tuple(found)


def class_verdict(fit: Fit) -> tuple[str, bool]:
    """In words which classes a fit agrees with, and whether it tells any apart."""
    if fit.merging and fit.verdict == "merging":
        if fit.merging.favoured == "kosterlitz-thouless":
            return "Kosterlitz-Thouless form; no exponent", True
        return f"merging curves that favour {fit.merging.favoured or 'neither form'}; no exponent to compare", False
    found = scores(fit)
    if not found:
        return f"nothing to compare: {_lacking(fit)}", False
    names = {s: [f.name for f in found if f.standing == s] for s in ("consistent", "doubtful", "excluded")}
    if not names["excluded"]:
        which, value = next((n, e) for n, e in zip(("1/nu", "zeta/nu"), exponents(fit), strict=True) if e)
        return f"cannot tell classes apart: error of {which} too large, {value}", False
    logarithmic = {c.name: f"{c.name} (but for its logarithms)" for c in CLASSES if "logarithmic" in c.note}
    nearest = min(found, key=lambda f: f.sigma)
    parts = [f"consistent with {', '.join(names['consistent'])}"]
    if not names["consistent"]:
        parts = [f"consistent with no class listed, nearest {nearest.name} at {nearest.sigma:.1f} sigma"]
    if names["doubtful"]:
        parts.append(f"in doubt at 2 to 3 sigma: {', '.join(names['doubtful'])}")
    parts.append(f"excluded at more than 3 sigma: {', '.join(logarithmic.get(n, n) for n in names['excluded'])}")
    return "; ".join(parts), True


def _lacking(fit: Fit) -> str:
    return f"the verdict is {fit.verdict}" if fit.verdict != "crossing" else "no exponent was fitted, or with no error"


@dataclass(frozen=True)
class Equality:
    """An exponent of two fits, with `difference`, `ratio` and the `significance` of what they differ by."""

    a: Estimate
    b: Estimate
    difference: Estimate
    ratio: tuple[Estimate, tuple[float, float]] | None
    z_score: float
    p_value: float

    @classmethod
    def of(cls, a: Estimate | None, b: Estimate | None) -> Equality | None:
        """Compare two exponents; None where one is not known."""
        if a is None or b is None:
            return None
        return cls(a, b, a - b, ratio(a, b), *significance(a - b))

    @property
    def resolution(self) -> float:
        """Relative difference that would show at `EXCLUDED` sigma."""
        t = -float(special.stdtrit(self.difference.dof, special.ndtr(-EXCLUDED)))
        return 2 * t * deviation(self.difference) / (abs(self.a.value) + abs(self.b.value))

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        quotient = self.ratio[0].as_json() | {"interval_95": self.ratio[1]} if self.ratio else None
        numbers = {"z_score": self.z_score, "p_value": self.p_value, "resolution": self.resolution}
        return {"difference": self.difference.as_json(), "ratio": quotient, **numbers}


@dataclass(frozen=True, repr=False)
class Comparison(Tabled):
    """A fit against the classes, and against another fit where there is one.

    ``inverse_nu`` and ``zeta_over_nu`` are None where a fit lacks them, ``decided`` says whether the question is
    answered.  Critical points are not universal and are not tested.
    """

    a: Fit
    b: Fit | None
    names: tuple[str, str]
    inverse_nu: Equality | None
    zeta_over_nu: Equality | None
    verdict: str
    decided: bool
    remarks: tuple[str, ...] = ()

    def table_rows(self) -> list[dict[str, object]]:
        """Rows of the exponents, with difference, ratio and significance where there are two fits."""
        known = [exponents(fit) for fit in self.fits.values()]
        rows: list[dict[str, object]] = []
        for k, (name, test) in enumerate((("1/nu", self.inverse_nu), ("zeta/nu", self.zeta_over_nu))):
            values = {own: pair[k] for own, pair in zip(self.names, known, strict=False)}
            row: dict[str, object] = {"exponent": name, **values}
            if test:
                row |= {"difference": test.difference, "ratio": test.ratio and test.ratio[0], "sigma": test.z_score}
            rows += [row] if any(values.values()) else []
        return rows

    def __repr__(self) -> str:
        """Fits and verdict in words; estimates side by side are in ``physnn.answers.comparisons.comparison_rows``."""
        named = [f"{name}: {fit!r}" for name, fit in zip(self.names, self.fits.values(), strict=False)]
        return "\n".join([self.verdict, *named, *(f"note: {remark}" for remark in self.remarks)])

    @property
    def fits(self) -> dict[str, Fit]:
        """The fits there are, by their keys ``a`` and ``b``."""
        return {"a": self.a} | ({"b": self.b} if self.b else {})

    def as_json(self) -> dict[str, Any]:
        """Plain data, without the evidence of the fits."""
        kept = ("observable", "control", "verdict", "critical_point", "inverse_nu", "zeta_over_nu")
        return {
            key: {"name": name} | {k: v for k, v in fit.as_json().items() if k in kept}
            | {"classes": [asdict(score) for score in scores(fit)], "class_verdict": class_verdict(fit)[0]}
            for (key, fit), name in zip(self.fits.items(), self.names, strict=False)
        } | {
            "equality": {
                name: found.as_json() if found else None
                for name, found in (("inverse_nu", self.inverse_nu), ("zeta_over_nu", self.zeta_over_nu))
            },
            "verdict": self.verdict, "decided": self.decided, "warnings": list(self.remarks),
        }  # fmt: skip


def compare_fits(a: Fit, b: Fit | None = None, names: tuple[str, str] = ("A", "B")) -> Comparison:
    """Compare the exponents of two fits that rest on different runs; one fit alone is compared with the classes."""
    if b is None:
        return Comparison(a, None, names, None, None, *class_verdict(a), a.remarks)
    nu, zeta = (Equality.of(*pair) for pair in zip(exponents(a), exponents(b), strict=True))
    remarks = [f"{name}: {remark}" for name, fit in zip(names, (a, b), strict=True) for remark in fit.remarks]
    same = a.curves.observable == b.curves.observable
    if zeta and not same:
        remarks.append("zeta/nu belongs to different observables: it is no part of the verdict")
    grid = [{L: f.curves.x[L].tolist() for L in f.curves.sizes} for f in (a, b)]
    if grid[0] == grid[1] and (not same or all((a.curves.y[L] == b.curves.y[L]).all() for L in a.curves.sizes)):
        remarks.append("equal sizes and control values: if the runs are the same, errors of differences do not hold")
    tests = {"1/nu": nu, "zeta/nu": zeta if same else None}
    verdict = _same_class((a, b), names, {name: found for name, found in tests.items() if found})
    return Comparison(a, b, names, nu, zeta, *verdict, tuple(remarks))


def _same_class(fits: tuple[Fit, Fit], names: tuple[str, str], tests: dict[str, Equality]) -> tuple[str, bool]:
    """In words whether two fits can belong to one class, and whether that is an answer."""
    if all(f.verdict == "merging" and f.merging and f.merging.favoured == "kosterlitz-thouless" for f in fits):
        return "same class possible: both merge with the Kosterlitz-Thouless form, without an exponent", True
    if not tests:
        lacking = [f"{n}: {_lacking(f)}" for f, n in zip(fits, names, strict=True) if not any(exponents(f))]
        return f"undecided ({'; '.join(lacking) or 'the fits share no fitted exponent'})", False
    sigma = sigmas(min(1.0, len(tests) * min(t.p_value for t in tests.values())))
    words = " and ".join(f"{name} differs by {t.difference}, {abs(t.z_score):.1f} sigma" for name, t in tests.items())
    if sigma > EXCLUDED:
        return f"different exponents at {sigma:.1f} sigma: {words}", True
    if sigma > DOUBTFUL_SIGMAS:
        return f"undecided: {words}; too much to be called equal, too little to be called different", False
    first = next(iter(tests))
    unseen = f"{first} would have to differ by {tests[first].resolution:.0%} to show at 3 sigma"
    if tests[first].resolution > RESOLVED:
        return f"undecided: {words}, but {unseen}", False
    both = [x.name for x, y in zip(*map(scores, fits), strict=True) if x.standing == y.standing == "consistent"]
    return f"same class possible: {words}; {unseen}; both agree with {', '.join(both) or 'no class listed'}", True
