"""Data collapse with a Gaussian process for the master curve, in place of a polynomial.

K. Harada, Phys. Rev. E 84 (2011) 056704 and 92 (2015) 012106.  With s = L/L_max the model of the raw data is
y = s^(zeta/nu) [m + F(X) + theta_0 n] + error, with X = (x - x_c) s^(1/nu) over the half range of x.  Here F is a
Gaussian process with covariance theta_1^2 exp(-(X - X')^2 / (2 theta_2^2)), n is white noise, and the offset m has a
flat prior and is integrated out.  This is the likelihood of y, not of the rescaled Y = y s^(-zeta/nu): the two differ
by the Jacobian (zeta/nu) sum ln s, without which a large -zeta/nu would pay merely because it shrinks Y.  All
parameters maximise the likelihood; errors are those of the physical ones with the others integrated out in the
approximation of Laplace.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from physnn.analysis.curves.points import Points
from physnn.machine import on_one_blas_thread

MOST_POINTS = 1000
"""More points than this are thinned evenly within every size: the time grows with their cube."""
FEW_POINTS = 60
"""Points on which length scales are tried; all points only refine the best answer."""
LENGTH_SCALES = (0.15, 0.4, 1.0)
"""Length scales tried, over the largest abs(X) at the start."""
NOISE = 0.03
"""theta_0 at the start, over the half range of Y: rough agreement is found before fine."""
POSITION_LIMITS = np.array(
    [
        [-1.3, 0.02, -20.0, 0.0, np.log(1e-3), np.log(1e-2)],
        [1.3, 20.0, 20.0, 30.0, np.log(1e2), np.log(1e2)],
    ]
)
"""Limits of a position (see `Likelihood`); that of ln theta_2 over the largest abs(X) at the start."""
FIRST_STEPS = np.full(6, 1e-5)
"""Steps of the first numerical derivatives; later ones are a tenth of sigma."""
LEAST_NOISE = 1e-6
"""Noise that is always there, over the half range of y: rounding must not decide."""


@dataclass(frozen=True)
class GaussianProcessFit:
    """A collapse onto a Gaussian process.

    The parameters are (x_c, 1/nu, zeta/nu), with a covariance that is 0 for fixed ones.  ``log_likelihood`` is
    marginal, of the raw data; the flat prior of the offset has density 1 in units of y.  ``length_scale`` is theta_2 in
    units of the control, and ``extra_noise`` theta_0, the scatter beyond the errors, in units of y, both at the largest
    size.
    """

    parameters: np.ndarray
    covariance: np.ndarray
    log_likelihood: float
    length_scale: float
    extra_noise: float
    n_points: int


class Likelihood:
    """Negative log likelihood with its gradient.

    A position is (x_c, 1/nu, zeta/nu, ln(1 + theta_0^2/least^2), ln theta_1, ln theta_2) with x_c in half ranges of the
    control from the middle, and values in the given unit.  With the smallest error of Y for ``least``, the fourth one
    is smooth at theta_0 = 0 and logarithmic where it matters.
    """

    def __init__(self, points: Points, middle: float, half: float, unit: float, least: float) -> None:
        self.control = (points.x - middle) / half
        self.size = points.L / points.L.max()
        self.log_size = np.log(self.size)
        self.target = points.y / unit
        noise = np.diag(points.error**2) if points.covariance is None else points.covariance
        self.noise = noise / unit**2 + LEAST_NOISE**2 * np.eye(len(points))
        self.least = (least / unit) ** 2 + LEAST_NOISE**2

    def extra_noise(self, position: np.ndarray) -> float:
        """theta_0."""
        return float(np.sqrt(self.least * np.expm1(position[3])))

    def __call__(self, position: np.ndarray) -> tuple[float, np.ndarray]:
        """Negative log likelihood and its gradient.

        Raises
        ------
        scipy.linalg.LinAlgError
            If rounding leaves the covariance without a Cholesky factor.
        """
        theta_1, theta_2 = np.exp(position[4:])
        growth, h = self.size ** position[1], self.size ** position[2]
        scaled = (self.control - position[0]) * growth
        signal = np.subtract.outer(scaled / theta_2, scaled / theta_2)
        signal = np.exp(-0.5 * signal**2) * np.outer(theta_1 * h, theta_1 * h)
        total = self.noise + signal
        total.flat[:: len(h) + 1] += self.least * np.expm1(position[3]) * h**2
        factor = linalg.cholesky(total, lower=True, overwrite_a=True, check_finite=False)
        inverse = _inverse(factor)
        # The offset m with its flat prior: a restricted likelihood.
        weights = inverse @ h
        information = float(h @ weights)
        offset = float(weights @ self.target) / information
        alpha = inverse @ (self.target - offset * h)
        value = 0.5 * float(self.target @ alpha) + float(np.log(np.diag(factor)).sum()) + 0.5 * np.log(information)
        value += 0.5 * (len(h) - 1) * np.log(2 * np.pi)
        # d(log likelihood) = 1/2 sum(change * d(covariance)) + the part by h of the offset.
        change = np.outer(alpha, alpha) + np.outer(weights, weights / information) - inverse
        own = np.diag(change) * h**2 * self.least
        change *= signal
        rows, moments = change.sum(1), change @ scaled
        by_scaled = (moments - scaled * rows) / theta_2**2
        by_log_h = rows + own * np.expm1(position[3]) + h * (alpha * offset - weights / information)
        gradient = [
            -float(by_scaled @ growth),
            float(by_scaled @ (scaled * self.log_size)),
            float(by_log_h @ self.log_size),
            0.5 * float(own.sum()) * float(np.exp(position[3])),
            float(rows.sum()),
            float(rows @ scaled**2 - scaled @ moments) / theta_2**2,
        ]
        return value, -np.array(gradient)

    def hessian(self, position: np.ndarray, free: list[int], steps: np.ndarray) -> np.ndarray:
        """Second derivatives by the free parameters, from central differences of the gradient."""
        columns = []
        for k in free:
            move = np.zeros(len(position))
            move[k] = steps[k]
            columns.append((self(position + move)[1] - self(position - move)[1])[free] / (2 * steps[k]))
        matrix = np.array(columns)
        return np.asarray((matrix + matrix.T) / 2)


@dataclass(frozen=True)
class _Minimum:
    """An inner minimum of the negative log likelihood, the steps being a tenth of each parameter's own sigma."""

    value: float
    position: np.ndarray
    covariance: np.ndarray
    steps: np.ndarray


