"""From curves to an answer: which verdict, and where there is a crossing, the critical point and exponents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from physnn.analysis.collapse import Collapse, collapse
from physnn.analysis.crossing import Pair, crossings
from physnn.analysis.curves import OBSERVABLES, Curves

Verdict = Literal["crossing", "merging", "first-order", "no-crossing", "non-equilibrium", "undecided"]


@dataclass(frozen=True)
class Fit:
    """The answer to "is this a phase transition, and where?".

    Attributes
    ----------
    curves : Curves
        What was fitted.
    pairs : list of Pair
        All pairs of sizes.
    verdict : str
        See `decide`.
    reason : str
        The evidence, in one sentence.
    collapse : Collapse or None
        Only where the verdict is ``crossing``.
    """

    curves: Curves
    pairs: list[Pair]
    verdict: Verdict
    reason: str
    collapse: Collapse | None

    def as_json(self) -> dict[str, Any]:
        """Return the answer as plain data; estimates are null where the verdict is not ``crossing``."""
        best = self.collapse
        return {
            "observable": self.curves.observable,
            "control": self.curves.control,
            "method": "crossings and Chebyshev collapse, two-level bootstrap",
            "verdict": self.verdict,
            "reason": self.reason,
            "critical_point": best.critical_point.as_json() if best else None,
            "inverse_nu": best.inverse_nu.as_json() if best else None,
            "zeta_over_nu": best.zeta_over_nu.as_json() if best else None,
            "chi2_per_dof": best.chi2_per_dof if best else None,
            "p_value": best.p_value if best else None,
            "sizes": list(self.curves.sizes),
            "window": list(best.window) if best else None,
            "n_bootstrap": len(next(iter(self.curves.samples.values()))),
            "n_networks": self.curves.networks,
            "n_images": self.curves.images,
            "crossings": [
                {"L": list(p.sizes), "value": p.x.value, "error": p.x.error, "height": p.height.value}
                for p in self.pairs
                if p.x and p.height
            ],
        }


def decide(pairs: list[Pair]) -> tuple[Verdict, str]:
    """Return verdict and reason from the pairs of sizes.

    ``crossing`` if the smallest and the largest size cross; ``undecided`` if they cross many times or are unresolved,
    or if only other pairs cross; else ``no-crossing``.
    """
    widest = max(pairs, key=lambda p: p.sizes[1] / p.sizes[0])
    name = f"L = {widest.sizes[0]} and {widest.sizes[1]}"
    if widest.verdict == "crossing":
        return "crossing", f"{name} differ significantly with both signs, changing once"
    if widest.verdict == "many-crossings":
        return "undecided", f"{name} differ significantly with both signs, changing more than once"
    if widest.verdict == "unresolved":
        return (
            "undecided",
            f"{name} are known to {widest.resolution:.0%} of the curves' range only: add images or networks",
        )
    others = [p.sizes for p in pairs if p.verdict in ("crossing", "many-crossings")]
    if others:
        return "undecided", f"L = {others[0][0]} and {others[0][1]} cross, but {name} do not"
    sign = "positive" if widest.positive > 1 else "negative" if widest.negative > 1 else ""
    seen = f"a significant difference has one sign only ({sign})" if sign else "no difference is significant"
    return "no-crossing", (
        f"between {name} {seen}; the largest is {widest.largest:.1%} of the curves' range, "
        f"differences above {widest.resolution:.1%} would show"
    )


def fit_curves(curves: Curves, zeta_free: bool | None = None) -> Fit:
    """Decide whether the curves cross and, if so, fit a collapse around the crossing.

    Parameters
    ----------
    curves : Curves
        The data with bootstrap samples.
    zeta_free : bool, optional
        Whether zeta/nu is fitted; by default only for observables that are not dimensionless.

    Raises
    ------
    InputError
        If there are fewer than two sizes, or too few common control values.
    """
    pairs = crossings(curves)
    verdict, reason = decide(pairs)
    if verdict != "crossing":
        return Fit(curves, pairs, verdict, reason, None)
    if zeta_free is None:
        zeta_free = not OBSERVABLES[curves.observable].dimensionless
    found = [(p.x.value, p.x.error) for p in pairs if p.x]
    guess = float(np.average([v for v, _ in found], weights=[1 / max(e, 1e-12) ** 2 for _, e in found]))
    best = _best_window(curves, guess, zeta_free)
    if best is None:
        return Fit(curves, pairs, "undecided", f"{reason}; too few points around the crossing for a collapse", None)
    return Fit(curves, pairs, verdict, reason, best)


def _best_window(curves: Curves, guess: float, zeta_free: bool) -> Collapse | None:
    """Return the collapse on the widest window around the crossing with an acceptable p-value, else the best one."""
    low, high = min(x.min() for x in curves.x.values()), max(x.max() for x in curves.x.values())
    best: Collapse | None = None
    for share in (1.0, 0.7, 0.5, 0.35):
        reach = share * max(guess - low, high - guess)
        window = float(max(low, guess - reach)), float(min(high, guess + reach))
        found = collapse(curves, guess, window, zeta_free)
        if found is None:
            break
        if found.p_value > 0.05:
            return found
        if best is None or found.chi2_per_dof < best.chi2_per_dof:
            best = found
    return best
