"""How a state moves: one small class per algorithm, and the chain that all of them drive."""

from physnn.samplers.chain import COLUMNS, Rows, Sampler, State, advance, start, thermalise
from physnn.samplers.heat_bath import HeatBath
from physnn.samplers.metropolis import Metropolis

SAMPLERS: dict[str, Sampler] = {
    sampler.name: sampler
    for sampler in (
        Metropolis(),
        Metropolis("random"),
        HeatBath(),
        HeatBath("random"),
    )
}
"""Every sampler by name."""

__all__ = [
    "COLUMNS",
    "SAMPLERS",
    "HeatBath",
    "Metropolis",
    "Rows",
    "Sampler",
    "State",
    "advance",
    "start",
    "thermalise",
]
