"""Markov chain Monte Carlo samplers: one small class per algorithm, and the chain that all of them drive."""

from physnn.samplers.chain import COLUMNS, Rows, Sampler, State, advance, start, thermalise
from physnn.samplers.cluster import SwendsenWang, Wolff
from physnn.samplers.local import HeatBath, Kawasaki, Metropolis
from physnn.samplers.multispin import Multispin, MultispinGpu

_ALL: tuple[Sampler, ...] = (
    Metropolis(),
    Metropolis("random"),
    HeatBath(),
    HeatBath("random"),
    Wolff(),
    SwendsenWang(),
    Multispin(),
    Kawasaki(),
)
SAMPLERS: dict[str, Sampler] = {sampler.name: sampler for sampler in _ALL}
"""Samplers that run on a CPU, by name."""
GPU_SAMPLERS: dict[str, MultispinGpu] = {"multispin-gpu": MultispinGpu()}
"""Samplers that run on a GPU, by name."""

__all__ = [
    "COLUMNS",
    "GPU_SAMPLERS",
    "SAMPLERS",
    "HeatBath",
    "Kawasaki",
    "Metropolis",
    "Multispin",
    "MultispinGpu",
    "Rows",
    "Sampler",
    "State",
    "SwendsenWang",
    "Wolff",
    "advance",
    "start",
    "thermalise",
]
