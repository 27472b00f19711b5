"""Exponents of the 2D Ising and 3-state Potts models from their critical temperature alone.

Exact: T_c = 2/ln(1 + sqrt 2) of the Ising model and 1/ln(1 + sqrt 3) of the Potts model; beta/nu = 1/8, gamma/nu = 7/4
and a specific heat that grows as (8 K_c^2/pi) ln L (L. Onsager, Phys. Rev. 65 (1944) 117; C. N. Yang, ibid. 85 (1952)
808); beta/nu = 2/15, gamma/nu = 26/15 and alpha/nu = 2/5 for q = 3 (F. Y. Wu, Rev. Mod. Phys. 54 (1982) 235).  The
exact specific heat of finite Ising tori (B. Kaufman, Phys. Rev. 76 (1949) 1232), with errors put on it, says from which
precision on a logarithm is told from a power law; at other temperatures no law may be found.
"""

import math
import time
from collections import Counter
from pathlib import Path

import numpy as np

import physnn
from physnn import rng
from physnn.analysis.statistics.estimate import Estimate
from physnn.exact.ising.kaufman import kaufman
from physnn.figures.size_law import size_law_figure
from physnn.figures.style import save

SIZES = (8, 12, 16, 24, 32, 48, 64, 96, 128)
MODELS = {"ising": {"chains": 16}, "potts": {"chains": 4, "q": 3}}
T_C = {"ising": 2 / math.log1p(math.sqrt(2)), "potts": 1 / math.log1p(math.sqrt(3))}
EXACT = {"ising": {"m_abs": 1 / 8, "chi": 7 / 4, "c": 0.0}, "potts": {"m_abs": 2 / 15, "chi": 26 / 15, "c": 2 / 5}}
AWAY = (1.0, 0.99, 0.97, 1.01, 1.03)
"""Temperatures of the exact specific heat, over the critical one."""
SETS = 40
FIGURE = Path("docs/figures/at_criticality.png")


def measured(model: str) -> None:
    """Print the exponents of a model from a sweep at its critical temperature."""
    out, start = Path(f"at_criticality_{model}.h5"), time.process_time()
    physnn.sweep_temperature(SIZES, T=(T_C[model],), out=out, model=model, jobs=1, **MODELS[model])
    print(f"{model}: sweep, {time.process_time() - start:.0f} s of this process, L = {SIZES[0]} to {SIZES[-1]}")
    for observable, exact in EXACT[model].items():
        answer = physnn.fit(out, observable, at_criticality=True)
        print("\n".join(answer.lines()))
        if named := answer.named():
            sigma = (named[1].value - exact) / named[1].error
            print(f"  exact {named[0]} = {exact:.5g}: {sigma:+.1f} errors; 95 %: {named[1].interval()}")
        if model == "ising" and observable == "m_abs":
            print(save(size_law_figure(answer), FIGURE))


def precision() -> None:
    """Print the verdicts on the exact specific heat with errors put on it, at the critical temperature and away."""
    L = np.array(SIZES[:7], float)
    for ratio in AWAY:
        T = ratio * T_C["ising"]
        exact = np.array([kaufman((int(side), int(side)), T).c for side in L])
        for share in (1e-2, 3e-3, 1e-3):
            verdicts, slopes = Counter(), []
            for k in range(SETS):
                noise = rng.stream(k, "synthetic", "specific heat").standard_normal(len(L))
                answer = physnn.fit_arrays(
                    L, None, exact * (1 + share * noise), share * exact, observable="c", at_criticality=True
                )
                verdicts[answer.verdict] += 1
                slopes += [answer.slope] if isinstance(answer.slope, Estimate) else []
            mean = f", slope {np.mean([s.value for s in slopes]):.4f}" if slopes else ""
            print(f"specific heat at {ratio:g} T_c, errors of {share:g}: {dict(verdicts)}{mean}")
    print(f"exact slope {2 * math.log1p(math.sqrt(2)) ** 2 / math.pi:.4f}")


def main() -> None:
    """Measure and fit both models; the exact specific heat."""
    start = time.perf_counter()
    for model in MODELS:
        measured(model)
    precision()
    print(f"all: {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
