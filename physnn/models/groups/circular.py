"""Filters on discs that commute with all rotations of the plane, by circular harmonics, and rotations of images.

A field of frequency k has a complex number at every place, and a rotation by an angle a takes it to
``(R f)(x) = exp(i k a) f(R^-1 x)``.  Of frequency 0 the number is real.  Maps ``(K f)(x) = sum_z K(z) f(x + z)`` from
frequency k to l commute with all rotations if they are sums of

    g(r) exp(i (l - k) phi) f    and    g(r) exp(i (l + k) phi) conj(f)

with any radial g and complex coefficients (D. E. Worrall et al., Harmonic networks (CVPR 2017), for the first kind).
On pixels they commute exactly with quarter turns, and with other angles as far as pixels tell.  Sampled as it is, a
filter of angular frequency m = 2 would take waves of frequency -2 for its own in part, at any resolution, and one of 3
or 4 even gradients or constants.  So filters are made orthogonal to all polynomials of degree up to |m| that quarter
turns do not tell from theirs; what is wrong then falls with the square of a pixel over the size of what is seen.

Angles turn rows towards columns, as those of `PointGroup` do; a vector (row, column) is a field of frequency 1.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from physnn.errors import InputError

RING_WIDTH = 0.6
"""Standard deviation of the Gaussian rings that filters are made of, in pixels; rings are one pixel apart."""
FREQUENCIES_PER_RADIUS = 2
"""Highest angular frequency of a ring over its radius in pixels: below that of its pixels, pi per radius."""
LARGEST_ROTATED = 96
"""Side of the largest images that are rotated in pixels: a matrix of 340 MB."""
_LEFT = 0.1
"""Length that a filter must have after what is not its own, and those before it, are taken off, over that before."""


class CircularField(NamedTuple):
    """Field by its frequency, as layers need to know it."""

    frequency: int

    @property
    def dimension(self) -> int:
        """Real components: real and imaginary part, or a number."""
        return 2 if self.frequency else 1

    @property
    def permutes(self) -> bool:
        """Whether rotations leave its components alone."""
        return not self.frequency

    def matrix(self, angle: float) -> NDArray[np.float64]:
        """What a rotation by an angle in radians does to its components, shape (d, d)."""
        return _multiplied(np.exp(1j * self.frequency * angle), self.frequency, self.frequency, False)


def circular_filters(first: int, second: int, side: int) -> NDArray[np.float64]:
    """Filters between fields of two frequencies that commute with rotations: rings times circular harmonics.

    Parameters
    ----------
    first, second : int
        Frequencies of input and output, at least 0.
    side : int
        Side of the window about the origin in pixels; half a whole number of offsets where it is even.

    Returns
    -------
    ndarray, shape (n, d', d, side, side)
        Filters of unit length over sqrt(d'), with d and d' components of input and output.

    Raises
    ------
    InputError
        If a frequency is negative or the window is empty.
    """
    if min(first, second) < 0 or side < 1:
        raise InputError(f"no filters of side {side} from frequency {first} to {second}: give 0 or more, and a side")
    found = []
    for turned in (False, True) if first and second else (False,):
        for wave in _circular_waves(second + first if turned else second - first, side):
            for factor in (1, 1j) if first or second else (1,):
                found.append(_multiplied(factor * wave, first, second, turned))
    if not found:
        return np.zeros((0, CircularField(second).dimension, CircularField(first).dimension, side, side))
    filters = np.stack(found)
    lengths = np.sqrt((filters**2).sum(axis=(1, 2, 3, 4), keepdims=True) / filters.shape[1])
    return np.asarray(filters / lengths)


@lru_cache(maxsize=64)
def _circular_waves(m: int, side: int) -> list[NDArray[np.complex128]]:
    """Waves ``g(r) exp(i m phi)`` on rings of a window, independent, without what pixels mistake for them."""
    offsets = np.arange(side) - (side - 1) / 2
    z = offsets[:, None] + 1j * offsets  # rows towards columns
    radii = np.abs(z)
    degrees = [(a, b) for a in range(abs(m) + 1) for b in range(abs(m) + 1 - a)]
    # A quarter turn multiplies z^a conj(z)^b by i^(a - b); in the sum with a wave of frequency m only -m is wanted.
    wrong = [z**a * z.conj() ** b for a, b in degrees if (a - b + m) % 4 == 0 and a - b != -m]
    found: list[NDArray[np.complex128]] = []
    for ring in np.arange((side - 1) / 2, -0.25, -1.0):
        if abs(m) > FREQUENCIES_PER_RADIUS * ring:
            continue
        shape = np.exp(-((radii - ring) ** 2) / (2 * RING_WIDTH**2))
        wave = shape * np.exp(1j * m * np.angle(z)) * ((radii > 0) | (m == 0))
        before = np.linalg.norm(wave)
        if wrong:
            off = np.stack([(shape * each.conj()).ravel() for each in wrong], axis=1)
            sums = np.stack([each.ravel() for each in wrong])
            wave = wave - (off @ np.linalg.lstsq(sums @ off, sums @ wave.ravel(), rcond=1e-9)[0]).reshape(side, side)
            if np.abs(sums @ wave.ravel()).max() > 1e-9 * before:
                continue
        others = np.stack([each.ravel() for each in found], axis=1) if found else np.zeros((side * side, 0))
        left = wave.ravel() - others @ np.linalg.lstsq(others, wave.ravel(), rcond=None)[0] if found else wave
        if np.linalg.norm(left) > _LEFT * before:
            found.append(wave)
    return found


def _multiplied(c: NDArray[np.complex128] | complex, first: int, second: int, turned: bool) -> NDArray[np.float64]:
    """Real matrices (d', d, ...) of f -> c f, or c conj(f); of a real f or the real part where a frequency is 0."""
    c = np.asarray(c)
    sign = -1 if turned else 1
    whole = np.stack([np.stack([c.real, -sign * c.imag]), np.stack([c.imag, sign * c.real])])
    return whole[: CircularField(second).dimension, : CircularField(first).dimension]


@lru_cache(maxsize=16)
def rotation_matrix(side: int, angle: float, order: int = 3) -> NDArray[np.float32]:
    """Rotation of square images about their centre as a matrix, by splines between pixels.

    Parameters
    ----------
    side : int
        Side of the images in pixels; beyond their edges they are 0.
    angle : float
        In radians, from rows towards columns.
    order : int
        Of the splines: 1, linear, to 5.

    Returns
    -------
    ndarray, shape (side * side, side * side)
        ``rotated.ravel() = matrix @ image.ravel()``.

    Raises
    ------
    InputError
        If the side is beyond `LARGEST_ROTATED`.
    """
    if side > LARGEST_ROTATED:
        raise InputError(
            f"images of side {side} are too large to be rotated by a matrix; give at most {LARGEST_ROTATED}"
        )
    centre = (side - 1) / 2
    places = np.stack(np.divmod(np.arange(side * side), side)) - centre
    cosine, sine = math.cos(angle), math.sin(angle)
    # The value at x is that at R^-1 x.
    source = np.array([[cosine, sine], [-sine, cosine]]) @ places + centre
    # Splines in two dimensions are products of those along rows and columns.
    rows, columns = (
        np.stack([ndimage.map_coordinates(unit, x[None], order=order, mode="grid-constant") for unit in np.eye(side)])
        for x in source
    )
    return np.asarray(np.einsum("ip,jp->pij", rows, columns).reshape(side**2, side**2), np.float32)


def disc(side: int, margin: float = 0.0) -> NDArray[np.bool_]:
    """Whether a pixel lies in the inscribed circle of a square image, less a margin in pixels, shape (side, side)."""
    offsets = np.arange(side) - (side - 1) / 2
    return np.asarray(np.hypot(offsets[:, None], offsets) <= side / 2 - margin)
