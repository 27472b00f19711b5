"""Known solutions: tables of others, Burgers' equation by Cole and Hopf, Kuramoto-Sivashinsky by Fourier modes."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np

from physnn.errors import InputError
from physnn.networks.pde.equations import PdeProblem, Reference
from physnn.shipped import data_folder
from physnn.store.tables.packed import read_bytes

LARGEST_REFERENCE = 2**26
"""Bytes of a table of others, unpacked; PINNacle's have less than that."""
QUADRATURE = 160
"""Points of Gauss-Hermite quadrature in the solution of Burgers' equation: more change its 12th digit."""
MODES, TIME_STEPS = 256, 2000
"""Points of space and steps of time of the Kuramoto-Sivashinsky solution; half the step changes it by 5e-4 at most."""
CIRCLE = 64
"""Points of the contour integrals by which coefficients of a step are had without cancellation."""
SHOWN_POINTS, SHOWN_TIMES = 64, 10
"""Points of space and times at which that solution is compared."""


def thinned_table(name: str) -> Reference:
    """Bundled table of a solution: columns of the inputs, then of the outputs, whose number its first line says."""
    path = data_folder() / "pinnacle" / f"{name}.csv"
    lines = path.read_text().splitlines()
    names = next(line for line in lines if not line.startswith("#")).split(",")
    rows = np.loadtxt([line for line in lines if not line.startswith("#")][1:], delimiter=",", ndmin=2)
    inputs = sum(each in ("x", "y", "z", "t") for each in names)
    return Reference(rows[:, :inputs], rows[:, inputs:], "PINNacle's table, thinned")


def read_reference(path: Path, problem: PdeProblem) -> Reference:
    """Solution of a problem from a file of numbers.

    Rows hold the inputs and then the outputs; or, as COMSOL exports them, the coordinates and then the outputs at the
    times that a line of the head names with ``t=``.  Lines that begin with % or # are no numbers, nor is a first line
    that names the columns; ``.xz`` may end the name.

    Raises
    ------
    InputError
        If the file cannot be read, has other columns or no numbers, has points outside the domain, or if the solution
        is 0 or its square overflows.
    """
    inputs, outputs = len(problem.inputs), len(problem.outputs)
    try:
        data = read_bytes(path, LARGEST_REFERENCE)
        if b"\0" in data:
            raise ValueError("it is no text")
        lines = data.decode().splitlines()
        comma = "," if path.name.removesuffix(".xz").endswith(".csv") else None
        body = [x for x in lines if x.strip() and x[:1] not in ("%", "#")]
        named = [x.strip() for x in body[0].split(comma)] == [*problem.inputs, *problem.outputs] if body else False
        if not body[named:]:
            raise ValueError("it holds no numbers")
        rows = np.loadtxt(body[named:], delimiter=comma, ndmin=2)
    except (OSError, ValueError, InputError) as error:
        told = str(error)[:200]
        raise InputError(f"cannot read the reference {path}: {told}; it has a row of numbers a point") from None
    heads = [[float(t) for t in re.findall(r"t=([0-9.eE+-]+)", x)] for x in lines if x.startswith("%")]
    times = np.array(max(heads, key=len, default=[]))[::outputs]
    if len(times) and rows.shape[1] == inputs - 1 + outputs * len(times):
        place = np.repeat(rows[:, : inputs - 1], len(times), axis=0)
        values = rows[:, inputs - 1 :].reshape(-1, outputs)
        rows = np.hstack([place, np.tile(times, len(rows))[:, None], values])
    rows = rows[np.isfinite(rows).all(1)]
    if not len(rows):
        raise InputError(f"the reference {path} has no row of finite numbers; it needs one a point")
    if rows.shape[1] != inputs + outputs:
        wanted = ", ".join((*problem.inputs, *problem.outputs))
        raise InputError(f"the reference {path} has {rows.shape[1]} columns; {problem.name} needs {wanted}")
    if far := int(problem.outside(rows[:, :inputs]).sum()):
        raise InputError(
            f"{far:,} of {len(rows):,} points of the reference {path} lie outside the domain of {problem.name} "
            f"({_box_of(problem)}): leave them out"
        )
    with np.errstate(over="ignore"):
        scale = float((rows[:, inputs:] ** 2).mean())
    if not 0 < scale < np.inf:
        raise InputError(f"the solution in {path} is 0 or too large, and errors are relative to it; name another file")
    return Reference(rows[:, :inputs], rows[:, inputs:], path.name)


