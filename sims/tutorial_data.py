"""The table that the tutorial starts from: synthetic Binder cumulants with a known critical point and exponent.

Truth: T_c = 2.269, 1/nu = 1, sizes 16 to 128, 21 temperatures each, errors of 0.003, logistic master curve between 0
and 2/3.  The errors are those of a run of a few minutes; the numbers are no simulation of anything.
"""

from pathlib import Path

import numpy as np

from physnn import rng

T_C, INVERSE_NU, ERROR = 2.269, 1.0, 0.003
OUT = Path("docs/binder.csv")


def main() -> None:
    """Write the table."""
    generator = rng.stream(0, "synthetic", "tutorial")
    lines = ["L,T,U4,error"]
    for L in (16, 32, 64, 128):
        for T in np.linspace(2.10, 2.44, 21):
            u = (T - T_C) * L**INVERSE_NU
            y = 2 / 3 / (1 + np.exp(u - 2.3)) + ERROR * generator.standard_normal()
            lines.append(f"{L},{T:.4f},{y:.5f},{ERROR}")
    OUT.write_text("\n".join(lines) + "\n")
    print(OUT)


if __name__ == "__main__":
    main()
