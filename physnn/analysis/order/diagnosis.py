"""Diagnosis of a Kuramoto network: fixed point or cycle, gradient flow or not, lasting answer or not.

Steps of size gamma follow the gradient of the energy as long as the stability number s = gamma (h - lambda_min) / 2,
with h the mean local field x . (J x + c) and lambda_min the smallest eigenvalue of J(q), is below 1: a deviation with
eigenvalue lambda from a fixed point is multiplied by 1 + gamma (lambda - h) in each step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from physnn.analysis.order.spectrum import Spectrum
from physnn.analysis.statistics.frames import Tabled
from physnn.analysis.statistics.plain import to_json

REST = 1e-5
"""Largest 1 - <x_t . x_(t+1)> of a state at rest: 100 times what rounding leaves in single precision."""
RETURN = 0.1
"""Largest 1 - overlap after a period, in units of that after one step, of a cycle; a convention."""
SAME_ANSWER = 1.1
"""Largest ratio of the error a step before or after T to that at T, of an answer that is not a moment; a convention."""
LASTING = 1.5
"""Largest ratio of the error at twice the depth to that at T of an answer that lasts; a convention."""
EXACT = 1e-3
"""Error (RMSE) below which ratios of errors mean nothing: smaller ones count as this one."""
LEARNT = 0.95
"""Largest error, in units of that of the best constant answer, of a network that has learnt; a convention."""
MOST_MODES = 16
"""Most leading modes whose vectors are in the JSON."""
ENERGY_ROUNDING = 3e-6
"""Largest relative rise of the energy that single precision makes: 25 times its rounding."""


def period(overlaps: np.ndarray) -> int:
    """Period of a motion from its overlaps <x_t . x_(t+1)>, <x_t . x_(t+2)>, ...: 1 at rest, 0 if none."""
    away = 1 - np.asarray(overlaps, np.float64)
    if away[0] < REST:
        return 1
    back = np.flatnonzero(away[1:] < max(RETURN * away[0], REST))
    return int(back[0]) + 2 if len(back) else 0


@dataclass(frozen=True)
class Diagnosis(Tabled):
    """Measurements of one network, and the findings that follow.

    Attributes
    ----------
    name, family : str
        Name, and family: ``paper``, ``flow``, or ``brought``.
    gamma, steps : float or None, int
        Step size, if it is known, and trained depth T.
    c : float or None
        |c|, length of the constant that breaks the symmetry x -> -x (the longest of all layers); None if unknown.
    spectrum : Spectrum or None
        Of J(q); None where layers have couplings of their own, or a network that was brought shows none.
    measured : mapping of arrays
        Arrays of `physnn.networks.kuramoto.diagnose`; missing ones are not known.
    symmetry : str or None
        ``Z2`` or ``U1``, that of the couplings; None if unknown.
    """

    name: str
    family: str
    gamma: float | None
    steps: int
    c: float | None
    spectrum: Spectrum | None
    measured: Mapping[str, np.ndarray]
    symmetry: str | None = "Z2"

    @property
    def symmetric(self) -> bool | None:
        """True if c = 0, None if c is unknown."""
        return None if self.c is None else self.c == 0

    @property
    def h(self) -> float | None:
        """Mean local field at depth T, or at the last layer."""
        if "layer_field" in self.measured:
            return float(self.measured["layer_field"][-1])
        return float(self.measured["field_mean"]) if "field_mean" in self.measured else None

    @property
    def s(self) -> float | None:
        """Stability number gamma (h - lambda_min) / 2; where layers have their own couplings the largest."""
        if "layer_s" in self.measured:
            return float(self.measured["layer_s"].max())
        return self._stability("field_mean")

    @property
    def s_local(self) -> float | None:
        """Stability number at the largest local field of any site."""
        return self._stability("field_max")

    def _stability(self, field: str) -> float | None:
        if self.spectrum is None or self.gamma is None or field not in self.measured:
            return None
        return self.gamma * (float(self.measured[field]) - self.spectrum.lambda_min) / 2

    @property
    def period(self) -> int | None:
        """Period of the motion far beyond T: 1 for a fixed point, 0 where none is found, None where T is the end."""
        return period(self.measured["overlaps_far"]) if "overlaps_far" in self.measured else None

    @property
    def rmse(self) -> dict[str, float]:
        """Pooled RMSE around T, at 2 T and at the last depth followed, as far as these depths exist."""
        errors, T = self.measured["rmse"], self.steps
        depths = {"T-1": T - 1, "T": T, "T+1": T + 1, "2T": 2 * T, "far": len(errors) - 1}
        # Where layers end at T, that is no depth far beyond it.
        there = {name: depth for name, depth in depths.items() if depth < len(errors) and (name != "far" or depth > T)}
        return {name: float(errors[depth]) for name, depth in there.items()}

    @property
    def energy_rise(self) -> float | None:
        """Largest rise of an image's energy per site in any step followed, over the energy's size; 0 if none."""
        if "energy_rise" not in self.measured:
            return None
        rise = float(self.measured["energy_rise"].max())
        return max(0.0, rise) / max(1e-30, float(np.abs(self.measured["energy"]).max()))

    @property
    def damage_shares(self) -> np.ndarray:
        """Share of each window of steps in the damage that noise does."""
        damage = self.measured["damage"]
        return damage / max(1e-300, float(damage.sum()))

    @property
    def findings(self) -> dict[str, str]:
        """Findings by keyword, each in one sentence."""
        return _motion(self) | _energy(self) | _order(self) | _answer(self) | _unknown(self)

    @property
    def verdict(self) -> str:
        """All findings as one text."""
        return " ".join(self.findings.values())

    def table_rows(self) -> list[dict[str, object]]:
        """Row of the network."""
        bands = {name: getattr(self.spectrum, name, None) for name in ("lambda_min", "lambda_max")}
        row = {"network": self.name, "family": self.family, "s": self.s, "h": self.h, **bands, "period": self.period}
        return [row | {f"RMSE {name}": value for name, value in self.rmse.items()} | {"found": list(self.findings)}]

    def to_json(self) -> dict[str, Any]:
        """Plain data, null for unknown quantities; curves are left out."""
        m, known = self.measured, self.spectrum
        energy = m.get("energy")
        return {
            "name": self.name,
            "family": self.family,
            "symmetric": self.symmetric,
            "symmetry": self.symmetry if self.symmetric is not False else "none",
            **{name: getattr(self, name) for name in ("gamma", "steps", "s", "s_local")},
            "lambda_min": known.lambda_min if known else None,
            "lambda_max": known.lambda_max if known else None,
            **{name: getattr(self, name) for name in ("h", "c", "period")},
            "moving_sites": to_json(m.get("moving_sites")),
            "overlaps": {"T": to_json(m.get("overlaps_at_depth")), "far": to_json(m.get("overlaps_far"))},
            "rmse": {name: self.rmse.get(name) for name in ("T-1", "T", "T+1", "2T", "far")},
            "constant_rmse": float(m["target_sd"]),
            "energy": None
            if energy is None
            else {"0": float(energy[0]), "T": float(energy[self.steps]), "far": float(energy[-1])},
            "energy_rise": self.energy_rise,
            "leading_modes": [
                {"q": list(mode.wave_vector), "eigenvalue": mode.eigenvalue, "lift_overlap": mode.lift_overlap}
                | {"vector": [[z.real, z.imag] for z in mode.vector.tolist()]}
                for mode in (known.leading[:MOST_MODES] if known else ())
            ],
            "leading_count": len(known.leading) if known else None,
            **{
                name: to_json(m.get(name))
                for name in ("wall_energy", "wall_profile", "bulk_energy", "vortices", "layer_s")
            },
            "damage": {
                "eta": float(m["eta"]),
                "windows": m["windows"].tolist(),
                "shares": self.damage_shares.tolist(),
                "mean_square": m["damage"].tolist(),
                "all_steps": float(m["damage_all"]),
            },
            "findings": list(self.findings),
            "verdict": self.verdict,
        }


def diagnoses_json(diagnoses: Sequence[Diagnosis]) -> dict[str, Any]:
    """Machine-readable form of a file's diagnosis."""
    return {"networks": [diagnosis.to_json() for diagnosis in diagnoses]}


