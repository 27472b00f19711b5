"""The calls that make files, sweeps and trainings; each command is one call here or in `report`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physnn.errors import InputError
from physnn.jobs.executors import Engine, parse_engine
from physnn.jobs.run import Progress, silent
from physnn.networks.source import located
from physnn.samples import files
from physnn.samples.base import validated
from physnn.samples.equilibrium.recipe import EquilibriumSweep
from physnn.samples.files import recipe_on_disk
from physnn.samples.memory import recipe as medium
from physnn.samples.memory.recipe import MemorySweep
from physnn.samples.named import canonical_words, identity, load_model
from physnn.samples.noise.recipe import NoiseSweep, bundled_names, noise_values
from physnn.samples.temperature.recipe import TemperatureSweep
from physnn.store.sweep_file import open_datatree

if TYPE_CHECKING:
    import xarray

DEFAULT_ETA = (0.0, 0.4, 13)
"""Default noise range (low, high, number of values), Langevin convention."""
MEMORY_ETA = (0.2, 1.0, 9)
"""The same for memories, which last where the task has long failed."""


def noise_recipe(out: Path | None = None, extend: bool = False, **settings: Any) -> NoiseSweep:
    """Return the resolved recipe of a noise sweep from the settings given, the rest at their defaults.

    With ``extend`` and an existing file the settings not given are those of the file; but a ``module``, whose code
    will run, must be named again.
    """
    given = {key: value for key, value in settings.items() if value is not None}
    if isinstance(given.get("module"), str):
        given["module"] = located(given["module"])
    names = given.get("networks")
    if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
        given["networks"] = bundled_names(names)
    old = recipe_on_disk(out) if extend and out is not None else None
    if isinstance(old, NoiseSweep):
        if old.module and "module" not in given:
            raise InputError(f"the file was made with code that is not run unasked: name it, --module {old.module}")
        # Noise values, sizes, images and networks that are not named again stay as they are in the file.
        given = old.model_dump(exclude={"network_ids"} if "networks" in given else set()) | given
    given.setdefault("eta", noise_values(*DEFAULT_ETA))
    given.setdefault("L", (32, 64, 128))
    return validated(NoiseSweep, given).resolved()


def temperature_recipe(out: Path | None = None, extend: bool = False, **settings: Any) -> TemperatureSweep:
    """Return the recipe of a temperature sweep from the settings given, the rest at their defaults.

    With ``extend`` and an existing file the settings not given are those of the file.
    """
    given = {key: value for key, value in settings.items() if value is not None}
    old = recipe_on_disk(out) if extend and out is not None else None
    if isinstance(old, TemperatureSweep):
        given = old.model_dump() | given
    return validated(TemperatureSweep, given).resolved()


def equilibrium_recipe(out: Path | None = None, extend: bool = False, **settings: Any) -> EquilibriumSweep:
    """Return the recipe of an equilibrium sweep of unit vectors from the settings given, the rest at their defaults.

    With ``extend`` and an existing file the settings not given are those of the file.  The order parameter of a sweep
    that is on the disk stays; otherwise it is measured, which takes seconds.
    """
    given = {key: value for key, value in settings.items() if value is not None}
    old = recipe_on_disk(out) if out is not None else None
    if isinstance(old, EquilibriumSweep):
        given = old.model_dump(exclude={"model_id"} if "model" in given else set()) | given if extend else given
        if old.model_id == identity(load_model(canonical_words(given.get("model", ("xy",))))):
            given.setdefault("order", old.order)
    return validated(EquilibriumSweep, given).resolved()


def memory_recipe(out: Path | None = None, extend: bool = False, **settings: Any) -> MemorySweep:
    """Return the resolved recipe of a memory sweep from the settings given, the rest at their defaults.

    With ``extend`` and an existing file the settings not given are those of the file.
    """
    given = {key: value for key, value in settings.items() if value is not None}
    if "networks" in given:
        given["networks"] = medium.absolute(given["networks"])
    old = recipe_on_disk(out) if extend and out is not None else None
    if isinstance(old, MemorySweep):
        given = old.model_dump(exclude={"network_ids"} if "networks" in given else set()) | given
    given.setdefault("eta", noise_values(*MEMORY_ETA))
    if not given.get("model"):
        given.setdefault("networks", ("kuramoto_symmetric",))
    return validated(MemorySweep, given).resolved()


def _swept(
    recipe_of: Callable[..., Any], given: dict[str, Any], out: str | Path | None, engine: Engine, **run: Any
) -> xarray.DataTree:
    """Run the sweep that ``recipe_of`` makes of what is given, and return its data; without ``out`` nothing stays."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(out) if out is not None else Path(folder) / "sweep.h5"
        recipe = recipe_of(path, run["extend"], **given)
        files.run(recipe, path, engine=engine, **run)
        return open_datatree(path)


