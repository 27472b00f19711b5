"""What a trained network does along its depth and beyond it, measured for a diagnosis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from physnn.networks.kuramoto import KuramotoNetwork
from physnn.networks.noise import KeyedNoise

LAYOUT = torch.channels_last
LAGS = 12
"""The longest period that is looked for, in steps."""
FAR = 4
"""Depths are followed to so many times T."""
MOVING = 0.99
"""A site moves if x_t . x_(t+1) is less."""


@torch.no_grad()
def measure_depths(
    network: KuramotoNetwork, inputs: np.ndarray, targets: np.ndarray, steps: int
) -> dict[str, np.ndarray]:
    """Follow images without noise through ``D = FAR steps + LAGS`` steps.

    Parameters
    ----------
    network : KuramotoNetwork
        On the CPU.
    inputs, targets : ndarray of float32, shape (n, L, L)
        Images with values +-0.5.
    steps : int
        T, the depth that the network was trained for.

    Returns
    -------
    dict
        ``rmse (D + 1,)``: pooled over images, at every depth from 0; ``energy (D + 1,)``: per site, mean over images;
        ``energy_rise (D,)``: the largest rise of an image's energy in each step; ``pair_energy (D,)``: per site,
        -1/2 <x_(t+1) . J x_t> - <c . (x_t + x_(t+1))> / 2, which no synchronous step of small steps raises in a cycle
        of two; ``overlaps_at_depth``, ``overlaps_far (LAGS,)``: <x_t . x_(t + 1)>, <x_t . x_(t + 2)>, ... from
        t = T and t = FAR T; ``field_mean``, ``field_max ()``: local field x . (J x + c) at T; ``moving_sites ()``:
        share of sites that move at FAR T; ``target_sd ()``: error of the best constant answer.
    """
    J, wanted = network.symmetric_coupling(), torch.from_numpy(targets)
    c = network.get_parameter("bias")[:, None, None] if network.architecture.broken else torch.zeros(1, 1, 1)
    x = network.lift_images(torch.from_numpy(inputs)).contiguous(memory_format=LAYOUT)
    depth = FAR * steps + LAGS
    rmse, energy, pair, kept = [], [], [], {}
    field_of_depth = torch.empty(0)
    for t in range(depth + 1):
        field = network.field(x, J)
        rmse.append(float(((network.read_out(x) - wanted) ** 2).double().mean().sqrt()))
        energy.append((-0.5 * _per_site(x, field) - 0.5 * (x * c).sum(1).double().mean((1, 2))).numpy())
        if t == steps:
            field_of_depth = (x * field).sum(1)
        if steps <= t <= steps + LAGS or t >= FAR * steps:
            kept[t] = x
        after = network.step(x, J)
        pair.append(float((-0.5 * _per_site(after, field) - 0.5 * (x * c).sum(1).double().mean((1, 2))).mean()))
        x = after
    last = kept[FAR * steps]
    energies = np.stack(energy)
    found = {
        "rmse": rmse,
        "energy": energies.mean(1),
        "energy_rise": np.diff(energies, axis=0).max(1),
        "pair_energy": pair[:-1],
        "overlaps_at_depth": _overlaps(kept, steps),
        "overlaps_far": _overlaps(kept, FAR * steps),
        "field_mean": field_of_depth.double().mean().item(),
        "field_max": field_of_depth.max().item(),
        "moving_sites": float(((last * kept[FAR * steps + 1]).sum(1) < MOVING).double().mean()),
        "target_sd": float(targets.std(dtype=np.float64)),
    }
    return {name: np.asarray(values, np.float64) for name, values in found.items()}


def _per_site(x: Tensor, y: Tensor) -> Tensor:
    """Return the mean of x . y over the sites of each image, float64."""
    return (x * y).sum(1).double().mean((1, 2))


def _overlaps(kept: dict[int, Tensor], first: int) -> list[float]:
    return [float(_per_site(kept[first], kept[first + lag]).mean()) for lag in range(1, LAGS + 1)]


@torch.no_grad()
def measure_walls(network: KuramotoNetwork, L: int, steps: int) -> dict[str, np.ndarray]:
    """Let straight walls between the two states relax for T steps.

    The states are what images of background and foreground alone relax to, +-x in a symmetric network.  Energies are
    means over the last two steps, so that a cycle of two does not matter.

    Returns
    -------
    dict
        ``wall_profile (2, L)``: x . x_background across walls along rows and along columns, mean along the wall;
        ``wall_energy (2,)``: energy per unit length of such walls; ``bulk_energy (2,)``: energy per site of
        background and foreground.
    """
    images = np.full((4, L, L), -0.5, np.float32)
    images[1] = 0.5
    images[2, : L // 2] = 0.5
    images[3, :, : L // 2] = 0.5
    before = network.evolve(torch.from_numpy(images), steps - 1, layout=LAYOUT)
    x = network.step(before, network.symmetric_coupling())
    energy = ((network.energy(before) + network.energy(x)) / 2).numpy()
    overlap = (x[2:] * x[0]).sum(1).double().numpy()
    foreground = (L // 2) / L
    walls = 2 if network.architecture.boundary == "periodic" else 1
    excess = energy[2:] - (1 - foreground) * energy[0] - foreground * energy[1]
    return {
        "wall_profile": np.stack([overlap[0].mean(1), overlap[1].mean(0)]),
        "wall_energy": excess * L / walls,
        "bulk_energy": energy[:2],
    }


@torch.no_grad()
def measure_damage(
    network: KuramotoNetwork,
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
    J = network.symmetric_coupling()
    noise = KeyedNoise(keys, network.architecture.components, inputs.shape[1])
    clean = [network.lift_images(torch.from_numpy(inputs)).contiguous(memory_format=LAYOUT)]
    for _ in range(steps):
        clean.append(network.step(clean[-1], J))
    expected = network.read_out(clean[-1])

    def damage(first: int, last: int) -> float:
        x = clean[first]
        for t in range(first, steps):
            x = network.step(x, J, noise(t), eta) if t < last else network.step(x, J)
        return float(((network.read_out(x) - expected) ** 2).double().mean())

    return {
        "windows": np.array(windows, np.int64).reshape(-1, 2),
        "damage": np.array([damage(first, last) for first, last in windows]),
        "damage_all": np.array(damage(0, steps)),
        "eta": np.array(eta),
    }
