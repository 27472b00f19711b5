"""Recipe of a sweep of coupled oscillators."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from physnn.errors import InputError
from physnn.models.oscillators import DISTRIBUTIONS, Frequencies, Method, Network, read_frequencies, read_graph
from physnn.samples.base import Growth, Recipe, more, most

NO_FILE: tuple[Literal["all", "square"], ...] = ("all", "square")
"""Networks that need no file."""
LONGEST_STEP = 1.0
"""Longest step in units of the shortest time: 1/K over the sum of |A_ij|, one over the spread of frequencies, 1/D.

A convention; Euler's and Heun's schemes are unstable from 1 on for neighbours that swing against each other.
"""
STEPS_OF_A_RUN = 10**9
"""Steps of a run at most."""


class CouplingSweep(Recipe):
    """The recipe of a sweep of the coupling K of oscillators with natural frequencies.

    A realisation is one draw of frequencies and first phases; it serves every K.  Without ``K`` every size has
    ``points`` of its own around the known K_c, K_c (1 + u / N^a) with u evenly spaced in (-``window``, ``window``) and
    a = 1/nu: 2/5 of random frequencies, 4/5 of regular ones (H. Hong, H. Chate, L.-H. Tang and H. Park, Phys. Rev. E
    92 (2015) 022122), and 1/2 of equal ones with noise.
    """

    size: ClassVar[str] = "N"
    control: ClassVar[str] = "K"
    draws: ClassVar[str] = "series"
    repeats: ClassVar[str] = "bin"
    grows: ClassVar[Mapping[str, Growth]] = {"N": more, "K": more, "series": most}
    located: ClassVar[tuple[str, ...]] = ("frequencies", "network")

    kind: Literal["coupling"] = "coupling"
    N: tuple[Annotated[int, Field(ge=2, le=10**8)], ...] = Field(
        default=(),
        examples=["200 800 3200"],
        description="Numbers of oscillators [default: 200 800 3200, or those of a file].",
    )
    K: tuple[Annotated[float, Field(ge=-1e6, le=1e6)], ...] | None = Field(
        default=None, examples=["0.8 1 1.2"], description="Strengths of the coupling, in rad/s [default: around K_c]."
    )
    points: Annotated[int, Field(ge=2, le=1000)] = Field(
        default=9, description="Strengths of every size where --K is not given."
    )
    window: Annotated[float, Field(gt=0, le=1e3)] = Field(
        default=1.5, description="They are K_c (1 + u/N^(2/5)), |u| up to this."
    )
    frequencies: str = Field(
        default="lorentzian", title="NAME|FILE", description="lorentzian, gaussian, uniform, equal, or a file of them."
    )
    frequencies_id: str = ""
    width: Annotated[float, Field(gt=0, le=1e6)] = Field(
        default=0.5, description="Half width (lorentzian, uniform) or standard deviation (gaussian), in rad/s."
    )
    regular: bool = Field(default=False, description="Take the quantiles of the distribution instead of draws.")
    noise: Annotated[float, Field(ge=0, le=1e6)] = Field(default=0.0, description="Strength D of the noise, in rad/s.")
    network: str = Field(
        default="all", title="all|square|FILE", description="Who is coupled: all, a square lattice, or a list of edges."
    )
    network_id: str = ""
    bonds: Annotated[int, Field(ge=0)] = 0
    components: Annotated[int, Field(ge=2, le=16)] = Field(
        default=2, description="Components of the oscillators: 2 are phases, more are unit vectors."
    )
    method: Method | None = Field(
        default=None, description="Scheme of integration [default: rk4, or heun where there is noise]."
    )
    step: Annotated[float, Field(gt=0, le=1e3)] = Field(default=0.05, description="Step of the integration, in s.")
    thermalisation: Annotated[float, Field(ge=0, le=1e9)] | None = Field(
        default=None, description="Time before measurements, in s [default: 20 N^(2/5)]."
    )
    duration: Annotated[float, Field(gt=0, le=1e9)] = Field(default=200.0, description="Time of measurements, in s.")
    interval: Annotated[float, Field(gt=0, le=1e9)] = Field(default=1.0, description="Time between measurements, in s.")
    start: Literal["random", "ordered"] = Field(default="random", description="First phases: all random, or all alike.")
    series: Annotated[int, Field(ge=1, le=10**4)] = Field(
        default=4, description="Independent series of realisations per size, each a task."
    )
    realisations: Annotated[int, Field(ge=1, le=10**6)] = Field(
        default=8, description="Realisations of frequencies and first phases in a series."
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    @field_validator("N", "K")
    @classmethod
    def _distinct(cls, values: tuple[float, ...] | None) -> tuple[float, ...] | None:
        return None if values is None else tuple(sorted(set(values)))

    @property
    def every(self) -> int:
        """Steps between measurements."""
        return max(1, round(self.interval / self.step))

    def warm_up(self, size: int) -> float:
        """Time before measurements in s; by default it grows as N^(2/5), as the time in which order comes near K_c."""
        return 20 * size**0.4 if self.thermalisation is None else self.thermalisation

    def rows(self, time: float) -> int:
        """Measurements in some time."""
        return math.ceil(time / (self.every * self.step) - 1e-9)

    @property
    def distribution(self) -> Frequencies | None:
        """Distribution of the frequencies; None where a file has them."""
        name = next((name for name in DISTRIBUTIONS if name == self.frequencies_id), None)
        return name and Frequencies(name, self.width, self.regular)

    def couplings(self, size: int) -> tuple[float, ...]:
        """Strengths of the coupling of one size."""
        if self.K is not None:
            return self.K
        assert self.distribution is not None
        inverse_nu = 0.5 if self.frequencies_id == "equal" else 0.8 if self.regular and not self.noise else 0.4
        u = np.linspace(-self.window, self.window, self.points)
        K_c = self.distribution.critical_coupling(self.noise)
        return tuple(float(f"{K:.12g}") for K in K_c * (1 + u / size**inverse_nu))

    def graph(self) -> Network:
        """Network of the oscillators.

        Raises
        ------
        InputError
            If its file is not the one that the recipe was made with.
        """
        for kind in NO_FILE:
            if self.network_id == kind:
                return Network(kind)
        found, digest = read_graph(Path(self.network))
        _same(self.network, digest, self.network_id)
        return found

    def own_frequencies(self) -> np.ndarray:
        """Natural frequencies of a file; raises InputError if it is not the one that the recipe was made with."""
        found, digest = read_frequencies(Path(self.frequencies))
        _same(self.frequencies, digest, self.frequencies_id)
        return found

    def resolved(self) -> CouplingSweep:
        """Return the recipe with the sizes of its files.

        Raises
        ------
        InputError
            If fields contradict each other, or a file is no such list.
        """
        named = {
            "frequencies": _named("frequencies", self.frequencies, DISTRIBUTIONS, read_frequencies),
            "network": _named("network", self.network, NO_FILE, read_graph),
        }
        sizes = {n for _, n in named.values() if n}
        if len(sizes) > 1 or (sizes and self.N and set(self.N) != sizes):
            of_files = " and ".join(str(n) for n in sorted(sizes))
            raise InputError(f"files are for {of_files} oscillators, so all must be, and --N be left out")
        changes = {
            "N": tuple(sizes) or self.N or (200, 800, 3200),
            "method": self.method or ("heun" if self.noise else "rk4"),
            "frequencies_id": named["frequencies"][0],
            "network_id": named["network"][0],
        }
        found = self.model_copy(update=changes)
        graph = found.graph()
        found._check(graph)
        return found.model_copy(update={"bonds": len(graph.ends)})

    def _check(self, graph: Network) -> None:
        for size in self.N:
            graph.check(size)
        if self.noise and self.method == "rk4":
            raise InputError("rk4 is for oscillators without noise; leave --method out, or take heun")
        if self.components > 2 and (self.frequencies_id != "gaussian" or self.regular):
            raise InputError("oscillators of more than 2 components need --frequencies gaussian, and no --regular")
        if self.K is not None and not self.K:
            raise InputError("--K needs at least one value")
        if self.K is None and (graph.kind != "all" or self.components > 2 or self.distribution is None):
            raise InputError("K_c of these oscillators is not known: give couplings, as in --K 0.5 1 1.5")
        if self.K is None and min(min(self.couplings(N)) for N in self.N) < 0:
            raise InputError("the window reaches below K = 0; make --window smaller, or give --K")
        if self.frequencies_id == "equal" and not self.noise and self.K is None:
            raise InputError("equal frequencies without noise have K_c = 0: give --noise, or --K")
        self._check_times(graph)
        if (self.rows(self.warm_up(max(self.N))) + self.rows(self.duration)) * self.every > STEPS_OF_A_RUN:
            raise InputError(f"more than {STEPS_OF_A_RUN:,} steps; take a larger --step or shorter times")

    def _check_times(self, graph: Network) -> None:
        """Raise InputError where a step is too long for what happens in it, or no whole number of them is measured."""
        strongest = max(abs(K) for N in self.N for K in self.couplings(N))
        low, high = (
            (-self.width, self.width) if self.distribution else np.quantile(self.own_frequencies(), (0.25, 0.75))
        )
        rates = {
            "coupling": strongest * graph.degree,
            "frequencies": 0.0 if self.frequencies_id == "equal" else float(high - low) / 2,
            "noise": self.noise,
        }
        name = max(rates, key=lambda name: rates[name])
        if self.step * rates[name] > LONGEST_STEP * (1 + 1e-9):
            least = self.interval * rates[name] / LONGEST_STEP
            count = next(n for n in (m * 10.0**k for k in range(30) for m in (1, 2, 5)) if n >= least * (1 - 1e-9))
            step = f"{self.interval / count:.9g}"
            raise InputError(f"a step of {self.step:g} s is too long for the {name}: try --step {step}")
        near = f"{self.every * self.step:.9g}"
        if abs(self.interval - self.every * self.step) > 1e-6 * self.interval:
            raise InputError(f"--interval {self.interval:g} is no multiple of --step {self.step:g}: take {near}")
        if self.interval > self.duration:
            raise InputError(f"--interval {self.interval:g} is longer than --duration {self.duration:g}")


def _named(
    name: str, word: str, known: Sequence[str], read: Callable[[Path], tuple[np.ndarray | Network, str]]
) -> tuple[str, int]:
    """Identity of what a word names, and the number of oscillators that it is for; 0 if any number will do."""
    if word in known:
        return word, 0
    if not Path(word).is_file():
        raise InputError(f"{name} is one of {', '.join(known)}, or a file; there is no file {word[:60]!r}")
    found, digest = read(Path(word))
    return digest, found.nodes if isinstance(found, Network) else len(found)


def _same(name: str, digest: str, known: str) -> None:
    if digest != known:
        raise InputError(f"{name} has changed since this sample was begun; use --restart, or another --out")
