"""Entropies of ground states and of random machines, by cut, in nats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physnn import rng
from physnn.analysis.quantum.entropy import (
    Swapped,
    central_charge,
    central_charge_by_swaps,
    state_entropies,
    swap_entropies,
)
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.frames import Tabled
from physnn.errors import InputError
from physnn.exact.quantum import FreeFermions, exact_ground
from physnn.models.quantum import QuantumModel
from physnn.store.hdf5 import write_bytes

CHARGES = {"tfim": 0.5, "heisenberg": 1.0, "xxz": 1.0}
"""Central charges of chains: of Ising's at h = 1, of xxz for |delta| <= 1."""
EXACT_DRAWS = 20, 2000
"""Pairs of sets of draws from a known state, and draws in each."""
SWAPPED_CUTS = 12
"""Cuts that swaps are made at, at most."""
SVD_SITES = 20
"""Sites up to which a state is decomposed as a whole."""


@dataclass(frozen=True)
class CutTable(Tabled):
    """Entropies of the first l sites of one state with the rest, in nats.

    Attributes
    ----------
    model : QuantumModel
        The Hamiltonian.
    method : str
        How they were found.
    cuts : ndarray of int, shape (cuts,)
        Sites l of the first part.
    von_neumann : ndarray or None
        -tr rho ln rho; None where only swaps were made.
    renyi2 : ndarray
        -ln tr rho^2, not a number where it is undecided.
    error : ndarray
        Errors of ``renyi2``, 0 where it is exact.
    central : Estimate or None
        Effective central charge from the cuts between a quarter and three quarters of a chain.
    notes : tuple of str
        Why cuts are undecided.
    own_error : ndarray or None
        Errors of ``von_neumann``, of several machines.
    exact : tuple of ndarray, or None
        Exact S and S_2 of the ground state that machines were trained to, where they are known.
    exact_central : float or None
        Its central charge from the same cuts and entropy.
    """

    model: QuantumModel
    method: str
    cuts: np.ndarray
    von_neumann: np.ndarray | None
    renyi2: np.ndarray
    error: np.ndarray
    central: Estimate | None = None
    notes: tuple[str, ...] = ()
    own_error: np.ndarray | None = None
    exact: tuple[np.ndarray, np.ndarray] | None = None
    exact_central: float | None = None

    @property
    def decided(self) -> bool:
        """Whether every cut has an entropy."""
        return bool(np.isfinite(self.renyi2).all())

    @property
    def name(self) -> str:
        """Model, sides and parameter in words."""
        sides = " x ".join(map(str, self.model.sides))
        parameter = {"tfim": f", h = {self.model.h:g}", "xxz": f", delta = {self.model.delta:g}"}
        parameter["j1j2"] = f", J2 = {self.model.J2:g}"
        border = "" if self.model.periodic else ", open"
        return f"{self.model.name}, L = {sides}{parameter.get(self.model.name, '')}{border}, {self.method}"

    def table_rows(self) -> list[dict[str, object]]:
        """Rows of the cuts; errors are 0 where entropies are exact."""
        none = np.full(len(self.cuts), np.nan)
        columns = {"l": self.cuts, "S": self.von_neumann, "S_error": self.own_error, "S_2": self.renyi2}
        columns |= {"S_2_error": self.error, **dict(zip(("exact S", "exact S_2"), self.exact or (), strict=False))}
        lists = [none if values is None else values for values in columns.values()]
        return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        arrays = {"von_neumann": self.von_neumann, "renyi2": self.renyi2, "error": self.error}
        arrays["von_neumann_error"] = self.own_error
        own, renyi = self.exact or (None, None)
        arrays |= {"exact_von_neumann": own, "exact_renyi2": renyi}
        return {
            "model": self.model.name,
            "sides": list(self.model.sides),
            "h": self.model.h,
            "method": self.method,
            "logarithm": "natural",
            "cuts": self.cuts.tolist(),
            "central_charge": self.central.as_json() if self.central else None,
            "exact_central_charge": self.exact_central,
            "notes": list(self.notes),
        } | {name: None if values is None else values.tolist() for name, values in arrays.items()}


def ground_entropies(model: QuantumModel, method: str = "auto", seed: int = 0) -> CutTable:
    """Entropies of a model's exact ground state.

    Parameters
    ----------
    model : QuantumModel
        The Hamiltonian.
    method : str
        ``free-fermions`` for chains in a transverse field of any length, ``exact`` for singular values of a state that
        was diagonalised, up to 20 sites; ``auto`` is the first one that there is.  ``swap`` draws configurations of
        that state, and finds Renyi's entropy as it is found where there is no vector.
    seed : int
        Root seed of the draws.

    Raises
    ------
    InputError
        If a method does not reach the model.
    """
    free = model.name == "tfim" and len(model.sides) == 1
    if method == "free-fermions" and not free:
        raise InputError(f"Only chains in a transverse field are free fermions, not {model.name} on {model.sides}.")
    if method == "free-fermions" or (method == "auto" and free):
        von_neumann, renyi2 = FreeFermions(model.N, model.h, model.periodic).entropies()
        return _table(model, "free fermions", von_neumann, renyi2)
    if model.N > SVD_SITES:
        raise InputError(f"{model.N} sites are too many for singular values: {SVD_SITES} at most.")
    psi = exact_ground(model, gap=False).vector()
    return _drawn(model, psi, seed) if method == "swap" else _table(model, "exact", *state_entropies(psi))


