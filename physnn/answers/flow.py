"""Flow of blocks of sampled lattice configurations: exponents and couplings by block step, and what may be claimed."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from physnn import rng
from physnn.analysis.renormalization.couplings import Couplings, couplings_of
from physnn.analysis.renormalization.judgement import AWAY, FIXED, OPEN, Judgement, Step, judge
from physnn.analysis.renormalization.linearised import Exponents, exponents_of, moments_left_out
from physnn.analysis.renormalization.matching import Matching, response, shift
from physnn.analysis.renormalization.operators import EVEN, ODD, Operator
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.frames import Tabled
from physnn.analysis.statistics.plain import fields_json
from physnn.analysis.statistics.resampling import bin_count, bin_edges
from physnn.analysis.statistics.series import estimate_time
from physnn.analysis.verdict.universality import CLASSES
from physnn.errors import InputError
from physnn.jobs.run import Progress, silent
from physnn.kernels.blocks import decimated, environments, majority, shape_sums
from physnn.store.snapshots import Snapshots, read_snapshots

LEAST_BLOCK_LATTICE = 4
"""Side of the smallest lattice of blocks: smaller ones count every bond twice."""
COUNTED_SITES = 2**22
"""Sites of a level at most whose surroundings are counted: couplings are then known to some 0.001."""
CLASS_OF = {2: "2D Ising", 3: "3-state Potts (2D)", 4: "4-state Potts (2D)"}
"""Class of the ferromagnets of so many colours, whose exponents are exact."""
Block = Literal["majority", "decimation"]


@dataclass(frozen=True)
class Level:
    """Configurations after some block steps.

    Attributes
    ----------
    side : int
        Side of the lattice of blocks.
    even, odd : ndarray, shape (chain, snapshot, operator, component)
        Sums of the operators over the lattice.
    couplings : Couplings or None
        None where they cannot be found, and ``note`` says why.
    """

    side: int
    even: np.ndarray
    odd: np.ndarray
    couplings: Couplings | None
    note: str = ""


@dataclass(frozen=True)
class FlowRun:
    """Flow of the configurations of one size and temperature.

    Attributes
    ----------
    L, T : int, float
        Size and temperature in units of J / k_B.
    chains, snapshots : int
        Chains, and configurations in each.
    tau : float
        Longest autocorrelation time of an operator, in snapshots.
    bins : int
        Bins of the jackknife in all chains together.
    levels : tuple of Level
        Before any block step, and after each.
    steps : tuple of Step
        From each level to the next.
    judgement : Judgement
        What may be claimed.
    """

    L: int
    T: float
    chains: int
    snapshots: int
    tau: float
    bins: int
    levels: tuple[Level, ...]
    steps: tuple[Step, ...]
    judgement: Judgement

    @property
    def edges(self) -> np.ndarray:
        """First snapshots of the bins of a chain."""
        return bin_edges(self.snapshots, self.bins // self.chains)

    def as_json(self) -> dict[str, Any]:
        """Plain data: exponents by step and number of operators, the largest first, and couplings by level."""
        plain = fields_json(self, "steps", "levels")
        plain["steps"] = [
            {"level": step.level, "side": step.side, "note": step.note}
            | {name: [_plain(each) for each in rows] for name, rows in (("even", step.even), ("odd", step.odd))}
            for step in self.steps
        ]
        plain["couplings"] = [
            {"level": k, "side": level.side, "note": level.note, "values": _plain(level.couplings)}
            for k, level in enumerate(self.levels)
        ]
        return plain


def _plain(found: Exponents | Couplings | None) -> list[dict[str, Any] | None]:
    estimates = found.estimates if found else ()
    return [each.as_json() if np.isfinite(each.value) else None for each in estimates]


@dataclass(frozen=True)
class FlowAnswer(Tabled):
    """Flow of the configurations of a sweep.

    Attributes
    ----------
    model, q : str, int
        Model and number of its colours.
    block, b, shuffled : str, int, bool
        Rule, side of a block, and whether sites were permuted first.
    operators : mapping
        Names of the ``even`` and ``odd`` operators, in the order in which they are added.
    exact : mapping
        y_t and y_h of the model's class, empty where there is none.
    runs : tuple of FlowRun
        By size and temperature.
    matchings : tuple of Matching
        Of sizes whose ratio is that of a block, at the same temperature.
    """

    model: str
    q: int
    block: str
    b: int
    shuffled: bool
    operators: Mapping[str, tuple[str, ...]]
    exact: Mapping[str, float]
    runs: tuple[FlowRun, ...]
    matchings: tuple[Matching, ...]

    @property
    def decided(self) -> bool:
        """Whether every run has a verdict."""
        return all(run.judgement.verdict != OPEN for run in self.runs)

    @property
    def main(self) -> FlowRun:
        """Run to show first: at a fixed point, or else one that may be; then the largest, then the one most at rest."""
        order = (AWAY, OPEN, FIXED)
        return max(self.runs, key=lambda run: (order.index(run.judgement.verdict), run.L, -run.judgement.change))

    def table_rows(self) -> list[dict[str, object]]:
        """Rows of the runs: the largest exponents in the last block step."""
        rows = [(r.L, r.T, len(r.steps), r.judgement.y_t, r.judgement.y_h, r.judgement.verdict) for r in self.runs]
        return [dict(zip(("L", "T", "steps", "y_t", "y_h", "verdict"), row, strict=True)) for row in rows]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return fields_json(self) | {"decided": self.decided}


def lattice_flow(
    path: Path | str,
    block: Block = "majority",
    b: int = 2,
    seed: int = 0,
    shuffled: bool = False,
    progress: Progress = silent,
) -> FlowAnswer:
    """Monte Carlo renormalization of the configurations that a temperature sweep has kept.

    Parameters
    ----------
    path : Path or str
        Sweep file with configurations.
    block : str
        ``majority``: the most frequent colour of a block; ``decimation``: that of its first site.
    b : int
        Side of a block.
    seed : int
        Root of the random streams that settle ties.
    shuffled : bool
        Whether the sites of every configuration are permuted first: a control with the same magnetisations and no
        other order.
    progress : callable, optional
        Called with work done, work in all, text.

    Raises
    ------
    InputError
        If the file holds no configurations of an Ising or ferromagnetic Potts model on the square torus without a
        field, or none that blocks cover.
    """
    found = read_snapshots(path)
    first = next(iter(found.values()))
    model = _check(first.recipe, path)
    fits = {L: each for L, each in found.items() if L % b == 0 and L // b >= LEAST_BLOCK_LATTICE}
    if not fits:
        raise InputError(
            f"blocks of {b} x {b} cover no size of {path} with at least {LEAST_BLOCK_LATTICE} of them along a side: "
            "take larger lattices"
        )
    runs, done, total = [], 0.0, float(sum(each.colours.size for each in fits.values()))
    if (kept := min(each.colours.shape[2] for each in fits.values())) < 4:
        raise InputError(f"{path} keeps {kept} configurations of a chain, errors need 4: take a smaller --snapshots")
    for L, snapshots in fits.items():
        for k, T in enumerate(snapshots.T.tolist()):
            progress(done, total, f"L = {L}, T = {T:g}")
            measured = _measured(snapshots, k, (model, block, b), (seed, L, T), shuffled)
            runs.append(_flow_run(model, L, T, b, measured))
            done += snapshots.colours[k].size
    progress(done, total, "")
    known = next(c for c in CLASSES if c.name == CLASS_OF[first.q]) if first.q in CLASS_OF else None
    exact = {}
    if known and known.inverse_nu and known.beta_over_nu:
        exact = {"y_t": known.inverse_nu.value, "y_h": 2 - known.beta_over_nu.value}
    names = {kind: tuple(o.name for o in kinds[model]) for kind, kinds in (("even", EVEN), ("odd", ODD))}
    J = float(first.recipe.get("coupling", 1)) / (1 if model == first.recipe["model"] else 2)  # 2 delta = 1 + s s'
    matchings = () if first.recipe.get("J2") or shuffled else _matchings(runs, b, J)
    return FlowAnswer(str(first.recipe["model"]), first.q, block, b, shuffled, names, exact, tuple(runs), matchings)


def _check(recipe: Mapping[str, Any], path: Path | str) -> str:
    """Model of a recipe's operators, Ising for two colours; raises InputError unless blocks mean something."""
    if recipe["model"] not in EVEN:
        raise InputError(f"{path} holds a {recipe['model']} model: blocks are made of ising and potts models")
    if recipe.get("lattice", "square") != "square" or recipe.get("aspect", 1) != 1 or "edges" in recipe:
        raise InputError(f"{path} has another lattice or edges: blocks are made on the square torus")
    if recipe.get("field"):
        raise InputError(f"{path} has a field, which mixes even and odd operators: take a file without one")
    if float(recipe.get("coupling", 1)) <= 0:
        raise InputError(f"{path} holds an antiferromagnet, whose blocks average to nothing: take a coupling above 0")
    return "ising" if recipe["model"] == "potts" and recipe["q"] == 2 else str(recipe["model"])


