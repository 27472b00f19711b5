"""Do zeros or constants between the components of word embeddings help transformers to judge film reviews?

Source: sections 2.3 and 6.3.2 of "Symmetry Breaking in Neural Network Optimization: Insights from Input Dimension
Expansion", which reports 83.67 % of right answers in place of 83.40 % (IMDB: A. L. Maas et al., ACL 2011).  Here all
forms are trained from the same seeds, with the same batches and dropout, until they are right as often as naive Bayes:
inner width 192, 96 tokens, 4,700 reviews, 400 steps.  Zeros are held against what they are, a linear layer with smaller
first weights.

Run: python sims/sentiment.py DATA [FOLDER [SEEDS [STEPS]]]; DATA are reviews as `physnn train sentiment` takes them.
A seed takes nine minutes of one core.  The results are kept in the folder, so that more seeds continue.
"""

import sys
import time
from pathlib import Path

from physnn import api
from physnn.answers.plots import plot_sentiment
from physnn.answers.training.sentiment import sentiment_answer

FIGURE = Path("docs/figures/sentiment.png")
SETTINGS = {"train": 4700, "lr": 2e-3}
"""Settings that are not the default's: all training reviews of the subset but those for validation."""


def main(data: str, folder: str = "sims/output", seeds: str = "3", steps: str = "400") -> None:
    """Train, print right answers and claims, and draw them."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    start, out = time.perf_counter(), Path(folder) / "sentiment.h5"
    choice = SETTINGS | {"data": data, "seeds": tuple(range(int(seeds))), "steps": int(steps)}
    recipe = api.recipe("train-sentiment", out, out.exists(), **choice)
    for row in recipe.power():
        print(f"before: {row.meaning} ({row.effect} points) takes {row.seeds} seeds, scatter {row.scatter:.2g}")
    api.run(recipe, out, jobs=1, extend=out.exists())
    answer = sentiment_answer(out)
    for arm, share in answer.accuracy.items():
        more = f"best validation {answer.chosen[arm]}, cross-entropy {answer.loss[arm]}"
        print(f"{arm}: {share} % over seeds, {answer.over_reviews[arm]} over reviews, {more}")
    for arm, apart in answer.difference.items():
        over = f"{answer.difference_over_reviews[arm]} over reviews, {answer.reviews_needed[arm]:,} reviews needed"
        print(f"{arm} - none: {apart} points over seeds, {over}")
    print(", ".join(f"{name}: {each} %" for name, each in answer.bars.items()))
    print(f"zeros and linear-small: logits differ by {answer.identity} in the first steps")
    for c in answer.claims:
        print(f"{c.form} after {c.mark}: {c.difference} points more wrong, p = {c.p_value:.2g}: {c.verdict}")
    for row in answer.power:
        print(f"after: {row.meaning}, scatter {row.scatter:.2g} ({row.source}): {row.seeds} seeds")
    print(plot_sentiment(out, FIGURE))
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
