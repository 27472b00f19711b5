"""Do the error bars of a fit hold the truth as often as they say, and do verdicts err as rarely?

Synthetic data with a known answer: 3 to 6 sizes, 15 to 41 points each, noise of 0.2 to 2 % of the range, logistic,
tanh-like and asymmetric master curves (`tests.synthetic.planted`), fitted as ``physnn fit`` does.  An interval of 68 %
must hold the truth in 68 % of the sets.  For scale: pyfssa 0.7.6, patched to run, gave NaN errors in 36 of 80 such
sets, and optima 3.5 to 9 standard deviations off.

Run: python -m sims.fss_against_truth, from the top of the source tree, where the tests are.
"""

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from scipy import stats

from physnn import rng
from physnn.figures.style import COLOURS, new_figure, save
from tests.synthetic.trials import Trial, trial

SETS = 300
KINDS = ("networks 5", "networks 10", "plain", "zeta", "corrected", "omega")
LABELS = {
    "plain": r"$\zeta = 0$",
    "zeta": r"$\zeta/\nu$ fitted",
    "corrected": r"$L^{-\omega}$, $\omega$ held",
    "omega": r"$L^{-\omega}$, $\omega$ fitted",
    "networks 5": "5 networks",
    "networks 10": "10 networks",
}
PARAMETERS = (r"$x_c$", r"$1/\nu$", r"$\zeta/\nu$")
FIGURE = Path("docs/figures/fss_coverage.png")


def one(kind: str, seed: int) -> Trial:
    """Run one trial."""
    return trial(kind, rng.stream(seed, "synthetic", "coverage", kind))


def main(sets: int = SETS) -> None:
    """Run all trials on two cores, print a table and draw the figure."""
    results = {}
    with ProcessPoolExecutor(2) as pool:
        for kind in (*KINDS, "uncorrected", "flat", "edges"):
            start = time.perf_counter()
            results[kind] = list(pool.map(partial(one, kind), range(sets), chunksize=5))
            _print(kind, results[kind], time.perf_counter() - start)
            if kind == KINDS[-1]:
                print(_draw(results))


def _print(kind: str, trials: list[Trial], seconds: float) -> None:
    verdicts = {v: sum(t.verdict == v for t in trials) for v in sorted({t.verdict for t in trials})}
    print(f"{kind}: {verdicts}, {seconds:.0f} s")
    if kind == "uncorrected":
        print(f"  says that scaling is not perfect in {np.mean([t.warned for t in trials]):.0%}")
    answered = [t for t in trials if t.z and kind != "edges"]
    for k in range(max((len(t.z) for t in answered), default=0)):
        z = np.array([t.z[k] for t in answered])
        inside = np.array([t.inside[k] for t in answered])
        print(
            f"  {PARAMETERS[k]:12} 68 %: {inside[:, 0].mean():.1%}  95 %: {inside[:, 1].mean():.1%}  "
            f"mean z {z.mean():+.2f}  median {np.median(z):+.2f}  sd {z.std():.2f}"
        )


def _draw(results: dict[str, list[Trial]]) -> Path:
    figure = new_figure(11, 4.4)
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    place = 0
    ticks, names = [], []
    for kind in KINDS:
        answered = [t for t in results[kind] if t.z]
        first = place
        for k in range(len(answered[0].z)):
            inside = np.array([t.inside[k] for t in answered])
            for level, marker in ((0, "o"), (1, "s")):
                share = inside[:, level].mean()
                error = np.sqrt(share * (1 - share) / len(inside))
                left.errorbar(place, 100 * share, 100 * error, color=COLOURS[k], fmt=marker, ms=6, capsize=3)
            place += 1
        ticks.append((first + place - 1) / 2)
        names.append(LABELS[kind])
        place += 1
    for level, low, high in ((68.3, 60, 76), (95, 91, 98)):
        left.axhspan(low, high, color="0.92", lw=0)
        left.axhline(level, color="0.4", lw=1, ls="--")
    for k, name in enumerate(PARAMETERS):
        left.plot([], [], color=COLOURS[k], lw=4, label=name)
    left.plot([], [], "ko", label="68 % interval")
    left.plot([], [], "ks", label="95 % interval")
    left.set_xticks(ticks, names, fontsize=9)
    left.set(ylabel="sets whose interval holds the truth (%)", ylim=(50, 101))
    left.set_title(f"coverage over {len(results['plain'])} synthetic sets each", fontsize=10)
    left.legend(frameon=False, fontsize=8, ncols=2, loc="lower right")
    z = np.concatenate([t.z for kind in KINDS for t in results[kind] if t.z])
    grid = np.linspace(-4, 4, 200)
    right.hist(np.clip(z, -4, 4), bins=np.linspace(-4, 4, 41), density=True, color=COLOURS[5], label="all parameters")
    right.plot(grid, stats.norm.pdf(grid), color="k", lw=1.2, label="standard normal")
    right.set(xlabel="(estimate - truth) / error", ylabel="density")
    right.legend(frameon=False, fontsize=8)
    return save(figure, FIGURE)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SETS)
