"""Whole commands on disks that fail at the n-th call: old data whole, new data whole or absent, and one line."""

from __future__ import annotations

import pytest

from tests.faults.commands import commands
from tests.faults.disks import DISKS, JOBS, Trial, table

FEW = {"full": 9, "error at one call": 30, "gone": 40, "Ctrl-C": 35}
"""Disks, and which of their moments."""


def test_a_command_on_disks_that_fail(tmp_path):
    """One moment of one command on some disks; all kinds of calls of all commands below."""
    with commands() as found:
        trial = Trial(next(job for job in JOBS if job.name == "count signs"), found, tmp_path / "t")
        for disk, k in FEW.items():
            trial.fail(disk, trial.moments(DISKS[disk].steps)[k])
    assert trial.record.count(3, "full") == trial.record.count(130, "Ctrl-C") == 1


@pytest.mark.slow
@pytest.mark.timeout(14400)
@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_every_kind_of_call_on_every_disk(tmp_path, job):
    """The first and the last call of each kind on each kind of file."""
    with commands() as found:
        trial = Trial(job, found, tmp_path / "t")
        trial.fail_everywhere()
    print(table([trial.record]))
    assert not trial.record.failed and trial.record.count(3) > 5