def sweep_memory(
    L: Sequence[int] | None = None,
    *,
    out: str | Path | None = None,
    jobs: int = 1,
    extend: bool = False,
    restart: bool = False,
    progress: Progress = silent,
    executor: str = "process",
    insecure: bool = False,
    **settings: Any,
) -> xarray.DataTree:
    """Follow domains written into networks under noise and return the data, one node ``/L32`` per size.

    Parameters
    ----------
    L : sequence of int, optional
        Sizes; by default 16, 32, 64 and 128, or those of the file that is extended.
    out, jobs, extend, restart, progress, executor, insecure
        As in `sweep_noise`.
    **settings
        Fields of `physnn.samples.memory.recipe.MemorySweep`: ``eta``, ``networks``, ``pattern``, ``replicas``,
        ``longest``, ``seed``, ...

    Returns
    -------
    xarray.DataTree
        The same numbers as ``physnn memory`` writes.
    """
    given = {"L": tuple(L) if L is not None else None, **settings}
    run: dict[str, Any] = {"jobs": jobs, "extend": extend, "restart": restart, "progress": progress}
    return _swept(memory_recipe, given, out, parse_engine(executor, insecure), **run)


def sweep_equilibrium(
    L: Sequence[int] | None = None,
    T: Sequence[float] | None = None,
    *,
    out: str | Path | None = None,
    jobs: int = 1,
    extend: bool = False,
    restart: bool = False,
    progress: Progress = silent,
    executor: str = "process",
    insecure: bool = False,
    **settings: Any,
) -> xarray.DataTree:
    """Sample unit vectors with some coupling in equilibrium and return the data, one node ``/L32`` per size.

    Parameters
    ----------
    L, T : sequences
        Sizes and temperatures.
    out, jobs, extend, restart, progress, executor, insecure
        As in `sweep_noise`.
    **settings
        Fields of `physnn.samples.equilibrium.recipe.EquilibriumSweep`: ``model``, ``sampler``, ``gamma``, ``start``,
        ``chains``, ``sweeps``, ``seed``, ...

    Returns
    -------
    xarray.DataTree
        The same numbers as ``physnn sweep-noise --mode equilibrium`` writes.
    """
    given = {"L": tuple(L) if L is not None else None, "T": tuple(T) if T is not None else None, **settings}
    run: dict[str, Any] = {"jobs": jobs, "extend": extend, "restart": restart, "progress": progress}
    return _swept(equilibrium_recipe, given, out, parse_engine(executor, insecure), **run)


