"""Signals, the allowed time, a second Ctrl-C: a run stops within a second, loses nothing and leaves nobody behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from physnn import api
from physnn.cli import run
from physnn.errors import Unfinished
from physnn.jobs import stopping
from physnn.jobs.stopping import Checkpoints, Stopped, allowed_seconds, heeding, stop_flag, stop_signals
from physnn.samples import files
from physnn.samples.temperature import work
from physnn.store.hdf5 import content_digest
from physnn.store.parts import Parts, read_part
from tests.faults.processes import descendants, survivors, workers

ALLOWED = 3.0
"""Seconds to stop on a machine with other things to do; an idle one takes less than one."""
CHAINS = ["sweep-temperature", "--L", "64", "--T", "2.2", "2.3", "--sweeps", "3000000", "--chains", "1"]
CHAINS += ["--algorithm", "metropolis", "--quiet", "--json"]


def start(out: Path, *words: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "physnn", *words, "--out", str(out)]
    # A group of its own: Ctrl-C on a terminal reaches workers too.
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=out.parent
    )


def stop(process: subprocess.Popen, folder: Path, number: int, pattern: str = "*.try1", twice: bool = False):
    """Send a signal once a file of a pattern is there; return (status, seconds, stdout, stderr) and check workers."""
    while not list(folder.glob(pattern)):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    time.sleep(0.3)
    children = descendants(process.pid)
    begin = time.monotonic()
    os.killpg(process.pid, number)
    if twice:
        time.sleep(0.1)
        os.killpg(process.pid, number)
    out, err = process.communicate(timeout=60)
    elapsed = time.monotonic() - begin
    assert not survivors(children), "workers outlive their parent"
    return process.returncode, elapsed, out, err


@pytest.mark.parametrize(
    ("engine", "jobs", "number"),
    [
        ("process", "1", signal.SIGINT),
        pytest.param("dask", "1", signal.SIGINT, marks=pytest.mark.slow),
        pytest.param("process", "2", signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param("process", "2", signal.SIGINT, marks=pytest.mark.slow),
        pytest.param("process", "1", signal.SIGUSR1, marks=pytest.mark.slow),
        pytest.param("process", "2", signal.SIGUSR1, marks=pytest.mark.slow),
        pytest.param("dask", "2", signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param("dask", "2", signal.SIGUSR1, marks=pytest.mark.slow),
    ],
)
def test_a_signal_stops_a_long_chain_in_time_with_its_state_saved(tmp_path, engine, jobs, number):
    if engine == "dask":
        pytest.importorskip("distributed")
    out = tmp_path / "s.h5"
    folder = Parts(out).folder
    process = start(out, *CHAINS, "--jobs", jobs, "--executor", engine)
    # Not before its first note, so that compiling is over.
    status, elapsed, text, error = stop(process, folder, number, "*.progress")
    assert status == (130 if number == signal.SIGINT else 3) and elapsed < ALLOWED
    assert "same command continues" in error.strip().splitlines()[-1] and "Traceback" not in error
    assert json.loads(text)["status"] == ("interrupted" if number == signal.SIGINT else "unfinished")
    kept = [read_part(path) for path in folder.glob("*.h5")]
    assert kept and all(int(k["unfinished"]) and k["energy"].size > 100 for k in kept)
    assert not out.exists() and not out.with_name(".s.h5.lock").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        "sweep-noise --L 32 --eta-range 0 0.4 13 --images 400",
        "train kuramoto --L 32 --steps 15 --seeds 0 1 --epochs 3",
        "train classify --network simple --seeds 0 1 2 --epochs 20000",
        "replicas --networks simple dropout --replicas 8 --epochs 20000",
    ],
)
@pytest.mark.parametrize("engine", ["process", "dask"])
def test_ctrl_c_stops_every_long_command(tmp_path, words, engine):
    if engine == "dask":
        pytest.importorskip("distributed")
    out = tmp_path / "s.h5"
    folder = Parts(tmp_path / "s-networks.h5" if words.startswith("replicas") else out).folder
    process = start(out, *words.split(), "--quiet", "--jobs", "2", "--executor", engine)
    status, elapsed, _, error = stop(process, folder, signal.SIGINT)
    assert status == 130 and elapsed < ALLOWED and len(error.strip().splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        "sweep-noise --L 32 --eta-range 0 0.4 9 --images 64",
        "train kuramoto --L 20 --steps 2 --seeds 0 1 --epochs 60 --pairs-per-epoch 64 --batch 4",
        "train classify --network simple --seeds 0 1 2 --epochs 1000",
        "replicas --networks simple --replicas 8 --epochs 3000",
    ],
)
def test_what_ctrl_c_stopped_is_completed_to_the_same_digest(tmp_path, network_file, words):
    words = [*words.split(), "--quiet", "--jobs", "1"]
    words += ["--networks", str(network_file), "--no-memory"] if words[0] == "sweep-noise" else []
    ending = "-networks.h5" if words[0] == "replicas" else ".h5"
    digests = []
    for name in ("whole", "cut"):
        out, file = tmp_path / f"{name}.h5", tmp_path / f"{name}{ending}"
        if name == "cut":
            status, elapsed, _, error = stop(start(out, *words), Parts(file).folder, signal.SIGINT)
            assert status == 130 and elapsed < ALLOWED and not file.exists(), error
        with start(out, *words) as process:
            _, error = process.communicate(timeout=600)
            assert process.returncode == 0, error
        digests.append(content_digest(file))
    assert digests[0] == digests[1]


@pytest.mark.slow
def test_a_worker_that_hangs_does_not_hinder_a_stop(tmp_path):
    out = tmp_path / "s.h5"
    process = start(out, *CHAINS, "--jobs", "2")
    while len(list(Parts(out).folder.glob("*.progress"))) < 2:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    os.kill(workers(process.pid)[0], signal.SIGSTOP)
    status, elapsed, _, error = stop(process, Parts(out).folder, signal.SIGINT)
    assert status == 130 and elapsed < stopping.GRACE + ALLOWED and "Traceback" not in error
    with start(out, *CHAINS, "--jobs", "1", "--max-time", "1") as again:
        _, error = again.communicate(timeout=60)
        assert again.returncode == 3, error


@pytest.mark.parametrize("engine", ["process", pytest.param("dask", marks=pytest.mark.slow)])
def test_a_second_ctrl_c_ends_at_once_and_leaves_nobody(tmp_path, capsys, engine):
    if engine == "dask":
        pytest.importorskip("distributed")
    out = tmp_path / "s.h5"
    process = start(out, *CHAINS, "--jobs", "2", "--executor", engine)
    status, elapsed, _, error = stop(process, Parts(out).folder, signal.SIGINT, twice=True)
    # Where the first one was quicker, the line end of click comes before its line.
    assert status == 130 and elapsed < ALLOWED and error.strip().count("\n") == 0 and "Stopped" in error
    assert run([*CHAINS, "--out", str(out), "--jobs", "1", "--max-time", "1"]) == 3
    assert "allowed time is over" in capsys.readouterr().err, "its lock is no obstacle"


@pytest.mark.slow
def test_a_chain_stopped_again_and_again_gets_on_and_ends_with_the_same_data(tmp_path):
    words = ["sweep-temperature", "--L", "32", "--T", "2.2", "--sweeps", "1000000", "--chains", "1", "--jobs", "1"]
    words += ["--algorithm", "metropolis", "--quiet", "--json"]
    answer = json.loads(start(tmp_path / "whole.h5", *words).communicate(timeout=120)[0])
    out, lengths = tmp_path / "cut.h5", []
    for _ in range(2):
        process = start(out, *words)
        begin = time.time()
        while not [f for f in Parts(out).folder.glob("*.progress") if f.stat().st_mtime > begin]:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        process.send_signal(signal.SIGUSR1)
        process.communicate(timeout=60)
        assert process.returncode == 3
        lengths += [read_part(path)["energy"].size for path in Parts(out).folder.glob("*.h5")]
    assert 0 < lengths[0] < lengths[1] < 1_000_000
    cut = json.loads(start(out, *words).communicate(timeout=120)[0])
    assert cut["digest"] == answer["digest"]


def test_the_end_of_a_slurm_job_is_the_allowed_time(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    assert allowed_seconds(None) is None and allowed_seconds(5.0) == 5.0
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 100))
    assert allowed_seconds(5.0) == 5.0 and 38 < allowed_seconds(None) <= 40
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 10))
    with pytest.raises(Unfinished, match="time is over"), stop_signals():
        time.sleep(5)
    for nonsense in ("", "soon", "-1", "9" * 400):
        monkeypatch.setenv("SLURM_JOB_END_TIME", nonsense)
        assert allowed_seconds(None) is None


@pytest.mark.parametrize("seconds", [-1.0, 0.02, 1e9])
def test_how_often_the_state_is_saved_changes_nothing(tmp_path, monkeypatch, seconds):
    def digest(name: str) -> str:
        out = tmp_path / f"{name}.h5"
        recipe = api.recipe("temperature", out, L=(16,), T=[2.3], sweeps=800, chains=1, algorithm="metropolis")
        files.run(recipe, out, jobs=1)
        return content_digest(out)

    with monkeypatch.context() as often:
        often.setattr(stopping, "CHECKPOINT", seconds)
        often.setattr(work, "BLOCK_SECONDS", 0.001 if seconds < 1 else 0.15)
        changed = digest("changed")
    assert changed == digest("usual")


def test_a_task_hears_of_a_stop_saves_once_and_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(stopping, "LOOK", 0.0)
    with stop_flag(tmp_path) as flag, heeding(flag):
        checkpoints = Checkpoints()
        assert not any(checkpoints.due() for _ in range(100))
        flag.touch()
        assert checkpoints.due()
        with pytest.raises(Stopped):
            checkpoints.due()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(stopping, "CHECKPOINT", 0.05)
    regular = Checkpoints()
    begin, count = time.monotonic(), 0
    while time.monotonic() - begin < 0.32:
        count += regular.due()
    assert 4 <= count <= 6


@pytest.mark.slow
def test_a_stale_lock_of_a_killed_run_is_no_obstacle_and_a_live_one_is_named(tmp_path):
    out = tmp_path / "s.h5"
    process = start(out, *CHAINS, "--jobs", "1")
    while not list(Parts(out).folder.glob("*.try1")):
        assert process.poll() is None
        time.sleep(0.02)
    other = start(out, *CHAINS, "--jobs", "1")
    _, error = other.communicate(timeout=60)
    assert other.returncode == 2 and error.count("\n") == 1
    assert f"process {process.pid} on {socket.gethostname()}" in error
    shown = subprocess.run(
        [sys.executable, "-m", "physnn", "status", str(out), "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(shown.stdout)["processes"][0]["pid"] == process.pid
    process.kill()
    process.communicate()
    assert out.with_name(".s.h5.lock").exists()
    with start(out, *CHAINS, "--jobs", "1", "--max-time", "1") as again:
        _, error = again.communicate(timeout=60)
        assert again.returncode == 3, error
