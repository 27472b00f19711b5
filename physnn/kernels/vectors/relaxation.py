"""One step of a Kuramoto network and its derivative, each in one pass over the sites.

With the field f = J * x + c, the parallel part p = gamma x . f, y = (1 - p) x + gamma f and r = |y|, the step is
x' = y / r.  From x, x', p and r alone, gamma f = r x' - (1 - p) x, so that neither f nor y has to be kept.  For a
gradient g' with respect to x',

    g_y = (g' - (x' . g') x') / r,        b = x . g_y,
    g_f = gamma (g_y - b x),              g_x = (1 - p) g_y - b gamma f    (without the part through f).

States have shape ``(images, H + 2 m, W + 2 m, N)`` with a margin of m sites on every side, which convolutions read: a
copy of the opposite sites on a torus, else zeros.
"""

from __future__ import annotations

from physnn.kernels.jit import njit
from physnn.kernels.primitives import copy

FAST = {"reassoc", "contract", "nsz", "arcp"}
"""Sums over components may be taken in any order; infinities and NaN keep their meaning."""


@njit(cache=True, nogil=True, fastmath=FAST)
def forward(x, field, gamma, margin, parallel, length, out):
    """Take one step.

    Parameters
    ----------
    x, out : ndarray, shape (images, H + 2 m, W + 2 m, N)
        State before and, inside the margin, after the step.
    field : ndarray, shape (images, H, W, N)
        J * x + c.
    gamma : float of the same precision
        Step size.
    margin : int
        m.
    parallel, length : ndarray, shape (images, H, W)
        p and r, for `backward`.
    """
    images, rows, columns, n = field.shape
    one = gamma / gamma
    for i in range(images):
        for r in range(rows):
            for s in range(columns):
                here, f = x[i, r + margin, s + margin], field[i, r, s]
                there = out[i, r + margin, s + margin]
                p = gamma * 0
                for k in range(n):
                    p += here[k] * f[k]
                p *= gamma
                rest, square = one - p, gamma * 0
                for k in range(n):
                    y = rest * here[k] + gamma * f[k]
                    there[k] = y
                    square += y * y
                norm = square**0.5
                inverse = one / norm
                for k in range(n):
                    there[k] *= inverse
                parallel[i, r, s] = p
                length[i, r, s] = norm


@njit(cache=True, nogil=True, fastmath=FAST)
def backward(x, after, parallel, length, gradient, gamma, margin, by_field, direct):
    """Return the derivative of one step in ``by_field`` (g_f, inside the margin) and ``direct`` (g_x).

    Parameters
    ----------
    x, after : ndarray, shape (images, H + 2 m, W + 2 m, N)
        State before and after the step.
    parallel, length : ndarray, shape (images, H, W)
        What `forward` left.
    gradient, direct : ndarray, shape (images, H, W, N)
        g' and g_x; may be the same array.
    gamma, margin
        As in `forward`.
    by_field : ndarray, shape (images, H + 2 m, W + 2 m, N)
        g_f.
    """
    images, rows, columns, n = gradient.shape
    one = gamma / gamma
    for i in range(images):
        for r in range(rows):
            for s in range(columns):
                before, next_ = x[i, r + margin, s + margin], after[i, r + margin, s + margin]
                g, to_field, to_x = gradient[i, r, s], by_field[i, r + margin, s + margin], direct[i, r, s]
                norm, rest = length[i, r, s], one - parallel[i, r, s]
                inverse = one / norm
                a, b, overlap = gamma * 0, gamma * 0, gamma * 0
                for k in range(n):
                    a += next_[k] * g[k]
                    b += before[k] * g[k]
                    overlap += before[k] * next_[k]
                b = (b - a * overlap) * inverse
                for k in range(n):
                    y = (g[k] - a * next_[k]) * inverse
                    to_field[k] = gamma * (y - b * before[k])
                    to_x[k] = rest * y - b * (norm * next_[k] - rest * before[k])


@njit(cache=True, nogil=True)
def wrap(x, margin):
    """Fill the margin of a state on a torus with the opposite sites, in place."""
    images, height, width, n = x.shape
    rows, columns = height - 2 * margin, width - 2 * margin
    for i in range(images):
        for r in range(margin, margin + rows):
            for s in range(margin):
                for k in range(n):
                    x[i, r, s, k] = x[i, r, s + columns, k]
                    x[i, r, s + margin + columns, k] = x[i, r, s + margin, k]
        for r in range(margin):
            copy(x[i, r + rows], x[i, r])
            copy(x[i, r + margin], x[i, r + margin + rows])
