"""Labelled reviews: folders in the layout of IMDB's, or a file of JSON lines; texts are data, whatever they hold."""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from physnn.errors import InputError

SPLITS = ("train", "test")
"""Names of the parts of a data set."""
LABELS = {"0": 0, "neg": 0, "negative": 0, "1": 1, "pos": 1, "positive": 1}
"""Ways to write a label, as 0 (against) or 1 (in favour); a number as its digit, letters small or large."""
MOST_BYTES = 2**31
"""Largest size of all texts, unpacked; IMDB's have 70 MB."""
LONGEST_LINE = 2**22
"""Largest size of one of them; IMDB's have 14 thousand at most."""
BREAK = re.compile(r"<\s*/?\s*br\s*/?\s*>", re.IGNORECASE)
"""Line break of HTML: between two words it may be all that divides them."""
OPENERS: dict[str, Callable[..., Any]] = {".xz": lzma.open, ".gz": gzip.open}
"""What unpacks a file, by the ending of its name."""


@dataclass(frozen=True)
class Reviews:
    """Texts of one part with their labels, 0 or 1."""

    texts: tuple[str, ...]
    labels: tuple[int, ...]


def plain_text(text: str) -> str:
    """Text with single blanks in place of line breaks of HTML and of other space."""
    return " ".join(BREAK.sub(" ", text).split())


def read_reviews(path: Path) -> dict[str, Reviews]:
    """Reviews by part, ``train`` and ``test``.

    Parameters
    ----------
    path : Path
        A folder with the files ``train|test/pos|neg/*.txt`` (A. L. Maas et al., ACL 2011), or a file with an object
        ``{"split": "train", "label": 1, "text": "..."}`` on every line, plain or packed as ``.xz`` or ``.gz``; labels
        are `LABELS`.  Texts are UTF-8.

    Raises
    ------
    InputError
        If there is no such data, a line or file is broken, or a part lacks one of the labels.
    """
    found: dict[str, tuple[list[str], list[int]]] = {part: ([], []) for part in SPLITS}
    try:
        for part, label, text in _folder(path) if path.is_dir() else _lines(path):
            found[part][0].append(plain_text(text))
            found[part][1].append(label)
    except OSError as error:
        reason = error.strerror or "it is not packed as its name says"
        raise InputError(f"cannot read {path}: {reason}; check the name") from None
    except (EOFError, lzma.LZMAError, zlib.error):
        raise InputError(f"{path} is not whole; fetch it again") from None
    for part, (_, labels) in found.items():
        if {*labels} != {0, 1}:
            raise InputError(
                f"{path} lacks {part} reviews of both labels; it needs {part}/pos/*.txt and {part}/neg/*.txt, or "
                f'lines {{"split": "{part}", "label": 1, "text": "..."}} with labels 0 and 1'
            )
    return {part: Reviews(tuple(texts), tuple(labels)) for part, (texts, labels) in found.items()}


def reviews_digest(reviews: dict[str, Reviews]) -> str:
    """SHA-256 over all parts, labels and texts, as hexadecimal digits; wherever they lie."""
    sha = hashlib.sha256()
    for part, each in sorted(reviews.items()):
        sha.update(json.dumps([part, each.labels, each.texts]).encode())
    return sha.hexdigest()


def _folder(path: Path) -> Iterator[tuple[str, int, str]]:
    """Part, label and text of every file of a folder, in the order of the names."""
    size = 0
    for part in SPLITS:
        for name in ("neg", "pos"):
            for file in sorted((path / part / name).glob("*.txt")):
                size += file.stat().st_size
                _check_size(path, size)
                try:
                    yield part, LABELS[name], file.read_bytes().decode()
                except UnicodeDecodeError:
                    raise InputError(f"{file} is no UTF-8 text; save it again") from None


def _lines(path: Path) -> Iterator[tuple[str, int, str]]:
    """Part, label and text of every line of a file."""
    size, opened = 0, OPENERS.get(path.suffix)
    file: IO[bytes]
    with opened(path, "rb") if opened else path.open("rb") as file:
        for number in range(1, MOST_BYTES):
            # A packed file of some kilobytes may hold a line without an end.
            line = file.readline(LONGEST_LINE + 1)
            if not line:
                return
            if len(line) > LONGEST_LINE:
                raise InputError(f"line {number} of {path} is longer than {LONGEST_LINE:,} bytes; it has one review")
            size += len(line)
            _check_size(path, size)
            if line.strip():
                yield _entry(line, f"line {number} of {path}")


def _check_size(path: Path, size: int) -> None:
    if size > MOST_BYTES:
        raise InputError(f"the reviews of {path} are longer than {MOST_BYTES:,} bytes; take a part of them")


def _entry(line: bytes, where: str) -> tuple[str, int, str]:
    """Part, label and text of a line."""
    try:
        found = json.loads(line)
    except UnicodeDecodeError:
        raise InputError(
            f"{where} is no UTF-8 text; convert the file, such as by iconv -f LATIN1 -t UTF-8 where it is Latin-1"
        ) from None
    except (ValueError, RecursionError):
        raise InputError(f"{where} is not valid JSON; save it again") from None
    if not isinstance(found, dict):
        raise InputError(f'{where} is no object such as {{"split": "train", "label": 1, "text": "..."}}')
    part, label, text = (found.get(name) for name in ("split", "label", "text"))
    if part not in SPLITS:
        raise InputError(f"{where} has the split {str(part)[:40]!r}; name train or test")
    known = isinstance(label, int | str) and not isinstance(label, bool)
    sign = LABELS.get(str(label)[:40].strip().lower()) if known else None
    if sign is None:
        raise InputError(
            f"{where} has the label {str(label)[:40]!r}; use 0, neg or negative, and 1, pos or positive in favour"
        )
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{where} has no text; leave the line out")
    return part, sign, text
