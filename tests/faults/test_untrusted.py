"""Files, models and settings from strangers: nothing in them runs, and whatever happens there is an answer."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physnn.cli import run
from physnn.store.inspect import Limits, read_untrusted
from physnn.store.parts import write_part
from physnn.store.sweep_file import read_sweep
from tests.every_kind import kept
from tests.store.test_guard import HOSTILE, hostile
from tests.store.test_hostile import attribute, edited

CHILDREN = {
    "a crash": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", r"crashes \(SIGSEGV\)"),
    "an abort": ("import os; os.abort()", r"crashes \(SIGABRT\)"),
    "a bus error": ("import os, signal; os.kill(os.getpid(), signal.SIGBUS)", r"crashes \(SIGBUS\)"),
    "a hang": ("import time; time.sleep(1000)", "within 1 s"),
    "a stop": ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", "within 1 s"),
    "deaf to signals": ("import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(1000)", "within 1 s"),
    "a child of its own": ("import os, time; os.fork(); time.sleep(1000)", "within 1 s"),
    "no answer": ("pass", "fails"),
    "no JSON": ("print('whole')", "fails"),
    "half an answer": ("print('{\"whole\": true')", "fails"),
    "an answer of other kinds": ("print('{\"whole\": 1}')", "fails"),
    "nested JSON": ("print('[' * 60000)", "fails"),
    "a status": ("import sys; sys.exit(7)", r"fails \(status 7\)"),
    "an exception": ("raise SystemError('x' * 10**6)", r"fails \(status 1\)"),
    "killed": ("import os; os.kill(os.getpid(), 9)", "more time"),
}


@pytest.fixture
def sound(tmp_path) -> Path:
    write_part(tmp_path / "p.h5", {"y": np.arange(3)})
    return tmp_path / "p.h5"


WAITED_FOR = ("a hang", "a stop", "deaf to signals")
ENDLESS = (*WAITED_FOR, "a child of its own")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in WAITED_FOR else n for n in CHILDREN])
def test_whatever_the_child_does_there_is_an_answer(sound, name):
    code, words = CHILDREN[name]
    began = time.monotonic()
    found = read_untrusted(sound, Limits(2**31, 2, 1 if name in ENDLESS else 20), code)
    assert not found.whole
    assert re.search(words, found.reason), found.reason
    assert time.monotonic() - began < 20
    time.sleep(0.05)
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=False).stdout
    assert str(sound) not in listed, "nothing of it stays alive"


LIMITED = {
    "memory": ("x = bytearray(10**10)", "fails"),
    "time": ("while True: pass", "more time"),
    "output": ("import sys\nwhile True: sys.stdout.write('x' * 10**6)", "fails|crashes"),
}


@pytest.mark.parametrize("name", LIMITED)
def test_the_limits_of_the_child_hold(sound, name):
    code, words = LIMITED[name]
    code = f"import physnn.store.inspect as i\ndef bad(path):\n exec({code!r})\ni.read_everything = bad\ni._answer()"
    found = read_untrusted(sound, Limits(2**30, 1, 60), code)
    assert not found.whole
    assert re.search(words, found.reason), found.reason


@pytest.mark.parametrize("name", ["a gzip bomb", "object references", "2^80 numbers"])
def test_verify_says_in_one_line_what_is_wrong(tmp_path, sound, capsys, name):
    bad = hostile(tmp_path / "h.h5", HOSTILE[name])
    assert run(["verify", str(bad)]) == 0, "a seal is only a seal"
    capsys.readouterr()
    assert run(["verify", "--untrusted", "--json", str(sound), str(bad)]) == 2
    said = capsys.readouterr()
    files = json.loads(said.out)["files"]
    assert [f["whole"] for f in files] == [True, False]
    assert files[0]["format"] == "physnn-part" and len(files[0]["digest"]) == 64
    assert len(said.err.strip().splitlines()) == 1 and "1 of 2 files" in said.err and "refused" in said.err


@pytest.mark.parametrize("content", [None, b"", b"hello", b"\x89HDF\r\n\x1a\n" * 100], ids=repr)
def test_verify_takes_anything(tmp_path, capsys, content):
    path = tmp_path / "x.h5"
    path.mkdir() if content is None else path.write_bytes(content)
    for option in ([], ["--untrusted"]):
        assert run(["verify", *option, str(path), str(tmp_path / "none.h5"), "/dev/null"]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


class Payload:
    """What a hostile pickle does when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_models_from_strangers_are_refused_and_do_nothing(tmp_path, capsys):
    mark = tmp_path / "executed"
    for name in ("model.pt", "model.h5", "model.npy", "model.pkl"):
        path = tmp_path / name
        if name.endswith(".npy"):
            np.save(path, np.array([Payload(mark)], object), allow_pickle=True)
        else:
            path.write_bytes(pickle.dumps(Payload(mark)))
        for words in (
            ["show"],
            ["plot"],
            ["verify", "--untrusted"],
            ["fit"],
            ["sweep-noise", "--dry-run", "--networks"],
        ):
            assert run([*words, str(path)]) == 2
            assert len(capsys.readouterr().err.strip().splitlines()) == 1
    pickle.loads(pickle.dumps(Payload(mark)))
    assert mark.exists(), "the payload would have worked"


