from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from physnn import api
from physnn.cli import run as command
from physnn.errors import InputError
from physnn.jobs.locks import exclusive
from physnn.samples import files
from physnn.samples.files import merge
from physnn.samples.noise.recipe import NoiseSweep
from physnn.samples.noise.work import NoiseSample
from physnn.samples.tasks import Shard, parse_shard
from physnn.samples.temperature.work import TemperatureSample
from physnn.store.hdf5 import content_digest
from physnn.store.parts import Parts

pytestmark = pytest.mark.usefixtures("unrendered")

SMALL = {"L": (8, 16), "T": [2.1, 2.3, 2.5], "sweeps": 60, "chains": 2, "algorithm": "wolff"}
WORDS = [
    "sweep-temperature",
    "--L",
    "8",
    "16",
    "--T",
    "2.1",
    "2.3",
    "2.5",
    "--sweeps",
    "60",
    "--chains",
    "2",
    "--jobs",
    "1",
    "--quiet",
    "--json",
]


@dataclass(frozen=True)
class Task:
    key: str
    cost: float = 1.0
    group: str = ""


def recipe(out, extend=False, **settings):
    return api.recipe("temperature", out, extend, **(settings if extend else SMALL | settings))


def shard(out, i, n, extend=False, jobs=1, **settings):
    count = files.run(recipe(out, extend, **settings), out, jobs=jobs, extend=extend, shard=Shard(i, n))
    return count, files.missing(out)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> str:
    out = tmp_path_factory.mktemp("whole") / "s.h5"
    files.run(recipe(out), out, jobs=1)
    return content_digest(out)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shares_are_disjoint_complete_and_equal_in_cost(count):
    tasks = [Task(f"{k:02d}", cost) for k, cost in enumerate([16.0] * 3 + [4.0] * 9 + [1.0] * 20)]
    shares = [Shard(i, count).share(tasks) for i in range(count)]
    assert sorted(t.key for share in shares for t in share) == sorted(t.key for t in tasks)
    costs = [sum(t.cost for t in share) for share in shares]
    assert max(costs) <= sum(costs) / count + 16
    assert [s for share in shares for s in share if s.cost == 4.0], "and in the order of the tasks:"
    assert all(share == sorted(share, key=tasks.index) for share in shares)
    again = [[t.key for t in Shard(i, count).share(tasks[::-1])] for i in range(count)]
    assert [sorted(keys) for keys in again] == [sorted(t.key for t in share) for share in shares]


def test_noise_values_of_one_batch_stay_together_if_there_are_enough_batches():
    swept = NoiseSweep(L=(32, 64), eta=(0.1, 0.2, 0.3), images=64, batch=2, network_ids=("a",), steps=3)
    shares = [Shard(i, 4).share(NoiseSample(swept).tasks()) for i in range(4)]
    groups = [{t.group for t in share} for share in shares]
    assert all(not a & b for a, b in itertools.combinations(groups, 2))
    costs = [sum(t.cost for t in share) for share in shares]
    assert max(costs) < 1.05 * min(costs)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_shards_in_any_order_give_the_whole(tmp_path, whole, order):
    out = tmp_path / "s.h5"
    done = 0
    for k, i in enumerate(order):
        count, missing = shard(out, i, 3)
        done += count
        assert out.exists() == (k == 2) and missing == 12 - done
    assert done == 12 and content_digest(out) == whole
    assert [p.name for p in tmp_path.iterdir()] == ["s.h5"], "no parts, no locks"
    assert shard(out, 1, 3) == (0, 0), "a shard that comes again finds all done"
    assert [p.name for p in tmp_path.iterdir()] == ["s.h5"]


