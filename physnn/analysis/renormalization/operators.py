"""Operators of block configurations: sums of products over sites that a lattice symmetry maps on each other."""

from __future__ import annotations

from dataclasses import dataclass

Displacements = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Operator:
    """Sum over the lattice of products over the sites of some shapes.

    Attributes
    ----------
    name : str
        What it is called.
    shapes : tuple
        Displacements (row, column) of the sites of every shape, see `physnn.kernels.blocks`.
    """

    name: str
    shapes: tuple[Displacements, ...]

    def fits(self, H: int, W: int) -> bool:
        """Whether no two products on an ``H x W`` torus are the same, nor two sites of one.

        On smaller lattices some are counted twice, so that a coupling there is not what it was on the larger one.
        """
        if min(H, W) > 2 * max(abs(way) for shape in self.shapes for by in shape for way in by):
            return True
        found, count = set(), 0
        for shape in self.shapes:
            for y in range(H):
                for x in range(W):
                    sites = frozenset(((y + v) % H, (x + u) % W) for v, u in shape)
                    if len(sites) < len(shape):
                        return False
                    found.add(sites)
                    count += 1
        return len(found) == count


SITE = Operator("site", (((0, 0),),))
NEAREST = Operator("nearest", (((0, 0), (0, 1)), ((0, 0), (1, 0))))
DIAGONAL = Operator("diagonal", (((0, 0), (1, 1)), ((0, 0), (1, -1))))
PLAQUETTE = Operator("plaquette", (((0, 0), (0, 1), (1, 0), (1, 1)),))
THIRD_NEIGHBOURS = Operator("third", (((0, 0), (0, 2)), ((0, 0), (2, 0))))
FOURTH_NEIGHBOURS = Operator("fourth", tuple(((0, 0), by) for by in ((1, 2), (1, -2), (2, 1), (2, -1))))
_SQUARE = ((0, 0), (0, 1), (1, 0), (1, 1))
CORNER = Operator("corner", tuple(tuple(site for site in _SQUARE if site != left) for left in _SQUARE))
ROW_OF_THREE = Operator("row", (((0, 0), (0, 1), (0, 2)), ((0, 0), (1, 0), (2, 0))))

EVEN = {
    "ising": (NEAREST, DIAGONAL, PLAQUETTE, THIRD_NEIGHBOURS, FOURTH_NEIGHBOURS),
    "potts": (NEAREST, DIAGONAL, PLAQUETTE, CORNER, THIRD_NEIGHBOURS),
}
"""Operators without a direction of order by model, in the order in which they are added."""
ODD = {"ising": (SITE, CORNER, ROW_OF_THREE), "potts": (SITE, NEAREST, DIAGONAL)}
"""Operators that change sign with the spins, or that single out a colour; in the order in which they are added.

Products of Ising models are those of spins.  Products of Potts models are those of delta(sigma_i, c), summed over the
colours c where even, and less their mean over the colours where odd.
"""
