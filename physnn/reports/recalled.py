"""Images told from a memory of vectors, in words."""

from __future__ import annotations

from pathlib import Path

from physnn.answers.bottleneck.recall import RecallAnswer, recall_answer
from physnn.reports.told import Figures, Telling, ToldTable, drawn_by, told_table


def tell_recall(path: Path) -> list[Telling]:
    """What a file of recalled images says: which descriptor tells best, and what it costs."""
    answer = recall_answer(path)
    caption = "Shares told right by images in memory, and what descriptors differ by"
    return [told_recall(answer, ((caption, drawn_by("plot_recall", path, answer=answer)),))]


def told_recall(answer: RecallAnswer, figures: Figures = ()) -> Telling:
    """Shares told right of all settings, and what pixel vectors are worth, in words."""
    header = ["control", "images", "descriptor", "told right", "over classes", "over splits", "vectors", "MB", "ms"]
    rows = []
    for r in answer.rows:
        shares = map(str, (r.right, r.right_by_class, r.right_by_split))
        cost = f"{r.vectors:,}", f"{r.megabytes:.3g}", f"{1e3 * answer.seconds[r.descriptor]:.2g}"
        rows.append([r.condition, str(r.images), r.descriptor, *shares, *cost])
    null = ", classes at random" if answer.shuffled else ""
    title = (
        f"{answer.layer}: {answer.classes} classes, {answer.shown} images of each shown, {answer.splits} splits, "
        f"K = {answer.neighbours}, {answer.metric}{null}; guessing {answer.chance:.3g}"
    )
    evidence: tuple[str | ToldTable, ...] = told_table(title, header, rows)
    evidence += ("ms: of an image, with the most shots in memory, one thread of this machine as it is now",)
    header = ["shown as, images", *(f"less {name}" for name in (answer.found[0].differences if answer.found else ()))]
    rows = [[each.setting, *map(str, each.differences.values()), each.verdict] for each in answer.found]
    title = "pixel vectors, share told right less that of others"
    evidence += told_table(title, [*header, "pixel vectors are"], rows)
    sentence = answer.sentence if answer.sentence.endswith(".") else f"{answer.sentence}."
    return Telling(f"{sentence[:1].upper()}{sentence[1:]}", evidence + _worth_of(answer), figures)


def _worth_of(answer: RecallAnswer) -> tuple[ToldTable, ...]:
    """Table of what pixel vectors are worth beside averages."""
    header = ["shown as", "gain by images in memory", "memory", "time", "images of equal memory", "gain", "worth it"]
    rows = []
    for w in answer.worth:
        gains = ", ".join(f"{n}: {gain}" for n, gain in w.gain.items())
        equal = str(w.equal_images or "-"), str(w.equal_gain or "-")
        rows.append([w.condition, gains, f"x {w.memory:g}", f"x {w.time:.2g}", *equal, w.verdict])
    return told_table("pixel vectors beside averages of the same images, and of more images", header, rows)