def _drawn(model: QuantumModel, psi: np.ndarray, seed: int) -> CutTable:
    """Renyi entropies of a state by swaps of independent draws."""
    generator = rng.stream(seed, "subset", "swap", model.name, model.N, model.h)
    chosen = generator.choice(len(psi), (2, *EXACT_DRAWS), p=psi**2 / float(psi @ psi))
    bits = np.arange(model.N - 1, -1, -1)
    first, second = (1 - 2 * ((chosen[..., None] >> bits) & 1)).astype(np.int8)
    with np.errstate(divide="ignore"):
        logs = np.log(psi + 0j)
    powers = 1 << bits
    found = swap_entropies(lambda s: logs[((1 - s.astype(np.int64)) // 2) @ powers], first, second, model_cuts(model))
    return swapped_table(model, found)


def model_cuts(model: QuantumModel) -> list[int]:
    """Cuts up to the middle, at most `SWAPPED_CUTS` of them, the middle one among them."""
    half = model.N // 2
    step = -(-half // SWAPPED_CUTS)
    return list(range(half, 0, -step))[::-1]


def _table(model: QuantumModel, method: str, von_neumann: np.ndarray, renyi2: np.ndarray) -> CutTable:
    """Exact entropies, with the central charge of chains."""
    cuts = np.arange(1, model.N)
    kept = middle_cuts(model)
    central = None
    if kept is not None:
        central = Estimate(float(central_charge(cuts[kept], von_neumann[kept], model.N, periodic=model.periodic)), 0.0)
    return CutTable(model, method, cuts, von_neumann, renyi2, np.zeros(model.N - 1), central=central)


def middle_cuts(model: QuantumModel) -> np.ndarray | None:
    """Places of the cuts between a quarter and three quarters of a chain; None where no central charge is known."""
    cuts = np.arange(1, model.N)
    kept = np.flatnonzero((cuts >= model.N / 4) & (cuts <= 3 * model.N / 4) & _counts(model, cuts))
    chords = np.unique(np.minimum(cuts[kept], model.N - cuts[kept]))
    known = len(model.sides) == 1 and model.N >= 8 and model.name in CHARGES
    return kept if known and len(chords) > 1 else None


def _counts(model: QuantumModel, cuts: np.ndarray) -> np.ndarray:
    """Which cuts a central charge is taken from: even ones where entropies of odd and even cuts alternate."""
    return np.asarray((cuts % 2 == 0) | (not model.conserves))


def swapped_table(model: QuantumModel, found: Sequence[Swapped]) -> CutTable:
    """Table of entropies by swaps, with the central charge of chains."""
    middle = [each for each in found if each.cut >= model.N / 4 and _counts(model, np.array(each.cut))]
    chain = len(model.sides) == 1 and model.N >= 8 and model.name in CHARGES
    central = central_charge_by_swaps(middle, model.N, model.periodic) if chain else None
    values = [each.entropy for each in found]
    return CutTable(
        model,
        "swap",
        np.array([each.cut for each in found]),
        None,
        np.array([math.nan if e is None else e.value for e in values]),
        np.array([math.nan if e is None else e.error for e in values]),
        central,
        tuple(f"l = {each.cut}: {each.note}" for each in found if each.note),
    )


def write_cuts(tables: Sequence[CutTable], path: Path) -> Path:
    """CSV file of entropies by cut: model, sites, h, l, both entropies in nats, error of Renyi's."""
    lines = ["model,N,h,cut,von_neumann_nats,renyi2_nats,renyi2_error"]
    for table in tables:
        for k, cut in enumerate(table.cuts):
            own = "" if table.von_neumann is None else f"{table.von_neumann[k]:.15g}"
            values = f"{own},{table.renyi2[k]:.15g},{table.error[k]:.6g}"
            lines.append(f"{table.model.name},{table.model.N},{table.model.h:.15g},{cut},{values}")
    write_bytes(path, ("\n".join(lines) + "\n").encode())
    return path


def _errors_of(table: CutTable) -> np.ndarray:
    """Errors of von Neumann's entropy, 0 where it is exact."""
    return np.zeros(len(table.cuts)) if table.own_error is None else np.nan_to_num(table.own_error)


def draw_cuts(tables: Sequence[CutTable], out: Path) -> Path:
    """Figure of entropies by cut: von Neumann's where all states have it, else Renyi's second."""
    from physnn.figures.quantum.entropy import cut_figure
    from physnn.figures.style import save

    both = all(table.von_neumann is not None for table in tables)
    curves = [
        (t.name, t.model.N, t.model.periodic, t.cuts, t.von_neumann, _errors_of(t))
        if both and t.von_neumann is not None
        else (t.name, t.model.N, t.model.periodic, t.cuts, t.renyi2, t.error)
        for t in tables
    ]
    names = {t.model.name for t in tables if len(t.model.sides) == 1}
    charge = CHARGES.get(names.pop()) if len(names) == 1 and all(len(t.model.sides) == 1 for t in tables) else None
    return save(cut_figure(curves, "S" if both else "S_2", charge), out)
