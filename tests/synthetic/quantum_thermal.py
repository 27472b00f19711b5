"""Exact thermal averages of the Ising model in a transverse field: dense matrices, and free fermions."""

from __future__ import annotations

import numpy as np

from physnn.models.quantum import QuantumModel


def dense_hamiltonian(model: QuantumModel) -> tuple[np.ndarray, np.ndarray]:
    """Configurations of +-1, (2^N, N), and the Hamiltonian in their basis."""
    numbers = np.arange(2**model.N)
    spins = 1 - 2 * ((numbers[:, None] >> np.arange(model.N)) & 1)
    H = np.diag(model.diagonal(spins))
    for i in range(model.N):
        H[numbers, numbers ^ (1 << i)] += model.terms.flip
    return spins, H


def thermal_averages(model: QuantumModel, beta: float) -> dict[str, float]:
    """Averages of what world lines measure, by the names of their columns."""
    spins, H = dense_hamiltonian(model)
    E, U = np.linalg.eigh(H)
    weight = np.exp(-beta * (E - E[0]))
    weight /= weight.sum()
    p, m, N = (U**2) @ weight, spins.mean(1), model.N
    rho = (U * weight) @ U.T
    numbers = np.arange(2**N)
    found = {
        "energy": weight @ E / N,
        "m": 0.0,
        "m2_improved": p @ m**2,
        "m4_improved": p @ m**4,
        "sigma_x": sum(rho[numbers, numbers ^ (1 << i)].sum() for i in range(N)) / N,
        "m_time": 0.0,
        "s_time": np.sum(_squares(U, m) * _at_frequency(E, weight, beta, 2 * np.pi / beta)) / beta,
    }
    found |= dict(zip(("m_time2", "m_time4"), moments_in_time(model, beta), strict=True))
    if model.periodic:
        static, places = _at_frequency(E, weight, beta, 0.0), np.indices(model.sides)
        amplitudes = [
            spins @ np.exp(2j * np.pi * place.reshape(-1) / side) / N
            for place, side in zip(places[::-1], model.sides[::-1], strict=True)
        ]
        found["s_space"] = np.mean([np.sum(_squares(U, a) * static) / beta for a in amplitudes])
        for name, a in zip(("structure_x_improved", "structure_y_improved"), amplitudes, strict=False):
            found[name] = N * (p @ abs(a) ** 2)
    return {name: float(value) for name, value in found.items()}


def _squares(U: np.ndarray, diagonal: np.ndarray) -> np.ndarray:
    return np.asarray(abs(U.T @ (diagonal[:, None] * U)) ** 2)


def _at_frequency(E: np.ndarray, weight: np.ndarray, beta: float, omega: float) -> np.ndarray:
    """Integral of ``exp(i omega t) exp(-t (E_n - E_m))`` from 0 to beta with the weight of state m: (m, n)."""
    gap = E[None, :] - E[:, None]
    alike = abs(gap) < 1e-9
    safe = np.where(alike, 1.0, gap)
    moved = (weight[:, None] - weight[None, :]) * safe / (safe**2 + omega**2)
    return np.asarray(np.where(alike, 0.0 if omega else beta * weight[:, None], moved))


def moments_in_time(model: QuantumModel, beta: float) -> list[float]:
    """Second and fourth moment of the mean over sites and time, from Z in a complex field: <exp(x m_t)> = Z(x)/Z(0)."""
    spins, H = dense_hamiltonian(model)
    m = spins.mean(1)
    # Z is even and real for real fields, so that 5 of 16 points of the circle tell all.
    x, lowest = 2 * np.exp(2j * np.pi * np.arange(5) / 16), np.linalg.eigvalsh(H)[0]
    Z = [np.exp(-beta * (np.linalg.eigvals(H - np.diag(v * m / beta)) - lowest)).sum() for v in (0.0, *x)]
    ratio, share = np.array(Z[1:]) / Z[0], np.array([1, 2, 2, 2, 1]) / 8
    return [float(share @ (ratio * x**-k).real * factor) for k, factor in ((2, 2.0), (4, 24.0))]


def open_chain_energy(L: int, h: float, beta: float) -> float:
    """Thermal energy per site of an open chain: free fermions with energies twice the singular values."""
    values = np.linalg.svd(h * np.eye(L) + np.eye(L, k=1), compute_uv=False)
    return float(-np.sum(values * np.tanh(beta * values)) / L)


def periodic_chain_energy(L: int, h: float, beta: float) -> float:
    """Thermal energy per site of a periodic chain: free fermions of both parities, each with boundaries of its own."""

    def log_Z(beta: float) -> float:
        terms = []
        for shift, sign in ((0.5, 1.0), (0.0, -1.0)):
            k = 2 * np.pi * (np.arange(L) + shift) / L
            e = 2 * np.sqrt(np.maximum(0.0, 1 + h * h - 2 * h * np.cos(k)))
            if shift == 0.0:
                e[0] = 2 * (h - 1)  # the mode at k = 0 has a sign
            large = np.sum(np.abs(beta * e / 2) + np.log1p(np.exp(-np.abs(beta * e))))
            ratio = np.prod(np.tanh(beta * e / 2))
            terms.append((large, 1 + sign * ratio))
        top = max(large for large, _ in terms)
        return float(top + np.log(sum(np.exp(large - top) * share for large, share in terms)))

    step = 1e-5 * beta
    return -(log_Z(beta + step) - log_Z(beta - step)) / (2 * step * L)
