"""What a Kuramoto network is: fixed point or cycle, gradient flow or not, one answer or one moment.

Steps of size gamma follow the gradient of the energy as long as the stability number s = gamma (h - lambda_min) / 2,
with h the mean local field x . (J x + c) and lambda_min the smallest eigenvalue of J(q), is below 1: a deviation with
eigenvalue lambda from a fixed point is multiplied by 1 + gamma (lambda - h) in each step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from physnn.models.coupling import fourier_kernel, wave_numbers

WITHIN = 0.05
"""Modes this near the top belong to the leading ones (relative)."""
REST = 1e-5
"""A state rests if 1 - <x_t . x_(t+1)> is less: rounding leaves 1e-7."""
RETURN = 0.1
"""A cycle comes back at least so much nearer than one step leads away, measured by 1 - overlap."""
SAME_ANSWER = 1.1
"""Errors one step before and after T may be this many times the error at T."""
LASTING = 1.5
"""The error at twice the depth may be this many times the error at T."""
EXACT = 1e-3
"""Errors below count as this one where they are compared."""
LEARNT = 0.95
"""A network that has learnt has an error below this share of that of the best constant answer."""
MOST_MODES = 16
"""Leading modes that are written out with their vectors."""
ROUNDING = 3e-6
"""Energies may rise by this share of their size in single precision."""


@dataclass(frozen=True)
class Mode:
    """A wave that J takes to a multiple of itself.

    Attributes
    ----------
    wave_vector : tuple of float
        Along rows and columns (radians per site); -q belongs to the conjugate vector and is left out.
    eigenvalue : float
        lambda.
    vector : ndarray of complex128, shape (N,)
        Unit eigenvector of J(q).
    lift_overlap : float
        |v . w|^2 with the unit vector w that images are lifted to.
    """

    wave_vector: tuple[float, float]
    eigenvalue: float
    vector: np.ndarray
    lift_overlap: float


@dataclass(frozen=True)
class Spectrum:
    """J(q) over the wave vectors of a torus of side L.

    Attributes
    ----------
    bands : ndarray, shape (L, L, N)
        Eigenvalues, ascending; wave vectors ascend from -pi as in `physnn.models.coupling.wave_numbers`.
    leading : tuple of Mode
        All within 5 % of the top, highest first.
    """

    bands: np.ndarray
    leading: tuple[Mode, ...]

    @property
    def lambda_min(self) -> float:
        """The smallest eigenvalue."""
        return float(self.bands.min())

    @property
    def lambda_max(self) -> float:
        """The largest eigenvalue."""
        return float(self.bands.max())


def spectrum(J: np.ndarray, lift: np.ndarray, L: int) -> Spectrum:
    """Return the spectrum of a symmetric kernel ``(N, N, k, k)`` with the leading modes' overlap with the lift."""
    q = wave_numbers(L)
    values, vectors = np.linalg.eigh(fourier_kernel(J, q, q))
    top, w = values.max(), np.float64(lift) / np.linalg.norm(lift)
    modes = []
    for row, column, band in np.argwhere(values >= top - WITHIN * abs(top)):
        # Of q and -q (mod 2 pi) the one later in the grid is kept.
        if (row, column) < ((2 * (L // 2) - row) % L, (2 * (L // 2) - column) % L):
            continue
        v = vectors[row, column, :, band]
        overlap = float(abs(np.vdot(v, w)) ** 2)
        modes.append(Mode((float(q[row]), float(q[column])), float(values[row, column, band]), v, overlap))
    return Spectrum(values, tuple(sorted(modes, key=lambda mode: -mode.eigenvalue)))


def period(overlaps: np.ndarray) -> int:
    """Return the period of a motion from its overlaps <x_t . x_(t+1)>, <x_t . x_(t+2)>, ...: 1 at rest, 0 if none."""
    away = 1 - np.asarray(overlaps, np.float64)
    if away[0] < REST:
        return 1
    back = np.flatnonzero(away[1:] < max(RETURN * away[0], REST))
    return int(back[0]) + 2 if len(back) else 0


@dataclass(frozen=True)
class Diagnosis:
    """What is known about one network.

    Attributes
    ----------
    name, family : str
        What it is called; ``paper`` or ``flow``.
    gamma, steps : float, int
        Step size and trained depth T.
    c : float
        |c|, length of the constant that breaks the symmetry x -> -x.
    spectrum : Spectrum
        Of J(q).
    measured : mapping of arrays
        What `physnn.networks.diagnose` returns.
    """

    name: str
    family: str
    gamma: float
    steps: int
    c: float
    spectrum: Spectrum
    measured: Mapping[str, np.ndarray]

    @property
    def symmetric(self) -> bool:
        """Whether c = 0."""
        return self.c == 0

    @property
    def h(self) -> float:
        """Mean local field at depth T."""
        return float(self.measured["field_mean"])

    @property
    def s(self) -> float:
        """Stability number gamma (h - lambda_min) / 2."""
        return self.gamma * (self.h - self.spectrum.lambda_min) / 2

    @property
    def s_local(self) -> float:
        """The same with the largest local field of any site."""
        return self.gamma * (float(self.measured["field_max"]) - self.spectrum.lambda_min) / 2

    @property
    def period(self) -> int:
        """Period of the motion far beyond T: 1 for a fixed point, 0 where none is found."""
        return period(self.measured["overlaps_far"])

    @property
    def rmse(self) -> dict[str, float]:
        """Pooled RMSE around T, at 2 T and at the last depth followed."""
        errors, T = self.measured["rmse"], self.steps
        depths = {"T-1": T - 1, "T": T, "T+1": T + 1, "2T": 2 * T, "far": len(errors) - 1}
        return {name: float(errors[depth]) for name, depth in depths.items()}

    @property
    def energy_rise(self) -> float:
        """Largest rise of an image's energy per site in any step followed, over the energy's size; 0 if none."""
        rise = float(self.measured["energy_rise"].max())
        return max(0.0, rise) / max(1e-30, float(np.abs(self.measured["energy"]).max()))

    @property
    def damage_shares(self) -> np.ndarray:
        """Share of each window of steps in the damage that noise does."""
        damage = self.measured["damage"]
        return damage / max(1e-300, float(damage.sum()))

    @property
    def findings(self) -> dict[str, str]:
        """What was found, by a stable keyword, each in one sentence."""
        return _motion(self) | _energy(self) | _order(self) | _answer(self)

    @property
    def verdict(self) -> str:
        """The findings in words."""
        return " ".join(self.findings.values())

    def to_json(self) -> dict[str, Any]:
        """Return the numbers and words as what JSON can hold; curves are left out."""
        m = self.measured
        return {
            "name": self.name,
            "family": self.family,
            "symmetric": self.symmetric,
            "gamma": self.gamma,
            "steps": self.steps,
            "s": self.s,
            "s_local": self.s_local,
            "lambda_min": self.spectrum.lambda_min,
            "lambda_max": self.spectrum.lambda_max,
            "h": self.h,
            "c": self.c,
            "period": self.period,
            "moving_sites": float(m["moving_sites"]),
            "overlaps": {"T": m["overlaps_at_depth"].tolist(), "far": m["overlaps_far"].tolist()},
            "rmse": self.rmse,
            "constant_rmse": float(m["target_sd"]),
            "energy": {"0": float(m["energy"][0]), "T": float(m["energy"][self.steps]), "far": float(m["energy"][-1])},
            "energy_rise": self.energy_rise,
            "leading_modes": [
                {"q": list(mode.wave_vector), "eigenvalue": mode.eigenvalue, "lift_overlap": mode.lift_overlap}
                | {"vector": [[z.real, z.imag] for z in mode.vector.tolist()]}
                for mode in self.spectrum.leading[:MOST_MODES]
            ],
            "leading_count": len(self.spectrum.leading),
            "wall_energy": m["wall_energy"].tolist(),
            "wall_profile": m["wall_profile"].tolist(),
            "bulk_energy": m["bulk_energy"].tolist(),
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


def as_json(diagnoses: Sequence[Diagnosis]) -> dict[str, Any]:
    """Return the machine-readable form of a file's diagnosis."""
    return {"networks": [diagnosis.to_json() for diagnosis in diagnoses]}


def table(diagnoses: Sequence[Diagnosis]) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows, one network each."""
    headings = ["network", "family", "s", "h", "lambda_min", "lambda_max", "period", "RMSE T-1", "T", "T+1", "2T"]
    rows = []
    for d in diagnoses:
        numbers = (d.s, d.h, d.spectrum.lambda_min, d.spectrum.lambda_max)
        errors = [f"{d.rmse[name]:.4f}" for name in ("T-1", "T", "T+1", "2T")]
        rows.append([d.name, d.family, *(f"{v:.3g}" for v in numbers), str(d.period) if d.period else "none", *errors])
    return [*headings, "found"], [[*row, ", ".join(d.findings)] for row, d in zip(rows, diagnoses, strict=True)]


def _motion(d: Diagnosis) -> dict[str, str]:
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
    if d.s >= 1:
        found["overshoots"] = (
            f"Its steps are too long for a gradient flow: s = {d.s:.2f}, and gamma < {d.gamma / d.s:.3g} would be "
            "needed; temperatures T = eta^2 / 2 do not hold."
        )
    else:
        found["gradient"] = f"Its steps follow the gradient of the energy on average: s = {d.s:.2f} < 1."
        if d.s_local >= 1:
            found["locally_overshoots"] = f"Single sites overshoot: s = {d.s_local:.2f} at the largest local field."
    if d.energy_rise > ROUNDING:
        found["energy_rises"] = f"Its energy rises without noise, by up to {d.energy_rise:.1e} of its size in a step."
    return found


def _order(d: Diagnosis) -> dict[str, str]:
    top, found = d.spectrum.leading[0], {}
    middle = len(d.spectrum.bands) // 2
    if top.eigenvalue - d.spectrum.bands[middle, middle, -1] > 1e-6 * abs(top.eigenvalue):
        row, column = (q / np.pi for q in top.wave_vector)
        found["wave"] = f"What it orders into is a wave: J(q) is largest at q = ({row:.3g}, {column:.3g}) pi."
    else:
        found["uniform"] = "What it orders into is uniform: J(q) is largest at q = 0."
    if not d.symmetric:
        found["broken"] = f"A constant of |c| = {d.c:.3g} ({d.c / abs(d.h):.2g} h) breaks the symmetry x -> -x."
    walls = d.measured["wall_energy"]
    if walls.min() < 0:
        found["no_tension"] = (
            f"Straight walls between the two uniform states cost less than nothing ({walls.min():.2g} per length): "
            "those are not its states of lowest energy."
        )
    return found


def _answer(d: Diagnosis) -> dict[str, str]:
    r, constant = d.rmse, float(d.measured["target_sd"])
    if r["T"] > LEARNT * constant:
        return {"constant": f"It has not learnt: RMSE {r['T']:.3f}, and a constant answer has {constant:.3f}."}
    found = {}
    least = max(r["T"], EXACT)
    if max(r["T-1"], r["T+1"]) > SAME_ANSWER * least:
        found["one_depth"] = (
            f"Its answer is a moment: RMSE {r['T-1']:.4f}, {r['T']:.4f}, {r['T+1']:.4f} at T - 1, T, T + 1."
        )
    if r["2T"] > LASTING * least:
        found["fades"] = f"Its answer does not last: RMSE {r['T']:.4f} at T, {r['2T']:.4f} at 2 T."
    return found or {"lasting": f"Its answer lasts: RMSE {r['T']:.4f} at T, {r['2T']:.4f} at 2 T."}
