"""What ladders that exchange replicas keep in a file besides what chains do."""

from __future__ import annotations

import numpy as np

from physnn.analysis.statistics.exchange import replica_flow, round_trips, swap_rates
from physnn.samples.tasks import Measured
from physnn.store.hdf5 import Group, Variable


def ladder_quantities(chain: tuple[str, ...]) -> dict[str, Measured]:
    """Quantities of ladders besides those of chains, by name; axes of a chain begin with T."""
    return {
        "replica": Measured("r", "1", "number of the replica at this temperature", (*chain, "measurement")),
        "state_replica": Measured("", "", "state replica of the ladder", chain),
        "state_swaps": Measured("", "", "state generator of the exchanges", (*chain[1:], "swap_word")),
        "state_exchanges": Measured("", "1", "rounds of exchanges, with those that were dropped", chain[1:]),
    }


def exchange_record(group: Group) -> Group:
    """Swap rates, round trips and flow of replicas of a size, which follow from its ``replica``."""
    dims, record, done = group["replica"].dims, group["replica"].values, group["state_exchanges"].values
    count, length = len(record), record.shape[-1]
    ladders = np.moveaxis(record.reshape(count, -1, length), 1, 0)
    rates = [swap_rates(one, int(n) - length) for one, n in zip(ladders, done.ravel(), strict=True)]
    trips, flow = [round_trips(one) for one in ladders], np.stack([replica_flow(one) for one in ladders], axis=1)
    draws = dims[1:-1], done.shape
    return {
        "swap_rate": Variable(
            (*draws[0], "pair"),
            np.reshape(rates, (*draws[1], count - 1)),
            _named("accepted exchanges of temperatures k and k + 1"),
        ),
        "round_trips": Variable(
            (*draws[0], "replica_number"),
            np.reshape(trips, (*draws[1], count)),
            _named("round trips of a replica from the lowest temperature to the highest and back"),
        ),
        "flow": Variable(
            dims[:-1],
            flow.reshape(record.shape[:-1]),
            _named("share of replicas that come from the lowest temperature"),
        ),
    }


def _named(text: str) -> dict[str, str]:
    return {"units": "1", "long_name": text}