def test_a_share_done_twice_runs_once_and_merge_can_put_it_together(tmp_path, whole, monkeypatch):
    out = tmp_path / "s.h5"
    first = shard(out, 0, 2)
    assert shard(out, 0, 2) == (0, first[1]) and first[0] > 0
    with pytest.raises(InputError, match="are not done yet"):
        merge(out)
    with monkeypatch.context() as patch:
        patch.setattr(files, "assemble", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            shard(out, 1, 2)
    assert merge(out) == 12 and content_digest(out) == whole


def test_a_whole_run_completes_what_shards_began(tmp_path, whole):
    out = tmp_path / "s.h5"
    count, _ = shard(out, 0, 2)
    assert files.run(recipe(out), out, jobs=1) == 12 - count
    assert content_digest(out) == whole


def test_shards_extend_a_file(tmp_path, whole):
    out, once = tmp_path / "s.h5", tmp_path / "once.h5"
    files.run(recipe(out, L=(8,), sweeps=40), out, jobs=1)
    before = out.read_bytes()
    longer = {"L": (8, 16), "sweeps": 60}
    assert shard(out, 1, 2, extend=True, **longer)[1] > 0 and out.read_bytes() == before
    assert shard(out, 0, 2, extend=True, **longer)[1] == 0
    files.run(recipe(once, L=(8,), sweeps=40), once, jobs=1)
    files.run(recipe(once, True, **longer), once, jobs=1, extend=True)
    assert content_digest(out) == content_digest(once)


def test_what_cannot_be_shared_is_refused_in_one_sentence(tmp_path):
    out = tmp_path / "s.h5"
    with pytest.raises(InputError, match="a pilot decides on cannot run in shards"):
        shard(out, 0, 2, T=[2.1, 2.2, 2.3, 2.4], target_error=0.1)
    with pytest.raises(InputError, match="would remove what other shards"):
        files.run(recipe(out), out, shard=Shard(0, 2), restart=True)
    assert list(tmp_path.iterdir()) == []
    shard(out, 0, 2)
    for change in ({"seed": 1}, {"sweeps": 61}, {"L": (8, 32)}):
        with pytest.raises(InputError, match="another recipe"):
            shard(out, 1, 2, **change)
    with pytest.raises(InputError, match="give all shards the same"):
        shard(out, 1, 2, extend=True, L=(32,))
    with exclusive(out), pytest.raises(InputError, match="another thread of this program is writing"):
        shard(out, 1, 2)
    assert Parts(out).recipe()["seed"] == 0


@pytest.mark.parametrize("text", ["", "1", "2/2", "-1/2", "1/0", "a/b", "1/2/3", "9999999/99999999"])
def test_what_is_no_shard(text):
    with pytest.raises(InputError, match="--shard is i/n"):
        parse_shard(text)
    assert parse_shard("3/4") == Shard(3, 4)


CODE = """
import json, sys
from pathlib import Path
from physnn import api
from physnn.samples import files
from physnn.samples.tasks import parse_shard
out = Path(sys.argv[1])
recipe = api.recipe("temperature", out, **json.loads(sys.argv[3]))
count = files.run(recipe, out, jobs=1, shard=parse_shard(sys.argv[2]))
print(json.dumps([count, files.missing(out)]))
"""


@pytest.mark.slow
def test_shards_at_the_same_time_give_the_whole_and_one_puts_it_together(tmp_path, whole):
    out = tmp_path / "s.h5"
    words = [sys.executable, "-c", CODE, str(out)]
    processes = [
        subprocess.Popen([*words, f"{i}/3", json.dumps(SMALL)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for i in range(3)
    ]
    answers = []
    for process in processes:
        text, error = process.communicate(timeout=300)
        assert process.returncode == 0, error
        answers.append(json.loads(text))
    assert sum(count for count, _ in answers) == 12
    assert any(missing == 0 for _, missing in answers)
    assert content_digest(out) == whole
    assert [p.name for p in tmp_path.iterdir()] == ["s.h5"]


def test_the_command_says_what_others_have_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = [word for word in WORDS if word != "--json"]
    assert command([*words, "--shard", "0/2"]) == 0
    said = capsys.readouterr().out
    assert said == "shard 0/2: 6 tasks run; 6 tasks of other shards are missing for sweep-temperature.h5\n"
    assert command([*words, "--shard", "2/2"]) == 2
    assert "--shard is i/n" in capsys.readouterr().err
    assert command([*words, "--shard", "1/2", "--target-error", "0.1"]) == 2
    assert "target" in capsys.readouterr().err


def test_a_failing_shard_names_its_tasks_and_others_go_on(tmp_path, monkeypatch):
    from physnn.errors import TasksFailed
    from physnn.jobs.progress import status

    out = tmp_path / "s.h5"
    run = TemperatureSample.run

    def broken(sample, task, checkpoint):
        if task.size == 8 and task["T"] == 2.1:
            raise ValueError("no good")
        return run(sample, task, checkpoint)

    monkeypatch.setattr(TemperatureSample, "run", broken)
    failed = 0
    for i in range(2):
        try:
            shard(out, i, 2)
        except TasksFailed:
            failed += 1
    found = status(out)
    assert failed in (1, 2) and not out.exists() and found["done"] == 10 and found["running"] is False
    assert [f["attempts"] for f in found["failed"]] == [3, 3]
    monkeypatch.undo()
    for i in range(2):
        shard(out, i, 2)
    assert out.exists()


def test_files_of_an_older_version_whose_states_have_other_axes_are_not_put_together(tmp_path, capsys):
    old = Path(__file__).parents[1] / "store" / "fixtures" / "v1" / "temperature.h5"
    assert command(["merge", str(old), str(shutil.copy(old, tmp_path / "b.h5")), "--out", str(tmp_path / "ab.h5")]) == 2
    assert "state_generator at L = 4 has other axes in this version" in capsys.readouterr().err
    assert not (tmp_path / "ab.h5").exists()
