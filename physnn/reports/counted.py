"""Loss landscapes of +-1 networks, in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from physnn.analysis.statistics.estimate import Estimate
from physnn.reports.told import Figures, Telling, ToldTable, told_table
from physnn.store.sweep_file import read_sweep

if TYPE_CHECKING:
    from physnn.exact.landscape import Landscape
    from physnn.exact.signs.sampling import SampledLandscape

SHOWN_LEVELS = 12
"""Levels that are printed of a landscape."""
LOSS_WORDS = {"mse": "mean squared error (dimensionless)", "cross-entropy": "cross-entropy (nats)"}
"""What a loss is called in figures."""


def tell_counts(path: Path) -> list[Telling]:
    """What a file of counted losses says."""
    from physnn.samples.landscape.brute_force import counted_signs

    recipe, found = read_sweep(path).recipe, counted_signs(path)
    name, words = "-".join(map(str, recipe["layers"])), LOSS_WORDS[recipe["loss"]]

    def draw() -> Sequence[str]:
        from physnn.figures.landscapes import loss_landscape_figure
        from physnn.figures.style import as_svg

        return (as_svg(loss_landscape_figure({name: found}, words)),)

    return [told_landscape(name, found, "loss", 10 * SHOWN_LEVELS, (("Levels and their degeneracies", draw),))]


def told_landscape(name: str, found: Landscape, level: str, shown: int, figures: Figures = ()) -> Telling:
    """Landscape in words, with its lowest levels."""
    facts = {
        "configurations": f"2^{found.weights} = {found.configurations:,}",
        f"{level} levels": f"{found.distinct:,}",
        "on the largest": f"{found.max_degeneracy:,}",
        "on each, in the mean": f"{found.mean_degeneracy:.6g}",
        "entropy of the distribution over levels": f"{found.entropy:.4f} nats",
        f"lowest {level}": f"{found.levels[0]:.10g}",
        "share of configurations there": f"{found.minimum_fraction:.3g}",
        "closest neighbouring levels, relative": f"{found.closest:.2g}",
        "counted by": found.method,
    }
    lowest = zip(found.levels[:shown], found.counts[:shown], found.cumulative[:shown], strict=True)
    title = f"lowest {level} levels, {min(shown, found.distinct)} of {found.distinct:,} (all with --json)"
    evidence = told_table(name, ["", ""], facts.items()) + told_table(
        title, [level, "configurations", "up to here"], [[f"{e:.10g}", f"{g:,}", f"{c:,}"] for e, g, c in lowest]
    )
    sentence = (
        f"{name} has {found.distinct:,} {level} levels, and {found.counts[0]:,} of 2^{found.weights} configurations "
        f"on the lowest, {found.levels[0]:.10g}."
    )
    return Telling(sentence, evidence, figures)


def tell_sampled_counts(path: Path) -> list[Telling]:
    """What a file of losses that walkers found says."""
    from physnn.samples.landscape.walkers import sampled_signs

    return [told_walkers(sampled_signs(path), 10 * SHOWN_LEVELS)]


def told_walkers(found: SampledLandscape, shown: int) -> Telling:
    """Landscape that walkers estimate, in words."""
    some = slice(0, shown)
    rows = [
        [f"{loss:.10g}", str(Estimate(float(share), float(error))), f"{share * 2.0**found.weights:.4g}", str(walkers)]
        for loss, share, error, walkers in zip(
            found.levels[some], found.mean[some], found.error[some], found.found_by[some], strict=True
        )
    ]
    title = f"lowest loss levels, {len(rows)} of {len(found.levels):,} found (all with --json)"
    evidence: tuple[str | ToldTable, ...] = told_table(title, ["loss", "fraction", "configurations", "walkers"], rows)
    if not found.complete:
        lack = "not every walker found every level: fractions are estimates of what was found; try more --moves"
        evidence += (lack,)
    first = Estimate(float(found.mean[0]), float(found.error[0]))
    sentence = f"Walkers found {len(found.levels):,} loss levels, with a share of {first} on the lowest."
    return Telling(sentence, evidence, undecided=not found.complete)
