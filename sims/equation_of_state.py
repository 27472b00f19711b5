"""Do constants appended to the temperature help networks that learn the equation of state of quarks and gluons?

Source: sections 2.2 and 6.2.1 of "Symmetry Breaking in Neural Network Optimization: Insights from Input Dimension
Expansion", which reports a better fit.  Here every form of the input is trained from the same seeds, beside what
`physnn.expansion_law` says the constants are, its parts, other scalings of the input, and raw networks from other seeds
as the null.  Errors are compared at every mark of the training.  A second run appends four constants of 1 GeV.

Run: python sims/equation_of_state.py [FOLDER [SEEDS [STEPS [RUN ...]]]]; 16 seeds and 5,000 steps take 50 minutes of
two cores.  Trained networks are kept in the folder, so that it continues.
"""

import sys
import time
from pathlib import Path

from physnn import api
from physnn.answers.plots import plot_state
from physnn.answers.training.equation_of_state import state_answer

FIGURE = Path("docs/figures/equation_of_state.png")
RUNS = {"mean": {}, "four": {"constants": (1.0, 1.0, 1.0, 1.0), "arms": ("raw", "expanded", "law", "init", "step")}}
"""Names and settings of the runs: the mean temperature as the constant, and four constants of 1 GeV."""


def main(folder: str = "sims/output", seeds: str = "16", steps: str = "5000", *names: str) -> None:
    """Train, print errors and claims of all runs or those named, and draw the first one."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name in names or tuple(RUNS):
        settings = RUNS[name]
        start, out = time.perf_counter(), Path(folder) / f"eos_{name}.h5"
        recipe = api.recipe("train-eos", seeds=tuple(range(int(seeds))), steps=int(steps), **settings)
        api.run(recipe, out)
        answer = state_answer(out)
        for arm, loss in answer.loss.items():
            rest = f"chi2/n {answer.chi2[arm]}, dm/dT up to {answer.bag[arm].value:.0%} of e"
            print(f"{name}, {arm}: deviation {loss}, {rest}")
        for c in answer.claims:
            print(f"{name}, {c.form} after {c.mark}: {c.difference} in log10, p = {c.p_value:.1g}: {c.verdict}")
        print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
    if "mean" in (names or RUNS):
        print(plot_state(Path(folder) / "eos_mean.h5", FIGURE))


if __name__ == "__main__":
    main(*sys.argv[1:])
