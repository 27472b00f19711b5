"""A network defined in a file outside the package: swept, diagnosed and fitted from the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

import physnn
from physnn import api
from physnn.cli import cli, run
from physnn.errors import InputError
from physnn.networks import brought
from physnn.networks.kuramoto import evaluate
from physnn.samples import files
from physnn.samples.files import merge
from physnn.samples.noise import work
from physnn.samples.tasks import Checkpoint
from physnn.store.hdf5 import content_digest
from physnn.store.parts import Parts
from physnn.store.sweep_file import read_sweep
from tests.networks.test_brought import AKORN

pytestmark = pytest.mark.usefixtures("unrendered")

SIZES = ["--L", "24", "32", "--images", "12", "--quiet", "--json"]
SWEEP = ["sweep-noise", *SIZES, "--eta-range", "0", "2", "5", "--module", "my_net.py:AkornLayer"]


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder with an AKOrN-style layer and its weights, which the package knows nothing of."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(AKORN.__file__, "my_net.py")
    save_file(AKORN.example_weights(), "layer.safetensors")
    return tmp_path


def forget_classes() -> None:
    """Be like a process that has imported nothing yet."""
    for kept in (brought.load_class, brought.probe, evaluate.load_dynamics, evaluate.clean_run):
        kept.cache_clear()


def answered(capsys, *words: str) -> dict:
    assert run([*words]) == 0
    return json.loads(capsys.readouterr().out)


def refused(*words: str) -> str:
    answer = CliRunner().invoke(cli, [*words])
    assert answer.exit_code == 2 or isinstance(answer.exception, InputError)
    return str(answer.exception if isinstance(answer.exception, InputError) else answer.output)


def test_a_network_from_outside_is_swept_diagnosed_and_fitted(here, capsys):
    sweep = [*SWEEP, "--networks", "layer.safetensors"]
    assert len(answered(capsys, *sweep, "--dry-run")["rows"]) == 2
    found = answered(capsys, *sweep, "--out", "two.h5", "--jobs", "2")
    assert found["tasks_run"] == 2 * 5 * 2 and found["sizes"] == [24, 32]
    alone = answered(capsys, *sweep, "--out", "one.h5", "--jobs", "1", "--observable", "overlap")
    assert alone["digest"] == found["digest"], "workers that import the module anew do the same"
    assert alone["fit"]["observable"] == "overlap"
    recipe = read_sweep("one.h5").recipe
    assert recipe["steps"] == 8 and len(recipe["module_digest"]) == 64
    assert answered(capsys, *sweep, "--out", "one.h5", "--jobs", "1")["tasks_run"] == 0
    group = read_sweep("one.h5").sizes[32]
    assert (group["overlap"].values[0] == 1).all() and group["overlap"].values[-1].mean() < 0.9
    assert (group["n_order"].values == 4).all()

    Path("my_net.py").unlink()  # what is measured can be read without the code
    for observable in ("binder", "m_abs", "energy", "rmse"):
        run(["fit", "one.h5", "--observable", observable, "--json"])
        assert json.loads(capsys.readouterr().out)["verdict"], observable


def test_a_diagnosis_says_what_it_cannot_know(here, capsys, rendered):
    words = ["diagnose", "layer.safetensors", "--module", "my_net.py:AkornLayer", "--images", "4", "--L", "24"]
    (found,) = answered(capsys, *words, "--json", "--quiet", "--figure", "page.png")["networks"]
    assert found["name"] == "layer" and found["family"] == "brought" and found["steps"] == 8
    for unknown in ("s", "lambda_min", "h", "c", "symmetric", "wall_energy"):
        assert found[unknown] is None, unknown
    assert found["rmse"]["T"] > 0 and found["gamma"] == 0.25
    assert found["energy_rise"] < 1e-6, "the energy falls, as it must with J = J^T and without Omega"
    assert found["damage"]["all_steps"] > 0
    assert "unknown" in found["findings"] and "does not show its couplings" in found["verdict"]
    assert Path("page.png").stat().st_size > 10_000

    weights = AKORN.example_weights() | {"omega": np.full(4, 2.0, np.float32)}
    save_file(weights, "layer.safetensors")
    (found,) = answered(capsys, *words, "--json", "--quiet")["networks"]
    assert found["energy"] is None and "energy" in found["verdict"]
    assert found["period"] == 0 and "moving" in found["findings"], "Omega turns for ever"


def test_a_changed_file_is_not_mixed_with_what_the_old_one_left(here, monkeypatch, capsys):
    settings = {"L": (24,), "eta": [0.0, 0.5, 1.0], "images": 4, "networks": ["layer.safetensors"]}
    recipe = api.recipe("noise", module="my_net.py:AkornLayer", **settings)
    measure, count = work.NoiseSample.run, 0

    def interrupted(sample, task, checkpoint):
        nonlocal count
        count += 1
        if count == 2:
            raise KeyboardInterrupt
        return measure(sample, task, checkpoint)

    monkeypatch.setattr(work.NoiseSample, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.run(recipe, Path("s.h5"), jobs=1)
    monkeypatch.setattr(work.NoiseSample, "run", measure)
    text = Path("my_net.py").read_text()
    Path("my_net.py").write_text(text.replace("return gamma if has_omega", "return  gamma if has_omega"))
    with pytest.raises(InputError, match=r"another recipe \(module_digest"):
        files.run(api.recipe("noise", module="my_net.py:AkornLayer", **settings), Path("s.h5"), jobs=1)
    forget_classes()
    with pytest.raises(InputError, match="has changed since"):
        (sample := work.NoiseSample(recipe)).run(sample.tasks()[0], Checkpoint(None))
    Path("moved").mkdir()
    Path("my_net.py").unlink()
    Path("moved/my_net.py").write_text(text)
    same = api.recipe("noise", module="moved/my_net.py:AkornLayer", **settings)
    assert files.run(same, Path("s.h5"), jobs=1) == 2, "the same text elsewhere continues"
    files.run(same, Path("whole.h5"), jobs=1)
    assert content_digest("s.h5") == content_digest("whole.h5")
    wider = same.model_copy(update={"L": (24, 28)})
    assert files.run(wider, Path("s.h5"), jobs=1, extend=True) == 3


def test_code_is_run_only_where_somebody_names_it(here, capsys):
    Path("my_net.py").write_text(
        "from pathlib import Path\nPath('ran').touch()\n" + Path("my_net.py").read_text().replace("import sys", "")
    )
    words = [*SWEEP, "--networks", "layer.safetensors", "--images", "2", "--jobs", "1"]
    answered(capsys, *words, "--out", "s.h5")
    Path("ran").unlink()
    assert "--module" in refused("sweep-noise", *SIZES, "--config", "s.h5", "--out", "t.h5")
    assert "--module" in refused("sweep-noise", *SIZES, "--extend", "--out", "s.h5")
    Path("evil.toml").write_text('L = [24]\nmodule = "my_net.py:AkornLayer"\nsteps = 1\n')
    assert "--module" in refused("sweep-noise", "--config", "evil.toml", "--out", "t.h5")
    for command in ("show", "verify", "fit"):
        run([command, "s.h5", "--json"])
    with pytest.raises(InputError):
        physnn.sweep_noise([24], networks=["layer.safetensors"])
    assert not Path("ran").exists()
    capsys.readouterr()
    forget_classes()
    again = answered(capsys, "sweep-noise", "--config", "s.h5", "--module", "my_net.py:AkornLayer", *SIZES[-2:],
                     "--out", "u.h5", "--jobs", "1")  # fmt: skip
    assert again["digest"] == content_digest("s.h5") and Path("ran").exists(), "the control: here it ran"


def test_parts_are_merged_without_the_code(here, monkeypatch):
    settings = {"L": (24,), "eta": [0.0, 0.5], "images": 2, "networks": ["layer.safetensors"]}
    recipe = api.recipe("noise", module="my_net.py:AkornLayer", **settings)
    monkeypatch.setattr(files, "assemble", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        files.run(recipe, Path("s.h5"), jobs=1)
    monkeypatch.undo()
    monkeypatch.chdir(here)
    Path("my_net.py").unlink()
    assert merge(Path("s.h5")) == 2
    assert not Parts(Path("s.h5")).folder.exists()


def test_noise_of_other_conventions_takes_the_step_size_of_the_class(here):
    common = ["sweep-noise", "--L", "24", "--images", "2", "--jobs", "1", "--quiet", "--networks", "layer.safetensors"]
    common += ["--module", "my_net.py:AkornLayer", "--eta", "0.1"]
    assert run([*common, "--noise-convention", "increment-std", "--out", "s.h5"]) == 0
    assert read_sweep("s.h5").recipe["eta"] == [pytest.approx(0.2)]
    text = Path("my_net.py").read_text().replace("self.gamma", "self.size")
    Path("my_net.py").write_text(text)
    assert "no attribute gamma" in refused(*common, "--noise-convention", "increment-std", "--out", "t.h5")
