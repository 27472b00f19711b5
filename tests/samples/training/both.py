"""Checks that both kinds of training in several forms must pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physnn import api
from physnn.jobs import stopping
from physnn.samples import files
from physnn.store.hdf5 import Group, content_digest
from tests.conftest import rerun


def train(kind: str, settings: dict[str, Any], out: Path, extend: bool = False, jobs: int = 1) -> int:
    """Number of tasks run for a file of a kind with these settings."""
    return files.run(api.recipe(kind, out, extend, **settings), out, extend=extend, jobs=jobs)


def check_law(group: Group, arms: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Losses by arm, ``(seeds, marks)``, after comparing expanded networks with those that the law says they are."""
    loss = dict(zip(arms, group["loss"].values, strict=True))
    assert np.abs(loss["law"] / loss["expanded"] - 1).max() < 1e-5
    assert np.abs(loss["init"] / loss["expanded"] - 1).max() > 1e-3, "the start alone is not the law"
    weights = dict(zip(arms, group["weights"].values, strict=True))
    off = {arm: np.abs(weights[arm] - weights["expanded"]).max() for arm in ("law", "init")}
    assert off["law"] < 1e-5 < 1e-3 < off["init"]
    return loss


def check_cut(
    kind: str, settings: dict[str, Any], whole: Path, out: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    """Compare a file with one whose run was stopped again and again, after more steps than ``calls``."""
    done = [0]

    def often(self: object) -> bool:
        """Interrupt after every 27th step, and keep the state after every fifth: up to four steps are done again."""
        done[0] += 1
        if done[0] % 27 == 0:
            raise KeyboardInterrupt
        return done[0] % 5 == 0

    monkeypatch.setattr(stopping.Checkpoints, "due", often)
    rerun(lambda: train(kind, settings, out))
    assert done[0] > calls and content_digest(out) == content_digest(whole)
