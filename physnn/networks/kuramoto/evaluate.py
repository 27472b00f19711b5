"""What one network does with a batch of images at one noise level: the work of one task of a noise sweep."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from physnn.networks.brought import BroughtNetwork
from physnn.networks.device import full_precision
from physnn.networks.dynamics import Dynamics
from physnn.networks.kuramoto.architecture import Architecture
from physnn.networks.kuramoto.batch import Batch, noise_keys, output_errors, shown
from physnn.networks.kuramoto.network import KuramotoNetwork
from physnn.networks.kuramoto.noise import KeyedNoise
from physnn.networks.source import Source
from physnn.store.network_file import read_networks

LAYOUT = torch.channels_last
"""Memory layout of states in a sweep: the faster one, and that in which noise is drawn."""


@functools.lru_cache(maxsize=4)
def load_dynamics(source: str | Source, network_id: str, device: str) -> Dynamics:
    """Return a network of a network file, or one that was brought; kept, so that a worker reads it once."""
    if isinstance(source, Source):
        return BroughtNetwork(source, device)
    return load_network(source, network_id, device)


@functools.lru_cache(maxsize=4)
def load_network(path: str, network_id: str, device: str) -> KuramotoNetwork:
    """Return one network of a network file; kept as `load_dynamics` does."""
    file = read_networks(path)
    k = file.ids.index(network_id)
    network = KuramotoNetwork(Architecture(**file.architecture), {name: w[k] for name, w in file.weights.items()})
    return network.to(device).requires_grad_(False)


@functools.lru_cache(maxsize=2)
def clean_run(
    source: str | Source, network_id: str, device: str, batch: Batch, steps: int
) -> tuple[Tensor, np.ndarray, np.ndarray, np.ndarray]:
    """Return x(steps) without noise, inputs, targets and numbers of shapes; kept for the next noise level."""
    network = load_dynamics(source, network_id, device)
    images = shown(network_id, batch)
    clean = network.evolve(torch.from_numpy(images.inputs).to(device), steps, layout=LAYOUT)
    return clean, images.inputs, images.targets, images.shapes


@full_precision()
def noisy_run(
    source: str | Source, network_id: str, device: str, batch: Batch, steps: int, eta: float
) -> dict[str, np.ndarray]:
    """Measure a network on a batch of images at noise eta.

    Parameters
    ----------
    source, network_id : str or Source, str
        Network file and the network in it, or a network that was brought.
    device : str
        ``"cpu"`` or ``"cuda"``.
    batch : Batch
        The images.
    steps : int
        Depth.
    eta : float
        Noise strength in the Langevin convention (dimensionless).

    Returns
    -------
    dict of arrays, each of shape ``(count,)``
        Those of `physnn.networks.kuramoto.batch.output_errors`; ``overlap``: mean of x . x_clean over sites;
        ``energy``: per site, where the network has one; ``m_abs``, ``m2``, ``m4``: powers of the length of its order
        parameter, and ``n_order``, its components, where it has one.
    """
    network = load_dynamics(source, network_id, device)
    clean, inputs, _, _ = clean_run(source, network_id, device, batch, steps)
    x = clean
    if eta > 0:
        noise = KeyedNoise(noise_keys(network_id, batch), clean.shape[1], clean.shape[2], device)
        x = network.evolve(torch.from_numpy(inputs).to(device), steps, noise, eta, LAYOUT)
    found = output_errors(network.read_out(x).cpu().numpy(), shown(network_id, batch))
    return found | {"overlap": network.overlap(x, clean).cpu().numpy()} | _order(network, x, steps)


def _order(network: Dynamics, x: Tensor, steps: int) -> dict[str, np.ndarray]:
    """Return energy and powers of the order parameter, where a network has them."""
    found = {}
    if (energy := network.energy(x, steps - 1)) is not None:
        found["energy"] = energy.cpu().numpy()
    if (m := network.order_parameter(x)) is not None:
        m2 = (m.cpu().numpy() ** 2).sum(1)
        found |= {"m_abs": np.sqrt(m2), "m2": m2, "m4": m2**2, "n_order": np.full(len(m2), m.shape[1])}
    return found


def contrast(x: Tensor, image: np.ndarray) -> float:
    """Return |m_fg - m_bg| / 2 of a state ``(N, H, W)``: 1 where foreground and background are the states +-v.

    m_fg and m_bg are the mean vectors over the foreground and background pixels of an image ``(H, W)``.
    """
    state = x.numpy(force=True)
    return float(np.linalg.norm(state[:, image > 0].mean(1) - state[:, image < 0].mean(1)) / 2)


def example_images(path: str, network_id: str, L: int, steps: int, eta: float) -> list[tuple[str, np.ndarray]]:
    """Return (title, image) of input, target, output without noise and output at noise eta, for a figure."""
    batch = Batch(L, "matched", 4, 0, 0, 1)
    network = load_network(path, network_id, "cpu")
    clean, inputs, targets, _ = clean_run(path, network_id, "cpu", batch, steps)
    noise = KeyedNoise(noise_keys(network_id, batch), network.architecture.components, L)
    noisy = network.evolve(torch.from_numpy(inputs), steps, noise, eta, LAYOUT)
    return [
        ("input", inputs[0]),
        ("target", targets[0]),
        ("output, no noise", network.read_out(clean)[0].numpy()),
        (rf"output, $\eta$ = {eta:g}", network.read_out(noisy)[0].numpy()),
    ]
