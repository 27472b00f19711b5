"""The README's commands are executed as written: at tiny size always, in a fresh clone as a slow test."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

import physnn
from physnn.cli import cli, run

ROOT = Path(physnn.__file__).resolve().parent.parent
README = ROOT / "README.md"
INSIDE = "PHYSNN_INSIDE_README_TEST"
"""Set while the commands run, because the second one runs the tests."""


def commands() -> list[str]:
    """The two set-up commands, each one line of the README's first shell blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("python3 -m venv")]
    assert len(lines) == 2
    return lines


def last_words(line: str) -> list[str]:
    return shlex.split(line.rsplit("&&", maxsplit=1)[-1])


def test_the_first_command_runs_at_tiny_size(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    program, *words = last_words(commands()[0])
    assert program == ".venv/bin/physnn"
    assert words == ["sweep-noise", "--L", "32", "64", "128"]
    tiny = ["--eta", "0", "0.1", "0.2", "0.3", "--images", "1", "--jobs", "1", "--quiet", "--no-memory"]
    assert run([*words, *tiny]) == 0
    text = capsys.readouterr().out
    assert "sweep-noise.h5" in text and "sweep-noise.png" in text
    assert Path("sweep-noise.h5").is_file() and Path("sweep-noise.png").is_file()


def test_the_second_command_collects_the_tests():
    program, *words = last_words(commands()[1])
    assert (program, words) == (".venv/bin/python", ["-m", "pytest"])
    collect = [sys.executable, *words, "--collect-only", "-q", "tests/test_rng.py"]
    answer = subprocess.run(collect, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "test_rng.py" in answer.stdout


def lines_of_what_you_can_do() -> list[list[str]]:
    """Words of every command under "What you can do", in order."""
    block = README.read_text().partition("## What you can do")[2].partition("```sh\n")[2].partition("```")[0]
    lines = [shlex.split(line, comments=True) for line in block.replace(";", "\n").splitlines()]
    assert all(words[0] == "physnn" for words in lines) and len(lines) > 24
    return [words[1:] for words in lines]


@pytest.mark.parametrize("words", lines_of_what_you_can_do(), ids=" ".join)
def test_a_line_of_what_you_can_do_is_understood(words, tmp_path, monkeypatch):
    """Parsed by its command, whose work is left out."""
    monkeypatch.chdir(tmp_path)
    group, words = cli, list(words)
    while isinstance(group, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        found = group.get_command(click.Context(group), name)
        assert found is not None, name
        group = found
    if isinstance(group, click.Group):
        assert words == ["--help"]
    else:
        group.make_context(name, words)


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_every_line_of_what_you_can_do_runs_and_ends_well(tmp_path):
    """In order, in an empty folder: files that a line needs are made by those before it."""
    for words in lines_of_what_you_can_do():
        answer = subprocess.run(
            [sys.executable, "-m", "physnn", *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert answer.returncode == 0, f"{' '.join(words)}\n{answer.stdout[-2000:]}{answer.stderr[-2000:]}"


def test_continuous_integration_runs_the_second_command():
    assert (ROOT / ".ci" / "run").read_text().count("grep -m1 'pytest$' README.md") == 1
    first = next(line for line in README.read_text().splitlines() if line.endswith("pytest"))
    assert first == commands()[1]


def test_every_file_the_readme_names_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text()):
        if "://" not in target:
            assert (ROOT / target).exists(), target


@pytest.mark.slow
@pytest.mark.timeout(5400)
@pytest.mark.parametrize("which", [0, 1])
def test_a_command_passes_in_a_fresh_clone(tmp_path, which):
    assert INSIDE not in os.environ, "a README command must not run the tests of README commands"
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")} | {INSIDE: "1"}
    answer = subprocess.run(
        ["bash", "-c", commands()[which]], cwd=clone, env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout[-3000:] + answer.stderr[-3000:]
