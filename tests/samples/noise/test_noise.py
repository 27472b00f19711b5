from __future__ import annotations

import numpy as np
import pytest

import physnn
from physnn import api, machine
from physnn.errors import InputError
from physnn.samples import files
from physnn.samples.base import validated
from physnn.samples.files import merge
from physnn.samples.noise import work
from physnn.samples.noise.recipe import NoiseSweep
from physnn.store.hdf5 import content_digest
from physnn.store.parts import Parts
from physnn.store.sweep_file import read_sweep
from tests.conftest import make_networks

SMALL = {"eta": [0.0, 0.1, 0.2, 0.3], "images": 5, "batch": 2}


def run(out, networks, L=(20, 24), extend=False, jobs=1, **settings):
    recipe = api.recipe("noise", out, extend, L=L, networks=[str(networks)], **settings)
    return files.run(recipe, out, extend=extend, jobs=jobs)


def test_the_library_and_any_number_of_workers_give_the_same_numbers(tmp_path, network_file):
    one, two = tmp_path / "one.h5", tmp_path / "two.h5"
    assert run(one, network_file, **SMALL) == 2 * 2 * 4 * 3
    run(two, network_file, jobs=2, **SMALL)
    assert content_digest(one) == content_digest(two)
    tree = physnn.sweep_noise([20, 24], networks=[str(network_file)], **SMALL)
    for L, group in read_sweep(one).sizes.items():
        for name, variable in group.items():
            found = tree[f"L{L}"][name]
            values = variable.values.astype(str) if variable.values.dtype.kind == "S" else variable.values
            assert np.array_equal(found.values, values), name
            assert found.dims == variable.dims
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.h5", "two.h5"], "no parts, no locks"


def test_a_second_run_does_nothing_and_another_recipe_is_refused(tmp_path, network_file):
    out = tmp_path / "s.h5"
    run(out, network_file, **SMALL)
    before = out.read_bytes()
    assert run(out, network_file, **SMALL) == 0
    assert out.read_bytes() == before
    for change in ({"images": 6}, {"steps": 3}, {"seed": 1}, {"density": "paper"}):
        with pytest.raises(InputError, match="another recipe"):
            run(out, network_file, **SMALL | change)
    with pytest.raises(InputError, match="seed"):
        run(out, network_file, extend=True, seed=1)


def test_extending_equals_running_at_once(tmp_path, network_file):
    parts, whole = tmp_path / "parts.h5", tmp_path / "whole.h5"
    other = make_networks(tmp_path / "other.h5", (7,))
    run(parts, network_file, L=(20,), eta=[0.0, 0.2], images=4, batch=2)
    assert run(parts, network_file, extend=True, L=(24,)) == 2 * 2 * 2
    assert run(parts, network_file, extend=True, L=(20,), eta=[0.1, 0.3]) == 2 * 2 * 2 * 2
    assert run(parts, network_file, extend=True, L=(20,), images=6) > 0
    recipe = api.recipe("noise", parts, True, L=(20,), networks=[str(other)])
    assert files.run(recipe, parts, extend=True, jobs=1) == 2 * 4 * 3
    settings = {"eta": [0.0, 0.1, 0.2, 0.3], "images": 6, "batch": 2}
    recipe = api.recipe("noise", whole, networks=[str(network_file), str(other)], L=(20, 24), **settings)
    files.run(recipe, whole, jobs=1)
    assert content_digest(parts) == content_digest(whole)


def test_the_result_does_not_depend_on_where_it_was_interrupted(tmp_path, network_file, monkeypatch):
    run(tmp_path / "whole.h5", network_file, **SMALL)
    out = tmp_path / "cut.h5"
    measure, count = work.NoiseSample.run, 0

    def interrupted(sample, task, checkpoint):
        nonlocal count
        count += 1
        if count % 11 == 0:
            raise KeyboardInterrupt
        return measure(sample, task, checkpoint)

    monkeypatch.setattr(work.NoiseSample, "run", interrupted)
    for _ in range(4):
        with pytest.raises(KeyboardInterrupt):
            run(out, network_file, **SMALL)
        assert not out.exists()
    with pytest.raises(InputError, match="not done yet"):
        merge(out)
    monkeypatch.setattr(work.NoiseSample, "run", measure)
    run(out, network_file, **SMALL)
    assert content_digest(out) == content_digest(tmp_path / "whole.h5")


