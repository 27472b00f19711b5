"""Observables of stored configurations of a lattice model, in the definitions of chains and with one more.

Chains measure inside compiled loops; here are the same numbers for configurations that come from somewhere else, such
as a trained network.
"""

from __future__ import annotations

import math

import numpy as np

from physnn.models.geometry import NOWHERE
from physnn.models.tabulated import LatticeModel, Tabulated


def columns_of_configurations(model: LatticeModel, colours: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of `physnn.models.QUANTITIES` of configurations, each (n,): energy per site, m and structure factors.

    Parameters
    ----------
    model : Ising, Potts or Tabulated
        The model; on lattices of its own it has no structure factors here.
    colours : ndarray of int8, shape (n, rows, columns)
        Configurations.
    """
    if isinstance(model, Tabulated):
        return _on_lattice(model, colours)
    n, sites = len(colours), colours[0].size
    like = sum((colours == np.roll(colours, 1, axis)).reshape(n, -1).sum(axis=1) for axis in (1, 2))
    energy = model.offset - model.bond * np.asarray(like) / sites
    q = model.q
    hits = colours[:, None] == np.arange(q)[:, None, None]
    density = hits.mean(axis=(2, 3))
    m2 = q / (q - 1) * ((density - 1 / q) ** 2).sum(axis=1)
    m = 2 * density[:, 0] - 1 if q == 2 else np.sqrt(m2)
    found = {"energy": energy - model.field * m if q == 2 else energy, "m": m}
    for name, axis, side in (("structure_x", 3, colours.shape[2]), ("structure_y", 2, colours.shape[1])):
        wave = np.exp(-2j * math.pi * np.arange(side) / side)
        lines = hits.mean(axis=5 - axis)
        found[name] = q / (q - 1) * sites * (np.abs(lines @ wave / side) ** 2).sum(axis=1)
    return found


def _on_lattice(model: Tabulated, colours: np.ndarray) -> dict[str, np.ndarray]:
    """Energy per site and order parameter on any lattice."""
    flat = colours.reshape(len(colours), -1)
    table = model.neighbours.table()
    kinds = np.where(table < 0, NOWHERE, model.neighbours.kinds[model.neighbours.patterns])
    pair, energy = model.pairs(), np.zeros(len(flat))
    for bond in range(table.shape[1]):  # every bond is met from both of its ends
        energy += 0.5 * pair[kinds[:, bond], flat, flat[:, table[:, bond]]].sum(axis=1)
    energy += np.array(model.site)[flat].sum(axis=1)
    order = np.array(model.order)[flat].mean(axis=1)
    m = order[:, 0] if order.shape[1] == 1 else np.sqrt((order**2).sum(axis=1))
    return {"energy": energy / flat.shape[1], "m": m}


def two_point(colours: np.ndarray, q: int) -> np.ndarray:
    """Two-point function of configurations, (n, distances), 1 at distance 0, at `two_point_distances`.

    It is ``q/(q - 1) sum_a <[s_i = a][s_j = a]> - 1/(q - 1)`` averaged over the sites and the directions of a square
    torus: of two colours the mean of ``s_i s_j``.
    """
    rows, columns = colours.shape[1:]
    total = np.zeros((len(colours), rows, columns))
    for a in range(q):
        power = np.abs(np.fft.rfft2(colours == a)) ** 2
        total += np.fft.irfft2(power, s=(rows, columns)) / (rows * columns)
    total = (q * total - 1) / (q - 1)
    total = 0.5 * (total + total.transpose(0, 2, 1)) if rows == columns else total
    return np.stack([total[:, y, x] for y, x in two_point_places(rows, columns)], axis=1)


def two_point_places(rows: int, columns: int) -> list[tuple[int, int]]:
    """Places relative to a site, (row, column), one of those that are alike on a square torus, the nearest first."""
    square = rows == columns
    places = [
        (y, x) for y in range(rows // 2 + 1) for x in range(columns // 2 + 1) if (x or y) and not (square and y > x)
    ]
    return sorted(places, key=lambda place: (place[0] ** 2 + place[1] ** 2, place))


def two_point_distances(rows: int, columns: int) -> np.ndarray:
    """Distances of `two_point`, in lattice constants."""
    return np.array([math.hypot(*place) for place in two_point_places(rows, columns)])
