"""What addresses, DOIs and arXiv numbers look like, and that the documentation's do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import physnn
from sims.outside_links import mentions, well_formed

ROOT = Path(physnn.__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("address", "sound"),
    [
        *(("https://doi.org/10.24432/C50P49", True), ("https://doi.org/C50P49", False), ("http:/broken.org", False)),
        *(("https://arxiv.org/abs/2105.02716v2", True), ("https://arxiv.org/abs/2113.02716", False)),
        *(("https://arxiv.org/abs/cond-mat/9808028", True), ("https://nohost", False), ("https://a..org/x", False)),
        *(("https://user@evil.org/", False), ("https://a.org:99999/", False), ("https://github.com/o/n#part", True)),
    ],
)
def test_an_address_has_a_form(address, sound):
    assert well_formed(address) == sound


def test_what_a_text_mentions_is_found_without_its_stops():
    text = "see arXiv:1407.6387: and (https://a.org/b), 10.1103/PhysRevE.84.056704; arXiv:14.6387"
    assert list(mentions(text)) == [
        *(("arXiv:1407.6387", True), ("https://a.org/b", True), ("10.1103/PhysRevE.84.056704", True)),
        ("arXiv:14.6387", False),
    ]


@pytest.mark.slow
def test_all_outside_links_are_well_formed():
    answer = subprocess.run(
        [sys.executable, ROOT / "sims" / "outside_links.py"], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout
    assert int(answer.stdout.split()[0]) > 30
