"""What a shell completes: values that only a file, the samplers or the bundled networks know."""

from __future__ import annotations

import pytest
from click.shell_completion import ShellComplete

from physnn.cli import cli, run
from physnn.samples.temperature.recipe import algorithms
from physnn.store.sweep_file import write_sweep
from tests.conftest import planted_sizes


def completed(*words: str) -> set[str]:
    *before, begun = words
    return {item.value for item in ShellComplete(cli, {}, "physnn", "_").get_completions(list(before), begun)}


def test_values_are_completed_by_what_they_name(tmp_path):
    assert completed("sweep-temperature", "--algorithm", "") == set(algorithms())
    assert completed("sweep-temperature", "--algorithm", "w") == {"wolff"}
    assert completed("sweep-noise", "--networks", "kuramoto_s") == {"kuramoto_symmetric", "kuramoto_s"}
    assert completed("plot", "x.h5", "--kind", "ex") == {"examples"}
    assert "--algorithm" in completed("sweep-temperature", "--alg")


@pytest.mark.parametrize("words", [["fit", "FILE"], ["plot", "FILE"], ["compare", "FILE", "FILE"], ["export", "FILE"]])
def test_observables_are_those_of_the_file(words, tmp_path):
    path = tmp_path / "p.h5"
    write_sweep(path, {"kind": "planted"}, planted_sizes(1))
    words = [str(path) if word == "FILE" else word for word in words]
    found = completed(*words, "--observable", "")
    assert {"rmse"} <= found and "binder_time" not in found
    path.write_bytes(path.read_bytes()[:-9])
    assert "binder_time" in completed(*words, "--observable", ""), "of a damaged file nothing is known"


def test_files_of_other_programs_are_told_what_to_do(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, told in {
        "w.pt": "safetensors.torch.save_file, and give it with --module",
        "t.csv": "tables go to physnn fit",
        "x.dump": "give a file that physnn wrote",
    }.items():
        (tmp_path / name).write_text("L,T,y,e\n")
        assert run(["show", name]) == 2
        assert told in capsys.readouterr().err
