"""The calls that make files, sweeps and trainings; each command is one call here or in `report`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physnn.errors import InputError
from physnn.store.network_file import read_networks, write_networks
from physnn.store.parts import Parts, read_part, write_part
from physnn.store.sweep_file import kind_of, open_datatree, read_sweep, write_sweep
from physnn.sweeps import noise, preflight
from physnn.sweeps.executors import available_cores
from physnn.sweeps.run import Progress, exclusive, run_tasks, silent, single_thread, stop_signals
from physnn.sweeps.validation import validated

if TYPE_CHECKING:
    import xarray

DEFAULT_ETA = (0.0, 0.4, 13)
"""Default noise range (low, high, number of values), Langevin convention."""
Announce = Callable[[noise.Stage, dict[str, Any]], None]
"""Called before each stage of a sweep with a target error, with what is left of it to run, see `plan`."""


def noise_recipe(out: Path | None = None, extend: bool = False, **settings: Any) -> noise.NoiseSweep:
    """Return the resolved recipe of a noise sweep from the settings given, the rest at their defaults.

    With ``extend`` and an existing file the settings not given are those of the file.
    """
    given = {key: value for key, value in settings.items() if value is not None}
    names = given.get("networks")
    if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
        given["networks"] = noise.bundled_names(names)
    if extend and out is not None and (old := _recipe_on_disk(out)) is not None:
        # Noise values, sizes, images and networks that are not named again stay as they are in the file.
        given = old.model_dump(exclude={"network_ids"} if "networks" in given else set()) | given
    given.setdefault("eta", noise.noise_values(*DEFAULT_ETA))
    given.setdefault("L", (32, 64, 128))
    return validated(noise.NoiseSweep, given).resolved()


def _recipe_on_disk(out: Path) -> noise.NoiseSweep | None:
    recipe = Parts(out).recipe() or (read_sweep(out).recipe if out.exists() else None)
    if recipe is None:
        return None
    return _checked(recipe, out)


def _checked(recipe: dict[str, Any], out: Path) -> noise.NoiseSweep:
    if recipe.get("kind") != "noise":
        raise InputError(f"{out} does not belong to a noise sweep; choose another --out")
    return validated(noise.NoiseSweep, recipe)


def _clear(out: Path, kind: str) -> None:
    """Remove what a restart replaces; a file of another kind is not ours to remove."""
    if out.exists() and kind_of(out)[0] != kind:
        raise InputError(f"{out} is not a {kind} file, so --restart does not replace it; choose another --out")
    out.unlink(missing_ok=True)
    Parts(out).remove()


def run_noise_sweep(
    recipe: noise.NoiseSweep,
    out: Path,
    *,
    jobs: int | None = None,
    extend: bool = False,
    restart: bool = False,
    max_time: float | None = None,
    progress: Progress = silent,
    announce: Announce | None = None,
) -> int:
    """Run a resolved recipe into ``out``, or the rest of it, and return how many tasks were run.

    A recipe with a target error is run in two stages, see `physnn.sweeps.noise`; ``announce`` hears of each.

    Raises
    ------
    InputError
        If ``out`` holds another recipe, is locked or cannot be written, or memory is short.
    TasksFailed, Unfinished
        If tasks failed, or the run was stopped.
    """
    jobs = jobs or available_cores()
    count = 0
    _need(recipe, jobs)  # before a restart removes anything
    with exclusive(out), stop_signals(max_time):
        parts = Parts(out)
        if restart:
            _clear(out, "physnn-sweep")
        old = _recipe_on_disk(out)
        if old is not None:
            recipe = noise.merged(old, recipe, extend)
        done = _stored(out)
        run = partial(_run_stage, done=done, parts=parts, jobs=jobs, announce=announce)
        if recipe.undecided:
            _need(recipe, jobs)
            parts.begin(recipe.canonical())
            first, stage = noise.pilot(recipe)
            count = run(first, stage, progress=progress)
            recipe = noise.decided(recipe, _results(first, parts, done))
            progress = _after(progress, sum(task.cost for task in noise.tasks_of(first)))
        if any(task.key not in done for task in noise.tasks_of(recipe)):
            _need(recipe, jobs)
            parts.begin(recipe.canonical())
            count += run(recipe, recipe.stages[-1] if recipe.stages else None, progress=progress)
            _assemble(recipe, out, done)
        parts.remove()
    return count


def _after(progress: Progress, cost: float) -> Progress:
    return lambda done, total, text: progress(cost + done, cost + total, text)


def _run_stage(
    recipe: noise.NoiseSweep,
    stage: noise.Stage | None,
    done: Mapping[str, Any],
    parts: Parts,
    jobs: int,
    progress: Progress,
    announce: Announce | None,
) -> int:
    """Run the tasks of a recipe without a result, after saying what they cost if they are a stage."""
    tasks = [task for task in noise.tasks_of(recipe) if task.key not in done]
    if announce and stage and (left := [task for task in tasks if not parts.finished(task.key)]):
        announce(stage, _cost(recipe, left, jobs))
    return run_tasks(tasks, run_noise_task_into, {"files": noise.network_paths(recipe)}, parts, jobs, progress)


def run_noise_task_into(task: noise.NoiseTask, path: Path, context: Mapping[str, Any]) -> None:
    """Do one task of a noise sweep and write its part."""
    write_part(path, noise.run_noise_task(task, context["files"]))


def _components(recipe: noise.NoiseSweep) -> int:
    """Return the largest number of components of a recipe's networks."""
    paths = set(noise.network_paths(recipe).values())
    return max(int(read_networks(path).architecture["components"]) for path in paths)


