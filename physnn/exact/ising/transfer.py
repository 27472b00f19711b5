"""Ising model on an H x W torus by its transfer matrix: distribution of the magnetisation, correlation length, energy.

H = -J sum_<ij> s_i s_j with k_B = 1 and K = J/T.  A row a of W spins has in-row bonds B(a) and magnetisation D(a); the
symmetric matrix T(a, b) = exp(K [B(a) + B(b)]/2 + K a.b) adds one row, so Z = Tr T^H.  It commutes with the shift of
a row, so it splits into W blocks, one for each wave number of the row; of the blocks k and W - k one is enough.

The distribution of the magnetisation M follows from its characteristic function on as many angles as M has values,
<exp(i x M)> = Tr [exp(i x D/2) T exp(i x D/2)]^H / Z with x = pi j/(N + 1), and a discrete Fourier transform.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from physnn.errors import InputError
from physnn.exact.ising.torus import Floats, binder, reduced_coupling, torus_sides, xi_over_length

Complexes = NDArray[np.complex128]

WIDEST = 13
"""Longest row: its matrix has 2**13 rows, in blocks of about 630."""


@dataclass(frozen=True)
class _Block:
    """Hermitian block of T at one wave number of the row, and of dT/dK, both up to the same factor.

    ``copies`` blocks have this spectrum: 2 for wave numbers k and W - k, 1 for k = 0 and W/2.  The magnetisation of a
    row is diagonal in this basis.
    """

    copies: int
    matrix: Complexes
    slope: Complexes
    magnetisation: Floats


@lru_cache(maxsize=16)
def _rows(width: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Representative of every class of shifted rows as a bit pattern, its period, and the bits set in all patterns."""
    patterns = np.arange(2**width)
    bits = (patterns[:, None] >> np.arange(width) & 1).sum(axis=1)
    shifted = np.stack([_shift(patterns, steps, width) for steps in range(width)])
    smallest = patterns[shifted.min(axis=0) == patterns]
    same = shifted[:, smallest] == smallest
    return smallest, width // same.sum(axis=0), bits


def _shift(pattern: NDArray[np.int64], steps: int, width: int) -> NDArray[np.int64]:
    return np.asarray((pattern << steps | pattern >> (width - steps)) & (2**width - 1))