CONFIGS = {
    "yaml.toml": ("images: !!python/object/apply:os.system ['touch executed']", "not valid TOML"),
    "twice.toml": ("images = 2\nimages = 3", "not valid TOML"),
    "unknown.toml": ("imagse = 2", "did you mean 'images'"),
    "nested.json": ("[" * 100_000, "nested too deeply"),
    "twice.json": ('{"images": 2, "images": 3}', "twice.json is not valid JSON: the key 'images' comes twice"),
    "digits.json": ('{"images": ' + "7" * 5000 + "}", "digits.json is not valid JSON: Exceeds the limit (4300 digits)"),
    "word.toml": ('images = "' + "x" * 4000 + '"', "word.toml: images: input should be a valid integer"),
    "list.json": ("[1, 2]", "table of settings"),
    "path.toml": ('networks = ["../../etc/passwd"]', "no file ../../etc/passwd"),
    "shell.toml": ('networks = ["$(touch executed)", "${HOME}"]', "no file $(touch executed)"),
    "nan.toml": ("eta = [nan]", "finite"),
    "huge.toml": ("images = 1" + "0" * 400, "images"),
    "bytes.toml": ("\udcff\udcfe", "not valid TOML"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_settings_from_strangers(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    text, words = CONFIGS[name]
    Path(name).write_bytes(text.encode(errors="surrogateescape"))
    assert run(["sweep-noise", "--config", name, "--dry-run"]) == 2
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1 and words in error and len(error) < 350
    assert not Path("executed").exists()


def test_settings_of_a_file_that_makes_no_sense_are_named_with_it(tmp_path, capsys):
    path = tmp_path / "s.h5"
    path.write_bytes(kept("temperature").read_bytes())
    edited(path, attribute("recipe", np.bytes_(path_recipe(path, sweeps=None, model="x" * 500))))
    assert run(["sweep-temperature", "--config", str(path), "--dry-run"]) == 2
    error = capsys.readouterr().err.strip()
    assert f"{path}: model: input should be" in error and len(error) < 350 and len(error.splitlines()) == 1


def path_recipe(path: Path, **changes: object) -> bytes:
    return json.dumps(read_sweep(path).recipe | changes).encode()


WORD = st.one_of(
    st.sampled_from(
        ["--L", "--T", "--eta", "--eta-range", "--json", "--out", "--seed", "--jobs", "--observable", "--"]
    ),
    st.sampled_from(
        ["0", "-1", "nan", "inf", "1e400", "1e-400", "10000000000000000000000", "7", "x.h5", "", "-", "\0"]
    ),
    st.text(max_size=8),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(
        ["fit", "show", "verify", "merge", "plot", "compare", "sweep-noise", "sweep-temperature", "nonsense"]
    ),
    st.lists(WORD, max_size=6),
)
def test_no_words_make_a_traceback(tmp_path, monkeypatch, capsys, command, words):
    monkeypatch.chdir(tmp_path)
    more = ["--dry-run", "--restart", "--L"] if command.startswith("sweep") else []
    assert run([command, *words, *more]) in (0, 2, 3)
    assert "Traceback" not in capsys.readouterr().err


def test_nothing_is_looked_for_on_the_network(tmp_path):
    """A sweep, a fit and a figure in a process where every name look-up and connection is an error."""
    code = """
import sys
def guard(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        place = arguments[1] if event in ("socket.connect", "socket.sendto") else arguments[0]
        if isinstance(place, tuple) and place[0] in ("127.0.0.1", "::1"):
            return
        if isinstance(place, (str, bytes)) and event in ("socket.connect", "socket.sendto"):
            return  # a path: a socket of this machine
        sys.stderr.write(f"NETWORK {event} {place}\\n")
        raise RuntimeError("no network")
sys.addaudithook(guard)
import socket
try:
    socket.create_connection(("192.0.2.1", 80), 1)
except RuntimeError:
    sys.stderr.write("the guard works\\n")
from physnn.cli import run
words = "sweep-temperature --L 4 6 --T 2 2.2 2.4 3 --sweeps 40 --chains 1 --jobs 1 --out s.h5 --quiet".split()
words += ["--algorithm", "metropolis"]
sys.exit(run(words) or run(["verify", "--untrusted", "s.h5"]) or run(["show", "s.h5"]))
"""
    script = tmp_path / "script.py"
    script.write_text(f"if __name__ == '__main__':\n{''.join('    ' + line + chr(10) for line in code.splitlines())}")
    answer = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    lines = answer.stderr.splitlines()
    assert "the guard works" in lines
    assert sum(line.startswith("NETWORK") for line in lines) == 1, "the attempt that shows that the guard works"
