"""Do constants in the input help networks that solve differential equations, and what of it is a step of one bias?

Source: sections 2.2 and 6.2.2 of "Symmetry Breaking in Neural Network Optimization: Insights from Input Dimension
Expansion", which appends the means of the inputs and reports smaller errors for 15 of 20 equations.  Here ten of these
equations are trained with constants and as `physnn.expansion_law` says from the same seeds, beside other steps of the
first bias alone and raw networks from other seeds as the null.  Errors are compared at every mark of the training.
Where constants change something, all parts of the law, more steps of the bias, and inputs in units of their ranges are
trained, too.

Run: python sims/pde.py [FOLDER [SEEDS [STEPS [PROBLEM ...]]]]; 8 seeds and 1,000 steps take 7 minutes of one core.
With ``large`` for SEEDS the networks and steps are the source's, with six seeds and fewer points: an hour of one core
for a problem in two dimensions.  With ``paper`` points and seeds are its own, too: thousands of core-hours, which are
printed first.  Trained networks are kept in the folder, so that it continues.
"""

import sys
import time
from collections import Counter
from pathlib import Path

from physnn import api
from physnn.answers.training.pde import pde_answers
from physnn.figures.style import save
from physnn.figures.training.pde import study_figure
from physnn.networks.pde.problems import PROBLEMS
from physnn.samples.cost import plan
from physnn.samples.training.pde import PAPER

FIGURE = Path("docs/figures/pde.png")
ARMS = ("raw", "other", "expanded", "law", "step", "bias10")
FURTHER = ("init", "bias0.3", "bias3", "scaled")
CLOSER = ("poisson-nd", "lid-driven")
"""Arms of all problems, further ones, and the problems that have these: where constants change something."""
SMALL = {"width": (32,), "depth": 3, "points": 256}
"""Networks and points of the usual run."""
LARGE = {"width": (100,), "depth": 5, "points": 512, "steps": 20_000, "seeds": tuple(range(6))}
"""Networks and steps of the source, at fewer points; arms are `ARMS_OF_LARGE`."""
ARMS_OF_LARGE = ("raw", "other", "expanded", "law")


def main(folder: str = "sims/output", seeds: str = "8", steps: str = "1000", *names: str) -> None:
    """Train, print errors and claims, and draw all problems side by side where none are named."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    answers = {}
    for name in names or tuple(PROBLEMS):
        if seeds == "paper":
            settings = PAPER | {"points": PROBLEMS[name].paper.domain}
        else:
            settings = LARGE if seeds == "large" else SMALL | {"steps": int(steps), "seeds": tuple(range(int(seeds)))}
        arms = ARMS_OF_LARGE if seeds == "large" else ARMS + FURTHER * (name in CLOSER)
        recipe = api.recipe("train-pde", problem=name, arms=arms, **settings)
        if seeds in ("large", "paper"):
            print(f"{name}: {plan(recipe, 1)['seconds'] / 3600:.1f} core-hours", flush=True)
        start, out = time.perf_counter(), Path(folder) / f"pde_{name}{'_large' * (seeds == 'large')}.h5"
        api.run(recipe, out, jobs=1, extend=out.exists())
        (answers[name],) = pde_answers(out)
        answer = answers[name]
        for arm, error in answer.error.items():
            lost = f", {answer.diverged[arm]} diverged" if answer.diverged[arm] else ""
            print(f"{name}, {arm}: relative error {error}, largest {answer.max_error[arm]}{lost}")
        for c in answer.claims:
            print(f"{name}, {c.form} after {c.mark}: {c.difference} in log10, p = {c.p_value:.1g}: {c.verdict}")
        print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
    for arm in (*ARMS[1:], *FURTHER):
        for mark in next(iter(answers.values())).marks:
            told = [c.verdict for a in answers.values() for c in a.claims if (c.form, c.mark) == (arm, mark)]
            counts = Counter(verdict.split(" (")[0] for verdict in told)
            if not told:  # an arm that was not trained
                continue
            print(f"{arm} after {mark}: " + ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items())))
    if not names:
        print(save(study_figure({name: a.claims for name, a in answers.items()}), FIGURE))


if __name__ == "__main__":
    main(*sys.argv[1:])
