"""Are addresses, DOIs and arXiv numbers in the documentation and in the package of the right form?

Nothing is fetched: where a link leads is seen on a machine with a network, by ``sphinx -b linkcheck docs site``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
FILES = ("*.md", "docs/**/*.md", "data/*.md", "sims/*.md", "sims/*.py", "physnn/**/*.py", "CITATION.cff")
"""Where addresses stand."""
MENTIONED = re.compile(
    r"(?P<address>\bhttps?:[^\s<>\"'`)\]}]*)|\barxiv:\s*(?P<arxiv>[^\s\"'`,;)\]}]+)|(?P<doi>\b10\.\d+/[^\s\"'`,;}]+)",
    re.IGNORECASE,
)
DOI = re.compile(r"10\.\d{4,9}/[^\s<>\"]+")
"""Prefix of a registrant, and a suffix."""
ARXIV = re.compile(r"(\d{2})(0[1-9]|1[0-2])\.\d{4,5}(v\d+)?|[a-z-]+(\.[A-Z]{2})?/\d{2}(0[1-9]|1[0-2])\d{3}(v\d+)?")
"""Numbers since April 2007, year, month and four or five digits, and those before, with the name of an archive."""
HOST = re.compile(r"(?!-)[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}", re.IGNORECASE)


def well_formed(address: str) -> bool:
    """Whether an address has a host with a name, and a DOI or an arXiv number of the right form where it is one."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not HOST.fullmatch(host) or "@" in parts.netloc or "//" in parts.path:
        return False
    if host in ("doi.org", "dx.doi.org"):
        return bool(DOI.fullmatch(parts.path[1:]))
    kind, _, number = parts.path[1:].partition("/")
    return host != "arxiv.org" or (kind in ("abs", "pdf") and bool(ARXIV.fullmatch(number)))


def mentions(text: str) -> Iterator[tuple[str, bool]]:
    """Addresses, DOIs and arXiv numbers of a text, and whether each is well-formed."""
    for found in MENTIONED.finditer(text):
        word = found[0].rstrip(".,;:")
        if found["address"]:
            yield word, well_formed(word)
        elif found["doi"]:
            yield word, bool(DOI.fullmatch(word))
        else:
            yield word, bool(ARXIV.fullmatch(word.partition(":")[2].strip()))


def main() -> int:
    """Print what is malformed; 1 if something is."""
    paths = sorted({path for pattern in FILES for path in ROOT.glob(pattern)})
    found = [(path, *each) for path in paths for each in mentions(path.read_text(encoding="utf-8"))]
    bad = [(path, word) for path, word, sound in found if not sound]
    for path, word in bad:
        print(f"{path.relative_to(ROOT)}: {word}")
    print(f"{len(found)} addresses and numbers in {len(paths)} files, {len(bad)} malformed; none was fetched")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
