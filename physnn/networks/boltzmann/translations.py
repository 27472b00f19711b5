"""Machines on a torus whose weights are the same at all sites: their units, their weights, and means over sites.

Every feature has a hidden unit at every site, and a weight is that of a feature and of the way from its site to that of
the visible unit (H. Lee et al., ICML 2009).  Data that translations leave alike then teach each weight at all sites at
once.  An Ising model with nearest neighbours needs two features, one for the bonds of each direction.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from physnn.models.boltzmann import Machine

FIRST_WEIGHT = 0.3
"""Weight of a unit to its own site in the beginning, and deviation of those around it, dimensionless."""


class Translations:
    """Translations of a torus.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    colours : int
        Visible units of a site: 1, or the number of its colours.
    features : int
        Hidden units of a site; those of a feature lie side by side, in the order of the sites.
    """

    def __init__(self, shape: tuple[int, int], colours: int, features: int) -> None:
        rows, columns = shape
        y, x = np.indices(shape).reshape(2, -1)
        way = (y[:, None] - y) % rows * columns + (x[:, None] - x) % columns
        kind = (way[:, None, None, :] * colours + np.arange(colours)[:, None, None]) * features
        kind = (kind + np.arange(features)[:, None]).ravel()
        self.shape, self.sites, self.colours, self.features = shape, rows * columns, colours, features
        self.kinds = kind.astype(np.int32)
        self.places = np.argsort(kind, kind="stable").astype(np.int32).reshape(-1, self.sites)

    def weights(self, each: np.ndarray) -> np.ndarray:
        """Weights (visible, hidden), each replaced by the mean over those that translations make of it."""
        mean = each.ravel()[self.places].mean(axis=1)
        return np.asarray(mean[self.kinds].reshape(each.shape))

    def visible(self, each: np.ndarray) -> np.ndarray:
        """Values of the visible units, each replaced by its mean over sites."""
        return np.tile(each.reshape(self.sites, self.colours).mean(axis=0), self.sites)

    def hidden(self, each: np.ndarray) -> np.ndarray:
        """Values of the hidden units, each replaced by its mean over sites."""
        return np.repeat(each.reshape(self.features, self.sites).mean(axis=1), self.sites)

    def begin(self, machine: Machine) -> Machine:
        """Machine at the beginning: weights of the units at the first site, at all sites, and larger ones around each.

        These fall with the distance r as ``exp(-r^2 / 2)``.  So features differ near their sites from the start; else
        they first learn long waves, all alike, and take long to part.
        """
        rows, columns = self.shape
        y, x = np.indices(self.shape).reshape(2, -1)
        near = np.exp(-(np.minimum(y, rows - y) ** 2 + np.minimum(x, columns - x) ** 2) / 2)
        first = machine.weights[:, :: self.sites]
        first = first * (1 + FIRST_WEIGHT / first.std() * np.repeat(near, self.colours)[:, None])
        first[np.arange(self.features) % self.colours, np.arange(self.features)] += FIRST_WEIGHT
        spread = first.ravel()[self.kinds].reshape(machine.weights.shape)
        return replace(machine, weights=spread)
