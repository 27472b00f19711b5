from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

import physnn
from physnn import api
from physnn.answers import memory
from physnn.cli import COMMANDS, cli, run, sweep
from physnn.cli import options as opt
from physnn.cli.parts.free import NumberOrFree
from physnn.cli.sweep import langevin_noise
from physnn.errors import Unfinished
from physnn.networks import device
from physnn.store.hdf5 import content_digest
from physnn.store.sweep_file import read_sweep, write_sweep
from tests.conftest import make_networks, planted_sizes

pytestmark = pytest.mark.usefixtures("unrendered")

TINY = ["--L", "20", "24", "--eta", "0", "0.1", "0.2", "3e-1", "--images", "4", "--jobs", "1", "--no-memory", "--quiet"]


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def every_command():
    """Commands with the words that call them, those inside groups too."""
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        inside = getattr(command, "commands", {})
        yield from ([name, each] for each in inside) if inside else [[name]]


def test_help_of_every_command_ends_with_examples_of_its_own_options():
    for words in every_command():
        answer = CliRunner().invoke(cli, [*words, "--help"])
        assert answer.exit_code == 0, words
        lines = answer.output.split("\nExamples:\n")[1].splitlines()
        own = [line.split("#")[0] for line in lines if line.split()[1 : 1 + len(words)] == words]
        assert own and all(line.startswith("  physnn ") for line in lines), words
        said = set(re.findall(r"(?<!\S)--?[\w-]*[A-Za-z][\w-]*", " ".join(own)))
        known = set(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", answer.output.split("\nExamples:\n")[0]))
        assert said <= known, (words, said - known)


def test_options_of_the_examples_come_first_in_help():
    text = CliRunner().invoke(cli, ["sweep-noise", "--help"]).output
    headings = re.findall(r"^(\S.*):$", text, re.M)
    assert headings == [
        "Used in the examples", "More settings", "With --mode equilibrium", "Files and answer", "Running", "Examples",
    ]  # fmt: skip
    place = [text.index(name) for name in ("  --L L...", "  --steps-scaling", "  --gamma", "  --config", "  --jobs")]
    assert place == sorted(place)


def test_the_program_names_every_command():
    answer = CliRunner().invoke(cli, ["--help"])
    assert all(name in answer.output for name in COMMANDS)
    assert CliRunner().invoke(cli, ["--version"]).output.strip() == f"physnn, version {physnn.__version__}"


def test_a_recipe_for_a_gpu_that_is_not_here_is_one_sentence(here, network_file, capsys, monkeypatch):
    monkeypatch.setattr(device, "has_cuda", lambda: False)
    settings = {"kind": "noise", "networks": [str(network_file)], "L": [20], "eta": [0.1], "images": 2}
    Path("s.json").write_text(json.dumps(settings | {"engine": "torch", "device": "cuda"}))
    for more in ([], ["--dry-run"]):
        assert run(["run", "s.json", "--quiet", "--out", "s.h5", *more]) == 2
        error = capsys.readouterr().err
        assert 's.json says device = "cuda", and there is no CUDA device here' in error and error.count("\n") == 1
    assert not Path("s.h5").exists() and not Path("s.h5.parts").exists()
    # An option says what settings do not, and is refused where nothing uses it.
    Path("s.json").write_text(json.dumps(settings))
    assert run(["run", "s.json", "--quiet", "--out", "s.h5", "--device", "cuda"]) == 3
    assert "no CUDA device here" in capsys.readouterr().err
    Path("t.json").write_text(json.dumps({"kind": "temperature", "L": [8], "algorithm": "wolff"}))
    Path("l.json").write_text(json.dumps({"kind": "landscape", "layers": [1, 2, 1], "points": 4}))
    for name, why in (("t", "wolff does not run on a GPU"), ("l", "landscape runs on the CPU")):
        assert run(["run", f"{name}.json", "--quiet", "--out", "s.h5", "--device", "cuda"]) == 2
        assert why in capsys.readouterr().err
    assert not Path("s.h5").exists() and not Path("s.h5.parts").exists()


def test_a_run_of_what_has_no_curves_says_which_file_it_made(here, capsys):
    Path("l.json").write_text(json.dumps({"kind": "landscape", "layers": [1, 2, 1], "points": 4}))
    assert run(["run", "l.json", "--quiet", "--jobs", "1", "--out", "l.h5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"file": "l.h5", "tasks_run": 2, "digest": content_digest(Path("l.h5"))}


def test_settings_that_are_a_damaged_file_are_said_to_be_that(here, capsys):
    for begin in (b"", b"\x88HDF\r\n", b"x = 1\n"):
        Path("s.h5").write_bytes(begin)
        assert run(["run", "s.h5", "--out", "t.h5"]) == 2
        error = capsys.readouterr().err
        assert "s.h5 is a damaged HDF5 file" in error and "at byte 0" in error and "TOML" not in error
    write_sweep(Path("s.h5"), {"kind": "temperature"}, {})
    Path("s.h5").write_bytes(Path("s.h5").read_bytes()[:-100])
    assert run(["run", "s.h5", "--out", "t.h5"]) == 2
    assert "s.h5 carries no physnn seal" in capsys.readouterr().err


def test_help_takes_under_a_second():
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "physnn", "--help"], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    assert min(times) < 1


def test_sweep_prints_one_json_object_and_a_file_that_holds_the_same(here, network_file, capsys, rendered):
    assert run(["sweep-noise", *TINY, "--networks", str(network_file), "--out", "s.h5", "--json"]) == 0
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    assert captured.out.count("\n") == 1
    assert set(answer) >= {"file", "sizes", "controls", "fit", "figure", "digest"}
    assert answer["sizes"] == [20, 24]
    assert answer["controls"]["L20"] == [0.0, 0.1, 0.2, 0.3]
    assert answer["digest"] == content_digest("s.h5")
    assert answer["tasks_run"] == 16
    assert Path(answer["figure"]).stat().st_size > 10_000
    assert run(["sweep-noise", *TINY, "--networks", str(network_file), "--out", "s.h5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tasks_run"] == 0


def test_sweep_prints_a_table_an_answer_and_where_everything_is(here, network_file, capsys):
    assert run(["sweep-noise", *TINY, "--networks", str(network_file)]) == 0
    text = capsys.readouterr().out
    for words in ("16 tasks run", "L = 24", "rmse against eta: ", "sweep-noise.h5", "sweep-noise.png", "2 networks"):
        assert words in text
    assert run(["sweep-noise", *TINY, "--networks", str(network_file)]) == 0
    assert "all is done" in capsys.readouterr().out


BOTH = [word for word in TINY if word != "--no-memory"] + ["--out", "s.h5", "--networks"]


def test_sweep_tells_what_the_task_and_what_memory_bear(here, network_file, capsys, monkeypatch):
    monkeypatch.setattr(memory, "COMPANION_STEPS", 40)
    monkeypatch.setattr(memory, "COMPANION_ETA", (0.3, 0.6, 2))
    assert run(["sweep-noise", *BOTH, str(network_file), "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [row["L"] for row in plan["memory"]["rows"]] == [10, 20, 24] and list(here.iterdir()) == []
    assert run(["sweep-noise", *BOTH, str(network_file)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for words in (
        "lifetimes of a domain",
        "noise at which it is lost",
        "eta_task / eta_order at L = 24",
        "s-memory.png",
    ):
        assert words in text
    # A rerun reads both; more sizes extend both; where memory cannot be measured the sweep is what it was.
    assert run(["sweep-noise", *BOTH, str(network_file), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["memory"]["digest"] == content_digest("s-memory.h5") and answer["tasks_run"] == 0
    own = answer["forgetting"]["networks"]
    assert answer["forgetting"]["L"] == 24 and len(own) == 2
    assert all(n["eta_task"]["bound"] == "never there" for n in own), "untrained networks never do the task"
    assert run(["sweep-noise", "--out", "s.h5", "--extend", "--L", "28", "--jobs", "1", "--quiet", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["sizes"] == [20, 24, 28] and answer["memory"]["sizes"] == [10, 20, 24, 28]
    deep = make_networks(here / "deep.h5", (0,), layers="unshared")
    assert run(["sweep-noise", *BOTH[:-3], "--out", "d.h5", "--networks", str(deep)]) == 0
    assert "memory is not measured: " in capsys.readouterr().out and not Path("d-memory.h5").exists()


def test_the_answer_of_a_sweep_is_there_before_memory_begins(here, network_file, capsys, monkeypatch, rendered):
    run_recipe = sweep.run_recipe

    def stopped(title, *rest):
        if title == "memory":
            raise Unfinished("stopped before memory; the same command continues")
        return run_recipe(title, *rest)

    monkeypatch.setattr(sweep, "run_recipe", stopped)
    assert run(["sweep-noise", *BOTH, str(network_file)]) == 3
    captured = capsys.readouterr()
    assert "rmse against eta: " in captured.out and "stopped before memory" in captured.err
    assert Path("s.png").stat().st_size > 10_000
    assert run(["sweep-noise", *BOTH, str(network_file), "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["status"] == "unfinished"


def test_few_images_mean_few_replicas_of_a_memory(network_file):
    settings = {"L": (20, 24), "eta": (0.1, 0.2), "networks": (str(network_file),)}
    for images, replicas in ((1, 2), (31, 2), (32, 4), (100, 4)):
        recipe = api.recipe("noise", images=images, **settings)
        assert memory.companion_settings(recipe)["replicas"] == replicas


def test_shards_of_both_sweeps_print_one_object(here, network_file, capsys, monkeypatch):
    monkeypatch.setattr(memory, "COMPANION_STEPS", 40)
    monkeypatch.setattr(memory, "COMPANION_ETA", (0.3, 0.6, 2))
    words = ["sweep-noise", *BOTH, str(network_file), "--L", "21", "25", "--json"]
    assert run([*words, "--shard", "0/2"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["missing"] > 0 and answer["memory"]["missing"] > 0 and not Path("s.h5").exists()
    assert run([*words, "--shard", "1/2"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["memory"]["sizes"] == [10, 20, 21, 24, 25] and answer["forgetting"]["L"] == 25


def test_the_noise_answer_does_not_hang_on_the_memory_file(here, network_file, capsys, monkeypatch):
    monkeypatch.setattr(memory, "COMPANION_STEPS", 40)
    monkeypatch.setattr(memory, "COMPANION_ETA", (0.3, 0.6, 2))
    Path("s-memory.h5").write_text("something else")
    words = ["sweep-noise", *BOTH, str(network_file)]
    assert run(words) == 0
    text = capsys.readouterr().out
    assert "rmse against eta" in text and "memory is not measured: " in text
    Path("s-memory.h5").unlink()
    assert run(words) == 0
    more = ["--L", "10", "20", "24", "--eta", "0.9", "--longest", "60", "--extend", "--quiet", "--jobs", "1"]
    assert run(["memory", str(network_file), "--out", "s-memory.h5", *more]) == 0
    capsys.readouterr()
    assert run([*words, "--json"]) == 0, "what was added to the memory file stays"
    assert 0.9 in [row["eta"] for row in json.loads(capsys.readouterr().out)["memory"]["eta"]]


def test_lists_can_be_given_in_every_way(here, network_file, capsys):
    digests = set()
    for k, sizes in enumerate((["--L", "20", "24"], ["--L", "20", "--L", "24"], ["--L=20", "24"], ["--L", "20,24"])):
        rest = TINY[3:]
        assert run(["sweep-noise", *sizes, *rest, "--networks", str(network_file), "--out", f"{k}.h5", "--json"]) == 0
        digests.add(json.loads(capsys.readouterr().out)["digest"])
    assert len(digests) == 1


def test_config_files_and_recipes_feed_back(here, network_file, capsys):
    Path("c.toml").write_text(f'L = [20, 24]\neta = [0, 0.1, 2e-1, 0.3]\nimages = 9\nnetworks = ["{network_file}"]\n')
    common = ["--jobs", "1", "--quiet", "--json", "--no-memory"]
    assert run(["sweep-noise", "--config", "c.toml", "--images", "4", "--out", "a.h5", *common]) == 0
    assert read_sweep("a.h5").recipe["images"] == 4, "flags override"
    assert run(["sweep-noise", "--config", "a.h5", "--out", "b.h5", *common]) == 0
    Path("r.json").write_text(json.dumps(read_sweep("a.h5").recipe))
    assert run(["sweep-noise", "--config", "r.json", "--out", "c.h5", *common]) == 0
    capsys.readouterr()
    assert content_digest("a.h5") == content_digest("b.h5") == content_digest("c.h5")


def test_dry_run_tells_what_it_takes_and_runs_nothing(here, network_file, capsys):
    assert run(["sweep-noise", *TINY, "--networks", str(network_file), "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [row["L"] for row in plan["rows"]] == [20, 24]
    assert plan["seconds"] > 0 and plan["megabytes"] > 0 and plan["file_megabytes"] > 0
    assert run(["sweep-noise", *TINY, "--networks", str(network_file), "--dry-run"]) == 0
    assert "of memory" in capsys.readouterr().out
    assert list(here.iterdir()) == []


BAD = {
    "--L 0": "whole number >= 1",
    "--L -4": "whole number >= 1",
    "--L 7.5": "whole number >= 1",
    "--L": "--L needs at least one value, as in: --L 32",
    "--L --json": "--L needs at least one value",
    "--eta nan": "must be a finite number, not nan",
    "--eta -0.1": "must be at least 0",
    "--eta-range 0.4 0 13": "LO < HI",
    "--eta 0.1 --eta-range 0 1 5": "exclude each other",
    "--networks missing.h5": "there is no file missing.h5",
    "--networks text.h5": "not an HDF5 file",
    "--networks flipped.h5": "damaged",
    "--networks sweep.h5": "not 'physnn-networks'",
    "--out none/s.h5": "no folder none",
    "--out sweep.h5": "choose another --out",
    "--L 1000000": "are available",
    "--L 10": "too small for shapes",
    "--config none.toml": "cannot read",
    "--config text.h5": "damaged HDF5 file, or none",
    "--config bad.toml": "did you mean 'images'",
    "--max-time soon": "time span",
    "--no-such-option": "No such option",
    "--observable no-such": "choose one of",
    "--observable binder": "choose one of rmse",
    "--out s.png": "ends in .h5",
    "--out .": "is a directory",
    "--out text.h5 --restart": "not an HDF5 file",
    "--out sweep.h5 --restart --L 1000000": "are available",
    "--seed 99999999999999999999": "whole number",
    "--jobs 0": "whole number >= 1",
    "--max-time 99999999999999999999": "time span",
    "--eta-range 0 1 1e30": "whole number N",
    "--config clash.toml": "unknown setting 'out'",
    "--config types.toml": "networks",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_ends_with_one_line_and_status_2(here, network_file, capsys, words):
    Path("text.h5").write_text("hello, this is text")
    Path("bad.toml").write_text("imagse = 3\nL = [0]\n")
    Path("clash.toml").write_text('out = "x.h5"\nL = [20]\neta = [0.1]\n')
    Path("types.toml").write_text("networks = 5\n")
    damaged = bytearray(network_file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    Path("flipped.h5").write_bytes(damaged)
    write_sweep(Path("sweep.h5"), {"kind": "planted"}, planted_sizes(0))
    before = set(here.iterdir())
    networks = [] if "--networks" in words or "types" in words else ["--networks", str(network_file)]
    common = ["--images", "1", "--jobs", "1", "--quiet"]
    assert run(["sweep-noise", *networks, *common, *words.split()]) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("Error: "), captured.err
    assert BAD[words] in lines[0]
    assert captured.out == ""
    assert set(here.iterdir()) == before, "nothing is left behind"


def test_restart_never_removes_what_is_not_a_sweep(here, network_file, capsys):
    Path("mine.h5").write_bytes(network_file.read_bytes())
    words = ["sweep-noise", *TINY, "--networks", "mine.h5", "--out", "mine.h5", "--restart"]
    assert run(words) == 2
    assert "does not replace it" in capsys.readouterr().err
    assert Path("mine.h5").read_bytes() == network_file.read_bytes()


def test_a_sweep_with_nothing_to_compare_is_complete_all_the_same(here, network_file, capsys):
    words = ["sweep-noise", "--L", "20", "24", "--eta", "0", "0.1", "--images", "2", "--jobs", "1", "--quiet", "--json"]
    words.append("--no-memory")
    assert run([*words, "--networks", str(network_file), "--out", "s.h5"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["fit"] is None and "at least 4" in answer["remark"]
    assert Path("s.h5").is_file()


def test_whatever_goes_wrong_there_is_no_traceback(monkeypatch, capsys):
    monkeypatch.setattr(cli, "main", lambda *_args, **_kwargs: {}["missing"])
    assert run(["show", "x"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: this could not be done (KeyError") and error.count("\n") == 1


def test_a_ctrl_c_that_compiled_code_wraps_is_one(monkeypatch, capsys):
    def wrapped(*_args, **_kwargs):
        raise SystemError("returned a result with an exception set") from KeyboardInterrupt()

    monkeypatch.setattr(cli, "main", wrapped)
    assert run(["show", "x"]) == 130
    assert capsys.readouterr().err.startswith("Stopped: interrupted")


def test_a_recipe_that_does_not_match_the_file_is_refused_and_can_be_restarted(here, network_file, capsys):
    words = ["sweep-noise", *TINY, "--networks", str(network_file), "--out", "s.h5"]
    assert run(words) == 0
    assert run([*words, "--seed", "3"]) == 2
    assert "seed 0, now 3" in capsys.readouterr().err
    assert run([*words, "--extend", "--L", "26"]) == 0
    assert list(read_sweep("s.h5").sizes) == [20, 24, 26]
    assert run([*words, "--seed", "3", "--restart"]) == 0
    assert read_sweep("s.h5").recipe["seed"] == 3


@pytest.mark.parametrize(("crosses", "verdict"), [(True, "crossing"), (False, "no-crossing")])
def test_fit_answers_in_words_and_json(here, capsys, crosses, verdict):
    write_sweep(Path("p.h5"), {"kind": "planted"}, planted_sizes(1, crosses=crosses))
    assert run(["fit", "p.h5", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["verdict"] == verdict
    assert (answer["critical_point"] is not None) == crosses
    assert run(["fit", "p.h5"]) == 0
    assert f"rmse against eta: {verdict}" in capsys.readouterr().out


def test_fit_says_undecided_with_status_3(here, capsys):
    write_sweep(Path("p.h5"), {"kind": "planted"}, planted_sizes(1, noise=3.0, networks=2))
    assert run(["fit", "p.h5"]) == 3
    assert "undecided" in capsys.readouterr().out


def test_show_plot_verify_look_at_files(here, network_file, capsys, rendered):
    write_sweep(Path("p.h5"), {"kind": "planted"}, planted_sizes(1))
    assert run(["show", "p.h5", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["digest"] == content_digest("p.h5") and facts["format"] == "physnn-sweep"
    assert run(["show", str(network_file)]) == 0
    assert "validation RMSE" in capsys.readouterr().out
    assert run(["plot", "p.h5", "--format", "svg", "--style", "grayscale"]) == 0
    assert Path("p.svg").read_text().startswith("<?xml")
    shutil.copy("p.h5", "q.h5")
    assert run(["plot", "p.h5", "q.h5", "--out", "both.png"]) == 0 and Path("both.png").stat().st_size > 10_000
    for words, why in {
        ("--panels", "curves", "--kind", "examples"): "--panels are those of a sweep",
        ("q.h5", "--panels", "curves"): "--panels are drawn of one file at a time",
        ("--format", "pdf", "--out", "a.png"): "--out has an ending of its own",
    }.items():
        assert run(["plot", "p.h5", *words]) == 2 and why in capsys.readouterr().err
    assert run(["plot", "p.h5"]) == 0
    assert run(["plot", str(network_file), "--out", "t.png"]) == 0
    assert run(["plot", str(network_file), "--kind", "examples", "--out", "e.png"]) == 0
    assert all(Path(f).stat().st_size > 5_000 for f in ("p.png", "t.png", "e.png"))
    assert run(["verify", "p.h5", str(network_file)]) == 0
    with Path("p.h5").open("ab") as stream:
        stream.write(b"x")
    assert run(["verify", "p.h5"]) == 2
    assert run(["merge", "p.h5"]) == 2


def test_train_makes_a_network_file(here, capsys):
    words = "train kuramoto --L 20 --steps 2 --seeds 0 1 --epochs 1 --pairs-per-epoch 8 --batch 4"
    words += " --out n.h5 --jobs 1 --quiet"
    assert run([*words.split(), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [n["seed"] for n in answer["networks"]] == [0, 1]
    assert run([*words.split(), "--broken"]) == 2
    assert "another recipe" in capsys.readouterr().err
    assert run(["train", "kuramoto", "--L", "12", "--out", "m.h5"]) == 2
    assert run(["train", "kuramoto", "--kernel", "4", "--out", "m.h5"]) == 2


@pytest.mark.parametrize(
    "words",
    [
        "train kuramoto --L 20 --steps 2 --seeds 0 1 --epochs 1 --pairs-per-epoch 8 --batch 4",
        "train classify --seeds 0 1 --epochs 1 --train 100 --expand 2 --no-control",
    ],
)
def test_shards_of_trainings_make_the_same_file(here, capsys, words):
    common = [*words.split(), "--jobs", "1", "--quiet", "--json"]
    assert run([*common, "--out", "whole.h5"]) == 0
    assert run([*common, "--out", "s.h5", "--shard", "0/2"]) == 0
    lack = json.loads(capsys.readouterr().out.splitlines()[1])
    assert lack["missing"] > 0 and lack["file"] == "s.h5" and not Path("s.h5").exists()
    assert run([*common, "--out", "s.h5", "--shard", "1/2"]) == 0
    assert content_digest("s.h5") == content_digest("whole.h5")


def test_noise_conventions(network_file):
    gamma, eta = 0.25, 0.3
    increment = eta * gamma**0.5
    given = {"per-step": increment / gamma, "increment-std": increment, "increment-variance": increment**2}
    given |= {"temperature": eta**2 / 2, "langevin": eta}
    for name, value in given.items():
        assert np.isclose(langevin_noise([value], name, [str(network_file)])[0], eta), name


def test_completion_knows_options():
    words = {"COMP_WORDS": "physnn sweep-noise --ne", "COMP_CWORD": "2", "_PHYSNN_COMPLETE": "bash_complete"}
    code = "import sys; sys.argv = ['physnn']; from physnn.cli import main; main()"
    answer = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | words, capture_output=True, text=True, check=False
    )
    assert "--networks" in answer.stdout


LONG = ["sweep-noise", *TINY[:-1], "--images", "2000", "--out", "s.h5", "--json"]


def test_a_run_whose_time_is_over_says_so_and_continues(here, network_file, capsys):
    """Its status is a process's, too: see `tests.faults.test_stop`."""
    assert run([*LONG, "--networks", str(network_file), "--quiet", "--max-time", "1"]) == 3
    captured = capsys.readouterr()
    assert len(captured.err.strip().splitlines()) == 1 and "same command continues" in captured.err
    assert json.loads(captured.out)["status"] == "unfinished" and not Path("s.h5").exists()


def test_an_interrupted_run_says_so_and_continues(here, network_file):
    words = [sys.executable, "-m", "physnn", *LONG, "--networks", str(network_file)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while len(list(here.glob("s.h5.parts/*.h5"))) < 8:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(2)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "same command continues" in err.strip().splitlines()[-1] and "Traceback" not in err
    assert json.loads(out)["status"] == "interrupted" and not Path("s.h5").exists()


def _numeric_options():
    """Command, context and option of every option that takes a number."""
    kinds = (opt.Number, opt.Whole, NumberOrFree, click.types.FloatParamType, click.types.IntParamType)
    left = [(cli, click.Context(cli))]
    while left:
        command, context = left.pop()
        if isinstance(command, click.Group):
            subs = [(name, command.get_command(context, name)) for name in command.list_commands(context)]
            left += [(sub, click.Context(sub, info_name=name, parent=context)) for name, sub in subs]
        else:
            yield from ((context, p) for p in command.get_params(context) if isinstance(p.type, kinds))


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400", ""])
def test_every_option_with_a_number_refuses_what_is_none(value):
    count = 0
    for context, option in _numeric_options():
        with pytest.raises(click.BadParameter) as refused:
            option.type.convert(value, option, context)
        whole = isinstance(option.type, opt.Whole)
        told = "is not a whole number >= " if whole else f"must be a finite number, not {value}" if value else "number"
        assert told in refused.value.message
        count += 1
    assert count > 100


def test_the_same_numbers_in_a_file_of_settings_are_refused_with_their_names(here, capsys):
    for setting, told in {
        'kind = "temperature"\nJ2 = nan': "J2: input should be a finite number, not nan",
        'kind = "temperature"\ncoupling = inf': "coupling: input should be a finite number, not inf",
        'kind = "temperature"\nfield = [0.1, -1e308]': "field, value 2: input should be greater than or equal to",
    }.items():
        (here / "s.toml").write_text(setting)
        assert run(["run", "s.toml", "--dry-run"]) == 2
        assert told in capsys.readouterr().err
    for words in (["--out", ""], ["--observable", ""], ["--shard", ""]):
        assert run(["sweep-temperature", "--L", "4", "--T", "2", "--sweeps", "4", *words]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
