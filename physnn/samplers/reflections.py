"""Clusters of reflected unit vectors, so that large lattices forget as fast as small ones near a transition.

U. Wolff, Phys. Rev. Lett. 62, 361 (1989): vectors and their mirror images are an Ising model of signs, whose clusters
can be built.  Here the planes may differ from site to site, as the order of an antiferromagnet or of a spiral does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from physnn import rng
from physnn.errors import InputError
from physnn.kernels.lattice.multispin_code import LANES
from physnn.kernels.vectors.reflected import normals_of, random_normals, reflection
from physnn.models.vectors import Shape, VectorModel
from physnn.samplers.langevin import Langevin
from physnn.samplers.vectors import VectorRows, VectorSampler, VectorState

CLUSTER_WORDS = 4 * LANES
"""Words of a state's generators that belong to the clusters; the moves between have the others."""
REFLECTION_ROUNDING = 1e-6
"""Relative difference that counts as none: order parameters are written with ten digits."""


@dataclass(frozen=True, eq=False)
class Planes:
    """Planes of reflection: normals ``u_r = Re sum_m g_m v_m exp(i k_m . r)``, of length 1, for any complex g.

    Parameters
    ----------
    wave_vectors : ndarray of float64, shape (modes, 2)
        k / 2 pi.
    vectors : ndarray of complex128, shape (modes, N)
        v.
    """

    wave_vectors: np.ndarray
    vectors: np.ndarray

    def phases(self, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
        """Factors exp(i k r) of every mode by row and by column, (modes, H) and (modes, W).

        A side is 1 where no mode depends on that coordinate.
        """
        rows, columns = (
            np.exp(2j * np.pi * np.outer(k, np.arange(n if k.any() else 1)))
            for k, n in zip(self.wave_vectors.T, shape, strict=True)
        )
        return rows, columns

    def normals(self, shape: Shape, g: np.ndarray) -> np.ndarray:
        """Normals, shape (H, W, N), from complex ``g (modes,)``; their length is 1 at the first site."""
        u = normals_of(*self.phases(shape), np.asarray(self.vectors, complex), g)
        return np.broadcast_to(u, (*shape, u.shape[2]))

    def bonds(self, model: VectorModel, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
        """Displacements ``(n, 2)`` and strengths kappa ``(n,)``, every bond of the lattice once.

        Raises
        ------
        InputError
            If reflections change the energy: if J_d u_{r + d} is not kappa_d u_r for all r and u, or there is a bias.
        """
        found: dict[tuple[int, int], float] = {}
        scale = REFLECTION_ROUNDING * float(np.abs(model.coupling).max())
        modes = len(self.vectors)
        fits = model.boundary == "periodic" and not model.bias.any()
        for trial in range(3 if fits else 0):
            u = self.normals(shape, np.exp(1j * (1 + trial) * np.arange(1, modes + 1)))
            fits = fits and bool(np.abs(np.linalg.norm(u, axis=-1) - 1).max() < REFLECTION_ROUNDING)
            for d, J in model.taps(shape).items():
                turned = np.roll(u, (-d[0], -d[1]), (0, 1)) @ J.T
                kappa = found.setdefault(d, float((turned[0, 0] * u[0, 0]).sum()))
                fits = fits and bool(np.abs(turned - kappa * u).max() <= scale)
        if not fits:
            raise InputError(
                f"{model.name} at L = {shape[0]} has no reflection that leaves its energy as it is, as clusters need; "
                "xy, on, diagonal and rotated do on lattices that hold their order"
            )
        kept = {d: kappa for d, kappa in found.items() if d != (0, 0) and kappa and d <= _opposite(d, shape)}
        # A bond to the same site both ways is met from either end.
        halves = {d: kappa / 2 if d == _opposite(d, shape) else kappa for d, kappa in kept.items()}
        return np.array(list(halves), np.int64).reshape(-1, 2), np.array(list(halves.values()))


@dataclass(frozen=True, eq=False)
class Reflections(VectorSampler):
    """Sampler that reflects clusters after the moves of another one that follow a measurement.

    The moves have to reach every state by themselves: clusters turn vectors at the planes only.

    Parameters
    ----------
    sampler : VectorSampler
        What moves between.
    planes : Planes
        At which to reflect.
    """

    sampler: VectorSampler
    planes: Planes

    @property
    def dtype(self) -> type:
        """Type of the numbers of a state."""
        return self.sampler.dtype

    def generators(self, sequence: np.random.SeedSequence, chains: int) -> np.ndarray:
        """States of each chain's generators: `CLUSTER_WORDS` for clusters, then those of the other sampler."""
        return self.joined(self.sampler.generators(sequence, chains), sequence)

    def joined(self, others: np.ndarray, sequence: np.random.SeedSequence) -> np.ndarray:
        """States of the generators with a given state of the other sampler."""
        own = [rng.child(sequence, 5, chain).generate_state(CLUSTER_WORDS, np.uint64) for chain in range(len(others))]
        return np.concatenate([np.stack(own), others.astype(np.uint64)], axis=1)

    def fill(
        self,
        model: VectorModel,
        T: np.ndarray,
        state: VectorState,
        interval: int,
        keep: int,
        threads: int,
        rows: VectorRows,
    ) -> None:
        """Make ``interval`` moves and reflect clusters after each measurement."""
        if state.generator.shape[1] <= CLUSTER_WORDS:
            raise InputError("chains of clusters of an earlier version cannot go on: begin them anew")
        shape = state.x.shape[1:3]
        bonds = self.planes.bonds(model, shape)
        reflections = [reflection(*bonds, float(t)) for t in T]
        own, others = state.generator[:, :CLUSTER_WORDS].copy(), state.generator[:, CLUSTER_WORDS:].copy()
        keys = others.astype(np.uint32) if isinstance(self.sampler, Langevin) else others
        inner, phases = VectorState(state.x, keys, state.step), self.planes.phases(shape)
        vectors = np.asarray(self.planes.vectors, complex)
        for m in range(rows.values.shape[1]):
            if keep and m % keep == 0 and m // keep < rows.kept.shape[1]:
                rows.kept[:, m // keep] = state.x
            rows.values[:, m] = self.sampler.advance(model, T, inner, 1, interval, 0, threads).values[:, 0]
            for x, words, reflect in zip(state.x, own, reflections, strict=True):
                reflect(x, random_normals(*phases, vectors, words), words)
        state.generator = np.concatenate([own, inner.generator.astype(np.uint64)], axis=1)
        state.step = inner.step


def _opposite(d: tuple[int, int], shape: Shape) -> tuple[int, int]:
    return (-d[0] % shape[0], -d[1] % shape[1])