def _blocks(width: int, K: float) -> tuple[list[_Block], float]:
    """Transfer matrix in blocks of one wave number each, and the logarithm of a factor taken out of them.

    In the normalised plane waves |a, k> over the shifts of row a, with periods P of the rows,
    T_k(a, b) = sqrt(P_a P_b)/W sum_l exp(i k l) T(a, shift^l b).
    """
    rows, periods, bits = _rows(width)
    inside = width - 2 * bits[rows ^ _shift(rows, 1, width)]
    between = np.stack([width - 2 * bits[rows[:, None] ^ _shift(rows, step, width)] for step in range(width)], axis=2)
    bonds = (inside[:, None, None] + inside[None, :, None]) / 2 + between
    largest = float((K * bonds).max())
    weight = np.exp(K * bonds - largest) * np.sqrt(periods[:, None] * periods)[:, :, None] / width
    spectra = np.fft.ifft(weight, axis=2, norm="forward"), np.fft.ifft(weight * bonds, axis=2, norm="forward")
    blocks = []
    for k in range(width // 2 + 1):
        allowed = np.flatnonzero(k * periods % width == 0)
        matrix, slope = (spectrum[allowed[:, None], allowed, k] for spectrum in spectra)
        copies = 1 if 2 * k % width == 0 else 2
        blocks.append(_Block(copies, matrix, slope, np.asarray(2.0 * bits[rows[allowed]] - width)))
    return blocks, largest


def _torus(shape: tuple[int, int], T: float, J: float) -> tuple[int, int, float]:
    """Short side, along which the rows lie, the long side, and K."""
    width, length = sorted(torus_sides(shape))
    if width > WIDEST:
        raise InputError(
            f"The transfer matrix of a torus {width} wide is too large: use a shorter side of {WIDEST} or less, or "
            "kaufman() for energies."
        )
    K = reduced_coupling(T, J)
    if K <= 0:
        raise InputError(f"The transfer matrix is for positive couplings, J is {J}; use ising_enumeration().")
    return width, length, K


def _trace_of_power(matrix: Complexes, n: int) -> complex:
    half = np.linalg.matrix_power(matrix, n // 2)
    other = half if n % 2 == 0 else half @ matrix
    return complex((half * other.T).sum())


def magnetisation_distribution(shape: tuple[int, int], T: float, J: float = 1.0) -> tuple[NDArray[np.int64], Floats]:
    """Exact distribution of the magnetisation of the Ising model on an H x W torus without field.

    Parameters
    ----------
    shape : tuple of int
        Sides H, W >= 2, the shorter one up to 13; 8 x 8 takes milliseconds, 12 x 12 ten seconds.
    T, J : float
        Temperature and positive coupling in units of the same energy (k_B = 1).

    Returns
    -------
    magnetisation : ndarray of int64, shape (H W + 1,)
        M = sum_i s_i = -H W, -H W + 2, .., H W.
    probability : ndarray of float64, same shape
        P(M), with an absolute error of about 1e-15; values below that are noise.

    Raises
    ------
    InputError
        If a side is below 2, the shorter side is above 13, or T or J is not positive.
    """
    width, length, K = _torus(shape, T, J)
    sites = width * length
    blocks, _ = _blocks(width, K)
    scale = max(float(np.linalg.norm(block.matrix, 2)) for block in blocks)
    angles = math.pi / (sites + 1) * np.arange(sites + 1)
    phi = np.zeros(sites + 1)
    for j in range((sites + 1) // 2 + 1):
        for block in blocks:
            turn = np.exp(0.5j * angles[j] * block.magnetisation)
            phi[j] += block.copies * _trace_of_power(block.matrix / scale * turn * turn[:, None], length).real
    # P(M) = P(-M), hence phi(pi - x) = (-1)^N phi(x).
    done = (sites + 1) // 2 + 1
    phi[done:] = (-1) ** sites * phi[sites + 1 - np.arange(done, sites + 1)]
    probability = np.fft.fft(phi / phi[0] * np.exp(1j * angles * sites)).real / (sites + 1)
    return 2 * np.arange(sites + 1) - sites, (probability + probability[::-1]) / 2


def ising_correlations(shape: tuple[int, int], T: float, J: float = 1.0) -> dict[str, float]:
    """Averages that follow from the spectrum of the transfer matrix alone, without the distribution of M.

    Parameters and errors are those of `magnetisation_distribution`; 12 x 12 takes a second.

    Returns
    -------
    dict of str to float
        ``log_z`` = ln Z/N, ``energy`` <H>/N, ``m2``, ``s_kmin`` = ``<|sum_i s_i exp(i k.r_i)|^2>/N`` for
        k = 2 pi/max(H, W) along the longest side, ``xi_over_L`` (second moment, from S(0) = N m2, over the longest
        side; not a number where S does not peak at zero).
    """
    width, length, K = _torus(shape, T, J)
    blocks, log_factor = _blocks(width, K)
    spectra = [linalg.eigh(block.matrix) for block in blocks]
    scale = max(float(abs(values).max()) for values, _ in spectra)
    z, slope = 0.0, 0.0
    correlation = np.zeros(length)
    for block, (values, vectors) in zip(blocks, spectra, strict=True):
        powers = (values / scale) ** np.arange(length + 1)[:, None]
        diagonal = np.einsum("ai,ai->i", vectors.conj(), block.slope @ vectors).real / scale
        z += block.copies * float(powers[length].sum())
        slope += block.copies * length * float(powers[length - 1] @ diagonal)
        strength = abs(vectors.conj().T @ (block.magnetisation[:, None] * vectors)) ** 2
        correlation += block.copies * ((powers[length:0:-1] @ strength) * powers[:length]).sum(axis=1)
    sites = width * length
    correlation /= z
    m2 = float(correlation.sum()) * length / sites**2
    s_kmin = float(correlation @ np.cos(2 * math.pi / length * np.arange(length))) / width
    return {
        "log_z": (math.log(z) + length * (math.log(scale) + log_factor)) / sites,
        "energy": -J * slope / (z * sites),
        "m2": m2,
        "s_kmin": s_kmin,
        "xi_over_L": xi_over_length(sites * m2, s_kmin, length),
    }


def ising_transfer(shape: tuple[int, int], T: float, J: float = 1.0) -> dict[str, float]:
    """Exact averages of the Ising model on an H x W torus without field.

    They are those of `ising_correlations`, and ``m_abs``, ``m4``, ``binder`` = 1 - m4/(3 m2^2).  Parameters and errors
    are those of `magnetisation_distribution`.
    """
    total, p = magnetisation_distribution(shape, T, J)
    m = total / math.prod(shape)
    m4, averages = float(p @ m**4), ising_correlations(shape, T, J)
    return averages | {"m_abs": float(p @ abs(m)), "m4": m4, "binder": binder(averages["m2"], m4)}
