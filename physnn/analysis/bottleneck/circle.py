"""Circle or not: how the deviations of classes lie in the plane."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from physnn import rng
from physnn.analysis.bottleneck.class_angle import from_others
from physnn.analysis.bottleneck.decomposition import ALPHA
from physnn.analysis.renormalization.linearised import jackknife
from physnn.analysis.statistics.estimate import Estimate

FEWEST_ON_CIRCLE = 8
"""Classes from which on a circle is told from a cloud."""
RANDOM_TURNS = 2000
"""Times that every class is turned by a random angle, so that a p-value is 0.0005 at least."""
CIRCLE_OR_CLOUD = 1.5
"""Fourth moment over the square of the second, of the deviations' length: 1 on a circle, 2 in a round cloud."""


@dataclass(frozen=True)
class OnCircle:
    """How deviations of classes lie.

    Attributes
    ----------
    axis : Estimate
        Share of their variance along the axis on which most of it lies: 1/2 where no direction is preferred.
    degrees : float
        That axis, from -90 to 90, 0 to the right and 90 upwards.
    p_value : float
        Of such a share where every class is turned by a random angle.
    fourth : Estimate
        <r^4>/<r^2>^2 of the lengths, without what noise adds: 1 on a circle, 2 in a round cloud, 3 along a line.
    verdict : str
        ``axis`` (some directions are preferred), ``circle``, ``cloud`` (lengths differ too much for a circle), or
        ``undecided``.
    """

    axis: Estimate
    degrees: float
    p_value: float
    fourth: Estimate
    verdict: str


def on_circle(plane: np.ndarray, covariances: np.ndarray, seed: int = 0) -> OnCircle:
    """OnCircle of deviations ``(classes, 2)`` to the right and upwards, with their covariances ``(classes, 2, 2)``."""
    n = len(plane)
    own, degrees = _elongation(plane)
    generator = rng.stream(seed, "bootstrap", "turns")
    turned = plane @ np.array([1, 1j]) * np.exp(2j * np.pi * generator.random((RANDOM_TURNS, n)))
    turned = turned - turned.mean(1, keepdims=True)  # deviations are from the others
    drawn = np.abs((turned**2).sum(1)) / np.maximum((np.abs(turned) ** 2).sum(1), 1e-300)
    p = (1 + np.sum(drawn >= own * (1 - 1e-12))) / (1 + RANDOM_TURNS)
    rest = [np.delete(np.arange(n), k) for k in range(n)]
    shares = [(1 + own) / 2, *((1 + _elongation(from_others(plane[k]))[0]) / 2 for k in rest)]
    noise = np.trace(covariances, axis1=1, axis2=2) / 2
    fourths = [_fourth(plane, noise), *(_fourth(plane[k], noise[k]) for k in rest)]
    axis, fourth = jackknife(np.array(shares)), jackknife(np.array(fourths))
    return OnCircle(axis, degrees, float(p), fourth, _verdict(n, float(p), fourth))


def _elongation(plane: np.ndarray) -> tuple[float, float]:
    """Difference of the variances along both axes over their sum, and the angle of the longer one in degrees."""
    square = complex(((plane @ np.array([1, 1j])) ** 2).sum())
    return abs(square) / max(float((plane**2).sum()), 1e-300), math.degrees(np.angle(square) / 2)


def _fourth(plane: np.ndarray, noise: np.ndarray) -> float:
    """<r^4>/<r^2>^2 without noise of these variances along each axis.

    With independent normal noise <|d + e|^2> = r^2 + 2 s and <|d + e|^4> = r^4 + 8 r^2 s + 8 s^2.
    """
    square = (plane**2).sum(1)
    second = float((square - 2 * noise).mean())
    fourth = float((square**2 - 8 * square * noise + 8 * noise**2).mean())
    return fourth / second**2 if second > 0 else math.nan


def _verdict(n: int, p: float, fourth: Estimate) -> str:
    if n < FEWEST_ON_CIRCLE:
        return "undecided"
    if p < ALPHA:
        return "axis"
    low, high = fourth.interval()
    if high < CIRCLE_OR_CLOUD:
        return "circle"
    return "cloud" if low > (1 + CIRCLE_OR_CLOUD) / 2 else "undecided"
