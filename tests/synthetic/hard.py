"""Synthetic data on ground that hurts: small sizes, large corrections to scaling, errors tiny or wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from physnn.analysis.collapse.exponents import Settings
from physnn.analysis.curves.tables import Columns, curves_of_table
from physnn.analysis.verdict.fit import fit_curves, omega_of
from tests.synthetic.planted import MASTERS, Planted
from tests.synthetic.trials import Trial, judged

SIZES = {3: (8, 16, 32), 5: (8, 16, 32, 64, 128), 8: (8, 12, 16, 24, 32, 48, 64, 96)}
"""Sizes by their number."""
POINTS = 21
"""Control values of every size."""
SHARED_WIDTH = 1.0
"""Correlation length in u of points that share runs, about the width of the transition."""


@dataclass(frozen=True)
class Cell:
    """What is planted: y = F(u) + amplitude (8/L)^omega G(u), values over the range of F, at sizes from 8 on.

    ``noise`` is the error of a point over the range.  ``trouble`` is "", "rounded" (controls with few digits), "shared"
    (points of a size share runs), "uneven" (errors differ up to sixfold), "small errors" or "large errors" (stated 1.5
    times too small or too large).
    """

    omega: float = 1.0
    amplitude: float = 0.2
    noise: float = 1e-3
    sizes: int = 5
    trouble: str = ""

    def __str__(self) -> str:
        """One line for tables."""
        words = f"omega {self.omega:g}, amplitude {self.amplitude:.0%}, noise {self.noise:g}, {self.sizes} sizes"
        return f"{words}, {self.trouble}" if self.trouble else words


NOISES = (1e-6, 1e-4, 1e-3, 1e-2, 5e-2)
"""Errors over the range."""
CELLS = (
    *(Cell(noise=noise, amplitude=amplitude) for amplitude in (0.0, 0.2, 0.5) for noise in NOISES),
    *(Cell(omega=omega, noise=noise) for omega in (0.5, 2.0) for noise in NOISES),
    *(Cell(sizes=sizes, noise=noise) for sizes in (3, 8) for noise in NOISES),
    *(
        Cell(trouble=trouble, noise=noise)
        for trouble in ("rounded", "shared", "uneven", "small errors", "large errors")
        for noise in (1e-4, 1e-2)
    ),
)
"""All cells."""


def planted_in(cell: Cell, generator: np.random.Generator) -> Planted:
    """Points of a cell; master curve, exponent and window are drawn at random."""
    sizes = np.array(SIZES[cell.sizes], float)
    master = str(generator.choice(list(MASTERS)))
    x_c, inverse_nu = float(generator.uniform(0.3, 0.6)), float(generator.uniform(0.6, 1.5))
    reach = generator.uniform(3, 6) * sizes.max() ** -inverse_nu * generator.uniform(0.7, 1.3, 2)
    x = np.linspace(x_c - reach[0], x_c + reach[1], POINTS)
    tilt = generator.uniform(-0.5, 0.5)
    columns = []
    for L in sizes:
        at = x + (x[1] - x[0]) * generator.uniform(-0.4, 0.4, POINTS) if cell.trouble == "rounded" else x
        u = (at - x_c) * L**inverse_nu
        span = np.ptp(MASTERS[master]((x - x_c) * sizes.max() ** inverse_nu))
        extra = cell.amplitude * (sizes[0] / L) ** cell.omega * np.exp(-(u**2) / 8) * (1 + tilt * np.tanh(u))
        error = cell.noise * span * (np.exp(generator.uniform(-0.9, 0.9, POINTS)) if cell.trouble == "uneven" else 1.0)
        error = np.broadcast_to(error, POINTS)
        normal = generator.standard_normal(POINTS)
        if cell.trouble == "shared":
            factor = np.linalg.cholesky(np.exp(-np.abs(u[:, None] - u) / SHARED_WIDTH) + 1e-9 * np.eye(POINTS))
            normal = factor @ normal
        y = MASTERS[master](u) + span * extra + error * normal
        digits = int(np.ceil(-np.log10(x[1] - x[0]))) + 2
        wrong = {"small errors": 1 / 1.5, "large errors": 1.5}.get(cell.trouble, 1.0)
        columns.append(
            (np.full(POINTS, L), np.round(at, digits) if cell.trouble == "rounded" else at, y, wrong * error)
        )
    L, x, y, error = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    return Planted(L, x, y, error, x_c, inverse_nu, 0.0, master)


def hard_trial(cell: Cell, generator: np.random.Generator, resamples: int = 60) -> Trial:
    """Plant data of a cell, fit them as a table without options, and compare with the truth."""
    data = planted_in(cell, generator)
    curves = curves_of_table(Columns(data.L, data.x, data.y, data.error), None, 1000, generator)[0]
    settings = Settings(resamples=resamples, omega=omega_of(curves, None), relaxed=True)
    return judged(fit_curves(curves, settings, generator), data, False)
