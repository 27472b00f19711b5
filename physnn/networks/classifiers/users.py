"""Classifiers that users bring: a class that they name, called with channels, side and classes of the images.

The class makes a module that takes images ``(batch, channels, side, side)`` to logits ``(batch, classes)``, in the
floats of torch's default.  Only a class that somebody names is imported, never one that a file mentions.
"""

from __future__ import annotations

import functools
import math
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from physnn import rng
from physnn.errors import InputError
from physnn.networks.source import imported_class

TRIED = 2
"""Images that a class is tried with."""


def is_brought(network: str) -> bool:
    """Whether a network is named as a class, ``FILE.py:CLASS``, and is none of the zoo."""
    return ":" in network


@functools.lru_cache(maxsize=8)
def _imported(module: str, digest: str) -> Any:
    return imported_class(module, digest)


def _told(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


class UserClassifier(nn.Module):
    """Network of a class that a user named.

    Parameters
    ----------
    module, digest : str
        The class, as `physnn.networks.source.located` returns it, and the digest of its text.
    channels, side, classes : int
        Of the images.

    Raises
    ------
    InputError
        If the class has changed, cannot be called so, or does not take images to finite logits.
    """

    def __init__(self, module: str, digest: str, channels: int, side: int, classes: int) -> None:
        super().__init__()
        build = _imported(module, digest)
        self.make = functools.partial(build, channels, side, classes)
        name, images = module.rpartition(":")[2], torch.zeros(TRIED, channels, side, side)
        try:
            with torch.random.fork_rng(), torch.no_grad():
                net = self.make()
                logits = net.eval()(images)
                net.train()
        except Exception as error:
            told = f"{name}({channels}, {side}, {classes}) does not make a classifier: {_told(error)}"
            raise InputError(f"{told}; it is called with channels, side and classes of the images") from error
        good = isinstance(logits, Tensor) and tuple(logits.shape) == (TRIED, classes) and math.isfinite(logits.sum())
        if not isinstance(net, nn.Module) or not good:
            shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise InputError(f"{name} must return finite logits of shape {(TRIED, classes)}, not {shape}")
        self.net = net

    def redraw(self, generator: np.random.Generator) -> None:
        """Set the weights as the class makes them, with torch's own numbers from a seed that the generator has."""
        with torch.random.fork_rng():
            torch.manual_seed(rng.whole_seed(cast("np.random.SeedSequence", generator.bit_generator.seed_seq)))
            self.net.load_state_dict(self.make().state_dict())

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(batch, classes)``."""
        logits: Tensor = self.net(images)
        return logits
