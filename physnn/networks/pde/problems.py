"""Problems by name."""

from __future__ import annotations

from physnn.networks.pde.evolution import EVOLUTION
from physnn.networks.pde.stationary import STATIONARY

PROBLEMS = {problem.name: problem for problem in (*STATIONARY, *EVOLUTION)}
"""Differential equations that networks are trained on."""
