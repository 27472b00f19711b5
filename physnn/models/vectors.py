"""Unit vectors with N components on a lattice, coupled by any symmetric kernel: XY, O(N), trained Kuramoto networks.

    H = -1/2 sum_ij x_i . J_ij x_j - sum_i c . x_i,      J_ij = J(r_j - r_i),  J(r) = J(-r)^T,

with x_i on the unit sphere; the field is ``f = J x + c``.  Energies are in units of the coupling, k_B = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from physnn.errors import InputError
from physnn.models.fourier import fourier_kernel

Boundary = Literal["periodic", "zero"]
Shape = tuple[int, int]
SYMMETRY = 1e-6
"""Largest difference between J and its transpose, relative to the largest entry, that counts as rounding."""


@dataclass(frozen=True, eq=False)
class VectorModel:
    """Coupling, bias and boundary of unit vectors on a lattice.

    Parameters
    ----------
    coupling : ndarray of float64, shape (N, N, k, k)
        ``J[a, b, y, x]``: what component b of the neighbour at row y - h, column x - h (h = (k - 1) / 2) adds to
        component a of the field.
    bias : ndarray of float64, shape (N,), optional
        c; zero if not given.
    boundary : {"periodic", "zero"}
        Torus, or nothing beyond the border.
    name : str
        For labels.

    Raises
    ------
    InputError
        If shapes do not fit, a number is not finite, or J is not symmetric.
    """

    coupling: np.ndarray
    bias: np.ndarray = field(default_factory=lambda: np.empty(0))
    boundary: Boundary = "periodic"
    name: str = "coupling"

    def __post_init__(self) -> None:
        J = np.array(self.coupling, np.float64)
        if J.ndim != 4 or J.shape[0] != J.shape[1] or J.shape[2] != J.shape[3] or J.shape[2] % 2 == 0:
            raise InputError(f"a coupling has the shape (N, N, k, k) with k odd, not {J.shape}")
        if J.shape[0] < 2:
            raise InputError("unit vectors need at least 2 components; use the Ising model for one")
        c = np.array(self.bias, np.float64) if np.size(self.bias) else np.zeros(len(J))
        if c.shape != (len(J),):
            raise InputError(f"the bias of {len(J)} components has shape {(len(J),)}, not {c.shape}")
        if not (np.isfinite(J).all() and np.isfinite(c).all()):
            raise InputError("coupling and bias must be finite")
        if np.abs(J - _transpose(J)).max() > SYMMETRY * max(np.abs(J).max(), 1e-300):
            raise InputError("the coupling must be symmetric, J[a, b, r] = J[b, a, -r]; give (J + J^T) / 2")
        if self.boundary not in ("periodic", "zero"):
            raise InputError(f"the boundary is periodic or zero, not {self.boundary}")
        J = (J + _transpose(J)) / 2
        for name, array in (("coupling", J), ("bias", c)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @property
    def components(self) -> int:
        """N."""
        return len(self.coupling)

    @property
    def kernel(self) -> int:
        """Side k of the coupling kernel."""
        return int(self.coupling.shape[2])

    @property
    def near(self) -> np.ndarray:
        """Diagonal of a coupling that is diagonal and the same for all four neighbours, else empty; shape (N,)."""
        N, k = self.components, self.kernel
        if k != 3:
            return np.empty(0)
        diagonal = self.coupling[np.arange(N), np.arange(N), 0, 1]
        same = np.array_equal(self.coupling, nearest(diagonal))
        return diagonal.copy() if same else np.empty(0)

    def taps(self, shape: Shape) -> dict[tuple[int, int], np.ndarray]:
        """Matrices J by displacement, zero matrices left out; on a torus, displacements are within the lattice."""
        half = self.kernel // 2
        found: dict[tuple[int, int], np.ndarray] = {}
        for y, x in np.argwhere(self.coupling.any(axis=(0, 1))):
            r = (int(y) - half, int(x) - half)
            if self.boundary == "periodic":
                r = (r[0] % shape[0], r[1] % shape[1])
            found[r] = found.get(r, np.zeros(2 * (self.components,))) + self.coupling[:, :, y, x]
        return found

    def onsite(self, shape: Shape) -> np.ndarray:
        """Matrix J_00, shape (N, N): what a site of such a lattice does to itself, around a small torus too."""
        half = self.kernel // 2
        if self.boundary == "zero" or min(shape) > half:
            return np.asarray(np.zeros((self.components,) * 2) + self.coupling[:, :, half, half])
        return np.array(self.taps(shape).get((0, 0), np.zeros((self.components,) * 2)))

    def field(self, x: np.ndarray) -> np.ndarray:
        """Field f = J x + c of states ``(..., H, W, N)``, same shape, float64."""
        half, (H, W) = self.kernel // 2, x.shape[-3:-1]
        border = [(0, 0)] * (x.ndim - 3) + [(half, half)] * 2 + [(0, 0)]
        wide = np.pad(np.asarray(x, np.float64), border, "wrap" if self.boundary == "periodic" else "constant")
        f = np.broadcast_to(self.bias, x.shape).copy()
        for y, column in np.argwhere(self.coupling.any(axis=(0, 1))):
            f += wide[..., y : y + H, column : column + W, :] @ self.coupling[:, :, y, column].T
        return f

    def energy_map(self, x: np.ndarray) -> np.ndarray:
        """Energy -1/2 x_i . (f_i + c) at every site of states ``(..., H, W, N)``, shape ``(..., H, W)``."""
        x = np.asarray(x, np.float64)
        value: np.ndarray = -0.5 * (x * (self.field(x) + self.bias)).sum(-1)
        return value

    def energy(self, x: np.ndarray) -> np.ndarray:
        """Energy per site of states ``(..., H, W, N)``, shape ``(...)``."""
        value: np.ndarray = self.energy_map(x).mean((-1, -2))
        return value

    def thermometer(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Squared tangential field (Pi_x f)^2 and its divergence per site, whose means have the ratio T in equilibrium.

        ``T = <sum (Pi_x f)^2> / <sum (N - 1) x . f - tr J_00 + x . J_00 x>``: the configurational temperature
        (H. H. Rugh, Phys. Rev. Lett. 78, 772 (1997)) on products of spheres.  From states of shape (..., H, W, N) come
        both means over sites, shape (...).
        """
        x = np.asarray(x, np.float64)
        f, own = self.field(x), self.onsite((x.shape[-3], x.shape[-2]))
        along = (x * f).sum(-1)
        force = ((f**2).sum(-1) - along**2).mean((-1, -2))
        curvature = ((self.components - 1) * along + ((x @ own) * x).sum(-1)).mean((-1, -2)) - np.trace(own)
        return force, curvature

    def spectrum(self, shape: Shape) -> np.ndarray:
        """J(k) = sum_r J(r) exp(i k . r), Hermitian, complex of shape (H, W, N, N).

        Wave vectors are ``2 pi (m / H, n / W)``, in the order of `numpy.fft.fftfreq`; a plane wave ``v exp(i k . r)``
        has the field ``J(k) v exp(i k . r)``.
        """
        rows, columns = (2 * np.pi * np.fft.fftfreq(n) for n in shape)
        return fourier_kernel(self.coupling, rows, columns)

    def initial(self, kind: str, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        """State of unit vectors, float64 of shape (H, W, N), of a kind.

        ``ordered``: the mode of largest eigenvalue of J(k), real part, each site normalised; ``random``: uniform on
        the sphere; ``uniform``: one random vector everywhere.
        """
        starts: dict[str, Callable[[], np.ndarray]] = {
            "ordered": lambda: self._top_mode(shape, rng),
            "random": lambda: rng.normal(size=(*shape, self.components)),
            "uniform": lambda: np.broadcast_to(rng.normal(size=self.components), (*shape, self.components)),
        }
        if kind not in starts:
            raise InputError(f"a start is {', '.join(starts)}, not {kind}")
        return normalised(starts[kind]())

    def _top_mode(self, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        J = self.spectrum(shape)
        values, vectors = np.linalg.eigh(J)
        m, n = np.unravel_index(np.argmax(values[..., -1]), shape)
        # The degenerate subspace has no preferred vector: a random one of it.
        top = vectors[m, n][:, values[m, n] > values[m, n, -1] - 1e-9 * np.abs(values).max()]
        v = top @ (rng.normal(size=top.shape[1]) + 1j * rng.normal(size=top.shape[1]))
        return standing_waves(shape, [(int(m), int(n))], [v], rng)


def standing_waves(
    shape: Shape, positions: Sequence[tuple[int, int]], vectors: Sequence[np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Real part of ``sum_j v_j exp(2 pi i (m_j / H row + n_j / W column))``, shape (H, W, N).

    Noise a thousandth as large gives the nodes of a standing wave a direction.
    """
    (H, W), N = shape, len(vectors[0])
    state = np.zeros((H, W, N))
    for (m, n), v in zip(positions, vectors, strict=True):
        wave = np.exp(2j * np.pi * (m / H * np.arange(H)[:, None] + n / W * np.arange(W)))
        state += (wave[..., None] * v).real
    state += 1e-3 * max(float(np.abs(v).max()) for v in vectors) * rng.normal(size=state.shape)
    return state


def normalised(x: np.ndarray) -> np.ndarray:
    """Vectors of length 1 along the last axis."""
    return np.asarray(x / np.linalg.norm(x, axis=-1, keepdims=True))


def _transpose(J: np.ndarray) -> np.ndarray:
    """Transpose J[b, a, -r]."""
    return J[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)


def nearest(diagonal: np.ndarray) -> np.ndarray:
    """Kernel ``(N, N, 3, 3)`` of a diagonal coupling ``(N,)`` to the four nearest neighbours."""
    J = np.zeros((len(diagonal), len(diagonal), 3, 3))
    for y, x in ((0, 1), (1, 0), (1, 2), (2, 1)):
        J[:, :, y, x] = np.diag(diagonal)
    return J
