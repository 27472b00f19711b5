"""The null model of a task's error: no dependence on L but through what is in an image, its border and the averaging.

At fixed depth a pixel sees a bounded neighbourhood, so the mean squared error of a pixel near a shape, b(eta), and that
of a pixel far from shapes, a(eta), cannot depend on L beyond it.  Measured at one L they predict every other L without
a free parameter: with n_near pixels near shapes an image has the expected mean squared error

    mu = [a (L^2 - n_near) + b n_near] / L^2

and pooled RMSE is sqrt(mean over images of mu).  A mean over images of sqrt(MSE) is lower, for the root is concave; how
much follows from the variance of an image's MSE about mu, which is v / L^2 with one more number v.  MSE is taken to be
gamma distributed, so that E sqrt(MSE) = sqrt(theta) Gamma(k + 1/2) / Gamma(k) with k = mu^2 L^2 / v and
theta = mu / k.

Curves of different L that this predicts may cross, and that crossing is no critical point.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import poch

from physnn.analysis.statistics.plain import to_json
from physnn.analysis.statistics.resampling import shares, widened
from physnn.errors import InputError

NULL_LEVEL = 0.003
"""Largest p-value with which the null model is rejected: that of three standard deviations (convention)."""
PREDICTED = ("rmse", "rmse_per_image")
"""Observables that the null model predicts."""
LEAST_IMAGES = 4
"""Images per network and size that the test needs: fewer have no variance worth resampling (convention)."""
SAMPLES_AT_ONCE = 100
"""Bootstrap samples formed at once."""


@dataclass(frozen=True)
class Errors:
    """Squared errors of the images of one size, at noise values ``(points,)``.

    ``near`` and ``far`` are sums over pixels near and far from shapes (pixels 0 and 1), ``(points, networks, images)``;
    ``n_near`` is the number of pixels near shapes, ``(networks, images)``.  ``scale``, of the same shape, is a factor
    of each image's root mean squared error before it is averaged (``rmse_per_image`` only), for errors in units of the
    target's.
    """

    eta: np.ndarray
    near: np.ndarray
    far: np.ndarray
    n_near: np.ndarray
    scale: np.ndarray | None = None


@dataclass(frozen=True)
class NullModel:
    """Prediction of the null model beside the data.

    Attributes
    ----------
    reference : int
        The L at which a and b are measured.
    eta : ndarray, shape (points,)
        Noise values that all sizes have.
    near, far : ndarray, shape (points,)
        b and a, mean over networks (dimensionless).
    predicted, measured, errors : dict of ndarray, shape (points,)
        By L without the reference: curves, means over networks, and the standard error of their difference, that of
        a and b included.  Networks are the same on both sides, so their scatter is not in it.
    p_value : float
        Probability of a largest difference, over its error, as large as that seen, if the null model holds.
    largest : tuple (L, eta, difference over error)
        Where it is.
    """

    reference: int
    eta: np.ndarray
    near: np.ndarray
    far: np.ndarray
    predicted: dict[int, np.ndarray]
    measured: dict[int, np.ndarray]
    errors: dict[int, np.ndarray]
    p_value: float
    largest: tuple[int, float, float]

    @property
    def rejected(self) -> bool:
        """Whether the data differ significantly from the prediction."""
        return self.p_value < NULL_LEVEL

    def sentence(self) -> str:
        """Result in words."""
        L, eta, z = self.largest
        verdict = "is rejected" if self.rejected else "explains the curves"
        return (
            f"the null model (errors near and far from shapes measured at L = {self.reference}, no other dependence "
            f"on L) {verdict}: p = {self.p_value:.2g}, largest difference {z:+.1f} errors at L = {L}, eta = {eta:.4g}"
        )

    def as_json(self) -> dict[str, Any]:
        """Test and its curves as plain data."""
        L, eta, z = self.largest
        return {
            "reference": self.reference,
            "rejected": self.rejected,
            "p_value": self.p_value,
            "largest": {"L": L, "eta": eta, "difference_over_error": z},
            **{name: to_json(getattr(self, name)) for name in ("eta", "near", "far")},
            "predicted": {f"L{k}": values.tolist() for k, values in self.predicted.items()},
            "difference_errors": {f"L{k}": values.tolist() for k, values in self.errors.items()},
        }


def null_model(
    sizes: Mapping[int, Errors],
    observable: str,
    generator: np.random.Generator,
    *,
    resamples: int = 2000,
    reference: int | None = None,
) -> NullModel:
    """Predict every size from one, and test the prediction.

    Parameters
    ----------
    sizes : mapping
        L to its errors; the same networks at every L.
    observable : str
        ``rmse`` (pooled) or ``rmse_per_image``.
    generator : numpy.random.Generator
        Source of the resampling: of images, within each network and size.
    resamples : int
        Bootstrap samples.
    reference : int, optional
        Where a and b are measured, by default at the largest L.

    Raises
    ------
    InputError
        If the observable is none that the null model predicts, or there are fewer than two sizes, `LEAST_IMAGES` images
        per network and size, or one common noise value.
    """
    if observable not in PREDICTED:
        raise InputError(f"the null model predicts {' and '.join(PREDICTED)}, not {observable}")
    reference = max(sizes) if reference is None else reference
    if reference not in sizes or len(sizes) < 2:
        raise InputError("the null model needs two sizes or more, one of them its reference")
    if min(e.near.shape[2] for e in sizes.values()) < LEAST_IMAGES:
        raise InputError(f"the null model needs {LEAST_IMAGES} images per network and size or more")
    eta = np.array(sorted(set.intersection(*(set(e.eta.tolist()) for e in sizes.values()))))
    if not len(eta):
        raise InputError("the sizes have no noise value in common")
    sizes = {L: _at(e, eta) for L, e in sorted(sizes.items())}
    networks = {e.near.shape[1] for e in sizes.values()}
    if len(networks) > 1:
        raise InputError("the null model needs the same networks at every size")
    far, near, variance = _rates(sizes[reference], reference, _equal(sizes[reference])[None])
    drawn = _rates(sizes[reference], reference, _weights(sizes[reference], resamples, generator))
    predicted, measured, differences = {}, {}, {}
    for L, errors in sizes.items():
        if reference == L:
            continue
        weights = _weights(errors, resamples, generator)
        once = _equal(errors)[None]
        predicted[L] = _expected(errors, L, observable, once, far, near, variance)[0]
        measured[L] = _observed(errors, L, observable, once)[0]
        resampled = _expected(errors, L, observable, weights, *drawn)
        differences[L] = _observed(errors, L, observable, weights) - resampled
    spread = {L: d.std(0, ddof=1) for L, d in differences.items()}
    p_value, largest = _largest(eta, predicted, measured, spread, differences)
    return NullModel(
        reference, eta, near[0].mean(1), far[0].mean(1), predicted, measured, spread, p_value, largest
    )  # fmt: skip


def _at(errors: Errors, eta: np.ndarray) -> Errors:
    where = [int(np.flatnonzero(errors.eta == value)[0]) for value in eta]
    return Errors(eta, errors.near[where], errors.far[where], errors.n_near, errors.scale)


def _equal(errors: Errors) -> np.ndarray:
    return np.full(errors.n_near.shape, 1 / errors.n_near.shape[1])


def _weights(errors: Errors, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """Weights of images in bootstrap samples, (resamples, networks, images)."""
    networks, images = errors.n_near.shape
    return widened(shares(images, (resamples, networks), generator))


def _rates(errors: Errors, L: int, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A, b and v of each sample and network, each (samples, points, networks)."""
    n_near = errors.n_near.astype(float)
    shares = [np.einsum("bni,ni->bn", weights, n)[:, None] for n in (L**2 - n_near, n_near)]
    sums = [np.einsum("cni,bni->bcn", e, weights, optimize=True) for e in (errors.far, errors.near)]
    far, near = (np.divide(s, n, out=np.zeros_like(s), where=n > 0) for s, n in zip(sums, shares, strict=True))
    # The variance is a small correction: that of all images serves every sample.
    a = errors.far.sum(2) / np.maximum(1, (L**2 - n_near).sum(1))
    b = errors.near.sum(2) / np.maximum(1, n_near.sum(1))
    residual = errors.far + errors.near - a[:, :, None] * (L**2 - n_near) - b[:, :, None] * n_near
    variance = (residual**2).sum(2) / (L**2 * max(1, n_near.shape[1] - 2))
    return far, near, np.broadcast_to(variance, far.shape)


