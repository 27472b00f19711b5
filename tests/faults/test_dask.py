"""Schedulers and workers of Dask that die, or are of another version, and strangers without a certificate."""

from __future__ import annotations

import json
import os
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

import physnn
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

    def start(kind: str, *more: str, env: dict[str, str] | None = None) -> None:
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
            started.append(
                subprocess.Popen(
                    [*command, *words, *more], cwd=folder, stdout=log, stderr=log, env=os.environ | (env or {})
                )
            )

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


STAGES = {"before the first task": 0, "in the middle": 3, "in the last task": 5, "while the file is written": 6}
"""Tasks of six that are done when something is killed."""


@pytest.mark.parametrize("victim", ["worker", "scheduler"])
@pytest.mark.parametrize("stage", STAGES)
def test_at_every_stage_what_is_finished_outlives_a_worker_and_a_scheduler(tmp_path, monkeypatch, capfd, stage, victim):
    pytest.importorskip("distributed")
    out, parts, killed = tmp_path / "s.h5", Parts(tmp_path / "s.h5"), []
    with cluster(tmp_path) as (file, started, start):

        def kill(done: float, total: float, _: str) -> None:
            if killed or len([p for p in parts.folder.glob("*.h5") if parts.finished(p.stem)]) < STAGES[stage]:
                return
            killed.append(started[victim == "worker"])
            killed[0].kill()
            if victim == "worker":
                start("worker")

        monkeypatch.setattr(files, "assemble", lambda *words, inner=files.assemble: (kill(1, 1, ""), inner(*words)))
        sweeps = 60_000 if STAGES[stage] in (0, 6) else 400_000
        options = {"engine": parse_engine(f"dask:{file}"), "progress": kill}
        if victim == "worker" or stage == "while the file is written":
            found, kept = digest(out, sweeps, **options), {}
        else:
            # The first progress comes before the scheduler is looked for.
            gone = (Unfinished, r"Dask scheduler is gone .*the same command continues")
            kind, text = (
                gone if STAGES[stage] else (InputError, r"cannot reach the Dask scheduler .* check that it runs")
            )
            with pytest.raises(kind, match=text) as told:
                digest(out, sweeps, **options)
            assert "\n" not in str(told.value) and not out.exists()
            kept = {p: p.stat().st_ino for p in parts.folder.glob("*.h5") if parts.finished(p.stem)}
            assert len(kept) in (STAGES[stage], STAGES[stage] + 1)
            recipe = api.recipe("temperature", out, **SETTINGS, sweeps=sweeps)
            assert files.run(recipe, out, jobs=1) == 6 - len(kept), "finished tasks are not run again"
            found = content_digest(out)
        assert killed and killed[0].poll() is not None
    assert "Traceback" not in capfd.readouterr().err and not parts.folder.exists()
    assert found == digest(tmp_path / "whole.h5", sweeps, jobs=1)


def another_version(folder: Path) -> dict[str, str]:
    """Variables of a worker that finds a copy of the package with another version."""
    ours = Path(physnn.__file__).parent
    shutil.copytree(ours, folder / "other" / "physnn", ignore=shutil.ignore_patterns("__pycache__"))
    place = folder / "other" / "physnn" / "__init__.py"
    place.write_text(place.read_text().replace(f'"{physnn.__version__}"', '"0.0.7"'))
    return {"PYTHONPATH": str(folder / "other")}


def test_a_worker_with_another_version_is_refused_by_name_at_once_and_when_it_joins_later(tmp_path):
    pytest.importorskip("distributed")
    other, out = another_version(tmp_path), tmp_path / "s.h5"
    told = rf"here is physnn {physnn.__version__}, but the Dask worker tcp://127.0.0.1:\d+ has 0.0.7: install the same"
    with cluster(tmp_path) as (file, started, start):
        asked: list[str] = []

        def replace(*_: object) -> None:
            if not asked and list(Parts(out).folder.glob("*.h5")):
                asked.append("now")
                started[1].kill()
                start("worker", env=other)

        with pytest.raises(Unfinished, match=told) as later:
            digest(out, 60_000, engine=parse_engine(f"dask:{file}"), progress=replace)
        with pytest.raises(InputError, match=told) as first:
            digest(tmp_path / "no.h5", 100, engine=parse_engine(f"dask:{file}"))
    assert "\n" not in str(later.value) + str(first.value) and not (tmp_path / "no.h5").exists()
    assert digest(out, 60_000, jobs=1) == digest(tmp_path / "whole.h5", 60_000, jobs=1)


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
