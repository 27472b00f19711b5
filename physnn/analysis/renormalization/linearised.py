r"""Linearised renormalization from correlations of blocks, with errors by jackknife.

The couplings K' of block spins are functions of the couplings K.  By the chain rule the matrix
T_{ab} = dK'_a / dK_b solves sum_a <S'_c S'_a>_c T_{ab} = <S'_c S_b>_c, with S the operators, all summed over the
lattice, and <>_c connected averages (R. H. Swendsen, Phys. Rev. Lett. 42, 859 (1979)).  Eigenvalues b^y of T give
exponents y: y_t = 1/nu of even operators, y_h = d - beta/nu of odd ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from physnn.analysis.statistics.estimate import Estimate
from physnn.errors import InputError

SINGULAR = 1e-9
"""Smallest ratio of eigenvalues of the correlations between block operators of unit variance that are inverted."""


@dataclass(frozen=True)
class Moments:
    """Mean operators and their products, of all measurements or of several parts of them along a first axis.

    Attributes
    ----------
    fine, coarse : ndarray, shape (..., operators)
        Means of S and S'; 0 of odd operators, which vanish by symmetry.
    coarse_coarse, coarse_fine : ndarray, shape (..., operators, operators)
        Means of S'_a S'_b and S'_a S_b.
    """

    fine: np.ndarray
    coarse: np.ndarray
    coarse_coarse: np.ndarray
    coarse_fine: np.ndarray

    def matrix(self, count: int) -> np.ndarray:
        """Linearised renormalization T of the first ``count`` operators, ``(..., count, count)``.

        Raises
        ------
        InputError
            If block operators do not vary independently.
        """
        k = slice(count)
        coarse = self.coarse[..., k, None]
        A = self.coarse_coarse[..., k, k] - coarse * self.coarse[..., None, k]
        B = self.coarse_fine[..., k, k] - coarse * self.fine[..., None, k]
        scale = np.sqrt(np.einsum("...aa->...a", A))
        if not (np.isfinite(scale).all() and (scale > 0).all()):
            raise InputError("an operator of the blocks never changes, so nothing follows from its correlations")
        if np.linalg.eigvalsh(A / (scale[..., :, None] * scale[..., None, :])).min() < SINGULAR * count:
            raise InputError(
                "the operators of the blocks do not vary independently, and their correlations cannot be inverted: "
                "take fewer operators, more measurements, or larger blocks lattices"
            )
        return np.asarray(np.linalg.solve(A, B))


def moments_left_out(fine: np.ndarray, coarse: np.ndarray, edges: np.ndarray, odd: bool = False) -> Moments:
    """Moments of all measurements, and of all but one bin after the other, along the first axis.

    Parameters
    ----------
    fine, coarse : ndarray, shape (chain, measurement, operator, component)
        S and S' of the same configurations; components of an order parameter are averaged over.
    edges : ndarray of int
        First measurements of the bins of every chain.
    odd : bool
        Whether means vanish by symmetry.
    """
    n = fine.shape[0] * fine.shape[1]
    lengths = np.tile(np.diff([*edges, fine.shape[1]]), len(fine))

    def left_out(values: np.ndarray) -> np.ndarray:
        bins = np.add.reduceat(values, edges, axis=1).reshape(len(lengths), *values.shape[2:])
        total = bins.sum(0)
        rest = (total - bins) / (n - lengths).reshape(-1, *[1] * (bins.ndim - 1))
        return np.concatenate([(total / n)[None], rest])

    # Products of what is left after the mean: connected averages are then no differences of large numbers.
    x, y = (each if odd else each - each.mean((0, 1)) for each in (fine, coarse))
    means = [np.zeros((len(lengths) + 1, each.shape[2])) if odd else left_out(each.mean(-1)) for each in (x, y)]
    products = [left_out(np.einsum("nmac,nmbc->nmab", y, other) / y.shape[-1]) for other in (y, x)]
    return Moments(means[0], means[1], products[0], products[1])


@dataclass(frozen=True)
class Exponents:
    """Exponents y = ln(eigenvalue) / ln(b) of a linearised renormalization, the largest first.

    Attributes
    ----------
    values : ndarray, shape (1 + bins, operators)
        Of all measurements, and of all but one bin; NaN where an eigenvalue is not above 0 or not real.
    """

    values: np.ndarray

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """Exponents with their errors; NaN where there is none."""
        return tuple(jackknife(column) for column in self.values.T)


def jackknife(values: np.ndarray) -> Estimate:
    """Value with its error from values of all measurements, first, and of all but one bin after the other, (1 + bins,).

    error^2 = (n - 1)/n sum_i (v_i - mean)^2, widened by Student's distribution of n - 1 degrees of freedom.
    """
    rest, n = values[1:], len(values) - 1
    deviation = math.sqrt((n - 1) / n * float(np.sum((rest - rest.mean()) ** 2)))
    return Estimate.student(float(values[0]), deviation, n - 1)


def exponents_of(moments: Moments, count: int, b: int) -> Exponents:
    """Exponents of the first ``count`` operators for blocks of side b; raises InputError as `Moments.matrix`."""
    eigenvalues = np.linalg.eigvals(moments.matrix(count)).astype(complex)
    order = np.argsort(-np.abs(eigenvalues), axis=-1)
    ordered = np.take_along_axis(eigenvalues, order, axis=-1)
    real = (np.abs(ordered.imag) <= 1e-9 * np.abs(ordered)) & (ordered.real > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.where(real, np.log(np.where(real, ordered.real, np.nan)) / math.log(b), np.nan)
    return Exponents(values)