def _expected(
    errors: Errors,
    L: int,
    observable: str,
    weights: np.ndarray,
    far: np.ndarray,
    near: np.ndarray,
    variance: np.ndarray,
) -> np.ndarray:
    """Predicted curves of samples, mean over networks, (samples, points)."""
    share = errors.n_near / L**2
    if observable == "rmse":
        mean = np.einsum("bni,ni->bn", weights, share)[:, None]
        return np.asarray(np.sqrt(np.maximum(0, far * (1 - mean) + near * mean)).mean(2))
    rows = []
    weights = weights if errors.scale is None else weights * errors.scale
    for first in range(0, len(weights), SAMPLES_AT_ONCE):
        a, b, v = (x[first : first + SAMPLES_AT_ONCE, :, :, None] for x in (far, near, variance))
        roots = mean_root(a * (1 - share) + b * share, v / L**2)
        rows.append(np.einsum("bcni,bni->bcn", roots, weights[first : first + SAMPLES_AT_ONCE]).mean(2))
    return np.concatenate(rows)


def mean_root(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """E sqrt(y) of a gamma distributed y with this mean and variance."""
    mean, variance = np.broadcast_arrays(np.maximum(mean, 0), variance)
    # At k = 10^8 the factor is 1 to rounding.
    k = np.divide(mean**2, variance, out=np.full(mean.shape, 1e8), where=(variance > 1e-8 * mean**2) & (mean > 0))
    return np.asarray(np.sqrt(mean / k) * poch(k, 0.5))


def _observed(errors: Errors, L: int, observable: str, weights: np.ndarray) -> np.ndarray:
    """Measured curves of samples, mean over networks, (samples, points)."""
    squared = (errors.near + errors.far) / L**2
    if observable == "rmse":
        pooled = np.einsum("cni,bni->bcn", squared, weights, optimize=True)
        return np.asarray(np.sqrt(np.maximum(0, pooled)).mean(2))
    weights = weights if errors.scale is None else weights * errors.scale
    return np.asarray(np.einsum("cni,bni->bcn", np.sqrt(squared), weights, optimize=True).mean(2))


def _largest(
    eta: np.ndarray,
    predicted: dict[int, np.ndarray],
    measured: dict[int, np.ndarray],
    spread: dict[int, np.ndarray],
    differences: dict[int, np.ndarray],
) -> tuple[float, tuple[int, float, float]]:
    """p-value of the largest difference over its error, and where it is.

    Differences at all noise values share their images, hence are strongly correlated: the largest one is compared with
    those of bootstrap samples about their own mean.
    """
    z, deviations, places = [], [], []
    for L, error in spread.items():
        known = error > 0
        z.append((measured[L] - predicted[L])[known] / error[known])
        deviations.append((differences[L] - differences[L].mean(0))[:, known] / error[known])
        places += [(L, float(value)) for value in eta[known]]
    every = np.concatenate(z)
    if not len(every):
        raise InputError("the errors of all images are equal: the null model cannot be tested")
    k = int(np.argmax(np.abs(every)))
    null = np.abs(np.concatenate(deviations, axis=1)).max(1)
    p_value = (1 + int((null >= abs(every[k])).sum())) / (1 + len(null))
    return float(p_value), (*places[k], float(every[k]))
