"""Whether a run was in equilibrium at its own temperature: the configurational temperature against T."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.series import as_chains, estimate_time
from physnn.errors import InputError

TOLERANCE = 0.02
"""Relative difference between t_conf and T beyond which a run is not in equilibrium."""
SIGMAS = 4
"""A difference must also be as many standard errors to count."""


@dataclass(frozen=True)
class Thermometer:
    """The configurational temperature of a run and what follows from it.

    Attributes
    ----------
    t_conf : Estimate
        ``<(Pi_x f)^2> / <(N - 1) x . f - tr J_00 + x . J_00 x>``, in units of T.
    T : float
        Temperature that the run was meant to have.
    verdict : str
        ``equilibrium``: within `TOLERANCE`, and the error is small enough to say so; ``non-equilibrium``: beyond it by
        more than the error allows; ``undecided``: too short a run.
    reason : str
        The same in a sentence.
    """

    t_conf: Estimate
    T: float
    verdict: str
    reason: str


def thermometer(force: np.ndarray, curvature: np.ndarray, T: float) -> Thermometer:
    """Return the configurational temperature of a run (H. H. Rugh, Phys. Rev. Lett. 78, 772 (1997)).

    Agreement excludes step-size and cycle artefacts only: the test is local and blind to metastable states.

    Parameters
    ----------
    force, curvature : arrays of shape (measurements,) or (chains, measurements)
        (Pi_x f)^2 and its divergence per site, after thermalisation.
    T : float
        The temperature meant, eta^2 / 2.

    Raises
    ------
    InputError
        If T is not positive or a series is too short.
    """
    if not T > 0:
        raise InputError(f"the thermometer needs a temperature above 0, not {T:g}")
    forces, curvatures = as_chains(force), as_chains(curvature)
    value = float(forces.mean() / curvatures.mean())
    # The linear part of the ratio; a slow run must be told so, not refused, so that short series are allowed.
    error = estimate_time((forces - value * curvatures) / curvatures.mean()).mean.error
    t_conf = Estimate(value, error)
    off = abs(t_conf.value / T - 1)
    doubt = t_conf.error / T
    if off > TOLERANCE and off - TOLERANCE > SIGMAS * doubt:
        verdict, why = "non-equilibrium", "static exponents do not describe it; use a smaller gamma"
    elif off <= TOLERANCE and doubt <= TOLERANCE / 2:
        verdict, why = "equilibrium", "step size and cycles do not disturb it"
    else:
        verdict, why = "undecided", "run longer"
    reason = f"t_conf / T = {Estimate(t_conf.value / T, doubt)}, allowed are 1 +- {TOLERANCE:g}: {why}"
    return Thermometer(t_conf, T, verdict, reason)
