"""Kill commands at named points and at random moments, for every kind of sample: nothing is lost, nothing changes."""

from __future__ import annotations

import pytest

from physnn.samples.kinds import KINDS
from tests.faults import campaign
from tests.faults.campaign import ALWAYS, BRUTE, WALKERS, Bench, Case
from tests.faults.commands import commands
from tests.samples.smallest import SETTINGS

SMALL = (
    (Case("landscape-sampling", WALKERS), ("a part has its name, its folder is not synced", "parts are half removed")),
    (Case("landscape", BRUTE), ("between two parts", "inside the assembly")),
)
"""Commands that need little, each with a few points."""


def test_kills_at_a_few_points_lose_and_change_nothing(tmp_path):
    with commands() as found:
        for case, points in SMALL:
            bench = Bench(case, found, tmp_path / case.name)
            assert all(bench.kill_at(point, ALWAYS[point]) for point in points)
            campaign.check([bench.tally])


def test_every_kind_has_a_case_in_the_campaign():
    assert {*SETTINGS, "train-classify"} == KINDS.keys()


@pytest.fixture(scope="module")
def benches(tmp_path_factory):
    """Every kind, and other ways to make a file, each with its uninterrupted run."""
    folder = tmp_path_factory.mktemp("campaign")
    with commands(torch=True) as found:
        yield [Bench(case(), found, folder / f"{k}") for k, case in enumerate(campaign.cases(folder).values())]


@pytest.mark.slow
@pytest.mark.timeout(14400)
def test_kills_at_every_point_of_every_kind_lose_and_change_nothing(benches):
    for bench in benches:
        campaign.aim(bench)
    campaign.check([bench.tally for bench in benches])


@pytest.mark.slow
@pytest.mark.timeout(14400)
def test_200_random_kills_of_all_kinds_lose_and_change_nothing(benches):
    """At least half of them fall while finished parts lie on the disk."""
    for bench in benches:
        campaign.kill_at_random(bench, -(-200 // len(benches)))
    tallies = [bench.tally for bench in benches]
    campaign.check(tallies)
    kills, with_parts = sum(t.random for t in tallies), sum(t.with_parts for t in tallies)
    assert kills >= 200 and 2 * with_parts >= kills
