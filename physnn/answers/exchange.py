"""Exchanges of replicas in a sweep: swap rates, round trips and flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from physnn.analysis.statistics.frames import Tabled
from physnn.store.sweep_file import SweepFile

LEAST_RATE = 0.05
"""Swap rate below which a pair of temperatures is a bottleneck (convention)."""


@dataclass(frozen=True)
class Exchanges(Tabled):
    """Exchanges of the ladders of one size: means over the ladders.

    ``swap_rate`` of temperatures k and k + 1, ``(temperatures - 1,)``; ``round_trips`` of every replica, ``(ladders,
    replicas)``; ``flow``, the share of replicas that come from the lowest temperature, ``(temperatures,)``.
    """

    L: int
    T: np.ndarray
    swap_rate: np.ndarray
    round_trips: np.ndarray
    flow: np.ndarray

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        flow = [None if np.isnan(f) else f for f in self.flow.tolist()]
        lists = {name: getattr(self, name).tolist() for name in ("T", "swap_rate", "round_trips")}
        return {"L": self.L, **lists, "flow": flow}

    def sentence(self) -> str:
        """The same in words."""
        rates, flow = (" ".join(f"{x:.2f}" for x in values) for values in (self.swap_rate, self.flow))
        each = self.round_trips
        return f"swap rates {rates}; round trips per replica {each.mean():.1f}, least {each.min()}; flow {flow}"

    def remark(self) -> str:
        """What hinders replicas; empty where nothing does."""
        if not self.round_trips.sum():
            worst = int(np.argmin(self.swap_rate))
            return (
                f"at L = {self.L} no replica went to the other end of the ladder and back, so exchange brings no "
                f"equilibrium: the least swap rate is {self.swap_rate[worst]:.2g}, of T = {self.T[worst]:.6g} and "
                f"{self.T[worst + 1]:.6g}"
            )
        if self.swap_rate.min() < LEAST_RATE:
            worst = int(np.argmin(self.swap_rate))
            return (
                f"at L = {self.L} replicas hardly pass between T = {self.T[worst]:.6g} and {self.T[worst + 1]:.6g}, "
                f"swap rate {self.swap_rate[worst]:.2g}: take more temperatures there"
            )
        return ""


def exchanges_of(sweep: SweepFile) -> list[Exchanges]:
    """Exchanges of every size; none where replicas were not exchanged."""
    return [
        Exchanges(
            L,
            group["T"].values,
            (rates := group["swap_rate"].values).reshape(-1, rates.shape[-1]).mean(0),
            (trips := group["round_trips"].values).reshape(-1, trips.shape[-1]),
            (flow := group["flow"].values).reshape(len(flow), -1).mean(1),
        )
        for L, group in sweep.sizes.items()
        if "swap_rate" in group
    ]
