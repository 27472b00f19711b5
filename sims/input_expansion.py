"""Does filling expanded images with a constant improve a classifier, at equal weights and at equal work?

Source: sections 2.1 and 6.1 of "Symmetry Breaking in Neural Network Optimization: Insights from Input Dimension
Expansion": images expanded by 2, the pixels in between 0.5, pooling so that the number of weights stays the same.  The
control that the paper lacks: images enlarged by nearest neighbours, which have the same size and need the same work.
Then other factors and fills.

    python sims/input_expansion.py                     digits, in ten minutes
    python sims/input_expansion.py PATH fashion|cifar  10,000 images of Fashion-MNIST or CIFAR-10, an hour

Trained networks are kept in ``sims/output`` (or the folder named by a third argument), so that it continues.
"""

import sys
from pathlib import Path

from physnn.analysis.statistics.estimate import Estimate, mean_over
from physnn.analysis.statistics.pairs import paired_difference
from physnn.answers.plots import plot_ensembles
from physnn.answers.training.forms import paired_tests
from physnn.figures.style import COLOURS, MARKERS, new_figure, save
from physnn.networks.classifiers.replicas import ClassifierRecipe
from physnn.networks.tasks.problem import ProblemRecipe
from physnn.samples.training.classifiers import train_ensembles

FIGURES = {
    "digits": "expansion_digits.png",
    "fashion": "expansion_fashion.png",
    "cifar": "expansion_cifar.png",
}
"""Names of data sets, and of their figures."""
FILLS = (0.0, 0.25, 0.5, 1.0, "random", "pattern")
FACTORS = (2, 3, 4)
FOLDER = Path("docs/figures")


def percent(e: Estimate) -> Estimate:
    """Return an estimate in percentage points."""
    return Estimate(100 * e.value, 100 * e.error, e.dof)


def three_forms(data: str, name: str, folder: Path, train: int | None, seeds: int) -> None:
    """Train on raw, expanded and enlarged images, print differences and draw them."""
    recipe = ClassifierRecipe(epochs=30)
    members = {
        form: (recipe, ProblemRecipe(data=data, train=train, form=form, factor=2, fill=0.5))
        for form in ("raw", "expanded", "upsampled")
    }
    file = train_ensembles(members, range(seeds), out=folder / f"{name}.h5")
    found = {form: e.measured for form, e in file.ensembles.items()}
    for form, m in found.items():
        accuracy, training = mean_over(100 * m["test_accuracy"]), 100 * m["train_accuracy"].mean()
        print(f"{name}, {form}: accuracy {accuracy} %, training {training:.2f} %, loss {mean_over(m['test_loss'])}")
    for (a, b), test in paired_tests(file).items():
        print(f"{name}, {a} - {b}: {percent(test.estimate)} percentage points, p = {test.p_value:.2g}, {test.n} seeds")
    print(plot_ensembles(folder / f"{name}.h5", FOLDER / FIGURES[name]))


def fills_and_factors(folder: Path) -> None:
    """Train on digits with other fills and factors, and draw the differences to raw images."""
    recipe = ClassifierRecipe(epochs=30)
    forms = {"raw": ProblemRecipe()}
    forms |= {f"fill {fill}": ProblemRecipe(form="expanded", fill=fill) for fill in FILLS}
    forms |= {f"factor {f}": ProblemRecipe(form="expanded", factor=f) for f in FACTORS[1:]}
    forms |= {f"enlarged {f}": ProblemRecipe(form="upsampled", factor=f) for f in FACTORS}
    forms |= {"more weights": ProblemRecipe(form="expanded")}
    members = {
        name.replace(" ", "_"): (
            ClassifierRecipe(epochs=30, pooled=False) if name == "more weights" else recipe,
            problem,
        )
        for name, problem in forms.items()
    }
    file = train_ensembles(members, range(10), out=folder / "digits_fills.h5")
    raw = file.ensembles["raw"].measured["test_accuracy"]
    figure = new_figure(10, 4.2)
    axes = figure.subplots()
    shown = [k for k in file.ensembles if k != "raw"]
    for k, name in enumerate(shown):
        test = paired_difference(file.ensembles[name].measured["test_accuracy"], raw)
        print(f"digits, {name} - raw: {percent(test.estimate)} percentage points, p = {test.p_value:.2g}")
        style = {"color": COLOURS[0 if "fill" in name else 1 if "factor" in name else 2], "marker": MARKERS[0]}
        axes.errorbar(k, 100 * test.estimate.value, yerr=100 * test.estimate.error, capsize=3, **style)
    axes.axhline(0, color="0.5", lw=0.8)
    axes.set_xticks(range(len(shown)), [n.replace("_", "\n") for n in shown], fontsize=8)
    axes.set(
        ylabel="accuracy less that of raw images\n(percentage points)", title="digits, SimpleCNN, 10 seeds, 30 epochs"
    )
    print(save(figure, FOLDER / "expansion_fills.png"))


def main() -> None:
    """Run on digits, or on a data set whose path and name are given."""
    folder = Path(sys.argv[3] if len(sys.argv) > 3 else "sims/output")
    folder.mkdir(exist_ok=True)
    if len(sys.argv) > 2:
        three_forms(sys.argv[1], sys.argv[2], folder, 10_000, 5)
        return
    three_forms("digits", "digits", folder, None, 10)
    fills_and_factors(folder)


if __name__ == "__main__":
    main()
