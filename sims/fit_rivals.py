"""The same synthetic data through physnn, pyfssa and a Gaussian process: bias, coverage and time.

Sets are those of `sims.fss_against_truth` with zeta = 0: as they are, with a correction to scaling of omega = 1, with
runs that all control values of a size share, and with errors that are stated as half of what they are.  The rivals:

* pyfssa 0.7.6 (A. Sorge), on PyPI as ``fssa``: minimises Houdayer and Hartmann's S by Nelder and Mead, errors from the
  curvature of S.  It always fits zeta.  What has to be patched for a present numpy and scipy, and is below, in memory:
  ``numpy.asfarray`` and ``numpy.int`` are gone, and so is the private module ``scipy.optimize.optimize`` with
  ``wrap_function`` and ``_status_message``.  It needs ``future`` no more, since ``builtins`` is that of Python 3.
* scikit-learn's `GaussianProcessRegressor` as a collapse: the marginal likelihood of y over u = (x - x_c) L^(1/nu) with
  a constant times a squared exponential and the errors as noise, as large as possible over x_c, 1/nu and both numbers
  of the kernel; errors from its curvature there.  This is the idea of K. Harada, Phys. Rev. E 84, 056704 (2011).

Both begin in the middle of the control values, and get no truth.  Neither is a dependency of physnn: in an environment
of their own, ``pip install fssa scikit-learn numpy scipy``, with the source tree of physnn on PYTHONPATH; one that is
not there is left out.

Times are those of one core on tables of 150 rows, 5 sizes of 30 points, physnn with its defaults and 200 bootstrap
samples: both fit each table by turns in one process, after a first fit that loads what they need, and the least of
three times of each counts.

Run: python -m sims.fit_rivals [SETS], or python -m sims.fit_rivals times [TABLES] for the times alone, from the top of
the source tree, where the tests are.
"""

import sys
import time
import types
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import optimize

import physnn
from physnn import rng
from physnn.analysis.verdict.fit import Omega
from tests.synthetic.planted import MASTERS, Planted, Recipe, planted

SETS = 60
TABLES = 8
SHAPES = ("begun at the truth", "any exponent", "corrected", "wide")
"""Tables that are timed: x_c in the middle and nu = 1, where pyfssa begins; both anywhere; with a correction of
omega = 1 as well; control values three times as far."""
KINDS = ("plain", "corrected", "shared runs", "errors halved")
Answer = tuple[np.ndarray, np.ndarray]
"""Values of (x_c, 1/nu) and their errors; NaN where there are none."""
NOTHING = np.full(2, np.nan), np.full(2, np.nan)


def made(kind: str, generator: np.random.Generator) -> Planted:
    """Planted data of a kind."""
    if kind == "corrected":
        return planted(generator, correction=0.3, omega=1.0)
    data = planted(generator)
    if kind == "errors halved":
        return replace(data, error=data.error / 2)
    if kind == "shared runs":
        x = np.unique(data.x)
        # Runs correlate values over a third of the range.
        correlation = np.exp(-(((x[:, None] - x) / (np.ptp(x) / 3)) ** 2) / 2)
        factor = np.linalg.cholesky(correlation + 1e-9 * np.eye(len(x)))
        clean = planted_mean(data)
        noise = np.concatenate([factor @ generator.standard_normal(len(x)) for _ in np.unique(data.L)])
        return replace(data, y=clean + data.error * noise)
    return data


def planted_mean(data: Planted) -> np.ndarray:
    """Values of a set without noise, for zeta = 0."""
    return MASTERS[data.master]((data.x - data.critical_point) * data.L**data.inverse_nu)


def by_physnn(data: Planted, omega: Omega = None) -> Answer:
    """What ``physnn fit`` gives, with its defaults or without a free correction to scaling."""
    best = physnn.fit_arrays(data.L, data.x, data.y, data.error, omega=omega).collapse
    if best is None:
        return NOTHING
    pair = best.critical_point, best.inverse_nu
    return np.array([e.value for e in pair]), np.array([e.error for e in pair])


