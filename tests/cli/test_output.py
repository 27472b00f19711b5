"""Progress of long commands where nobody watches a terminal."""

from __future__ import annotations

import pytest

from physnn.cli import output


def test_a_line_of_progress_has_rate_time_left_and_the_next_save(monkeypatch, capsys):
    now = iter([0.0, 1.0, 30.0, 40.0, 90.0])
    monkeypatch.setattr(output.time, "monotonic", lambda: next(now))
    with output.progress_bar("sweep", quiet=False) as show:
        for done in (0, 20, 25, 80):
            show(done, 100, "next save in 7 s")
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "sweep: 20% after 30 s, 40 % a minute, 120 s left, next save in 7 s",
        "sweep: 80% after 90 s, 53 % a minute, 22 s left, next save in 7 s",
    ]


@pytest.mark.parametrize(("rate", "words"), [(0.0, ""), (1 / 6000, "1 % a minute"), (0.5, "3e+03 % a minute")])
def test_a_rate_in_words(rate, words):
    assert output.rate_in_words(rate) == words
