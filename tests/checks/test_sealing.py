"""The bench of keeping: what is timed is there, and its shares are parts of the whole."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import physnn
from physnn.checks.store import sealing


@pytest.mark.slow
def test_shares_of_a_sweep_add_up_to_less_than_all_of_it(tmp_path):
    rows, ratios = sealing.run_shares(tmp_path, ["--L", "4", "6", "--chains", "2", "--sweeps", "20", "--points", "3"])
    whole, *parts = (row["value"] for row in rows)
    assert len(parts) == len(sealing.KEEPING | sealing.STORING) and all(0 < part < whole for part in parts)
    assert 0 < ratios["all of these / sweep-temperature"] < 1
    assert ratios["locking / sweep-temperature"] == parts[list(sealing.KEEPING).index("locking")] / whole


def test_every_function_that_is_timed_is_in_the_package():
    texts = {path.name: path.read_text() for path in Path(inspect.getfile(physnn)).parent.rglob("*.py")}
    for places in (sealing.KEEPING | sealing.STORING).values():
        assert all(f"def {name}(" in texts[file] for file, name in places if file != "~")