def patched_fssa() -> types.ModuleType | None:
    """Pyfssa with what is gone from numpy and scipy put back; None where it is not installed."""

    def wrap_function(function: Callable[..., float], args: tuple[object, ...]) -> tuple[list[int], object]:
        calls = [0]

        def counted(*given: object) -> float:
            calls[0] += 1
            return function(*given, *args)

        return calls, counted

    old = types.ModuleType("scipy.optimize.optimize")
    old.OptimizeResult, old.wrap_function = optimize.OptimizeResult, wrap_function
    old._status_message = {"success": "", "maxfev": "too many evaluations", "maxiter": "too many iterations"}
    sys.modules["scipy.optimize.optimize"] = old
    for name, value in (("asfarray", lambda values: np.asarray(values, float)), ("int", int)):
        setattr(np, name, value)
    try:
        import fssa
    except ImportError:
        return None
    return fssa


def by_fssa(fssa: types.ModuleType, data: Planted) -> Answer:
    """What pyfssa's autoscale gives."""
    L, x = np.unique(data.L), np.unique(data.x)
    shape = len(L), len(x)
    try:
        found = fssa.autoscale(L, x, data.y.reshape(shape), data.error.reshape(shape), float(x.mean()), 1.0, 0.0)
    except (ValueError, np.linalg.LinAlgError):
        return NOTHING
    # Its exponent is nu.
    values, errors = np.array([found.rho, 1 / found.nu]), np.array([found.drho, found.dnu / found.nu**2])
    return values, np.abs(errors)


def by_gaussian_process(sklearn: types.ModuleType, data: Planted) -> Answer:
    """What the largest marginal likelihood of scikit-learn's regressor gives."""
    kernels = sklearn.gaussian_process.kernels
    middle, half = float(np.unique(data.x).mean()), float(np.ptp(data.x)) / 2
    offset, scale, largest = float(data.y.mean()), float(data.y.std()), float(data.L.max())
    y, noise = (data.y - offset) / scale, (data.error / scale) ** 2

    def loss(row: np.ndarray, wider: float = 1.0) -> float:
        """Minus the logarithm of the marginal likelihood; rows are x_c in half ranges, ln 1/nu, ln of the kernel's."""
        u = (data.x - middle - half * row[0]) / half * (data.L / largest) ** np.exp(row[1])
        kernel = kernels.ConstantKernel(np.exp(row[2])) * kernels.RBF(np.exp(row[3]))
        regressor = sklearn.gaussian_process.GaussianProcessRegressor(kernel, alpha=wider * noise, optimizer=None)
        try:
            return -float(regressor.fit(u[:, None], y).log_marginal_likelihood_value_)
        except np.linalg.LinAlgError:
            return np.inf

    starts = [np.array([x, np.log(nu), 0.0, np.log(0.3)]) for nu in (0.6, 1.0, 1.5) for x in (-0.3, 0.0, 0.3)]
    options, row = {"xatol": 1e-4, "fatol": 1e-3, "maxfev": 600}, min(starts, key=lambda start: loss(start, 100.0))
    # With wider errors first: otherwise it ends where neighbours are called independent.
    for wider in (100.0, 10.0, 1.0, 1.0):
        row = optimize.minimize(loss, row, (wider,), method="Nelder-Mead", options=options).x
    curvature = _curvature(loss, row)
    with np.errstate(invalid="ignore"):
        try:
            errors = np.sqrt(np.diag(np.linalg.inv(curvature)))[:2]
        except np.linalg.LinAlgError:
            return NOTHING
    inverse_nu = float(np.exp(row[1]))
    return np.array([middle + half * row[0], inverse_nu]), errors * np.array([half, inverse_nu])


def _curvature(loss: Callable[[np.ndarray], float], row: np.ndarray) -> np.ndarray:
    """Second derivatives by central differences, over steps that change the loss by about 1/2."""
    steps = np.full(len(row), 1e-3)
    at = loss(row)
    for k in range(len(row)):
        for _ in range(20):
            shifted = row + steps * (np.arange(len(row)) == k)
            if loss(shifted) - at > 0.3:
                break
            steps[k] *= 2
    moves = np.eye(len(row)) * steps
    found = np.array([[loss(row + a + b) - loss(row + a - b) - loss(row - a + b) + loss(row - a - b) for b in moves]
                      for a in moves])  # fmt: skip
    return found / (4 * np.outer(steps, steps))


