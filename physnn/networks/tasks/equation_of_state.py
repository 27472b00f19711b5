"""Quasi-particles whose masses are networks: the equation of state of quarks and gluons, fitted to lattice data.

Gluons, light and strange quarks are ideal gases with masses m(T), each a network of the temperature.  With r = m / T
and x = momentum / T a species of degeneracy g has the pressure

    p / T^4 = g P(r),    P(r) = -+ 1 / (2 pi^2) int_0^inf x^2 ln(1 -+ exp(-sqrt(x^2 + r^2))) dx,

with the upper sign for bosons.  The entropy is the total derivative s = dp/dT, so that e = T s - p is consistent; since
masses move with T it holds a part that no ideal gas has, B / T^4 = g P'(r) m'(T), the bag.
Source: "Symmetry breaking in neural network optimization: insights from input dimension expansion", section 6.2.1.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from physnn.networks.adam import Adam
from physnn.networks.forms import form_of, streams_of
from physnn.shipped import data_folder

SPECIES = ("gluon", "light", "strange")
"""Gluons, up and down quarks together, and strange quarks."""
DEGENERACY = (16.0, 24.0, 12.0)
"""Spin, colour, flavour and antiparticles of each; together with m = 0 they have p / T^4 = 95 pi^2 / 180."""
BOSON = (True, False, False)
BLOCKS, WIDTH = 7, 32
"""Residual blocks of a network, and their width (the source's)."""
MASS_PARAMETERS = len(SPECIES) * (WIDTH * (3 + BLOCKS * (WIDTH + 1)) + 1)
"""Weights of the networks of all species without constants."""
NODES = 50
"""Points of the rule of integration (the source's number)."""
LOW_END, HIGH_END = -2.6, 3.9
"""Ends of the rule in its own variable, where the integrand has fallen below the last digit."""
GEV = 1e-3
"""GeV per MeV: networks take temperatures in GeV, as the source's."""
NEIGHBOUR = 1e-4
"""Share of T by which c_s^2 is found from differences of e; its square is the error, far below that of the data."""
TRANSITION = 0.155
"""Temperature in GeV over which `scaled` inputs are: about that of the crossover (A. Bazavov et al., see `lattice`)."""


@dataclass(frozen=True)
class LatticeData:
    """Lattice data: T in GeV, ``(points,)``; p/T^4 and e/T^4 with their errors, ``(points, 2)``, dimensionless."""

    T: np.ndarray
    values: np.ndarray
    errors: np.ndarray


@cache
def published() -> dict[str, np.ndarray]:
    """Table of the equation of state with 2 + 1 flavours by column, ``(points,)``; T in MeV, the rest dimensionless.

    A. Bazavov et al. (HotQCD), Phys. Rev. D 90 (2014) 094503, Table I.
    """
    with (data_folder() / "hotqcd.csv").open(newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


@cache
def lattice() -> LatticeData:
    """Pressure and energy density of `published`, lower and upper errors averaged."""
    table = published()
    values, errors = (
        np.stack([each(name) for name in ("p", "e")], axis=1)
        for each in (table.__getitem__, lambda name: (table[f"{name}_low"] + table[f"{name}_high"]) / 2)
    )
    return LatticeData(GEV * table["T"], values, errors)


@cache
def momenta() -> tuple[Tensor, Tensor]:
    """Points and weights of an integral over x from 0 to infinity of what falls as exp(-x), float64 ``(NODES,)``.

    They are equally spaced in t with x = exp(t - exp(-t)), where the integrand falls doubly exponentially at both ends
    (H. Takahasi and M. Mori, Publ. RIMS 9 (1974) 721).  Unlike Gauss's rules this one does not mind the logarithm that
    bosons without mass have at x = 0.
    """
    t = torch.linspace(LOW_END, HIGH_END, NODES, dtype=torch.float64)
    x = torch.exp(t - torch.exp(-t))
    return x, (HIGH_END - LOW_END) / (NODES - 1) * x * (1 + torch.exp(-t))


def ideal_gas(r: Tensor, boson: bool) -> tuple[Tensor, Tensor]:
    """P(r) and P'(r) of one degree of freedom for r = m / T, dimensionless, in the shape of r."""
    x, weights = momenta()
    energy = torch.sqrt(x**2 + r[..., None] ** 2)
    small = torch.exp(-energy)
    if boson:
        log, occupied = -torch.log1p(-small), small / (1 - small)
    else:
        log, occupied = torch.log1p(small), small / (1 + small)
    volume = weights * x**2 / (2 * math.pi**2)
    return (log * volume).sum(-1), -r * (occupied / energy * volume).sum(-1)


def state_of(T: Tensor, masses: Tensor, slopes: Tensor) -> dict[str, Tensor]:
    """Equation of state of quasi-particles.

    Parameters
    ----------
    T : Tensor, shape (points,)
        Temperature in GeV.
    masses, slopes : Tensor, shape (3, ..., points)
        Masses in GeV and dm/dT of `SPECIES`.

    Returns
    -------
    dict
        ``p`` and ``e`` over T^4, ``s`` over T^3, and ``bag``, the part of e that comes from dm/dT, over T^4, each
        ``(..., points)``.
    """
    p, bag, pull = (torch.zeros_like(masses[0]) for _ in range(3))
    for g, boson, m, slope in zip(DEGENERACY, BOSON, masses, slopes, strict=True):
        pressure, by_r = ideal_gas(m / T, boson)
        p = p + g * pressure
        bag = bag + g * by_r * slope
        pull = pull + g * by_r * m / T
    s = 4 * p + bag - pull
    return {"p": p, "e": s - p, "s": s, "bag": bag}


def inputs_of(arm: str, T: Tensor) -> tuple[Tensor, float]:
    """Input of the networks for temperatures in GeV, and its derivative by T."""
    if arm == "scaled":
        return T / TRANSITION, 1 / TRANSITION
    if arm == "standardised":
        known = lattice().T
        return (T - known.mean()) / known.std(), 1 / float(known.std())
    return T, 1.0


class Masses(torch.nn.Module):
    """Masses of all species by networks of one input: blocks ``h + sigmoid(h W + b)``, and a linear output in GeV.

    Networks of several seeds lie side by side and know nothing of each other.

    Parameters
    ----------
    arm : str
        One of `physnn.networks.forms.ARMS`; ``scaled`` takes T over `TRANSITION`, ``standardised``
        T less its mean, over its deviation.
    seeds : sequence of int
        Seeds of the weights; every parameter has its own stream, so that arms of one seed share what they can.
    constants : sequence of float
        Appended to the input where the arm says so, in GeV.
    """

    def __init__(self, arm: str, seeds: Sequence[int], constants: tuple[float, ...]) -> None:
        super().__init__()
        self.arm, self.seeds = arm, tuple(seeds)
        self.form = form_of(arm, constants)

        def drawn(name: str, *shape: int, fan: int) -> Tensor:
            streams = streams_of(self.seeds, "equation of state", self.form.word, name)
            numbers = np.stack([each.uniform(-1, 1, (len(SPECIES), *shape)) for each in streams], axis=1)
            return torch.from_numpy(numbers.reshape(-1, *shape) / math.sqrt(fan))

        fan = 1 + self.form.drawn
        first, bias = drawn("first.weight", 1, WIDTH, fan=fan), drawn("first.bias", 1, WIDTH, fan=fan)
        extra = [drawn(f"first.constant.{k}", 1, WIDTH, fan=fan) for k in range(self.form.drawn)]
        if self.form.start:
            bias = bias + sum(c * v for c, v in zip(self.form.start, extra, strict=True))
        self.first, self.bias = torch.nn.Parameter(first), torch.nn.Parameter(bias)
        self.extra = torch.nn.ParameterList(extra if self.form.appended else [])
        self.weights = torch.nn.ParameterList(
            drawn(f"block.{k}.weight", WIDTH, WIDTH, fan=WIDTH) for k in range(BLOCKS)
        )
        self.biases = torch.nn.ParameterList(drawn(f"block.{k}.bias", 1, WIDTH, fan=WIDTH) for k in range(BLOCKS))
        self.last = torch.nn.Parameter(drawn("last.weight", WIDTH, 1, fan=WIDTH))
        self.end = torch.nn.Parameter(drawn("last.bias", 1, 1, fan=WIDTH))

    def forward(self, T: Tensor) -> tuple[Tensor, Tensor]:
        """Masses in GeV and their derivatives dm/dT at temperatures in GeV, ``(3, seeds, points)``."""
        z, by_T = inputs_of(self.arm, T)
        bias = self.bias
        for c, v in zip(self.form.appended, self.extra, strict=True):
            bias = bias + c * v
        h = z[None, :, None] * self.first + bias
        slope = (by_T * self.first).expand(-1, len(T), -1)
        for weight, shift in zip(self.weights, self.biases, strict=True):
            a = torch.sigmoid(torch.baddbmm(shift, h, weight))
            h, slope = h + a, slope + a * (1 - a) * torch.bmm(slope, weight)
        shape = len(SPECIES), len(self.seeds), len(T)
        return torch.baddbmm(self.end, h, self.last).view(shape), torch.bmm(slope, self.last).view(shape)

    def optimisers(self, lr: float) -> tuple[Adam, Adam]:
        """Adam for the bias of the first layer, which may have a learning rate of its own, and for all the rest."""
        return Adam([self.bias], self.form.factor * lr), Adam([p for p in self.parameters() if p is not self.bias], lr)

    def effective(self) -> np.ndarray:
        """All weights of the networks without constants that give the same masses, ``(seeds, weights)``, arms alike."""
        bias = self.bias
        for c, v in zip(self.form.appended, self.extra, strict=True):
            bias = bias + c * v
        parts = [self.first, bias, *self.weights, *self.biases, self.last, self.end]
        shape = len(SPECIES), len(self.seeds), -1
        each = [part.detach().reshape(shape).swapaxes(0, 1).flatten(1) for part in parts]
        return torch.cat(each, dim=1).numpy()


def deviation_of(state: dict[str, Tensor]) -> Tensor:
    """Mean squared deviation of p/T^4 and e/T^4 from `lattice` at its temperatures, ``(seeds,)``, dimensionless."""
    values = torch.from_numpy(lattice().values)
    return ((torch.stack([state["p"], state["e"]], dim=-1) - values) ** 2).mean((-2, -1))


def chi2_of(state: dict[str, Tensor]) -> np.ndarray:
    """chi^2 over the number of lattice values, ``(seeds,)``; values share their errors, so that 1 tests nothing."""
    known = lattice()
    found = torch.stack([state["p"], state["e"]], dim=-1).detach().numpy()
    return np.asarray((((found - known.values) / known.errors) ** 2).mean((-2, -1)))


class MassTraining:
    """Training of networks on all lattice data by Adam, for `physnn.networks.forms.train_to_marks`."""

    def __init__(self, model: Masses, lr: float) -> None:
        self.model, self.T = model, torch.from_numpy(lattice().T)
        self.optimisers, self.parameters = model.optimisers(lr), list(model.parameters())

    def _state(self) -> dict[str, Tensor]:
        return state_of(self.T, *self.model(self.T))

    @torch.no_grad()
    def measure(self) -> dict[str, np.ndarray]:
        """Mean squared deviation and chi^2/n, ``(seeds,)``."""
        state = self._state()
        return {"loss": deviation_of(state).numpy(), "chi2": chi2_of(state)}

    def advance(self) -> None:
        """Take a step of both optimisers."""
        loss = deviation_of(self._state())
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        loss.sum().backward()
        for optimiser in self.optimisers:
            optimiser.step()

    def _moments(self, parameter: torch.nn.Parameter) -> dict[str, Tensor]:
        return next(o.state[parameter] for o in self.optimisers if parameter in o.state)

    def state(self) -> dict[str, np.ndarray]:
        """Parameters and moments by name."""
        arrays = {}
        for k, parameter in enumerate(self.parameters):
            arrays[f"state_parameter_{k}"] = parameter.detach().numpy().copy()
            arrays |= {f"state_{name}_{k}": value.numpy().copy() for name, value in self._moments(parameter).items()}
        return arrays

    def restore(self, kept: Mapping[str, np.ndarray]) -> None:
        """Put parameters and moments back."""
        for k, parameter in enumerate(self.parameters):
            moments = self._moments(parameter)
            with torch.no_grad():
                parameter.copy_(torch.from_numpy(np.array(kept[f"state_parameter_{k}"])))
            for name in moments:
                moments[name] = torch.from_numpy(np.array(kept[f"state_{name}_{k}"]))


@torch.no_grad()
def evaluated(model: Masses, temperatures: Sequence[float]) -> dict[str, np.ndarray]:
    """Masses in GeV, ``(seeds, 3, T)``, and by name the equation of state, ``(seeds, T)``, at temperatures in MeV."""
    T = GEV * torch.tensor(temperatures, dtype=torch.float64)
    masses, slopes = model(T)
    state = state_of(T, masses, slopes)
    around = [state_of(t, *model(t)) for t in (T * (1 - NEIGHBOUR), T * (1 + NEIGHBOUR))]
    pressure, energy = (
        [one[name] * (T * (1 + sign * NEIGHBOUR)) ** 4 for one, sign in zip(around, (-1, 1), strict=True)]
        for name in ("p", "e")
    )
    cs2 = (pressure[1] - pressure[0]) / (energy[1] - energy[0])
    found = {name: values.numpy() for name, values in state.items()}
    return found | {"mass": masses.abs().swapaxes(0, 1).numpy(), "cs2": cs2.numpy()}
