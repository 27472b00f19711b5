"""Swap rates, round trips and flow of ladders against plain counting, and where temperatures are placed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from physnn import rng
from physnn.analysis.statistics import exchange


def walk(temperatures: int, steps: int, rates: np.ndarray, first: int = 0) -> np.ndarray:
    """Replicas at every temperature, with exchanges accepted at given rates."""
    generator, place = rng.stream(1, "synthetic", "exchange"), np.arange(temperatures)
    record = np.empty((temperatures, steps), np.int16)
    for m in range(steps):
        record[:, m] = place
        for k in range((m + first) % 2, temperatures - 1, 2):
            if generator.random() < rates[k]:
                place[[k, k + 1]] = place[[k + 1, k]]
    return record


def test_rates_trips_and_flow_are_counted():
    rates = np.array([0.9, 0.2, 0.5])
    record = walk(4, 4000, rates, first=1)
    assert exchange.swap_rates(record, 1) == pytest.approx(rates, abs=0.04)
    assert exchange.swap_rates(record, 0) != pytest.approx(rates, abs=0.04), "the wrong parity is seen"
    trips, up, seen, last, half = np.zeros(4, int), np.zeros(4), np.zeros(4), np.zeros(4, int), np.zeros(4, int)
    for column in record.T:
        for k, replica in enumerate(column):
            if k == 0:
                trips[replica] += half[replica] == 2
                half[replica], last[replica] = 1, 1
            if k == 3:
                half[replica], last[replica] = 2 * (half[replica] > 0), -1
            seen[k] += last[replica] != 0
            up[k] += last[replica] == 1
    assert exchange.round_trips(record).tolist() == trips.tolist() and trips.min() > 50
    assert exchange.replica_flow(record) == pytest.approx(up / seen)
    assert np.isnan(exchange.replica_flow(record[:, :1])[1:3]).all()


def test_equal_acceptance_of_a_constant_heat_capacity_is_a_geometric_ladder():
    T, C = np.linspace(1.0, 4.0, 12), 30.0
    for _ in range(3):
        T = exchange.placed_for_acceptance(T, C * T)
    assert np.allclose(T, np.geomspace(1.0, 4.0, 12), rtol=1e-3)
    s = np.sqrt(C * np.diff(T) * -np.diff(1 / T))
    assert special.erfc(s / 2) == pytest.approx(special.erfc(s / 2).mean(), rel=0.01)


def test_feedback_gathers_temperatures_where_replicas_hardly_pass():
    T = np.linspace(1.0, 2.0, 9)
    even = exchange.placed_for_flow(T, np.linspace(1, 0, 9))
    assert even == pytest.approx(T)
    flow = np.array([1, 0.98, 0.96, 0.94, 0.2, 0.15, 0.1, 0.05, 0.0])
    placed = exchange.placed_for_flow(T, flow)
    assert placed[0] == 1.0 and placed[-1] == 2.0 and (np.diff(placed) > 0).all()
    inside = ((placed > T[3]) & (placed < T[4])).sum()
    assert inside >= 2, "the interval where the flow falls gets temperatures of its own"
    # Noise that lets a flow rise is pooled.
    assert (np.diff(exchange.placed_for_flow(T, flow[[0, 2, 1, 3, 5, 4, 6, 7, 8]])) > 0).all()
