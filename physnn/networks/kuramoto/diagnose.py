"""What a trained network does along its depth and beyond it, measured for a diagnosis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from physnn.models.fourier import spectral_range, winding_numbers
from physnn.networks.dynamics import Dynamics
from physnn.networks.kuramoto.network import KuramotoNetwork, turned
from physnn.networks.kuramoto.noise import KeyedNoise

LAYOUT = torch.channels_last
LAGS = 12
"""The longest period that is looked for, in steps."""
FAR = 4
"""Depths are followed to so many times T."""
MOVING = 0.99
"""A site moves if x_t . x_(t+1) is less."""


@torch.no_grad()
def measure_depths(network: Dynamics, inputs: np.ndarray, targets: np.ndarray, steps: int) -> dict[str, np.ndarray]:
    """Follow images without noise through ``D = FAR steps + LAGS`` steps, or as many as there are layers.

    Parameters
    ----------
    network : Dynamics
        On the CPU.
    inputs, targets : ndarray of float32, shape (n, L, L)
        Images with values +-0.5.
    steps : int
        T, the depth that the network was trained for.

    Returns
    -------
    dict
        ``rmse (D + 1,)``: pooled over images, at every depth from 0; ``target_sd ()``: error of the best constant
        answer.  Where steps go on beyond T, ``overlaps_at_depth``, ``overlaps_far (LAGS,)``: <x_t . x_(t + 1)>,
        <x_t . x_(t + 2)>, ... from t = T and t = FAR T; ``moving_sites ()``: share of sites that move at FAR T.
        Where there is an energy, ``energy (D + 1,)``: per site, mean over images; ``energy_rise (D,)``: the largest
        rise of an image's energy in each step.

        Where all steps share one coupling, ``pair_energy (D,)``: per site, -1/2 <x_(t+1) . J x_t> - <c . (x_t +
        x_(t+1))> / 2, which no synchronous step of small steps raises in a cycle of two; ``field_mean``,
        ``field_max ()``: local field x . (J x + c) at T.  Where each has its own, ``layer_field``, ``layer_s (D,)``:
        the mean local field at its step, and gamma (h - lambda_min) / 2; energies are those of the layer that acts
        next, at the end that of the last.  Under U(1), ``vortices (D + 1,)``: vortices of both signs per site.
    """
    wanted, step = torch.from_numpy(targets), network.stepper()
    x = network.lift_images(torch.from_numpy(inputs)).contiguous(memory_format=LAYOUT)
    depth = network.layers or FAR * steps + LAGS
    ledger = _Couplings(network, inputs.shape[-1]) if isinstance(network, KuramotoNetwork) else _Energies(network)
    rmse, kept = [], {}
    for t in range(depth + 1):
        rmse.append(float(((network.read_out(x) - wanted) ** 2).double().mean().sqrt()))
        if steps <= t <= steps + LAGS or t >= FAR * steps:
            kept[t] = x
        after = step(x, t) if t < depth else None
        ledger.add(t, x, after)
        x = after if after is not None else x
    found = {"rmse": rmse, "target_sd": float(targets.std(dtype=np.float64)), **ledger.found(steps)}
    if not network.layers:
        last, next_ = kept[FAR * steps], kept[FAR * steps + 1]
        found["overlaps_at_depth"] = _overlaps(network, kept, steps)
        found["overlaps_far"] = _overlaps(network, kept, FAR * steps)
        found["moving_sites"] = float((functional.cosine_similarity(last, next_) < MOVING).double().mean())
    return {name: np.asarray(values, np.float64) for name, values in found.items()}


class _Energies:
    """Energies of a network that may have some, along its depth."""

    def __init__(self, network: Dynamics) -> None:
        self.network = network
        self.energies: list[np.ndarray] = []

    def add(self, t: int, x: Tensor, after: Tensor | None) -> None:
        if (energy := self.network.energy(x)) is not None:
            self.energies.append(energy.numpy())

    def found(self, steps: int) -> Mapping[str, object]:
        if not self.energies:
            return {}
        energies = np.stack(self.energies)
        return {"energy": energies.mean(1), "energy_rise": np.diff(energies, axis=0).max(1)}


class _Couplings:
    """Energies and local fields of a network with couplings; each step's field is made once."""

    def __init__(self, network: KuramotoNetwork, L: int) -> None:
        self.network, self.L, self.J = network, L, network.symmetric_coupling()
        self.energies: list[np.ndarray] = []
        self.rises: list[float] = []
        self.pairs: list[float] = []
        self.fields: list[Tensor] = []
        self.vortices: list[float] = []

    def add(self, t: int, x: Tensor, after: Tensor | None) -> None:
        own = self.network.layers
        layer = min(t, own - 1) if own else 0
        field, c = self.network.field(x, self.J[layer] if own else self.J, layer), self.network.constant(layer)
        constant = (x * c[:, None, None]).sum(1).double().mean((1, 2)) if c is not None else torch.zeros(len(x))
        energy = -0.5 * _per_site(x, field) - 0.5 * constant
        self.energies.append(energy.numpy())
        self.fields.append((x * field).sum(1))
        if after is not None and own:
            self.rises.append(float((self.network.energy(after, layer) - energy).max()))
        elif after is not None:
            self.pairs.append(float((-0.5 * _per_site(after, field) - 0.5 * constant).mean()))
        if self.network.architecture.symmetry == "U1":
            turns = winding_numbers(_angles(self.network, x), self.network.architecture.boundary == "periodic")
            self.vortices.append(float(np.abs(turns).mean()))

    def found(self, steps: int) -> Mapping[str, object]:
        energies = np.stack(self.energies)
        found: dict[str, object] = {"energy": energies.mean(1)}
        if self.vortices:
            found["vortices"] = self.vortices
        if self.network.layers:
            fields = np.array([field.double().mean().item() for field in self.fields[:-1]])
            lowest = np.array([spectral_range(J.numpy(), self.L)[0] for J in self.J])
            layer_s = self.network.gamma * (fields - lowest) / 2
            return found | {"energy_rise": self.rises, "layer_field": fields, "layer_s": layer_s}
        at_depth = self.fields[steps]
        found |= {"energy_rise": np.diff(energies, axis=0).max(1), "pair_energy": self.pairs}
        return found | {"field_mean": at_depth.double().mean().item(), "field_max": at_depth.max().item()}


