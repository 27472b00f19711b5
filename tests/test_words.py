"""Spelling of the terms of the field on all pages, and links that lead out of them."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import physnn

ROOT = Path(physnn.__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "sims").glob("*.md"))]
TERMS = [
    "Ising",
    "Potts",
    "Binder",
    "Kuramoto",
    "Boltzmann",
    "Langevin",
    "Heisenberg",
    "Kosterlitz",
    "Thouless",
    "Metropolis",
    "Swendsen",
    "Kawasaki",
    "Wolff",
    "Kaufman",
    "Onsager",
    "Gaussian",
    "Hamiltonian",
    "Lyapunov",
    "Wasserstein",
    "Chebyshev",
    "Markov",
    "Fourier",
    "Philox",
    "Jacobian",
    "Lorentzian",
    "Rényi",
    "Trotter",
    "Glauber",
    "Houdayer",
    "Hukushima",
    "Blöte",
    "Ferrenberg",
    "Pfeuty",
    "magnetisation",
    "susceptibility",
    "temperature",
    "correlation",
    "autocorrelation",
    "eigenvalue",
    "equilibrium",
    "universality",
    "percolation",
    "renormalization",
    "ferromagnet",
    "antiferromagnet",
    "hysteresis",
    "bootstrap",
    "jackknife",
    "cumulant",
    "exponent",
    "stiffness",
    "helicity",
    "coupling",
    "entropy",
    "amplitude",
    "oscillator",
    "lattice",
    "configuration",
    "degeneracy",
    "symmetry",
    "equivariance",
    "thermalisation",
    "anisotropy",
    "neighbour",
    "colour",
    "centre",
    "behaviour",
]
OTHER_WORDS = {"using", "swing", "oscillatory", "asymmetry", "exponential", "asymmetric", "symmetric", "centred"}
"""Words that are one letter from a term and right."""
ELSEWHERE = {"magnetization", "thermalization", "neighbor", "neighbors", "color", "colors", "center", "behavior"}
"""Spellings that these pages do not use."""


def words(text: str) -> set[str]:
    """Words of the sentences and tables of a page, without code, formulas and addresses."""
    for pattern in (r"^```.*?^```", r"\$\$.*?\$\$|\$[^$]*\$", r"`[^`]*`", r"\]\([^)]*\)", r"https?://\S+"):
        text = re.sub(pattern, " ", text, flags=re.MULTILINE | re.DOTALL)
    return set(re.findall(r"[^\W\d_]+", text))


def cut(word: str) -> set[str]:
    """Word, and all that is left of it without one letter."""
    return {word} | {word[:i] + word[i + 1 :] for i in range(len(word))}


def turned(word: str) -> set[str]:
    """Word with two neighbouring letters exchanged."""
    return {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)}


def misspelt(found: set[str]) -> list[tuple[str, str]]:
    """Words one letter from a term, with the term; its plural and other terms are none."""
    terms = {term.lower(): (term, cut(term.lower()), turned(term.lower())) for term in TERMS}
    right = {*terms, *(term + "s" for term in terms), *OTHER_WORDS, *ELSEWHERE}
    wrong = [(word, "not spelt so here") for word in found if word.lower() in ELSEWHERE]
    for word in sorted(word for word in found if word.lower() not in right):
        low = word.lower()
        for term, (name, shorter, exchanged) in terms.items():
            if abs(len(low) - len(term)) < 2 and (low in exchanged or cut(low) & shorter):
                wrong.append((word, name))
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_terms_are_spelt_right(page):
    assert misspelt(words(page.read_text())) == []


def test_a_term_spelt_wrong_is_found():
    text = "Swendson and Metroplis move Isign spins, see `Wolf` and $Pots$; magnetization, using lattices."
    assert dict(misspelt(words(text))) == {
        "Swendson": "Swendsen",
        "Metroplis": "Metropolis",
        "Isign": "Ising",
        "magnetization": "not spelt so here",
    }


def outside() -> list[str]:
    """Addresses on the network that pages link to."""
    found = (re.findall(r"https?://[^\s)>\"'`\],]+", page.read_text()) for page in PAGES)
    return sorted({url for urls in found for url in urls if "w3.org" not in url})


@pytest.mark.slow
@pytest.mark.parametrize("url", outside())
def test_a_link_outside_answers(url):
    ask = urllib.request.Request(url, headers={"User-Agent": "Mozilla/5.0"}, method="HEAD")
    try:
        with urllib.request.urlopen(ask, timeout=30) as answer:
            assert answer.status < 400
    except urllib.error.HTTPError as error:
        assert error.code in (403, 405, 429), url  # they are there, and answer people only
    except (urllib.error.URLError, TimeoutError) as error:
        pytest.skip(f"no network: {error}")
