"""The bench of convolutions of fields: both ways do the same work, and a peer that is missing is named."""

from __future__ import annotations

import pytest
import torch

from physnn.checks.training import fields


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(fields, "FIELD_BATCH", 2)
    monkeypatch.setattr(fields, "FIELD_SIDE", 8)
    monkeypatch.setattr(fields, "FIELD_COPIES", (2,))
    monkeypatch.setattr(fields, "FIELD_THREADS", (1,))
    monkeypatch.setattr(fields, "FIELD_ROUNDS", 2)


def test_what_is_missing_is_named_and_ratios_are_those_of_the_rows(small, monkeypatch):
    monkeypatch.setenv(fields.E2CNN_VARIABLE, "/no/such/python")
    found = fields.bench_fields()
    assert len(found["missing"]) == 1 and "e2cnn==0.2.3" in found["missing"][0]
    value = {row["name"]: row["value"] for row in found["rows"]}
    for call in fields.CALLS:
        best = {
            way: min(v for name, v in value.items() if name.startswith(way) and name.endswith(f"fields, {call}"))
            for way in ("fields", "plain")
        }
        ratio = found["ratios"][f"2 regular fields, 1 threads, {call}: fields / plain"]
        assert ratio == pytest.approx(best["fields"] / best["plain"])
    assert value["basis, vectors, L = 8"] < 1000


def test_what_a_convolution_with_made_filters_can_gain_is_told(small, monkeypatch):
    monkeypatch.setattr(fields, "started_peer", lambda missing: None)
    best = {"fields, channels last": 3.0, "plain, channels first": 4.0, "plain, channels last": 2.0, "e2cnn": 5.0}
    monkeypatch.setattr(fields, "_best", lambda case, peer: {"forward": best})
    ratios = fields.bench_fields()["ratios"]
    assert ratios == {
        "2 regular fields, 1 threads, forward: fields / plain": 1.5,
        "2 regular fields, 1 threads, forward: e2cnn / fields": 5 / 3,
        "2 regular fields, 1 threads, forward: e2cnn / plain": 2.5,
    }


def test_both_ways_do_the_same_work(small, monkeypatch):
    seen = []
    monkeypatch.setattr(fields, "_calls", lambda layer, values, slope: seen.append((layer, values)) or {})
    fields.field_calls(2)
    with torch.no_grad():
        answers = [layer.eval()(values) for layer, values in seen]
    assert len(answers) == 4 and all(torch.allclose(each, answers[0], atol=1e-5) for each in answers)
    assert answers[0].shape == (2, 16, 8, 8)
