"""Transmogrifier task: circle -> square -> triangle -> circle.

Source: N. Iqbal and M. Welling, "Topological defects propagate information in deep neural networks", section 2.2
and A.1.  Images are black and white outlines; foreground pixels are +0.5 and background pixels -0.5.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.spatial import cKDTree

from physnn.errors import InputError

SHAPE_NAMES = ("circle", "square", "triangle")
"""Shape names; shape ``k`` of the input becomes shape ``(k + 1) % 3`` of the target."""

ShapeDensity = Literal["matched", "paper"]
"""Name of a density of shapes, see `Transmogrifier`."""
FOREGROUND = 0.5
"""Value of pixels of a shape (dimensionless)."""
BACKGROUND = -0.5
"""Value of all other pixels (dimensionless)."""
COVERAGE = 1.2
"""Mean number of candidates in one exclusion square of the matched density (dimensionless); a convention."""
SITES_PER_SHAPE = 1024 / 3
"""Area per shape at the ``paper`` density's maximum: three shapes at most in a 32 x 32 image."""


@functools.cache
def outline(shape: str, radius: int) -> np.ndarray:
    """Pixel offsets (dy, dx) of an outline one pixel wide, shape ``(n, 2)``.

    The shape fills the box ``|dy|, |dx| <= radius``.  Circle: ``|sqrt(dy^2 + dx^2) - radius| < 1/2``; square: the
    box's rim; triangle: apex at the top, base at the bottom.
    """
    dy, dx = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    if shape == "circle":
        on = np.abs(np.hypot(dy, dx) - radius) < 0.5
    elif shape == "square":
        on = np.maximum(np.abs(dy), np.abs(dx)) == radius
    elif shape == "triangle":
        half_width = np.floor((dy + radius) / 2 + 0.5)
        on = (np.abs(dx) == half_width) | (dy == radius)
    else:
        raise ValueError(f"no shape {shape!r}; there are {SHAPE_NAMES}")
    return np.argwhere(on) - radius


@dataclass(frozen=True)
class Transmogrifier:
    """Random image pairs of the transmogrifier task.

    Parameters
    ----------
    L : int
        Side of the square image in pixels.
    density : {"matched", "paper"}
        ``matched``: a hard-core process on the torus without margins (Matern's second process, the age of a candidate
        deciding), with density ``(1 - exp(-COVERAGE)) / (2 D - 1)^2`` shapes per pixel, where ``D = 2 radius + 2`` is
        the smallest Chebyshev distance of two centres.  A candidate's fate depends only on candidates nearer than D,
        so density and pair statistics are those of the infinite plane: the density for ``L >= 2 D - 1``, the pair
        statistics at separations up to ``L - (2 D - 1)``, hence at all separations for ``L >= 2 (2 D - 1)``.
        ``paper``: uniformly 1 to a maximum of ``L^2 / SITES_PER_SHAPE`` shapes, anywhere inside the border.
    radius : int
        Half the side of a shape's bounding box, in pixels.

    Raises
    ------
    InputError
        If L is too small to hold the shapes.
    """

    L: int
    density: ShapeDensity = "matched"
    radius: int = 4

    def __post_init__(self) -> None:
        if 2 * self.distance - 1 > self.L:
            raise InputError(
                f"images of L = {self.L} are too small for shapes of radius {self.radius}: "
                f"take L >= {2 * self.distance - 1}"
            )

    @property
    def distance(self) -> int:
        """Smallest Chebyshev distance between two centres (pixels): one free pixel between two boxes."""
        return 2 * self.radius + 2

    def centres(self, rng: np.random.Generator) -> np.ndarray:
        """Centres (row, column) of one image's shapes, shape ``(n, 2)``."""
        return self._matched(rng) if self.density == "matched" else self._paper(rng)

    def _matched(self, rng: np.random.Generator) -> np.ndarray:
        rate = COVERAGE / (2 * self.distance - 1) ** 2
        candidates = rng.integers(0, self.L, (rng.poisson(rate * self.L**2), 2))
        # The order of drawing is the age: a candidate survives if no older one is too near, survivor or not.
        near = cKDTree(candidates, boxsize=self.L).query_pairs(self.distance - 0.5, p=np.inf, output_type="ndarray")
        survives = np.ones(len(candidates), bool)
        survives[near.max(1)] = False
        return np.asarray(candidates[survives])

    def _paper(self, rng: np.random.Generator) -> np.ndarray:
        wanted = rng.integers(1, max(1, round(self.L**2 / SITES_PER_SHAPE)) + 1)
        tries = rng.integers(self.radius, self.L - self.radius, (30 * wanted, 2))
        kept = np.empty((wanted, 2), np.int64)
        n = 0
        for centre in tries:
            if (np.abs(kept[:n] - centre).max(-1, initial=0) >= self.distance).all():
                kept[n] = centre
                n += 1
                if n == wanted:
                    break
        return kept[:n]

    def pair(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
        """Input, target and number of shapes of one pair; images have shape ``(L, L)``, dtype float32, values +-0.5."""
        centres = self.centres(rng)
        kinds = rng.integers(0, len(SHAPE_NAMES), len(centres))
        images = np.full((2, self.L, self.L), BACKGROUND, np.float32)
        for step, image in enumerate(images):
            for kind, shape in enumerate(SHAPE_NAMES):
                chosen = centres[(kinds + step) % len(SHAPE_NAMES) == kind]
                sites = (chosen[:, None] + outline(shape, self.radius)) % self.L
                image[sites[..., 0], sites[..., 1]] = FOREGROUND
        return images[0], images[1], len(centres)

    def pairs(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """N pairs from one generator: inputs and targets ``(n, L, L)``, numbers of shapes ``(n,)``."""
        inputs, targets, counts = zip(*(self.pair(rng) for _ in range(n)), strict=True)
        return np.stack(inputs), np.stack(targets), np.array(counts, np.int64)
