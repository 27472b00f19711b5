"""Windows and macOS, as far as they can be simulated here: `elsewhere.py` takes the rest away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import physnn
from physnn.store.hdf5 import content_digest

SETTINGS = {"L": (4, 6), "T": (2.0, 2.2, 2.4, 2.6), "sweeps": 400, "chains": 2, "algorithm": "metropolis"}
SCRIPT = """
import json, os, signal, sys
from pathlib import Path

import physnn
from physnn.errors import InputError, Unfinished
from physnn.jobs.locks import exclusive, read_holder
from physnn.store.hdf5 import content_digest
from physnn.store.inspect import read_untrusted

if __name__ == "__main__":  # without it, workers that are spawned would begin the script again
    for module in ("fcntl", "resource"):
        assert sys.modules[module] is None
    assert not hasattr(os, "fork") and not hasattr(signal, "SIGUSR1")
    settings, jobs = json.loads(sys.argv[1]), int(sys.argv[2])
    physnn.sweep_temperature(**settings, out="s.h5", jobs=jobs)
    print(content_digest("s.h5"), physnn.fit("s.h5", "binder", resamples=100).verdict)
    if jobs > 1:
        assert physnn.report("s.h5", out="page.html").stat().st_size > 10_000
        Path("page.html").unlink()
    try:
        physnn.sweep_temperature(L=(64,), T=(2.3,), sweeps=10**7, algorithm="metropolis", out="long.h5", max_time=0.2)
    except Unfinished as stopped:
        print(stopped)
    with exclusive(Path("s.h5")):
        try:
            physnn.sweep_temperature(**settings, out="s.h5")
        except InputError as refused:
            print(refused)
    Path(".s.h5.lock").write_text(json.dumps(dict(host=sys.argv[3], pid=1, since=0, born=None, what="run")))
    try:
        physnn.sweep_temperature(**settings, out="s.h5")
    except InputError as refused:
        print(refused)
    Path(".s.h5.lock").unlink()
    try:
        read_untrusted(Path("s.h5"))
    except InputError as refused:
        print(refused)
    print(sorted(path.name for path in Path().iterdir()))
"""


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_system_with_neither_locks_nor_limits_nor_fork_gives_the_same_answers(tmp_path, jobs):
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "sitecustomize.py").write_text(Path(__file__).with_name("elsewhere.py").read_text())
    (tmp_path / "work").mkdir()
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    places = [str(tmp_path / "path"), str(Path(physnn.__file__).parent.parent)]
    words = [sys.executable, str(script), json.dumps(SETTINGS), str(jobs), "elsewhere"]
    done = subprocess.run(
        words,
        cwd=tmp_path / "work",
        env=os.environ | {"PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    physnn.sweep_temperature(**SETTINGS, out=tmp_path / "here.h5")
    answer, stopped, thread, process, limits, left = done.stdout.splitlines()
    assert answer.split()[0] == content_digest(tmp_path / "here.h5")
    assert "the allowed time is over" in stopped
    assert thread.startswith("another thread of this program is writing s.h5")
    assert process.startswith("another process is writing s.h5 (process 1 on elsewhere")
    assert limits == "this system cannot limit what a process takes: verify --untrusted needs Linux or macOS"
    assert left == "['long.h5.parts', 's.h5']"