def _box_of(problem: PdeProblem) -> str:
    """Ranges of the inputs, and whether there are holes, in words."""
    ranges = [f"{x} from {a:g} to {b:g}" for x, a, b in zip(problem.inputs, problem.low, problem.high, strict=True)]
    return ", ".join(ranges) + (f"; {len(problem.holes)} holes" if problem.holes else "")


def cole_hopf(points: np.ndarray, viscosity: float) -> np.ndarray:
    """Solution ``(n,)`` of u_t + u u_x = nu u_xx with u = -sin(pi x) at t = 0, at points (x, t), dimensionless.

    With u = -2 nu (ln phi)_x phi solves the heat equation, whose kernel turns both into integrals (J. D. Cole, Quart.
    Appl. Math. 9 (1951) 225; E. Hopf, Comm. Pure Appl. Math. 3 (1950) 201).
    """
    nodes, weights = np.polynomial.hermite.hermgauss(QUADRATURE)
    x, t = points[:, :1], points[:, 1:]
    y = x - np.sqrt(4 * viscosity * t) * nodes
    log = -np.cos(np.pi * y) / (2 * np.pi * viscosity)
    phi = weights * np.exp(log - log.max(1, keepdims=True))
    return np.asarray(-(np.sin(np.pi * y) * phi).sum(1) / phi.sum(1))


@cache
def chaotic(
    alpha: float, beta: float, gamma: float, modes: int = MODES, steps: int = TIME_STEPS
) -> tuple[np.ndarray, np.ndarray]:
    """Solution of u_t + alpha u u_x + beta u_xx + gamma u_xxxx = 0, periodic over 2 pi, up to t = 1, dimensionless.

    It begins as cos(x) (1 + sin(x)).  Modes up to a third of the points are stepped, the linear part exactly
    (exponential Runge-Kutta steps of fourth order: S. M. Cox and P. C. Matthews, J. Comput. Phys. 176 (2002) 430;
    coefficients as in A.-K. Kassam and L. N. Trefethen, SIAM J. Sci. Comput. 26 (2005) 1214).

    Returns
    -------
    points, values : ndarray, shapes (n, 2) and (n,)
        x and t, and u.
    """
    x, k, h = 2 * np.pi * np.arange(modes) / modes, np.arange(modes // 2 + 1.0), 1 / steps
    rate = h * (beta * k**2 - gamma * k**4)
    kept = k < modes / 3
    around = rate[:, None] + np.exp(2j * np.pi * (np.arange(CIRCLE) + 0.5) / CIRCLE)
    whole, half, e = np.exp(rate), np.exp(rate / 2), np.exp(around)
    q = h * ((np.exp(around / 2) - 1) / around).mean(1).real
    f1 = h * ((-4 - around + e * (4 - 3 * around + around**2)) / around**3).mean(1).real
    f2 = h * ((2 + around + e * (around - 2)) / around**3).mean(1).real
    f3 = h * ((-4 - 3 * around - around**2 + e * (4 - around)) / around**3).mean(1).real

    def pull(v: np.ndarray) -> np.ndarray:
        return -0.5j * alpha * k * kept * np.fft.rfft(np.fft.irfft(v, modes) ** 2)

    v, rows = np.fft.rfft(np.cos(x) * (1 + np.sin(x))), []
    for step in range(steps + 1):
        if step % (steps // SHOWN_TIMES) == 0:
            rows.append(np.fft.irfft(v, modes)[:: modes // SHOWN_POINTS])
        n = pull(v)
        a = half * v + q * n
        na = pull(a)
        nb = pull(half * v + q * na)
        nc = pull(half * a + q * (2 * nb - n))
        v = whole * v + f1 * n + 2 * f2 * (na + nb) + f3 * nc
    place, time = np.meshgrid(x[:: modes // SHOWN_POINTS], np.arange(SHOWN_TIMES + 1) / SHOWN_TIMES)
    return np.stack([place.ravel(), time.ravel()], axis=1), np.concatenate(rows)