@dataclass(frozen=True)
class _Blocks:
    """Configurations of one level: sums of operators, and some of them whose surroundings are counted."""

    side: int
    even: np.ndarray
    odd: np.ndarray
    kept: np.ndarray
    every: int


def _measured(
    snapshots: Snapshots, k: int, rule: tuple[str, str, int], words: tuple[int, int, float], shuffled: bool
) -> list[_Blocks]:
    """Levels of the configurations at one temperature, chain by chain; ties are settled by a stream of each chain."""
    (model, block, b), (seed, L, T), q = rule, words, snapshots.q
    chains = []
    for chain, first in enumerate(snapshots.colours[k]):
        generator, levels, colours = rng.stream(seed, "ties", L, T, chain), [], first
        if shuffled:
            colours = generator.permuted(colours.reshape(len(colours), -1), axis=1).reshape(colours.shape)
        while True:
            levels.append((colours, *_operator_sums(colours, model, q)))
            side = colours.shape[1]
            if side % b or side // b < LEAST_BLOCK_LATTICE:
                break
            colours = majority(colours, b, q, generator) if block == "majority" else decimated(colours, b)
        chains.append(levels)
    found = []
    for parts in zip(*chains, strict=True):
        side, count = parts[0][0].shape[1], sum(len(colours) for colours, _, _ in parts)
        every = max(1, -(-count * side**2 // COUNTED_SITES))
        kept = np.concatenate([colours for colours, _, _ in parts])[::every]
        found.append(_Blocks(side, np.stack([e for _, e, _ in parts]), np.stack([o for *_, o in parts]), kept, every))
    return found


def _operator_sums(colours: np.ndarray, model: str, q: int) -> tuple[np.ndarray, np.ndarray]:
    """Even and odd operators of configurations, each (n, operator, component)."""
    fields = [1 - 2 * colours] if model == "ising" else [(colours == c).astype(np.int8) for c in range(q)]
    operators: dict[Operator, None] = dict.fromkeys((*EVEN[model], *ODD[model]))
    sums = {o: np.stack([shape_sums(field, o.shapes) for field in fields], axis=-1) for o in operators}
    even = np.stack([sums[operator].sum(-1, keepdims=True) for operator in EVEN[model]], axis=1)
    odd = np.stack([sums[operator] for operator in ODD[model]], axis=1)
    return even, odd if model == "ising" else odd - odd.mean(-1, keepdims=True)


def _flow_run(model: str, L: int, T: float, b: int, measured: Sequence[_Blocks]) -> FlowRun:
    """Exponents, couplings and verdict of measured levels."""
    chains, n = measured[0].even.shape[:2]
    # Energies and squared order parameters are what is slow.
    series = [slow for each in measured for slow in (each.even[:, :, 0, 0], (each.odd[:, :, 0] ** 2).sum(-1))]
    tau = max(estimate_time(each).span for each in series)
    edges = bin_edges(n, bin_count(tau, chains, n))
    number = np.searchsorted(edges, np.arange(n), side="right") - 1
    bins = (np.arange(chains)[:, None] * len(edges) + number).ravel()
    levels = tuple(_level(model, each, bins) for each in measured)
    steps = tuple(_step(model, k, b, *pair, edges) for k, pair in enumerate(itertools.pairwise(levels)))
    # On the smallest lattices operators are missing, and what is left of couplings takes their part.
    whole = [level for level in levels if all(operator.fits(level.side, level.side) for operator in EVEN[model])]
    couplings = [level.couplings for level in whole if level.couplings]
    return FlowRun(L, T, chains, n, tau, chains * len(edges), levels, steps, judge(steps, couplings))


def _level(model: str, measured: _Blocks, bins: np.ndarray) -> Level:
    """Level with the couplings of its configurations."""
    side, shapes = measured.side, [o.shapes for o in EVEN[model] if o.fits(measured.side, measured.side)]
    q = 2 if model == "ising" else measured.odd.shape[-1]
    try:
        found = couplings_of(*environments(measured.kept, q, shapes, model == "ising", bins[:: measured.every]))
    except InputError as error:
        return Level(side, measured.even, measured.odd, None, str(error))
    return Level(side, measured.even, measured.odd, found)


def _step(model: str, k: int, b: int, fine: Level, coarse: Level, edges: np.ndarray) -> Step:
    """Exponents of the step between two levels for every number of operators."""
    found: dict[str, tuple[Exponents, ...]] = {}
    note = ""
    for kind, kinds in (("even", EVEN), ("odd", ODD)):
        moments = moments_left_out(getattr(fine, kind), getattr(coarse, kind), edges, odd=kind == "odd")
        rows = []
        try:
            for count, operator in enumerate(kinds[model], 1):
                if not operator.fits(coarse.side, coarse.side):
                    break
                rows.append(exponents_of(moments, count, b))
        except InputError as error:
            note = str(error)
        found[kind] = tuple(rows)
    return Step(k, coarse.side, found["even"], found["odd"], note)


def _matchings(runs: Sequence[FlowRun], b: int, coupling: float) -> tuple[Matching, ...]:
    """Critical temperatures at which sizes match whose ratio is the side of a block."""
    found = []
    for larger, smaller in itertools.product(runs, repeat=2):
        if smaller.L * b != larger.L or smaller.T != larger.T:
            continue
        if AWAY in (larger.judgement.verdict, smaller.judgement.verdict):
            continue  # what has not died out, or has grown, would be taken for a distance from the critical point
        ends = [(run.levels[-1].even, run.levels[0].even, run.edges) for run in (larger, smaller)]
        change = shift(*(response(last[:, :, 0, 0], first[:, :, 0, 0], edges) for last, first, edges in ends))
        # T = J / K, so that its error is that of K by T^2 / J.
        T = coupling / (coupling / larger.T + change.value)
        estimate = Estimate(T, change.error * T**2 / coupling, change.dof)
        found.append(Matching((smaller.L, larger.L), larger.T, larger.levels[-1].side, estimate))
    return tuple(found)
