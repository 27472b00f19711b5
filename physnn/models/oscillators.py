"""Oscillators with natural frequencies: how these are distributed, who is coupled to whom, and where order begins.

    d theta_i / dt = omega_i + K sum_j A_ij sin(theta_j - theta_i) + xi_i,
    <xi_i(t) xi_j(t')> = 2 D delta_ij delta(t - t'),

with A_ij = 1/n for all pairs, or the bonds of a lattice or a graph (Y. Kuramoto, Lect. Notes Phys. 39 (1975) 420).
Frequencies, K and D are in rad/s; any other unit of time will do.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from physnn.errors import InputError

Distribution = Literal["lorentzian", "gaussian", "uniform", "equal"]
Method = Literal["euler", "heun", "rk4"]
DISTRIBUTIONS: tuple[Distribution, ...] = ("lorentzian", "gaussian", "uniform", "equal")
"""Distributions of natural frequencies around 0: half width at half maximum, standard deviation, half width; all 0."""
MOST_EDGES = 10**8
"""Edges of a graph at most."""
LARGEST_RATE = 1e6
"""Largest frequency in rad/s, and weight of an edge: phases of faster oscillators lose their digits."""


@dataclass(frozen=True)
class Frequencies:
    """Distribution g of natural frequencies, symmetric around 0.

    Parameters
    ----------
    name : {"lorentzian", "gaussian", "uniform", "equal"}
        Shape.
    width : float
        Half width at half maximum gamma, standard deviation, or half width, in rad/s.
    regular : bool
        The quantiles (2 i + 1) / 2n instead of independent draws.

    Raises
    ------
    InputError
        If there is no such distribution, or the width is not positive.
    """

    name: Distribution = "lorentzian"
    width: float = 0.5
    regular: bool = False

    def __post_init__(self) -> None:
        if self.name not in DISTRIBUTIONS:
            raise InputError(
                f"there is no distribution {self.name!r} of frequencies; {', '.join(DISTRIBUTIONS)} are known"
            )
        if not (self.width > 0 and math.isfinite(self.width)):
            raise InputError(f"the width of the frequencies must be a positive number, not {self.width}")

    def draw(self, n: int, generator: np.random.Generator) -> np.ndarray:
        """Frequencies of n oscillators in rad/s, shape ``(n,)``."""
        u = (np.arange(n) + 0.5) / n if self.regular else (generator.integers(2**53, size=n) + 0.5) * 2.0**-53
        if self.name == "lorentzian":
            return np.asarray(self.width * np.tan(math.pi * (u - 0.5)))
        if self.name == "gaussian":
            from scipy.special import ndtri

            return np.asarray(self.width * ndtri(u))
        return (2 * u - 1) * (self.width if self.name == "uniform" else 0.0)

    def critical_coupling(self, noise: float = 0.0) -> float:
        """K_c in rad/s of oscillators that are all coupled, 2 / integral g(w) D / (D^2 + w^2) dw (units of rad/s).

        Without noise that is 2 / (pi g(0)); of a Lorentzian it is 2 (D + gamma) (H. Sakaguchi, Prog. Theor. Phys. 79
        (1988) 39).  Uniform frequencies without noise order at once, with r = pi/4 (D. Pazo, Phys. Rev. E 72 (2005)
        046211).
        """
        if self.name == "equal":
            return 2 * noise
        if self.name == "lorentzian":
            return 2 * (noise + self.width)
        if self.name == "gaussian":
            from scipy.special import erfcx

            return 2 * self.width * math.sqrt(2 / math.pi) / float(erfcx(noise / (self.width * math.sqrt(2))))
        return 2 * self.width / math.atan2(self.width, noise)


@dataclass(frozen=True, eq=False)
class Network:
    """Who is coupled to whom: all to all, a square lattice, or a graph.

    Attributes
    ----------
    kind : {"all", "square", "graph"}
        What it is; on a square lattice with periodic boundaries each has four neighbours.
    starts, ends : ndarray of int64
        Neighbours of node i of a graph are ``ends[starts[i] : starts[i + 1]]``.
    weights : ndarray of float64
        A_ij of these, dimensionless.
    """

    kind: Literal["all", "square", "graph"] = "all"
    starts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    ends: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    weights: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def nodes(self) -> int:
        """Number of nodes of a graph; 0 where any number will do."""
        return max(0, len(self.starts) - 1)

    @property
    def degree(self) -> float:
        """Largest sum over j of |A_ij|, dimensionless."""
        if self.kind == "graph":
            return float(
                np.bincount(np.repeat(np.arange(self.nodes), np.diff(self.starts)), np.abs(self.weights)).max()
            )
        return 1.0 if self.kind == "all" else 4.0

    def check(self, n: int) -> None:
        """Raise InputError unless n oscillators may be coupled like this."""
        if n < 2:
            raise InputError(f"there must be two oscillators or more, not {n}")
        if self.kind == "square" and (math.isqrt(n) ** 2 != n or n < 9):
            # Neighbours on both sides would be one and the same at a side of 2.
            raise InputError(f"a square lattice has L^2 oscillators with L = 3 or more, not {n}")
        if self.kind == "graph" and n != self.nodes:
            raise InputError(f"the graph has {self.nodes} nodes, so it couples {self.nodes} oscillators, not {n}")


def graph_of(edges: np.ndarray, weights: np.ndarray | None = None, nodes: int = 0) -> Network:
    """Network of undirected edges.

    Parameters
    ----------
    edges : ndarray of int, shape (edges, 2)
        Nodes at both ends, from 0.
    weights : ndarray, shape (edges,), optional
        A_ij, by default 1.
    nodes : int
        Number of nodes, by default one more than the largest named.

    Raises
    ------
    InputError
        If an edge is named twice or leads from a node to itself, or a number is out of range: weights are at most
        `LARGEST_RATE`, and not all 0.
    """
    edges = np.asarray(edges, np.int64).reshape(-1, 2)
    w = np.ones(len(edges)) if weights is None else np.asarray(weights, float)
    if not len(edges) or edges.min() < 0:
        raise InputError("a graph needs edges between nodes that are numbered from 0")
    n = max(nodes, int(edges.max()) + 1)
    if n > 2 * len(edges) + nodes:
        raise InputError(f"{len(edges)} edges name a node {int(edges.max())}: number the nodes without gaps")
    if w.shape != (len(edges),) or not (np.abs(w) <= LARGEST_RATE).all() or not w.any():
        raise InputError(f"every edge has one weight, of magnitude {LARGEST_RATE:g} at most, and not all of them are 0")
    low, high = edges.min(1), edges.max(1)
    if (low == high).any():
        raise InputError(f"an edge leads from node {int(low[low == high][0])} to itself")
    both = low * n + high
    if len(np.unique(both)) < len(both):
        raise InputError("an edge is named twice; edges have no direction, so each pair is named once")
    sources, targets = np.concatenate([low, high]), np.concatenate([high, low])
    order = np.lexsort((targets, sources))
    starts = np.concatenate([[0], np.cumsum(np.bincount(sources, minlength=n))]).astype(np.int64)
    return Network("graph", starts, targets[order], np.concatenate([w, w])[order])


def _numbers(path: Path, columns: tuple[int, ...], what: str) -> tuple[np.ndarray, str]:
    """Numbers in the lines of a plain file, shape ``(lines, columns)``, and the digest of the file."""
    try:
        data = path.read_bytes()
        lines = [line.partition("#")[0].replace(",", " ").split() for line in data.decode().splitlines()]
        found = [line for line in lines if line]
        rows = [[float(word) for word in line] for line in found]
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as {what}: {str(error).splitlines()[0]}") from None
    if len(lengths := sorted({len(row) for row in rows})) > 1:
        raise InputError(f"{path} is not {what}: lines have {' and '.join(map(str, lengths[:2]))} numbers")
    table = np.array(rows)
    if table.ndim != 2 or table.shape[1] not in columns or not np.isfinite(table).all():
        raise InputError(f"{path} is not {what}")
    return table, hashlib.sha256(data).hexdigest()


def read_graph(path: Path) -> tuple[Network, str]:
    """Network of a plain file, and the digest of that file.

    Each line names an edge by two nodes, numbered from 0, and perhaps its weight; ``#`` begins a comment.

    Raises
    ------
    InputError
        If the file is not such a list, see `graph_of`.
    """
    what = "a list of edges, each with two nodes and perhaps a weight"
    table, digest = _numbers(path, (2, 3), what)
    ends = table[:, :2]
    if (ends != np.floor(ends)).any():
        raise InputError(f"{path} is not {what}: nodes are whole numbers")
    if len(ends) > MOST_EDGES or ends.max() > 2 * MOST_EDGES:
        raise InputError(
            f"{path} has too large a graph: at most {MOST_EDGES:,} edges, and nodes up to {2 * MOST_EDGES:,}"
        )
    return graph_of(ends.astype(np.int64), table[:, 2] if table.shape[1] == 3 else None), digest


def read_frequencies(path: Path) -> tuple[np.ndarray, str]:
    """Natural frequencies of a plain file in rad/s, one in a line, shape ``(n,)``, and the digest of that file.

    Raises
    ------
    InputError
        If the file is no such list, or a frequency is beyond `LARGEST_RATE`.
    """
    table, digest = _numbers(path, (1,), "a list of natural frequencies, one in a line")
    if np.abs(table).max() > LARGEST_RATE:
        raise InputError(f"{path} has a frequency of more than {LARGEST_RATE:g} rad/s: take another unit of time")
    return table[:, 0], digest
