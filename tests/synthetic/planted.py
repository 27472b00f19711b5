"""Synthetic data with a known answer: what an analysis must find, and what it must not.

Master curves are logistic, tanh-like or asymmetric; sizes, number of points, noise and exponents are drawn at random.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MASTERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "logistic": lambda u: 1 / (1 + np.exp(-u)),
    "tanh": lambda u: 0.5 + 0.3 * np.tanh(u),
    "gompertz": lambda u: np.exp(-np.exp(-np.clip(u, -30, 30))),
    "two scales": lambda u: 1 + 0.6 * np.tanh(u) + 0.18 * np.tanh(u / 3 + 0.5),
}
"""Master curves F(u)."""


@dataclass(frozen=True)
class Planted:
    """Points with the truth behind them.

    Attributes
    ----------
    L, x, y, error : ndarray
        Size, control value, value and its standard error, shape ``(points,)``.
    critical_point, inverse_nu, zeta_over_nu : float
        The truth.
    master : str
        Name of the master curve.
    """

    L: np.ndarray
    x: np.ndarray
    y: np.ndarray
    error: np.ndarray
    critical_point: float
    inverse_nu: float
    zeta_over_nu: float
    master: str


@dataclass(frozen=True)
class Recipe:
    """Sizes, grid and truth, before noise."""

    sizes: np.ndarray
    x: np.ndarray
    noise: float
    critical_point: float
    inverse_nu: float
    zeta_over_nu: float
    master: str

    def curve(self, L: float, x_c: float | None = None, correction: float = 0.0, omega: float = 1.0) -> np.ndarray:
        """Return y(x) = L^(zeta/nu) [F(u) + correction L^-omega exp(-u^2/8)] of one size."""
        u = (self.x - (self.critical_point if x_c is None else x_c)) * L**self.inverse_nu
        return np.asarray(
            L**self.zeta_over_nu * (MASTERS[self.master](u) + correction * L**-omega * np.exp(-(u**2) / 8))
        )

    def error(self, L: float) -> float:
        """Return the standard error of the points of one size: a share of the range of the curve."""
        largest = float(self.sizes.max())
        return float(self.noise * np.ptp(self.curve(largest)) * (L / largest) ** self.zeta_over_nu)


def recipe(generator: np.random.Generator, zeta: bool = False) -> Recipe:
    """Return a random recipe: 3 to 6 sizes, 15 to 41 points, 0.2 to 2 % noise, x_c anywhere in the middle."""
    count = int(generator.integers(3, 7))
    doubling = 16 * 2.0 ** np.arange(count)
    spread = np.sort(generator.choice(np.arange(8, 129, 4), count, replace=False)).astype(float)
    sizes = doubling if generator.random() < 0.7 else spread
    points = int(generator.integers(15, 42))
    noise = float(np.exp(generator.uniform(np.log(0.002), np.log(0.02))))
    x_c, inverse_nu = float(generator.uniform(0.3, 0.6)), float(generator.uniform(0.5, 1.6))
    reach = generator.uniform(2, 8) * sizes.max() ** -inverse_nu * generator.uniform(0.7, 1.3, 2)
    return Recipe(
        sizes,
        np.linspace(x_c - reach[0], x_c + reach[1], points),
        noise,
        x_c,
        inverse_nu,
        float(generator.uniform(-0.5, 0.5)) if zeta else 0.0,
        str(generator.choice(list(MASTERS))),
    )


def planted(
    generator: np.random.Generator,
    zeta: bool = False,
    correction: float = 0.0,
    omega: float = 1.0,
    crosses: bool = True,
) -> Planted:
    """Return random points with a known answer.

    Parameters
    ----------
    generator : numpy.random.Generator
        Source of the recipe and the noise.
    zeta : bool
        Whether zeta/nu differs from 0.
    correction, omega : float
        Amplitude and exponent of a correction to scaling.
    crosses : bool
        Without it all sizes have the curve of the middle one.
    """
    made = recipe(generator, zeta)
    middle = float(made.sizes[len(made.sizes) // 2])
    L, x, y, error = [], [], [], []
    for size in made.sizes:
        errors = np.full(len(made.x), made.error(size))
        mean = made.curve(float(size) if crosses else middle, correction=correction, omega=omega)
        L.append(np.full(len(made.x), size))
        x.append(made.x)
        y.append(mean + errors * generator.standard_normal(len(made.x)))
        error.append(errors)
    return Planted(
        np.concatenate(L),
        np.concatenate(x),
        np.concatenate(y),
        np.concatenate(error),
        made.critical_point,
        made.inverse_nu,
        made.zeta_over_nu,
        made.master,
    )


def planted_networks(
    generator: np.random.Generator, networks: int, images: int = 16, spread: float = 0.3
) -> tuple[dict[int, tuple[np.ndarray, dict[str, np.ndarray]]], Recipe]:
    """Return raw arrays (control, network, image) of networks whose critical points differ, and the recipe.

    ``spread`` is the standard deviation of x_c between networks, in units of the spacing of control values.
    """
    made = recipe(generator)
    step = float(made.x[1] - made.x[0])
    own = made.critical_point + spread * step * generator.standard_normal(networks)
    sizes = {}
    for L in made.sizes:
        mean = np.stack([made.curve(float(L), x_c) for x_c in own], axis=1)
        scatter = made.error(float(L)) * np.sqrt(images) * generator.standard_normal((len(made.x), networks, images))
        sizes[int(L)] = made.x, {"overlap": mean[:, :, None] + scatter}
    return sizes, made