@on_one_blas_thread
def gaussian_process(
    points: Points, fixed: tuple[float | None, float | None, float | None], start: np.ndarray
) -> GaussianProcessFit | None:
    """Most likely collapse near a start value.

    Length scales are tried on at most `FEW_POINTS` points; the best answer is then refined on all of them, or on
    `MOST_POINTS` if there are more.  Hyperparameters at a limit are held when errors are computed.

    The process is equally rough everywhere: where a size has few points on a steep step between long flat tails, 1/nu
    comes out too small, so give points from a window in the scaled control.

    Parameters
    ----------
    points : Points
        Data; a covariance takes the place of the errors.
    fixed : tuple of (float or None)
        Values of (x_c, 1/nu, zeta/nu) that are held; None is fitted.
    start : ndarray
        (x_c, 1/nu, zeta/nu), further values are ignored.

    Returns
    -------
    GaussianProcessFit or None
        None where there is no maximum inside `POSITION_LIMITS`, no signal above the noise, or too little data; and of
        points that carry derivatives: white noise n cannot stand for what a value and its derivative share, such as a
        correction to scaling, so that answers were 6 and 14 errors off.

    Raises
    ------
    InputError
        If the covariance of the points is not positive definite.
    """
    points.cholesky()
    if points.carry_derivatives:
        return None
    points = evenly_thinned(points, MOST_POINTS)
    physical = [k for k in range(3) if fixed[k] is None]
    if len(points) < len(physical) + 7 or len(points.sizes) < 2 or np.ptp(points.x) == 0:
        return None
    middle, half = float(points.x.max() + points.x.min()) / 2, float(np.ptp(points.x)) / 2
    first = np.array([start[k] if fixed[k] is None else fixed[k] for k in range(3)], float)
    first[0] = (first[0] - middle) / half
    first[physical] = np.clip(first, POSITION_LIMITS[0, :3] + 1e-3, POSITION_LIMITS[1, :3] - 1e-3)[physical]
    size = points.L / points.L.max()
    unit = float(np.ptp(points.y * size ** -first[2])) / 2 or 1.0
    widest = float(np.abs(((points.x - middle) / half - first[0]) * size ** first[1]).max()) or 1.0
    limits = POSITION_LIMITS + np.log(widest) * np.eye(6)[5]
    free = [*physical, 3, 4, 5]
    least = float((points.error * size ** -first[2]).min())
    likelihood = Likelihood(points, middle, half, unit, least)
    few = (
        Likelihood(evenly_thinned(points, FEW_POINTS), middle, half, unit, least)
        if len(points) > FEW_POINTS
        else likelihood
    )
    noise = np.log1p(NOISE**2 / likelihood.least)
    starts = [np.array([*first, noise, -0.5, np.log(length * widest)]) for length in LENGTH_SCALES]
    position = min(starts, key=lambda start: _value(few, start, limits))
    # Hyperparameters first, then all: a first step along the bare gradient leads astray.
    for chosen in (free[-3:], free):
        position = _descended(few, position, chosen, limits)
    minimum = _refine(few, position, free, limits, FIRST_STEPS)
    if minimum and few is not likelihood:
        minimum = _refine(likelihood, minimum.position, free, limits, minimum.steps)
    if minimum is None:
        return None
    scale = np.array([half, 1.0, 1.0])
    return GaussianProcessFit(
        minimum.position[:3] * scale + [middle, 0.0, 0.0],
        minimum.covariance[:3, :3] * np.outer(scale, scale),
        -minimum.value - (len(points) - 1) * float(np.log(unit)),
        float(np.exp(minimum.position[5])) * half,
        likelihood.extra_noise(minimum.position) * unit,
        len(points),
    )


