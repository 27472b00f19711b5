"""Networks trained in several forms of the input, in words: which form has the smaller error?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from physnn.analysis.statistics.claims import Claim
from physnn.analysis.statistics.power import Power
from physnn.answers.bottleneck.labels import label_answer
from physnn.answers.training.colour import ColourAnswer, colour_answers
from physnn.answers.training.equation_of_state import state_answer
from physnn.answers.training.pde import PdeAnswer, pde_answers
from physnn.answers.training.sentiment import sentiment_answer
from physnn.reports.curves import told_power
from physnn.reports.told import Figures, Telling, ToldTable, drawn_by, told_table


def claim_rows(claims: Sequence[Claim]) -> list[list[str]]:
    """Rows of a table of claims; seeds that are not compared are told beside the verdict."""
    told = [f"{c.verdict}; {c.left_out} diverged, left out" if c.left_out else c.verdict for c in claims]
    return [
        [c.form, f"{c.mark:,}", str(c.difference), f"{c.p_value:.2g}", verdict]
        for c, verdict in zip(claims, told, strict=True)
    ]


def p_header(claims: Sequence[Claim]) -> str:
    """Header of p-values: what is judged together."""
    return "p, all marks and arms" if claims[0].comparisons > len({c.mark for c in claims}) else "p, all marks"


def claims_sentence(claims: Sequence[Claim], what: str = "error") -> str:
    """Sentence on the last mark of every form: whose ``what`` is smaller than the baseline's, and whose is not."""
    if not claims:
        return f"No {what}s of several arms are compared."
    last = {claim.form: claim for claim in claims}
    mark, baseline = max(c.mark for c in claims), claims[0].baseline
    groups: dict[str, list[str]] = {}
    for form, claim in last.items():
        verdict = claim.verdict.split(" (")[0]
        words = {
            "confirmed": f"smaller than that of {baseline} for",
            "refuted": f"larger than that of {baseline} for",
            "absent": f"no different from that of {baseline}, as far as it matters, for",
            "undecided": "undecided for",
        }
        groups.setdefault(words.get(verdict, f"{verdict} for"), []).append(form)
    return f"After {mark:,} steps the {what} is {'; '.join(f'{w} {_listed(f)}' for w, f in groups.items())}."


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _open(claims: Sequence[Claim]) -> bool:
    """Whether a claim is undecided at the last mark."""
    return any(c.verdict.startswith("undecided") for c in {c.form: c for c in claims}.values())


def told_claims(claims: Sequence[Claim], power: Sequence[Power], what: str = "error") -> tuple[ToldTable, ...]:
    """Table of claims and how many seeds would have shown effects, where there are any claims; ``what`` is judged."""
    if not claims:
        return ()
    header = ["arm", "steps", f"log10({what} / raw)", p_header(claims), f"a smaller {what} than raw"]
    table = told_table("claims, paired by seed", header, claim_rows(claims))
    return table + told_power(tuple(power), f"power after {claims[-1].mark:,} steps")


def tell_state(path: Path) -> list[Telling]:
    """What a file of ``physnn train eos`` says: errors of all arms in the end, and what may be claimed of them."""
    answer = state_answer(path)
    rows = [[arm, str(answer.loss[arm]), str(answer.chi2[arm]), f"{answer.bag[arm].value:.1%}"] for arm in answer.loss]
    header = ["arm", "mean squared deviation", "chi2/n", "largest share of dm/dT in e"]
    title = f"{answer.seeds} seeds after {answer.marks[-1]:,} steps, errors over seeds"
    evidence = told_table(title, header, rows) + told_claims(answer.claims, answer.power)
    figures = (("Equation of state beside lattice data", drawn_by("plot_state", path)),)
    return [Telling(claims_sentence(answer.claims), evidence, figures, undecided=_open(answer.claims))]


def tell_pde(path: Path) -> list[Telling]:
    """What a file of ``physnn train pde`` says, width by width."""
    answers = pde_answers(path)
    figures = (("Errors during the training and by width", drawn_by("plot_pde", path)),)
    return [_width(answer, figures if answer is answers[0] else (), len(answers) > 1) for answer in answers]


def _width(answer: PdeAnswer, figures: Figures, several: bool) -> Telling:
    rows = [
        [arm, *(str(found.get(arm, "-")) for found in (answer.error, answer.max_error, answer.loss)), str(lost)]
        for arm, lost in answer.diverged.items()
    ]
    header = ["arm", "relative L2 error", "largest error", "loss", "diverged"]
    title = f"{answer.problem}, width {answer.width}: {answer.seeds} seeds after {answer.marks[-1]:,} steps"
    evidence = told_table(f"{title}, errors over seeds", header, rows) + told_claims(answer.claims, answer.power)
    before = f"Width {answer.width}: " if several else ""
    return Telling(before + claims_sentence(answer.claims), evidence, figures, undecided=_open(answer.claims))


