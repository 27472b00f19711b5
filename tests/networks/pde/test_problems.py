"""Known solutions go through the tables of every problem: their residuals vanish, and those of others do not."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from physnn.errors import InputError
from physnn.networks.pde.domains import Ball, Region, halton
from physnn.networks.pde.equations import Derivative, Sizes, laplacian, residuals
from physnn.networks.pde.known import chaotic, read_reference
from physnn.networks.pde.problems import PROBLEMS
from physnn.shipped import data_folder

PI, SMALL = math.pi, Sizes(40, 30, 20)


def burgers(p):
    """Cole-Hopf once more, by a sum over an even grid."""
    nu, (x, t) = 0.01 / PI, p[:, :, None].unbind(1)
    eta = torch.linspace(-9, 9, 1201, dtype=torch.float64)
    y = x - torch.sqrt(4 * nu * (t + 1e-12)) * eta
    log = -torch.cos(PI * y) / (2 * PI * nu) - eta**2
    share = torch.softmax(log, 1)
    return -(torch.sin(PI * y) * share).sum(1)


def multiscale(p):
    x, y, t = p.unbind(1)
    return torch.sin(20 * PI * x) * torch.sin(PI * y) * torch.exp(-(1 + (20 / 500) ** 2) * t)


def wave(p):
    x, t = p.unbind(1)
    return torch.sin(PI * x) * torch.cos(2 * PI * t) + 0.5 * torch.sin(4 * PI * x) * torch.cos(8 * PI * t)


EXACT = {
    "burgers": burgers,
    "heat-multiscale": multiscale,
    "wave": wave,
    "poisson3d": lambda p: torch.cos(PI * p).prod(1),
    "poisson-nd": lambda p: torch.sin(PI / 2 * p).sum(1),
}


def jets_of(function, points, needed, space_axes):
    """Derivatives of a function by nested automatic differentiation."""
    x = torch.from_numpy(points).requires_grad_()

    def along(axis, order):
        found = function(x)
        for _ in range(order):
            found = torch.autograd.grad(found.sum(), x, create_graph=True)[0][:, axis]
        return found.detach().numpy()

    return {
        d: sum(along(a, 2) for a in space_axes) if d == laplacian(d.output) else along(d.axis, d.order) for d in needed
    }


@pytest.mark.parametrize("name", EXACT)
def test_exact_solutions_leave_no_residual(name):
    problem = PROBLEMS[name]
    for one in problem.sets(SMALL):
        needed = {factor for e in one.equations for term in e.terms for factor in term.factors}
        found, wrong = (
            residuals(one, jets_of(f, one.points, needed, problem.space_axes))
            for f in (EXACT[name], lambda p: EXACT[name](p) + p[:, 0] * (1 - p[:, -1]) ** 2 + 0.1)
        )
        assert found.shape == (len(one.equations), len(one.points))
        assert np.abs(found).max() < 1e-7, one.name
        assert np.abs(wrong).max() > 1e-3, one.name
    known = problem.reference()
    assert np.allclose(EXACT[name](torch.from_numpy(known.points)).numpy(), known.values[:, 0], atol=1e-9)


def test_tables_obey_their_boundary_conditions():
    """Solutions of others lie in the domain and have the values that the problem asks for at its edges."""
    for name in ("poisson", "poisson-boltzmann", "lid-driven", "heat-long"):
        problem, known = PROBLEMS[name], PROBLEMS[name].reference()
        assert known.points.shape[1] == len(problem.inputs) and known.values.shape[1] == len(problem.outputs)
        assert 250 < len(known.points) <= 500 and np.isfinite(known.values).all()
        assert (known.points >= np.array(problem.low) - 1e-9).all() and (known.points <= problem.high).all()
    met = 0
    for name, edge in (("poisson", 1.0), ("poisson-boltzmann", 0.2)):
        known, high = PROBLEMS[name].reference(), PROBLEMS[name].high[0]
        walls = np.isclose(np.abs(known.points), high).any(1)
        met += walls.sum()
        assert np.allclose(known.values[walls], edge, atol=1e-5)
    known = PROBLEMS["lid-driven"].reference()
    near, still = known.points[:, 1] > 0.991, np.isclose(known.points, 0).any(1) | np.isclose(known.points[:, 0], 1)
    x = known.points[near, 0]
    assert np.allclose(known.values[near, 0], 4 * x * (1 - x), atol=0.12) and not known.values[still, :2].any()
    assert met > 30 and near.sum() > 2 and still.sum() > 5
    known = PROBLEMS["heat-long"].reference()
    assert np.abs(known.values).max() > 1 and known.points[:, 2].max() > 95


def test_kuramoto_sivashinsky_by_half_the_step_and_another_solver():
    whole = PROBLEMS["kuramoto-sivashinsky"].reference()
    coefficients = 100 / 16, 100 / 256, 100 / 16**4
    points, coarse = chaotic(*coefficients, 256, 1000)
    assert (points == whole.points).all() and points[:, 1].max() == 1
    last = points[:, 1] == 1
    change = np.abs(coarse - whole.values[:, 0])
    assert change.max() < 8e-3 and change[points[:, 1] <= 0.4].max() < 1e-4 < whole.values[last].std()
    n, alpha, beta, gamma = 128, *coefficients
    x, k = 2 * PI * np.arange(n) / n, 1j * np.fft.rfftfreq(n, 1 / n)

    def pull(_, u):
        v = np.fft.rfft(u)
        ux, uxx, u4 = (np.fft.irfft(v * k**m, n) for m in (1, 2, 4))
        return -alpha * u * ux - beta * uxx - gamma * u4

    found = solve_ivp(pull, (0, 0.2), np.cos(x) * (1 + np.sin(x)), "LSODA", rtol=1e-8, atol=1e-8).y[::2, -1]
    assert np.abs(found - whole.values[np.isclose(points[:, 1], 0.2), 0]).max() < 1e-3


def test_the_table_of_heat_is_that_of_finite_differences():
    """By explicit midpoint steps on a grid that holds the table's points; some per cent are the table's own error."""
    known, n, m, dt = PROBLEMS["heat-long"].reference(), 64, 48, 0.02
    x, y = np.meshgrid(np.arange(n + 1) / n, np.arange(m + 1) / m, indexing="ij")
    shape = np.sin(4 * PI * x) * np.sin(2 * PI * y)

    def pull(u, t, sign=1):
        found = 5 * sign * np.sin(u**2) * (1 + 2 * np.sin(PI * t / 4)) * shape
        found[1:-1, 1:-1] += 1e-3 * n**2 * (u[2:, 1:-1] - 2 * u[1:-1, 1:-1] + u[:-2, 1:-1])
        found[1:-1, 1:-1] += 1e-3 * m**2 * (u[1:-1, 2:] - 2 * u[1:-1, 1:-1] + u[1:-1, :-2])
        found[[0, -1]] = found[:, [0, -1]] = 0
        return found

    def off(sign):
        u, left = np.sin(4 * PI * x) * np.sin(3 * PI * y), []
        for step in range(round(6 / dt)):
            t = step * dt
            for p, value in zip(known.points, known.values[:, 0], strict=True):
                if abs(p[2] - t) < dt / 2:
                    left.append((u[round(p[0] * n), round(p[1] * m)] - value, value))
            u = u + dt * pull(u + dt / 2 * pull(u, t, sign), t + dt / 2, sign)
        difference, value = np.array(left).T
        assert len(left) > 15
        return np.sqrt((difference**2).mean() / (value**2).mean())

    assert off(1) < 0.06 and off(-1) > 0.5


def test_points_of_domains():
    u = halton(4096, 3)
    assert np.allclose(u.mean(0), 0.5, atol=2e-3) and np.allclose(u.var(0), 1 / 12, atol=1e-3)
    domain = Region((-1, 0), (1, 1), (Ball((0.2, 0.5), 0.3),), end=2.0)
    inside, (walls, out), (shores, normals) = domain.inside(2000), domain.walls(600), domain.shores(500)
    assert (((inside[:, :2] - (0.2, 0.5)) ** 2).sum(1) > 0.09).all() and (inside[:300] == domain.inside(300)).all()
    area = 2 - PI * 0.09
    assert np.mean(inside[:, 0] < -0.5) == pytest.approx(0.5 / area, abs=0.01)
    assert (np.abs(out).sum(1) == 1).all() and np.mean(out[:, 0] == 0) == pytest.approx(2 / 3, abs=0.01)
    assert np.allclose((walls[:, :2] - (0, 0.5)) @ np.diag((1, 2)) * out, np.abs(out), atol=1e-12)
    assert np.allclose(shores[:, :2] - (0.2, 0.5), -0.3 * normals) and inside[:, 2].max() > 1.9
    with pytest.raises(InputError, match="leave nothing"):
        Region((0, 0), (1, 1), (Ball((0.5, 0.5), 2.0),)).inside(10)


def test_references_of_users(tmp_path):
    problem, path = PROBLEMS["heat-long"], tmp_path / "comsol.dat"
    path.write_text("% X  Y  u (K) @ t=0  u (K) @ t=0.5\n0.1 0.2 1 2\n0.3 0.4 3 4\n")
    known = read_reference(path, problem)
    assert known.points.tolist() == [[0.1, 0.2, 0], [0.1, 0.2, 0.5], [0.3, 0.4, 0], [0.3, 0.4, 0.5]]
    assert known.values[:, 0].tolist() == [1, 2, 3, 4]
    path.write_text("0.1 0.2 1\n0.3 0.4 nan\n")
    assert len(read_reference(path, PROBLEMS["poisson"]).points) == 1
    for text, words in (("a b c\n", "row of numbers a point"), ("1 2\n", "2 columns; poisson needs x, y, u")):
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            read_reference(path, PROBLEMS["poisson"])


def test_means_of_the_inputs():
    assert PROBLEMS["poisson"].means() == (0, 0) and PROBLEMS["heat-long"].means() == (0.5, 0.5, 50)
    assert Derivative(0) != laplacian()


def test_references_have_heads_and_a_scale(tmp_path):
    problem = PROBLEMS["poisson"]
    ours = read_reference(data_folder() / "pinnacle" / "poisson.csv", problem)
    assert ours.points == pytest.approx(problem.reference().points) and len(ours.values) == 500
    path = tmp_path / "known.csv"
    for text, words in (
        ("", "holds no numbers"),
        ("x,y,u\n", "holds no numbers"),
        ("y,x,u\n0,0,1\n", "row of numbers a point"),
        ("0,0,nan\n", "no row of finite numbers"),
        ("0,0,0\n0,0.01,0\n", "is 0 or too large"),
        ("0,0,1e200\n", "is 0 or too large"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            read_reference(path, problem)