def table(shape: str, generator: np.random.Generator) -> Planted:
    """Planted table of 150 rows."""
    sizes, known = 8 * 2.0 ** np.arange(5), shape == "begun at the truth"
    x_c, inverse_nu = (0.5, 1.0) if known else (generator.uniform(0.3, 0.6), generator.uniform(0.5, 1.6))
    noise = float(np.exp(generator.uniform(np.log(0.002), np.log(0.02))))
    reach = generator.uniform(2, 8) * sizes.max() ** -inverse_nu * (3 if shape == "wide" else 1)
    below, above = (1.0, 1.0) if known else generator.uniform(0.7, 1.3, 2)
    x = np.linspace(x_c - below * reach, x_c + above * reach, 30)
    made = Recipe(sizes, x, noise, x_c, inverse_nu, 0.0, str(generator.choice(list(MASTERS))))
    correction = 0.3 if shape == "corrected" else 0.0
    error = np.repeat([made.error(L) for L in sizes], len(x))
    mean = np.concatenate([made.curve(L, correction=correction) for L in sizes])
    y = mean + error * generator.standard_normal(len(mean))
    return Planted(np.repeat(sizes, len(x)), np.tile(x, 5), y, error, x_c, inverse_nu, 0.0, made.master)


def times(tables: int = TABLES) -> None:
    """Time physnn and pyfssa by turns, and print a table of medians, and of the largest ratio."""
    warnings.simplefilter("ignore")
    if (fssa := patched_fssa()) is None:
        print("pyfssa is not installed: pip install fssa")
        return
    print("| tables | physnn, s | pyfssa, s | ratio | largest |")
    ratios: list[float] = []
    for shape in SHAPES:
        pairs = []
        for k in range(tables):
            data = table(shape, rng.stream(k, "synthetic", "rivals", shape))
            taken = []
            for turn in range(4):
                # Changed by nothing that matters, so that no result is remembered.
                own = replace(data, y=data.y * (1 + 1e-9 * turn))
                taken.append([_seconds(by_physnn, own), _seconds(by_fssa, fssa, own)])
            pairs.append(np.min(taken[1:], axis=0))
        each = np.array(pairs)
        ratio = each[:, 0] / each[:, 1]
        ratios += ratio.tolist()
        cells = [shape, *(f"{seconds:.2f}" for seconds in np.median(each, axis=0)), f"{np.median(ratio):.2f}"]
        print("| " + " | ".join([*cells, f"{ratio.max():.2f}"]) + " |", flush=True)
    print(f"all {len(ratios)} tables: median {np.median(ratios):.2f}, largest {max(ratios):.2f}")


def _seconds(function: Callable[..., object], *arguments: object) -> float:
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start


def main(sets: int = SETS) -> None:
    """Fit all sets by all that is installed, and print a table."""
    warnings.simplefilter("ignore")
    methods: dict[str, Callable[[Planted], Answer]] = {
        "physnn": by_physnn,
        "physnn, omega none": lambda data: by_physnn(data, "none"),
    }
    if (fssa := patched_fssa()) is not None:
        methods["pyfssa"] = lambda data: by_fssa(fssa, data)
    try:
        import sklearn.gaussian_process

        methods["scikit-learn"] = lambda data: by_gaussian_process(sklearn, data)
    except ImportError:
        pass
    for name in {"pyfssa", "scikit-learn"} - set(methods):
        print(f"{name} is not installed and left out: pip install fssa scikit-learn")
    print("| data | method | answers | |x_c - exact| | bias | 68 % | 95 % | |1/nu - exact| | bias | 68 % | 95 % |")
    for kind in KINDS:
        every = [made(kind, rng.stream(k, "synthetic", "rivals", kind)) for k in range(sets)]
        for name, method in methods.items():
            _row(kind, name, every, [method(data) for data in every])
    times()


def _row(kind: str, name: str, every: list[Planted], answers: list[Answer]) -> None:
    """Print medians of deviations, x_c in units of L_max^(-1/nu), with shares of intervals that hold the truth."""
    known = [k for k, (v, e) in enumerate(answers) if np.isfinite([*v, *e]).all() and (e > 0).all()]
    cells = [kind, name, f"{len(known)} of {len(every)}"]
    for parameter in range(2):
        truth = np.array([(every[k].critical_point, every[k].inverse_nu)[parameter] for k in known])
        unit = np.array([every[k].L.max() ** -every[k].inverse_nu if parameter == 0 else 1.0 for k in known])
        off = np.array([answers[k][0][parameter] for k in known]) - truth
        error = np.array([answers[k][1][parameter] for k in known])
        cells += [f"{np.median(np.abs(off / unit)):.2g}", f"{np.median(off / unit):+.2g}"]
        cells += [f"{np.mean(np.abs(off) <= reach * error):.0%}" for reach in (1, 1.96)]
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["times"]:
        times(int(sys.argv[2]) if len(sys.argv) > 2 else TABLES)
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else SETS)
