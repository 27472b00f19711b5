"""Fits of power laws and logarithms in L: y = a L^p (1 + b L^-omega), y = c + a L^p, y = a + b ln L; their average.

Every form is fitted from every smallest size that leaves enough, and acceptable fits are averaged as collapses are,
with the weights of `physnn.analysis.collapse.average.model_weights`.  For a given exponent all else follows by linear
algebra.  An error of the control value moves all values together, so fits with their covariance are those in which the
control value is fitted too, with a normal prior.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import linalg, special

from physnn.analysis.collapse.average import model_weights
from physnn.analysis.collapse.collapse import BOUNDS, OMEGA_PRIOR
from physnn.analysis.collapse.exponents import FAVOURED
from physnn.analysis.collapse.least_squares import decomposed, levenberg_marquardt
from physnn.analysis.curves.section import Section
from physnn.analysis.statistics.estimate import ONE_SIGMA, Estimate
from physnn.errors import InputError

LN_SPAN = 0.5
"""Share of the sizes' range in ln L that a fit must span: two or three sizes agree with any law (convention)."""
REFUSED = 1e-3
"""Best p-value up to which a form is refused; between it and that of a scan errors are widened (convention)."""
LARGEST_CORRECTION = 0.5
"""Correction over what it corrects, at the smallest size of a fit, beyond which it is none (convention)."""
PRIOR_PLACES = np.linspace(-2.5, 2.5, 21)
"""Places along ln omega at which fits are made, in standard deviations of its prior: all but 1 % of it."""
STARTS = (-1.0, 0.3, 1.0, 2.0)
"""Exponents from which a fit with a constant begins, besides that of the plain power law."""


@dataclass(frozen=True)
class Law:
    """Form of a fit: a power, a power above a constant or a logarithm; its correction, if any.

    The correction is L^-omega with omega held, ``"free"``, or 1/ln L with ``"log"``.
    """

    name: Literal["power", "background", "logarithm"]
    omega: float | Literal["free", "log"] | None = None

    @property
    def numbers(self) -> int:
        """Fitted numbers; an omega with a prior is one, and its prior is one more value."""
        return 2 + (self.name == "background") + (self.omega is not None) + (self.omega == "free")

    def __str__(self) -> str:
        text = {"power": "a L^p", "background": "c + a L^p", "logarithm": "a + b ln L"}[self.name]
        if self.omega is None:
            return text
        term = "b/ln L" if self.omega == "log" else f"b L^-{'omega' if self.omega == 'free' else f'{self.omega:.3g}'}"
        return f"{text} + {term.replace('b', 'c')}" if self.name == "logarithm" else f"{text} (1 + {term})"


@dataclass(frozen=True)
class SizeFit:
    """One fit to the sizes from ``smallest`` on.

    ``value`` and ``deviation`` are the exponent p, or the slope b of a + b ln L, with its standard error; ``numbers``
    the linear numbers in the order of `_basis`; ``omega`` that of the correction.  chi2 contains the prior of a fitted
    omega.  The weight in the average is 0 for a fit that is not acceptable.
    """

    law: Law
    smallest: int
    value: float
    deviation: float
    numbers: tuple[float, ...]
    omega: float | None
    chi2: float
    dof: int
    weight: float = 0.0

    @property
    def p_value(self) -> float:
        """Probability of a chi2 at least as large; 1 where nothing is left to test."""
        return float(special.chdtrc(self.dof, self.chi2)) if self.dof else 1.0

    def curve(self, L: np.ndarray) -> np.ndarray:
        """Values of the fitted form at sizes ``(n,)``."""
        return np.asarray(_basis(self.law, L, np.array([[self.value, self.omega or 0.0]]))[0] @ self.numbers)


