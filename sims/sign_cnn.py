"""Which symmetry may a convolutional network with weights +-1 have?  Every configuration on twelve 2 x 2 images.

Source: section 6.5 and figures 7 and 10 of "Symmetry Breaking in Neural Network Optimization: Insights from Input
Dimension Expansion".  What the paper leaves open is fixed in `physnn.models.sign_cnn`.
"""

from pathlib import Path

from physnn.exact.signs.cnn import cnn_landscape
from physnn.figures.landscapes import loss_landscape_figure
from physnn.figures.style import save
from physnn.models.sign_cnn import SIGN_CNN_VARIANTS, SignCNN, images_table

FIGURE = Path("docs/figures/sign_cnn.png")


def main() -> None:
    """Count all variants, print and draw them."""
    print(images_table())
    found = {name: cnn_landscape(SignCNN(name)) for name in SIGN_CNN_VARIANTS}
    for name, g in found.items():
        print(
            f"{name:18} 2^{g.weights} configurations, {g.distinct:,} levels, largest {g.max_degeneracy:,}, "
            f"lowest loss {g.levels[0]:.6f} ({g.counts[0]}, {g.minimum_fraction:.2g} of all), "
            f"smallest gap {g.closest:.1e}"
        )
    for seed in (0, 1):
        g = cnn_landscape(SignCNN("dropout", seed))
        print(f"dropout, mask {seed}: {g.distinct:,} levels, lowest loss {g.levels[0]:.6f} ({g.counts[0]})")
    print(save(loss_landscape_figure(found), FIGURE))


if __name__ == "__main__":
    main()
