"""What is each bundled network: gradient flow or cycle, a state that stays or a moment, uniform order or a wave?

Source of the question: N. Iqbal and M. Welling, "Topological defects propagate information in deep neural networks",
A.3, which calls the dynamics out of equilibrium.
"""

import time

from physnn.analysis.order.diagnosis import table
from physnn.samples.diagnosis import diagnose
from physnn.shipped import bundled


def main() -> None:
    """Print what `physnn diagnose` finds, as a table and in words."""
    start, found = time.perf_counter(), []
    for path in bundled("kuramoto*.h5"):
        found += diagnose(path)
    heading, rows = table(found)
    print("|", " | ".join(heading), "|")
    print("|---" * len(heading) + "|")
    for row in rows:
        print("|", " | ".join(row), "|")
    for d in found:
        rise = 0.0 if d.energy_rise is None else d.energy_rise
        print(f"{d.name}: energy rises by {rise:.1e} of its size at most. {d.verdict}")
    print(f"{time.perf_counter() - start:.0f} s for {len(found)} networks")


if __name__ == "__main__":
    main()
