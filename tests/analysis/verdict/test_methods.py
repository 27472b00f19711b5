"""The methods paragraph has the numbers of its fit and cites what was used, no more and no less."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.curves.tables import fit_arrays
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.verdict.fit import Fit
from physnn.analysis.verdict.merging import Joined, Merging
from physnn.analysis.verdict.methods import CITATION, ENTRIES, methods_of
from physnn.answers import fit as report
from physnn.store.sweep_file import SweepFile
from tests.conftest import planted_sizes

ALWAYS = {"physnn", "Binder1981", "Efron1993", "Harris2020", "Virtanen2020"}
COLLAPSE = {"Golub1973", "Kaufman1975", "Jay2021", "Harada2011", "Houdayer2004"}
NETWORKS = {"Paule1982", "Knapp2003", "Davison1997", "Collette2013"}


@cache
def table(**settings) -> Fit:
    generator = rng.stream(0, "synthetic", "methods")
    L = np.repeat([16.0, 32.0, 64.0], 13)
    u = np.tile(np.linspace(-3, 3, 13), 3)
    y = 0.2 + 0.6 / (1 + np.exp(1.5 * u)) + 0.004 * generator.normal(size=len(L))
    settings = {"control": "T", "observable": "binder", "resamples": 30} | settings
    return fit_arrays(L, 0.5 + u / L, y, np.full(len(L), 0.004), **settings)


@cache
def sweep(crosses: bool = True) -> Fit:
    return report.fit(SweepFile({}, planted_sizes(0, crosses=crosses), {}), resamples=40)


def merged(favoured: str | None = "kosterlitz-thouless") -> Fit:
    joined = Joined("kosterlitz-thouless", Estimate(0.9, 0.01), 1.5, 30.0, 30)
    both = Merging(replace(joined, name="power", chi2=60.0), joined, favoured)
    return replace(table(), verdict="merging", collapse=None, drift=None, merging=both)


FITS = {
    "table": table, "fitted zeta": lambda: table(zeta="free"), "sweep": sweep, "no crossing": lambda: sweep(False),
    "merging": merged,
}  # fmt: skip


@pytest.mark.parametrize("name", FITS)
def test_every_citation_has_its_entry_and_the_other_way_round(name):
    text = methods_of(FITS[name]())
    assert set(text) == {"paragraph", "bibtex"}
    cited = set(CITATION.findall(text["paragraph"]))
    entries = re.findall(r"^@\w+\{([^,]+),$", text["bibtex"], re.MULTILINE)
    assert cited == set(entries)
    assert len(entries) == len(set(entries))
    assert not re.findall(r"\[(?!physnn\])[^\]]*\]", CITATION.sub("", text["paragraph"])), "brackets that cite nothing"
    assert "KEY" not in text["bibtex"] and "VERSION" not in text["bibtex"]
    for entry in text["bibtex"].split("\n\n"):
        assert entry.count("{") == entry.count("}")
    assert "nan" not in text["paragraph"].split()


def test_exactly_what_was_used_is_cited():
    cited = {name: set(CITATION.findall(methods_of(fit())["paragraph"])) for name, fit in FITS.items()}
    assert cited["table"] == ALWAYS | COLLAPSE
    assert cited["sweep"] == ALWAYS | COLLAPSE | NETWORKS
    assert cited["no crossing"] == ALWAYS | {"Davison1997", "Collette2013"}
    assert cited["merging"] == ALWAYS | {"Kosterlitz1974"}
    assert not any("torch" in entry.lower() for entry in ENTRIES.values())


def test_the_paragraph_has_the_numbers_of_the_fit():
    fit = table()
    text, best = methods_of(fit)["paragraph"], fit.collapse
    chosen = best.scan.best
    for words in (
        "L = 16, 32 and 64", "39 points", "zeta/nu held at 0", f"L_min = {chosen.smallest}", "1000 samples",
        f"|u| < {chosen.window:.3g}", f"{chosen.mask.sum()} points", f"chi2/dof = {best.chi2_per_dof:.2f}",
        f"{len(best.scan.candidates)} in all", f"T_c = {best.critical_point}", f"1/nu = {best.inverse_nu}",
        f"{len(best.samples)} parametric bootstrap samples", f"S = {best.quality:.2f}", "verdict is crossing",
        fit.reason, f"{best.gaussian_process.parameters[1]:.6g} +-",
    ):  # fmt: skip
        assert words in text, words


def test_networks_and_corrections_are_described():
    text = methods_of(sweep())["paragraph"]
    assert "8 networks with 16 or more images" in text
    assert "Student's distribution with 7 degrees of freedom" in text
    assert "No correction to scaling" in text
    corrected = table(omega=1.0)
    assert "with omega held at 1, carry 100% of the weight" in methods_of(corrected)["paragraph"]


def test_what_could_not_be_decided_is_written_too():
    text = methods_of(sweep(False))["paragraph"]
    assert "verdict is no-crossing" in text
    assert "1/nu =" not in text
    assert "kosterlitz-thouless is favoured" in methods_of(merged())["paragraph"]
    assert "neither is favoured" in methods_of(merged(None))["paragraph"]


def test_first_order_evidence_is_cited_by_its_kind():
    fit = table()
    for reason, key in (("a negative minimum that deepens", "Vollmayr1993"), ("energy has two peaks", "Challa1986")):
        told = replace(fit, verdict="first-order", reason=reason)
        assert {"Vollmayr1993", "Challa1986"} & set(CITATION.findall(methods_of(told)["paragraph"])) == {key}
