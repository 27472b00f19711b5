"""A scheduler of Dask that dies in the middle of a sweep, and one that strangers without a certificate cannot use."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from physnn import api
from physnn.errors import InputError, Unfinished
from physnn.jobs import dask
from physnn.jobs.executors import parse_engine
from physnn.samples import files
from physnn.store.hdf5 import content_digest
from physnn.store.parts import Parts

pytestmark = pytest.mark.slow
SETTINGS = {"L": (16, 32), "T": [2.1, 2.3, 2.5], "chains": 1, "algorithm": "metropolis"}


def digest(out: Path, sweeps: int, **options) -> str:
    files.run(api.recipe("temperature", out, **SETTINGS, sweeps=sweeps), out, **options)
    return content_digest(out)


@contextmanager
def cluster(folder: Path, *words: str) -> Iterator[tuple[Path, list[subprocess.Popen], Callable[[str], None]]]:
    """A scheduler and a worker in processes of their own; yields the scheduler's file, both, and what starts more."""
    file, started = folder / "scheduler.json", []

    def start(kind: str, *more: str) -> None:
        more = more or ("--nthreads", "1", "--no-nanny")
        command = [
            sys.executable,
            "-m",
            f"distributed.cli.dask_{kind}",
            "--scheduler-file",
            str(file),
            "--no-dashboard",
        ]
        with (folder / f"{kind}.txt").open("w") as log:
            started.append(subprocess.Popen([*command, *words, *more], cwd=folder, stdout=log, stderr=log))

    try:
        start("scheduler", "--host", "127.0.0.1", "--port", "0")
        while not file.exists() or not file.read_text():
            assert started[0].poll() is None, (folder / "scheduler.txt").read_text()
            time.sleep(0.05)
        start("worker")
        yield file, started, start
    finally:
        for process in started:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()


def test_a_scheduler_that_dies_in_the_middle_loses_nothing(tmp_path, capfd):
    pytest.importorskip("distributed")
    out = tmp_path / "s.h5"
    with cluster(tmp_path) as (file, (scheduler, _), _):

        def kill() -> None:
            while not list(Parts(out).folder.glob("*.h5")):
                time.sleep(0.02)
            scheduler.kill()

        murderer = threading.Thread(target=kill, daemon=True)
        murderer.start()
        with pytest.raises(Unfinished, match=r"Dask scheduler is gone .*the same command continues") as told:
            digest(out, 60_000, engine=parse_engine(f"dask:{file}"))
        murderer.join(5)
    assert "\n" not in str(told.value) and not out.exists()
    assert "Traceback" not in capfd.readouterr().err
    kept = {part.name: part.stat().st_ino for part in Parts(out).folder.glob("*.h5")}
    finished = [name for name in kept if Parts(out).finished(name.removesuffix(".h5"))]
    assert 1 <= len(finished) < 6
    recipe = api.recipe("temperature", out, **SETTINGS, sweeps=60_000)
    assert files.run(recipe, out, jobs=1) == 6 - len(finished), "finished tasks are not run again"
    assert content_digest(out) == digest(tmp_path / "whole.h5", 60_000, jobs=1)


def test_a_worker_that_is_lost_at_the_last_task_costs_that_task_alone(tmp_path):
    pytest.importorskip("distributed")
    out = tmp_path / "s.h5"
    with cluster(tmp_path) as (file, started, start):
        done: list[str] = []

        def replace() -> None:
            parts = Parts(out)
            while len(done) < 5:
                time.sleep(0.02)
                done[:] = [path.stem for path in parts.folder.glob("*.h5") if parts.finished(path.stem)]
            started[1].kill()
            start("worker")

        other = threading.Thread(target=replace, daemon=True)
        other.start()
        found = digest(out, 600_000, engine=parse_engine(f"dask:{file}"))
        other.join(5)
    assert len(done) == 5 and started[1].poll() is not None and len(started) == 3
    assert found == digest(tmp_path / "whole.h5", 600_000, jobs=1)


def test_a_worker_that_stands_still_for_a_while_delays_its_task_only(tmp_path):
    pytest.importorskip("distributed")
    out = tmp_path / "s.h5"
    with cluster(tmp_path) as (file, started, start):
        start("worker")

        def hold() -> None:
            while not Parts(out).folder.is_dir():
                time.sleep(0.02)
            time.sleep(1.0)
            started[2].send_signal(signal.SIGSTOP)
            time.sleep(8.0)
            started[2].send_signal(signal.SIGCONT)

        other = threading.Thread(target=hold, daemon=True)
        other.start()
        found = digest(out, 600_000, engine=parse_engine(f"dask:{file}"))
        other.join(20)
    assert found == digest(tmp_path / "whole.h5", 600_000, jobs=1)


def certificates(folder: Path) -> None:
    """Write ca.pem, ours.pem and ours-key.pem, signed by it, and the same of a stranger, by openssl."""
    if not shutil.which("openssl"):
        pytest.skip("certificates are made with openssl")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    for ca, name in (("ca", "ours"), ("other", "stranger")):
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        openssl(
            "req", "-x509", *key, "-keyout", f"{ca}-key.pem", "-out", f"{ca}.pem", "-days", "2", "-subj", f"/CN={ca}"
        )
        openssl("req", *key, "-keyout", f"{name}-key.pem", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed_by = ("-CA", f"{ca}.pem", "-CAkey", f"{ca}-key.pem", "-CAcreateserial", "-days", "2")
        openssl("x509", "-req", "-in", f"{name}.csr", *signed_by, "-out", f"{name}.pem")


def test_over_tls_only_those_with_a_certificate_of_ours_can_use_a_scheduler(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    config = pytest.importorskip("dask").config
    certificates(tmp_path)
    words = [
        f"--tls-ca-file={tmp_path}/ca.pem",
        f"--tls-cert={tmp_path}/ours.pem",
        f"--tls-key={tmp_path}/ours-key.pem",
    ]

    def known_as(name: str, ca: str = "ca") -> dict[str, str]:
        place = {"cert": f"{tmp_path}/{name}.pem", "key": f"{tmp_path}/{name}-key.pem"}
        found = {f"distributed.comm.tls.client.{kind}": file for kind, file in place.items()}
        return found | {"distributed.comm.tls.ca-file": f"{tmp_path}/{ca}.pem"}

    monkeypatch.setattr(dask, "REACH", 3.0)
    wanted = digest(tmp_path / "here.h5", 100, jobs=1)
    with cluster(tmp_path, "--protocol", "tls", *words) as (file, *_):
        address = json.loads(file.read_text())["address"]
        assert address.startswith("tls://")
        strangers = {
            "no certificate": ({}, address),
            "one that somebody else signed": (known_as("stranger"), address),
            "a name in clear": (known_as("ours"), address.replace("tls://", "tcp://")),
        }
        for who, (settings, there) in strangers.items():
            with config.set(settings), pytest.raises(InputError, match="cannot reach the Dask scheduler at") as told:
                digest(tmp_path / "stranger.h5", 100, engine=parse_engine(f"dask:{there}"))
            assert "\n" not in str(told.value) and "certificates in Dask's configuration" in str(told.value), who
        assert not (tmp_path / "stranger.h5").exists()
        with config.set(known_as("ours")):
            assert digest(tmp_path / "tls.h5", 100, engine=parse_engine(f"dask:{file}")) == wanted
        with config.set(known_as("ours", ca="other")), pytest.raises(InputError, match="cannot reach"):
            digest(tmp_path / "false.h5", 100, engine=parse_engine(f"dask:{address}"))