def _angles(network: KuramotoNetwork, x: Tensor) -> np.ndarray:
    """Return the angle of every site in the plane that images are lifted to, shape ``(images, H, W)``."""
    w = network.get_parameter("lift")[:, None, None]
    return torch.atan2((x * turned(w[None])).sum(1), (x * w).sum(1)).numpy()


def _per_site(x: Tensor, y: Tensor) -> Tensor:
    """Return the mean of x . y over the sites of each image, float64."""
    return (x * y).sum(1).double().mean((1, 2))


def _overlaps(network: Dynamics, kept: dict[int, Tensor], first: int) -> list[float]:
    return [float(network.overlap(kept[first], kept[first + lag]).mean()) for lag in range(1, LAGS + 1)]


@torch.no_grad()
def measure_walls(network: Dynamics, L: int, steps: int) -> dict[str, np.ndarray]:
    """Let straight walls between the two states relax for T steps.

    The states are what images of background and foreground alone relax to, +-x in a symmetric network.  Energies are
    means over the last two steps, so that a cycle of two does not matter; where layers have their own couplings, both
    are those of the last.

    Returns
    -------
    dict
        ``wall_profile (2, L)``: x . x_background across walls along rows and along columns, mean along the wall.  For
        networks with couplings ``wall_energy (2,)``: energy per unit length of such walls; ``bulk_energy (2,)``: energy
        per site of background and foreground.
    """
    images = np.full((4, L, L), -0.5, np.float32)
    images[1] = 0.5
    images[2, : L // 2] = 0.5
    images[3, :, : L // 2] = 0.5
    before = network.evolve(torch.from_numpy(images), steps - 1, layout=LAYOUT)
    x = network.stepper()(before, steps - 1)
    overlap = functional.cosine_similarity(x[2:], x[:1]).double().numpy()
    found = {"wall_profile": np.stack([overlap[0].mean(1), overlap[1].mean(0)])}
    if not isinstance(network, KuramotoNetwork):
        return found
    energy = ((network.energy(before, steps - 1) + network.energy(x, steps - 1)) / 2).numpy()
    foreground = (L // 2) / L
    walls = 2 if network.architecture.boundary == "periodic" else 1
    excess = energy[2:] - (1 - foreground) * energy[0] - foreground * energy[1]
    return found | {"wall_energy": excess * L / walls, "bulk_energy": energy[:2]}


@torch.no_grad()
def measure_damage(
    network: Dynamics,
    inputs: np.ndarray,
    keys: np.ndarray,
    steps: int,
    eta: float,
    windows: Sequence[tuple[int, int]],
) -> dict[str, np.ndarray]:
    """Measure how much noise in some of the steps moves the output at depth T.

    Parameters
    ----------
    network, inputs, steps
        As in `measure_depths`.
    keys : ndarray of uint32, shape (n, 2)
        Counter keys of the noise, one per image.
    eta : float
        Noise strength, Langevin convention.
    windows : sequence of (int, int)
        Noise acts in the steps A <= t < B.

    Returns
    -------
    dict
        ``windows (W, 2)``; ``damage (W,)``: mean squared change of the output; ``damage_all ()``: with noise in every
        step; ``eta ()``.
    """
    step = network.stepper()
    clean = [network.lift_images(torch.from_numpy(inputs)).contiguous(memory_format=LAYOUT)]
    noise = KeyedNoise(keys, clean[0].shape[1], clean[0].shape[2])
    for t in range(steps):
        clean.append(step(clean[-1], t))
    expected = network.read_out(clean[-1])

    def damage(first: int, last: int) -> float:
        x = clean[first]
        for t in range(first, steps):
            x = step(x, t, noise(t), eta) if t < last else step(x, t)
        return float(((network.read_out(x) - expected) ** 2).double().mean())

    return {
        "windows": np.array(windows, np.int64).reshape(-1, 2),
        "damage": np.array([damage(first, last) for first, last in windows]),
        "damage_all": np.array(damage(0, steps)),
        "eta": np.array(eta),
    }
