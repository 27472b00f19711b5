"""A field splits the degenerate levels of the Ising model: exact counts, and a thousand random configurations.

Source: section 3.1 and figure 5 of "Symmetry Breaking in Neural Network Optimization: Insights from Input Dimension
Expansion".  The paper sorts the energies of 1,000 random configurations; the numbers of all configurations of each
energy are exact here (transfer-matrix polynomials).
"""

from pathlib import Path

from physnn.exact.ising.levels import ising_landscape, random_energies
from physnn.figures.landscapes import ising_landscape_figure
from physnn.figures.style import save

DRAWN, EXACT = (10, 10), (6, 6)
FIGURE = Path("docs/figures/ising_landscape.png")


def main() -> None:
    """Count, print and draw."""
    energies = dict(zip((0.0, 0.5), random_energies(DRAWN, (0.0, 0.5)), strict=True))
    for h, values in energies.items():
        print(f"h = {h}: {len(set(values.tolist()))} distinct energies among {len(values)} random configurations")
    exact = {h: ising_landscape(EXACT, str(h)) for h in (0.0, 0.02, 0.1)}
    for h, g in exact.items():
        print(f"{EXACT[0]} x {EXACT[1]}, h = {h}: {g.distinct} levels, the largest {g.max_degeneracy:,}, lowest")
        print("   ", ", ".join(f"{e:g}: {c}" for e, c in zip(g.levels[:5], g.counts[:5], strict=True)))
    print(save(ising_landscape_figure(DRAWN, energies, exact, EXACT), FIGURE))


if __name__ == "__main__":
    main()
