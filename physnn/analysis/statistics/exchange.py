"""Replica exchange seen afterwards: swap rates, round trips, the flow of replicas, and where to place temperatures.

A record holds the number of the replica at every temperature and measurement, ``(temperatures, measurements)``, of one
ladder.  Between measurements m and m + 1 pairs of neighbours k, k + 1 with k + m of one parity could exchange.
"""

from __future__ import annotations

import numpy as np

LEAST_FLOW = 0.1
"""Smallest share of the flow's fall over an interval, in units of the mean one: no interval is emptied by noise."""


def swap_rates(replicas: np.ndarray, first: int = 0) -> np.ndarray:
    """Share of accepted exchanges of each pair of neighbours, (temperatures - 1,); nan where none was offered.

    ``first`` is the number of the exchange that follows the first measurement: pairs with an even k exchange at even
    ones.
    """
    swapped = replicas[:-1, :-1] == replicas[1:, 1:]
    pairs, steps = swapped.shape
    offered = (np.arange(pairs)[:, None] + np.arange(steps) + first) % 2 == 0
    with np.errstate(invalid="ignore"):
        return np.asarray((swapped & offered).sum(1) / offered.sum(1))


def _ends(replicas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place of every replica, and the end it was at last: 1 the first temperature, -1 the last one, 0 neither yet."""
    place = np.argsort(replicas, axis=0)
    end = np.where(place == 0, 1, np.where(place == len(place) - 1, -1, 0)).astype(np.int8)
    steps = np.arange(end.shape[1])
    last = np.maximum.accumulate(np.where(end != 0, steps, 0), axis=1)
    return place, np.take_along_axis(end, last, axis=1)


def round_trips(replicas: np.ndarray) -> np.ndarray:
    """Number of round trips of every replica from the first temperature to the last one and back, (replicas,)."""
    _, end = _ends(replicas)
    returns = np.zeros(len(end), np.int64)
    for k, row in enumerate(end):
        seen = row[row != 0]
        starts = np.flatnonzero(seen == 1)
        if len(starts):
            returns[k] = np.count_nonzero((seen[starts[0] + 1 :] == 1) & (seen[starts[0] : -1] == -1))
    return returns


def replica_flow(replicas: np.ndarray) -> np.ndarray:
    """Share of replicas at each temperature that were at the first one later than at the last one, (temperatures,).

    It falls from 1 to 0, and steeply where replicas hardly pass.  Replicas that have been at neither do not count; nan
    where there is no other.
    """
    place, end = _ends(replicas)
    count = len(place)
    up, every = (np.bincount(place[mask], minlength=count) for mask in (end == 1, end != 0))
    with np.errstate(invalid="ignore"):
        return np.asarray(up / every)


def placed_for_acceptance(T: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """Temperatures between the same ends, as many, at which neighbours exchange equally often.

    With Gaussian energies neighbours exchange with probability erfc(s / 2), s^2 = (beta - beta') (E' - E); so s is made
    the same for all pairs, its density in beta constant between the temperatures of the pilot.  D. A. Kofke, J. Chem.
    Phys. 117, 6911 (2002).

    Parameters
    ----------
    T, energy : ndarray of float64, shape (temperatures,)
        Increasing temperatures, and mean energies of the whole lattice.
    """
    beta = 1 / T
    s = np.sqrt(np.maximum(np.diff(energy) * -np.diff(beta), 0))
    # Energies that hardly differ from each other must not leave an interval without a width.
    return _quantiles(T, np.maximum(s, 1e-3 * max(float(s.max()), 1e-300)))


def placed_for_flow(T: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Temperatures between the same ends, as many, where they are dense that replicas hardly pass.

    The share f of replicas that come from the first temperature falls by df over an interval; its new share of the
    temperatures is in proportion to sqrt(df).  H. G. Katzgraber, S. Trebst, D. A. Huse and M. Troyer, J. Stat. Mech.
    P03018 (2006).

    Parameters
    ----------
    T, flow : ndarray of float64, shape (temperatures,)
        Increasing temperatures, and `replica_flow`.
    """
    fall = -np.diff(_falling(np.concatenate([[1.0], flow[1:-1], [0.0]])))
    return _quantiles(T, np.sqrt(np.maximum(fall, LEAST_FLOW / len(fall))))


def _falling(values: np.ndarray) -> np.ndarray:
    """Nearest values that never rise, by pooling neighbours that do."""
    blocks: list[tuple[float, int]] = []
    for value in values.tolist():
        blocks.append((value, 1))
        while len(blocks) > 1 and blocks[-2][0] < blocks[-1][0]:
            (a, m), (b, n) = blocks[-2:]
            blocks[-2:] = [((m * a + n * b) / (m + n), m + n)]
    return np.repeat([value for value, _ in blocks], [n for _, n in blocks])


def _quantiles(T: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """As many temperatures between the same ends that share the intervals' weights evenly, constant in 1 / T."""
    total = np.concatenate([[0.0], np.cumsum(weight)])
    beta = np.interp(np.linspace(0, total[-1], len(T)), total, 1 / T)
    return np.concatenate([T[:1], 1 / beta[1:-1], T[-1:]])