def tell_colour(path: Path) -> list[Telling]:
    """What a file of ``physnn train colour`` says, side by side of the images."""
    answers = colour_answers(path)
    caption = "Errors of colourings during the training, and a sheet of pictures"
    figures = ((caption, drawn_by("plot_colour", path)),)
    return [_coloured(answer, figures if answer is answers[-1] else (), len(answers) > 1) for answer in answers]


def _coloured(answer: ColourAnswer, figures: Figures, several: bool) -> Telling:
    columns = (answer.loss, answer.error, answer.mean_error, answer.diversity, answer.crps)
    rows = [[arm, *(str(found.get(arm, "-")) for found in columns), str(n)] for arm, n in answer.diverged.items()]
    rows += [[name, "-", *[f"{error:.4f}"] * 2, "0", f"{error:.4f}", "-"] for name, error in answer.bars.items()]
    header = ["arm", "loss", "error of a sample", "of their mean", "diversity", "score", "diverged"]
    title = f"{answer.data}, {answer.side} x {answer.side}: {answer.seeds} seeds after {answer.marks[-1]:,} steps"
    evidence = told_table(f"{title}, errors over seeds", header, rows)
    for name, told in answer.claims.items():
        evidence += told_claims(told, answer.power[name], "score" if name == "crps" else name)
    judged = answer.claims.get("crps", ())
    before = f"Side {answer.side}: " if several else ""
    return Telling(before + claims_sentence(judged, "score"), evidence, figures, undecided=_open(judged))


def tell_sentiment(path: Path) -> list[Telling]:
    """What a file of ``physnn train sentiment`` says: right answers of all arms, and what may be claimed of them."""
    answer = sentiment_answer(path)
    rows = [
        [
            arm,
            f"{answer.accuracy[arm]} %",
            f"{answer.over_reviews[arm]} %",
            f"{answer.chosen[arm]} %",
            f"{answer.loss[arm]}, {answer.loss_over_reviews[arm]}",
            f"{answer.difference[arm]}, {answer.difference_over_reviews[arm]}" if arm in answer.difference else "",
            f"{answer.reviews_needed[arm]:,}" if arm in answer.difference else "",
        ]
        for arm in answer.accuracy
    ]
    rows += [[name, "", f"{each} %", "", "", "", ""] for name, each in answer.bars.items()]
    header = ["arm", "right, over seeds", "over reviews", "at the best validation", "cross-entropy, both errors"]
    header += ["right less none, both errors", "reviews for the source's gain"]
    title = f"{answer.seeds} seeds after {answer.marks[-1]:,} steps, {answer.reviews:,} test reviews"
    evidence: tuple[str | ToldTable, ...] = told_table(title, header, rows)
    if answer.identity is not None:
        evidence += (
            f"zeros and linear-small are one network: logits differ by {answer.identity:.2g} in the first steps",
        )
    if answer.claims:
        wrong = "wrong answers less those of none (points)"
        heads = ["arm", "steps", wrong, p_header(answer.claims), "fewer wrong than none"]
        evidence += told_table("claims, paired by seed, on these reviews", heads, claim_rows(answer.claims))
        evidence += told_power(answer.power, f"power after {answer.marks[-1]:,} steps")
    figures = (("Right answers, and differences by arm", drawn_by("plot_sentiment", path)),)
    sentence = claims_sentence(answer.claims, "share of wrong answers")
    return [Telling(sentence, evidence, figures, undecided=_open(answer.claims))]


def tell_labels(path: Path) -> list[Telling]:
    """What a file of ``physnn train classify --label-loss`` says: right answers, and what may be claimed of them."""
    answer = label_answer(path)
    rows = [[arm, f"{right} %", str(answer.gain.get(arm, ""))] for arm, right in answer.accuracy.items()]
    title = f"{answer.seeds} pairs, {answer.images['test']:,} test images, each form at its own best rate"
    evidence: tuple[str | ToldTable, ...] = told_table(title, ["arm", "right", "less one-hot, points"], rows)
    evidence += told_power(answer.power, "power, by the measured scatter") if answer.power else ()
    told = "; ".join(f"{claim.form} {claim.verdict}" for claim in answer.claims) or "two seeds or more are needed"
    return [Telling(f"Fewer wrong answers than one-hot: {told}.", evidence, undecided=_open(answer.claims))]