def _basis(law: Law, L: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Columns of the linear numbers, ``(fits, sizes, columns)``, for rows of (exponent, omega)."""
    p, omega, ln = rows[:, :1], rows[:, 1:], np.log(L)
    falling = 1 / ln + 0 * omega if law.omega == "log" else np.exp(-omega * ln)
    if law.name == "logarithm":
        columns = [np.ones_like(falling), ln + 0 * omega, falling]
    elif law.name == "background":
        # (L^p - 1)/p, which is ln L at p = 0, so that both forms are one family.
        near = np.abs(p) < 1e-9
        columns = [np.where(near, ln, np.expm1(p * ln) / np.where(near, 1, p)), np.ones_like(falling), falling]
    else:
        columns = [np.exp(p * ln), falling * np.exp(p * ln)]
    return np.stack(columns[: len(columns) - (law.omega is None)], axis=-1)


class _Problem:
    """Whitened values with a form: residuals and their derivative by the exponent, the rest projected out.

    G. H. Golub and V. Pereyra, SIAM J. Numer. Anal. 10 (1973) 413; derivatives after L. Kaufman, BIT 15 (1975) 49.
    """

    free = [0]  # noqa: RUF012

    def __init__(self, law: Law, L: np.ndarray, y: np.ndarray, factor: np.ndarray) -> None:
        self.law, self.L, self.factor = law, L, factor
        self.y = np.linalg.solve(factor, y)

    def solved(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Residuals ``(fits, sizes)``, whitened basis and linear numbers of rows of (exponent, omega)."""
        basis = np.linalg.solve(self.factor, _basis(self.law, self.L, rows))
        q, inner, linear = decomposed(basis, np.broadcast_to(self.y, (len(rows), len(self.y))))
        return self.y - np.einsum("bnc,bc->bn", q, inner), basis, linear

    def fitted(self, omegas: np.ndarray) -> np.ndarray:
        """Rows of (exponent, omega) with the best exponent for every omega; it is 0 for a logarithm."""
        if self.law.name == "logarithm":
            return np.stack([np.zeros_like(omegas), omegas], axis=1)
        starts = [_steepness(self.L, self.factor @ self.y), *(STARTS if self.law.name == "background" else ())]
        limits = np.array([BOUNDS[0, 1], 0.0]), np.array([BOUNDS[1, 1], np.inf])
        found = [
            levenberg_marquardt(self, np.stack([np.full_like(omegas, p), omegas], axis=1), None, limits) for p in starts
        ]
        best = np.argmin(np.nan_to_num([cost for _, cost in found], nan=np.inf), axis=0)
        return np.array([found[k][0][place] for place, k in enumerate(best)])

    def derivative(self, rows: np.ndarray, linear: np.ndarray) -> np.ndarray:
        """Whitened derivative of the form by its exponent, ``(fits, sizes)``."""
        step = 1e-5
        up, down = (_basis(self.law, self.L, rows + np.array([sign * step, 0.0])) for sign in (1, -1))
        slope = np.einsum("bnc,bc->bn", (up - down) / (2 * step), linear)
        return np.asarray(np.linalg.solve(self.factor, slope[..., None])[..., 0])

    def residuals_and_jacobian(
        self, rows: np.ndarray, target: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Residuals and their derivatives by the exponent."""
        residuals, basis, linear = self.solved(rows)
        return residuals, -_across(self.derivative(rows, linear), basis)[..., None]


def _across(slope: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Part of derivatives ``(fits, sizes)`` that no column of a basis ``(fits, sizes, columns)`` can take up."""
    q = np.linalg.qr(basis)[0]
    return np.asarray(slope - np.einsum("bnc,bc->bn", q, np.einsum("bnc,bn->bc", q, slope)))


@dataclass(frozen=True)
class Family:
    """Fits of one kind with their weights, least chi2 + 2 k + 2 n_cut of those in the average, and the best p-value.

    That is NaN where there are too few sizes for a fit.  Where no fit is acceptable all are in the average, with errors
    widened by sqrt(chi2/dof).
    """

    fits: list[SizeFit]
    criterion: float
    p_value: float
    acceptable: bool = True

    def estimate(self, dof: float) -> Estimate:
        """Mean over the fits, with the half width that holds 68.3 % of all their distributions together.

        Few fits with a correction are far less certain than the others, so that the tails are longer than a normal
        one's: those of the Student distribution with the same ratio of its 95 % to its 68.3 % interval.
        """
        from scipy import optimize  # a tenth of a second that other fits do without

        used = [f for f in self.fits if f.weight > 0]
        weight, value, deviation = (
            np.array([getattr(f, name) for f in used]) for name in ("weight", "value", "deviation")
        )
        mean = float(weight @ value)

        def inside(half: float) -> float:
            ends = special.stdtr(dof, (mean + half * np.array([[1], [-1]]) - value) / deviation)
            return float(weight @ (ends[0] - ends[1]))

        far = float((np.abs(value - mean) + 1e3 * deviation).max())
        low, high = (float(optimize.brentq(lambda half, p=p: inside(half) - p, 0, far)) for p in (ONE_SIGMA, 0.95))
        return Estimate(mean, low, _tails(high / low))


def _tails(ratio: float) -> float:
    """Degrees of freedom of the Student distribution whose 95 % interval is so many times the 68.3 % one."""
    from scipy import optimize

    def excess(inverse: float) -> float:
        return float(np.divide(*special.stdtrit(1 / inverse, [0.975, (1 + ONE_SIGMA) / 2])) - ratio)

    least, most = 1e-6, 1.0
    if excess(least) >= 0:
        return np.inf
    return 1.0 if excess(most) <= 0 else 1 / float(optimize.brentq(excess, least, most))


def family(s: Section, forms: Sequence[Law], more: Sequence[Law]) -> Family:
    """Average over forms and smallest sizes; with further forms where they lower the criterion by `FAVOURED`."""
    plain, wider = averaged(s, forms), averaged(s, [*forms, *more])
    return wider if wider.fits and plain.criterion - wider.criterion >= FAVOURED else plain


def averaged(s: Section, forms: Sequence[Law]) -> Family:
    """Fits of forms with their weights; none where the best is refused."""
    found = [(law, each) for law in forms for L in _smallest(s, law) if (each := along(law, s, L))]
    best = [min((f for f, _ in each), key=lambda f: f.chi2) for _, each in found]
    p_value = max((f.p_value for f in best), default=np.nan)
    if not p_value > REFUSED:
        return Family([], np.inf, p_value)
    cost = np.array([2.0 * f.law.numbers + 2 * np.count_nonzero(f.smallest > s.L) for f in best])
    chi2 = np.array([f.chi2 for f in best])
    corrected = np.array([f.law.omega is not None for f in best])
    weights, fine = model_weights(chi2, np.array([f.dof for f in best]), cost, corrected)
    fits = [
        replace(f, weight=float(weight * share), deviation=f.deviation * (1.0 if fine else _wider(f)))
        for (_, each), weight in zip(found, weights, strict=True)
        for f, share in each
    ]
    return Family(fits, float((chi2 + cost)[weights > 0].min()), p_value, fine)


def _wider(fit: SizeFit) -> float:
    """Factor of a fit's error that makes its chi2/dof 1."""
    return max(1.0, float(np.sqrt(fit.chi2 / fit.dof)))


def _smallest(s: Section, law: Law) -> Iterator[float]:
    """Smallest sizes from which a fit of a form has something left to test and spans enough."""
    ln = np.log(s.L)
    for k, L in enumerate(s.L):
        spare = len(s.L) - k + (law.omega == "free") - law.numbers
        if spare > 0 and ln[-1] - ln[k] >= LN_SPAN * (ln[-1] - ln[0]):
            yield float(L)


def along(law: Law, s: Section, smallest: float) -> list[tuple[SizeFit, float]]:
    """Fits of a form from a smallest size on, one for each omega of a correction that is fitted, with their shares.

    The likelihood along omega is far from a normal one, so that its errors would not do.
    """
    large = smallest <= s.L
    L, dof = s.L[large], int(large.sum()) + (law.omega == "free") - law.numbers
    problem = _Problem(law, L, s.y[large], _factor(s.covariance[np.ix_(large, large)]))
    places = PRIOR_PLACES if law.omega == "free" else np.zeros(1)
    held = law.omega if isinstance(law.omega, float) else OMEGA_PRIOR[0]
    rows = problem.fitted(np.clip(held * np.exp(OMEGA_PRIOR[1] * places), *BOUNDS[:, 2]))
    residuals, basis, numbers = problem.solved(rows)
    if law.name == "logarithm":
        rows[:, 0] = numbers[:, 1]
        across = _across(basis[..., 1], np.delete(basis, 1, axis=2))
    else:
        across = _across(problem.derivative(rows, numbers), basis)
    deviations = 1 / np.sqrt(np.maximum((across**2).sum(1), np.finfo(float).tiny))
    chi2 = (residuals**2).sum(1) + places**2
    omegas = [None if law.omega in (None, "log") else float(omega) for omega in rows[:, 1]]
    fits = [
        SizeFit(law, int(smallest), float(p), float(deviation), tuple(map(float, each)), omega, float(square), dof)
        for p, omega, deviation, each, square in zip(rows[:, 0], omegas, deviations, numbers, chi2, strict=True)
        if np.isfinite(square) and np.isfinite(deviation)
    ]
    fits = [f for f in fits if _sensible(f, L[0])]
    likely = np.exp(-(np.array([f.chi2 for f in fits]) - min((f.chi2 for f in fits), default=0.0)) / 2)
    return [(f, float(share)) for f, share in zip(fits, likely / likely.sum(), strict=True)] if fits else []


def _factor(covariance: np.ndarray) -> np.ndarray:
    """Lower Cholesky factor of a covariance."""
    try:
        return np.asarray(linalg.cholesky(covariance, lower=True))
    except linalg.LinAlgError:
        raise InputError("the covariance is not positive definite: give errors alone") from None


def _sensible(fit: SizeFit, smallest: float) -> bool:
    """Whether a correction is one: no larger than what it corrects, at the smallest size."""
    if fit.law.omega is None:
        return True
    leading = fit.curve(np.array([smallest])) - (falling := _falling(fit, smallest))
    return bool(abs(falling) <= LARGEST_CORRECTION * abs(leading))


def _falling(fit: SizeFit, L: float) -> float:
    """Correction term of a fit at a size."""
    basis = _basis(fit.law, np.array([L]), np.array([[fit.value, fit.omega or 0.0]]))[0, 0]
    return float(basis[-1] * fit.numbers[-1])


def _steepness(L: np.ndarray, y: np.ndarray) -> float:
    """Exponent between the smallest and the largest size."""
    return float(np.log(abs(y[-1] / y[0])) / np.log(L[-1] / L[0])) if y[0] and y[-1] else 0.0
