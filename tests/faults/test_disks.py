"""Whole commands on disks that fail at the n-th call: old data whole, new data whole or absent, and one line."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.faults.commands import commands
from tests.faults.disks import DISKS, JOBS, Trial

FEW = {"full": 9, "error at one call": 30, "gone": 40, "Ctrl-C": 35}
"""Disks, and which of their moments."""


def test_a_command_on_disks_that_fail(tmp_path):
    """One moment of one command on some disks; all kinds of calls of all commands below."""
    with commands() as found:
        trial = Trial(next(job for job in JOBS if job.name == "count signs"), found, tmp_path / "t")
        for disk, k in FEW.items():
            trial.fail(disk, trial.moments(DISKS[disk].steps)[k])
    assert trial.happened["full", "status 3"] == trial.happened["Ctrl-C", "status 130"] == 1


@pytest.mark.slow
@pytest.mark.timeout(14400)
@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_every_kind_of_call_on_every_disk(tmp_path, job):
    """The first and the last call of each kind on each kind of file."""
    with commands() as found:
        trial = Trial(job, found, tmp_path / "t")
        for disk in DISKS:
            for n in trial.moments(DISKS[disk].steps):
                trial.fail(disk, n)
    outcomes: Counter[str] = Counter()
    for (disk, status), count in sorted(trial.happened.items()):
        outcomes[status] += count
        print(f"{job.name:28} {disk:32} {status:10} {count:4}")
    assert outcomes["status 3"] > 5
