"""Diffusion: how images become noise, and how samples are drawn backwards; for arrays of numpy and tensors alike.

Sources: J. Ho et al., "Denoising diffusion probabilistic models" (arXiv:2006.11239); J. Song et al., "Denoising
diffusion implicit models" (arXiv:2010.02502).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

FIRST_RATE, LAST_RATE, RATE_STEPS = 1e-4, 0.02, 1000
"""Shares of the variance that the first and the last of so many steps replace by noise (Ho et al.)."""
NOISE_SHARES = (0.05, 0.2, 0.4, 0.6, 0.8)
"""Noise levels at which losses are recorded, as shares of all steps of the forward process."""
MOST_REPLACED = 0.999
"""Largest share of a step where there are few."""


@dataclass(frozen=True)
class Diffusion:
    """Forward process of some steps, x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) noise.

    Shares of the variance that are replaced grow linearly with the step, as many in all however many steps there are.
    """

    steps: int

    @functools.cached_property
    def kept(self) -> np.ndarray:
        """Shares ``a_t`` of the variance of images that are left after 0 to all steps, ``(steps + 1,)``."""
        rates = np.linspace(FIRST_RATE, LAST_RATE, self.steps) * RATE_STEPS / self.steps
        return np.concatenate([[1.0], np.cumprod(1 - np.minimum(rates, MOST_REPLACED))])

    def times(self, count: int) -> list[int]:
        """Steps at which samples stop on their way back, ``count`` at most, from the last down to 1 or above."""
        return sorted({round(t) for t in np.linspace(self.steps, 1, min(count, self.steps))}, reverse=True)


def noised(x0: Any, noise: Any, kept: Any) -> Any:
    """Images after a part of the forward process, of which ``kept`` of the variance is left (one for each, or all)."""
    return kept**0.5 * x0 + (1 - kept) ** 0.5 * noise


def posterior(x: Any, x0: Any, kept: float, before: float) -> tuple[Any, float]:
    """Mean and variance of an earlier state, given a later one and the image: equation 7 of Ho et al.

    Parameters
    ----------
    x, x0 : array or Tensor
        Later state and image.
    kept, before : float
        Shares of the variance left in the later and in the earlier state, ``kept < before``.
    """
    ratio = kept / before
    mean = (math.sqrt(before) * (1 - ratio) * x0 + math.sqrt(ratio) * (1 - before) * x) / (1 - kept)
    return mean, (1 - before) * (1 - ratio) / (1 - kept)


def denoised(
    predict: Callable[[Any, int], Any],
    x: Any,
    diffusion: Diffusion,
    count: int,
    fresh: Callable[[], Any] | None = None,
    clip: bool = True,
) -> Any:
    """Samples from pure noise, without guidance.

    Parameters
    ----------
    predict : callable
        ``predict(x, t)``: the noise in a state.
    x : array or Tensor
        Pure noise.
    diffusion : Diffusion
        Forward process.
    count : int
        Steps back.
    fresh : callable, optional
        Noise of a step, for ancestral sampling (Ho et al.; the variance is that of `posterior`); without it there is
        none (DDIM).
    clip : bool
        Whether images have values from -1 to 1.
    """
    for t, s in itertools.pairwise([*diffusion.times(count), 0]):
        kept, before = float(diffusion.kept[t]), float(diffusion.kept[s])
        x0 = (x - math.sqrt(1 - kept) * predict(x, t)) / math.sqrt(kept)
        if clip:
            x0 = x0.clip(-1, 1)
        if fresh is None:
            noise = (x - math.sqrt(kept) * x0) / math.sqrt(1 - kept)
            x = noised(x0, noise, before)
        else:
            mean, variance = posterior(x, x0, kept, before)
            x = mean + math.sqrt(variance) * fresh()
    return x
