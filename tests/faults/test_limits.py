"""Full and read-only disks, limits of the process, and surroundings that lack what one takes for granted."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from physnn import machine
from physnn.cli import run
from physnn.jobs import workers
from physnn.samples import tasks
from physnn.store.hdf5 import content_digest
from tests.conftest import interrupt

SMALL = ["sweep-temperature", "--T", "2", "2.2", "2.4", "3", "--chains", "1", "--thermalisation", "5", "--quiet"]
SMALL += ["--algorithm", "metropolis", "--json"]
LARGER = ["--L", "4", "6", "--sweeps", "6000"]
"""About 2 MB of parts: more than a disk of 1 MB takes, whatever is promised beforehand."""


def words(*more: str, out: str = "s.h5") -> list[str]:
    return [*SMALL, "--jobs", "1", "--out", out, *more]


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1, error
    return error


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB of its own; skipped where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() or not shutil.which("mount") or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting needs root; the limit of file sizes is tested instead")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> str:
    """The digest of the larger sweep, run without any trouble."""
    path = tmp_path_factory.mktemp("whole") / "s.h5"
    assert run(words(*LARGER, out=str(path))) == 0
    return content_digest(path)


def test_what_does_not_fit_on_the_disk_is_not_begun(disk, monkeypatch, capsys):
    monkeypatch.chdir(disk)
    assert run(words("--L", "4", "6", "--sweeps", "100000")) == 2
    error = one_line(capsys)
    assert "GB on the disk" in error and "are free there" in error
    assert list(disk.iterdir()) == []


def test_a_restart_keeps_the_file_until_the_new_one_is_whole(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small, other = ("--L", "4", "6", "--sweeps", "40"), ("--L", "4", "6", "--sweeps", "40", "--seed", "1")
    assert run(words(*other, out="fresh.h5")) == run(words(*small)) == 0
    whole = Path("s.h5").read_bytes()
    capsys.readouterr()
    with monkeypatch.context() as full:
        full.setattr(machine.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**40, 2**40, 1000))
        assert run(words(*other, "--restart")) == 2
        assert "GB on the disk" in one_line(capsys)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["fresh.h5", "s.h5"] and Path("s.h5").read_bytes() == whole
    with monkeypatch.context() as patch:
        interrupt(patch, tasks, "write_part", 3, after=True)
        assert run(words(*other, "--restart")) == 130
    assert Path("s.h5").read_bytes() == whole and Path("s.h5.parts").is_dir()
    assert run(words(*other)) == 0
    assert content_digest("s.h5") == content_digest("fresh.h5") and not Path("s.h5.parts").exists()


def test_the_same_sweep_is_measured_again_where_a_restart_was_interrupted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = ("--L", "4", "--sweeps", "40")
    assert run(words(*small)) == 0
    with monkeypatch.context() as patch:
        interrupt(patch, tasks, "write_part", 3, after=True)
        assert run(words(*small, "--restart")) == 130
    capsys.readouterr()
    assert run(words(*small)) == 0
    assert json.loads(capsys.readouterr().out)["tasks_run"] == 1, "three of four had been measured again"


def test_a_disk_that_fills_up_stops_the_sweep_and_loses_nothing(disk, monkeypatch, capsys, whole):
    monkeypatch.chdir(disk)
    assert run(words("--L", "4", "6", "--sweeps", "40")) == 0
    before = content_digest("s.h5")
    capsys.readouterr()
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**40, 0, 2**40))
    assert run(words(*LARGER, "--extend")) == 3
    error = one_line(capsys)
    assert "No space left on device" in error and "free some space" in error
    assert content_digest("s.h5") == before
    parts = list(disk.glob("s.h5.parts/*.h5"))
    assert parts and not list(disk.rglob("*.tmp"))
    assert run(["verify", *map(str, parts)]) == 0
    remount(disk, "size=16m")
    capsys.readouterr()
    assert run(words(*LARGER, "--extend")) == 0
    assert json.loads(capsys.readouterr().out)["digest"] == whole


def test_a_read_only_disk(disk, monkeypatch, capsys):
    monkeypatch.chdir(disk)
    assert run(words("--L", "4", "6", "--sweeps", "40")) == 0
    before = Path("s.h5").read_bytes()
    capsys.readouterr()
    remount(disk, "ro")
    assert run(words(*LARGER, "--extend")) == 2
    assert "Read-only file system" in one_line(capsys)
    assert run(["train", "kuramoto", "--out", "n.h5", "--quiet"]) == 2
    assert "Read-only file system" in one_line(capsys)
    assert run(["show", "s.h5"]) == run(["verify", "s.h5"]) == 0
    assert Path("s.h5").read_bytes() == before


def test_a_limit_of_file_sizes(tmp_path, monkeypatch, capsys, whole):
    monkeypatch.chdir(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        assert run(words(*LARGER)) == 2
        assert "ulimit -f" in one_line(capsys)
        monkeypatch.setattr("physnn.samples.files.check_disk", lambda *_: None)
        assert run(words(*LARGER)) == 3
        error = one_line(capsys)
        assert "File too large" in error and "ulimit -f" in error
        assert not Path("s.h5").exists() and not list(tmp_path.rglob("*.tmp"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert run(words(*LARGER)) == 0
    assert content_digest("s.h5") == whole


def test_too_few_open_files(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(words("--L", "4", "6", "--sweeps", "40")) == run(["verify", "s.h5"]) == 0
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    capsys.readouterr()
    spare = os.dup(0)
    os.close(spare)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (spare, before[1]))
        assert run(["verify", "s.h5"]) == 2
        assert run(words("--L", "4", "6", "--sweeps", "80", "--extend")) in (2, 3)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2 and all("Too many open files" in line for line in lines)
    assert run(["verify", "s.h5"]) == 0


@pytest.mark.parametrize("name", ["x" * 230 + ".h5", "x" * 248 + ".h5", "x" * 300 + ".h5"])
def test_names_that_are_too_long_for_something(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    status = run(words("--L", "4", "6", "--sweeps", "40", out=name))
    assert status in (0, 2, 3)
    assert (status == 0) == Path("x" * 230 + ".h5").exists()
    if status:
        assert "File name too long" in one_line(capsys)
        assert [f for f in tmp_path.iterdir() if not f.name.endswith(".lock")] == []


POOR = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "OMP_NUM_THREADS": "1"}
"""No HOME, no TERM, an encoding that knows ASCII only."""


def shell(command: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run physnn from a shell without a terminal."""
    above = str(Path(machine.__file__).parent.parent)
    return subprocess.run(
        ["/bin/bash", "-c", command.replace("physnn", f"exec '{sys.executable}' -m physnn", 1)],
        cwd=folder, env=POOR | {"PYTHONPATH": above} | more, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, errors="surrogateescape",
    )  # fmt: skip