def _need(recipe: noise.NoiseSweep, jobs: int) -> float:
    """Return the bytes a recipe needs at most; raises InputError if this machine does not have them."""
    return preflight.check_memory(recipe.L, recipe.batch, _components(recipe), jobs)


def _stored(out: Path) -> dict[str, Any]:
    """Return the results of all tasks that a finished file holds, by key; none without a file."""
    if not out.exists():
        return {}
    file = read_sweep(out)
    return dict(noise.disassemble(_checked(file.recipe, out), file.sizes))


def _results(recipe: noise.NoiseSweep, parts: Parts, done: Mapping[str, Any]) -> dict[str, Any]:
    return dict(done) | {
        task.key: read_part(parts.path(task.key)) for task in noise.tasks_of(recipe) if task.key not in done
    }


def _assemble(recipe: noise.NoiseSweep, out: Path, done: Mapping[str, Any]) -> None:
    write_sweep(out, recipe.canonical(), noise.assemble(recipe, _results(recipe, Parts(out), done)))


def merge(out: Path) -> int:
    """Assemble the parts of an unfinished sweep that lie beside ``out``; return the number of tasks in the file.

    Raises
    ------
    InputError
        If there are no parts, or tasks are missing.
    """
    with exclusive(out):
        parts = Parts(out)
        found = parts.recipe()
        if found is None:
            raise InputError(f"there are no parts beside {out} to merge; run a sweep with --out {out} first")
        recipe = _checked(found, out)
        if recipe.undecided:
            raise InputError("the pilot has not decided yet what to measure; run the same command again")
        done = _stored(out)
        tasks = noise.tasks_of(recipe)
        missing = [task for task in tasks if task.key not in done and not parts.finished(task.key)]
        if missing:
            raise InputError(f"{len(missing)} of {len(tasks)} tasks are not done yet; run the same command again")
        _assemble(recipe, out, done)
        parts.remove()
    return len(tasks)


