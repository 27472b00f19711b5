"""How many image pairs of the transmogrifier are drawn a second?  Training at 32 x 32 takes about 90."""

import time

from physnn import rng
from physnn.networks.tasks.transmogrifier import Transmogrifier

PAIRS = 2000


def main() -> None:
    """Print the rates of both densities at three sizes, one core."""
    for density in ("matched", "paper"):
        for L in (32, 64, 128):
            task, generator = Transmogrifier(L, density), rng.stream(0, "figure", "rate")
            start = time.perf_counter()
            for _ in range(PAIRS):
                task.pair(generator)
            print(f"{density}, L = {L}: {PAIRS / (time.perf_counter() - start):.0f} pairs a second")


if __name__ == "__main__":
    main()