def test_poor_surroundings(tmp_path):
    """No HOME, no terminal, the C locale, 64 open files; spaces, letters beyond ASCII and a bad byte in names."""
    folder = tmp_path / os.fsdecode("L \u00e4 \u03b7 ".encode() + b"\xff")
    folder.mkdir()
    name = "\u00f6 #1 'x'.h5"
    command = " ".join(["ulimit -n 64;", "physnn", *words("--L", "4", "6", "--sweeps", "40", out=f'"{name}"')])
    answer = shell(command.replace("--jobs 1", "--jobs 2"), folder)
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["digest"] == content_digest(folder / name)
    table = shell(f'physnn show "{folder}/{name}"', tmp_path)
    assert table.returncode == 0, table.stderr
    assert "digest" in table.stdout


def test_a_limit_of_memory_is_seen_beforehand(tmp_path, network_file):
    command = f"ulimit -v 6000000; physnn sweep-noise --networks {network_file} --L 3000 --eta 0.1 0.2 --jobs 1 --quiet"
    answer = shell(command, tmp_path)
    assert answer.returncode == 2
    assert len(answer.stderr.strip().splitlines()) == 1
    assert "GB are available" in answer.stderr and "take L <=" in answer.stderr
    assert not list(tmp_path.glob("*.h5*"))


def test_without_shared_memory_workers_are_refused_in_one_line_and_one_job_does(tmp_path, monkeypatch, capsys):
    def none(*_args: object, **_options: object) -> None:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(workers, "ProcessPoolExecutor", none)
    assert run(words("--L", "4", "6", "--sweeps", "40", "--jobs", "2")) == 2
    error = one_line(capsys)
    assert "/dev/shm" in error and "use --jobs 1" in error
    assert run(words("--L", "4", "6", "--sweeps", "40")) == 0


@pytest.mark.slow
def test_a_machine_whose_shared_memory_cannot_be_written(tmp_path):
    hide = "mount -t tmpfs -o ro tmpfs /dev/shm"
    if os.geteuid() or subprocess.run(["unshare", "-m", "sh", "-c", hide], check=False, capture_output=True).returncode:
        pytest.skip("a mount of its own needs root; the same error is tested as if it came")
    common = words("--L", "4", "6", "--sweeps", "40")
    for jobs, status in (("2", 2), ("1", 0)):
        command = f"{hide}; exec {sys.executable} -m physnn {' '.join(common)} --jobs {jobs}"
        answer = subprocess.run(
            ["unshare", "-m", "sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert answer.returncode == status, answer.stderr
        assert ("/dev/shm" in answer.stderr) == (status == 2) and answer.stderr.count("\n") == (status == 2)


@pytest.mark.slow
def test_compiled_code_without_a_cache_and_with_a_damaged_one(tmp_path):
    cache = tmp_path / "cache"
    command = "physnn count signs --method brute-force --layers 1 2 1 --quiet --json"
    wanted = json.loads(shell(command, tmp_path, NUMBA_CACHE_DIR="/proc/none").stdout)
    both = [shell(command, tmp_path, NUMBA_CACHE_DIR=str(cache)) for _ in range(2)]
    assert [json.loads(answer.stdout) for answer in both] == [wanted, wanted]
    for file in cache.rglob("*.nbi"):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    damaged = shell(command, tmp_path, NUMBA_CACHE_DIR=str(cache))
    assert damaged.returncode == 2
    assert "cache of compiled code is damaged" in damaged.stderr and len(damaged.stderr.strip().splitlines()) == 1
    shutil.rmtree(cache)
    assert json.loads(shell(command, tmp_path, NUMBA_CACHE_DIR=str(cache)).stdout) == wanted


@pytest.mark.slow
def test_threads_do_not_change_the_numbers(tmp_path):
    digests = set()
    for threads in ("1", "2"):
        command = " ".join(["physnn", *words("--L", "4", "6", "--sweeps", "40", out=f"{threads}.h5")])
        names = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        assert shell(command, tmp_path, **dict.fromkeys(names, threads)).returncode == 0
        digests.add(content_digest(tmp_path / f"{threads}.h5"))
    assert len(digests) == 1
