"""Answers of networks trained in several forms of the input: what may be claimed of each against raw networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from physnn.analysis.statistics.claims import Claim, claims

CONTROLS = {"expanded": ("law", "init", "step")}
"""Forms that may be explained by others, and by which."""
ONLY_CONTROLS = ("law", "init", "step")
"""Forms that are judged only where nothing asks for them as controls: they are parts of ``expanded``."""


def arm_claims(errors: Mapping[str, np.ndarray], marks: Sequence[int], every: bool = False) -> tuple[Claim, ...]:
    """Judgements of all arms against ``raw`` at every mark; none without it, or with one seed.

    Parameters
    ----------
    errors : mapping
        Errors by arm, ``(seeds, marks)``; seeds with one that is not finite are left out, of all arms.
    marks : sequence of int
        Steps at which they were recorded.
    every : bool
        Whether the controls of others are judged, too.
    """
    if "raw" not in errors:
        return ()
    sound = np.all([np.isfinite(each).all(1) & (each > 0).all(1) for each in errors.values()], axis=0)
    if sound.sum() < 2:
        return ()
    kept = {arm: each[sound] for arm, each in errors.items()}
    found: list[Claim] = []
    for arm in errors:
        if arm != "raw" and (every or arm not in ONLY_CONTROLS):
            found += claims(kept, marks, arm, "raw", [name for name in CONTROLS.get(arm, ()) if name in kept])
    return tuple(found)