def test_merge_assembles_what_a_killed_run_left(tmp_path, network_file, monkeypatch):
    out = tmp_path / "s.h5"
    with pytest.raises(InputError, match="no parts"):
        merge(out)
    monkeypatch.setattr(files, "assemble", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        run(out, network_file, **SMALL)
    monkeypatch.undo()
    assert merge(out) == 48
    run(tmp_path / "whole.h5", network_file, **SMALL)
    assert content_digest(out) == content_digest(tmp_path / "whole.h5")
    assert not Parts(out).folder.exists()


def test_a_moved_network_file_is_found_by_content_and_a_changed_one_is_missed(tmp_path, network_file):
    out, first, moved = tmp_path / "s.h5", tmp_path / "a.h5", tmp_path / "b.h5"
    first.write_bytes(network_file.read_bytes())
    run(out, first, L=(20,), eta=[0.0, 0.2], images=2)
    first.rename(moved)
    assert run(out, moved, L=(24,), extend=True) == 4
    make_networks(moved, (8, 9))
    with pytest.raises(InputError, match=r"of the recipe is in none|there is no file"):
        files.run(api.recipe("noise", out, True, L=(26,)), out, extend=True, jobs=1)


def test_a_task_is_named_by_its_content():
    common = {"network_ids": ("a",), "steps": 3}
    keys = {t.key for t in work.NoiseSample(NoiseSweep(L=(32,), eta=(0.1,), images=8, **common)).tasks()}
    more = {t.key for t in work.NoiseSample(NoiseSweep(L=(32, 64), eta=(0.1, 0.2), images=16, **common)).tasks()}
    assert keys < more
    other = {t.key for t in work.NoiseSample(NoiseSweep(L=(32,), eta=(0.1,), images=8, seed=1, **common)).tasks()}
    assert not keys & other


def test_all_mistakes_are_told_at_once_and_unknown_keys_with_a_suggestion():
    with pytest.raises(InputError) as caught:
        validated(NoiseSweep, {"L": [0], "eta": [0.1], "images": -1, "imagse": 3, "density": "thick"})
    text = str(caught.value)
    for words in ("L, value 1", "images", "unknown setting 'imagse' (did you mean 'images'?)", "density"):
        assert words in text
    assert "\n" not in text


def test_memory_is_checked_before_anything_is_allocated(monkeypatch):
    monkeypatch.setattr(machine, "available_memory", lambda: 2e9)
    machine.check_memory([128], 8, 16, 1)
    with pytest.raises(InputError, match=r"L = 4096 needs .* 2 GB are available: take L <= \d+"):
        machine.check_memory([128, 4096], 8, 16, 1)


def test_networks_of_different_depth_need_an_explicit_one(tmp_path, network_file):
    deep = make_networks(tmp_path / "deep.h5", (3,), steps=6)
    with pytest.raises(InputError, match=r"depths \[4, 6\]"):
        api.recipe("noise", networks=[str(network_file), str(deep)])
    assert api.recipe("noise", networks=[str(network_file), str(deep)], steps=4).steps == 4


def test_depth_grows_with_size_in_whole_periods(tmp_path, network_file):
    one = api.recipe("noise", L=(20, 24, 40), networks=[str(network_file)], steps_scaling=1.0, period=3, **SMALL)
    assert one.training_side == 20
    assert {t.size: t.cost for t in work.NoiseSample(one).tasks()} == {L: L**2 * one.depth(L) for L in one.L}
    recipe = one.model_copy(update={"steps": 15, "training_side": 32, "period": 2})
    assert [recipe.depth(L) for L in (4, 16, 32, 48, 64, 128)] == [1, 7, 15, 23, 31, 59]
    assert all((recipe.depth(L) - 15) % 2 == 0 for L in range(1, 200))
    square = recipe.model_copy(update={"steps_scaling": 2.0})
    assert [square.depth(L) for L in (32, 64)] == [15, 59]
    plain = api.recipe("noise", L=(20, 24), networks=[str(network_file)], **SMALL)
    assert plain.depth(20) == plain.depth(24) == plain.steps
    assert not {"steps_scaling", "training_side", "period"} & set(plain.canonical())
    assert run(tmp_path / "s.h5", network_file, **SMALL, steps_scaling=1.0, period=3) > 0
    with pytest.raises(InputError, match="steps_scaling"):
        run(tmp_path / "s.h5", network_file, **SMALL, steps_scaling=2.0, period=3)


def test_a_network_without_a_period_has_no_scale_of_depth(network_file, monkeypatch):
    from types import SimpleNamespace

    moving = (SimpleNamespace(name="net/0", period=0),)
    monkeypatch.setattr("physnn.samples.diagnosis.diagnose", lambda *args, **kwargs: moving)
    monkeypatch.setattr("physnn.samples.diagnosis.stored_diagnosis", lambda name: ())
    with pytest.raises(InputError, match="without a period"):
        api.recipe("noise", L=(20,), networks=[str(network_file)], steps_scaling=1.0, **SMALL)


def test_new_sweeps_step_with_the_kernel_and_old_ones_go_on_with_torch(tmp_path, network_file):
    out, old = tmp_path / "new.h5", tmp_path / "old.h5"
    settings = {"eta": [0.0, 0.2], "images": 2}
    run(out, network_file, **settings)
    assert read_sweep(out).recipe["engine"] == "kernel"
    run(old, network_file, engine="torch", **settings)
    assert "engine" not in read_sweep(old).recipe, "as files of version 1"
    assert run(old, network_file, **settings) == 0, "the same command goes on with the file as it began"
    assert run(old, network_file, extend=True, L=(26,)) == 2 * 2
    assert "engine" not in read_sweep(old).recipe
    run(out, network_file, extend=True, L=(26,))
    for L, group in read_sweep(old).sizes.items():
        for name in ("rmse", "overlap", "energy"):
            assert np.allclose(group[name].values, read_sweep(out).sizes[L][name].values, rtol=1e-4), name


def test_an_engine_is_named_in_a_task_only_if_it_is_not_torch():
    common = {"L": (32,), "eta": (0.1,), "network_ids": ("a",), "steps": 3, "images": 8}
    old, new = (work.NoiseSample(NoiseSweep(**common, **more)).tasks() for more in ({}, {"engine": "kernel"}))
    assert [s.canonical().get("engine") for s in (NoiseSweep(**common), NoiseSweep(**common, engine="kernel"))] == [
        None,
        "kernel",
    ]
    assert old[0].key != new[0].key
