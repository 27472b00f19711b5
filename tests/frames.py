"""Frames of answers beside the estimates that the answers have."""

from __future__ import annotations

from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.frames import Tabled


def assert_framed(answer: Tabled, rows: int, *columns: str, value: Estimate | None = None) -> None:
    """Check rows and columns of an answer's frame, and that an estimate stands in it with its error."""
    found = answer.to_dataframe()
    assert len(found) == rows and list(columns) == [name for name in found if name in columns], list(found)
    if value is not None:
        pairs = [
            (float(a), float(b))
            for name in found
            if f"{name}_error" in found
            for a, b in zip(found[name], found[f"{name}_error"], strict=True)
        ]
        assert (value.value, value.error) in pairs
