"""How a state moves: one small class per algorithm, and the chain that all of them drive."""

from physnn.samplers.chain import COLUMNS, Rows, Sampler, State, advance, start, thermalise
from physnn.samplers.heat_bath import HeatBath
from physnn.samplers.metropolis import Metropolis
from physnn.samplers.multispin import Multispin
from physnn.samplers.swendsen_wang import SwendsenWang
from physnn.samplers.wolff import Wolff

_ALL: tuple[Sampler, ...] = (
    Metropolis(),
    Metropolis("random"),
    HeatBath(),
    HeatBath("random"),
    Wolff(),
    SwendsenWang(),
    Multispin(),
)
SAMPLERS: dict[str, Sampler] = {sampler.name: sampler for sampler in _ALL}
"""Every sampler by name."""

__all__ = [
    "COLUMNS",
    "SAMPLERS",
    "HeatBath",
    "Metropolis",
    "Multispin",
    "Rows",
    "Sampler",
    "State",
    "SwendsenWang",
    "Wolff",
    "advance",
    "start",
    "thermalise",
]
