"""Claims over paired seeds: planted differences are told by name, and chance is not."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.statistics.claims import arm_claims, claims, seeds_needed
from physnn.analysis.statistics.pairs import paired_difference
from physnn.errors import InputError

MARKS = (10, 100, 1000)


def planted(seeds: int, word: str, scatter: float = 0.02, **shifts: float) -> dict[str, np.ndarray]:
    """Errors whose logarithms share a part of each seed, with a shift for each form."""
    g = rng.stream(0, "synthetic", "claims", word)
    common = g.standard_normal((seeds, len(MARKS)))
    return {name: 10 ** (common + shift + scatter * g.standard_normal(common.shape)) for name, shift in shifts.items()}


def verdicts(*args, **options) -> list[str]:
    return [c.verdict for c in claims(*args, **options)]


def test_planted_differences_are_told_by_name():
    errors = planted(20, "all", raw=0, better=-0.3, worse=0.3, same=0, law=-0.3, weak=-0.1, little=-0.03)
    assert verdicts(errors, MARKS, "better", "raw") == ["confirmed"] * 3
    assert verdicts(errors, MARKS, "worse", "raw") == ["refuted"] * 3
    assert all(v.startswith("absent (smaller than 0.0") for v in verdicts(errors, MARKS, "same", "raw"))
    # What is seen but too small to matter is no claim.
    assert all(c.p_value < 0.01 and c.verdict.startswith("absent") for c in claims(errors, MARKS, "little", "raw"))
    assert verdicts(errors, MARKS, "little", "raw", matters=0.01) == ["confirmed"] * 3
    assert verdicts(errors, MARKS, "better", "raw", ["same", "law"]) == ["explained by law"] * 3
    # A control that shows a third of the difference explains nothing, nor does one of the other sign.
    assert verdicts(errors, MARKS, "better", "raw", ["weak", "worse"]) == ["confirmed"] * 3
    found = claims(errors, MARKS, "better", "raw")[1]
    assert abs(found.difference.value + 0.3) < 4 * found.difference.error and found.mark == 100


def test_few_seeds_decide_nothing_and_say_how_many_would():
    errors = planted(4, "few", scatter=0.2, raw=0, form=0)
    assert all(v.startswith("undecided (") for v in verdicts(errors, MARKS, "form", "raw"))
    g = rng.stream(0, "synthetic", "claims", "power")
    d = paired_difference(0.2 * g.standard_normal(2000), np.zeros(2000))
    # (z_0.975 + z_0.8)^2 (0.2 / 0.1)^2 = 31.4
    assert seeds_needed(d, 0.1) == 2001 and 28 <= seeds_needed(paired_difference(d_values(), np.zeros(9)), 0.1) <= 36


def d_values() -> np.ndarray:
    """Nine numbers with the standard deviation 0.2."""
    values = np.arange(9.0) - 4
    return 0.2 * values / values.std(ddof=1)


def test_chance_is_claimed_no_more_often_than_it_says():
    alarms = 0
    for k in range(200):
        errors = planted(8, f"null {k}", scatter=0.1, raw=0, other=0)
        alarms += any(v in ("confirmed", "refuted") for v in verdicts(errors, MARKS, "other", "raw"))
    assert 1 <= alarms <= 20, "5 % of 200, and not never"


def test_what_cannot_be_judged_is_refused():
    errors = planted(4, "few", raw=0, form=0)
    with pytest.raises(InputError, match="no 'law'"):
        claims(errors, MARKS, "form", "raw", ["law"])
    with pytest.raises(InputError, match="above 0"):
        claims(errors | {"form": 0 * errors["raw"]}, MARKS, "form", "raw")


def test_forms_that_are_one_differ_by_nothing():
    errors = planted(4, "same", raw=0)
    assert verdicts(errors | {"form": errors["raw"]}, MARKS, "form", "raw") == ["absent (smaller than 0)"] * 3


def test_an_arm_that_diverges_takes_no_seeds_from_others():
    errors = planted(12, "diverged", raw=0.0, other=-0.3, law=0.0, expanded=-0.3, bias10=0.0)
    whole = {(c.form, c.mark): c for c in arm_claims(errors, MARKS)}
    errors["bias10"][:] = np.nan
    errors["law"][0] = np.inf
    found = {(c.form, c.mark): c for c in arm_claims(errors, MARKS)}
    assert {form for form, _ in found} == {"other", "expanded"}, "of an arm without sound seeds nothing is claimed"
    assert all(found["other", mark] == whole["other", mark] for mark in MARKS)
    assert [found["expanded", mark].left_out for mark in MARKS] == [1, 1, 1], "its control has one seed less"
    alone = {name: errors[name][1:] for name in ("raw", "law", "expanded")}
    assert all(found["expanded", c.mark].difference == c.difference for c in arm_claims(alone, MARKS))
