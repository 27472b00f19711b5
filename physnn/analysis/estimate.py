"""A number with its error."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A value and its standard error; prints as ``2.26919(4)``."""

    value: float
    error: float

    def __str__(self) -> str:
        if not (math.isfinite(self.value) and math.isfinite(self.error)) or self.error <= 0:
            return f"{self.value:.6g}"
        # Two digits of the error where its first is a 1, else one: rounding changes it by a quarter at most.
        digits = 2 if f"{self.error:.0e}"[0] == "1" else 1
        places = digits - 1 - math.floor(math.log10(float(f"{self.error:.{digits - 1}e}")))
        if places <= 0:
            return f"{self.value:.0f}({self.error:.0f})"
        return f"{self.value:.{places}f}({round(self.error * 10**places)})"

    def as_json(self) -> dict[str, float]:
        """Return ``{"value": ..., "error": ...}``."""
        return {"value": self.value, "error": self.error}