def sweep_temperature(
    L: Sequence[int] | None = None,
    *,
    out: str | Path | None = None,
    jobs: int = 1,
    extend: bool = False,
    restart: bool = False,
    progress: Progress = silent,
    executor: str = "process",
    insecure: bool = False,
    **settings: Any,
) -> xarray.DataTree:
    """Sweep the temperature of a lattice model and return the data, one node ``/L32`` per size.

    Parameters
    ----------
    L : sequence of int, optional
        Sizes; by default 16, 32, 64 and 128, or those of the file that is extended.
    out, jobs, extend, restart, progress, executor, insecure
        As in `sweep_noise`.
    **settings
        Fields of `physnn.samples.temperature.recipe.TemperatureSweep`: ``T``, ``model``, ``q``, ``field``,
        ``algorithm``, ``sweeps``, ``chains``, ``seed``, ...

    Returns
    -------
    xarray.DataTree
        The same numbers as ``physnn sweep-temperature`` writes.
    """
    given = {"L": tuple(L) if L is not None else None, **settings}
    run: dict[str, Any] = {"jobs": jobs, "extend": extend, "restart": restart, "progress": progress}
    return _swept(temperature_recipe, given, out, parse_engine(executor, insecure), **run)


def sweep_noise(
    L: Sequence[int] | None = None,
    *,
    out: str | Path | None = None,
    jobs: int = 1,
    extend: bool = False,
    restart: bool = False,
    progress: Progress = silent,
    executor: str = "process",
    insecure: bool = False,
    **settings: Any,
) -> xarray.DataTree:
    """Sweep the noise of trained networks and return the data, one node ``/L32`` per size.

    Parameters
    ----------
    L : sequence of int, optional
        Sizes; by default 32, 64 and 128, or those of the file that is extended.
    out : path, optional
        Sweep file to write, continue or extend; without it nothing is kept on the disk.
    jobs : int
        Worker processes; 1 runs in this process.  The numbers do not depend on it.
    extend, restart : bool
        Add to a finished file of the same recipe; begin anew.
    progress : callable, optional
        Called with (done, total, text).
    executor : str
        ``"process"``, ``"dask"``, or ``"dask:ADDRESS"`` or ``"dask:FILE"`` for a scheduler that someone runs.
    insecure : bool
        Use a scheduler on another machine without encryption.
    **settings
        Fields of `physnn.samples.noise.recipe.NoiseSweep`: ``eta``, ``networks``, ``images``, ``steps``, ``seed``, ...
        With ``target_error`` a pilot with a quarter of the images decides noise values and images, so that the
        critical point of ``target_observable`` has this error, in units of eta; the recipe's ``stages`` say why.

    Returns
    -------
    xarray.DataTree
        The same numbers as ``physnn sweep-noise`` writes.
    """
    given = {"L": tuple(L) if L is not None else None, **settings}
    run: dict[str, Any] = {"jobs": jobs, "extend": extend, "restart": restart, "progress": progress}
    return _swept(noise_recipe, given, out, parse_engine(executor, insecure), **run)


def train_kuramoto(
    seeds: Sequence[int] = (0,),
    *,
    out: str | Path,
    jobs: int | None = None,
    device: str = "cpu",
    restart: bool = False,
    max_time: float | None = None,
    progress: Progress = silent,
    executor: str = "process",
    insecure: bool = False,
    **settings: Any,
) -> Path:
    """Train one Kuramoto network per seed, diagnose them and write them as one network file.

    Parameters
    ----------
    seeds : sequence of int
        One network each; a network does not depend on the others.
    out : path
        The network file.  Interrupted, the same call continues after the last full epoch of every network.
    jobs, device, restart, max_time, progress
        Networks trained side by side, ``"cpu"`` or ``"cuda"``, begin anew, seconds allowed, progress callback.
    executor, insecure
        As in `sweep_noise`.
    **settings
        Fields of `physnn.networks.kuramoto.recipe.TrainingRecipe`.

    Returns
    -------
    Path
        ``out``.
    """
    from physnn.samples.training.kuramoto import KuramotoTraining

    recipe = validated(KuramotoTraining, {**settings, "seeds": tuple(seeds), "device": device}).resolved()
    run: dict[str, Any] = {"jobs": jobs, "restart": restart, "max_time": max_time, "progress": progress}
    files.run(recipe, Path(out), engine=parse_engine(executor, insecure), **run)
    return Path(out)
