"""Reviews from folders and lines, with line breaks of HTML as blanks; broken ones are refused by name."""

from __future__ import annotations

import gzip
import json
import lzma

import pytest

from physnn.errors import InputError
from physnn.networks.sentiment.reviews import plain_text, read_reviews, reviews_digest
from physnn.networks.sentiment.vocabulary import trained_table

ENTRIES = [(part, k, f"{part} text {k}") for part in ("train", "test") for k in (0, 1)]


def line(split="train", label=0, text="some words") -> str:
    return json.dumps({"split": split, "label": label, "text": text})


def test_a_tag_that_is_glued_to_a_word_does_not_hide_it():
    assert plain_text("bad.<br /><br />Good<BR>film</br> it\n<i>is</i>") == "bad. Good film it <i>is</i>"


def test_folders_and_lines_are_one_thing(tmp_path):
    text = "\n".join(line(*entry) for entry in ENTRIES) + "\n\n"
    (tmp_path / "a.jsonl").write_text(text)
    words = text.replace('"label": 0', '"label": "0"').replace('"label": 1', '"label": " 1"')
    (tmp_path / "a.jsonl.xz").write_bytes(lzma.compress(words.encode()))
    (tmp_path / "a.jsonl.gz").write_bytes(
        gzip.compress(
            text.replace('"label": 1', '"label": "pos"').replace('"label": 0', '"label": "Negative"').encode()
        )
    )
    for part, label, words in ENTRIES:
        folder = tmp_path / "own" / part / ("pos" if label else "neg")
        folder.mkdir(parents=True)
        (folder / "0_9.txt").write_text(words.replace(" ", "<br />"))
    found = [read_reviews(tmp_path / name) for name in ("a.jsonl", "a.jsonl.xz", "a.jsonl.gz", "own")]
    assert all(each == found[0] for each in found) and len({reviews_digest(each) for each in found}) == 1
    assert found[0]["test"].texts == ("test text 0", "test text 1") and found[0]["test"].labels == (0, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks train reviews of both labels"),
        ("{", "line 1 of .* is not valid JSON"),
        ("[" * 100_000, "line 1 of .* is not valid JSON"),
        ("[1]", "no object such as"),
        (line(split="dev"), "split 'dev'"),
        (line(label=2), "label '2'"),
        (line(label="10"), "label '10'"),
        (line(label=1.0), "label '1.0'"),
        ('{"split": "train", "label": 0, "text": "caf\xe9"}', "line 1 of .* is no UTF-8 text; convert"),
        (line(label=True), "label 'True'"),
        (line(text=""), "no text"),
        (line(text=5), "no text"),
        (line(), "lacks train reviews of both labels"),
    ],
)
def test_broken_lines_are_refused(tmp_path, text, message):
    (tmp_path / "a.jsonl").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=message):
        read_reviews(tmp_path / "a.jsonl")


def test_what_is_no_file_of_reviews_is_refused(tmp_path, monkeypatch):
    for name, data in (("cut.xz", lzma.compress(b"x" * 999)[:-20]), ("no.xz", b"none"), ("no.gz", b"none")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=r"not whole|cannot read"):
            read_reviews(tmp_path / name)
    with pytest.raises(InputError, match="No such file"):
        read_reviews(tmp_path / "missing.jsonl")
    for name in ("train", "test"):
        for label in ("neg", "pos"):
            (tmp_path / name / label).mkdir(parents=True)
            (tmp_path / name / label / "a.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="no UTF-8"):
        read_reviews(tmp_path)
    monkeypatch.setattr("physnn.networks.sentiment.reviews.MOST_BYTES", 1000)
    (tmp_path / "long.xz").write_bytes(lzma.compress(b" " * 10**6))
    with pytest.raises(InputError, match="longer than"):
        read_reviews(tmp_path / "long.xz")


def test_a_word_without_an_end_takes_no_time():
    table = trained_table(["good film " * 9, "x" * 10**6, "bad film " * 9], 60, 8)
    assert table.encoded(["x" * 10**6], 8)[1].max() <= 8
