"""Diagnoses of networks, charges of learning and equivariance of layers, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from physnn.analysis.order.diagnosis import Diagnosis, table
from physnn.analysis.statistics.estimate import Estimate
from physnn.answers.symmetry.charges import ChargeAnswer
from physnn.answers.training.equivariance import Equivariance
from physnn.reports.told import Draw, Telling, ToldTable, drawn_by, told_table

SMALLEST_TOLD = 1e-4
"""Deviation from which on its error is printed."""
CHARGE_COLUMNS = ("charge", "change", "predicted", "in flow", "drift", "errors", "roundings", "share", "verdict")


def told_diagnoses(found: Sequence[Diagnosis], source: str) -> Telling:
    """Diagnoses of the networks of a file, in words."""
    heading, rows = table(found)
    # The file is in the title; its name in every row would leave no room for numbers.
    shown = [[d.name.rpartition("/")[2], *row[1:-1]] for d, row in zip(found, rows, strict=True)]
    evidence: tuple[str | ToldTable, ...] = told_table(f"{len(found)} networks of {source}", heading[:-1], shown)
    evidence += tuple(f"{d.name}: {d.verdict}" for d in found)
    counts = Counter(name.replace("_", " ") for d in found for name in d.findings)
    told = ", ".join(f"{name} ({n})" for name, n in counts.items())
    figures = tuple((f"Diagnosis of {d.name}", _drawing(d)) for d in found)
    return Telling(f"Found in {len(found)} network{'s' * (len(found) > 1)}: {told}.", evidence, figures)


def _drawing(found: Diagnosis) -> Draw:
    def draw() -> tuple[str, ...]:
        from physnn.figures.diagnosis import diagnosis_figure
        from physnn.figures.style import as_svg

        return (as_svg(diagnosis_figure(found)),)

    return draw


def told_charges(found: ChargeAnswer) -> Telling:
    """Charges of learning, ensemble by ensemble, in words."""
    evidence: tuple[str | ToldTable, ...] = ()
    for name, rule in found.rules.items():
        rows = [
            [
                row.charge,
                *(f"{e.value - row.first.value:.4g}" for e in (row.measured, row.predicted, row.flow)),
                *(str(row.drift), f"{row.in_errors:.1f}", f"{row.roundings:.1g}", f"{row.share:.0e}", row.verdict),
            ]
            for row in found.rows
            if row.ensemble == name
        ]
        training = f"{rule.optimiser}, lr {rule.lr:g}, momentum {rule.momentum:g}, decay {rule.weight_decay:g}"
        evidence += told_table(f"{name}: {rule.network}, {training}", CHARGE_COLUMNS, rows)
    sentence = f"Charges of learning by their predicted motion: {_counted([row.verdict for row in found.rows])}."
    figures = (("Charges along the training", drawn_by("plot_charges", found)),)
    return Telling(sentence, evidence, figures, undecided=any("undecided" in row.verdict for row in found.rows))


def told_equivariance(found: Equivariance) -> Telling:
    """Deviations from equivariance, layer by layer, in words."""
    between = found.group == "so2"
    columns = [
        (r.still, r.mixed, *(r.interpolated,) * between, r.untrained, r.unrelated, r.replicas) for r in found.rows
    ]
    rows = [[r.ensemble, r.layer, *map(_small, c), r.verdict] for r, c in zip(found.rows, columns, strict=True)]
    first = ["network", "layer", "as it is", "rotated", *["interpolated"] * between]
    header = [*first, "untrained", "unrelated", "over replicas", "verdict"]
    title = f"deviations under {found.group}, {found.images} images, {found.replicas} replicas"
    sentence = f"Layers under {found.group}: {_counted([row.verdict for row in found.rows])}."
    figures = (("Deviations from equivariance, layer by layer", drawn_by("plot_equivariance", found)),)
    undecided = any("undecided" in row.verdict for row in found.rows)
    return Telling(sentence, told_table(title, header, rows), figures, undecided=undecided)


def _counted(verdicts: Sequence[str]) -> str:
    return ", ".join(f"{name} ({n})" for name, n in Counter(verdicts).items())


def _small(estimate: Estimate | None) -> str:
    """Estimate in few letters; what is rounding alone as a power of ten."""
    if estimate is None:
        return "-"
    return str(estimate) if estimate.value >= SMALLEST_TOLD else f"{estimate.value:.0e}"
