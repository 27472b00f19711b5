"""The multi-spin coded Metropolis sampler on a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from physnn import rng
from physnn.errors import InputError
from physnn.kernels import gpu, observables
from physnn.models.lattice import LatticeModel
from physnn.samplers.chain import Drive, State

if TYPE_CHECKING:
    from torch import Tensor

CLOCK_BITS = 62
"""The sweeps of a chain are counted in a signed 64-bit number."""


@dataclass(frozen=True)
class MultispinGpu:
    """Metropolis of the Ising model on the bits of words, see `physnn.kernels.gpu.ising`; one update is one sweep.

    It serves what `physnn.samplers.Multispin` does, and widths that are multiples of 64.  The two follow the same
    rules with other random numbers: their chains agree in distribution.  A chain does not depend on the kind of GPU.
    Counting is done on the device too, and with its transfer costs some sweeps: so it is done after twenty.

    Parameters
    ----------
    device : str
        "cuda" or "cuda:N".  Where TRITON_INTERPRET=1 is set, Triton's interpreter takes its place, for tests.
    """

    device: str = "cuda"
    name: ClassVar[str] = "multispin-gpu"
    warm_up: ClassVar[None] = None
    interval: ClassVar[int] = 20

    def check(self, model: LatticeModel, shape: tuple[int, int], T: float) -> None:
        """Raise `physnn.errors.InputError` unless it is the ferromagnet without field, fits, and there is a GPU."""
        from physnn.kernels.gpu import ising

        if model.name != "ising" or model.bond <= 0 or model.field:
            raise InputError(
                "multispin-gpu serves the Ising model with J > 0 and no field; use metropolis on the CPU for this one"
            )
        ising.check_shape(*shape)
        ising.thresholds(model.bond / 2 / T)
        gpu.place(self.device)

    def generators(self, sequence: np.random.SeedSequence, shape: tuple[int, int]) -> np.ndarray:
        """Return the key of a chain and the sweeps that it has done, uint64 of shape (2,)."""
        key = rng.generator(sequence).integers(1, 2**64, dtype=np.uint64, endpoint=False)
        return np.array([key, 0], np.uint64)

    def drive(self, model: LatticeModel, T: float, state: State) -> Drive:
        """Return the function that sweeps a state in place."""
        from physnn.kernels.gpu import ising

        if state.generator.shape != (2,) or state.generator[1] >= 2**CLOCK_BITS:
            raise InputError("a state for multispin-gpu needs a generator of two words, a key and the sweeps done")
        energies = np.array([model.bond, model.offset, model.field])
        H, W = state.colours.shape
        waves = observables.waves(W), observables.waves(H)
        p, N = ising.thresholds(model.bond / 2 / T)[None], state.colours.size
        words, *rest = ising.upload(state.colours[None], state.generator[:1], 0, p, self.device)
        clock, run = rest[1], ising.repeated(words, *rest)

        def sweeps(
            interval: int, budget: int, progress: np.ndarray, rows: np.ndarray, snapshots: np.ndarray, every: int
        ) -> None:
            # The memory stays the same, because launches are recorded with it.
            ising.replace(words, clock, state.colours[None], int(state.generator[1]))
            while budget > 0 and progress[observables.ROW] < len(rows):
                n = min(max(1, budget // N), interval - int(progress[observables.DONE]))
                run(n)
                budget -= n * N
                progress[observables.DONE] += n
                progress[observables.SITES] += n * N
                if progress[observables.DONE] == interval:
                    _record(words, energies, waves, progress, rows, snapshots, every)
            state.colours[:] = ising.unpack(words)[0].cpu().numpy()
            state.generator[1] = clock.item()

        return sweeps


def _record(
    words: Tensor,
    energies: np.ndarray,
    waves: tuple[np.ndarray, np.ndarray],
    progress: np.ndarray,
    rows: np.ndarray,
    snapshots: np.ndarray,
    every: int,
) -> None:
    """Measure, as `physnn.kernels.observables.record` does with colours."""
    from physnn.kernels.gpu import ising

    like, in_row, in_column = (count[0] for count in ising.observe(words))
    H, W = len(in_row), len(in_column)
    row = progress[observables.ROW]
    by_row, by_column = np.stack([in_row, W - in_row]), np.stack([in_column, H - in_column])
    observables.combine(int(like), energies, by_row, by_column, waves[0], waves[1], rows[row])
    rows[row, 6] = progress[observables.SITES] / (H * W)
    if every > 0 and (row + 1) % every == 0:
        snapshots[(row + 1) // every - 1] = ising.unpack(words)[0].cpu().numpy()
    progress[observables.DONE], progress[observables.SITES], progress[observables.ROW] = 0, 0, row + 1
