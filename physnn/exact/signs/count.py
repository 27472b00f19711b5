"""Exact loss landscapes of +-1 networks without visiting configurations: counting over functions.

Cost and memory grow with the number of different functions, not with ``2^weights``.  See `physnn.exact.signs.units` for
the way through the layers, `symbolic` for tanh, `rational` for sign and ReLU, and `precise` for equal losses.
"""

from __future__ import annotations

from physnn.exact.landscape import Landscape
from physnn.exact.signs.precise import settle
from physnn.exact.signs.rational import RationalOutputs
from physnn.exact.signs.symbolic import SymbolicOutputs
from physnn.models.signs import SignNetwork, Threshold

OVER_FUNCTIONS = "functions"
"""Method of these landscapes."""


def count_signs(network: SignNetwork, task: Threshold | None = None) -> Landscape:
    """Landscape of a +-1 network: every distinct loss with its exact number of weight configurations.

    Parameters
    ----------
    network : SignNetwork
        The network.
    task : Threshold, optional
        Data and loss; 64 random points of seed 0 and the mean squared error if not given.

    Raises
    ------
    InputError
        If there are too many different functions.  The limits are memory for levels (30 million), time for patterns
        (4 million, see `patterns`) and for the states of layers between (200,000), and for sign and ReLU memory for
        outputs (2 million).  Three hidden layers of 6 tanh units have 3 million levels, of 7 up to 3 10^9.
    """
    task = task or Threshold()
    outputs = SymbolicOutputs(network, task) if network.hidden == "tanh" else RationalOutputs(network, task)
    levels, counts = settle(outputs.losses(), outputs.counts, outputs.exact)
    return Landscape(network.weights, levels, counts, OVER_FUNCTIONS)
