"""Is the answer of a trained network a fixed point, or a moment of a trajectory?

A network trained at one depth without any constraint may end in a cycle of its dynamics, so that its error at T + 1
differs from that at T.  Source of the question: N. Iqbal and M. Welling, "Topological defects propagate information
in deep neural networks", A.3, which calls the dynamics out of equilibrium.
"""

import time

import physnn
from physnn.networks.kuramoto.evaluate import load_network
from physnn.networks.kuramoto.recipe import TrainingRecipe
from physnn.networks.kuramoto.training import validation_rmse
from physnn.shipped import bundled

EXTRA_STEPS = (-2, -1, 0, 1, 2, 3, 4)
PAIRS, SEED = 256, 1000


def main() -> None:
    """Print the RMSE on fresh images at depths around the trained one."""
    start = time.perf_counter()
    print("RMSE at T + n, n =", *(f"{n:7d}" for n in EXTRA_STEPS))
    for path in bundled("kuramoto*.h5"):
        file = physnn.read_networks(path)
        known = {key: value for key, value in file.recipe.items() if key in TrainingRecipe.model_fields}
        for seed, network_id in zip(file.seeds, file.ids, strict=True):
            network = load_network(str(path), network_id, "cpu")
            values = []
            for n in EXTRA_STEPS:
                recipe = TrainingRecipe(**known | {"steps": file.recipe["steps"] + n, "validation_pairs": PAIRS})
                values.append(validation_rmse(network, recipe, SEED))
            print(f"{path.stem:>20} seed {seed}:  ", *(f"{v:7.4f}" for v in values))
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