def table(diagnoses: Sequence[Diagnosis]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of a table, one network a row."""
    headings = ["network", "family", "s", "h", "lambda_min", "lambda_max", "period", "RMSE T-1", "T", "T+1", "2T"]
    rows = []
    for d in diagnoses:
        bands = (d.spectrum.lambda_min, d.spectrum.lambda_max) if d.spectrum else (None, None)
        numbers = ["-" if v is None else f"{v:.3g}" for v in (d.s, d.h, *bands)]
        errors = [f"{d.rmse[name]:.4f}" if name in d.rmse else "-" for name in ("T-1", "T", "T+1", "2T")]
        rows.append([d.name, d.family, *numbers, {None: "-", 0: "none"}.get(d.period, str(d.period)), *errors])
    return [*headings, "found"], [[*row, ", ".join(d.findings)] for row, d in zip(rows, diagnoses, strict=True)]


def _motion(d: Diagnosis) -> dict[str, str]:
    if d.period is None:
        return {}
    one, two = d.measured["overlaps_far"][:2]
    if d.period == 1:
        return {"fixed_point": "Far beyond its depth the network rests in a fixed point."}
    if d.period > 1:
        share = float(d.measured["moving_sites"])
        return {
            "cycle": f"Far beyond its depth it runs in a cycle of {d.period} steps (<x_t.x_(t+1)> = {one:.4f}, "
            f"<x_t.x_(t+2)> = {two:.4f}; {share:.1%} of the sites take part): change T by multiples of {d.period} only."
        }
    return {"moving": f"Far beyond its depth it still moves without a period (<x_t.x_(t+1)> = {one:.6f})."}


def _energy(d: Diagnosis) -> dict[str, str]:
    found = {}
    layers = " in its worst layer" if "layer_s" in d.measured else ""
    if d.s is not None and d.gamma is not None and d.s >= 1:
        found["overshoots"] = (
            f"Its steps are too long for a gradient flow: s = {d.s:.2f}{layers}, and gamma < {d.gamma / d.s:.3g} would "
            "be needed; temperatures T = eta^2 / 2 do not hold."
        )
    elif d.s is not None:
        found["gradient"] = f"Its steps follow the gradient of the energy on average: s = {d.s:.2f}{layers} < 1."
        if d.s_local is not None and d.s_local >= 1:
            found["locally_overshoots"] = f"Single sites overshoot: s = {d.s_local:.2f} at the largest local field."
    if d.energy_rise is not None and d.energy_rise > ENERGY_ROUNDING:
        found["energy_rises"] = f"Its energy rises without noise, by up to {d.energy_rise:.1e} of its size in a step."
    return found


def _order(d: Diagnosis) -> dict[str, str]:
    found = {}
    if d.spectrum is not None:
        top, middle = d.spectrum.leading[0], len(d.spectrum.bands) // 2
        if top.eigenvalue - d.spectrum.bands[middle, middle, -1] > 1e-6 * abs(top.eigenvalue):
            row, column = (q / np.pi for q in top.wave_vector)
            found["wave"] = f"What it orders into is a wave: J(q) is largest at q = ({row:.3g}, {column:.3g}) pi."
        else:
            found["uniform"] = "What it orders into is uniform: J(q) is largest at q = 0."
    if d.c and d.h is not None:
        found["broken"] = f"A constant of |c| = {d.c:.3g} ({d.c / abs(d.h):.2g} h) breaks the symmetry x -> -x."
    if d.symmetry == "U1":
        found["vortices"] = (
            "It is symmetric under rotations of a plane, so that its defects are vortices and walls can unwind: "
            f"{float(d.measured['vortices'][d.steps]):.2g} vortices per site at T."
        )
    walls = d.measured.get("wall_energy")
    if walls is not None and walls.min() < 0:
        found["no_tension"] = (
            f"Straight walls between the two uniform states cost less than nothing ({walls.min():.2g} per length): "
            "those are not its states of lowest energy."
        )
    return found


def _answer(d: Diagnosis) -> dict[str, str]:
    r, constant = d.rmse, float(d.measured["target_sd"])
    if r["T"] > LEARNT * constant:
        return {"constant": f"It has not learnt: RMSE {r['T']:.3f}, and a constant answer has {constant:.3f}."}
    if "T+1" not in r:
        return {}
    found = {}
    least = max(r["T"], EXACT)
    if max(r["T-1"], r["T+1"]) > SAME_ANSWER * least:
        found["one_depth"] = (
            f"Its answer is a moment: RMSE {r['T-1']:.4f}, {r['T']:.4f}, {r['T+1']:.4f} at T - 1, T, T + 1."
        )
    if r["2T"] > LASTING * least:
        found["fades"] = f"Its answer does not last: RMSE {r['T']:.4f} at T, {r['2T']:.4f} at 2 T."
    return found or {"lasting": f"Its answer lasts: RMSE {r['T']:.4f} at T, {r['2T']:.4f} at 2 T."}


def _unknown(d: Diagnosis) -> dict[str, str]:
    """Quantities that are left out, with the reason."""
    if "layer_s" in d.measured:
        return {
            "layers": "Every step has a coupling of its own: there is no one spectrum and no depth beyond T, so that "
            "leading modes, cycles and whether the answer lasts are left out."
        }
    if d.spectrum is not None:
        return {}
    what = ["spectrum, stability number and wall energy"] + (["energy"] if "energy" not in d.measured else [])
    return {"unknown": f"The network was brought along and does not show its couplings; left out: {', '.join(what)}."}
