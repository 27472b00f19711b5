from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.models.fourier import fourier_kernel, spectral_range, stability_bound, wave_numbers


def random_kernel(seed: int, n: int = 3, k: int = 5) -> np.ndarray:
    raw = rng.stream(seed, "synthetic", "kernel").normal(size=(n, n, k, k))
    return (raw + raw[:, :, ::-1, ::-1].swapaxes(0, 1)) / 2


def as_matrix(J: np.ndarray, L: int) -> np.ndarray:
    """The coupling of the whole torus, (N L L, N L L), bond by bond."""
    n, half = len(J), J.shape[-1] // 2
    full = np.zeros((n, L, L, n, L, L))
    for row in range(L):
        for column in range(L):
            for dy in range(-half, half + 1):
                for dx in range(-half, half + 1):
                    full[:, row, column, :, (row + dy) % L, (column + dx) % L] += J[:, :, dy + half, dx + half]
    return full.reshape(n * L * L, n * L * L)


@pytest.mark.parametrize("L", [5, 6])
def test_the_spectrum_is_that_of_the_whole_torus(L):
    J = random_kernel(L)
    exact = np.linalg.eigvalsh(as_matrix(J, L))
    q = wave_numbers(L)
    found = np.sort(np.linalg.eigvalsh(fourier_kernel(J, q, q)).ravel())
    assert np.abs(found - exact).max() < 1e-10
    assert spectral_range(J, L) == pytest.approx((exact[0], exact[-1]), abs=1e-10)


def test_a_plane_wave_is_taken_to_its_matrix():
    J, L = random_kernel(0), 6
    q = wave_numbers(L)
    v = rng.stream(0, "synthetic", "vector").normal(size=3)
    sites = np.exp(1j * (q[4] * np.arange(L)[:, None] + q[1] * np.arange(L)))
    wave = (v[:, None, None] * sites).ravel()
    expected = ((fourier_kernel(J, q, q)[4, 1] @ v)[:, None, None] * sites).ravel()
    assert np.abs(as_matrix(J, L) @ wave - expected).max() < 1e-10


def test_no_state_is_less_stable_than_the_bound():
    J, c, L = random_kernel(1), np.array([0.3, -0.1, 0.2]), 6
    low, _ = spectral_range(J, L)
    generator = rng.stream(1, "synthetic", "states")
    M, largest = as_matrix(J, L), -np.inf
    for _ in range(20):
        x = generator.normal(size=(3, L * L))
        for _ in range(30):  # power iteration towards large local fields
            x /= np.linalg.norm(x, axis=0)
            f = (M @ x.ravel()).reshape(x.shape) + c[:, None]
            largest = max(largest, (x * f).sum(0).mean())
            x = f + 5 * x
    assert 0.6 < 0.1 * (largest - low) / 2 / stability_bound(J, c, 0.1, L) <= 1
