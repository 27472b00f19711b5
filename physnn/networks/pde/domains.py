"""Boxes with round holes, over time: points inside and on the boundary, evenly spread and always the same."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from physnn.errors import InputError

BASES = (2, 3, 5, 7, 11, 13, 17)
"""First primes: each coordinate has the digits of the point's number in one of them."""


def halton(n: int, dimensions: int) -> np.ndarray:
    """First n points of Halton's sequence in the unit cube, ``(n, dimensions)``.

    Digits of the number k in a prime base, in reverse behind the point: every stretch of the sequence fills the cube
    evenly (J. H. Halton, Numer. Math. 2 (1960) 84).
    """
    columns = []
    for base in BASES[:dimensions]:
        left, scale, found = np.arange(1, n + 1), 1.0, np.zeros(n)
        while left.any():
            scale /= base
            found += scale * (left % base)
            left = left // base
        columns.append(found)
    return np.array(columns).T.reshape(n, dimensions)


@dataclass(frozen=True)
class Ball:
    """Disk or ball that is cut out of a box."""

    centre: tuple[float, ...]
    radius: float

    def distances(self, points: np.ndarray) -> np.ndarray:
        """Distances of points from the centre, ``(n,)``; coordinates beyond those of space are time."""
        return np.asarray(np.linalg.norm(points[:, : len(self.centre)] - np.array(self.centre), axis=1))

    def surface(self) -> float:
        """Length of the circle, or area of the sphere."""
        return 2 * math.pi * self.radius if len(self.centre) == 2 else 4 * math.pi * self.radius**2


@dataclass(frozen=True)
class Region:
    """Box less holes, and a time from 0 to ``end`` as the last coordinate where there is one.

    Attributes
    ----------
    low, high : tuple of float
        Corners of the box, in space.
    holes : tuple of Ball
        What is cut out, in two or three dimensions.
    end : float, optional
        End of time.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    holes: tuple[Ball, ...] = ()
    end: float | None = None

    @property
    def _times(self) -> int:
        return 0 if self.end is None else 1

    def _placed(self, u: np.ndarray) -> np.ndarray:
        """Points of the box from points of the unit cube; what is left of the columns is time."""
        low, high = np.array(self.low), np.array(self.high)
        space = low + (high - low) * u[:, : len(low)]
        return np.hstack([space, u[:, len(low) :] * (self.end or 0.0)])

    def _outside(self, points: np.ndarray) -> np.ndarray:
        """Whether points are in no hole."""
        free: np.ndarray = np.ones(len(points), bool)
        for hole in self.holes:
            free &= hole.distances(points) > hole.radius
        return free

    def inside(self, n: int) -> np.ndarray:
        """The first n points of Halton's sequence that lie in no hole, ``(n, inputs)``."""
        tried = n
        while True:
            points = self._placed(halton(tried, len(self.low) + self._times))
            points = points[self._outside(points)]
            if len(points) >= n:
                return np.asarray(points[:n])
            tried *= 2
            if tried > 100 * n:
                raise InputError("the holes leave nothing of the box")

    def initial(self, n: int) -> np.ndarray:
        """Points at time 0, ``(n, inputs)``."""
        space = Region(self.low, self.high, self.holes).inside(n)
        return np.hstack([space, np.zeros((n, 1))])

    def share_of_walls(self) -> float:
        """Area of the faces of the box over that of the whole boundary."""
        sides = np.array(self.high) - self.low
        walls = 2 * float((sides.prod() / sides).sum())
        return walls / (walls + sum(hole.surface() for hole in self.holes))

    def walls(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Points on the faces of the box by their areas, ``(n, inputs)``, and outward normals, ``(n, space)``."""
        sides, d = np.array(self.high) - self.low, len(self.low)
        areas = np.repeat(sides.prod() / sides, 2)
        u = halton(n, d + self._times)
        face = np.searchsorted(np.cumsum(areas) / areas.sum(), u[:, 0], side="right")
        axis, side, rows = face // 2, face % 2, np.arange(n)
        # The coordinate along a face's normal is that side; the one that chose the face stands where it was.
        full = np.hstack([np.zeros((n, 1)), u[:, 1:]])
        full[rows, 0] = full[rows, axis]
        full[rows, axis] = side
        normals = np.zeros((n, d))
        normals[rows, axis] = 2 * side - 1
        return self._placed(full), normals

    def shores(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Points on the holes by their surfaces, ``(n, inputs)``, and normals out of the domain, ``(n, space)``."""
        d = len(self.low)
        surfaces = np.array([hole.surface() for hole in self.holes])
        u = halton(n, d + self._times)
        which = np.searchsorted(np.cumsum(surfaces) / surfaces.sum(), u[:, 0], side="right")
        angle = 2 * np.pi * u[:, 1]
        outward = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        if d == 3:
            height = 2 * u[:, 2:3] - 1
            outward = np.hstack([np.sqrt(1 - height**2) * outward, height])
        centres = np.array([hole.centre for hole in self.holes])[which]
        radii = np.array([hole.radius for hole in self.holes])[which, None]
        times = u[:, d:] * (self.end or 0.0)
        return np.hstack([centres + radii * outward, times]), -outward