def sweep_noise(
    L: Sequence[int] = (32, 64, 128),
    *,
    out: str | Path | None = None,
    jobs: int = 1,
    extend: bool = False,
    restart: bool = False,
    progress: Progress = silent,
    **settings: Any,
) -> xarray.DataTree:
    """Sweep the noise of trained networks and return the data, one node ``/L32`` per size.

    Parameters
    ----------
    L : sequence of int
        Sizes.
    out : path, optional
        Sweep file to write, continue or extend; without it nothing is kept on the disk.
    jobs : int
        Worker processes; 1 runs in this process.  The numbers do not depend on it.
    extend, restart : bool
        Add to a finished file of the same recipe; begin anew.
    progress : callable, optional
        Called with (done, total, text).
    **settings
        Fields of `physnn.sweeps.noise.NoiseSweep`: ``eta``, ``networks``, ``images``, ``steps``, ``seed``, ...
        With ``target_error`` a pilot with a quarter of the images decides noise values and images, so that the
        critical point of ``target_observable`` has this error, in units of eta; the recipe's ``stages`` say why.

    Returns
    -------
    xarray.DataTree
        The same numbers as ``physnn sweep-noise`` writes.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(out) if out is not None else Path(folder) / "sweep.h5"
        recipe = noise_recipe(path, extend, L=tuple(L), **settings)
        run_noise_sweep(recipe, path, jobs=jobs, extend=extend, restart=restart, progress=progress)
        return open_datatree(path)


def train_kuramoto(
    seeds: Sequence[int] = (0,),
    *,
    out: str | Path,
    jobs: int | None = None,
    device: str = "cpu",
    restart: bool = False,
    max_time: float | None = None,
    progress: Progress = silent,
    **settings: Any,
) -> Path:
    """Train one Kuramoto network per seed and write them as one network file.

    Parameters
    ----------
    seeds : sequence of int
        One network each; a network does not depend on the others.
    out : path
        The network file.  Interrupted, the same call continues after the last full epoch of every network.
    jobs, device, restart, max_time, progress
        Networks trained side by side, ``"cpu"`` or ``"cuda"``, begin anew, seconds allowed, progress callback.
    **settings
        Fields of `physnn.networks.training.TrainingRecipe`.

    Returns
    -------
    Path
        ``out``.
    """
    from physnn.networks.training import Seeds, TrainingRecipe
    from physnn.sweeps.train import TrainTask, live_progress, run_train_task

    out = Path(out)
    recipe = validated(TrainingRecipe, settings)
    seeds = validated(Seeds, {"seeds": seeds}).seeds
    plain = {"kind": "train-kuramoto", "seeds": sorted(set(seeds)), "device": device, **recipe.model_dump(mode="json")}
    tasks = [TrainTask(recipe=recipe, seed=seed, device=device) for seed in plain["seeds"]]
    recipe.check()
    with exclusive(out), stop_signals(max_time):
        parts = Parts(out)
        if restart:
            _clear(out, "physnn-networks")
        if out.exists():
            if read_networks(out).recipe != plain:
                raise InputError(
                    f"{out} holds networks of another recipe: use --restart to begin anew, or another --out"
                )
            return out
        if (found := parts.recipe()) is not None and found != plain:
            raise InputError(f"{parts.folder} belongs to another recipe: use --restart to begin anew, or another --out")
        parts.begin(plain)
        live = live_progress(parts, tasks)
        run_tasks(tasks, run_train_task, {}, parts, jobs or available_cores(), progress, live)
        trained = [run_train_task(task, parts.path(task.key), {}) for task in tasks]
        architecture = {name: getattr(recipe, name) for name in ("components", "kernel", "gamma", "broken", "boundary")}
        write_networks(out, architecture, plain, plain["seeds"], trained)
        parts.remove()
    return out


def plan(recipe: noise.NoiseSweep, jobs: int | None = None) -> dict[str, Any]:
    """Return what a resolved recipe will take: tasks, seconds, memory and file size, from one small timed task.

    Returns
    -------
    dict
        ``rows`` (one per size: L, tasks, seconds_per_task, megabytes_per_task), ``jobs``, ``seconds``, ``megabytes``,
        ``file_megabytes``.  For a recipe with a target error that is the pilot; ``second_stage_at_most`` has the
        bounds of ``seconds`` and ``file_megabytes`` for what it will decide.

    Raises
    ------
    InputError
        If memory is short.
    """
    from physnn.analysis.planning import CAP

    jobs = jobs or available_cores()
    if not recipe.undecided:
        return _cost(recipe, noise.tasks_of(recipe), jobs)
    first, stage = noise.pilot(recipe)
    found = _cost(first, noise.tasks_of(first), jobs)
    bounds = {name: CAP * found[name] for name in ("seconds", "file_megabytes")}
    return found | {"stage": stage.model_dump(mode="json"), "second_stage_at_most": bounds | {"times_pilot": CAP}}


def _cost(recipe: noise.NoiseSweep, tasks: Sequence[noise.NoiseTask], jobs: int) -> dict[str, Any]:
    """Return what tasks of a recipe will take, see `plan`."""
    files = noise.network_paths(recipe)
    need, components = _need(recipe, jobs), _components(recipe)
    probe = tasks[-1].model_copy(update={"count": min(4, recipe.batch), "eta": 0.1})
    with single_thread():
        noise.run_noise_task(probe, files)
        start = time.perf_counter()
        noise.run_noise_task(probe.model_copy(update={"eta": 0.11}), files)
        per_cost = (time.perf_counter() - start) / probe.cost
    rows = []
    for L in recipe.L:
        costs = [task.cost for task in tasks if task.L == L]
        megabytes = preflight.task_bytes(L, recipe.batch, components) / 1e6
        row = {"L": L, "tasks": len(costs), "seconds_per_task": per_cost * max(costs, default=0.0)}
        rows.append(row | {"megabytes_per_task": megabytes})
    cells = len(recipe.L) * len(recipe.eta) * len(recipe.network_ids) * recipe.images
    return {
        "rows": rows,
        "jobs": jobs,
        "seconds": per_cost * sum(task.cost for task in tasks) / jobs,
        "megabytes": need / 1e6,
        "file_megabytes": cells * 8 * 6 / 1e6,
    }