def evenly_thinned(points: Points, most: int) -> Points:
    """At most ``most`` points, evenly spaced in the order of size and control."""
    if len(points) <= most:
        return points
    keep = np.zeros(len(points), bool)
    keep[np.lexsort((points.x, points.L))[np.linspace(0, len(points) - 1, most).astype(int)]] = True
    return points.chosen(keep)


def _inverse(factor: np.ndarray) -> np.ndarray:
    """Inverse of a matrix from its lower Cholesky factor."""
    lower, failed = linalg.lapack.dpotri(factor, lower=1)
    if failed:
        raise linalg.LinAlgError("singular covariance")
    inverse = np.asarray(np.tril(lower))
    inverse += np.tril(lower, -1).T
    return inverse


def _value(likelihood: Likelihood, position: np.ndarray, limits: np.ndarray) -> float:
    """Negative log likelihood inside the limits; infinity where rounding leaves none."""
    try:
        return likelihood(np.clip(position, *limits))[0]
    except linalg.LinAlgError:
        return np.inf


def _descended(likelihood: Likelihood, start: np.ndarray, chosen: list[int], limits: np.ndarray) -> np.ndarray:
    """Position of a minimum of the chosen parameters, in units of their own sigma; the start if rounding ends it."""
    position = np.asarray(np.clip(start, *limits))
    try:
        curvature = np.diag(likelihood.hessian(position, chosen, FIRST_STEPS))
        _minimise(likelihood, position, chosen, limits, 1 / np.sqrt(np.maximum(np.abs(curvature), 1.0)))
    except linalg.LinAlgError:
        return start
    return position


def _minimise(
    likelihood: Likelihood, position: np.ndarray, chosen: list[int], limits: np.ndarray, scale: np.ndarray
) -> None:
    """Move the chosen parameters of a position to a minimum.

    Steps are those of Broyden, Fletcher, Goldfarb and Shanno (R. Fletcher, "Practical Methods of Optimization", 1987),
    halved until the value falls, parameters at a limit held.
    """

    def both(values: np.ndarray) -> tuple[float, np.ndarray]:
        position[chosen] = values * scale
        value, gradient = likelihood(position)
        return value, gradient[chosen] * scale

    low, high = limits[0, chosen] / scale, limits[1, chosen] / scale
    x, inverse = position[chosen] / scale, np.eye(len(chosen))
    value, gradient = both(x)
    for _ in range(150):
        free = ~(((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0)))
        direction = np.where(free, -(inverse * np.outer(free, free)) @ gradient, 0.0)
        slope, length = float(gradient @ direction), 1.0
        if slope > -1e-12 * max(1.0, abs(value)):
            break
        if (inverse == np.eye(len(x))).all():
            length = min(1.0, 1 / float(np.abs(direction).max()))
        while length > 1e-10:
            trial = np.clip(x + length * direction, low, high)
            other, slopes = both(trial)
            if other <= value + 1e-4 * float(gradient @ (trial - x)):
                break
            length /= 2
        else:
            break
        moved, bent, fall = trial - x, slopes - gradient, value - other
        x, value, gradient = trial, other, slopes
        if fall <= 2e-9 * max(abs(value), 1.0):
            break
        if (along := float(moved @ bent)) > 1e-12 * float(bent @ bent):
            left = np.eye(len(x)) - np.outer(moved, bent) / along
            inverse = left @ inverse @ left.T + np.outer(moved, moved) / along
    position[chosen] = np.clip(x * scale, limits[0, chosen], limits[1, chosen])


def _refine(
    likelihood: Likelihood, start: np.ndarray, free: list[int], limits: np.ndarray, steps: np.ndarray
) -> _Minimum | None:
    """Minimum after steps of Newton, None where there is none inside the limits."""
    position, steps = start.copy(), steps.copy()
    for _ in range(8):
        try:
            value, gradient = likelihood(position)
            stuck = ((position <= limits[0]) & (gradient > 0)) | ((position >= limits[1]) & (gradient < 0))
            loose = [k for k in free if not stuck[k]]
            hessian = likelihood.hessian(position, loose, steps)
            factor = linalg.cho_factor(hessian)
        except (linalg.LinAlgError, ValueError):
            return None
        steps[loose] = np.clip(0.1 / np.sqrt(np.diag(hessian)), 1e-8, 0.05)
        step = linalg.cho_solve(factor, -gradient[loose])
        if -gradient[loose] @ step < 1e-5:
            covariance = np.zeros((6, 6))
            covariance[np.ix_(loose, loose)] = linalg.cho_solve(factor, np.eye(len(loose)))
            lost = stuck[[k for k in free if k < 3]].any() or position[4] <= limits[0, 4]
            return None if lost else _Minimum(value, position, covariance, steps)
        position[loose] += step
        position = np.clip(position, limits[0], limits[1])
    return None
